"""Getting one post onto TikTok: videos by upload, pictures by letting TikTok fetch them.

Source: Content Posting API › Direct Post, Photo Post, Media Transfer Guide and Get Video Status, copies of 2026-09-11,
read 2026-11-23. Posting a video starts when its last byte arrives, posting pictures when the init call is accepted.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from time import monotonic
from typing import Any

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
    Outcome,
    Permanent,
    Phase,
    PlatformError,
    Progress,
    QuotaUsedUp,
    RetryLater,
    Verdict,
)
from app.platforms.http import Answer, unknown_outcome
from app.platforms.tiktok import rules
from app.platforms.tiktok.client import TikTokClient, range_end
from app.platforms.tiktok.errors import TITLE, failed
from app.platforms.waiting import Search, StageAgain, stage_again, still_staging

PACE = (5.0, 10.0, 20.0, 30.0, 60.0, *(120.0,) * 14, 600.0)
"""Seconds between looks: denser in the first half hour, then every ten minutes."""
COMMIT_AFTER_SECONDS = 5.0
"""A long upload hands back how far it is about this often; after a crash TikTok tells what it has beyond that."""
UPLOADS_AT_ONCE = 4
"""Chunks of one process on their way at the same time: each is in memory as a whole."""
LAST_CHUNK_GRACE_SECONDS = 30.0
"""Ours: how long a last chunk without an answer may still be under way."""
CLOCK_SLACK_SECONDS = 60.0


class TikTokPublisher:
    """Publishes one video, or one to 35 pictures, directly or into the account's inbox."""

    rules = rules.RULES

    def __init__(self, client: TikTokClient) -> None:
        self.client = client
        self.search = Search(client.config.visibility_seconds)
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)

    def post_type(self, draft: Draft) -> str:
        return rules.post_type(draft)

    def validate(self, draft: Draft, facts: AccountFacts) -> list[Finding]:
        found = rules.validate(draft, facts)
        is_direct = self.post_type(draft) in rules.DIRECT
        if is_direct and not self.client.config.is_audited and draft.options.get("privacy_level") != rules.ONLY_ME:
            message = (
                "TikTok has not audited this installation's app yet. Until then posts can only be visible to the "
                "account itself, which must be a private one: choose that, or send the post to the TikTok inbox."
            )
            found.append(Finding("options.privacy_level", "app_not_audited", message))
        return found

    async def facts(self, auth: Auth) -> AccountFacts:
        """Return what creator_info says, with the words that have to stand beside it; never kept."""
        consents = {name: dict(words) for name, words in rules.CONSENTS.items()}
        fixed = {"consents": consents, "is_audited": self.client.config.is_audited}
        try:
            creator = await self.client.creator_info(auth)
        except (QuotaUsedUp, Permanent) as error:
            return AccountFacts(facts={**fixed, "can_post": False, "why_not": error.sentence})
        return AccountFacts(facts={**fixed, **creator, "can_post": True, "why_not": None})

    async def prepare(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Ask what the account may post, then open the upload and send all but the last chunk, or lend the pictures."""
        if "upload_url" in done.data:
            return await self._upload(auth, draft, done, media)
        kind = self.post_type(draft)
        username = ""
        if kind in rules.DIRECT:  # what waits in the inbox is decided about in the app
            creator = await self.client.creator_info(auth)
            findings = rules.validate(draft, AccountFacts(facts=creator))
            if findings:
                raise FixContent(findings[0].message, field=findings[0].field, code=findings[0].code)
            username = str(creator.get("creator_username") or "")
        if kind in rules.PHOTOS:
            urls = [
                await media.lend(item, f"{number}.{'webp' if item.mime_type == 'image/webp' else 'jpg'}")
                for number, item in enumerate(draft.media, start=1)
            ]
            return done.but(phase=Phase.ready, data={"urls": urls, "username": username})
        return await self._open_upload(auth, draft, done, media, username)

    async def look(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Read the status; in `processing`, the wait before beginning anew is over.

        On a `published` post without an id it looks whether TikTok has given one meanwhile.
        """
        if done.phase is Phase.processing:
            return still_staging(await self.prepare(auth, draft, done.but(look_after=None), media))
        data = await self.client.status(auth, done.data["publish_id"])
        status = data.get("status")
        if status in ("PUBLISH_COMPLETE", "SEND_TO_USER_INBOX"):
            return await self._out(auth, draft, done, data)
        if done.phase is Phase.published:
            return done
        if status == "FAILED":  # proven not to be out
            error = failed(str(data.get("fail_reason") or ""))
            if not isinstance(error, StageAgain):
                raise error.as_proof()
            try:
                return stage_again(done, error)
            except PlatformError as final:
                raise final.as_proof() from error
        looks = int(done.data.get("looks", 0)) + 1
        return done.but(look_after=PACE[min(looks, len(PACE) - 1)], data={"looks": looks})

    async def submit(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Send the last chunk, or begin the photo post."""
        if self.post_type(draft) in rules.PHOTOS:
            publish_id = await self.client.init_photos(auth, _photo_body(draft, done))
            return _submitted(done.but(data={"publish_id": publish_id}))
        size, first = int(done.data["size"]), int(done.data["sent"])
        if await media.size(draft.media[0]) != size:
            raise RetryLater("The video changed while it was uploaded. PostPilot starts again.", restage=True)
        answer = await self._put(auth, draft, done, media, first, size)
        if answer.status in (403, 404) and done.data.get("lost"):  # closed, perhaps because it has all bytes
            raise unknown_outcome(TITLE, answer.fault)
        if answer.status in (403, 404):  # the address has expired: nothing is posted without all bytes
            raise _upload_closed(answer.status)
        if answer.status == 400:
            raise _bad_chunk()
        if answer.status != 201:  # 206 and 416: TikTok counts differently than we do, its status decides
            raise unknown_outcome(TITLE, answer.fault)
        return _submitted(done.but(data={"sent": size}))

    async def reconcile(
        self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes, *, submitted_at: datetime, now: datetime
    ) -> Verdict:
        """Ask for the status of a video; fence off the pictures of a photo post."""
        done = self.search.begin(done, submitted_at)
        if self.post_type(draft) in rules.PHOTOS:
            return await self._reconcile_photos(auth, draft, done, media, submitted_at, now)
        return await self._reconcile_video(auth, draft, done, submitted_at, now)

    # -- video

    async def _open_upload(
        self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes, username: str
    ) -> Progress:
        item = draft.media[0]
        size = await media.size(item)
        chunk, count = rules.chunks(size)
        body: JSON = {
            "source_info": {
                "source": "FILE_UPLOAD",
                "video_size": size,
                "chunk_size": chunk,
                "total_chunk_count": count,
            },
        }
        if self.post_type(draft) == rules.INBOX_VIDEO:
            data = await self.client.init_inbox_video(auth, body)
        else:
            data = await self.client.init_video(auth, {"post_info": _video_info(draft), **body})
        publish_id, upload_url = data.get("publish_id"), data.get("upload_url")
        if not publish_id or not upload_url:
            raise RetryLater("TikTok gave an incomplete answer. PostPilot tries again by itself.", code="platform_busy")
        self.client.check_upload_host(str(upload_url))
        return Progress(
            phase=Phase.ready if count == 1 else Phase.preparing,
            data={
                **_counts(done),
                "publish_id": str(publish_id),
                "upload_url": str(upload_url),
                "size": size,
                "chunk": chunk,
                "count": count,
                "sent": 0,
                "username": username,
            },
        )

    async def _upload(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Send every chunk but the last, in order, from where the last commit stands."""
        size, chunk, count = int(done.data["size"]), int(done.data["chunk"]), int(done.data["count"])
        if await media.size(draft.media[0]) != size:  # the file changed: open another upload
            return Progress(data=_counts(done))
        sent = begun_at = int(done.data["sent"])
        last_first = (count - 1) * chunk
        enough = monotonic() + COMMIT_AFTER_SECONDS
        while sent < last_first:
            try:
                answer = await self._put(auth, draft, done, media, sent, sent + chunk)
            except RetryLater:
                if sent == begun_at:
                    raise
                break  # keep what arrived
            if answer.status in (403, 404):
                raise _upload_closed(answer.status)
            if answer.status == 400:
                raise _bad_chunk()
            arrived = range_end(answer)
            if answer.status == 416:
                if arrived is None:
                    arrived = int((await self.client.status(auth, done.data["publish_id"])).get("uploaded_bytes") or 0)
                resume = min(arrived // chunk * chunk, last_first)
                if resume == sent:
                    raise _upload_closed(answer.status)
                sent = resume
            else:
                sent += chunk
            if monotonic() > enough:
                break
        return done.but(phase=Phase.ready if sent >= last_first else Phase.preparing, data={"sent": sent})

    async def _put(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes, first: int, end: int) -> Answer:
        item, size = draft.media[0], int(done.data["size"])
        async with self._uploads:
            return await self.client.send_chunk(
                auth,
                done.data["upload_url"],
                await media.read_part(item, first, end),
                first=first,
                total=size,
                mime_type=item.mime_type or "video/mp4",
                is_last=end == size,
            )

    async def _reconcile_video(
        self, auth: Auth, draft: Draft, done: Progress, submitted_at: datetime, now: datetime
    ) -> Verdict:
        try:
            data = await self.client.status(auth, done.data["publish_id"])
        except PlatformError as error:
            if error.platform_code in ("invalid_publish_id", "token_not_authorized_for_specified_publish_id"):
                return Verdict(Outcome.unknown, done)
            raise
        status = data.get("status")
        if status in ("PUBLISH_COMPLETE", "SEND_TO_USER_INBOX"):
            return Verdict(Outcome.published, await self._out(auth, draft, done, data))
        arrived = data.get("uploaded_bytes")
        if status != "PROCESSING_UPLOAD" or (isinstance(arrived, int) and arrived >= int(done.data["size"])):
            return Verdict(Outcome.published, _submitted(done))  # or FAILED: `look` says why
        done = self.search.count(done)
        waited = (now - submitted_at).total_seconds()
        needed = LAST_CHUNK_GRACE_SECONDS if isinstance(arrived, int) else self.search.visibility_seconds
        if waited < min(needed, self.search.visibility_seconds):
            return Verdict(Outcome.look_again, done, after_seconds=max(1.0, min(needed - waited, 10.0)))
        # Not all bytes are there, so nothing can be posted: the last chunk again, to the same address.
        return self.search.again(done, done.but(phase=Phase.ready, look_after=None), submitted_at)

    # -- pictures

    async def _reconcile_photos(
        self,
        auth: Auth,
        draft: Draft,
        done: Progress,
        media: MediaBytes,
        submitted_at: datetime,
        now: datetime,
    ) -> Verdict:
        """Fence: TikTok can fetch nothing any more; what it never fetched it cannot post."""
        await media.revoke()
        waited = (now - submitted_at).total_seconds()
        if not await media.fetched():
            if waited < self.client.config.pull_fence_seconds:
                pause = min(max(self.client.config.pull_fence_seconds - waited, 0.2), 300.0)
                return Verdict(Outcome.look_again, done, after_seconds=pause)
            return self.search.again(done, Progress(data=_counts(done)), submitted_at)
        if draft.options.get("privacy_level") == rules.PUBLIC:
            found = await self._listed(auth, draft, submitted_at)
            if len(found) == 1:
                post = found[0]
                out = done.but(
                    phase=Phase.published,
                    platform_post_id=str(post["id"]),
                    permalink=post.get("share_url"),
                    look_after=None,
                )
                return Verdict(Outcome.published, out)
            done = self.search.count(done)
            if not self.search.is_over(done, submitted_at, now):
                return Verdict(Outcome.look_again, done, after_seconds=self.search.pause_seconds)
        return Verdict(Outcome.unknown, done)

    async def _listed(self, auth: Auth, draft: Draft, submitted_at: datetime) -> list[JSON]:
        caption = captions.normalised(limits.text_of(rules.RULES, draft))
        since = submitted_at.timestamp() - CLOCK_SLACK_SECONDS
        return [
            post
            for post in await self.client.recent_videos(auth)
            if isinstance(post.get("create_time"), int | float)
            and post["create_time"] >= since
            and caption in (captions.normalised(post.get("video_description")), captions.normalised(post.get("title")))
        ]

    async def _out(self, auth: Auth, draft: Draft, done: Progress, data: JSON) -> Progress:
        """Return success; only public posts get an id, and some of them only after a while."""
        found = await self.client.public_id(
            auth, data, post_type=self.post_type(draft), username=done.data.get("username")
        )
        kept = {key: value for key, value in done.data.items() if key not in ("upload_url", "urls")}
        kept["delivered_to"] = "inbox" if data.get("status") == "SEND_TO_USER_INBOX" else "profile"
        post_id, permalink = (found.platform_post_id, found.permalink) if found else (None, None)
        return Progress(Phase.published, kept, platform_post_id=post_id, permalink=permalink)


def _counts(done: Progress) -> JSON:
    """Return what survives a new beginning: how often something was lost or tried."""
    return {key: done.data[key] for key in ("tries", "lost", "first_submit") if key in done.data}


def _submitted(done: Progress) -> Progress:
    kept = {key: value for key, value in done.data.items() if key not in ("upload_url", "urls")}
    return Progress(Phase.submitted, {**kept, "looks": 0}, look_after=PACE[0])


def _video_info(draft: Draft) -> JSON:
    options = draft.options
    info: JSON = {
        "title": limits.text_of(rules.RULES, draft),
        "privacy_level": options["privacy_level"],
        "disable_comment": _flag(options.get("disable_comment"), default=True),
        "disable_duet": _flag(options.get("disable_duet"), default=True),
        "disable_stitch": _flag(options.get("disable_stitch"), default=True),
        "brand_content_toggle": _flag(options.get("brand_content_toggle")),
        "brand_organic_toggle": _flag(options.get("brand_organic_toggle")),
        "is_aigc": _flag(options.get("is_aigc")),
    }
    if options.get("cover_timestamp_ms") is not None:
        info["video_cover_timestamp_ms"] = int(options["cover_timestamp_ms"])
    return info


def _photo_body(draft: Draft, done: Progress) -> JSON:
    options = draft.options
    info: JSON = {"description": limits.text_of(rules.RULES, draft)}
    if options.get("title"):
        info["title"] = str(options["title"])
    source = {
        "source": "PULL_FROM_URL",
        "photo_cover_index": int(options.get("cover_index") or 0),
        "photo_images": list(done.data["urls"]),
    }
    if rules.post_type(draft) == rules.INBOX_PHOTO:
        return {"media_type": "PHOTO", "post_mode": "MEDIA_UPLOAD", "post_info": info, "source_info": source}
    info |= {
        "privacy_level": options["privacy_level"],
        "disable_comment": _flag(options.get("disable_comment"), default=True),
        "auto_add_music": _flag(options.get("auto_add_music")),
        "brand_content_toggle": _flag(options.get("brand_content_toggle")),
        "brand_organic_toggle": _flag(options.get("brand_organic_toggle")),
    }
    return {
        "media_type": "PHOTO",
        "post_mode": "DIRECT_POST",
        "is_aigc": _flag(options.get("is_aigc")),  # beside `post_info`, where videos have it inside
        "post_info": info,
        "source_info": source,
    }


def _flag(value: Any, *, default: bool = False) -> bool:
    return default if value is None else bool(value)


def _upload_closed(status: int) -> RetryLater:
    return RetryLater(
        "The upload to TikTok took too long. PostPilot starts it again.",
        restage=True,
        code="upload_expired",
        platform_code=f"http_{status}",
    )


def _bad_chunk() -> FixContent:
    return FixContent(
        "TikTok did not accept this video file. Export it again as MP4 (H.264).",
        field="media_urls",
        code="media_refused",
    )
