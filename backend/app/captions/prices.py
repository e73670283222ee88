"""What calls cost: the provider's price list, kept as data with its date."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

from app.captions.base import Usage

_FILE = Path(__file__).with_name("prices.toml")
PER = 1_000
"""Prices are for this many tokens, in millionths of a US dollar."""


@lru_cache(maxsize=1)
def _models() -> dict[str, dict[str, Any]]:
    models: dict[str, dict[str, Any]] = tomllib.loads(_FILE.read_text(encoding="utf-8"))["models"]
    return models


def cost_micros(model: str, usage: Usage, *, is_batch: bool = False) -> int | None:
    """Return what a call cost in millionths of a US dollar, rounded up; None for a model without a known price.

    Calls in a batch cost half. Thinking is part of the output tokens.
    """
    price = _models().get(model)
    if price is None:
        return None
    prompt = usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
    row = price["above"] if prompt > price.get("above_tokens", prompt) else price
    thousandths: int = (
        usage.input_tokens * row["input"]
        + usage.output_tokens * row["output"]
        + usage.cache_creation_input_tokens * row["cache_write"]
        + usage.cache_read_input_tokens * row["cache_read"]
    )
    return -(-thousandths // (2 * PER if is_batch else PER))


def most_micros(model: str, *, input_tokens_max: int, output_tokens_max: int) -> int | None:
    """Return the most that a call of this size may cost: nothing read from the cache, all of it written there."""
    sizes = Usage(cache_creation_input_tokens=input_tokens_max, output_tokens=output_tokens_max)
    return cost_micros(model, sizes)
