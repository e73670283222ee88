"""The fact guard: on pairs of captions and products made for it, and on every price in every format."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.domain.fact_guard import check
from app.domain.money import amount_of, exponent, format_price, plain
from app.domain.products import ProductFacts, facts_of

DATA = Path(__file__).parent / "data"
LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt", "pl", "tr", "ja")
CURRENCIES = ("EUR", "USD", "GBP", "CHF", "PLN", "TRY", "JPY", "BRL", "SEK", "CAD", "KWD")
AROUND = {
    "en": "The mug, 350 ml, is {} in our shop.",
    "de": "Der Becher, 350 ml, kostet {} bei uns.",
    "fr": "Le mug de 350 ml à {} dans la boutique.",
    "es": "La taza de 350 ml por {} en la tienda.",
    "it": "La tazza da 350 ml a {} in negozio.",
    "nl": "De mok van 350 ml voor {} in de winkel.",
    "pt": "A caneca de 350 ml por {} na loja.",
    "pl": "Kubek 350 ml za {} w sklepie.",
    "tr": "350 ml kupa, {} fiyatla mağazada.",
    "ja": "350mlのマグカップは{}です。",
}


@dataclass
class Score:
    """How many findings there should be, were, and were right."""

    expected: int = 0
    found: int = 0
    right: int = 0

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.expected if self.expected else 1.0


def pairs(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return found


def scores(name: str) -> dict[str, Score]:
    """Score every code by itself, and all together."""
    result: dict[str, Score] = {"all": Score()}
    for pair in pairs(name):
        found = {f.code for f in check(pair["caption"], facts_of(pair["product"]), language=pair["language"])}
        for code in found | set(pair["expect"]):
            for score in (result["all"], result.setdefault(code, Score())):
                score.expected += code in pair["expect"]
                score.found += code in found
                score.right += code in found and code in pair["expect"]
    return result


class TestPairs:
    @pytest.mark.parametrize(("name", "least"), [("fact_pairs", 60), ("fact_pairs_held_out", 30)])
    def test_finds_what_is_wrong_and_little_else(
        self, name: str, least: int, record_property: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert len(pairs(name)) >= least
        found = scores(name)
        with capsys.disabled():
            for code, score in sorted(found.items()):
                print(  # noqa: T201 - the numbers are asked for
                    f"\n  {name} {code:18} precision {score.precision:.3f} recall {score.recall:.3f} "
                    f"({score.right} of {score.expected})",
                    end="",
                )
        record_property("recall", found["all"].recall)
        assert found["wrong_price"].recall == 1.0
        assert found["old_price"].recall == 1.0
        assert found["all"].recall >= 0.95
        assert found["all"].precision >= 0.9

    def test_the_pairs_hold_what_they_are_to_hold(self) -> None:
        made = pairs("fact_pairs")
        assert {pair["language"] for pair in made} >= set(LANGUAGES)
        codes = [code for pair in made for code in pair["expect"]]
        assert {code: codes.count(code) for code in sorted(set(codes))} == {
            "invented_discount": 6,
            "invented_shipping": 9,
            "old_price": 2,
            "wrong_currency": 4,
            "wrong_name": 5,
            "wrong_price": 21,
        }
        assert sum(not pair["expect"] for pair in made) == 34


PRICE = st.integers(1, 10_000_000)


def formats(minor: int, currency: str) -> st.SearchStrategy[str]:
    """Every way we know of to write an amount, for all to see which currency it is in."""
    number = plain(minor, currency)
    ways = [format_price(minor, currency, language) for language in LANGUAGES]
    ways += [format_price(minor, currency, language, short=True) for language in LANGUAGES]
    ways += [f"{number} {currency}", f"{currency} {number}", f"{currency}{number}", f"{number}{currency}"]
    ways.append(f"{number.replace('.', ',')} {currency}")
    if exponent(currency) == 2 and number.endswith("0") and not number.endswith(".00"):
        ways.append(f"{number[:-1]} {currency}")
    if currency == "EUR":
        ways += [f"{number}€", f"€{number}", f"€ {number.replace('.', ',')}", f"{number.replace('.', ',')} Euro"]
        if amount_of(minor, currency) < 1000:
            ways.append(number.replace(".", "€"))
    return st.sampled_from([way.replace("\u00a0", space) for way in ways for space in ("\u00a0", " ")])


@st.composite
def claims(draw: st.DrawFn) -> tuple[int, int, str, str, str]:
    """A product's price, an amount, its currency, and a caption that names that amount."""
    price, amount = draw(PRICE), draw(PRICE)
    currency, language = draw(st.sampled_from(CURRENCIES)), draw(st.sampled_from(LANGUAGES))
    return price, amount, currency, language, AROUND[language].format(draw(formats(amount, currency)))


class TestEveryPrice:
    @given(claims())
    def test_the_right_price_is_never_a_finding(self, claim: tuple[int, int, str, str, str]) -> None:
        _, amount, currency, language, caption = claim
        facts = ProductFacts("Mug", price_minor=amount, currency=currency)
        assert check(caption, facts, language=language) == []

    @given(claims())
    def test_any_other_price_always_is(self, claim: tuple[int, int, str, str, str]) -> None:
        price, amount, currency, language, caption = claim
        assume(price != amount)
        facts = ProductFacts("Mug", price_minor=price, currency=currency)
        assert [finding.code for finding in check(caption, facts, language=language)] == ["wrong_price"]

    @given(claims(), st.sampled_from(CURRENCIES))
    def test_any_other_currency_is(self, claim: tuple[int, int, str, str, str], other: str) -> None:
        _, amount, currency, _, caption = claim
        dollars = {"USD", "CAD", "BRL"}
        assume(other != currency and not {other, currency} <= dollars)
        assume(currency != "TRY")  # "TRY 2" in English may be no money
        facts = ProductFacts("Mug", price_minor=amount, currency=other)
        assert "wrong_currency" in {finding.code for finding in check(caption, facts, language="en")}


class TestMessages:
    def test_say_what_is_there_and_what_is_right(self) -> None:
        facts = ProductFacts("Mug", price_minor=1250, compare_at_price_minor=1800, currency="USD")
        said = {f.code: f.message for f in check("Mug: $15.00, free shipping, 50% off", facts, language="en")}
        assert said == {
            "wrong_price": "The caption says $15.00; the product costs $12.50.",
            "invented_shipping": "The caption promises “free shipping”; the product's record does not say so.",
            "invented_discount": "The caption promises “50%”; the product's price is lowered by 31 %.",
        }

    @given(st.text(max_size=200))
    def test_any_text_can_be_checked(self, text: str) -> None:
        facts = ProductFacts('Kolm WH-700X "Dune"', price_minor=1250, currency="EUR", shipping=text)
        assert all(finding.message.endswith(".") for finding in check(text, facts, language="en"))
