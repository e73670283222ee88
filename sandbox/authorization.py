"""Authorization URLs of the three platforms."""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.consent import ConsentRequest
from sandbox.facebook import oauth as facebook
from sandbox.instagram import oauth as instagram
from sandbox.records import Platform
from sandbox.tiktok import oauth as tiktok

SCOPES: dict[Platform, dict[str, str]] = {
    "instagram": instagram.SCOPES,
    "facebook": facebook.SCOPES,
    "tiktok": tiktok.SCOPES,
}
"""Scopes of each platform with what the consent page says about them."""

PATHS: dict[Platform, str] = {
    "instagram": "oauth/authorize",
    "facebook": "dialog/oauth",
    "tiktok": "v2/auth/authorize",
}
"""Path of the consent page below `/{platform}/www`; Facebook puts its version before it."""

_READERS = {
    "instagram": instagram.read_authorization,
    "facebook": facebook.read_authorization,
    "tiktok": tiktok.read_authorization,
}


def read_authorization(platform: Platform, query: Mapping[str, str]) -> ConsentRequest:
    """Check an authorization URL; raises `ConsentError`."""
    return _READERS[platform](query)
