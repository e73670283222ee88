"""Versions of the Graph API in paths."""

from __future__ import annotations

import re

from sandbox.meta.errors import unknown_path
from sandbox.wire import Call

DEFAULT_VERSION = "v25.0"
OLDEST_VERSION = 21
NEWEST_VERSION = 26
"""Live versions, v21.0 to v26.0. Source: Graph API › Changelog (version table), read 2026-11-23."""

_VERSION = re.compile(r"v(\d+)\.0")


def strip_version(call: Call, segments: list[str]) -> list[str]:
    """Take the version off a path; an ended one counts as the oldest live one, none at all as the default."""
    call.version = DEFAULT_VERSION
    if not segments:
        return segments
    found = _VERSION.fullmatch(segments[0])
    if found is None:
        return segments
    number = int(found[1])
    if number > NEWEST_VERSION:
        raise unknown_path("/".join(segments))
    call.version = f"v{max(number, OLDEST_VERSION)}.0"
    return segments[1:]
