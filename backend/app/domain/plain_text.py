"""Text from outside made plain: no markup, no control or invisible characters, a bounded length."""

from __future__ import annotations

import html
import re
import unicodedata

_HIDDEN = re.compile(r"<(script|style|template)\b.*?(?:</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?(?:-->|$)", re.DOTALL)
_BREAK = re.compile(r"</?(?:br|p|div|li|ul|ol|tr|table|h[1-6]|section|article)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z!][^<>]*>")
_EMOJI = "\u2190-\u2bff\u3030\u303d\ufe0f\U0001f000-\U0001faff"
_LOOSE_JOINER = re.compile(f"(?<![{_EMOJI}])\u200d|\u200d(?![{_EMOJI}])")
_SPACES = re.compile(r"[^\S\n]+")
_AROUND_BREAKS = re.compile(r" ?\n ?")
_MANY_BREAKS = re.compile(r"\n{3,}")
ROUNDS = 5
"""How often markup is unwrapped that was escaped into itself; what is left then loses the signs that make it."""


def plain_text(value: str, *, max_chars: int, lines: bool = False) -> str:
    """Return a text as a person would read it, cut at a word. `lines` keeps line breaks. The same text twice over is
    the same as once."""
    text = value[: max_chars * 20]
    for _ in range(ROUNDS):
        before, text = text, _unwrapped(text)
        if text == before:
            break
    else:
        text = re.sub(r"[<>&]", " ", text)
    if not lines:
        text = text.replace("\n", " ")
    text = _MANY_BREAKS.sub("\n\n", _AROUND_BREAKS.sub("\n", _SPACES.sub(" ", text))).strip()
    return text if len(text) <= max_chars else cut_at_word(text, max_chars)


def _unwrapped(text: str) -> str:
    for pattern, instead in ((_HIDDEN, " "), (_COMMENT, " "), (_BREAK, "\n"), (_TAG, "")):
        text = pattern.sub(instead, text)
    text = html.unescape(text).replace("\r\n", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    text = "".join(c for c in text if c in "\n\t\u200d" or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    return unicodedata.normalize("NFC", _LOOSE_JOINER.sub("", text))


def cut_at_word(text: str, max_chars: int) -> str:
    """Return the beginning of a text, cut where a word ends if there is such a place in its last third."""
    head = text[:max_chars]
    if not text[max_chars : max_chars + 1].isspace():
        end = max(head.rfind(" "), head.rfind("\n"))
        head = head[:end] if end > max_chars * 2 // 3 else head
    return head.rstrip()
