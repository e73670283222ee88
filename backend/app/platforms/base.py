"""What every platform adapter speaks: the data it is given, what it answers, and how it says that something went wrong.

An adapter is a set of small objects (`Connector`, `Publisher`, `MetricsReader`) found in `registry.py`. It knows no
database, no settings and no other platform; the engine knows only this file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from app.platforms.limits import PlatformRules

JSON = dict[str, Any]


# ---------------------------------------------------------------------------------------------------------------------
# What goes in


@dataclass(frozen=True)
class MediaItem:
    """One picture or video of a post. Facts that are not known yet are `None`."""

    url: str
    kind: str  # "image" | "video"
    mime_type: str | None = None
    size_bytes: int | None = None
    width_px: int | None = None
    height_px: int | None = None
    duration_seconds: float | None = None
    codec: str | None = None
    frame_rate: float | None = None
    audio_codec: str | None = None
    rotation_degrees: int | None = None
    """How players turn it; width and height are those after turning."""
    is_variable_frame_rate: bool | None = None
    color_space: str | None = None
    """`srgb`, or what else the file says: `display-p3`, `adobe-rgb`, `cmyk`, `bt2020`."""
    alt_text: str | None = None


@dataclass(frozen=True)
class Draft:
    """A post as its owner wrote it for one account."""

    content: str
    hashtags: tuple[str, ...] = ()
    media: tuple[MediaItem, ...] = ()
    post_type: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AccountFacts:
    """What the platform says this account may do, read just before validating; empty when nothing was read."""

    account_name: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One reason why a post does not fit its platform. `code` is stable, `message` is a sentence for the owner."""

    field: str
    code: str
    message: str


@dataclass(frozen=True)
class CallRecord:
    """One HTTP call as the journal keeps it: no tokens, no captions, no bodies beyond a short error text."""

    operation: str
    method: str
    host: str
    path: str
    started_at: datetime
    duration_ms: int
    status: int | None
    outcome: str  # "ok" | "refused" | "no_answer" | "not_sent"
    code: str | None = None
    trace_id: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class Auth:
    """How to speak for one account. Never logged; `repr` hides the tokens."""

    account_id: str
    account_id_external: str
    access_token: str = field(repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    journal: Callable[[CallRecord], None] = field(default=lambda _call: None, repr=False, compare=False)
    pause: Callable[[timedelta], None] = field(default=lambda _wait: None, repr=False, compare=False)
    """Called when usage headers say that calls for this account should stop for a while."""


class MediaBytes(Protocol):
    """Gives an adapter the bytes of a post's media, or an address of ours under which the platform may fetch them.

    Every method raises `FixContent` when the file is gone for good, and `RetryLater` when it cannot be read just now.
    """

    async def size(self, item: MediaItem) -> int:
        """Return the file's true size in bytes."""
        ...

    async def read(self, item: MediaItem) -> bytes:
        """Return the whole file. For pictures: a video is read in parts."""
        ...

    async def read_part(self, item: MediaItem, start: int, end: int) -> bytes:
        """Return the bytes from `start` up to, not including, `end`."""
        ...

    def stream(self, item: MediaItem, start: int = 0) -> AsyncIterator[bytes]:
        """Give the file from `start` on in small pieces, never all of it in memory."""
        ...

    async def address(self, item: MediaItem) -> str:
        """Return an ASCII address from which the platform can fetch the file for the next 24 hours or longer: that of
        the file itself, or a signed one of ours."""
        ...

    async def lend(self, item: MediaItem, name: str) -> str:
        """Return a URL under `PUBLIC_URL` that serves the file to this attempt only, until it is revoked."""
        ...

    async def revoke(self) -> None:
        """Make every address lent for this attempt answer 404 from now on."""
        ...

    async def fetched(self) -> bool:
        """Whether any lent address was asked for since the last submission. A reading that was begun counts: it may
        have ended well."""
        ...


# ---------------------------------------------------------------------------------------------------------------------
# What comes out


class Phase(StrEnum):
    """How far a publication is at the platform."""

    preparing = "preparing"  # `prepare` has more to do
    processing = "processing"  # staged, the platform works on it: `look` again later
    ready = "ready"  # staged and finished: `submit` makes it public
    submitted = "submitted"  # made public, the platform works on it: `look` again later
    published = "published"  # out; the id, if the platform gives one, is in `platform_post_id`


BEGINNINGS = ("tries", "lost", "first_submit")
"""What survives a new beginning in `Progress.data`."""


@dataclass(frozen=True)
class Progress:
    """How far a publication is. Survives JSON; committed before the next step."""

    phase: Phase = Phase.preparing
    data: Mapping[str, Any] = field(default_factory=dict)
    """The adapter's own notes: container ids, bytes sent, expiry. JSON values only."""
    look_after: float | None = None
    """Seconds before `look` is worth calling; `None` means at once."""
    platform_post_id: str | None = None
    permalink: str | None = None

    def but(self, **changes: Any) -> Progress:
        """Return a copy with some fields replaced; `data` given here is merged into the old one."""
        data = changes.pop("data", None)
        if data is not None:
            changes["data"] = {**self.data, **data}
        return replace(self, **changes)

    def anew(self) -> Progress:
        """Return the beginning, with what counts how often it was begun and lost."""
        return Progress(data={name: self.data[name] for name in BEGINNINGS if name in self.data})

    def to_json(self) -> JSON:
        return {
            "phase": str(self.phase),
            "data": dict(self.data),
            "look_after": self.look_after,
            "platform_post_id": self.platform_post_id,
            "permalink": self.permalink,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Progress:
        if not value:
            return cls()
        return cls(
            phase=Phase(value["phase"]),
            data=value.get("data") or {},
            look_after=value.get("look_after"),
            platform_post_id=value.get("platform_post_id"),
            permalink=value.get("permalink"),
        )


class Outcome(StrEnum):
    """What `reconcile` found out about a submission whose answer was lost."""

    published = "published"
    """It went out (or the platform accepted it and works on it): `Verdict.progress` says with which id."""
    not_published = "not_published"
    """Proven not to be public: `Verdict.progress` says from where to go on (`ready` or `preparing`)."""
    look_again = "look_again"
    """Not provable yet: ask again after `Verdict.after_seconds`."""
    unknown = "unknown"
    """The platform cannot tell. The owner has to look."""


@dataclass(frozen=True)
class Verdict:
    outcome: Outcome
    progress: Progress
    after_seconds: float = 0.0


@dataclass(frozen=True)
class Grant:
    """Tokens of one account, as the platform gave them. Never logged."""

    access_token: str = field(repr=False)
    expires_at: datetime | None
    refresh_token: str | None = field(default=None, repr=False)
    refresh_expires_at: datetime | None = None
    refresh_due_at: datetime | None = None
    """When to refresh ahead of expiry; `None` when the token does not expire."""
    ends_at: datetime | None = None
    """When access ends unless the owner signs in again; `None` where renewing goes on by itself."""
    scopes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class ConnectedProfile:
    """One profile or Page that a sign-in gave access to."""

    account_id_external: str
    account_name: str
    avatar_url: str | None
    grant: Grant
    usable: bool = True
    problem: str | None = None
    """Why it cannot be used, as a sentence for the owner."""
    owner_ids: tuple[str, ...] = ()
    """Every id under which the platform may speak of its owner, in deauthorize and data-deletion calls."""


@dataclass(frozen=True)
class AuthorizeRequest:
    """Where to send the user, and what to keep until the answer comes back."""

    url: str
    code_verifier: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class PostRef:
    """A published post; `data` is that of its last `Progress`."""

    platform_post_id: str
    post_type: str
    data: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MetricValues:
    """Numbers of one post at one moment. `None` means the platform does not report it: never an invented 0."""

    impressions: int | None = None
    reach: int | None = None
    likes: int | None = None
    comments: int | None = None
    shares: int | None = None
    clicks: int | None = None


# ---------------------------------------------------------------------------------------------------------------------
# What can go wrong: the engine knows only these


class PlatformError(Exception):
    """Base of every answer an adapter cannot turn into progress.

    `sentence` is for the owner, in plain words with the next step; `code` is ours and stable; `platform_code` and
    `trace_id` are the platform's own, for support.
    """

    code = "platform_error"

    def __init__(
        self, sentence: str, *, code: str | None = None, platform_code: str | None = None, trace_id: str | None = None
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        if code is not None:
            self.code = code
        self.platform_code = platform_code
        self.trace_id = trace_id
        self.proven = False
        """Whether it proves that the post is not out; without that, a refusal after submission proves nothing."""

    def as_proof(self) -> Self:
        """Mark the error as the platform's own word that the post did not go out."""
        self.proven = True
        return self


class RetryLater(PlatformError):
    """Nothing was made public: the same step again, not before `after`. `restage` asks for staging anew."""

    code = "platform_busy"

    def __init__(
        self, sentence: str, *, after: timedelta | None = None, restage: bool = False, **details: str | None
    ) -> None:
        super().__init__(sentence, **details)
        self.after = after
        self.restage = restage


class QuotaUsedUp(PlatformError):
    """The account may not post before `until` (aware UTC)."""

    code = "quota_used_up"

    def __init__(self, sentence: str, *, until: datetime, **details: str | None) -> None:
        super().__init__(sentence, **details)
        self.until = until


class RefreshToken(PlatformError):
    """The access token is dead but can be renewed: refresh once, then repeat the step."""

    code = "token_expired"


class ReconnectAccount(PlatformError):
    """Only the owner can help, by connecting the account again (or by acting at the platform first)."""

    code = "account_needs_reconnect"


class FixContent(PlatformError):
    """The platform refuses this content; `field` says what to change."""

    code = "content_refused"

    def __init__(self, sentence: str, *, field: str, **details: str | None) -> None:
        super().__init__(sentence, **details)
        self.field = field


class OutcomeUnknown(PlatformError):
    """The call that makes the post public was sent and its outcome is not known: reconcile, never repeat on hope."""

    code = "outcome_unknown"


class Permanent(PlatformError):
    """It will not work by waiting, and the content is not the reason."""

    code = "platform_refused"


# ---------------------------------------------------------------------------------------------------------------------
# The protocols


class Connector(Protocol):
    logins: tuple[str, ...]
    """The ways to sign in, the usual one first. Most platforms have one."""

    def authorize(self, *, state: str, redirect_uri: str, login: str) -> AuthorizeRequest:
        """Return the consent page's address for one of `logins`."""
        ...

    async def exchange(
        self, *, code: str, redirect_uri: str, code_verifier: str | None, login: str, now: datetime
    ) -> list[ConnectedProfile]:
        """Turn the code of a callback into profiles, long-lived tokens included; those that cannot be used say why."""
        ...

    async def refresh(self, grant: Grant, *, account_id_external: str, now: datetime) -> Grant:
        """Renew ahead of expiry. Raises `ReconnectAccount` only when the platform names the grant as dead."""
        ...

    async def check(self, auth: Auth) -> bool:
        """Whether the token still works. A network failure raises `RetryLater`, it is not a `False`."""
        ...

    async def revoke(self, grant: Grant) -> None:
        """Give the grant back, best effort: failures are swallowed."""
        ...

    async def subscribe(self, auth: Auth) -> None:
        """Ask the platform to report this account's events to our webhook, best effort: failures are swallowed."""
        ...


class Publisher(Protocol):
    rules: PlatformRules

    def post_type(self, draft: Draft) -> str:
        """Return the kind of post this draft would become when its owner did not choose one."""
        ...

    def validate(self, draft: Draft, facts: AccountFacts) -> list[Finding]:
        """Return every problem the platform would have with this draft. Pure: no I/O, same answer twice."""
        ...

    async def facts(self, auth: Auth) -> AccountFacts:
        """Ask the platform what this account may do now: for the composer, before its owner decides."""
        ...

    async def prepare(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Stage one more piece; called again, with what it returned committed, until the phase is no longer
        `preparing`. Nothing is public and everything may be repeated."""
        ...

    async def look(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Read the status of what was staged (`processing`) or submitted (`submitted`). Always safe to repeat."""
        ...

    async def submit(self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes) -> Progress:
        """Make the one call that makes the post public. Called once per committed intent."""
        ...

    async def reconcile(
        self, auth: Auth, draft: Draft, done: Progress, media: MediaBytes, *, submitted_at: datetime, now: datetime
    ) -> Verdict:
        """Find out whether a submission whose answer was lost went out. Always safe to repeat."""
        ...


@dataclass(frozen=True)
class PublicId:
    """How a published post is known at its platform."""

    platform_post_id: str
    permalink: str | None


class Sight(StrEnum):
    """What a second look after publishing found."""

    seen = "seen"
    waiting = "waiting"
    """It was delivered, but is not public before its owner has finished it in the platform's app."""
    missing = "missing"
    unknown = "unknown"
    """The platform offers no way to look: a post for friends only, say."""


@dataclass(frozen=True)
class Seen:
    """The result of a second look; `permalink` where the platform names it now."""

    sight: Sight
    permalink: str | None = None


class Aftercare(Protocol):
    """What can be done with a post that is out."""

    async def find(self, auth: Auth, post: PostRef) -> Seen:
        """Look whether the post is there. Raises for every failure that says nothing about the post."""
        ...

    def can_comment(self, auth: Auth, post: PostRef) -> bool:
        """Whether a first comment can be written under this post with this connection."""
        ...

    async def comment(self, auth: Auth, post: PostRef, text: str) -> str:
        """Write a comment and return its id. Raises `OutcomeUnknown` when the answer was lost: see `find_comment`."""
        ...

    async def find_comment(self, auth: Auth, post: PostRef, text: str) -> str | None:
        """Return the id of the account's own comment with this text, if there is one."""
        ...

    def can_delete(self, auth: Auth, post: PostRef) -> bool:
        """Whether the post can be deleted from here with this connection."""
        ...

    async def delete(self, auth: Auth, post: PostRef) -> None:
        """Delete the post at the platform; one that is gone already counts as deleted."""
        ...


class MetricsReader(Protocol):
    batch_size: int

    async def public_id(self, auth: Auth, post_type: str, data: Mapping[str, Any]) -> PublicId | None:
        """Return the id of a post that went out without one, where the platform tells it later; `data` is that of
        its last `Progress`."""
        ...

    async def read(self, auth: Auth, posts: Sequence[PostRef]) -> Mapping[str, MetricValues]:
        """Return numbers by `platform_post_id`; posts the platform does not know are missing."""
        ...

    async def followers(self, auth: Auth, granted: Collection[str]) -> int | None:
        """Return how many follow the account; `None` where the platform does not say it to these scopes."""
        ...


@dataclass(frozen=True)
class PlatformAdapter:
    """Everything one platform offers."""

    name: str
    connector: Connector
    publisher: Publisher
    metrics: MetricsReader
    aftercare: Aftercare
