"""Instagram's calls, by name. Shapes: Instagram Platform › Content Publishing, v25.0, read 2026-11-23."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from app.platforms.base import JSON, Auth, PlatformError
from app.platforms.http import PlatformHttp, Purpose
from app.platforms.instagram.errors import DECIDER, TITLE
from app.platforms.meta import GRAPH_VERSION, GraphClient, needed, next_page, rows_of, transfer_seconds

INSTAGRAM_LOGIN, FACEBOOK_LOGIN = "instagram", "facebook"
NOT_VISIBLE = "100/33"
"""The object is not there for this token; also a known outage on fresh objects."""

_MEDIA_FIELDS = "id,caption,timestamp,media_type,media_product_type,permalink"
_COMMENT_FIELDS = "id,text,username,from%7Bid,username%7D,timestamp"
_STORY_PAGES_MAX = 10


@dataclass(frozen=True)
class InstagramConfig:
    """The app and the hosts. The second sign-in, Facebook Login, exists where its app is named."""

    app_id: str
    app_secret: str = field(repr=False)
    oauth_url: str = "https://www.instagram.com"
    api_url: str = "https://api.instagram.com"
    graph_url: str = "https://graph.instagram.com"
    graph_version: str = GRAPH_VERSION
    visibility_seconds: float = 180.0
    """How long a new post may be missing from the account's media list before its absence proves anything."""
    facebook_app_id: str = ""
    facebook_app_secret: str = field(default="", repr=False)
    facebook_oauth_url: str = "https://www.facebook.com"
    facebook_graph_url: str = "https://graph.facebook.com"
    upload_url: str = "https://rupload.facebook.com"


def is_facebook_login(auth: Auth) -> bool:
    """Whether an account was connected through Facebook Login."""
    return auth.extra.get("login") == FACEBOOK_LOGIN


class InstagramClient:
    """Every call of this platform; the account's sign-in decides about host, proof and token."""

    def __init__(self, config: InstagramConfig, http: PlatformHttp | None = None) -> None:
        self.config = config
        self.http = http or PlatformHttp(TITLE)
        base = f"{config.graph_url.rstrip('/')}/{config.graph_version}"
        self.graph = GraphClient(self.http, base, DECIDER)
        self.bare_graph = GraphClient(self.http, config.graph_url.rstrip("/"), DECIDER)
        facebook_base = f"{config.facebook_graph_url.rstrip('/')}/{config.graph_version}"
        self.facebook_graph = GraphClient(
            self.http, facebook_base, DECIDER, proof_secret=config.facebook_app_secret or None
        )
        self._upload_base = config.upload_url.rstrip("/")

    def graph_for(self, auth: Auth) -> GraphClient:
        """Return the host that knows this account's token."""
        return self.facebook_graph if is_facebook_login(auth) else self.graph

    async def read(self, auth: Auth, operation: str, path: str, query: str = "") -> JSON:
        """Read; what one token of a Facebook Login cannot see is asked for once with the other."""
        graph = self.graph_for(auth)
        try:
            return await graph.get(auth, operation, path, query)
        except PlatformError as error:
            other = str(auth.extra.get("user_token") or "") if graph is self.facebook_graph else ""
            if error.platform_code != NOT_VISIBLE or not other:
                raise
        return await graph.get(replace(auth, access_token=other), operation, path, query)

    # -- publishing

    async def create_container(self, auth: Auth, body: Mapping[str, Any]) -> str:
        """Stage a picture, video or carousel; returns the container's id."""
        data = await self.graph_for(auth).post(auth, "instagram.create_container", f"{_path(auth)}/media", body)
        return needed(data, "id", TITLE, Purpose.stage)

    async def container(self, auth: Auth, container_id: str) -> JSON:
        """Read a container's state."""
        return await self.read(
            auth, "instagram.container_status", f"/{quote(container_id)}", "fields=id,status_code,status"
        )

    async def upload(self, auth: Auth, container_id: str) -> JSON:
        """Read a container's state, and how far the upload of its bytes is."""
        return await self.read(
            auth, "instagram.upload_status", f"/{quote(container_id)}", "fields=id,status_code,status,video_status"
        )

    async def send_bytes(
        self, auth: Auth, container_id: str, pieces: AsyncIterator[bytes], *, offset: int, size_bytes: int
    ) -> None:
        """Send a video from `offset` on, piece by piece. Facebook Login only."""
        headers = {
            "authorization": f"OAuth {auth.access_token}",
            "offset": str(offset),
            "file_size": str(size_bytes),
            "content-type": "application/octet-stream",
            "content-length": str(size_bytes - offset),
        }
        await self.facebook_graph.send(
            auth,
            "instagram.upload",
            "POST",
            f"{self._upload_base}/ig-api-upload/{self.config.graph_version}/{quote(container_id)}",
            Purpose.stage,
            headers,
            content=pieces,
            total=transfer_seconds(size_bytes - offset),
        )

    async def publish(self, auth: Auth, container_id: str) -> str:
        """Make a container public; returns the post's id."""
        data = await self.graph_for(auth).post(
            auth,
            "instagram.publish",
            f"{_path(auth)}/media_publish",
            {"creation_id": container_id},
            purpose=Purpose.submit,
        )
        return needed(data, "id", TITLE, Purpose.submit)

    async def quota(self, auth: Auth) -> JSON:
        """Read how many posts of how many are used, and in how many seconds: empty when Instagram does not say."""
        data = await self.read(
            auth, "instagram.quota", f"{_path(auth)}/content_publishing_limit", "fields=quota_usage,config"
        )
        rows = rows_of(data)
        return rows[0] if rows else {}

    # -- what is out

    async def newest(self, auth: Auth) -> JSON | None:
        """Read id and time of the account's newest post."""
        data = await self.read(auth, "instagram.list_media", f"{_path(auth)}/media", "fields=id,timestamp&limit=1")
        rows = rows_of(data)
        return rows[0] if rows else None

    async def recent(self, auth: Auth) -> list[JSON]:
        """Read the account's newest 25 posts with what is needed to recognise one."""
        data = await self.read(auth, "instagram.list_media", f"{_path(auth)}/media", f"fields={_MEDIA_FIELDS}&limit=25")
        return rows_of(data)

    async def stories(self, auth: Auth) -> list[JSON]:
        """Read the account's stories of the last 24 hours."""
        query = "fields=id,timestamp,media_type,media_product_type,permalink&limit=50"
        found: list[JSON] = []
        after: str | None = None
        for _ in range(_STORY_PAGES_MAX):
            data = await self.read(
                auth, "instagram.list_stories", f"{_path(auth)}/stories", f"{query}&{after}" if after else query
            )
            found += rows_of(data)
            after = next_page(data)
            if after is None:
                break
        return found

    async def media(self, auth: Auth, media_id: str) -> JSON:
        """Read a post's node."""
        return await self.read(auth, "instagram.media", f"/{quote(media_id)}", "fields=id,permalink")

    async def permalink(self, auth: Auth, media_id: str) -> str | None:
        """Read a post's address; `None` when it cannot be read now."""
        try:
            data = await self.media(auth, media_id)
        except PlatformError:
            return None
        link = data.get("permalink")
        return str(link) if link else None

    async def delete(self, auth: Auth, media_id: str) -> None:
        """Delete a post. Facebook Login only."""
        await self.graph_for(auth).delete(auth, "instagram.delete", f"/{quote(media_id)}")

    # -- comments

    async def comment(self, auth: Auth, media_id: str, text: str) -> str:
        """Write a comment and return its id. Asking for fields here would make Instagram write it and answer 400."""
        data = await self.graph_for(auth).post(
            auth, "instagram.comment", f"/{quote(media_id)}/comments", {"message": text}, purpose=Purpose.submit
        )
        return needed(data, "id", TITLE, Purpose.submit)

    async def comments(self, auth: Auth, media_id: str) -> list[JSON]:
        """Read the newest 50 comments under a post."""
        data = await self.read(
            auth, "instagram.list_comments", f"/{quote(media_id)}/comments", f"fields={_COMMENT_FIELDS}&limit=50"
        )
        return rows_of(data)


def bytes_received(container: JSON) -> int:
    """Return how many bytes of a container's upload have arrived."""
    status = container.get("video_status")
    phase = status.get("uploading_phase") if isinstance(status, dict) else None
    received = phase.get("bytes_transferred") if isinstance(phase, dict) else None
    return received if isinstance(received, int) and not isinstance(received, bool) and received > 0 else 0


def _path(auth: Auth) -> str:
    return f"/{quote(auth.account_id_external)}"
