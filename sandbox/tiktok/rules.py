"""TikTok's limits for posts and media. Source: content-posting-api: direct-post, photo-post, media-transfer-guide."""

from __future__ import annotations

from sandbox.core import Sandbox
from sandbox.media import Facts
from sandbox.records import Persona
from sandbox.tiktok.errors import bad_parameter

VIDEO_TITLE_UNITS = 2_200
PHOTO_TITLE_UNITS = 90
PHOTO_DESCRIPTION_UNITS = 4_000
"""Longest texts, UTF-16 code units."""
PHOTOS = (1, 35)
PHOTO_BYTES = 20_000_000
"""Largest photo: 20 MB."""
PHOTO_PIXELS = (1_080, 1_920)
"""Largest shorter and longer side; the documentation says "maximum 1080p"."""
VIDEO_BYTES = 4_000_000_000
"""Largest video: 4 GB."""
VIDEO_PIXELS = (360, 4_096)
VIDEO_FPS = (23.0, 60.0)
CHUNK_LEAST = 5 * 1024 * 1024
CHUNK_MOST = 64_000_000
"""Chunk sizes, bytes: 5 MB to 64 MB. The unit is ambiguous; only what is valid under both readings passes."""
CHUNKS_MOST = 1_000
PENDING_SHARES = 5
"""Drafts that may wait in one inbox within 24 hours. Source: content-posting-api-reference-upload-video."""
INBOX_SECONDS = 600.0
"""Longest video that is taken into the inbox: 10 minutes."""

_CODECS = ("AVC", "HEVC", "VP8", "VP9")


def units(text: str) -> int:
    """Return the length of a text in UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def check_chunks(size: int, chunk: int, count: int) -> None:
    """Refuse a division that breaks the rules: `count` is rounded down, the last chunk takes the remainder."""
    if not 0 < size <= VIDEO_BYTES:
        raise bad_parameter("source_info.video_size is out of range")
    if not 0 < chunk <= min(size, CHUNK_MOST) or (chunk < CHUNK_LEAST and chunk != size):
        raise bad_parameter("source_info.chunk_size is invalid: 5 MB to 64 MB, or the whole of a smaller video")
    if count != size // chunk or not 1 <= count <= CHUNKS_MOST:
        raise bad_parameter("source_info.total_chunk_count is invalid: video_size divided by chunk_size, rounded down")


def privacy_options(persona: Persona) -> list[str]:
    """Return what creator_info offers. Source: content-posting-api-reference-query-creator-info."""
    widest = "FOLLOWER_OF_CREATOR" if persona.private else "PUBLIC_TO_EVERYONE"
    return [widest, "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"]


def posts_today(sandbox: Sandbox, persona: Persona) -> int:
    """Return how many posts an account made in the last 24 hours."""
    return sandbox.state.count_since("tiktok", persona.account_id, sandbox.clock.now() - 86_400)


def posting_block(sandbox: Sandbox, persona: Persona) -> str:
    """Return the error code that keeps a creator from posting now, or nothing."""
    if persona.creator_blocked:
        return persona.creator_blocked
    knobs = sandbox.knobs
    if knobs.enforce_rate_limits and posts_today(sandbox, persona) >= knobs.tiktok_daily_posts:
        return "spam_risk_too_many_posts"
    return ""


def inbox_block(sandbox: Sandbox, persona: Persona) -> str:
    """Return the error code that keeps a draft from being delivered, or nothing."""
    since = sandbox.clock.now() - 86_400
    waiting = sum(
        1
        for publish in sandbox.state.publishes
        if publish.account_id == persona.account_id and publish.to_inbox and publish.created_at >= since
    )
    return "spam_risk_too_many_pending_share" if waiting >= PENDING_SHARES else ""


def video_problem(facts: Facts, persona: Persona, *, longest: float) -> str:
    """Return the fail_reason of a video, or nothing."""
    if facts.kind != "video" or facts.format not in ("MPEG-4", "QuickTime", "WebM") or facts.video_codec not in _CODECS:
        return "file_format_check_failed"
    if not 1.0 <= facts.duration <= longest + 0.5:
        return "duration_check_failed"
    if not VIDEO_FPS[0] - 0.1 <= facts.fps <= VIDEO_FPS[1] + 0.1:
        return "frame_rate_check_failed"
    low, high = VIDEO_PIXELS
    if not (low <= facts.width <= high and low <= facts.height <= high):
        return "picture_size_check_failed"
    return ""


def photo_problem(facts: Facts) -> str:
    """Return the fail_reason of a photo, or nothing."""
    if facts.kind != "image" or facts.format not in ("JPEG", "WEBP") or facts.size > PHOTO_BYTES:
        return "file_format_check_failed"
    short, long = sorted((facts.width, facts.height))
    return "picture_size_check_failed" if short > PHOTO_PIXELS[0] or long > PHOTO_PIXELS[1] else ""
