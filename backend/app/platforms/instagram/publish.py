"""Getting one post onto Instagram: containers first, then the one `media_publish`.

Source: Instagram Platform › Content Publishing and › reference IG Container, v25.0, read 2026-11-23. A container is the
unit of publishing: it can go live at most once, so the same one may be published again and a new one never, unless the
old is proven dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from app.platforms import limits
from app.platforms.base import (
    JSON,
    AccountFacts,
    Auth,
    Draft,
    Finding,
    MediaBytes,
    MediaItem,
    Outcome,
    Phase,
    PlatformError,
    Progress,
    QuotaUsedUp,
    Verdict,
)
from app.platforms.instagram import rules
from app.platforms.instagram.client import InstagramClient, bytes_received, is_facebook_login
from app.platforms.instagram.errors import container_error, container_expired
from app.platforms.instagram.recognise import Sought
from app.platforms.meta import graph_time
from app.platforms.waiting import Search, StageAgain, stage_again, still_staging

PACE_IMAGE = (1.0, 3.0, 5.0, 10.0, 15.0)
PACE_VIDEO = (3.0, 5.0, 10.0, 15.0, 30.0)
"""Seconds between looks at a container; the official pace is once a minute, pictures are usually done within 5 s."""
PACE_LATE = (30.0,) * 8 + (60.0,)
NEEDS_HUMAN_AFTER = timedelta(minutes=10)
"""How long an unreadable container whose post is not listed either is worth asking about."""
CLOCK_SLACK = timedelta(seconds=60)
QUOTA_SHARES = 24
"""Which part of the quota's period to wait at least when it is used up: an hour of the usual day."""

_GONE = ("100/33", "24/2207006")


class InstagramPublisher:
    """Publishes pictures, reels, carousels and stories."""

    rules = rules.RULES

    def __init__(self, client: InstagramClient) -> None:
        self.client = client
        self.search = Search(client.config.visibility_seconds)

    def post_type(self, draft: Draft) -> str:
        return rules.post_type(draft)

    def validate(self, draft: Draft, facts: AccountFacts) -> list[Finding]:
        return rules.validate(draft, facts)

    async def facts(self, auth: Auth) -> AccountFacts:
        """Read how many posts of how many the account has published in the quota's period."""
        quota = await self.client.quota(auth)
        config = _object(quota.get("config"))
        return AccountFacts(
            str(auth.extra.get("account_name") or ""),
            {
                "quota_usage": quota.get("quota_usage"),
                "quota_total": config.get("quota_total"),
                "quota_duration": config.get("quota_duration"),
            },
        )

    async def prepare(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Create the container, or the next containers of a carousel, or send the bytes of one video."""
        try:
            return await self._stage(auth, draft, done, media)
        except StageAgain as error:
            return stage_again(done, error)

    async def look(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Read the containers' states; create or send what is missing when that is the next thing to do."""
        try:
            if self._unsent(auth, draft, done):
                return still_staging(await self._stage(auth, draft, done, media))
            if "container" in done.data:
                return await self._look_at_container(auth, draft, done)
            if len(_children(done)) == len(draft.media) and await self._children_work(auth, done):
                return _still(done, draft)
            return still_staging(await self._stage(auth, draft, done, media))
        except StageAgain as error:
            return stage_again(done, error)

    async def submit(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Publish the container. The post's address is read afterwards and may stay unknown."""
        try:
            media_id = await self.client.publish(auth, done.data["container"])
        except QuotaUsedUp as error:
            raise await self._quota_used_up(auth, error) from error
        permalink = await self.client.permalink(auth, media_id)
        return _out(done, media_id, permalink, datetime.now(UTC))

    async def reconcile(
        self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes, *, submitted_at: datetime, now: datetime
    ) -> Verdict:
        """Ask the container whether it went out, and the account's newest posts under which id."""
        done = self.search.begin(done, submitted_at)
        kind = self.post_type(draft)
        state = await self._state(auth, done.data["container"])
        if state == "IN_PROGRESS":
            return Verdict(Outcome.look_again, done, after_seconds=15)
        listed = await (self.client.stories(auth) if kind == rules.STORY else self.client.recent(auth))
        sought = self._sought(draft, done, submitted_at)
        found = sought.among(listed)
        # What has no text is known by time and kind alone, and another post of this account looks the same: then all
        # must have surfaced before one counts, and the container's word that it is not out counts for more.
        has_text = bool(sought.text)
        is_telling = has_text or state == "PUBLISHED"
        if not (has_text and len(found) == 1):
            done = self.search.count(done)
            if not self.search.is_over(done, submitted_at, now):
                return Verdict(Outcome.look_again, done, after_seconds=self.search.pause_seconds)
        if len(found) == 1 and is_telling:
            post = found[0]
            at = graph_time(post.get("timestamp")) or submitted_at
            return Verdict(Outcome.published, _out(done, str(post["id"]), post.get("permalink"), at))
        if state == "PUBLISHED":  # it is out, whatever the list says: its id is looked for again later
            data = {"sought": sought.to_json()}
            return Verdict(Outcome.published, done.but(phase=Phase.published, look_after=None, data=data))
        if state == "FINISHED" and not (found and is_telling):
            return self.search.again(done, Progress(Phase.ready, done.data), submitted_at)
        if state in ("ERROR", "EXPIRED") and not found:
            kept = {key: done.data[key] for key in ("tries", "watermark") if key in done.data}
            return self.search.again(done, Progress(Phase.preparing, kept), submitted_at)
        if now - submitted_at < NEEDS_HUMAN_AFTER:
            return Verdict(Outcome.look_again, done, after_seconds=60)
        return Verdict(Outcome.unknown, done)

    async def _quota_used_up(self, auth: Auth, error: QuotaUsedUp) -> QuotaUsedUp:
        """Return the refusal with a wait that fits the account's own quota, where Instagram tells it."""
        try:
            config = _object((await self.client.quota(auth)).get("config"))
        except PlatformError:
            return error
        seconds = config.get("quota_duration")
        if not isinstance(seconds, int | float) or seconds <= 0:
            return error
        return QuotaUsedUp(
            error.sentence,
            until=datetime.now(UTC) + timedelta(seconds=seconds / QUOTA_SHARES),
            code=error.code,
            platform_code=error.platform_code,
            trace_id=error.trace_id,
        )

    # -- staging

    async def _stage(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Do the next thing: a container, the bytes of one video, then a carousel's parent."""
        unsent = self._unsent(auth, draft, done)
        if unsent:
            position, container = unsent[0]
            await self._send(auth, draft.media[position], container, media)
            sent = {"sent": [*done.data.get("sent", []), container]}
            if len(unsent) > 1:
                return done.but(phase=Phase.preparing, look_after=None, data=sent)
            return _waiting(done, draft, **sent)
        kind = self.post_type(draft)
        if kind != rules.CAROUSEL:
            body = await self._single(auth, kind, draft, media)
            return self._staged(auth, draft, done, container=await self.client.create_container(auth, body))
        children = _children(done)
        if len(children) < len(draft.media):
            return self._staged(auth, draft, done, children=await self._create_children(auth, draft, children, media))
        body = {
            "media_type": "CAROUSEL",
            "children": ",".join(children[str(index)] for index in range(len(draft.media))),
            **_common(draft),
        }
        return _waiting(done, draft, container=await self.client.create_container(auth, body))

    def _staged(self, auth: Auth, draft: Draft, done: Progress, **staged: Any) -> Progress:
        """Return progress that sends bytes next, or waits where Instagram fetches them itself."""
        progress = _waiting(done, draft, **staged)
        return progress.but(phase=Phase.preparing, look_after=None) if self._unsent(auth, draft, progress) else progress

    async def _create_children(
        self, auth: Auth, draft: Draft, children: dict[str, str], media: MediaBytes
    ) -> dict[str, str]:
        """Create what is missing, side by side; what succeeded is kept even when another one failed."""
        missing = [index for index in range(len(draft.media)) if str(index) not in children]
        answers = await asyncio.gather(
            *(self._create_child(auth, draft, index, media) for index in missing), return_exceptions=True
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

    async def _create_child(self, auth: Auth, draft: Draft, index: int, media: MediaBytes) -> str:
        item = draft.media[index]
        body: JSON = {"is_carousel_item": True}
        if item.kind == "video":
            body["media_type"] = "VIDEO"
        body |= await self._source(auth, item, media)
        alt_text = _alt_text(draft, index)
        if alt_text:
            body["alt_text"] = alt_text
        tags = _tags(draft, index)
        if tags:
            body["user_tags"] = tags
        return await self.client.create_container(auth, body)

    async def _single(self, auth: Auth, kind: str, draft: Draft, media: MediaBytes) -> JSON:
        item = draft.media[0]
        body = await self._source(auth, item, media)
        tags = _tags(draft)
        if tags:
            body["user_tags"] = tags
        if kind == rules.STORY:
            return {"media_type": "STORIES", **body}
        body |= _common(draft)
        if kind == rules.IMAGE:
            alt_text = _alt_text(draft, 0)
            return {**body, "alt_text": alt_text} if alt_text else body
        reel = _reel(draft.options)
        if "cover_url" in reel:
            reel["cover_url"] = await media.address(MediaItem(url=reel["cover_url"], kind="image"))
        return {"media_type": "REELS", **body, **reel}

    async def _source(self, auth: Auth, item: MediaItem, media: MediaBytes) -> JSON:
        """Return where an item comes from: an address, or bytes that are sent afterwards."""
        if _is_sent(auth, item):
            return {"upload_type": "resumable"}
        return {"video_url" if item.kind == "video" else "image_url": await media.address(item)}

    def _unsent(self, auth: Auth, draft: Draft, done: Progress) -> list[tuple[int, str]]:
        """Return positions and containers of the videos whose bytes have not all arrived."""
        if self.post_type(draft) == rules.CAROUSEL:
            staged = {int(position): container for position, container in _children(done).items()}
        else:
            staged = {0: str(done.data["container"])} if "container" in done.data else {}
        sent = done.data.get("sent", [])
        return [
            (position, container)
            for position, container in sorted(staged.items())
            if container not in sent and _is_sent(auth, draft.media[position])
        ]

    async def _send(self, auth: Auth, item: MediaItem, container: str, media: MediaBytes) -> None:
        """Send what has not arrived of one video; repeating it goes on where the last try broke off."""
        size = await media.size(item)
        state = await self.client.upload(auth, container)
        if _is_finished(state):  # raises when the container is dead
            return
        offset = bytes_received(state)
        if offset < size:
            await self.client.send_bytes(auth, container, media.stream(item, offset), offset=offset, size_bytes=size)

    # -- looking

    async def _look_at_container(self, auth: Auth, draft: Draft, done: Progress) -> Progress:
        answer = await self.client.container(auth, done.data["container"])
        if not _is_finished(answer):
            return _still(done, draft)
        if self.post_type(draft) == rules.STORY:
            seen = [str(story.get("id")) for story in await self.client.stories(auth)]
            return done.but(phase=Phase.ready, look_after=None, data={"watermark": {"ids": seen}})
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
            if error.platform_code in _GONE:
                return None
            raise
        return str(answer.get("status_code"))

    def _sought(self, draft: Draft, done: Progress, submitted_at: datetime) -> Sought:
        kind = self.post_type(draft)
        media_type = None
        if kind == rules.STORY:
            media_type = "VIDEO" if draft.media[0].kind == "video" else "IMAGE"
        since = self.search.first_submit(done, submitted_at) - CLOCK_SLACK
        return Sought(kind, media_type, _text(kind, draft), since.isoformat(), done.data.get("watermark") or {})


# ---------------------------------------------------------------------------------------------------------------------
# What is said about a post


def _text(kind: str, draft: Draft) -> str:
    return "" if kind == rules.STORY else limits.text_of(rules.RULES, draft)


def _common(draft: Draft) -> JSON:
    """Return what pictures, reels and a carousel's parent have in common."""
    caption, options = limits.text_of(rules.RULES, draft), draft.options
    body: JSON = {"caption": caption} if caption else {}
    if options.get("location_id"):
        body["location_id"] = options["location_id"]
    if options.get("collaborators"):
        body["collaborators"] = [name.lstrip("@") for name in options["collaborators"]]
    if options.get("is_ai_generated") is not None:
        body["is_ai_generated"] = options["is_ai_generated"]
    return body


def _reel(options: Mapping[str, Any]) -> JSON:
    share = options.get("share_to_feed")
    body: JSON = {"share_to_feed": True if share is None else share}  # its default is undocumented: always sent
    if options.get("cover_url"):  # wins over a moment of the video
        body["cover_url"] = options["cover_url"]
    elif options.get("thumb_offset_ms") is not None:
        body["thumb_offset"] = options["thumb_offset_ms"]
    if options.get("audio_name"):
        body["audio_name"] = options["audio_name"]
    if options.get("trial"):
        body["trial_params"] = {"graduation_strategy": rules.TRIALS[options["trial"]]}
    return body


def _alt_text(draft: Draft, index: int) -> str | None:
    """Return what is in a picture: as chosen for this post, else as kept with the file. Videos have none."""
    if draft.media[index].kind != "image":
        return None
    texts = draft.options.get("alt_texts") or ()
    chosen = texts[index] if index < len(texts) else draft.options.get("alt_text")
    return (chosen or draft.media[index].alt_text or "")[: rules.ALT_TEXT_MAX_CHARS] or None


def _tags(draft: Draft, index: int | None = None) -> list[JSON]:
    """Return the people marked in a post, or in one item of a carousel."""
    return [
        {
            "username": tag["username"].lstrip("@"),
            **{axis: tag[axis] for axis in ("x", "y") if tag.get(axis) is not None},
        }
        for tag in draft.options.get("user_tags") or ()
        if index is None or (tag.get("item") or 0) == index
    ]


def _is_sent(auth: Auth, item: MediaItem) -> bool:
    """Whether an item's bytes are sent rather than fetched: videos, where the sign-in has an upload."""
    return item.kind == "video" and is_facebook_login(auth)


def _out(done: Progress, media_id: str, permalink: str | None, at: datetime) -> Progress:
    return done.but(
        phase=Phase.published,
        platform_post_id=media_id,
        permalink=permalink,
        look_after=None,
        data={"out_at": at.isoformat()},
    )


def _object(value: Any) -> JSON:
    return value if isinstance(value, dict) else {}


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
