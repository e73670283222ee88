"""A platform's limits as data, and the one check of a draft against them.

The same data are the composer's rules, the targets of the one-call fix, and the table in `docs/platforms.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain import captions
from app.platforms.base import Draft, Finding, MediaItem

RATIO_TOLERANCE = 0.01
TEXT_UNITS: Mapping[str, Callable[[str], int]] = {
    "characters": captions.code_points,
    "utf16": captions.utf16_units,
}
TYPE_NAMES = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
    "image/webp": "WebP",
    "image/heic": "HEIC",
    "video/mp4": "MP4",
    "video/quicktime": "MOV",
    "video/webm": "WebM",
}
CODEC_ALIASES = {"avc1": "h264", "avc3": "h264", "h265": "hevc", "hvc1": "hevc", "hev1": "hevc"}
CODEC_NAMES = {"h264": "H.264", "hevc": "H.265", "vp8": "VP8", "vp9": "VP9", "av1": "AV1"}


@dataclass(frozen=True)
class ImageLimits:
    """What a platform takes as a picture. `None` means that it names no limit."""

    types: tuple[str, ...]
    max_bytes: int
    ratio_min: float | None = None
    ratio_max: float | None = None
    """Width divided by height."""
    short_side_max_px: int | None = None
    long_side_max_px: int | None = None


@dataclass(frozen=True)
class VideoLimits:
    """What a platform takes as a video. `None` means that it names no limit."""

    types: tuple[str, ...]
    codecs: tuple[str, ...] | None
    max_bytes: int
    seconds_max: float
    seconds_min: float = 0.0
    ratio_min: float | None = None
    ratio_max: float | None = None
    """Width divided by height."""
    width_max_px: int | None = None
    side_min_px: int | None = None
    long_side_min_px: int | None = None
    side_max_px: int | None = None
    frame_rate_min: float | None = None
    frame_rate_max: float | None = None


@dataclass(frozen=True)
class PostTypeRules:
    """One kind of post: how many items of which kind, and how long its text may be."""

    name: str
    summary: str
    items_min: int = 0
    items_max: int = 0
    image: ImageLimits | None = None
    """`None` where the post type takes no pictures."""
    video: VideoLimits | None = None
    mixes: bool = False
    """Whether pictures and videos may stand side by side."""
    text_max: int = 0
    """0 where the platform shows no text with it."""
    text_required: bool = False


@dataclass(frozen=True)
class OptionRule:
    """One thing beside text and media that an owner may choose."""

    name: str
    post_types: tuple[str, ...]
    kind: str
    """`flag`, `text`, `number`, `milliseconds`, `choice`, `link`, `list`."""
    summary: str
    problem: Callable[[Any], str | None] = field(compare=False, repr=False)
    """Returns what is wrong with a value, as a sentence for the owner."""
    choices: tuple[str, ...] = ()
    max_chars: int | None = None
    max_items: int | None = None


@dataclass(frozen=True)
class PlatformRules:
    """Everything one platform allows. Served to the composer; units are in the names."""

    title: str
    text_unit: str
    """How the platform counts: `characters` (Unicode code points) or `utf16` (UTF-16 units)."""
    post_types: Mapping[str, PostTypeRules]
    options: Mapping[str, OptionRule]
    hashtags_max: int | None = None
    mentions_max: int | None = None
    hashtags_inline: bool = False
    """Whether hashtags stand right behind the text, instead of below an empty line."""
    links_open: bool = True
    """Whether a web address in a text can be tapped."""
    mentions_resolve: bool = True
    """Whether `@name` in a text becomes a mention."""


# ---------------------------------------------------------------------------------------------------------------------
# Options


def flag(name: str, post_types: Iterable[str], summary: str) -> OptionRule:
    """An option that is on or off."""

    def problem(value: Any) -> str | None:
        return None if isinstance(value, bool) else f"“{name}” is either on or off."

    return OptionRule(name, tuple(post_types), "flag", summary, problem)


def text_option(name: str, post_types: Iterable[str], summary: str, *, max_chars: int) -> OptionRule:
    """A text of at most `max_chars` Unicode code points."""

    def problem(value: Any) -> str | None:
        if isinstance(value, str) and len(value) <= max_chars:
            return None
        return f"“{name}” is a text of at most {max_chars} characters."

    return OptionRule(name, tuple(post_types), "text", summary, problem, max_chars=max_chars)


def texts_option(name: str, post_types: Iterable[str], summary: str, *, max_chars: int, max_items: int) -> OptionRule:
    """A list of texts by position, `null` where there is none."""

    def problem(value: Any) -> str | None:
        is_list = isinstance(value, list) and len(value) <= max_items
        if is_list and all(text is None or (isinstance(text, str) and len(text) <= max_chars) for text in value):
            return None
        return f"“{name}” is a list of at most {max_items} texts of at most {max_chars} characters."

    return OptionRule(name, tuple(post_types), "list", summary, problem, max_chars=max_chars, max_items=max_items)


def milliseconds(name: str, post_types: Iterable[str], summary: str) -> OptionRule:
    """A moment within the post's only video; that it lies within is checked with the draft."""

    def problem(value: Any) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return None
        return "The cover moment is a number of milliseconds within the video."

    return OptionRule(name, tuple(post_types), "milliseconds", summary, problem)


def number(
    name: str, post_types: Iterable[str], summary: str, *, least: int = 0, most: int | None = None
) -> OptionRule:
    """A whole number."""

    def problem(value: Any) -> str | None:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if is_number and value >= least and (most is None or value <= most):
            return None
        return f"“{name}” is a whole number from {least}{'' if most is None else f' to {most}'}."

    return OptionRule(name, tuple(post_types), "number", summary, problem)


def choice(name: str, post_types: Iterable[str], summary: str, *, choices: Iterable[str]) -> OptionRule:
    """One of some fixed words."""
    words = tuple(choices)

    def problem(value: Any) -> str | None:
        return None if isinstance(value, str) and value in words else f"“{name}” is one of: {', '.join(words)}."

    return OptionRule(name, tuple(post_types), "choice", summary, problem, choices=words)


def other(
    name: str,
    post_types: Iterable[str],
    summary: str,
    problem: Callable[[Any], str | None],
    *,
    kind: str,
    max_items: int | None = None,
) -> OptionRule:
    """An option with a check of its own."""
    return OptionRule(name, tuple(post_types), kind, summary, problem, max_items=max_items)


# ---------------------------------------------------------------------------------------------------------------------
# The text that goes out

HASHTAG_PLACEMENT = "hashtag_placement"
IN_CAPTION, IN_FIRST_COMMENT = "caption", "first_comment"


def text_of(rules: PlatformRules, draft: Draft) -> str:
    """Return a draft's text as it goes out on this platform, hashtags where they belong."""
    tags = () if draft.options.get(HASHTAG_PLACEMENT) == IN_FIRST_COMMENT else draft.hashtags
    return captions.compose(draft.content, tags, inline=rules.hashtags_inline)


def first_comment_of(options: Mapping[str, Any], hashtags: Iterable[str]) -> str:
    """Return the first comment that a post gets, the empty text when it gets none."""
    tags = hashtags if options.get(HASHTAG_PLACEMENT) == IN_FIRST_COMMENT else ()
    return captions.compose(str(options.get("first_comment") or ""), tags)


def hashtag_placement(post_types: Iterable[str]) -> OptionRule:
    """The option of where hashtags stand."""
    return choice(
        HASHTAG_PLACEMENT,
        post_types,
        "Where the hashtags stand: below the text, or in the first comment.",
        choices=(IN_CAPTION, IN_FIRST_COMMENT),
    )


def warnings(rules: PlatformRules, draft: Draft) -> list[Finding]:
    """Return what goes out as it is, but not as its owner may think."""
    found: list[Finding] = []
    known = rules.post_types.get(draft.post_type or "")
    text = text_of(rules, draft)
    if known is None or known.text_max == 0:
        return found
    if not rules.links_open and captions.links_in(text):
        message = f"Links in a text cannot be tapped on {rules.title}: people would have to type it in."
        found.append(Finding("content", "link_not_tappable", message))
    if not rules.mentions_resolve and captions.mentions_in(text):
        message = f"@names stay plain text on {rules.title}: nobody is notified."
        found.append(Finding("content", "mention_stays_text", message))
    return found


# ---------------------------------------------------------------------------------------------------------------------
# The check


def check(rules: PlatformRules, kind: str, draft: Draft) -> list[Finding]:
    """Return everything the platform's plain limits say against a draft of one post type."""
    known = rules.post_types.get(kind)
    if known is None:
        names = ", ".join(rules.post_types)
        message = f"{rules.title} has no post type “{kind}”. Choose one of: {names}."
        return [Finding("post_type", "unsupported_post_type", message)]
    return [*_text(rules, known, draft), *_items(rules, known, draft), *_options(rules, known, draft)]


def _text(rules: PlatformRules, known: PostTypeRules, draft: Draft) -> list[Finding]:
    text = text_of(rules, draft)
    if known.text_max == 0:  # nothing of it is sent, so nothing of it can be wrong
        return []
    found: list[Finding] = []
    length = TEXT_UNITS[rules.text_unit](text)
    if length > known.text_max:
        message = f"{length} of {known.text_max} characters: shorten the text for {rules.title}."
        found.append(Finding("content", "caption_too_long", message))
    if known.text_required and not text:
        found.append(Finding("content", "text_required", "Write a text, or add a link or a picture."))
    for most, there, field_name, code, name in (
        (rules.hashtags_max, captions.hashtags_in(text), "hashtags", "too_many_hashtags", "hashtags"),
        (rules.mentions_max, captions.mentions_in(text), "content", "too_many_mentions", "mentions"),
    ):
        if most is not None and len(there) > most:
            message = f"{len(there)} of {most} {name}: remove some for {rules.title}."
            found.append(Finding(field_name, code, message))
    return found


def _items(rules: PlatformRules, known: PostTypeRules, draft: Draft) -> list[Finding]:
    count, name = len(draft.media), known.name.replace("_", " ")
    if known.items_max == 0:
        if not count:
            return []
        message = f"A {name} post on {rules.title} has no pictures or videos: remove them or choose another type."
        return [Finding("media_urls", "media_not_allowed", message)]
    wanted = _wanted(known)
    if count == 0:
        return [Finding("media_urls", "media_required", f"A {name} post on {rules.title} needs {wanted}: add it.")]
    kinds = {item.kind for item in draft.media}
    if len(kinds) > 1 and not known.mixes:
        message = f"{rules.title} does not mix pictures and videos in one post: split it."
        return [Finding("media_urls", "mixed_media", message)]
    if ("image" in kinds and known.image is None) or ("video" in kinds and known.video is None):
        message = f"A {name} post on {rules.title} takes {wanted}."
        return [Finding("media_urls", "wrong_media_kind", message)]
    if count < known.items_min:
        message = f"{count} of at least {known.items_min} items: add some for this {name} post on {rules.title}."
        return [Finding("media_urls", "too_few_items", message)]
    if count > known.items_max:
        message = f"{count} of {known.items_max} items: remove some for this {name} post on {rules.title}."
        return [Finding("media_urls", "too_many_items", message)]
    found: list[Finding] = []
    for index, item in enumerate(draft.media):
        found += check_item(rules, known, item, "media_urls" if count == 1 else f"media_urls.{index}", first=index == 0)
    return found


def check_item(
    rules: PlatformRules, known: PostTypeRules, item: MediaItem, field_name: str = "media_urls", *, first: bool = True
) -> list[Finding]:
    """Return what the platform says against one file; only the first of several decides about the shape."""
    if item.kind == "video":
        return _video(rules.title, known.video, item, field_name) if known.video else []
    return _image(rules.title, known.image, item, field_name, first=first) if known.image else []


def _wanted(known: PostTypeRules) -> str:
    one = known.items_max == 1
    picture, video = ("a picture", "a video") if one else ("pictures", "videos")
    return " or ".join(word for word, there in ((picture, known.image), (video, known.video)) if there)


def _image(title: str, limits: ImageLimits, item: MediaItem, field_name: str, *, first: bool) -> list[Finding]:
    found: list[Finding] = []
    if item.mime_type is not None and item.mime_type not in limits.types:
        message = f"{title} takes pictures as {_spell(limits.types, TYPE_NAMES)}: convert it."
        found.append(Finding(field_name, "unsupported_media_type", message))
    if item.size_bytes is not None and item.size_bytes > limits.max_bytes:
        message = (
            f"{_megabytes(item.size_bytes)} of {_megabytes(limits.max_bytes)} MB: use a smaller picture for {title}."
        )
        found.append(Finding(field_name, "image_too_large", message))
    if item.width_px and item.height_px:
        ratio = item.width_px / item.height_px
        if first and not _within(ratio, limits.ratio_min, limits.ratio_max):
            message = f"The picture is too tall or too wide for {title}: crop it{_between(limits)}."
            found.append(Finding(field_name, "image_ratio", message))
        short, long = sorted((item.width_px, item.height_px))
        if not (_at_most(short, limits.short_side_max_px) and _at_most(long, limits.long_side_max_px)):
            message = (
                f"{item.width_px} × {item.height_px} pixels: {title} takes pictures up to "
                f"{limits.short_side_max_px} × {limits.long_side_max_px}."
            )
            found.append(Finding(field_name, "picture_size", message))
    return found


def _video(title: str, limits: VideoLimits, item: MediaItem, field_name: str) -> list[Finding]:
    found: list[Finding] = []

    def say(code: str, message: str) -> None:
        found.append(Finding(field_name, code, message))

    if item.mime_type is not None and item.mime_type not in limits.types:
        say("unsupported_media_type", f"{title} takes videos as {_spell(limits.types, TYPE_NAMES)}: convert it.")
    if item.size_bytes is not None and item.size_bytes > limits.max_bytes:
        sizes = f"{_megabytes(item.size_bytes)} of {_megabytes(limits.max_bytes)} MB"
        say("video_too_large", f"{sizes}: use a smaller video for {title}.")
    seconds = item.duration_seconds
    if seconds is not None and seconds < limits.seconds_min:
        say("video_too_short", f"{seconds:.1f} seconds: a video here lasts at least {limits.seconds_min:g} on {title}.")
    if seconds is not None and seconds > limits.seconds_max:
        say("video_too_long", f"{_time(seconds)} of {_time(limits.seconds_max)}: cut the video for {title}.")
    width, height = item.width_px, item.height_px
    if width is not None and not _at_most(width, limits.width_max_px):
        say("video_too_wide", f"{width} of {limits.width_max_px} pixels wide: use a smaller video for {title}.")
    if width and height:
        if not _within(width / height, limits.ratio_min, limits.ratio_max):
            say("video_ratio", f"The video is too tall or too wide for {title}: crop it{_between(limits)}.")
        short, long = sorted((width, height))
        if short < (limits.side_min_px or 0) or long < (limits.long_side_min_px or 0):
            least = " × ".join(str(side) for side in (limits.side_min_px, limits.long_side_min_px) if side)
            say("picture_size", f"{width} × {height} pixels: {title} takes videos of at least {least}.")
        if not _at_most(max(width, height), limits.side_max_px):
            say("picture_size", f"{width} × {height} pixels: {title} takes videos up to {limits.side_max_px} a side.")
    if item.frame_rate is not None and not _within(item.frame_rate, limits.frame_rate_min, limits.frame_rate_max):
        rates = f"{limits.frame_rate_min:g} to {limits.frame_rate_max:g}"
        say("frame_rate", f"{title} takes {rates} frames per second: convert the video.")
    if item.codec is not None and limits.codecs is not None and codec(item.codec) not in limits.codecs:
        say("codec", f"{title} takes {_spell(limits.codecs, CODEC_NAMES)} video: convert it.")
    return found


def _options(rules: PlatformRules, known: PostTypeRules, draft: Draft) -> list[Finding]:
    found: list[Finding] = []
    for name, value in draft.options.items():
        option, field_name = rules.options.get(name), f"options.{name}"
        if option is None or known.name not in option.post_types:
            kind = known.name.replace("_", " ")
            message = f"A {kind} post on {rules.title} has no option “{name}”: remove it."
            found.append(Finding(field_name, "unknown_option", message))
        elif value is None:
            continue
        elif (problem := option.problem(value)) is not None:
            found.append(Finding(field_name, "invalid_option", problem))
        elif option.kind == "milliseconds" and _beyond(value, draft.media):
            message = "The cover moment is a number of milliseconds within the video."
            found.append(Finding(field_name, "invalid_option", message))
    return found


def codec(name: str) -> str:
    """Return a codec's usual name, whatever it is called in the file."""
    return CODEC_ALIASES.get(name.lower(), name.lower())


def _beyond(offset_ms: int, media: tuple[MediaItem, ...]) -> bool:
    seconds = media[0].duration_seconds if media else None
    return seconds is not None and offset_ms >= seconds * 1000


def _at_most(value: float, most: float | None) -> bool:
    return most is None or value <= most


def _within(value: float, least: float | None, most: float | None) -> bool:
    slack = RATIO_TOLERANCE
    return (least is None or value >= least - slack) and (most is None or value <= most + slack)


def _between(limits: ImageLimits | VideoLimits) -> str:
    return f" to between {_ratio(limits.ratio_min)} and {_ratio(limits.ratio_max)}"


def _ratio(value: float | None) -> str:
    known = {0.8: "4:5", 9 / 16: "9:16", 16 / 9: "16:9"}
    return next((name for ratio, name in known.items() if value and abs(ratio - value) < 0.001), f"{value:g}:1")


def _spell(values: Iterable[str], names: Mapping[str, str]) -> str:
    words = list(dict.fromkeys(names.get(value, value) for value in values))
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.1f}".removesuffix(".0")


def _time(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 600 else f"{seconds / 60:.0f} minutes"
