"""The adapters this process uses, by platform name."""

from __future__ import annotations

from collections.abc import Mapping

from app.platforms.base import PlatformAdapter
from app.platforms.facebook.aftercare import FacebookAftercare
from app.platforms.facebook.client import FacebookClient, FacebookConfig
from app.platforms.facebook.connect import FacebookConnector
from app.platforms.facebook.metrics import FacebookMetrics
from app.platforms.facebook.publish import FacebookPublisher
from app.platforms.http import PlatformHttp
from app.platforms.instagram.aftercare import InstagramAftercare
from app.platforms.instagram.client import InstagramClient, InstagramConfig
from app.platforms.instagram.connect import InstagramConnector
from app.platforms.instagram.metrics import InstagramMetrics
from app.platforms.instagram.publish import InstagramPublisher
from app.platforms.tiktok.aftercare import TikTokAftercare
from app.platforms.tiktok.client import TikTokClient, TikTokConfig
from app.platforms.tiktok.connect import TikTokConnector
from app.platforms.tiktok.metrics import TikTokMetrics
from app.platforms.tiktok.publish import TikTokPublisher

__all__ = ["Adapters", "FacebookConfig", "InstagramConfig", "TikTokConfig", "build_adapters"]


class Adapters(dict[str, PlatformAdapter]):
    """Adapters by platform name. Connections are opened when first used, in the event loop that uses them."""

    def __init__(self, adapters: Mapping[str, PlatformAdapter], connections: tuple[PlatformHttp, ...]) -> None:
        super().__init__(adapters)
        self._connections = connections

    async def aclose(self) -> None:
        """Close the connections of all platforms."""
        for http in self._connections:
            await http.aclose()


def build_adapters(
    *,
    instagram: InstagramConfig | None = None,
    facebook: FacebookConfig | None = None,
    tiktok: TikTokConfig | None = None,
) -> Adapters:
    """Build the adapters of the platforms that are configured."""
    adapters: dict[str, PlatformAdapter] = {}
    connections: list[PlatformHttp] = []
    if instagram is not None:
        ig = InstagramClient(instagram)
        adapters["instagram"] = PlatformAdapter(
            "instagram", InstagramConnector(ig), InstagramPublisher(ig), InstagramMetrics(ig), InstagramAftercare(ig)
        )
        connections.append(ig.http)
    if facebook is not None:
        fb = FacebookClient(facebook)
        adapters["facebook"] = PlatformAdapter(
            "facebook", FacebookConnector(fb), FacebookPublisher(fb), FacebookMetrics(fb), FacebookAftercare(fb)
        )
        connections.append(fb.http)
    if tiktok is not None:
        tt = TikTokClient(tiktok)
        adapters["tiktok"] = PlatformAdapter(
            "tiktok", TikTokConnector(tt), TikTokPublisher(tt), TikTokMetrics(tt), TikTokAftercare(tt)
        )
        connections.append(tt.http)
    return Adapters(adapters, tuple(connections))
