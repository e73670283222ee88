"""Posts of every type of every platform, each of which can be told apart on the platform's side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import cycle, islice
from typing import Any

from benchmarks.people import Account, Planned, photo, video
from deploy.scratch import Scratch

TYPES: dict[str, tuple[str, ...]] = {
    "instagram": ("image", "carousel", "reel", "story", "story"),
    "facebook": ("text", "link", "photo", "photos", "video", "reel", "photo_story", "video_story"),
    "tiktok": ("video", "photo", "inbox_video", "video", "photo", "inbox_photo"),
}
"""The turns that an account's posts take; Instagram's two stories are a picture and a video."""
DRAFTS_MAX = 3
"""TikTok takes five drafts a day into an inbox; a draft whose first answer was lost needs another of them."""
WITHOUT_TEXT = frozenset({"story", "photo_story", "video_story", "inbox_video"})
"""Their text stays here; these are known by what they came from: the platform's id of the upload or container."""
WITH_COMMENTS = frozenset({"image", "carousel", "reel", "text", "link", "photo", "photos", "video"})
ON_PLATFORM = {"inbox_video": "video", "inbox_photo": "photo"}
"""What the platform calls a post, where that is not our name for it."""


def every_type(
    scratch: Scratch, accounts: Sequence[Account], *, per_account: int, mark: str, start: datetime, spacing: float
) -> list[Planned]:
    """Plan posts for every account, one each `spacing` seconds; accounts begin their turns at different places."""
    rows: list[list[Planned]] = []
    for index, account in enumerate(accounts):
        kinds = list(islice(_turns(account.platform, index), per_account))
        rows.append(
            [
                _post(scratch, account, kind, turn, mark=f"{mark} {account.external} {n}.", at=start, late=n * spacing)
                for n, (kind, turn) in enumerate(kinds)
            ]
        )
    return [row[n] for n in range(per_account) for row in rows]


def _turns(platform: str, begin: int) -> Iterator[tuple[str, int]]:
    """Yield post types in turn, each with how often it came before; on TikTok few of them are drafts."""
    types = TYPES[platform]
    counts = dict.fromkeys(types, 0)
    drafts = 0
    for kind in islice(cycle(types), begin % len(types), None):
        if kind.startswith("inbox_"):
            if drafts == DRAFTS_MAX:
                continue
            drafts += 1
        yield kind, counts[kind]
        counts[kind] += 1


def _post(scratch: Scratch, account: Account, kind: str, turn: int, *, mark: str, at: datetime, late: float) -> Planned:
    picture, clip = photo(scratch), video(scratch)
    options: dict[str, Any] = {}
    media: tuple[dict[str, Any], ...] = ()
    match account.platform, kind:
        case _, "text":
            pass
        case _, "link":
            options["link"] = f"https://example.com/{mark.replace(' ', '-')}"
        case _, "carousel" | "photos":
            media = (picture, clip if kind == "carousel" and turn % 2 else picture)
        case "facebook", "video":  # one whose shape is not known does not go out as a reel
            media = ({name: clip[name] for name in ("url", "kind", "mime_type", "size_bytes")},)
        case _, "story":
            media = (clip if turn % 2 else picture,)
        case _, "reel" | "video" | "video_story" | "inbox_video":
            media = (clip,)
        case _:
            media = (picture,)
    if account.platform == "tiktok" and not kind.startswith("inbox_"):
        is_private = kind == "photo" and turn % 2
        options["privacy_level"] = "SELF_ONLY" if is_private else "PUBLIC_TO_EVERYONE"
    if account.platform != "tiktok" and kind in WITH_COMMENTS and turn % 2 == 0:
        options["first_comment"] = f"Comment {mark}"
    return Planned(account, f"Chaos {mark}", at + timedelta(seconds=late), kind, media, options)
