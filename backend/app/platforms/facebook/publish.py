"""Getting one post onto a Facebook Page: bytes first, unseen, then the one call that shows them.

Source: Pages API › Posts, Graph reference Page › Photos and Videos, Reels Publishing, v25.0, read 2026-11-23.
Everything with media has an id before it is public, by which a lost answer can be looked up; text and links are
recognised by what they say.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, urlsplit

from app.domain import captions
from app.platforms.base import (
    JSON,
    AccountFacts,
    Auth,
    Draft,
    Finding,
    FixContent,
    MediaBytes,
    MediaItem,
    Outcome,
    Phase,
    PlatformError,
    Progress,
    RetryLater,
    Verdict,
)
from app.platforms.facebook import rules
from app.platforms.facebook.client import FacebookClient, absolute
from app.platforms.facebook.errors import DUPLICATES, TITLE, video_failed
from app.platforms.facebook.video import VideoState, bytes_received, error_code, state_of
from app.platforms.http import Purpose, unknown_outcome
from app.platforms.meta import graph_time, needed
from app.platforms.waiting import Search, StageAgain, stage_again, still_staging

PACE = (5.0, 5.0, 5.0, 10.0, 30.0, 30.0, 60.0)
"""Seconds between looks at a video that Facebook works on."""
COMMIT_AFTER_SECONDS = 15.0
"""A long upload hands back how far it is about this often, so that a restart goes on from there."""
PHOTOS_AT_ONCE = 3
NEEDS_HUMAN_AFTER = timedelta(minutes=10)
CLOCK_SLACK = timedelta(seconds=60)

_WITH_MEDIA = frozenset({"photo", "album", "video", "video_inline"})


class FacebookPublisher:
    """Publishes text, links, one or several pictures, and videos."""

    rules = rules.RULES

    def __init__(self, client: FacebookClient) -> None:
        self.client = client
        self.search = Search(client.config.visibility_seconds)

    def post_type(self, draft: Draft) -> str:
        return rules.post_type(draft)

    def validate(self, draft: Draft, facts: AccountFacts) -> list[Finding]:
        return rules.validate(draft, facts)

    async def prepare(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Upload what is missing; text and links have nothing to prepare."""
        try:
            return await self._stage(auth, draft, done, media)
        except StageAgain as error:
            return stage_again(done, error)

    async def look(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Read whether a submitted video is out; in `processing`, the wait before uploading anew is over."""
        if done.phase is Phase.processing:
            return still_staging(await self.prepare(auth, draft, done.but(look_after=None), media))
        data = await self.client.video(auth, done.data["video_id"])
        state = state_of(data)
        if state is VideoState.failed:
            raise video_failed(error_code(data)).as_proof()
        if state is VideoState.published:
            return _video_out(auth, done, data)
        looks = int(done.data.get("looks", 0)) + 1
        return done.but(look_after=PACE[min(looks, len(PACE) - 1)], data={"looks": looks})

    async def submit(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Show it: the feed post for text, links and pictures, the finish call for a video."""
        message = captions.compose(draft.content, draft.hashtags)
        try:
            if self.post_type(draft) == rules.VIDEO:
                if done.data.get("way") == "reel":
                    await self.client.finish_reel(auth, done.data["video_id"], message)
                else:
                    await self.client.finish_video(auth, done.data["session"], message)
                return done.but(phase=Phase.submitted, look_after=PACE[0], data={"looks": 0})
            post_id, permalink = await self.client.publish_post(auth, _feed_body(draft, message, done))
        except FixContent as error:
            if done.data.get("lost") and _is_duplicate(error):  # says that the lost submission went through
                raise unknown_outcome(TITLE) from error
            raise
        return done.but(phase=Phase.published, platform_post_id=post_id, permalink=permalink, look_after=None)

    async def reconcile(
        self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes, *, submitted_at: datetime, now: datetime
    ) -> Verdict:
        """Look for the post by the ids staged before, or by its text."""
        done = self.search.begin(done, submitted_at)
        if self.post_type(draft) == rules.VIDEO:
            return await self._reconcile_video(auth, done, submitted_at, now)
        for photo_id in _photos(done).values():
            story = await self.client.photo_story(auth, photo_id)
            if story is not None:
                permalink = await self.client.permalink(auth, story)
                return _out(done, story if "_" in story else f"{auth.account_id_external}_{story}", permalink)
            break  # they go public together: one tells
        found = self._matches(await self.client.published_posts(auth), draft, done, submitted_at)
        if len(found) == 1:
            return _out(done, str(found[0]["id"]), absolute(found[0].get("permalink_url")))
        if found:
            return Verdict(Outcome.unknown, done)
        return self._absent(done, submitted_at, now)

    # -- staging

    async def _stage(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        kind = self.post_type(draft)
        if kind in (rules.TEXT, rules.LINK):
            return done.but(phase=Phase.ready)
        if kind != rules.VIDEO:
            return await self._stage_photos(auth, draft, done, media)
        item = draft.media[0]
        if "video_id" in done.data:
            return await (self._send_reel if done.data["way"] == "reel" else self._send_video)(auth, item, done, media)
        if rules.goes_as_reel(item):
            video_id, upload_url = await self.client.start_reel(auth)
            return done.but(data={"way": "reel", "video_id": video_id, "upload_url": upload_url})
        size = item.size_bytes or len(await media.read(item))
        data = await self.client.start_video(auth, int(done.data.get("size") or size))
        return done.but(
            data={
                "way": "video",
                "video_id": needed(data, "video_id", TITLE, Purpose.stage),
                "session": needed(data, "upload_session_id", TITLE, Purpose.stage),
                "size": int(done.data.get("size") or size),
                "start": int(data.get("start_offset") or 0),
                "end": int(data.get("end_offset") or 0),
            }
        )

    async def _stage_photos(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Upload the missing pictures side by side; what succeeded is kept even when another one failed."""
        photos = _photos(done)
        missing = [index for index in range(len(draft.media)) if str(index) not in photos]
        gate = asyncio.Semaphore(PHOTOS_AT_ONCE)

        async def stage(item: MediaItem) -> str:
            async with gate:
                content = await media.read(item)
                return await self.client.stage_photo(auth, content, item.mime_type or "image/jpeg")

        answers = await asyncio.gather(*(stage(draft.media[index]) for index in missing), return_exceptions=True)
        staged = dict(photos)
        for index, answer in zip(missing, answers, strict=True):
            if isinstance(answer, str):
                staged[str(index)] = answer
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        for error in failed:
            if len(staged) == len(photos) or not isinstance(error, PlatformError):
                raise error
        if failed:
            return done.but(phase=Phase.processing, look_after=PACE[0], data={"photos": staged})
        return done.but(phase=Phase.ready, data={"photos": staged})

    async def _send_reel(self, auth: Auth, item: MediaItem, done: Progress, media: MediaBytes) -> Progress:
        content = await media.read(item)
        url = done.data["upload_url"]
        try:
            await self.client.send_reel(auth, url, content, 0)
        except RetryLater as error:
            if error.platform_code != "OffsetInvalidError":
                raise
            offset = bytes_received(await self.client.video(auth, done.data["video_id"]))
            if offset < len(content):
                await self.client.send_reel(auth, url, content, offset)
        return done.but(phase=Phase.ready)

    async def _send_video(self, auth: Auth, item: MediaItem, done: Progress, media: MediaBytes) -> Progress:
        content = await media.read(item)
        if len(content) != done.data["size"]:  # what we were told was wrong: a new session with the true size
            kept = {key: done.data[key] for key in ("tries",) if key in done.data}
            return Progress(data={**kept, "size": len(content)})
        start, end = int(done.data["start"]), int(done.data["end"])
        enough = monotonic() + COMMIT_AFTER_SECONDS
        while start < end:
            try:
                data = await self.client.send_chunk(auth, done.data["session"], start, content[start:end])
            except RetryLater as error:
                if start == done.data["start"] or isinstance(error, StageAgain):
                    raise
                break  # keep what arrived
            start, end = int(data.get("start_offset") or 0), int(data.get("end_offset") or 0)
            if monotonic() > enough:
                break
        phase = Phase.ready if start >= end else Phase.preparing
        return done.but(phase=phase, data={"start": start, "end": end})

    # -- reconciling

    async def _reconcile_video(self, auth: Auth, done: Progress, submitted_at: datetime, now: datetime) -> Verdict:
        try:
            data = await self.client.video(auth, done.data["video_id"])
        except PlatformError as error:
            if error.platform_code != "100/33":
                raise
            if now - submitted_at < NEEDS_HUMAN_AFTER:
                return Verdict(Outcome.look_again, done, after_seconds=60)
            return Verdict(Outcome.unknown, done)
        match state_of(data):
            case VideoState.published:
                return Verdict(Outcome.published, _video_out(auth, done, data))
            case VideoState.accepted | VideoState.failed:  # `look` says what failed
                return Verdict(
                    Outcome.published, done.but(phase=Phase.submitted, look_after=PACE[0], data={"looks": 0})
                )
            case VideoState.waiting:
                return self._absent(done, submitted_at, now)

    def _absent(self, done: Progress, submitted_at: datetime, now: datetime) -> Verdict:
        """Look again until absence proves something; then the same ids may be submitted again."""
        done = self.search.count(done)
        if not self.search.is_over(done, submitted_at, now):
            return Verdict(Outcome.look_again, done, after_seconds=self.search.pause_seconds)
        return self.search.again(done, done.but(phase=Phase.ready, look_after=None), submitted_at)

    def _matches(self, posts: list[JSON], draft: Draft, done: Progress, submitted_at: datetime) -> list[JSON]:
        photos = set(_photos(done).values())
        since = self.search.first_submit(done, submitted_at) - CLOCK_SLACK
        message = captions.normalised(captions.compose(draft.content, draft.hashtags))
        found = []
        for post in posts:
            at = graph_time(post.get("created_time"))
            if at is None or at < since:
                continue
            if photos:
                if photos & _targets(post):
                    found.append(post)
                continue
            application = post.get("application")
            if isinstance(application, dict) and str(application.get("id")) != self.client.config.app_id:
                continue
            if captions.normalised(post.get("message")) == message and _link_agrees(post, draft.options.get("link")):
                found.append(post)
        return found


def _feed_body(draft: Draft, message: str, done: Progress) -> JSON:
    body: JSON = {"published": True}
    if message:
        body["message"] = message
    if draft.options.get("link"):
        body["link"] = draft.options["link"]
    photos = _photos(done)
    if photos:
        body["attached_media"] = [{"media_fbid": photos[str(index)]} for index in range(len(draft.media))]
    return body


def _photos(done: Progress) -> dict[str, str]:
    """Staged pictures by position (JSON knows only text keys)."""
    return dict(done.data.get("photos") or {})


def _is_duplicate(error: FixContent) -> bool:
    return any(part.isdigit() and int(part) in DUPLICATES for part in (error.platform_code or "").split("/"))


def _out(done: Progress, post_id: str, permalink: str | None) -> Verdict:
    out = done.but(phase=Phase.published, platform_post_id=post_id, permalink=permalink, look_after=None)
    return Verdict(Outcome.published, out)


def _video_out(auth: Auth, done: Progress, data: JSON) -> Progress:
    """Return the end of a video: the post's id with its Page where Facebook names it, else the video's own."""
    post_id = str(data.get("post_id") or "")
    if post_id and "_" not in post_id:
        post_id = f"{auth.account_id_external}_{post_id}"
    return done.but(
        phase=Phase.published,
        platform_post_id=post_id or done.data["video_id"],
        permalink=absolute(data.get("permalink_url")),
        look_after=None,
    )


def _attachments(post: JSON) -> list[JSON]:
    found = post.get("attachments")
    rows = found.get("data") if isinstance(found, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _targets(post: JSON) -> set[str]:
    """Return the ids of everything attached to a post."""
    rows = _attachments(post)
    for row in list(rows):
        rows += _attachments({"attachments": row.get("subattachments")})
    return {str(row["target"].get("id")) for row in rows if isinstance(row.get("target"), dict)}


def _link_agrees(post: JSON, link: Any) -> bool:
    """Whether what is attached fits a text (`link` is `None`) or a link post."""
    rows = _attachments(post)
    if not link:
        return not any(row.get("media_type") in _WITH_MEDIA for row in rows)
    urls = [_plain(str(row["url"])) for row in rows if row.get("url")]
    return not urls or _plain(str(link)) in urls


def _plain(url: str) -> str:
    """Return an address without Facebook's own detour and without a trailing slash."""
    parts = urlsplit(url)
    if parts.path == "/l.php":
        url = (parse_qs(parts.query).get("u") or [url])[0]
    return url.rstrip("/")
