"""Texts of shops as they are kept: plain, bounded, without characters that cannot be stored."""

from __future__ import annotations

import re

from app.domain.plain_text import plain_text

LINE_MAX = 500
TEXT_MAX = 5_000
UNSTORABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def line(value: object, *, most: int = LINE_MAX) -> str:
    """Return a title, name or tag as one line of plain text; empty for what is no text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return plain_text(str(value), max_chars=most)


def paragraphs(value: object) -> str:
    """Return a description, which may be HTML, as plain text with its line breaks."""
    return plain_text(value, max_chars=TEXT_MAX, lines=True) if isinstance(value, str) else ""


def identity(value: object) -> str:
    """Return an id as the source writes it, but for spaces around it and characters that cannot be stored."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return UNSTORABLE.sub("", str(value)).strip()
