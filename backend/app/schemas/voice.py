"""What the endpoints of the brand voice and of the costs of captions take and return."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from babel import Locale, UnknownLocaleError
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from app.domain.brand_voice import Emoji
from app.domain.hashtags import clean_hashtag
from app.schemas.common import Body, Read, Storable
from app.schemas.preferences import Domain

_ACCOUNT = re.compile(r"^\w[\w.]{0,59}$")


def _language(value: str) -> str:
    tag = value.strip().replace("_", "-")
    try:
        Locale.parse(tag, sep="-")
    except (ValueError, UnknownLocaleError):
        raise ValueError(f"'{value}' is not a language. Write it as in en, de or pt-BR") from None
    return tag


def _hashtag(value: str) -> str:
    tag = clean_hashtag(value)
    if tag is None:
        raise ValueError(f"'{value}' is not a hashtag. Use letters, digits and _, without spaces")
    return tag


def _account(value: str) -> str:
    name = value.strip().removeprefix("@")
    if not _ACCOUNT.match(name):
        raise ValueError(f"'{value}' is not the name of an account")
    return name


Word = Annotated[str, StringConstraints(min_length=1, max_length=60, strip_whitespace=True), Storable]
Hashtag = Annotated[str, StringConstraints(max_length=100), Storable, AfterValidator(_hashtag)]
Account = Annotated[str, StringConstraints(max_length=61), Storable, AfterValidator(_account)]
Example = Annotated[str, StringConstraints(min_length=1, max_length=2_200, strip_whitespace=True), Storable]


class VoiceBody(Body):
    """The whole voice: a field left out gets its default."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "shop_name": "Corner Pottery",
                    "tone": "warm",
                    "language": "en",
                    "emoji": "few",
                    "words_to_avoid": ["cheap"],
                }
            ]
        }
    )
    shop_name: Annotated[str, StringConstraints(max_length=100, strip_whitespace=True), Storable] = ""
    tone: Annotated[str, StringConstraints(min_length=1, max_length=60, strip_whitespace=True), Storable] = "engaging"
    language: Annotated[str, StringConstraints(max_length=35), Storable, AfterValidator(_language)] = "en"
    emoji: Emoji = Emoji.few
    words_to_use: list[Word] = Field(default_factory=list, max_length=30)
    words_to_avoid: list[Word] = Field(default_factory=list, max_length=100)
    hashtags_always: list[Hashtag] = Field(default_factory=list, max_length=10)
    hashtags_never: list[Hashtag] = Field(default_factory=list, max_length=100)
    hashtags_count: Annotated[int, Field(ge=0, le=30)] = 5
    mentions: list[Account] = Field(default_factory=list, max_length=20)
    link_domains: list[Domain] = Field(default_factory=list, max_length=20)
    examples: list[Example] = Field(default_factory=list, max_length=5)
    notes: Annotated[str, StringConstraints(max_length=2_000, strip_whitespace=True), Storable] = ""


class VoiceRead(Read):
    shop_name: str
    tone: str
    language: str
    emoji: Emoji
    words_to_use: list[str]
    words_to_avoid: list[str]
    hashtags_always: list[str]
    hashtags_never: list[str]
    hashtags_count: int
    mentions: list[str]
    link_domains: list[str]
    examples: list[str]
    notes: str
    tones: list[str]
    """Tones to offer; any other word may be used as well."""


class BudgetBody(Body):
    """The most that captions may cost this user in a month."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"monthly_cents": 500}]})
    monthly_cents: Annotated[int, Field(ge=0, le=10_000_000)] | None
    """US cents; 0 allows no paid captions, null removes the limit."""


class AiUsageRow(Read):
    """Calls of one model that ended in one way."""

    model: str
    outcome: str
    calls: int
    input_tokens: int
    """Everything that was read, from the cache too."""
    output_tokens: int
    cache_read_input_tokens: int
    thinking_tokens: int
    cost_micros: int
    """Millionths of a US dollar, of the calls whose cost is known."""
    unknown_cost_calls: int
    """Calls whose cost is not known: no price for the model, or no answer to them."""


class AiUsageRead(Read):
    """What captions have used in a calendar month (UTC)."""

    month: str
    writer: Literal["claude", "template"]
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost_micros: int
    unknown_cost_calls: int
    counted_micros: int
    """What counts against the budget: known costs, and what is held back for calls of unknown cost or under way."""
    budget_cents: int | None
    items: list[AiUsageRow]
