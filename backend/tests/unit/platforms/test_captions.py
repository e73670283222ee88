"""Putting captions together and counting them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import captions


@pytest.mark.parametrize(
    ("content", "tags", "expected"),
    [
        ("New in store", ("autumn", "#sale"), "New in store\n\n#autumn #sale"),
        ("New in store", (), "New in store"),
        ("  padded \n", ("a",), "padded\n\n#a"),
        ("", ("a", "b"), "#a #b"),
        ("", (), ""),
        ("x", ("", " ", "#"), "x"),
    ],
)
def test_compose(content, tags, expected):
    assert captions.compose(content, tags) == expected


def test_an_emoji_counts_differently():
    family = "👩‍👩‍👧"
    assert captions.code_points(family) == 5
    assert captions.utf16_units(family) == 8
    assert captions.utf16_units("é") == 1


@given(st.text())
def test_utf16_units_are_what_the_encoding_says(text):
    plain = text.encode("utf-16-le", "surrogatepass")
    assert captions.utf16_units(text) == len(plain) // 2


def test_hashtags_and_mentions():
    text = "#one two#no #zwei_3 mail@example.com @shop.one hello@ @@no see https://example.com/#anchor"
    assert captions.hashtags_in(text) == ["one", "zwei_3"]
    assert captions.mentions_in(text) == ["shop.one"]


@pytest.mark.parametrize(
    ("left", "right"),
    [("Cafe\u0301  open", "Caf\u00e9 open"), ("a\n\n#b ", "a #b"), (None, "")],
)
def test_normalised_texts_are_equal(left, right):
    assert captions.normalised(left) == captions.normalised(right)


def test_normalised_can_drop_a_character():
    assert captions.normalised("with @friend", drop="@") == captions.normalised("with friend")
