"""TikTok's calls, by name. Shapes: Content Posting API and Display API, copies of 2026-09-11, read 2026-11-23."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from app.platforms.base import JSON, Auth, Permanent, PlatformError, PublicId, RetryLater
from app.platforms.http import Answer, PlatformHttp, Purpose, encode_json, unknown_outcome
from app.platforms.tiktok.errors import TITLE, fault_of, refuse, upload_fault_of

UPLOAD_SECONDS_MIN = 60.0
UPLOAD_BYTES_PER_SECOND = 250_000
"""Ours: the slowest upload that is waited for."""


@dataclass(frozen=True)
class TikTokConfig:
    """The app and the hosts. Upload addresses are used only on hosts of `upload_hosts`: one that begins with a dot
    matches every host below it, another one matches host and port exactly."""

    client_key: str
    client_secret: str = field(repr=False)
    auth_url: str = "https://www.tiktok.com"
    api_url: str = "https://open.tiktokapis.com"
    upload_hosts: tuple[str, ...] = (".tiktokapis.com",)
    visibility_seconds: float = 180.0
    """How long a public post may be missing from the account's video list before its absence proves anything."""
    is_audited: bool = True
    """Whether TikTok has audited the app: before that, only private accounts can post, and only for themselves."""
    pull_fence_seconds: float = 3600.0
    """How long TikTok may go on downloading after a photo post was begun: one hour (Media Transfer Guide)."""


class TikTokClient:
    """Every call the publisher and the metrics reader make."""

    def __init__(self, config: TikTokConfig, http: PlatformHttp | None = None) -> None:
        self.config = config
        self.http = http or PlatformHttp(TITLE)
        self.base_url = config.api_url.rstrip("/")

    async def creator_info(self, auth: Auth) -> JSON:
        """Read what this account may post now. Never cached: TikTok wants it asked right before each post."""
        return await self._post(auth, "tiktok.creator_info", "/v2/post/publish/creator_info/query/", {}, Purpose.read)

    async def init_video(self, auth: Auth, body: Mapping[str, Any]) -> JSON:
        """Open an upload; without its address nothing can be posted."""
        return await self._post(auth, "tiktok.video_init", "/v2/post/publish/video/init/", body, Purpose.stage)

    async def init_inbox_video(self, auth: Auth, body: Mapping[str, Any]) -> JSON:
        """Open an upload into the account's inbox, where its owner posts it (Upload Video)."""
        return await self._post(auth, "tiktok.inbox_init", "/v2/post/publish/inbox/video/init/", body, Purpose.stage)

    async def init_photos(self, auth: Auth, body: Mapping[str, Any]) -> str:
        """Begin a photo post: from here on TikTok fetches and publishes by itself. Returns the publish id."""
        data = await self._post(auth, "tiktok.photo_init", "/v2/post/publish/content/init/", body, Purpose.submit)
        publish_id = data.get("publish_id")
        if not publish_id:
            raise unknown_outcome(TITLE)
        return str(publish_id)

    async def status(self, auth: Auth, publish_id: str) -> JSON:
        """Read how far a post is."""
        body = {"publish_id": publish_id}
        return await self._post(auth, "tiktok.status", "/v2/post/publish/status/fetch/", body, Purpose.read)

    async def recent_videos(self, auth: Auth) -> list[JSON]:
        """Read the account's newest 20 public posts."""
        path = "/v2/video/list/?fields=id,create_time,share_url,title,video_description"
        data = await self._post(auth, "tiktok.video_list", path, {"max_count": 20}, Purpose.read)
        return [row for row in data.get("videos") or [] if isinstance(row, dict)]

    async def videos(self, auth: Auth, ids: list[str]) -> list[JSON]:
        """Read up to 20 public posts by id; unknown ones are missing from the answer."""
        path = "/v2/video/query/?fields=id,share_url,view_count,like_count,comment_count,share_count"
        data = await self._post(auth, "tiktok.video_query", path, {"filters": {"video_ids": ids}}, Purpose.read)
        return [row for row in data.get("videos") or [] if isinstance(row, dict)]

    async def public_id(self, auth: Auth, status: JSON, *, post_type: str, username: str | None) -> PublicId | None:
        """Return the id in a status answer and the post's own link; where TikTok does not tell the link, its usual
        form."""
        ids = status.get("publicaly_available_post_id") or []  # spelled so
        if not isinstance(ids, list) or not ids:
            return None
        post_id = str(ids[0])
        try:
            shown = await self.videos(auth, [post_id])
        except PlatformError:  # the post is out; its link is a nicety
            shown = []
        link = next((str(row["share_url"]) for row in shown if row.get("share_url")), None)
        if link is None and username:
            link = f"https://www.tiktok.com/@{username}/{post_type}/{post_id}"
        return PublicId(post_id, link)

    async def send_chunk(
        self, auth: Auth, upload_url: str, chunk: bytes, *, first: int, total: int, mime_type: str, is_last: bool
    ) -> Answer:
        """Send one chunk. The address is a secret of its own: no token goes along, and its query is never noted."""
        self.check_upload_host(upload_url)
        headers = {
            "content-type": mime_type,
            "content-range": f"bytes {first}-{first + len(chunk) - 1}/{total}",
        }
        answer = await self.http.call(
            "tiktok.upload",
            "PUT",
            upload_url,
            purpose=Purpose.submit if is_last else Purpose.stage,
            headers=headers,
            fault_of=upload_fault_of,
            auth=auth,
            content=chunk,
            total=UPLOAD_SECONDS_MIN + len(chunk) / UPLOAD_BYTES_PER_SECOND,
        )
        if answer.status >= 500 or answer.status < 200 or 300 <= answer.status < 400:
            if is_last:
                raise unknown_outcome(TITLE, answer.fault)
            raise RetryLater(
                "TikTok has a problem at the moment. PostPilot goes on with the upload by itself.",
                code="platform_busy",
                platform_code=f"http_{answer.status}",
            )
        return answer

    def check_upload_host(self, upload_url: str) -> None:
        """Refuse to send a post's bytes to a host that is not TikTok's."""
        parts = urlsplit(upload_url)
        for allowed in self.config.upload_hosts:
            if allowed.startswith("."):
                if parts.scheme == "https" and (parts.hostname or "").endswith(allowed):
                    return
            elif parts.netloc == allowed:
                return
        raise Permanent(
            "TikTok named an upload address that this installation does not trust. Tell the person who runs PostPilot.",
            code="upload_host_refused",
        )

    async def get(self, auth: Auth, operation: str, path: str) -> JSON:
        """Read; `path` holds its query."""
        answer = await self.http.call(
            operation,
            "GET",
            self.base_url + path,
            purpose=Purpose.read,
            headers=_headers(auth.access_token),
            fault_of=fault_of,
            auth=auth,
        )
        return _data(answer, Purpose.read)

    async def _post(self, auth: Auth, operation: str, path: str, body: Mapping[str, Any], purpose: Purpose) -> JSON:
        answer = await self.http.call(
            operation,
            "POST",
            self.base_url + path,
            purpose=purpose,
            headers=_headers(auth.access_token),
            fault_of=fault_of,
            auth=auth,
            content=encode_json(body),
        )
        return _data(answer, purpose)


def range_end(answer: Answer) -> int | None:
    """Return how many bytes have arrived by `Content-Range: bytes 0-{last}/{total}`; `None` when it does not say.

    The page on uploads writes UPLOADED for the upper end, and its example shows the last byte's position.
    """
    value = answer.headers.get("content-range", "")
    try:
        return int(value.partition("-")[2].partition("/")[0]) + 1
    except ValueError:
        return None


@lru_cache(maxsize=8192)
def _headers(token: str) -> Mapping[str, str]:
    return {"authorization": f"Bearer {token}", "content-type": "application/json; charset=UTF-8"}


def _data(answer: Answer, purpose: Purpose) -> JSON:
    if answer.fault is not None:
        refuse(answer, purpose)
    data = answer.data.get("data")
    if isinstance(data, dict):
        return data
    return {}
