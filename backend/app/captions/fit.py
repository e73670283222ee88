"""Making a caption fit what its platform leaves it: hashtags cleaned and counted, text measured and cut."""

from __future__ import annotations

import re
from collections.abc import Iterable

from app.captions.base import Caption, Room
from app.domain.brand_voice import Voice
from app.domain.captions import compose
from app.domain.hashtags import clean_hashtag
from app.platforms.limits import TEXT_UNITS

HASHTAG_CHARS = 100
"""Longest hashtag that any platform takes."""
_SENTENCE_END = re.compile(r"[.!?…。！？](?=[\s\"'”»)]|$)|\n")


def length(content: str, hashtags: Iterable[str], room: Room) -> int:
    """Count a caption with its hashtags as they go out, in the platform's unit."""
    return TEXT_UNITS[room.text_unit](compose(content, hashtags, inline=room.hashtags_inline))


def hashtags_for(found: Iterable[str], voice: Voice, room: Room) -> tuple[str, ...]:
    """Return the hashtags a caption gets: the shop's constant ones first, then the found ones; cleaned, none twice,
    none that the shop does not want, not more than wanted and allowed."""
    never = {tag.lstrip("#").casefold() for tag in voice.hashtags_never}
    count = min(max(voice.hashtags_count, 0), room.hashtags_max)
    kept: dict[str, str] = {}
    for text in (*voice.hashtags_always, *found):
        tag = clean_hashtag(text)
        if tag is not None and len(tag) <= HASHTAG_CHARS and tag.casefold() not in never:
            kept.setdefault(tag.casefold(), tag)
    return tuple(kept.values())[:count]


def fit(caption: Caption, room: Room) -> Caption:
    """Return a caption that its platform takes: hashtags go first, the last ones before the others, then sentences
    from the end. Cut text is marked."""
    hashtags = list(caption.hashtags)
    text = caption.caption.strip()
    while hashtags and length(text, hashtags, room) > room.text_max:
        hashtags.pop()
    kept = text
    if length(text, hashtags, room) > room.text_max:
        kept = cut(text, room)
    return Caption(
        caption=kept,
        hashtags=tuple(hashtags),
        call_to_action=caption.call_to_action if caption.call_to_action in kept else "",
        is_shortened=caption.is_shortened or kept != text,
    )


def cut(text: str, room: Room) -> str:
    """Return the beginning of a text that fits, up to the end of a sentence; of a word where no sentence ends."""
    count = TEXT_UNITS[room.text_unit]
    head = text[: room.text_max]
    while count(head) > room.text_max:
        head = head[: -max(1, (count(head) - room.text_max) // 2)]
    if head == text:
        return text
    ends = [found.end() for found in _SENTENCE_END.finditer(head)]
    if ends and ends[-1] > len(head) // 3:
        return head[: ends[-1]].rstrip()
    shorter = head[:-1].rsplit(None, 1)[0] if " " in head[:-1].strip() else head[:-1]
    return shorter.rstrip(" ,;:-–—") + "…"
