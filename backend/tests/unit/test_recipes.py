"""One file for several post types: what satisfies all of them, and when nothing does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.platforms.base import MediaItem
from app.platforms.limits import ImageLimits, PlatformRules, PostTypeRules, VideoLimits, check_item
from app.services.media.recipes import Contradiction, plan, reachable

IMAGE = ImageLimits(types=("image/jpeg",), max_bytes=8_000_000, ratio_min=0.8, ratio_max=1.91)
VIDEO = VideoLimits(
    types=("video/mp4",), codecs=("h264",), max_bytes=100_000_000, seconds_max=90.0, seconds_min=3.0,
    ratio_min=9 / 16, ratio_max=16 / 9, side_min_px=540, long_side_min_px=960, frame_rate_min=24.0, frame_rate_max=60.0,
)  # fmt: skip


def target(**limits: Any) -> tuple[PlatformRules, PostTypeRules]:
    known = PostTypeRules("reel", "A post.", items_min=1, items_max=1, **limits)
    return PlatformRules(title="Somewhere", text_unit="characters", post_types={"reel": known}, options={}), known


def picture(width: int, height: int) -> MediaItem:
    return MediaItem(url="", kind="image", mime_type="image/png", width_px=width, height_px=height)


def clip(width: int, height: int, **facts: Any) -> MediaItem:
    known = {"duration_seconds": 10.0, "frame_rate": 30.0, "codec": "hevc", **facts}
    return MediaItem(url="", kind="video", mime_type="video/quicktime", width_px=width, height_px=height, **known)


class TestPictures:
    @given(st.integers(20, 30_000), st.integers(20, 30_000), st.sampled_from(["crop", "pad"]))
    @example(265, 20, "pad")
    def test_what_is_planned_is_taken(self, width: int, height: int, fit: str) -> None:
        targets = [target(image=IMAGE), target(image=replace(IMAGE, short_side_max_px=1080, long_side_max_px=1920))]
        recipe = plan(picture(width, height), targets, fit)
        made = replace(picture(recipe["width_px"], recipe["height_px"]), mime_type="image/jpeg")
        assert [check_item(*one, made) for one in targets] == [[], []]

    def test_one_that_fits_keeps_its_shape(self) -> None:
        recipe = plan(picture(1000, 1000), [target(image=IMAGE)], "crop")
        assert (recipe["width_px"], recipe["height_px"]) == (1000, 1000)

    def test_shapes_that_exclude_each_other_are_said(self) -> None:
        upright = target(image=replace(IMAGE, ratio_min=0.5, ratio_max=0.6))
        with pytest.raises(Contradiction) as raised:
            plan(picture(1000, 1000), [target(image=IMAGE), upright], "pad")
        assert raised.value.field == "targets"

    def test_a_place_that_takes_no_jpeg_is_said(self) -> None:
        with pytest.raises(Contradiction):
            plan(picture(100, 100), [target(image=replace(IMAGE, types=("image/gif",)))], "pad")


class TestVideos:
    @given(st.integers(64, 8000), st.integers(64, 4000), st.sampled_from(["crop", "pad"]))
    @example(265, 20, "pad")
    def test_what_is_planned_is_taken(self, width: int, height: int, fit: str) -> None:
        recipe = plan(clip(width, height), [target(video=VIDEO)], fit)
        made = replace(
            clip(recipe["width_px"], recipe["height_px"]), mime_type="video/mp4", codec="h264", frame_rate=30.0
        )
        assert check_item(*target(video=VIDEO), made) == []
        assert recipe["width_px"] % 2 == recipe["height_px"] % 2 == 0
        assert max(recipe["width_px"], recipe["height_px"]) <= 1920

    @pytest.mark.parametrize(
        ("facts", "rate"),
        [
            ({"frame_rate": 29.97}, "30000/1001"),
            ({"frame_rate": 23.976}, "24/1"),
            ({"frame_rate": 119.88}, "60/1"),
            ({"frame_rate": 25.75, "is_variable_frame_rate": True}, "30/1"),
            ({"frame_rate": None}, "30/1"),
        ],
    )
    def test_frames_come_at_a_usual_rate(self, facts: dict[str, Any], rate: str) -> None:
        assert plan(clip(1080, 1920, **facts), [target(video=VIDEO)], "pad")["frame_rate"] == rate

    def test_a_size_limit_bounds_the_rate_of_bits(self) -> None:
        small = target(video=replace(VIDEO, max_bytes=5_000_000))
        recipe = plan(clip(1080, 1920, duration_seconds=60.0), [small], "pad")
        assert (recipe["bits_per_second"] + 128_000) * 60 / 8 < 5_000_000

    def test_nothing_changes_a_length(self) -> None:
        long = clip(1080, 1920, duration_seconds=91.0)
        assert not reachable(long, target(video=VIDEO)[1])
        with pytest.raises(Contradiction):
            plan(long, [target(video=VIDEO)], "pad")
