"""What every writer of captions takes, returns and raises."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from app.domain.brand_voice import Voice
from app.domain.products import ProductFacts


@dataclass(frozen=True)
class Room:
    """What one platform leaves a caption: its limits, from the adapter's own rules."""

    platform: str
    text_max: int
    """Longest text with its hashtags, in `text_unit`."""
    text_unit: str
    """`characters` or `utf16`: a key of `platforms.limits.TEXT_UNITS`."""
    hashtags_max: int
    hashtags_inline: bool = False
    """Whether hashtags stand right behind the text, instead of below an empty line."""


@dataclass(frozen=True)
class Photo:
    """A product picture, already made small."""

    content: bytes = field(repr=False)
    media_type: str


@dataclass(frozen=True)
class Brief:
    """Everything a writer needs for one product: one call writes for all platforms."""

    facts: ProductFacts
    rooms: tuple[Room, ...]
    voice: Voice
    tone: str
    instruction: str | None = None
    """What the owner asks for this time, in own words: "shorter, mention the gift box"."""
    previous: Mapping[str, str] = field(default_factory=dict)
    """Captions by platform that the owner wants written anew."""
    photo: Photo | None = None
    user_key: str = ""
    """Tells users apart for the provider without saying who they are."""
    variety: int = 0
    """Changes with every try: a writer without chance of its own writes something else for another number."""


@dataclass(frozen=True)
class Caption:
    """What one platform gets. Hashtags without '#'."""

    caption: str
    hashtags: tuple[str, ...]
    call_to_action: str
    """The closing line that asks for something, part of `caption`; empty where there is none."""
    is_shortened: bool = False
    """Whether it was cut to fit, because the writer did not."""


@dataclass(frozen=True)
class Written:
    """Captions by platform, and who wrote them."""

    captions: Mapping[str, Caption]
    model: str
    prompt_version: str
    inputs_hash: str
    language: str = "en"
    """What they are written in: not always what was asked for."""
    notes: tuple[str, ...] = ()
    """What the writer could not do as asked, as sentences for the owner."""


@dataclass(frozen=True)
class Usage:
    """What one call has used, as the provider counts it (tokens)."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    thinking_tokens: int = 0
    service_tier: str | None = None


@dataclass(frozen=True)
class Settlement:
    """How one call ended."""

    outcome: str
    """`ok`, `refused`, `truncated`, `invalid` or `error`."""
    usage: Usage = Usage()
    model: str | None = None
    http_status: int | None = None
    error_type: str | None = None
    stop_reason: str | None = None
    request_id: str | None = None
    duration_ms: int | None = None
    is_cost_known: bool = True
    """False where the provider may have charged for an answer that never came: what was held back stays counted."""


class Ledger(Protocol):
    """Keeps the books for one job: every call is announced with its size before it is made, and settled once."""

    async def begin(self, *, model: str, input_tokens_max: int, output_tokens_max: int) -> UUID:
        """Hold back what the call may cost. Raises `BudgetUsedUp`."""

    async def settle(self, call_id: UUID, settlement: Settlement) -> None:
        """Write down what it was. The second time for one call changes nothing."""


class CaptionWriter(Protocol):
    """Writes captions for one product on all its platforms at once."""

    model: str
    looks_at_photos: bool
    """Whether a product's picture is of use to it: without, none is fetched."""

    async def write(self, brief: Brief, ledger: Ledger) -> Written:
        """Raises `CaptionError`."""

    def stream(self, brief: Brief, ledger: Ledger) -> AsyncGenerator[str | Written]:
        """Give the text as it is written, piece by piece, and what came of it last. Raises `CaptionError`."""

    async def aclose(self) -> None: ...


class CaptionError(Exception):
    """No captions. `sentence` is for the owner; `code` is stable."""

    code = "caption_failed"

    def __init__(self, sentence: str, *, detail: str | None = None) -> None:
        super().__init__(detail or sentence)
        self.sentence = sentence
        self.detail = detail
        """For the log and the operator; may hold the provider's words, never a key."""


class WriterBusy(CaptionError):
    """Nothing came of it this time: the same call again, after a while."""

    code = "writer_busy"

    def __init__(self, sentence: str, *, after_seconds: float | None = None, detail: str | None = None) -> None:
        super().__init__(sentence, detail=detail)
        self.after_seconds = after_seconds


class WriterMisconfigured(CaptionError):
    """The operator has to do something: key, model, billing."""

    code = "writer_misconfigured"


class CaptionDeclined(CaptionError):
    """The model would not write about this product."""

    code = "caption_declined"


class CaptionUnusable(CaptionError):
    """The answer was cut off or did not hold what was asked for, also the second time."""

    code = "caption_unusable"


class BudgetUsedUp(CaptionError):
    """The month's budget does not allow another call."""

    code = "ai_budget_used_up"


def platforms_of(rooms: Sequence[Room]) -> tuple[str, ...]:
    return tuple(room.platform for room in rooms)
