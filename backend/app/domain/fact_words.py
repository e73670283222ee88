"""Words with which captions promise discounts and delivery, in ten languages. They are kept in `fact_words.toml`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

_LISTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def _pattern(name: str, *, template: str = "{}") -> re.Pattern[str]:
    words, signs = _LISTS[name]["words"], _LISTS[name]["signs"]
    either = [rf"\b(?:{'|'.join(words)})(?!\w)"] if words else []
    return re.compile(template.format("|".join((*either, *signs))), re.IGNORECASE)


OLD_PRICE_BEFORE = _pattern("before", template=r"(?:{})\s?[:=]?\s?(?:[^\W\d_]{{1,3}}\s?|[$€£¥]\s?)?$")
"""Ends where an amount begins that is meant as the one before."""
OLD_PRICE_AFTER = re.compile(r"^\s?(?:~~|yerine|idi|iken|から)", re.IGNORECASE)
PERCENT = re.compile(
    r"(?P<minus>[-−–]\s?)?(?<![\d.,])(?P<number>\d{1,3}(?:[.,]\d)?)\s?"
    r"(?:%|percent|prozent|pour ?cent|por ciento|per cento|procent|por cento)",
    re.IGNORECASE,
)
PERCENT_OFF = _pattern("percent_off")
"""Words that make a percentage a discount, where they stand near it."""
DISCOUNT = _pattern("discount")
FOR_SALE = re.compile(
    r"\bfor sale\b|\bwholesale\b|\bpoint of sale\b|\bafter[- ]sales?\b|\bsales?(?:man|woman|person)\b", re.IGNORECASE
)
NEEDS_TERMS = _pattern("terms")
"""Offers beyond a lower price: a crossed-out price does not prove them."""
HALF, SECOND_HALF = _pattern("half"), _pattern("second")
FREE_SHIPPING, FREE = _pattern("free_shipping"), _pattern("free")
FREE_RETURNS, RETURNS = _pattern("free_returns"), _pattern("returns")
FAST = _pattern("fast")
"""Promises of speed."""
