"""Facebook's calls, by name. Shapes: Graph reference Page › Feed, Photos, Videos and Reels Publishing, v25.0, read
2026-11-23."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from app.platforms.base import JSON, Auth, PlatformError
from app.platforms.facebook.errors import DECIDER, TITLE
from app.platforms.http import PlatformHttp, Purpose, unknown_outcome
from app.platforms.meta import GRAPH_VERSION, GraphClient, needed, rows_of, transfer_seconds

_POST_FIELDS = (
    "id,message,created_time,permalink_url,application{id},"
    "attachments{media_type,url,target{id},subattachments{target{id}}}"
)

REELS, STORIES = "video_reels", "video_stories"
OPERATIONS = {REELS: "facebook.reel", STORIES: "facebook.video_story"}


@dataclass(frozen=True)
class FacebookConfig:
    """The app and the hosts. `login_config_id` replaces the scopes for apps of the kind Facebook Login for Business."""

    app_id: str
    app_secret: str = field(repr=False)
    oauth_url: str = "https://www.facebook.com"
    graph_url: str = "https://graph.facebook.com"
    upload_url: str = "https://rupload.facebook.com"
    graph_version: str = GRAPH_VERSION
    login_config_id: str | None = None
    visibility_seconds: float = 180.0
    """How long a new post may be missing from the Page's lists before its absence proves anything."""


class FacebookClient:
    """Every call the publisher and the metrics reader make, with `appsecret_proof` on each."""

    def __init__(self, config: FacebookConfig, http: PlatformHttp | None = None) -> None:
        self.config = config
        self.http = http or PlatformHttp(TITLE)
        base = f"{config.graph_url.rstrip('/')}/{config.graph_version}"
        self.graph = GraphClient(self.http, base, DECIDER, proof_secret=config.app_secret)
        self._upload_host = urlsplit(config.upload_url).netloc

    # -- posts

    async def publish_post(self, auth: Auth, body: Mapping[str, Any]) -> tuple[str, str | None]:
        """Create a public post; returns its id and address."""
        data = await self.graph.post(
            auth,
            "facebook.feed",
            f"/{quote(auth.account_id_external)}/feed",
            body,
            purpose=Purpose.submit,
            query="fields=id,permalink_url",
        )
        link = data.get("permalink_url")
        return needed(data, "id", TITLE, Purpose.submit), str(link) if link else None

    async def published_posts(self, auth: Auth) -> list[JSON]:
        """Read the Page's newest 25 public posts with what is needed to recognise one."""
        data = await self.graph.get(
            auth,
            "facebook.published_posts",
            f"/{quote(auth.account_id_external)}/published_posts",
            f"fields={quote(_POST_FIELDS, safe=',')}&limit=25",
        )
        return rows_of(data)

    async def permalink(self, auth: Auth, node_id: str) -> str | None:
        """Read a post's address; `None` when it cannot be read now."""
        try:
            data = await self.graph.get(auth, "facebook.post", f"/{quote(node_id)}", "fields=permalink_url")
        except PlatformError:
            return None
        return absolute(data.get("permalink_url"))

    # -- photos

    async def stage_photo(self, auth: Auth, content: bytes, mime_type: str, *, alt_text: str | None) -> str:
        """Upload a picture that nobody sees yet; Facebook deletes it after about 24 hours."""
        suffix = mime_type.partition("/")[2] or "jpeg"
        form = {"published": "false"}
        if alt_text:
            form["alt_text_custom"] = alt_text
        data = await self.graph.upload(
            auth,
            "facebook.stage_photo",
            f"/{quote(auth.account_id_external)}/photos",
            form,
            {"source": (f"photo.{suffix}", content, mime_type)},
        )
        return needed(data, "id", TITLE, Purpose.stage)

    async def photo_story(self, auth: Auth, photo_id: str) -> str | None:
        """Return the post in which a staged picture went public, if it did."""
        try:
            data = await self.graph.get(auth, "facebook.photo", f"/{quote(photo_id)}", "fields=page_story_id")
        except PlatformError as error:
            if error.platform_code == "100/33":
                return None
            raise
        story = data.get("page_story_id")
        return str(story) if story else None

    # -- stories

    async def publish_photo_story(self, auth: Auth, photo_id: str) -> str | None:
        """Show a staged picture as a story; returns its post's id where Facebook names it."""
        data = await self.graph.post(
            auth,
            "facebook.photo_story",
            f"/{quote(auth.account_id_external)}/photo_stories",
            {"photo_id": photo_id},
            purpose=Purpose.submit,
        )
        _succeeded(data)
        return str(data["post_id"]) if data.get("post_id") else None

    async def stories(self, auth: Auth) -> list[JSON]:
        """Read the Page's stories of the last 24 hours."""
        data = await self.graph.get(
            auth, "facebook.stories", f"/{quote(auth.account_id_external)}/stories", "status=PUBLISHED&limit=100"
        )
        return rows_of(data)

    # -- what is done with posts that are out

    async def post(self, auth: Auth, node_id: str) -> JSON:
        """Read whether a post or video is there, and its address."""
        return await self.graph.get(auth, "facebook.post", f"/{quote(node_id)}", "fields=id,permalink_url")

    async def comment(self, auth: Auth, node_id: str, message: str) -> str:
        """Write a comment as the Page; returns its id."""
        data = await self.graph.post(
            auth, "facebook.comment", f"/{quote(node_id)}/comments", {"message": message}, purpose=Purpose.submit
        )
        return needed(data, "id", TITLE, Purpose.submit)

    async def comments(self, auth: Auth, node_id: str) -> list[JSON]:
        """Read the newest 50 comments with who wrote them."""
        query = "fields=id,message,from&filter=stream&limit=50"
        return rows_of(await self.graph.get(auth, "facebook.comments", f"/{quote(node_id)}/comments", query))

    async def delete(self, auth: Auth, node_id: str) -> None:
        """Delete a post, photo or video."""
        await self.graph.delete(auth, "facebook.post_delete", f"/{quote(node_id)}")

    async def subscribe(self, auth: Auth) -> None:
        """Have the Page's feed events sent to the app's webhook; the list replaces any former one."""
        await self.graph.post(
            auth,
            "facebook.subscribe",
            f"/{quote(auth.account_id_external)}/subscribed_apps",
            {"subscribed_fields": "feed"},
        )

    # -- videos

    async def start_reel(self, auth: Auth, edge: str = REELS) -> tuple[str, str]:
        """Open a reel or a video story; returns the video's id and where its bytes go."""
        data = await self.graph.post(
            auth, OPERATIONS[edge] + "_start", f"/{quote(auth.account_id_external)}/{edge}", {"upload_phase": "start"}
        )
        video_id = needed(data, "video_id", TITLE, Purpose.stage)
        given = str(data.get("upload_url") or "")
        if urlsplit(given).netloc == self._upload_host:
            return video_id, given
        base = self.config.upload_url.rstrip("/")
        return video_id, f"{base}/video-upload/{self.config.graph_version}/{quote(video_id)}"

    async def send_reel(
        self, auth: Auth, upload_url: str, content: AsyncIterator[bytes], *, offset: int, size: int
    ) -> None:
        """Send the bytes of a reel or a video story from `offset` on."""
        headers = {
            "authorization": f"OAuth {auth.access_token}",
            "offset": str(offset),
            "file_size": str(size),
            "content-type": "application/octet-stream",
            "content-length": str(size - offset),
        }
        await self.graph.send(
            auth,
            "facebook.reel_upload",
            "POST",
            upload_url,
            Purpose.stage,
            headers,
            content=content,
            total=transfer_seconds(size - offset),
        )

    async def finish_story(self, auth: Auth, video_id: str) -> str | None:
        """Show an uploaded video as a story; returns its post's id where Facebook names it."""
        data = await self.graph.post(
            auth,
            "facebook.video_story_finish",
            f"/{quote(auth.account_id_external)}/{STORIES}",
            {"upload_phase": "finish", "video_id": video_id},
            purpose=Purpose.submit,
        )
        _succeeded(data)
        return str(data["post_id"]) if data.get("post_id") else None

    async def finish_reel(self, auth: Auth, video_id: str, description: str, title: str | None) -> None:
        """Make a reel public."""
        body = {"upload_phase": "finish", "video_id": video_id, "video_state": "PUBLISHED", "description": description}
        if title:
            body["title"] = title
        data = await self.graph.post(
            auth,
            "facebook.reel_finish",
            f"/{quote(auth.account_id_external)}/video_reels",
            body,
            purpose=Purpose.submit,
        )
        _succeeded(data)

    async def start_video(self, auth: Auth, size_bytes: int) -> JSON:
        """Open a chunked upload; the answer names video, session and the first range."""
        body = {"upload_phase": "start", "file_size": size_bytes}
        return await self.graph.post(auth, "facebook.video_start", f"/{quote(auth.account_id_external)}/videos", body)

    async def send_chunk(self, auth: Auth, session: str, start: int, chunk: bytes) -> JSON:
        """Send one range; the answer names the next one."""
        return await self.graph.upload(
            auth,
            "facebook.video_transfer",
            f"/{quote(auth.account_id_external)}/videos",
            {"upload_phase": "transfer", "upload_session_id": session, "start_offset": str(start)},
            {"video_file_chunk": ("chunk", chunk, "application/octet-stream")},
        )

    async def finish_video(self, auth: Auth, session: str, description: str, title: str | None) -> None:
        """Make an uploaded video public."""
        body: JSON = {
            "upload_phase": "finish",
            "upload_session_id": session,
            "description": description,
            "published": True,
        }
        if title:
            body["title"] = title
        data = await self.graph.post(
            auth,
            "facebook.video_finish",
            f"/{quote(auth.account_id_external)}/videos",
            body,
            purpose=Purpose.submit,
        )
        _succeeded(data)

    async def video(self, auth: Auth, video_id: str) -> JSON:
        """Read how far a video is."""
        return await self.graph.get(
            auth, "facebook.video_status", f"/{quote(video_id)}", "fields=status,published,post_id,permalink_url"
        )


def absolute(link: Any) -> str | None:
    """Return a post's address with its host: Facebook gives some without."""
    if not link:
        return None
    text = str(link)
    return f"https://www.facebook.com{text}" if text.startswith("/") else text


def _succeeded(data: JSON) -> None:
    if data.get("success") is not True:
        raise unknown_outcome(TITLE)
