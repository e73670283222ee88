"""From post types to one recipe that satisfies all of them: the intersection of their limits, and the frame in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from app.platforms.base import MediaItem
from app.platforms.limits import ImageLimits, PlatformRules, PostTypeRules, VideoLimits

PICTURE_SIDE_MAX_PX = 4096
"""The longest side of a made picture where no platform names one; more is never shown."""
VIDEO_LONG_PX, VIDEO_SHORT_PX = 1920, 1080
"""The largest made video: 1080p, upright or lying, which every platform scales down to anyway."""
STEADY_RATES = tuple(
    Fraction(*pair) for pair in ((24, 1), (25, 1), (30000, 1001), (30, 1), (48, 1), (50, 1), (60000, 1001), (60, 1))
)
RATE_OF_UNSTEADY = Fraction(30)
AUDIO_BITS = 128_000
BITS_PER_PIXEL = 0.14
"""What a frame's pixel may cost at most in H.264 before more is not seen: 8.7 Mbit/s for 1080p at 30 frames."""
ROOM = 0.92
"""How much of a size limit is planned for: the encoder may overshoot for a while."""

Target = tuple[PlatformRules, PostTypeRules]


class Contradiction(Exception):
    """No file satisfies all targets; `field` says what of the request to change."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field
        self.sentence = sentence


def plan(item: MediaItem, targets: Sequence[Target], fit: str) -> dict[str, Any]:
    """Return the recipe, as JSON. Raises `Contradiction`."""
    if not item.width_px or not item.height_px:
        raise Contradiction("targets", "Width and height of this file are not known, so it cannot be changed.")
    if item.kind == "image":
        return _picture(item, [known.image for _, known in targets if known.image], fit)
    return _video(item, targets, [known.video for _, known in targets if known.video], fit)


def reachable(item: MediaItem, known: PostTypeRules) -> bool:
    """Whether the file can be made to fit a post type at all: nothing makes a video longer or shorter."""
    limits, seconds = known.video, item.duration_seconds
    if item.kind == "image" or limits is None or seconds is None:
        return True
    return limits.seconds_min <= seconds <= limits.seconds_max


def _picture(item: MediaItem, limits: list[ImageLimits], fit: str) -> dict[str, Any]:
    _require_type("image/jpeg", "JPEG", (one.types for one in limits))
    short_max = _least(one.short_side_max_px for one in limits) or PICTURE_SIDE_MAX_PX
    long_max = min(_least(one.long_side_max_px for one in limits) or PICTURE_SIDE_MAX_PX, PICTURE_SIDE_MAX_PX)
    width, height = _frame(item, limits, fit)
    scale = min(1.0, short_max / min(width, height), long_max / max(width, height))
    made_width, made_height = max(2, int(width * scale)), max(2, int(height * scale))
    # Whole pixels may lie just outside of a ratio that the frame keeps exactly.
    made_width = min(made_width, max(2, int(made_height * (_least(one.ratio_max for one in limits) or made_width))))
    made_height = min(
        made_height, max(2, int(made_width / (_most(one.ratio_min for one in limits) or 1 / made_height)))
    )
    return {
        "fit": fit,
        "width_px": made_width,
        "height_px": made_height,
        "max_bytes": min(one.max_bytes for one in limits),
    }


def _video(item: MediaItem, targets: Sequence[Target], limits: list[VideoLimits], fit: str) -> dict[str, Any]:
    _require_type("video/mp4", "MP4", (one.types for one in limits))
    _require_type("h264", "H.264", (one.codecs for one in limits if one.codecs is not None))
    for rules, known in targets:
        if not reachable(item, known):
            assert known.video is not None
            span = f"{known.video.seconds_min:g} to {known.video.seconds_max:g} seconds"
            kind = known.name.replace("_", " ")
            raise Contradiction(
                "targets", f"The video has {item.duration_seconds:.1f} seconds; a {kind} on {rules.title} has {span}."
            )
    width, height = _size(item, limits, fit)
    rate = _rate(item, limits)
    seconds = item.duration_seconds or 1.0
    max_bytes = min(one.max_bytes for one in limits)
    affordable = max_bytes * 8 * ROOM / seconds - AUDIO_BITS
    return {
        "fit": fit,
        "width_px": width,
        "height_px": height,
        "max_bytes": max_bytes,
        "frame_rate": f"{rate.numerator}/{rate.denominator}",
        "bits_per_second": max(100_000, int(min(width * height * float(rate) * BITS_PER_PIXEL, affordable))),
        "seconds": seconds,
        "color_space": item.color_space,
    }


def _require_type(wanted: str, name: str, sets: Iterable[Sequence[str]]) -> None:
    if any(wanted not in one for one in sets):
        raise Contradiction("targets", f"One of these post types does not take {name}. Fix the file for fewer of them.")


def _frame(item: MediaItem, limits: Sequence[ImageLimits | VideoLimits], fit: str) -> tuple[float, float]:
    """Return the frame around (pad) or within (crop) the picture whose ratio all limits allow, in its own pixels."""
    assert item.width_px
    assert item.height_px
    least = _most(one.ratio_min for one in limits) or 0.0
    most = _least(one.ratio_max for one in limits) or float("inf")
    if least > most:
        raise Contradiction("targets", "These post types want different shapes. Fix the file for fewer of them.")
    width, height = float(item.width_px), float(item.height_px)
    ratio = min(max(width / height, least), most)
    if fit == "crop":
        return min(width, height * ratio), min(height, width / ratio)
    return max(width, height * ratio), max(height, width / ratio)


def _size(item: MediaItem, limits: Sequence[VideoLimits], fit: str) -> tuple[int, int]:
    """Return the size of a video: within 1080p and all limits, enlarged where it is smaller than a platform takes."""
    width, height = _frame(item, limits, fit)
    long_max = min(_least(one.side_max_px for one in limits) or VIDEO_LONG_PX, VIDEO_LONG_PX)
    width_max = _least(one.width_max_px for one in limits) or VIDEO_LONG_PX
    side_min = _most(one.side_min_px for one in limits) or 2
    long_min = _most(one.long_side_min_px for one in limits) or side_min
    down = min(1.0, long_max / max(width, height), VIDEO_SHORT_PX / min(width, height), width_max / width)
    up = max(side_min / (min(width, height) * down), long_min / (max(width, height) * down), 1.0)
    scale = down * up
    made = _even(width * scale, side_min), _even(height * scale, side_min)
    if made[0] > width_max or max(made) > (_least(one.side_max_px for one in limits) or VIDEO_LONG_PX * 2):
        raise Contradiction("targets", "These post types want different sizes. Fix the file for fewer of them.")
    return made


def _even(value: float, least: int) -> int:
    """Return an even number: H.264 with halved colours has no others."""
    near = max(2, round(value / 2) * 2)
    return near if near >= least else near + 2


def _rate(item: MediaItem, limits: Sequence[VideoLimits]) -> Fraction:
    least = max(24.0, _most(one.frame_rate_min for one in limits) or 0.0)
    most = min(60.0, _least(one.frame_rate_max for one in limits) or 60.0)
    allowed = [rate for rate in STEADY_RATES if least <= rate <= most]
    if not allowed:
        raise Contradiction("targets", "These post types want different frame rates. Fix the file for fewer of them.")
    wanted = float(RATE_OF_UNSTEADY) if item.is_variable_frame_rate or not item.frame_rate else item.frame_rate
    return min(allowed, key=lambda rate: abs(float(rate) - wanted))


def _least(values: Iterable[float | int | None]) -> Any:
    return min((value for value in values if value is not None), default=None)


def _most(values: Iterable[float | int | None]) -> Any:
    return max((value for value in values if value is not None), default=None)
