"""The words of a caption out of JSON that is still being written."""

from __future__ import annotations

import json


class CaptionPieces:
    """Give it the answer as it comes; it returns what is new of the values of `caption`, one empty line between two."""

    def __init__(self) -> None:
        self._text = ""
        self._given = 0

    def feed(self, text: str) -> str:
        self._text += text
        shown = "\n\n".join(_captions(self._text))
        new, self._given = shown[self._given :], max(self._given, len(shown))
        return new


def _captions(text: str) -> list[str]:
    """Return the values of `caption` so far, the last one perhaps unfinished."""
    found: list[str] = []
    position, key, is_value = 0, "", False
    while position < len(text):
        character = text[position]
        if character == '"':
            end = _end_of_string(text, position + 1)
            value = _readable(text[position + 1 : end])
            if is_value and key == "caption":
                found.append(value)
            if not is_value:
                key = value
            position = end + 1
            continue
        if character == ":":
            is_value = True
        elif character in ",{[":
            is_value = False if character != "[" else is_value
        position += 1
    return found


def _end_of_string(text: str, start: int) -> int:
    position = start
    while position < len(text) and text[position] != '"':
        position += 2 if text[position] == "\\" else 1
    return min(position, len(text))


def _readable(raw: str) -> str:
    """Return what a JSON string says so far: an escape that is not finished waits."""
    for cut in range(12):
        try:
            value = str(json.loads(f'"{raw[: len(raw) - cut]}"'))
        except ValueError:
            continue
        return value[:-1] if value[-1:] and "\ud800" <= value[-1] <= "\udbff" else value
    return ""
