"""What platforms send by themselves: proving that it is theirs, and reading it.

Sources: Meta › Webhooks › Getting Started, Webhooks for Pages, Instagram Platform › Webhooks, Data Deletion Callback;
TikTok › Webhooks Overview, Events and Verification; read 2026-11-23.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class EventKind(StrEnum):
    """What an event means here. The names of the platforms differ, and change."""

    progress = "progress"  # a publication got further: look now rather than later
    public = "public"  # a post can be seen by everybody from now on
    gone = "gone"  # a post can no longer be seen
    activity = "activity"  # somebody commented or reacted: its numbers are worth reading
    access_removed = "access_removed"  # the owner took the grant back
    ignored = "ignored"


@dataclass(frozen=True)
class PlatformEvent:
    """One event, in our words. `external_id` is the same however often it is delivered."""

    platform: str
    external_id: str
    kind: EventKind
    account_id_external: str
    publish_id: str | None = None
    platform_post_id: str | None = None
    at: float | None = None
    """When it happened, Unix seconds."""

    def to_json(self) -> dict[str, Any]:
        return {
            "platform": self.platform,
            "kind": self.kind,
            "account_id_external": self.account_id_external,
            "publish_id": self.publish_id,
            "platform_post_id": self.platform_post_id,
            "at": self.at,
        }


# ---------------------------------------------------------------------------------------------------------------------
# Meta


def is_signed_by_meta(body: bytes, header: str, secrets: Iterable[str]) -> bool:
    """Whether `X-Hub-Signature-256` fits the raw body under one of the app secrets.

    Which of two apps signs Instagram Login deliveries is not documented: either counts.
    """
    given = header.strip().lower().removeprefix("sha256=")
    return any(secret and hmac.compare_digest(_hex_hmac(secret, body).encode(), given.encode()) for secret in secrets)


def read_signed_request(text: str, secrets: Iterable[str]) -> dict[str, Any] | None:
    """Return what a `signed_request` says, or `None` when its signature is not ours."""
    signature, dot, payload = text.partition(".")
    given = _unbase64(signature)
    if not dot or given is None:
        return None
    for secret in secrets:
        expected = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest()
        if secret and hmac.compare_digest(expected, given):
            break
    else:
        return None
    try:
        value = json.loads(_unbase64(payload) or b"")
    except ValueError:
        return None
    if not isinstance(value, dict) or str(value.get("algorithm", "HMAC-SHA256")).upper() != "HMAC-SHA256":
        return None
    return value


def read_meta(payload: Mapping[str, Any]) -> list[PlatformEvent]:
    """Return the events of a delivery; what is of no use here comes out as `ignored`, what has no form is left out."""
    platform = {"page": "facebook", "instagram": "instagram"}.get(str(payload.get("object")))
    entries = payload.get("entry")
    if platform is None or not isinstance(entries, list):
        return []
    found = []
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        account = str(entry.get("id") or "")
        changes = entry.get("changes")
        found += [
            _meta_event(platform, account, entry.get("time"), change)
            for change in (changes if isinstance(changes, list) else [entry])  # one sample carries its change bare
            if isinstance(change, dict) and isinstance(change.get("value"), dict)
        ]
    return found


def _meta_event(platform: str, account: str, time: Any, change: Mapping[str, Any]) -> PlatformEvent:
    field, value = str(change.get("field")), change["value"]
    mark = json.dumps([platform, account, time, field, value], sort_keys=True)
    kind, post_id = EventKind.ignored, None
    if platform == "facebook" and field == "feed":
        post_id = str(value.get("post_id") or "") or None
        item, verb = str(value.get("item")), str(value.get("verb"))
        if item in ("comment", "reaction", "like", "share"):
            kind = EventKind.activity
        elif verb == "remove":
            kind = EventKind.gone
        elif verb == "add":
            kind = EventKind.progress
    elif platform == "instagram" and field in ("comments", "live_comments"):
        media = value.get("media")
        post_id = str(media.get("id")) if isinstance(media, dict) and media.get("id") else None
        kind = EventKind.activity
    return PlatformEvent(platform, _digest(mark), kind, account, None, post_id, _seconds(time))


# ---------------------------------------------------------------------------------------------------------------------
# TikTok

_TIKTOK_KINDS = {
    "post.publish.complete": EventKind.progress,
    "post.publish.completed": EventKind.progress,
    "post.publish.failed": EventKind.progress,
    "post.publish.inbox_delivered": EventKind.progress,
    "post.publish.publicly_available": EventKind.public,
    "post.publish.publicaly_available": EventKind.public,
    "post.publish.no_longer_publicly_available": EventKind.gone,
    "post.publish.no_longer_publicaly_available": EventKind.gone,
    "authorization.removed": EventKind.access_removed,
}
"""By TikTok's names; it spells one of them in two ways."""


def is_signed_by_tiktok(body: bytes, header: str, secret: str) -> bool:
    """Whether `TikTok-Signature: t=…,s=…` fits. Its age is not judged: whether repeated deliveries are signed anew is
    not documented, and an event stored once does nothing twice."""
    parts = dict(part.strip().partition("=")[::2] for part in header.split(","))
    moment, given = parts.get("t", ""), parts.get("s", "").lower()
    if not moment.isdigit() or not given or not secret:
        return False
    return hmac.compare_digest(_hex_hmac(secret, moment.encode() + b"." + body).encode(), given.encode())


def read_tiktok(payload: Mapping[str, Any]) -> PlatformEvent | None:
    """Return the event; `content` is JSON within JSON. `None` when it has no form."""
    name, account = payload.get("event"), payload.get("user_openid")
    if not isinstance(name, str) or not isinstance(account, str):
        return None
    try:
        content = json.loads(payload.get("content") or "{}")
    except (ValueError, TypeError):
        content = {}
    if not isinstance(content, dict):
        content = {}
    publish_id = str(content.get("publish_id") or "") or None
    post_id = str(content.get("post_id") or "") or None
    mark = json.dumps([name, account, publish_id, post_id, payload.get("create_time")])
    kind = _TIKTOK_KINDS.get(name, EventKind.ignored)
    at = _seconds(payload.get("create_time"))
    return PlatformEvent("tiktok", _digest(mark), kind, account, publish_id, post_id, at)


def issued_at(signed_request: Mapping[str, Any]) -> float | None:
    """Return when a `signed_request` was made, Unix seconds."""
    return _seconds(signed_request.get("issued_at"))


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _digest(mark: str) -> str:
    return hashlib.sha256(mark.encode()).hexdigest()


def _hex_hmac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _unbase64(text: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
