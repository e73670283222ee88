"""Reading a Facebook video's status, whose spelling differs from page to page of the documents.

Source: Reels Publishing (updated 2026-07-30) and the VideoStatus object of the API specification, read 2026-11-23.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from app.platforms.base import JSON

_COMPLETE = frozenset({"complete", "completed"})
_IDLE = frozenset({"", "not_started", "draft"})
_FAILED = frozenset({"error", "expired", "upload_failed"})


class VideoState(StrEnum):
    """What a video's status says about its post."""

    waiting = "waiting"  # nothing says that it was told to go public
    accepted = "accepted"  # told to go public, not there yet
    published = "published"
    failed = "failed"


def state_of(data: JSON) -> VideoState:
    """Judge a video node; a processing error counts although `video_status` may still say processing."""
    status = _part(data, "status")
    publishing = _part(status, "publishing_phase")
    phase, result = str(publishing.get("status") or ""), str(publishing.get("publish_status") or "")
    video_status = str(status.get("video_status") or "")
    if (phase in _COMPLETE and result == "published") or (data.get("published") is True and video_status == "ready"):
        return VideoState.published
    phases = [_part(status, name) for name in ("uploading_phase", "processing_phase", "publishing_phase")]
    if video_status in _FAILED or any(part.get("status") == "error" or _errors(part) for part in phases):
        return VideoState.failed
    if phase not in _IDLE and result not in ("draft", "not_published"):
        return VideoState.accepted
    return VideoState.waiting


def error_code(data: JSON) -> int | None:
    """Return the first numeric error code of any phase."""
    status = _part(data, "status")
    for name in ("processing_phase", "publishing_phase", "uploading_phase"):
        for error in _errors(_part(status, name)):
            if isinstance(error.get("code"), int):
                return int(error["code"])
    return None


def bytes_received(data: JSON) -> int:
    """Return how many bytes of an upload have arrived."""
    uploading = _part(_part(data, "status"), "uploading_phase")
    value = uploading.get("bytes_transferred", uploading.get("bytes_transfered"))
    try:
        return int(value or 0)
    except (TypeError, ValueError):
        return 0


def _part(value: Any, key: str) -> JSON:
    part = value.get(key) if isinstance(value, dict) else None
    return part if isinstance(part, dict) else {}


def _errors(phase: JSON) -> list[JSON]:
    found = phase.get("errors")
    errors = found if isinstance(found, list) else [phase.get("error")]
    return [error for error in errors if isinstance(error, dict)]
