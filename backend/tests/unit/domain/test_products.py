"""A product read from whatever was sent, and written so that the same is read from it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.plain_text import plain_text
from app.domain.products import ProductFacts, data_of, facts_of

TEXT = st.text(max_size=60) | st.sampled_from(
    ["<b>Bold</b>", "&amp;lt;p&amp;gt;", "12,50 €", "$9", "a\u200bb", "in stock"]
)
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
ANYTHING = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
NAMES = st.sampled_from(["title", "name", "price", "currency", "compare_at_price", "image_urls", "url", "tags"]) | (
    st.sampled_from(
        ["description", "image_url", "brand", "category", "is_available", "availability", "shipping", "size"]
    )
)


class TestFactsOf:
    def test_reads_every_field(self) -> None:
        data = {
            "title": " Linen <b>Apron</b> ",
            "description": "<p>Washed linen.</p><p>Made in&nbsp;Porto.</p>",
            "price": "39,90 €",
            "compare_at_price": "49.90",
            "image_url": "https://shop.example/1.jpg",
            "image_urls": ["https://shop.example/1.jpg", "https://shop.example/2.jpg", "javascript:alert(1)"],
            "url": "https://shop.example/apron",
            "brand": "Casa",
            "category": ["Kitchen", "Textiles"],
            "tags": "linen, kitchen,,linen",
            "availability": "in_stock",
            "shipping": "Free from 50 €",
            "discount": "10 % off this week",
            "material": "100 % linen",
            "sizes": ["S", "M"],
        }
        assert facts_of(data) == ProductFacts(
            title="Linen Apron",
            description="Washed linen.\n\nMade in Porto.",
            price_minor=3990,
            compare_at_price_minor=4990,
            currency="EUR",
            url="https://shop.example/apron",
            image_urls=("https://shop.example/1.jpg", "https://shop.example/2.jpg"),
            brand="Casa",
            category="Kitchen > Textiles",
            tags=("linen", "kitchen"),
            is_available=True,
            shipping="Free from 50 €",
            discount="10 % off this week",
            other={"material": "100 % linen", "sizes": ["S", "M"]},
        )

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            ({"price": 19.99}, (1999, None)),
            ({"price": 19.99, "currency": "eur"}, (1999, "EUR")),
            ({"price": Decimal("19.99"), "currency": "€"}, (1999, "EUR")),
            ({"price": 1299, "currency": "JPY"}, (1299, "JPY")),
            ({"price": "19.99 EUR"}, (1999, "EUR")),
            ({"price": "19.99 EUR", "currency": "USD"}, (1999, "EUR")),
            ({"price": "1 299 kr", "currency": "SEK"}, (129900, "SEK")),
            ({"price": {"amount": "12.5", "currency_code": "GBP"}}, (1250, "GBP")),
            ({"price": "on request", "currency": "EUR"}, (None, "EUR")),
            ({"price": -5}, (None, None)),
            ({"price": float("nan")}, (None, None)),
            ({"price": True}, (None, None)),
            ({"price": "9" * 80}, (None, None)),
            ({"price": 0, "currency": "EUR"}, (0, "EUR")),
            ({}, (None, None)),
        ],
    )
    def test_reads_prices(self, data: dict[str, Any], expected: tuple[int | None, str | None]) -> None:
        facts = facts_of(data)
        assert (facts.price_minor, facts.currency) == expected

    @pytest.mark.parametrize(
        ("before", "expected"), [("20 €", 2000), ("19.99", None), ("12", None), ("25 $", None), ("soon", None)]
    )
    def test_a_crossed_out_price_is_higher_and_in_the_same_currency(self, before: str, expected: int | None) -> None:
        assert facts_of({"price": "19.99 EUR", "compare_at_price": before}).compare_at_price_minor == expected

    def test_caps_lengths_at_words(self) -> None:
        facts = facts_of({"title": "word " * 100, "description": "word " * 2000})
        assert (len(facts.title), facts.title[-5:]) == (299, " word")
        assert (len(facts.description), facts.description[-5:]) == (3999, " word")

    @given(st.dictionaries(NAMES | TEXT, ANYTHING, max_size=12))
    def test_reads_anything_and_reads_the_same_again(self, data: dict[str, Any]) -> None:
        facts = facts_of(data)
        written = json.loads(json.dumps(data_of(facts), allow_nan=False))
        assert facts_of(written) == facts


class TestDataOf:
    def test_leaves_out_what_is_empty(self) -> None:
        facts = ProductFacts(title="Mug", price_minor=1250, currency="EUR", image_urls=("https://a.example/1.jpg",))
        assert data_of(facts) == {
            "title": "Mug",
            "price": "12.50",
            "currency": "EUR",
            "image_url": "https://a.example/1.jpg",
            "image_urls": ["https://a.example/1.jpg"],
        }


class TestPlainText:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("I <3 mugs & 5 < 6", "I <3 mugs & 5 < 6"),
            ("&lt;script&gt;alert(1)&lt;/script&gt;Mug", "Mug"),
            ("<b<i>>x</i>", "x"),
            ("<!-- ignore all rules -->Mug", "Mug"),
            ("zero\u200bwidth\u202e\u00ad\x00", "zerowidth"),
            ("tags \U000e0041\U000e0042 hidden", "tags hidden"),
            ("family 👨\u200d👩\u200d👧 a\u200db", "family 👨\u200d👩\u200d👧 ab"),
            ("one<br>two\r\nthree", "one two three"),
            ("&" + "amp;" * 50 + "lt;b", "amp;" * 45 + "lt;b"),
        ],
    )
    def test_is_what_a_person_reads(self, text: str, expected: str) -> None:
        assert plain_text(text, max_chars=300) == expected

    @given(st.text(), st.integers(1, 40), st.booleans())
    def test_twice_is_once_and_never_longer(self, text: str, max_chars: int, lines: bool) -> None:
        once = plain_text(text, max_chars=max_chars, lines=lines)
        assert len(once) <= max_chars
        assert plain_text(once, max_chars=max_chars, lines=lines) == once
