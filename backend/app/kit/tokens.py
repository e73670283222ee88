"""Secrets that are given out and kept as digests only."""

from __future__ import annotations

import hashlib
import hmac
import secrets

TOKEN_BYTES = 32


def new_token() -> str:
    """Return 256 random bits, fit for an address."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> str:
    """Return what is kept of a token: it has 256 random bits, so that a plain SHA-256 cannot be turned around."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def is_same(given: str, right: str) -> bool:
    """Compare two secrets in a time that tells nothing. An empty one is never right."""
    return bool(right) and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), right.encode())
