"""Telling a post of ours from others in the lists that Instagram gives: by kind, time and text.

Never the newest one unseen: people post by hand as well (Content Publishing; instagram.md, section 9).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from app.domain import captions
from app.platforms.base import JSON
from app.platforms.instagram import rules
from app.platforms.meta import graph_time

_KINDS = {
    rules.IMAGE: ({"IMAGE"}, {"FEED", None}),
    rules.REEL: ({"VIDEO"}, {"REELS", None}),
    rules.CAROUSEL: ({"CAROUSEL_ALBUM"}, {"FEED", None}),
    rules.STORY: ({"IMAGE", "VIDEO"}, {"STORY", None}),
}
"""How a post of ours reads back: `media_type` and `media_product_type`."""


@dataclass(frozen=True)
class Sought:
    """What a post looks like in a list. Survives JSON: one whose id stayed unknown is looked for again later."""

    kind: str
    media_type: str | None
    """`IMAGE` or `VIDEO` of a story."""
    text: str
    """The caption as it goes out; empty where nothing of it is sent."""
    since: str
    """When it was submitted at the earliest, ISO 8601."""
    watermark: JSON
    """The newest post (or all stories) before it was submitted."""

    def to_json(self) -> JSON:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(**value)

    def among(self, posts: list[JSON]) -> list[JSON]:
        """Return the posts of a list that this may be."""
        media_types, products = _KINDS[self.kind]
        if self.media_type is not None:
            media_types = {self.media_type}
        caption, since = captions.normalised(self.text, drop="@"), datetime.fromisoformat(self.since)
        seen = {str(one) for one in (*self.watermark.get("ids", ()), self.watermark.get("id"))}
        newer_than = graph_time(self.watermark.get("timestamp"))
        found = []
        for post in posts:
            at = graph_time(post.get("timestamp"))
            if str(post.get("id")) in seen or at is None or at < since:
                continue
            if newer_than is not None and at < newer_than:
                continue
            if post.get("media_type") not in media_types or post.get("media_product_type") not in products:
                continue
            if self.kind == rules.STORY or captions.normalised(post.get("caption"), drop="@") == caption:
                found.append(post)
        return found
