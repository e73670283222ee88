"""Videos (chunked) and reels (three calls) of a Page. Source: Page › Videos; Reels Publishing (2026-07-30)."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from sandbox import ids
from sandbox.core import Sandbox
from sandbox.facebook.access import publishing_page
from sandbox.facebook.posts import new_post
from sandbox.facebook.video_rules import PROBLEMS, reel_problem
from sandbox.library import META_FETCHER, FetchError
from sandbox.media import append
from sandbox.meta import params
from sandbox.meta.errors import bad_parameter, missing_object, refuse
from sandbox.records import Persona, Video
from sandbox.wire import Answer, Call, DroppedError, PlatformError, body_pieces, ok

CHUNK_BYTES = 1_048_576
"""Bytes asked for per transfer call. Source: Page › Videos (example)."""
REELS_PER_DAY = 30
"""Reels per Page in a moving 24 h. Source: Reels Publishing."""
UNFINISHED_SECONDS = 86_400
"""An upload that is never finished expires; the time is not documented, 24 h as for photos."""

_UPLOAD_PROBLEM = 6000
_OFFSET_PROBLEM = 6001
_WRONG_OFFSET = 1363037
_CUSTOM_LIMIT = 613


async def start(call: Call) -> Answer:
    """`POST /{page}/videos` with `upload_phase=start`."""
    owner = publishing_page(call)
    checks: dict[str, params.Check] = {"upload_phase": params.text, "file_size": params.number}
    values = params.read(call.params, checks, ("file_size",))
    if values["file_size"] <= 0:
        raise bad_parameter("Param file_size must be greater than 0")
    video = Video(
        id=ids.digits("1", 16),
        account_id=owner.account_id,
        kind="video",
        created_at=call.sandbox.clock.now(),
        session_id=ids.digits("9", 16),
        size=values["file_size"],
    )
    call.sandbox.state.videos.put(video)
    call.sandbox.state.by_session[video.session_id] = video
    return ok({"video_id": video.id, "upload_session_id": video.session_id, **_offsets(video)})


async def transfer(call: Call) -> Answer:
    """`upload_phase=transfer`: one chunk, exactly the bytes that were asked for."""
    owner = publishing_page(call)
    checks: dict[str, params.Check] = {
        "upload_phase": params.text,
        "upload_session_id": params.object_id,
        "start_offset": params.number,
    }
    values = params.read(call.params, checks, tuple(checks))
    if set(call.files) != {"video_file_chunk"}:
        raise bad_parameter("The parameter video_file_chunk is required")
    video = _session(call, owner, values["upload_session_id"])
    data = call.files["video_file_chunk"]
    offsets = _offsets(video)
    wanted = int(offsets["end_offset"]) - int(offsets["start_offset"])
    if values["start_offset"] != video.received or len(data) != wanted:
        raise refuse(
            "There was a problem uploading your video file. Please try again.",
            _OFFSET_PROBLEM,
            _WRONG_OFFSET,
            is_transient=True,
            data=offsets,
        )
    await receive_bytes(call.sandbox, video, data)
    return ok(_offsets(video))


async def finish(call: Call) -> Answer:
    """`upload_phase=finish`: the video is published once, however often this is called."""
    owner = publishing_page(call)
    checks: dict[str, params.Check] = {
        "upload_phase": params.text,
        "upload_session_id": params.object_id,
        "title": params.text,
        "description": params.text,
        "published": params.boolean,
    }
    values = params.read(call.params, checks, ("upload_session_id",))
    if call.files.keys() - {"thumb"}:
        raise bad_parameter("Unexpected file")
    video = _session(call, owner, values["upload_session_id"])
    if not values.get("published", True):
        raise bad_parameter("published must be true: unpublished videos are not part of this sandbox")
    publish(call.sandbox, owner, video, values.get("description", ""), values.get("title", ""))
    return ok({"success": True})


async def reel_start(call: Call) -> Answer:
    """`POST /{page}/video_reels` with `upload_phase=start`."""
    return open_upload(call, "reel")


def open_upload(call: Call, kind: Literal["reel", "video_story"]) -> Answer:
    """Open a reel or a video story, and say where its bytes go."""
    owner = publishing_page(call)
    params.read(call.params, {"upload_phase": params.text})
    video = Video(id=ids.digits("1", 16), account_id=owner.account_id, kind=kind, created_at=call.sandbox.clock.now())
    call.sandbox.state.videos.put(video)
    upload_url = f"{call.base_url}/facebook/upload/video-upload/{call.version}/{video.id}"
    return ok({"video_id": video.id, "upload_url": upload_url})


async def reel_finish(call: Call) -> Answer:
    """`upload_phase=finish`: accepted before processing ends; publishing is asynchronous."""
    owner = publishing_page(call)
    checks: dict[str, params.Check] = {
        "upload_phase": params.text,
        "video_id": params.object_id,
        "video_state": params.choice("PUBLISHED", "DRAFT"),
        "description": params.text,
        "title": params.text,
    }
    values = params.read(call.params, checks, ("video_id", "video_state"))
    video = call.sandbox.state.videos.get(values["video_id"])
    if video is None or video.account_id != owner.account_id or video.kind != "reel":
        raise missing_object(values["video_id"])
    if values["video_state"] == "DRAFT" and not video.finished_at:
        _require_upload(video)
        video.state = "DRAFT"
        call.sandbox.state.videos.put(video)
        return ok({"success": True})
    if not video.finished_at and call.sandbox.knobs.enforce_rate_limits:
        day_ago = call.sandbox.clock.now() - 86_400
        if call.sandbox.state.count_since("facebook", owner.account_id, day_ago, "reel") >= REELS_PER_DAY:
            raise refuse("(#613) Calls to this api have exceeded the rate limit.", _CUSTOM_LIMIT)
    publish(call.sandbox, owner, video, values.get("description", ""), values.get("title", ""))
    return ok({"success": True})


async def reel_upload(call: Call) -> Answer:
    """`POST {upload_url}` with the bytes from `offset` on, or a `file_url` to fetch."""
    call.params = dict(call.query)
    if not call.headers.get("authorization", "").startswith("OAuth "):
        raise upload_error("NotAuthorizedError", "The Authorization header must be OAuth with a Page access token", 401)
    owner = publishing_page(call)
    sandbox = call.sandbox
    video = sandbox.state.videos.get(call.node)
    if video is None or video.account_id != owner.account_id or video.finished_at:
        raise missing_object(call.node)
    url = call.headers.get("file_url")
    if url is not None:
        await _fetch(sandbox, video, url)
        return ok({"success": True})
    offset, size = call.headers.get("offset", ""), call.headers.get("file_size", "")
    if not offset.isdecimal() or not size.isdecimal() or int(size) == 0:
        raise upload_error("InvalidHeaderError", "The headers offset and file_size are required")
    if video.size not in (0, int(size)):
        raise upload_error("InvalidHeaderError", "file_size differs from the one sent before")
    video.size = int(size)
    if int(offset) != video.received:
        raise upload_error("OffsetInvalidError", f"Request starting offset is invalid, expected {video.received}")
    async for data in body_pieces(call.receive):  # what arrives is kept, also when the connection breaks
        if video.received + len(data) > video.size:
            raise upload_error("PartialRequestError", "The body does not fit the headers")
        await receive_bytes(sandbox, video, data)
        if sandbox.faults.take("drop_inside", owner.account_id):
            raise DroppedError
    if video.received < video.size:
        raise upload_error("PartialRequestError", f"Received {video.received} of {video.size} bytes")
    return ok({"success": True})


async def receive_bytes(sandbox: Sandbox, video: Video, data: bytes) -> None:
    """Add bytes to a video; with the last one it is looked at."""
    path = sandbox.settings.root / "uploads" / video.id
    at = video.received
    # Counted before it is written, so that the same bytes sent twice at once are refused.
    video.received += len(data)
    await asyncio.to_thread(append, path, data, at)
    if video.received == video.size:
        facts = await sandbox.library.keep_file(path)
        problem = PROBLEMS[video.kind](facts)
        video.failure_code, video.failure = problem or (0, "")
        video.media = [facts.as_item(video.id)]
        video.uploaded_at = sandbox.clock.now()
    sandbox.state.videos.put(video)


def publish(sandbox: Sandbox, owner: Persona, video: Video, text: str, title: str) -> None:
    """Start publishing an uploaded video, unless that was done before."""
    if video.finished_at:
        return
    _require_upload(video)
    seconds = sandbox.processing_seconds(video=True)
    video.finished_at = sandbox.clock.now()
    video.ready_at = video.finished_at + seconds
    video.state = "PUBLISHED"
    if not video.failure:
        post = new_post(sandbox, owner, video.kind, text, video.media, after=seconds)
        post.title, post.source_id = title, video.id
        post.choices = {"title": title} if title else {}
        video.post_id = post.id
        sandbox.state.add_post(post)
    sandbox.state.videos.put(video)


def upload_error(kind: str, message: str, status: int = 400) -> PlatformError:
    """Return an error of the upload host."""
    retriable = kind in ("OffsetInvalidError", "PartialRequestError")
    debug: dict[str, Any] = {"retriable": retriable, "type": kind, "message": message}
    return PlatformError(ok({"debug_info": debug}, status))


async def _fetch(sandbox: Sandbox, video: Video, url: str) -> None:
    try:
        fetched = await sandbox.library.fetch(url, user_agent=META_FETCHER, max_bytes=10**9, follow_redirects=True)
    except FetchError as error:
        raise upload_error("ProcessingFailedError", "The video could not be fetched from file_url") from error
    video.failure_code, video.failure = reel_problem(fetched.facts) or (0, "")
    video.media = [fetched.facts.as_item(video.id)]
    video.size = video.received = fetched.facts.size
    video.uploaded_at = sandbox.clock.now()
    sandbox.state.videos.put(video)


def _require_upload(video: Video) -> None:
    if not video.uploaded_at:
        raise refuse("There was a problem uploading your video. Please try again.", _UPLOAD_PROBLEM)


def _session(call: Call, owner: Persona, session_id: str) -> Video:
    video = call.sandbox.state.by_session.get(session_id)
    if video is None or video.account_id != owner.account_id:
        raise missing_object(session_id)
    return video


def _offsets(video: Video) -> dict[str, str]:
    end = min(video.received + CHUNK_BYTES, video.size)
    return {"start_offset": str(video.received), "end_offset": str(end)}
