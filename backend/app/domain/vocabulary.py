"""The product's fixed words. Stored as text with a check in code, so that the lists can grow without a migration."""

from enum import StrEnum


class Platform(StrEnum):
    instagram = "instagram"
    facebook = "facebook"
    tiktok = "tiktok"


class PostStatus(StrEnum):
    draft = "draft"
    scheduled = "scheduled"
    publishing = "publishing"
    posted = "posted"
    failed = "failed"
    on_hold = "on_hold"


class AccountStatus(StrEnum):
    connected = "connected"
    expired = "expired"
    revoked = "revoked"
    disconnected = "disconnected"


class AccountMode(StrEnum):
    sandbox = "sandbox"
    live = "live"


class LiveStatus(StrEnum):
    """What is known of a published post after a second look."""

    pending = "pending"
    seen = "seen"
    waiting = "waiting"
    missing = "missing"
    unknown = "unknown"
    deleted = "deleted"


class CommentStatus(StrEnum):
    """How far a post's first comment is."""

    pending = "pending"
    posted = "posted"
    failed = "failed"
    unknown = "unknown"


class FollowUpKind(StrEnum):
    first_comment = "first_comment"
    live = "live"


class Step(StrEnum):
    """Where a publication stands. `submit` means the intent is committed: whoever finds it orphaned reconciles."""

    prepare = "prepare"
    process = "process"
    submit = "submit"
    confirm = "confirm"
    reconcile = "reconcile"


class QueueStatus(StrEnum):
    pending = "pending"
    generated = "generated"
    approved = "approved"
    rejected = "rejected"
    scheduled = "scheduled"
    posted = "posted"


class UsageMetric(StrEnum):
    """What plans count by the month."""

    posts = "posts"
    captions = "captions"


EDITABLE = frozenset({PostStatus.draft, PostStatus.scheduled, PostStatus.on_hold})
"""Posts that their owner may still change."""

ADVANCE = "publishing.advance"
"""Name of the hint that something is due now."""
WRITE_CAPTIONS = "captions.work"
"""Name of the hint that captions were asked for."""
MAKE_MEDIA = "media.work"
"""Name of the hint that a rendition was asked for."""
SYNC_STORES = "stores.sync"
"""Name of the hint that a shop is to be read."""
PRODUCT_RULES = "stores.rules"
"""Name of the hint that something happened to products."""
HAND_ON = "events.hand_on"
"""Name of the hint that something has happened which is to be told onwards."""
SEND_HOOKS = "events.send_hooks"
"""Name of the hint that webhooks are due."""
SEND_MAIL = "events.send_mail"
"""Name of the hint that mail is due."""
COUNT_FOLLOWERS = "metrics.followers"
"""Name of the hint that accounts' followers are to be counted."""
BILLING_EVENTS = "billing.events"
"""Name of the hint that the payment provider reported something."""
HOLD_NEEDS_RECONNECT = "account_needs_reconnect"
HOLD_DISCONNECTED = "account_disconnected"
HOLD_PLAN = "plan_limit"
HOLD_TOO_LATE = "too_late"
WRITE_LETTERS = "people.write_letters"
"""Name of the hint that a letter about signing in is to be written."""
ERASE_PEOPLE = "people.erase"
"""Name of the hint that somebody asked to be forgotten."""
VERIFY_EMAIL = "verify_email"
RESET_PASSWORD = "reset_password"  # noqa: S105 - a purpose
CHANGE_EMAIL = "change_email"
ALREADY_REGISTERED = "already_registered"
PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a purpose
EMAIL_CHANGED = "email_changed"
TWO_FACTOR_CHANGED = "two_factor_changed"
ERASED = "erased"
