"""Limits at their edges: the last value that fits and the first that does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.platforms.base import AccountFacts, Draft, MediaItem
from app.platforms.facebook import rules as facebook
from app.platforms.instagram import rules as instagram
from app.platforms.tiktok import rules as tiktok

NOTHING = AccountFacts()
IMAGE = MediaItem("https://media.example/1.jpg", "image", "image/jpeg", 1000, 1080, 1080)
CLIP = MediaItem(
    "https://media.example/1.mp4", "video", "video/mp4", 1000, 1080, 1920, 10.0, codec="h264", frame_rate=30.0
)
PUBLIC = {"privacy_level": "PUBLIC_TO_EVERYONE"}


def codes(findings):
    return [(finding.field, finding.code) for finding in findings]


def ig(draft: Draft):
    return codes(instagram.validate(draft, NOTHING))


def fb(draft: Draft):
    return codes(facebook.validate(draft, NOTHING))


def tt(draft: Draft, **facts):
    return codes(tiktok.validate(draft, AccountFacts(facts=facts)))


class TestUnknownFacts:
    """What is not known yet is no reason to complain."""

    @pytest.mark.parametrize("kind", ["image", "video"])
    def test_no_findings(self, kind):
        draft = Draft("x", media=(MediaItem("https://media.example/x", kind),))
        assert ig(draft) == []
        assert fb(draft) == []
        assert tt(replace(draft, options=PUBLIC)) == []


class TestPostTypes:
    @pytest.mark.parametrize(
        ("media", "expected"),
        [
            ((IMAGE,), ("image", "photo", "photo")),
            ((CLIP,), ("reel", "video", "video")),
            ((IMAGE, IMAGE), ("carousel", "photos", "photo")),
            ((), ("image", "text", "photo")),
        ],
    )
    def test_by_media(self, media, expected):
        draft = Draft("x", media=media)
        assert (instagram.post_type(draft), facebook.post_type(draft), tiktok.post_type(draft)) == expected

    def test_by_link(self):
        assert facebook.post_type(Draft("x", options={"link": "https://shop.example"})) == "link"

    def test_chosen(self):
        draft = Draft("x", media=(IMAGE,), post_type="poll")
        assert ig(draft) == fb(draft) == tt(draft) == [("post_type", "unsupported_post_type")]


class TestInstagram:
    def test_caption_counts_code_points_and_hashtags(self):
        assert ig(Draft("é" * 2200, media=(IMAGE,))) == []
        findings = instagram.validate(Draft("é" * 2201, media=(IMAGE,)), NOTHING)
        assert [finding.message for finding in findings] == ["2201 of 2200 characters: shorten the text for Instagram."]
        assert ig(Draft("é" * 2195, ("abc",), (IMAGE,))) == [("content", "caption_too_long")]

    def test_hashtags_in_the_text_count_too(self):
        tags = tuple(f"t{n}" for n in range(29))
        assert ig(Draft("#one", tags, (IMAGE,))) == []
        assert ig(Draft("#one #two", tags, (IMAGE,))) == [("hashtags", "too_many_hashtags")]

    def test_mentions(self):
        assert ig(Draft(" ".join(["@friend"] * 20), media=(IMAGE,))) == []
        assert ig(Draft(" ".join(["@friend"] * 21), media=(IMAGE,))) == [("content", "too_many_mentions")]

    @pytest.mark.parametrize(("count", "found"), [(2, []), (10, []), (11, [("media_urls", "too_many_items")])])
    def test_carousel(self, count, found):
        assert ig(Draft("x", media=(IMAGE,) * count)) == found

    def test_carousel_of_one(self):
        assert ig(Draft("x", media=(IMAGE,), post_type="carousel")) == [("media_urls", "too_few_items")]

    def test_needs_media(self):
        assert ig(Draft("x")) == [("media_urls", "media_required")]

    @pytest.mark.parametrize(
        ("change", "found"),
        [
            ({"mime_type": "image/png"}, ["unsupported_media_type"]),
            ({"size_bytes": 8 * 1024 * 1024}, []),
            ({"size_bytes": 8 * 1024 * 1024 + 1}, ["image_too_large"]),
            ({"height_px": 1350}, []),
            ({"height_px": 1400}, ["image_ratio"]),
            ({"height_px": 566}, []),
            ({"height_px": 540}, ["image_ratio"]),
        ],
    )
    def test_image(self, change, found):
        assert ig(Draft("x", media=(replace(IMAGE, **change),))) == [("media_urls", code) for code in found]

    def test_only_the_first_item_of_a_carousel_sets_the_ratio(self):
        tall = replace(IMAGE, height_px=1920)
        assert ig(Draft("x", media=(IMAGE, tall))) == []
        assert ig(Draft("x", media=(tall, IMAGE))) == [("media_urls.0", "image_ratio")]

    @pytest.mark.parametrize(
        ("change", "found"),
        [
            ({"mime_type": "video/webm"}, ["unsupported_media_type"]),
            ({"size_bytes": 300_000_000}, []),
            ({"size_bytes": 300_000_001}, ["video_too_large"]),
            ({"duration_seconds": 2.9}, ["video_too_short"]),
            ({"duration_seconds": 900}, []),
            ({"duration_seconds": 900.5}, ["video_too_long"]),
            ({"width_px": 1921}, ["video_too_wide"]),
            ({"frame_rate": 22.0}, ["frame_rate"]),
            ({"frame_rate": 61.0}, ["frame_rate"]),
            ({"codec": "prores"}, ["codec"]),
            ({"codec": "HEVC"}, []),
        ],
    )
    def test_reel(self, change, found):
        assert ig(Draft("x", media=(replace(CLIP, **change),))) == [("media_urls", code) for code in found]

    @pytest.mark.parametrize(
        ("media", "options", "found"),
        [
            (IMAGE, {"alt_text": "a" * 1000}, []),
            (IMAGE, {"alt_text": "a" * 1001}, [("options.alt_text", "invalid_option")]),
            (CLIP, {"alt_text": "a"}, [("options.alt_text", "unknown_option")]),
            (CLIP, {"share_to_feed": False, "thumb_offset_ms": 9_999}, []),
            (CLIP, {"thumb_offset_ms": 10_000}, [("options.thumb_offset_ms", "invalid_option")]),
            (CLIP, {"share_to_feed": "yes"}, [("options.share_to_feed", "invalid_option")]),
            (IMAGE, {"location": "x"}, [("options.location", "unknown_option")]),
            (IMAGE, {"alt_text": None}, []),
        ],
    )
    def test_options(self, media, options, found):
        assert ig(Draft("x", media=(media,), options=options)) == found

    def test_wrong_kinds(self):
        assert ig(Draft("x", media=(CLIP,), post_type="image")) == [("media_urls", "wrong_media_kind")]
        assert ig(Draft("x", media=(IMAGE,), post_type="reel")) == [("media_urls", "wrong_media_kind")]
        assert ig(Draft("x", media=(IMAGE, IMAGE), post_type="image")) == [("media_urls", "too_many_items")]

    @pytest.mark.parametrize(
        ("item", "change", "found"),
        [
            (IMAGE, {}, []),
            (IMAGE, {"height_px": 1920}, []),
            (IMAGE, {"mime_type": "image/png"}, ["unsupported_media_type"]),
            (CLIP, {"duration_seconds": 60}, []),
            (CLIP, {"duration_seconds": 60.5}, ["video_too_long"]),
            (CLIP, {"size_bytes": 100_000_000}, []),
            (CLIP, {"size_bytes": 100_000_001}, ["video_too_large"]),
            (CLIP, {"width_px": 100, "height_px": 1200}, ["video_ratio"]),
        ],
    )
    def test_story(self, item, change, found):
        draft = Draft("x" * 5000, ("tag",) * 50, (replace(item, **change),), post_type="story")
        assert ig(draft) == [("media_urls", code) for code in found]

    def test_a_story_has_one_item(self):
        assert ig(Draft("", media=(IMAGE, IMAGE), post_type="story")) == [("media_urls", "too_many_items")]
        assert ig(Draft("", post_type="story")) == [("media_urls", "media_required")]

    @pytest.mark.parametrize("option", [name for name in instagram.RULES.options if name != "user_tags"])
    def test_a_story_has_no_option_but_people(self, option):
        draft = Draft("", media=(IMAGE,), post_type="story", options={option: None})
        assert ig(draft) == [(f"options.{option}", "unknown_option")]

    @pytest.mark.parametrize(
        ("kind", "tags", "is_fine"),
        [
            ("image", [{"username": "a", "x": 0, "y": 1}], True),
            ("image", [{"username": "@a.b_c", "x": 0.5, "y": 0.5}], True),
            ("image", [{"username": "a"}], False),
            ("image", [{"username": "a", "x": 0.5}], False),
            ("image", [{"username": "a", "x": 1.01, "y": 0.5}], False),
            ("image", [{"username": "a", "x": True, "y": 0.5}], False),
            ("image", [{"username": "a b", "x": 0.5, "y": 0.5}], False),
            ("image", [{"username": "a", "x": 0.5, "y": 0.5, "item": 0}], False),
            ("image", [{"username": "a", "x": 0.5, "y": 0.5, "z": 0}], False),
            ("image", [{"username": "a", "x": 0.5, "y": 0.5}] * 20, True),
            ("image", [{"username": "a", "x": 0.5, "y": 0.5}] * 21, False),
            ("image", "a", False),
            ("reel", [{"username": "a"}], True),
            ("reel", [{"username": "a", "x": 0.5, "y": 0.5}], False),
            ("story", [{"username": "a"}], True),
            ("story", [{"username": "a", "x": 0.5, "y": 0.5}], True),
            ("carousel", [{"username": "a", "x": 0.5, "y": 0.5, "item": 0}], True),
            ("carousel", [{"username": "a", "x": 0.5, "y": 0.5}], True),
            ("carousel", [{"username": "a", "item": 1}], True),
            ("carousel", [{"username": "a", "x": 0.5, "y": 0.5, "item": 1}], False),
            ("carousel", [{"username": "a", "item": 0}], False),
            ("carousel", [{"username": "a", "item": 2}], False),
            ("carousel", [{"username": "a", "item": -1}], False),
        ],
    )
    def test_marked_people(self, kind, tags, is_fine):
        media = {"reel": (CLIP,), "carousel": (IMAGE, CLIP)}.get(kind, (IMAGE,))
        found = ig(Draft("x", media=media, post_type=kind, options={"user_tags": tags}))
        assert found == ([] if is_fine else [("options.user_tags", "invalid_option")])

    @pytest.mark.parametrize(
        ("options", "is_fine"),
        [
            ({"alt_texts": ["a" * 1000, None]}, True),
            ({"alt_texts": ["a"]}, True),
            ({"alt_texts": ["a" * 1001]}, False),
            ({"alt_texts": ["a", "of a video"]}, False),
            ({"alt_texts": ["a", None, None]}, False),
            ({"alt_texts": "a"}, False),
            ({"location_id": "7640348500"}, True),
            ({"location_id": "Paris"}, False),
            ({"location_id": 7640348500}, False),
            ({"collaborators": ["a", "@b", "c.d"]}, True),
            ({"collaborators": ["a", "b", "c", "d"]}, False),
            ({"collaborators": ["not a name"]}, False),
            ({"first_comment": "x" * 2200}, True),
            ({"first_comment": "x" * 2201}, False),
        ],
    )
    def test_choices(self, options, is_fine):
        found = ig(Draft("x", media=(IMAGE, CLIP), options=options))
        assert found == ([] if is_fine else [(f"options.{next(iter(options))}", "invalid_option")])

    @pytest.mark.parametrize(
        ("options", "is_fine"),
        [
            ({"cover_url": "https://media.example/cover.jpg"}, True),
            ({"cover_url": "http://media.example/cover.jpg"}, True),
            ({"cover_url": "ftp://media.example/cover.jpg"}, False),
            ({"cover_url": "https://media.example/Ö.jpg"}, False),
            ({"audio_name": "Song"}, True),
            ({"audio_name": 5}, False),
            ({"trial": "manual"}, True),
            ({"trial": "performance"}, True),
            ({"trial": "MANUAL"}, False),
        ],
    )
    def test_choices_of_a_reel(self, options, is_fine):
        found = ig(Draft("x", media=(CLIP,), options=options))
        assert found == ([] if is_fine else [(f"options.{next(iter(options))}", "invalid_option")])

    def test_hashtags_count_where_they_stand(self):
        tags = tuple(f"t{n}" for n in range(30))
        moved = {"hashtag_placement": "first_comment"}
        assert ig(Draft("x" * 2200, tags, (IMAGE,), options=moved)) == []
        found = ig(Draft("x", tags, (IMAGE,), options={**moved, "first_comment": "#one"}))
        assert found == [("hashtags", "too_many_hashtags")]
        found = ig(Draft("x", tags, (IMAGE,), options={**moved, "first_comment": "x" * 2190}))
        assert found == [("options.first_comment", "invalid_option")]


class TestFacebook:
    def test_text(self):
        assert fb(Draft("x" * 63_206)) == []
        assert fb(Draft("x" * 63_207)) == [("content", "caption_too_long")]
        assert fb(Draft("")) == [("content", "text_required")]
        assert fb(Draft("", ("tag",))) == []

    @pytest.mark.parametrize(
        ("link", "found"),
        [
            ("https://shop.example/x", []),
            ("shop.example", [("options.link", "invalid_option")]),
            ("ftp://shop.example", [("options.link", "invalid_option")]),
            ("http://[", [("options.link", "invalid_option")]),
            (7, [("options.link", "invalid_option")]),
        ],
    )
    def test_link(self, link, found):
        assert fb(Draft("", options={"link": link})) == found

    def test_link_is_required_for_a_link_post(self):
        assert fb(Draft("x", post_type="link")) == [("options.link", "link_required")]

    def test_photos(self):
        assert fb(Draft("", media=(IMAGE,) * 10)) == []
        assert fb(Draft("", media=(IMAGE,) * 11)) == [("media_urls", "too_many_items")]
        assert fb(Draft("", media=(IMAGE, CLIP))) == [("media_urls", "mixed_media")]
        assert fb(Draft("", media=(IMAGE, IMAGE), post_type="photo")) == [("media_urls", "too_many_items")]
        assert fb(Draft("", post_type="photo")) == [("media_urls", "media_required")]
        assert fb(Draft("x", media=(IMAGE,), post_type="text")) == [("media_urls", "media_not_allowed")]
        assert fb(Draft("", media=(replace(IMAGE, mime_type="image/webp"),))) == [
            ("media_urls", "unsupported_media_type")
        ]
        assert fb(Draft("", media=(replace(IMAGE, size_bytes=10_000_001),))) == [("media_urls", "image_too_large")]

    def test_video(self):
        assert fb(Draft("", media=(CLIP,))) == []
        assert fb(Draft("", media=(CLIP, CLIP))) == [("media_urls", "too_many_items")]
        assert fb(Draft("", media=(IMAGE,), post_type="video")) == [("media_urls", "wrong_media_kind")]
        assert fb(Draft("", media=(replace(CLIP, duration_seconds=4 * 3600 + 1),))) == [
            ("media_urls", "video_too_long")
        ]

    def test_options(self):
        assert fb(Draft("", media=(IMAGE,), options={"link": "https://shop.example"})) == [
            ("options.link", "unknown_option")
        ]
        assert fb(Draft("x", options={"colour": 1})) == [("options.colour", "unknown_option")]

    @pytest.mark.parametrize(
        ("change", "is_reel"),
        [
            ({}, True),
            ({"duration_seconds": 90.0}, True),
            ({"duration_seconds": 90.1}, False),
            ({"duration_seconds": 2.0}, False),
            ({"width_px": 1920, "height_px": 1080}, False),
            ({"width_px": 480, "height_px": 854}, False),
            ({"duration_seconds": None}, False),
            ({"width_px": None}, False),
        ],
    )
    def test_which_way_a_video_goes(self, change, is_reel):
        assert facebook.goes_as_reel(replace(CLIP, **change)) is is_reel


class TestTikTok:
    def test_captions_count_utf16_units(self):
        assert tt(Draft("👩" * 1100, media=(CLIP,), options=PUBLIC)) == []
        assert tt(Draft("👩" * 1100 + "x", media=(CLIP,), options=PUBLIC)) == [("content", "caption_too_long")]
        assert tt(Draft("x" * 4000, media=(IMAGE,), options=PUBLIC)) == []
        assert tt(Draft("x" * 4001, media=(IMAGE,), options=PUBLIC)) == [("content", "caption_too_long")]

    def test_items(self):
        assert tt(Draft("", media=(IMAGE,) * 35, options=PUBLIC)) == []
        assert tt(Draft("", media=(IMAGE,) * 36, options=PUBLIC)) == [("media_urls", "too_many_items")]
        assert tt(Draft("", media=(IMAGE, CLIP), options=PUBLIC)) == [("media_urls", "mixed_media")]
        assert tt(Draft("", options=PUBLIC)) == [("media_urls", "media_required")]
        assert tt(Draft("", media=(IMAGE,), post_type="video", options=PUBLIC)) == [("media_urls", "wrong_media_kind")]

    @pytest.mark.parametrize(
        ("item", "change", "found"),
        [
            (IMAGE, {"mime_type": "image/png"}, ["unsupported_media_type"]),
            (IMAGE, {"mime_type": "image/webp"}, []),
            (IMAGE, {"size_bytes": 20_000_001}, ["image_too_large"]),
            (IMAGE, {"height_px": 1920}, []),
            (IMAGE, {"height_px": 1921}, ["picture_size"]),
            (IMAGE, {"width_px": 1081, "height_px": 1081}, ["picture_size"]),
            (CLIP, {"mime_type": "video/webm"}, []),
            (CLIP, {"mime_type": "video/x-msvideo"}, ["unsupported_media_type"]),
            (CLIP, {"size_bytes": 4_000_000_001}, ["video_too_large"]),
            (CLIP, {"duration_seconds": 601.0}, ["video_too_long"]),
            (CLIP, {"width_px": 359}, ["picture_size"]),
            (CLIP, {"frame_rate": 61.0}, ["frame_rate"]),
            (CLIP, {"codec": "mpeg4"}, ["codec"]),
        ],
    )
    def test_media(self, item, change, found):
        draft = Draft("", media=(replace(item, **change),), options=PUBLIC)
        assert tt(draft) == [("media_urls", code) for code in found]

    def test_what_the_account_may(self):
        draft = Draft("", media=(CLIP,), options=PUBLIC)
        assert tt(draft, max_video_post_duration_sec=9) == [("media_urls", "video_too_long")]
        assert tt(draft, privacy_level_options=["SELF_ONLY"]) == [("options.privacy_level", "privacy_not_offered")]

    @pytest.mark.parametrize(
        ("options", "found"),
        [
            ({}, [("options.privacy_level", "privacy_level_required")]),
            ({"privacy_level": "EVERYONE"}, [("options.privacy_level", "invalid_option")]),
            (
                {"privacy_level": "SELF_ONLY", "brand_content_toggle": True},
                [("options.privacy_level", "branded_private")],
            ),
            ({**PUBLIC, "disable_duet": False, "is_aigc": True, "cover_timestamp_ms": 0}, []),
            ({**PUBLIC, "disable_duet": "no"}, [("options.disable_duet", "invalid_option")]),
            ({**PUBLIC, "cover_timestamp_ms": -1}, [("options.cover_timestamp_ms", "invalid_option")]),
            ({**PUBLIC, "music": 1}, [("options.music", "unknown_option")]),
        ],
    )
    def test_options(self, options, found):
        assert tt(Draft("", media=(CLIP,), options=options)) == found

    @pytest.mark.parametrize(
        ("size", "chunk", "count"),
        [
            (1, 1, 1),
            (19_999_999, 19_999_999, 1),
            (20_000_000, 10_000_000, 2),
            (50_000_123, 10_000_000, 5),
            (69_999_999, 10_000_000, 6),
            (70_000_000, 10_000_000, 7),
            (4_000_000_000, 10_000_000, 400),
        ],
    )
    def test_chunks(self, size, chunk, count):
        assert tiktok.chunks(size) == (chunk, count)
        assert size - (count - 1) * chunk < 20_000_000


def test_the_same_answer_twice():
    draft = Draft("x" * 5000, media=(IMAGE,) * 40, options={"x": 1})
    for rules in (instagram, facebook, tiktok):
        assert rules.validate(draft, NOTHING) == rules.validate(draft, NOTHING)
