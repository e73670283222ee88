"""Getting one post onto a Facebook Page: bytes first, unseen, then the one call that shows them.

Source: Pages API › Posts, Graph reference Page › Photos and Videos, Reels Publishing, v25.0, read 2026-11-23.
Everything with media has an id before it is public, by which a lost answer can be looked up; text and links are
recognised by what they say.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, urlsplit

from app.domain import captions
from app.platforms import limits
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
from app.platforms.facebook.client import REELS, STORIES, FacebookClient, absolute
from app.platforms.facebook.errors import DUPLICATES, TITLE, WRONG_OFFSET, video_failed
from app.platforms.facebook.video import VideoState, bytes_received, error_code, state_of
from app.platforms.http import Purpose, unknown_outcome
from app.platforms.meta import graph_time, needed
from app.platforms.waiting import Search, StageAgain, stage_again, still_staging

PACE = (5.0, 5.0, 5.0, 10.0, 30.0, 30.0, 60.0)
"""Seconds between looks at a video that Facebook works on."""
COMMIT_AFTER_SECONDS = 5.0
"""A long upload hands back how far it is about this often; after a crash Facebook tells what it has beyond that."""
CHUNK_MAX_BYTES = 32_000_000
"""Ours: what is in memory at once of a video. Facebook names a range, and takes a part of it as well."""
UPLOADS_AT_ONCE = 2
STAGED_LIFE = timedelta(hours=20)
"""Unpublished pictures are deleted after about 24 hours (Page › Photos): older ones are uploaded anew."""
DELETED_AFTER = timedelta(hours=26)
STORY_LISTED = timedelta(hours=23)
"""Stories are listed for 24 hours: after that, absence proves nothing (Page Stories API)."""
PHOTOS_AT_ONCE = 3
NEEDS_HUMAN_AFTER = timedelta(minutes=10)
CLOCK_SLACK = timedelta(seconds=60)

_WITH_MEDIA = frozenset({"photo", "album", "video", "video_inline"})


class FacebookPublisher:
    """Publishes text, links, one or several pictures, videos, reels and stories."""

    rules = rules.RULES

    def __init__(self, client: FacebookClient) -> None:
        self.client = client
        self.search = Search(client.config.visibility_seconds)
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def facts(self, auth: Auth) -> AccountFacts:
        """Facebook tells nothing about a Page that a post would depend on."""
        return AccountFacts()

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
            if done.data.get("way") == "story":
                return _story_out(auth, done, data.get("post_id") or done.data.get("story_post_id"))
            return _video_out(auth, done, data)
        looks = int(done.data.get("looks", 0)) + 1
        return done.but(look_after=PACE[min(looks, len(PACE) - 1)], data={"looks": looks})

    async def submit(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Show it: the feed post for text, links and pictures, the finish call for a video."""
        message = limits.text_of(rules.RULES, draft)
        kind, title = self.post_type(draft), draft.options.get("title")
        if not done.data.get("lost") and _age(done) > STAGED_LIFE:
            raise RetryLater(
                "The pictures waited too long at Facebook. PostPilot uploads them again by itself.",
                restage=True,
                after=timedelta(seconds=1),
                code="photos_too_old",
            )
        try:
            if kind == rules.PHOTO_STORY:
                post_id = await self.client.publish_photo_story(auth, _photos(done)["0"])
                return _story_out(auth, done, post_id)
            if kind == rules.VIDEO_STORY:
                post_id = await self.client.finish_story(auth, done.data["video_id"])
                return done.but(phase=Phase.submitted, look_after=PACE[0], data={"looks": 0, "story_post_id": post_id})
            if kind in rules.VIDEOS:
                if done.data.get("way") == "reel":
                    await self.client.finish_reel(auth, done.data["video_id"], message, title)
                else:
                    await self.client.finish_video(auth, done.data["session"], message, title)
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
        kind = self.post_type(draft)
        if kind == rules.PHOTO_STORY:
            return await self._reconcile_story(auth, done, submitted_at, now)
        if kind in rules.VIDEOS:
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
        if kind not in rules.VIDEOS:
            return await self._stage_photos(auth, draft, done, media)
        item = draft.media[0]
        if "video_id" in done.data:
            return await (self._send_video if done.data["way"] == "video" else self._send_reel)(auth, item, done, media)
        size = await media.size(item)
        if kind == rules.VIDEO and not rules.goes_as_reel(item):
            data = await self.client.start_video(auth, size)
            return done.but(
                data={
                    "way": "video",
                    "video_id": needed(data, "video_id", TITLE, Purpose.stage),
                    "session": needed(data, "upload_session_id", TITLE, Purpose.stage),
                    "size": size,
                    "start": int(data.get("start_offset") or 0),
                    "end": int(data.get("end_offset") or 0),
                }
            )
        edge = STORIES if kind == rules.VIDEO_STORY else REELS
        video_id, upload_url = await self.client.start_reel(auth, edge)
        way = "story" if kind == rules.VIDEO_STORY else "reel"
        return done.but(data={"way": way, "video_id": video_id, "upload_url": upload_url, "size": size})

    async def _stage_photos(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Upload the missing pictures side by side; what succeeded is kept even when another one failed."""
        photos = _photos(done)
        staged_at = done.data.get("staged_at")
        if _age(done) > STAGED_LIFE:
            photos, staged_at = {}, None
        missing = [index for index in range(len(draft.media)) if str(index) not in photos]
        gate = asyncio.Semaphore(PHOTOS_AT_ONCE)

        async def stage(index: int) -> str:
            item = draft.media[index]
            async with gate:
                content, alt = await media.read(item), rules.alt_text(draft, index)
                return await self.client.stage_photo(auth, content, item.mime_type or "image/jpeg", alt_text=alt)

        begun_at = staged_at or datetime.now(UTC).isoformat()
        answers = await asyncio.gather(*(stage(index) for index in missing), return_exceptions=True)
        staged = dict(photos)
        for index, answer in zip(missing, answers, strict=True):
            if isinstance(answer, str):
                staged[str(index)] = answer
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        for error in failed:
            if len(staged) == len(photos) or not isinstance(error, PlatformError):
                raise error
        if failed:
            return done.but(phase=Phase.processing, look_after=PACE[0], data={"photos": staged, "staged_at": begun_at})
        return done.but(phase=Phase.ready, data={"photos": staged, "staged_at": begun_at})

    async def _send_reel(self, auth: Auth, item: MediaItem, done: Progress, media: MediaBytes) -> Progress:
        """Send the bytes from where Facebook stands: a connection that broke costs only what did not arrive."""
        url, video_id = done.data["upload_url"], done.data["video_id"]
        size = await media.size(item)
        if size != done.data["size"]:
            return done.anew()
        offset = bytes_received(await self.client.video(auth, video_id)) if done.data.get("begun") else 0
        if not done.data.get("begun"):
            return done.but(data={"begun": True})  # from now on a new try asks first
        if offset < size:
            async with self._uploads:
                await self.client.send_reel(auth, url, media.stream(item, offset), offset=offset, size=size)
        return done.but(phase=Phase.ready)

    async def _send_video(self, auth: Auth, item: MediaItem, done: Progress, media: MediaBytes) -> Progress:
        if await media.size(item) != done.data["size"]:  # the file changed: a new session
            return done.anew()
        start, end = int(done.data["start"]), int(done.data["end"])
        width, is_corrected = end - start, False
        enough = monotonic() + COMMIT_AFTER_SECONDS
        while start < end:
            try:
                async with self._uploads:
                    chunk = await media.read_part(item, start, min(end, start + CHUNK_MAX_BYTES))
                    data = await self.client.send_chunk(auth, done.data["session"], start, chunk)
            except RetryLater as error:
                arrived = None if is_corrected else await self._arrived(auth, done, error)
                if arrived is not None and arrived != start:
                    start, is_corrected = arrived, True
                    end = min(int(done.data["size"]), start + width)  # as wide as the range that Facebook named
                    continue
                if start == done.data["start"] or isinstance(error, StageAgain):
                    raise
                break  # keep what arrived
            start, end = int(data.get("start_offset") or 0), int(data.get("end_offset") or 0)
            is_corrected = False
            if monotonic() > enough:
                break
        phase = Phase.ready if start >= end else Phase.preparing
        return done.but(phase=phase, data={"start": start, "end": end})

    async def _arrived(self, auth: Auth, done: Progress, error: RetryLater) -> int | None:
        """Return how much Facebook has, when a wrong offset was the reason of a refusal."""
        if error.platform_code is None or str(WRONG_OFFSET) not in error.platform_code.split("/"):
            return None
        return bytes_received(await self.client.video(auth, done.data["video_id"]))

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
                out = _story_out(auth, done, data.get("post_id")) if done.data["way"] == "story" else None
                return Verdict(Outcome.published, out or _video_out(auth, done, data))
            case VideoState.accepted | VideoState.failed:  # `look` says what failed
                return Verdict(
                    Outcome.published, done.but(phase=Phase.submitted, look_after=PACE[0], data={"looks": 0})
                )
            case VideoState.waiting:
                return self._absent(done, submitted_at, now)

    async def _reconcile_story(self, auth: Auth, done: Progress, submitted_at: datetime, now: datetime) -> Verdict:
        """A story names the picture it shows: the list proves that it is out, or after a while that it is not."""
        photo_id = _photos(done)["0"]
        for story in await self.client.stories(auth):
            if str(story.get("media_id")) == photo_id:
                return Verdict(Outcome.published, _story_out(auth, done, story.get("post_id"), story.get("url")))
        if now - self.search.first_submit(done, submitted_at) > STORY_LISTED:  # it may have shown, and be over
            return Verdict(Outcome.unknown, done)
        return self._absent(done, submitted_at, now)

    def _absent(self, done: Progress, submitted_at: datetime, now: datetime) -> Verdict:
        """Look again until absence proves something; then the same ids may be submitted again."""
        done = self.search.count(done)
        if not self.search.is_over(done, submitted_at, now):
            return Verdict(Outcome.look_again, done, after_seconds=self.search.pause_seconds)
        if _age(done) > DELETED_AFTER:  # what no longer exists can neither be shown again nor have been shown
            return self.search.again(done, done.anew(), submitted_at)
        return self.search.again(done, done.but(phase=Phase.ready, look_after=None), submitted_at)

    def _matches(self, posts: list[JSON], draft: Draft, done: Progress, submitted_at: datetime) -> list[JSON]:
        photos = set(_photos(done).values())
        since = self.search.first_submit(done, submitted_at) - CLOCK_SLACK
        message = captions.normalised(limits.text_of(rules.RULES, draft))
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


def _story_out(auth: Auth, done: Progress, post_id: Any, link: Any = None) -> Progress:
    """Return the end of a story; its id comes with its Page, as those of posts do."""
    known = str(post_id) if post_id else ""
    if known and "_" not in known:
        known = f"{auth.account_id_external}_{known}"
    photo_id = _photos(done).get("0")
    data = {"photo_id": photo_id} if photo_id else {}
    return done.but(
        phase=Phase.published,
        platform_post_id=known or None,
        permalink=absolute(link),
        look_after=None,
        data=data,
    )


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


def _age(done: Progress) -> timedelta:
    """Return how long ago the first picture was staged; nothing where there is none."""
    staged_at = done.data.get("staged_at")
    return datetime.now(UTC) - datetime.fromisoformat(str(staged_at)) if staged_at else timedelta()


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
