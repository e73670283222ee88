"""What platforms tell an app by themselves, signed as they sign it.

Sources: Meta › Webhooks › Getting Started, Webhooks for Pages, Instagram Platform › Webhooks, Data Deletion Callback;
TikTok › Webhooks Overview, Events and Verification.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
from dataclasses import dataclass, field
from typing import Any

import httpx

from sandbox.core import Sandbox
from sandbox.records import Comment, Post, Publish
from sandbox.settings import APP_ID

logger = logging.getLogger(__name__)

WATCH_SECONDS = 0.1
_TRIES = 3
_WAIT_SECONDS = 0.5

_ITEMS = {"photo": "photo", "photos": "album", "video": "video", "reel": "video", "link": "share"}
"""What a feed event calls a Page's post; others are a status."""


@dataclass(slots=True)
class _Seen:
    """What was there when it was last looked."""

    posts: dict[str, Post] = field(default_factory=dict)
    comments: set[str] = field(default_factory=set)
    publishes: set[str] = field(default_factory=set)
    public: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)


class Webhooks:
    """Watches what happens on the platforms and tells the app at the knob `webhook_target`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._seen: _Seen | None = None
        self._client: httpx.AsyncClient | None = None

    async def watch(self) -> None:
        """Look again and again; what happened before the target was set is not told."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if not self.sandbox.knobs.webhook_target:
                self._seen = None
                continue
            before, now = self._seen, self._look()
            self._seen = now
            if before is None:
                continue
            for path, headers, body in self._events(before, now):
                self.sandbox.spawn(self._deliver(path, headers, body))

    async def signed_request(self, path: str, user_id: str) -> tuple[int, Any]:
        """Call Meta's deauthorize or data-deletion address, and return the answer's status and JSON."""
        issued_at = int(self.sandbox.clock.now())
        claims = {
            "algorithm": "HMAC-SHA256",
            "issued_at": issued_at,
            "expires": issued_at + 3_600,
            "user_id": user_id,
        }
        payload = _base64(json.dumps(claims).encode())
        signature = _base64(hmac.new(self._secret, payload.encode(), hashlib.sha256).digest())
        url = f"{self.sandbox.knobs.webhook_target}/api/v1/webhooks/meta/{path}"
        response = await self._http().post(url, data={"signed_request": f"{signature}.{payload}"})
        try:
            return response.status_code, response.json()
        except ValueError:
            return response.status_code, response.text

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    @property
    def _secret(self) -> bytes:
        return self.sandbox.settings.app_secret.encode()

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=10, trust_env=False)
        return self._client

    def _look(self) -> _Seen:
        state, now = self.sandbox.state, self.sandbox.clock.now()
        return _Seen(
            posts={post.key: post for post in state.posts if post.published_at <= now},
            comments={comment.id for comment in state.comments},
            publishes={one.id for one in state.publishes if one.ready_at and one.ready_at <= now},
            public={
                one.id
                for one in state.publishes
                if one.post_id
                and one.privacy == "PUBLIC_TO_EVERYONE"
                and one.ready_at + self.sandbox.knobs.tiktok_moderation_seconds <= now
            },
            ended={grant.id for grant in state.grants if grant.revoked},
        )

    def _events(self, before: _Seen, now: _Seen) -> list[tuple[str, dict[str, str], bytes]]:
        state = self.sandbox.state
        told: list[tuple[str, dict[str, str], bytes]] = []
        for key, post in now.posts.items():
            if key not in before.posts:
                told += self._page_event(post, "add")
        for key, post in before.posts.items():
            if key not in now.posts:
                told += self._page_event(post, "remove")
        for comment_id in now.comments - before.comments:
            comment = state.comments.get(comment_id)
            if comment is not None:
                told += self._comment_event(comment)
        for publish_id in now.publishes - before.publishes:
            publish = state.publishes.get(publish_id)
            if publish is not None:
                told.append(self._tiktok(publish.account_id, _outcome(publish), _content(publish)))
        for publish_id in now.public - before.public:
            publish = state.publishes.get(publish_id)
            if publish is not None:
                content = {**_content(publish), "post_id": publish.post_id}
                told.append(self._tiktok(publish.account_id, "post.publish.publicly_available", content))
        for grant_id in now.ended - before.ended:
            grant = state.grants.get(grant_id)
            if grant is not None and grant.platform == "tiktok":
                told += [self._tiktok(one, "authorization.removed", {"reason": 1}) for one in grant.account_ids]
        return told

    def _page_event(self, post: Post, verb: str) -> list[tuple[str, dict[str, str], bytes]]:
        """A Page's `feed` event; Instagram and TikTok tell nothing like it."""
        page = self.sandbox.state.persona("facebook", post.account_id)
        if post.platform != "facebook" or page is None or "feed" not in page.subscribed:
            return []
        value = {
            "from": {"id": page.account_id, "name": page.name},
            "item": _ITEMS.get(post.kind, "status"),
            "verb": verb,
            "post_id": post.id,
            "published": 1,
            "created_time": int(post.published_at),
        }
        if verb == "add":
            value["message"] = post.text
        return [self._meta("page", page.account_id, "feed", value)]

    def _comment_event(self, comment: Comment) -> list[tuple[str, dict[str, str], bytes]]:
        post = self.sandbox.state.posts.get(comment.post_key)
        account = self.sandbox.state.persona(post.platform, post.account_id) if post else None
        if post is None or account is None:
            return []
        if post.platform == "facebook" and "feed" in account.subscribed:
            value = {
                "from": {"id": comment.author_id, "name": comment.author_name},
                "item": "comment",
                "verb": "add",
                "comment_id": comment.id,
                "post_id": post.id,
                "parent_id": post.id,
                "message": comment.text,
                "created_time": int(comment.created_at),
            }
            return [self._meta("page", account.account_id, "feed", value)]
        if post.platform == "instagram" and "comments" in account.subscribed:
            product = {"reel": "REELS"}.get(post.kind, "FEED")
            value = {
                "id": comment.id,
                "text": comment.text,
                "from": {"id": comment.author_id, "username": comment.author_name},
                "media": {"id": post.id, "media_product_type": product},
            }
            return [self._meta("instagram", account.account_id, "comments", value)]
        return []

    def _meta(self, subject: str, account_id: str, name: str, value: Any) -> tuple[str, dict[str, str], bytes]:
        entry = {
            "id": account_id,
            "time": int(self.sandbox.clock.now()),
            "changes": [{"field": name, "value": value}],
        }
        body = json.dumps({"object": subject, "entry": [entry]}).encode()
        signature = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        return "meta", {"X-Hub-Signature-256": f"sha256={signature}"}, body

    def _tiktok(self, open_id: str, event: str, content: Any) -> tuple[str, dict[str, str], bytes]:
        now = int(self.sandbox.clock.now())
        document = {
            "client_key": APP_ID,
            "event": event,
            "create_time": now,
            "user_openid": open_id,
            "content": json.dumps(content),  # JSON within JSON
        }
        body = json.dumps(document).encode()
        signature = hmac.new(self._secret, f"{now}.".encode() + body, hashlib.sha256).hexdigest()
        return "tiktok", {"TikTok-Signature": f"t={now},s={signature}"}, body

    async def _deliver(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """Send an event until it is taken: a few times here, where the platforms go on for days."""
        url = f"{self.sandbox.knobs.webhook_target}/api/v1/webhooks/{path}"
        for attempt in range(_TRIES):
            try:
                response = await self._http().post(
                    url, content=body, headers={**headers, "content-type": "application/json"}
                )
                if response.is_success:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(_WAIT_SECONDS * (attempt + 1))
        logger.warning("sandbox.webhook_lost", extra={"path": path})


def _outcome(publish: Publish) -> str:
    if publish.fail_reason:
        return "post.publish.failed"
    return "post.publish.inbox_delivered" if publish.to_inbox else "post.publish.complete"


def _content(publish: Publish) -> dict[str, Any]:
    content: dict[str, Any] = {"publish_id": publish.id, "publish_type": "INBOX" if publish.to_inbox else "DIRECT_POST"}
    return {**content, "reason": publish.fail_reason} if publish.fail_reason else content


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
