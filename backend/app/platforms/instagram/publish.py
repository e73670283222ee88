"""Getting one post onto Instagram: containers first, then the one `media_publish`.

Source: Instagram Platform › Content Publishing and › reference IG Container, v25.0, read 2026-11-23. A container is the
unit of publishing: it can go live at most once, so the same one may be published again and a new one never, unless the
old is proven dead.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from app.domain import captions
from app.platforms.base import (
    JSON,
    AccountFacts,
    Auth,
    Draft,
    Finding,
    MediaBytes,
    Outcome,
    Phase,
    PlatformError,
    Progress,
    Verdict,
)
from app.platforms.instagram import rules
from app.platforms.instagram.client import InstagramClient
from app.platforms.instagram.errors import container_error, container_expired
from app.platforms.meta import graph_time
from app.platforms.waiting import Search, StageAgain, stage_again

PACE_IMAGE = (1.0, 3.0, 5.0, 10.0, 15.0)
PACE_VIDEO = (3.0, 5.0, 10.0, 15.0, 30.0)
"""Seconds between looks at a container; the official pace is once a minute, pictures are usually done within 5 s."""
PACE_LATE = (30.0,) * 8 + (60.0,)
NEEDS_HUMAN_AFTER = timedelta(minutes=10)
"""How long an unreadable container whose post is not listed either is worth asking about."""
CLOCK_SLACK = timedelta(seconds=60)

_KINDS = {
    rules.IMAGE: ("IMAGE", {"FEED", None}),
    rules.REEL: ("VIDEO", {"REELS", None}),
    rules.CAROUSEL: ("CAROUSEL_ALBUM", {"FEED", None}),
}
"""How a post of ours reads back: `media_type` and `media_product_type`."""


class InstagramPublisher:
    """Publishes pictures, reels and carousels."""

    rules = rules.RULES

    def __init__(self, client: InstagramClient) -> None:
        self.client = client
        self.search = Search(client.config.visibility_seconds)

    def post_type(self, draft: Draft) -> str:
        return rules.post_type(draft)

    def validate(self, draft: Draft, facts: AccountFacts) -> list[Finding]:
        return rules.validate(draft, facts)

    async def prepare(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Create the container, or the next containers of a carousel."""
        try:
            return await self._stage(auth, draft, done)
        except StageAgain as error:
            return stage_again(done, error)

    async def look(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Read the containers' states; create what is missing when that is the next thing to do."""
        try:
            if "container" in done.data:
                return await self._look_at_container(auth, draft, done)
            if len(_children(done)) == len(draft.media) and await self._children_work(auth, done):
                return _still(done, draft)
            return await self._stage(auth, draft, done)
        except StageAgain as error:
            return stage_again(done, error)

    async def submit(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Publish the container. The post's address is read afterwards and may stay unknown."""
        media_id = await self.client.publish(auth, done.data["container"])
        permalink = await self.client.permalink(auth, media_id)
        return done.but(phase=Phase.published, platform_post_id=media_id, permalink=permalink, look_after=None)

    async def reconcile(
        self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes, *, submitted_at: datetime, now: datetime
    ) -> Verdict:
        """Ask the container whether it went out, and the account's newest posts under which id."""
        done = self.search.begin(done, submitted_at)
        state = await self._state(auth, done.data["container"])
        if state == "IN_PROGRESS":
            return Verdict(Outcome.look_again, done, after_seconds=15)
        found = self._matches(await self.client.recent(auth), draft, done, submitted_at)
        if len(found) == 1:
            post = found[0]
            out = done.but(
                phase=Phase.published,
                platform_post_id=str(post["id"]),
                permalink=post.get("permalink"),
                look_after=None,
            )
            return Verdict(Outcome.published, out)
        done = self.search.count(done)
        if not self.search.is_over(done, submitted_at, now):
            return Verdict(Outcome.look_again, done, after_seconds=self.search.pause_seconds)
        if state == "PUBLISHED":  # it is out, whatever the list says: the id stays unknown
            return Verdict(Outcome.published, done.but(phase=Phase.published, look_after=None))
        if state == "FINISHED" and not found:
            return self.search.again(done, Progress(Phase.ready, done.data), submitted_at)
        if state in ("ERROR", "EXPIRED") and not found:
            kept = {key: done.data[key] for key in ("tries", "watermark") if key in done.data}
            return self.search.again(done, Progress(Phase.preparing, kept), submitted_at)
        if now - submitted_at < NEEDS_HUMAN_AFTER:
            return Verdict(Outcome.look_again, done, after_seconds=60)
        return Verdict(Outcome.unknown, done)

    # -- staging

    async def _stage(self, auth: Auth, draft: Draft, done: Progress) -> Progress:
        kind = self.post_type(draft)
        if kind != rules.CAROUSEL:
            container = await self.client.create_container(auth, _single(kind, draft))
            return _waiting(done, draft, container=container)
        children = _children(done)
        if len(children) < len(draft.media):
            return _waiting(done, draft, children=await self._create_children(auth, draft, children))
        body = {
            "media_type": "CAROUSEL",
            "children": ",".join(children[str(index)] for index in range(len(draft.media))),
            **_common(draft),
        }
        return _waiting(done, draft, container=await self.client.create_container(auth, body))

    async def _create_children(self, auth: Auth, draft: Draft, children: dict[str, str]) -> dict[str, str]:
        """Create what is missing, side by side; what succeeded is kept even when another one failed."""
        missing = [index for index in range(len(draft.media)) if str(index) not in children]
        answers = await asyncio.gather(
            *(self.client.create_container(auth, _child(draft, index)) for index in missing), return_exceptions=True
        )
        created = dict(children)
        for index, answer in zip(missing, answers, strict=True):
            if isinstance(answer, str):
                created[str(index)] = answer
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        for error in failed:
            if len(created) == len(children) or not isinstance(error, PlatformError):
                raise error
        return created

    # -- looking

    async def _look_at_container(self, auth: Auth, draft: Draft, done: Progress) -> Progress:
        answer = await self.client.container(auth, done.data["container"])
        if not _is_finished(answer):
            return _still(done, draft)
        watermark = await self.client.newest(auth)
        kept = {key: watermark[key] for key in ("id", "timestamp") if key in watermark} if watermark else None
        return done.but(phase=Phase.ready, look_after=None, data={"watermark": kept})

    async def _children_work(self, auth: Auth, done: Progress) -> bool:
        answers = await asyncio.gather(*(self.client.container(auth, child) for child in _children(done).values()))
        return not all(list(map(_is_finished, answers)))  # each is asked: one may have failed

    async def _state(self, auth: Auth, container_id: str) -> str | None:
        """Return the container's state, `None` when this token cannot see it."""
        try:
            answer = await self.client.container(auth, container_id)
        except PlatformError as error:
            if error.platform_code in ("100/33", "24/2207006"):
                return None
            raise
        return str(answer.get("status_code"))

    def _matches(self, posts: list[JSON], draft: Draft, done: Progress, submitted_at: datetime) -> list[JSON]:
        media_type, products = _KINDS[self.post_type(draft)]
        caption = captions.normalised(captions.compose(draft.content, draft.hashtags), drop="@")
        since = self.search.first_submit(done, submitted_at) - CLOCK_SLACK
        watermark = done.data.get("watermark") or {}
        newer_than = graph_time(watermark.get("timestamp"))
        found = []
        for post in posts:
            at = graph_time(post.get("timestamp"))
            if str(post.get("id")) == str(watermark.get("id")) or at is None or at < since:
                continue
            if newer_than is not None and at < newer_than:
                continue
            if post.get("media_type") != media_type or post.get("media_product_type") not in products:
                continue
            if captions.normalised(post.get("caption"), drop="@") == caption:
                found.append(post)
        return found


def _common(draft: Draft) -> JSON:
    caption = captions.compose(draft.content, draft.hashtags)
    body: JSON = {"caption": caption} if caption else {}
    if draft.options.get("is_ai_generated") is not None:
        body["is_ai_generated"] = bool(draft.options["is_ai_generated"])
    return body


def _single(kind: str, draft: Draft) -> JSON:
    item = draft.media[0]
    if kind == rules.IMAGE:
        body = {"image_url": item.url, **_common(draft)}
        if draft.options.get("alt_text"):
            body["alt_text"] = draft.options["alt_text"]
        return body
    share = draft.options.get("share_to_feed")
    body = {"media_type": "REELS", "video_url": item.url, **_common(draft)}
    body["share_to_feed"] = True if share is None else bool(share)  # its default is undocumented: always sent
    if draft.options.get("thumb_offset_ms") is not None:
        body["thumb_offset"] = int(draft.options["thumb_offset_ms"])
    return body


def _child(draft: Draft, index: int) -> JSON:
    item = draft.media[index]
    if item.kind == "video":
        return {"is_carousel_item": True, "media_type": "VIDEO", "video_url": item.url}
    return {"is_carousel_item": True, "image_url": item.url}


def _is_finished(answer: JSON) -> bool:
    """Whether a container is ready to be published; raises `StageAgain` when it never will be."""
    state = answer.get("status_code")
    if state == "ERROR":
        raise container_error(answer.get("status"))
    if state == "EXPIRED":
        raise container_expired()
    return state in ("FINISHED", "PUBLISHED")


def _children(done: Progress) -> dict[str, str]:
    """Containers of a carousel's items, by position (JSON knows only text keys)."""
    return dict(done.data.get("children") or {})


def _waiting(done: Progress, draft: Draft, **staged: Any) -> Progress:
    """Return progress that waits for what was just staged. Items of a carousel that failed are created by `look`."""
    return done.but(phase=Phase.processing, look_after=_pace(draft, 0), data={**staged, "looks": 0})


def _still(done: Progress, draft: Draft) -> Progress:
    looks = int(done.data.get("looks", 0)) + 1
    return done.but(phase=Phase.processing, look_after=_pace(draft, looks), data={"looks": looks})


def _pace(draft: Draft, looks: int) -> float:
    early = PACE_VIDEO if any(item.kind == "video" for item in draft.media) else PACE_IMAGE
    pace = early + PACE_LATE
    return pace[min(looks, len(pace) - 1)]
