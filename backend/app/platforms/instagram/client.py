"""Instagram's calls, by name. Shapes: Instagram Platform › Content Publishing, v25.0, read 2026-11-23."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from app.platforms.base import JSON, Auth, PlatformError
from app.platforms.http import PlatformHttp, Purpose
from app.platforms.instagram.errors import DECIDER, TITLE
from app.platforms.meta import GRAPH_VERSION, GraphClient, needed, rows_of

_MEDIA_FIELDS = "id,caption,timestamp,media_type,media_product_type,permalink"


@dataclass(frozen=True)
class InstagramConfig:
    """The app and the hosts (Instagram API with Instagram Login)."""

    app_id: str
    app_secret: str = field(repr=False)
    oauth_url: str = "https://www.instagram.com"
    api_url: str = "https://api.instagram.com"
    graph_url: str = "https://graph.instagram.com"
    graph_version: str = GRAPH_VERSION
    visibility_seconds: float = 180.0
    """How long a new post may be missing from the account's media list before its absence proves anything."""


class InstagramClient:
    """Every call the publisher and the metrics reader make."""

    def __init__(self, config: InstagramConfig, http: PlatformHttp | None = None) -> None:
        self.config = config
        self.http = http or PlatformHttp(TITLE)
        base = f"{config.graph_url.rstrip('/')}/{config.graph_version}"
        self.graph = GraphClient(self.http, base, DECIDER)
        self.bare_graph = GraphClient(self.http, config.graph_url.rstrip("/"), DECIDER)

    async def create_container(self, auth: Auth, body: Mapping[str, Any]) -> str:
        """Stage a picture, video or carousel; returns the container's id."""
        data = await self.graph.post(
            auth, "instagram.create_container", f"/{quote(auth.account_id_external)}/media", body
        )
        return needed(data, "id", TITLE, Purpose.stage)

    async def container(self, auth: Auth, container_id: str) -> JSON:
        """Read a container's state."""
        return await self.graph.get(
            auth, "instagram.container_status", f"/{quote(container_id)}", "fields=id,status_code,status"
        )

    async def newest(self, auth: Auth) -> JSON | None:
        """Read id and time of the account's newest post."""
        data = await self.graph.get(
            auth, "instagram.list_media", f"/{quote(auth.account_id_external)}/media", "fields=id,timestamp&limit=1"
        )
        rows = rows_of(data)
        return rows[0] if rows else None

    async def recent(self, auth: Auth) -> list[JSON]:
        """Read the account's newest 25 posts with what is needed to recognise one."""
        data = await self.graph.get(
            auth,
            "instagram.list_media",
            f"/{quote(auth.account_id_external)}/media",
            f"fields={_MEDIA_FIELDS}&limit=25",
        )
        return rows_of(data)

    async def publish(self, auth: Auth, container_id: str) -> str:
        """Make a container public; returns the post's id."""
        data = await self.graph.post(
            auth,
            "instagram.publish",
            f"/{quote(auth.account_id_external)}/media_publish",
            {"creation_id": container_id},
            purpose=Purpose.submit,
        )
        return needed(data, "id", TITLE, Purpose.submit)

    async def permalink(self, auth: Auth, media_id: str) -> str | None:
        """Read a post's address; `None` when it cannot be read now."""
        try:
            data = await self.graph.get(auth, "instagram.media", f"/{quote(media_id)}", "fields=id,permalink")
        except PlatformError:
            return None
        link = data.get("permalink")
        return str(link) if link else None
