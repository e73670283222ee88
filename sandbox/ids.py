"""Identifiers and tokens that look like the platforms' own."""

from __future__ import annotations

import secrets
import string
import time

_SHORTCODE = string.ascii_letters + string.digits + "-_"
_TOKEN = string.ascii_letters + string.digits


def digits(prefix: str, length: int) -> str:
    """Return a number of `length` digits that starts with `prefix`, as a string."""
    free = length - len(prefix)
    return f"{prefix}{secrets.randbelow(10**free):0{free}d}"


def token(prefix: str, length: int = 120) -> str:
    """Return an opaque token."""
    return prefix + "".join(secrets.choice(_TOKEN) for _ in range(length))


def shortcode(prefix: str = "D") -> str:
    """Return the 11-character code of a permalink."""
    return prefix + "".join(secrets.choice(_SHORTCODE) for _ in range(10))


def time_ordered() -> str:
    """Return a TikTok-like id: an integer above 2^53 whose upper half is the time in seconds."""
    return str((int(time.time()) << 32) | secrets.randbits(32))


def open_id() -> str:
    """Return a TikTok open_id."""
    return "-000" + token("", 28)


def trace_id() -> str:
    """Return a Graph fbtrace_id."""
    return "A" + secrets.token_urlsafe(16)


def log_id() -> str:
    """Return a TikTok log_id: a timestamp and hexadecimal digits."""
    return time.strftime("%Y%m%d%H%M%S", time.gmtime()) + secrets.token_hex(9).upper()
