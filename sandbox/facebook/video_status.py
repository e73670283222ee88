"""`GET /{video}`: the phases of a video. Source: Reels Publishing; AdVideo and VideoStatus specifications."""

from __future__ import annotations

from typing import Any

from sandbox.core import Sandbox
from sandbox.facebook.access import page_of
from sandbox.facebook.videos import UNFINISHED_SECONDS
from sandbox.meta import params
from sandbox.meta.errors import missing_object
from sandbox.meta.fields import ABSENT, Field, parse, render
from sandbox.records import Video
from sandbox.wire import Answer, Call, ok

_FIELDS = frozenset({"description", "id", "length", "permalink_url", "post_id", "published", "status", "title"})


async def read(call: Call) -> Answer:
    """Show a video of the token's Page."""
    owner = page_of(call)
    params.read(call.params, {})
    video = call.sandbox.state.videos.get(call.node)
    if video is None or video.account_id != owner.account_id:
        raise missing_object(call.node)
    post = call.sandbox.state.post("facebook", video.post_id) if is_live(call.sandbox, video) else None

    def value(field: Field) -> Any:
        match field.name:
            case "status":
                return status(call.sandbox, video)
            case "published":
                return post is not None
            case "post_id":
                return video.post_id.partition("_")[2] if post else ABSENT
            case "permalink_url":
                return f"{call.base_url}/p/{post.shortcode}" if post else ABSENT
            case "description":
                return post.text if post and post.text else ABSENT
            case "title":
                return post.title if post and post.title else ABSENT
            case "length":
                return video.media[0]["duration"] if video.media else ABSENT
        return video.id

    wanted = parse(call.params.get("fields") or "id")
    return ok({**render(wanted, "Video", _FIELDS, value), "id": video.id})


def is_live(sandbox: Sandbox, video: Video) -> bool:
    """Say whether followers see the video."""
    return bool(video.post_id) and sandbox.clock.now() >= video.ready_at


def status(sandbox: Sandbox, video: Video) -> dict[str, Any]:
    """Return the status object, in the spelling the knob asks for."""
    is_spec = sandbox.knobs.facebook_status_spelling == "complete"
    complete = "complete" if is_spec else "completed"
    now = sandbox.clock.now()
    is_failed = bool(video.finished_at and video.failure and now >= video.ready_at)
    transferred = "bytes_transferred" if is_spec else "bytes_transfered"
    uploading: dict[str, Any] = {
        "status": complete if video.uploaded_at else "in_progress" if video.received else "not_started",
        transferred: video.received,
    }
    processing: dict[str, Any] = {"status": "not_started"}
    publishing: dict[str, Any] = {"status": "not_started"}
    if is_failed:
        processing["status"] = "error"
        if is_spec:
            processing["errors"] = [{"code": video.failure_code, "message": video.failure}]
        else:
            processing["error"] = {"message": video.failure}
        publishing["publish_status"] = "error" if is_spec else "not_published"
    elif is_live(sandbox, video):
        processing["status"] = complete
        publishing = {"status": complete, "publish_status": "published", "publish_time": int(video.ready_at)}
    elif video.finished_at:
        processing["status"] = "in_progress"
    elif video.state == "DRAFT":
        publishing["publish_status"] = "draft"
    return {
        "video_status": _overall(sandbox, video, is_failed=is_failed and is_spec),
        "uploading_phase": uploading,
        "processing_phase": processing,
        "publishing_phase": publishing,
    }


def _overall(sandbox: Sandbox, video: Video, *, is_failed: bool) -> str:
    if is_failed:
        return "error"
    if is_live(sandbox, video):
        return "ready"
    if video.finished_at:
        # A processing error may sit in its phase while this still says processing. Source: Reels Publishing.
        return "processing"
    if sandbox.clock.now() - video.created_at > UNFINISHED_SECONDS:
        return "expired"
    return "upload_complete" if video.uploaded_at else "uploading"
