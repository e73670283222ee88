"""What an API key may do. A request is named by its method and the first part of its path, so that a new endpoint
belongs to a scope without anybody thinking of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

READ, WRITE = "read", "write"
RESOURCES = (
    "accounts",
    "ai",
    "analytics",
    "brand-voice",
    "connections",
    "events",
    "hashtag-sets",
    "links",
    "media",
    "notifications",
    "platforms",
    "posts",
    "product-rules",
    "products",
    "publishing-preferences",
    "queue",
    "templates",
    "usage",
    "webhook-endpoints",
)
"""What keys may be about: first parts of paths."""
NOT_FOR_KEYS = ("auth", "api-keys", "billing")
"""Who somebody is, what they pay and which keys there are is only theirs to say, signed in."""
ALWAYS_OPEN = (("GET", "auth/me"), ("GET", "usage"))
"""What a key opens on every plan."""
ONLY_LOOKING = ("posts/validate",)
"""Sent by POST although nothing is changed."""
SCOPES = (READ, WRITE, *(f"{resource}:{kind}" for resource in RESOURCES for kind in (READ, WRITE)))
DEFAULT = (READ, WRITE)


def is_always_open(method: str, path: str) -> bool:
    """Whether any key opens this. `path` is what follows /api/v1/."""
    return (method, path.rstrip("/")) in ALWAYS_OPEN


def is_for_keys(path: str) -> bool:
    return resource_of(path) not in NOT_FOR_KEYS


def resource_of(path: str) -> str:
    return path.split("/", 1)[0]


def needed(method: str, path: str) -> str:
    """Return the narrowest scope that a request needs."""
    looks = method in ("GET", "HEAD", "OPTIONS") or path.rstrip("/") in ONLY_LOOKING
    return f"{resource_of(path)}:{READ if looks else WRITE}"


def allows(scopes: Collection[str], wanted: str) -> bool:
    """Whether scopes reach as far as one. Who may change things may look at them as well."""
    resource, _, kind = wanted.partition(":")
    enough = {f"{resource}:{kind}", kind, f"{resource}:{WRITE}", WRITE}
    return not enough.isdisjoint(scopes)


def unknown(scopes: Sequence[str]) -> list[str]:
    return [scope for scope in scopes if scope not in SCOPES]
