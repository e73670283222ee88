"""What Facebook accepts as video. Source: Video API › Reels Publishing (2026-07-30); Page › Videos."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.media import Facts

REEL_SECONDS = (3.0, 90.0)
REEL_PIXELS = (540, 960)
"""Least width and height of an upright reel; the other way round for a landscape one."""
REEL_FPS = (24.0, 60.0)
REEL_RATIOS = (9 / 16, 16 / 9)

STORY_SECONDS = 60.0
"""Longest video story. Source: Page Stories API."""

_RESOLUTION = 1363127
_UNSUPPORTED = 1363128
_TOO_SMALL = 382
_CODECS = ("AVC", "HEVC", "VP9", "AV1")

Problem = tuple[int, str]


def reel_problem(facts: Facts) -> Problem | None:
    """Return why processing of a reel fails, or None."""
    if facts.kind != "video" or facts.format not in ("MPEG-4", "QuickTime") or facts.video_codec not in _CODECS:
        return _UNSUPPORTED, "The video format is not supported."
    short, long = sorted((facts.width, facts.height))
    if short < REEL_PIXELS[0] or long < REEL_PIXELS[1]:
        return _RESOLUTION, "The video resolution is not supported. The minimum is 540 by 960 pixels."
    if not REEL_RATIOS[0] - 0.01 <= facts.ratio <= REEL_RATIOS[1] + 0.01:
        return _RESOLUTION, "The aspect ratio of the video is not supported."
    if not REEL_SECONDS[0] <= round(facts.duration, 1) <= REEL_SECONDS[1]:
        return _UNSUPPORTED, "The video must be between 3 and 90 seconds long."
    if not REEL_FPS[0] - 0.1 <= facts.fps <= REEL_FPS[1] + 0.1:
        return _UNSUPPORTED, "The frame rate must be between 24 and 60 frames per second."
    if facts.chroma not in ("", "4:2:0") or not facts.is_progressive:
        return _UNSUPPORTED, "The video must be progressive with chroma subsampling 4:2:0."
    return None


def story_problem(facts: Facts) -> Problem | None:
    """Return why processing of a video story fails, or None: as a reel, and shorter."""
    if facts.duration > STORY_SECONDS + 0.1:
        return _UNSUPPORTED, "The video must be at most 60 seconds long."
    return reel_problem(facts)


def video_problem(facts: Facts) -> Problem | None:
    """Return why processing of a feed video fails, or None."""
    if facts.kind != "video":
        return _UNSUPPORTED, "The video format is not supported."
    if min(facts.width, facts.height) < 120 or facts.duration < 1:
        return _TOO_SMALL, "The video file you selected is too small. Please try again with a larger file."
    return None


PROBLEMS: dict[str, Callable[[Facts], Problem | None]] = {
    "video": video_problem,
    "reel": reel_problem,
    "video_story": story_problem,
}
"""The check of each kind of video."""
