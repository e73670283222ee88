"""What each platform would say to one file, before it is in any post."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.platforms.base import Finding, MediaItem, PlatformAdapter
from app.platforms.limits import PlatformRules, PostTypeRules, check_item

MENDABLE = frozenset(
    {
        "unsupported_media_type", "image_too_large", "image_ratio", "picture_size", "video_too_large",
        "video_too_wide", "video_ratio", "frame_rate", "codec",
    }
)  # fmt: skip
"""Findings that the one-call fix does away with. A video's length is its owner's to change."""


@dataclass(frozen=True)
class FileVerdict:
    """What one post type of one platform says to a file."""

    platform: str
    post_type: str
    ok: bool
    problems: tuple[Finding, ...]
    fix_possible: bool


def takes(known: PostTypeRules, kind: str) -> bool:
    """Whether a post type has a place for pictures, or for videos."""
    return known.items_max > 0 and (known.video if kind == "video" else known.image) is not None


def judge(adapters: Mapping[str, PlatformAdapter], item: MediaItem) -> list[FileVerdict]:
    """Return every platform's and post type's verdict."""
    return [
        _judge(platform, adapter.publisher.rules, known, item)
        for platform, adapter in adapters.items()
        for known in adapter.publisher.rules.post_types.values()
        if known.items_max > 0
    ]


def _judge(platform: str, rules: PlatformRules, known: PostTypeRules, item: MediaItem) -> FileVerdict:
    if not takes(known, item.kind):
        wanted = "videos" if known.video else "pictures"
        message = f"A {known.name.replace('_', ' ')} post on {rules.title} takes {wanted} only."
        return FileVerdict(platform, known.name, False, (Finding("media_urls", "wrong_media_kind", message),), False)
    problems = tuple(check_item(rules, known, item))
    mendable = bool(problems) and all(problem.code in MENDABLE for problem in problems)
    return FileVerdict(platform, known.name, not problems, problems, mendable)
