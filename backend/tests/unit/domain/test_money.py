"""Prices: read as shops write them, written as people read them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from babel.numbers import get_currency_symbol
from hypothesis import given
from hypothesis import strategies as st

from app.domain.money import CURRENCIES, currencies_of, exponent, format_price, minor_of, normalised, parse_price, plain

LANGUAGES = ("en", "en-GB", "de", "de-CH", "fr", "es", "it", "nl", "pt", "pt-PT", "pl", "tr", "ja", "sv")


class TestParsePrice:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("1.299,00 €", (129900, "EUR")),
            ("$1,299.00", (129900, "USD")),
            ("1 299 kr", (129900, None)),
            ("1\u00a0299,90\u00a0zł", (129990, "PLN")),
            ("CHF 1'299.–", (129900, "CHF")),
            ("Fr. 12.50", (1250, "CHF")),
            ("¥1,299", (1299, "JPY")),
            ("￥１,２９９", (1299, "JPY")),
            ("1,299円", (1299, "JPY")),
            ("EUR 12", (1200, "EUR")),
            ("12 eur", (1200, "EUR")),
            ("19.99 EUR", (1999, "EUR")),
            ("12,50", (1250, None)),
            ("12.5", (1250, None)),
            ("12,- €", (1200, "EUR")),
            ("1.299", (129900, None)),
            ("1,29,900.50 INR", (12990050, "INR")),
            ("R$ 1.299,90", (129990, "BRL")),
            ("US$12.50", (1250, "USD")),
            ("CA$12.50", (1250, "CAD")),
            ("1.250 KWD", (1250, "KWD")),
            ("1,250.500 KWD", (1250500, "KWD")),
            ("0.999 €", (100, "EUR")),
            ("19.9900 USD", (1999, "USD")),
            ("1.234.567,89 €", (123456789, "EUR")),
            ("₺1.299,90", (129990, "TRY")),
            ("249,90 TL", (24990, "TRY")),
            ("ab 12,50 € inkl. MwSt.", (1250, "EUR")),
            ("0,00 €", (0, "EUR")),
        ],
    )
    def test_reads_what_shops_write(self, text: str, expected: tuple[int | None, str | None]) -> None:
        assert parse_price(text) == expected

    @pytest.mark.parametrize(
        ("text", "default", "expected"),
        [
            ("1 299 kr", "SEK", (129900, "SEK")),
            ("1 299 kr", "ISK", (1299, "ISK")),
            ("$12.50", "CAD", (1250, "CAD")),
            ("$12.50", "EUR", (1250, "USD")),
            ("12,50", "eur", (1250, "EUR")),
            ("1299", "JPY", (1299, "JPY")),
            ("¥99", "CNY", (9900, "CNY")),
            ("12 €", "USD", (1200, "EUR")),
            ("12", "XXX", (1200, None)),
        ],
    )
    def test_an_ambiguous_sign_means_the_default(
        self, text: str, default: str, expected: tuple[int | None, str | None]
    ) -> None:
        assert parse_price(text, default) == expected

    @pytest.mark.parametrize("text", ["", "free", "10 %", "10%", "-5 €", "−5,00 €", "from 5 to 9", "1.2.2026", "2x5"])
    def test_what_is_no_price(self, text: str) -> None:
        assert parse_price(text)[0] is None

    @given(
        minor=st.integers(0, 10**9), currency=st.sampled_from(sorted(CURRENCIES)), language=st.sampled_from(LANGUAGES)
    )
    def test_reads_back_what_is_written_in_any_language(self, minor: int, currency: str, language: str) -> None:
        assert parse_price(format_price(minor, currency, language), currency) == (minor, currency)
        assert parse_price(format_price(minor, currency, language, short=True), currency) == (minor, currency)

    @given(minor=st.integers(0, 10**12), currency=st.sampled_from(sorted(CURRENCIES)))
    def test_reads_back_what_machines_write(self, minor: int, currency: str) -> None:
        assert parse_price(f"{plain(minor, currency)} {currency}") == (minor, currency)

    @given(st.text(max_size=40))
    def test_never_fails(self, text: str) -> None:
        minor, currency = parse_price(text)
        assert minor is None or minor >= 0
        assert currency is None or currency in CURRENCIES


class TestFormatPrice:
    @pytest.mark.parametrize(
        ("minor", "currency", "language", "expected"),
        [
            (129950, "EUR", "de", "1.299,50\u00a0€"),
            (129950, "USD", "en", "$1,299.50"),
            (129950, "CHF", "en", "CHF\u00a01,299.50"),
            (129950, "EUR", "fr-FR", "1\u00a0299,50\u00a0€"),
            (1299, "JPY", "ja", "￥1,299"),
            (1250, "KWD", "en", "KWD\u00a01.250"),
            (1250, None, "de", "12,50"),
            (1250, "EUR", "tlh", "€12.50"),
            (1250, "EUR", "", "€12.50"),
        ],
    )
    def test_writes_as_the_language_does(self, minor: int, currency: str, language: str, expected: str) -> None:
        assert format_price(minor, currency, language) == expected

    def test_short_leaves_only_zeros_out(self) -> None:
        assert format_price(2500, "USD", "en", short=True) == "$25"
        assert format_price(2550, "USD", "en", short=True) == "$25.50"

    def test_every_symbol_that_is_written_is_known(self) -> None:
        symbols = {code: normalised(get_currency_symbol(code, "en")) for code in CURRENCIES}
        assert {code for code, symbol in symbols.items() if code not in currencies_of(symbol)} == set()


class TestMinor:
    def test_rounds_halves_up(self) -> None:
        assert minor_of(Decimal("12.345"), "EUR") == 1235
        assert minor_of(Decimal("0.5"), "JPY") == 1
        assert (exponent("JPY"), exponent("KWD"), exponent("EUR"), exponent(None)) == (0, 3, 2, 2)
