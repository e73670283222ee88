"""What becomes of a post whose product has changed: a table of cases."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.preferences import OnPriceChange, OnSoldOut, ProductPreferences
from app.domain.product_guard import Hold, ProductNow, Reword, judge, mentions, replace_price

APPROVED = {"title": "Blue cup", "price_minor": 1250, "currency": "EUR", "is_available": True}


def now(**changes: Any) -> ProductNow:
    values: dict[str, Any] = {
        "title": "Blue cup", "is_removed": False, "is_available": True, "price_minor": 1250, "currency": "EUR"
    }  # fmt: skip
    return ProductNow(**{**values, **changes})


class TestGone:
    @pytest.mark.parametrize(
        ("changes", "code", "sentence"),
        [
            (
                {"is_available": False},
                "product_sold_out",
                "“Blue cup” is sold out. Publish this post when it is back, publish it all the same, or delete it.",
            ),
            (
                {"is_removed": True},
                "product_removed",
                "The shop no longer has “Blue cup”. Publish this post all the same, change it, or delete it.",
            ),
        ],
    )
    def test_holds(self, changes: dict[str, Any], code: str, sentence: str) -> None:
        found = judge(APPROVED, now(**changes), "A cup", ProductPreferences())
        assert isinstance(found, Hold)
        assert (found.code, found.sentence) == (code, sentence)
        assert judge(APPROVED, now(**changes), "A cup", ProductPreferences(on_sold_out=OnSoldOut.ignore)) is None
        assert judge({**APPROVED, "told": found.told}, now(**changes), "A cup", ProductPreferences()) is None

    def test_another_reason_holds_again(self) -> None:
        told = {**APPROVED, "told": {"code": "product_sold_out"}}
        found = judge(told, now(is_removed=True, is_available=False), "A cup", ProductPreferences())
        assert isinstance(found, Hold)
        assert found.code == "product_removed"

    def test_an_unknown_stock_holds_nothing(self) -> None:
        assert judge(APPROVED, now(is_available=None), "A cup", ProductPreferences()) is None


class TestPrice:
    def test_text_without_a_price_goes_out(self) -> None:
        assert judge(APPROVED, now(price_minor=1400), "A blue cup for 2 people", ProductPreferences()) is None

    def test_holds_with_both_prices_in_the_sentence(self) -> None:
        found = judge(APPROVED, now(price_minor=1400), "Only 12,50 €", ProductPreferences())
        assert isinstance(found, Hold)
        assert found.sentence == (
            "“Blue cup” now costs 14.00 EUR, and this post says 12.50 EUR. Correct the text, publish it all the same, "
            "or delete it."
        )
        assert (
            judge({**APPROVED, "told": found.told}, now(price_minor=1400), "Only 12,50 €", ProductPreferences()) is None
        )
        again = judge({**APPROVED, "told": found.told}, now(price_minor=1500), "Only 12,50 €", ProductPreferences())
        assert isinstance(again, Hold)

    def test_a_text_corrected_to_the_new_price_is_held_when_that_changes_too(self) -> None:
        held = judge(APPROVED, now(price_minor=1400), "Only 12,50 €", ProductPreferences())
        assert isinstance(held, Hold)
        known = {**APPROVED, "told": held.told}
        assert judge(known, now(price_minor=1400), "Only 14,00 €", ProductPreferences()) is None
        again = judge(known, now(price_minor=1500), "Only 14,00 €", ProductPreferences())
        assert isinstance(again, Hold)
        assert "now costs 15.00 EUR, and this post says 14.00 EUR" in again.sentence

    def test_rewrites(self) -> None:
        wanted = ProductPreferences(on_price_change=OnPriceChange.rewrite)
        found = judge(APPROVED, now(price_minor=1400), "Only 12,50 €. Yes: €12.50!", wanted)
        assert found == Reword(
            "Only 14,00 €. Yes: €14.00!",
            {"price_minor": 1400},
            "The price in the text was 12.50 EUR and is now 14.00 EUR.",
        )

    @pytest.mark.parametrize(
        ("content", "changes"),
        [
            ("20 % off, now 12,50 €", {"price_minor": 1400}),
            ("Only 12,50 €", {"price_minor": 1400, "currency": "USD"}),
        ],
    )
    def test_what_a_rewrite_cannot_make_right_is_held(self, content: str, changes: dict[str, Any]) -> None:
        wanted = ProductPreferences(on_price_change=OnPriceChange.rewrite)
        assert isinstance(judge(APPROVED, now(**changes), content, wanted), Hold)

    @pytest.mark.parametrize(
        ("approved", "changes"),
        [
            (APPROVED, {}),
            ({**APPROVED, "price_minor": None}, {"price_minor": 1400}),
            (APPROVED, {"price_minor": None}),
            ({}, {"price_minor": 1400}),
        ],
    )
    def test_nothing_to_compare(self, approved: dict[str, Any], changes: dict[str, Any]) -> None:
        assert judge(approved, now(**changes), "Only 12,50 €", ProductPreferences()) is None

    def test_ignore(self) -> None:
        wanted = ProductPreferences(on_price_change=OnPriceChange.ignore)
        assert judge(APPROVED, now(price_minor=1400), "Only 12,50 €", wanted) is None


class TestMentions:
    @pytest.mark.parametrize(
        ("text", "minor", "currency", "named"),
        [
            ("12,50 €", 1250, "EUR", True),
            ("€ 12.50", 1250, "EUR", True),
            ("EUR 12,50", 1250, "EUR", True),
            ("12.50", 1250, "EUR", True),
            ("12,5 kg", 1250, "EUR", False),
            ("112,50 €", 1250, "EUR", False),
            ("12,501 €", 1250, "EUR", False),
            ("$12.50", 1250, "EUR", False),
            ("$12.50", 1250, "USD", True),
            ("Set of 12", 1200, "EUR", False),
            ("12 €", 1200, "EUR", True),
            ("1.299,00 €", 129900, "EUR", True),
            ("1 299 €", 129900, "EUR", True),
            ("$1,299", 129900, "USD", True),
            ("¥1,200", 1200, "JPY", True),
            ("KD 1.250", 1250, "KWD", False),
            ("1.250 KWD", 1250, "KWD", True),
        ],
    )
    def test_of_a_price(self, text: str, minor: int, currency: str, named: bool) -> None:
        assert mentions(f"Now {text} only", minor, currency) is named

    @pytest.mark.parametrize(
        ("text", "old", "new", "currency", "expected"),
        [
            ("12,50 €", 1250, 1399, "EUR", "13,99 €"),
            ("€12.50", 1250, 1399, "EUR", "€13.99"),
            ("12 €", 1200, 1350, "EUR", "13,50 €"),
            ("€12", 1200, 1350, "EUR", "€13.50"),
            ("12 €", 1200, 1500, "EUR", "15 €"),
            ("12,00 €", 1200, 1500, "EUR", "15,00 €"),
            ("1.299,00 €", 129900, 99950, "EUR", "999,50 €"),
            ("$999.00", 99900, 129900, "USD", "$1299.00"),
            ("$1,299.00", 129900, 250000, "USD", "$2,500.00"),
            ("¥1,200", 1200, 980, "JPY", "¥980"),
            ("1.250 KWD", 1250, 2005, "KWD", "2.005 KWD"),
            ("112,50 € and 12,50 €", 1250, 1000, "EUR", "112,50 € and 10,00 €"),
        ],
    )
    def test_written_anew_in_the_same_way(self, text: str, old: int, new: int, currency: str, expected: str) -> None:
        assert replace_price(text, old, new, currency) == expected
