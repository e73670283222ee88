"""Hashtags: stored without '#', compared case-folded."""

from __future__ import annotations

import re
import unicodedata

_TAG = re.compile(r"^[\w]+$")


def clean_hashtag(text: str) -> str | None:
    """Return a hashtag as it is stored, or `None` when it holds anything but letters, digits and '_'."""
    tag = unicodedata.normalize("NFC", text.strip()).removeprefix("#")
    return tag if _TAG.match(tag) and not tag.isdigit() else None
