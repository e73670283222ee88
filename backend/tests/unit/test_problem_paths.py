"""Paths of wrong fields, as a client sent them."""

from __future__ import annotations

import pytest

from app.api.problems import _clean


class TestClean:
    @pytest.mark.parametrize(
        ("raw", "expected"),
        [
            (("body", "content"), ("body", "content")),
            (("body", "media_urls", 0), ("body", "media_urls", 0)),
            (("body", "overrides", "01a2", "content"), ("body", "overrides", "01a2", "content")),
            (("body", "scheduled_for", "function-before[_with_offset(), datetime]"), ("body", "scheduled_for")),
            (("body", "value", "str"), ("body", "value")),
            (("body", "item", "CreatePost", "content"), ("body", "item", "content")),
            (("body",), ("body",)),
            (("body", 17), ("body", 17)),
            (("query", "from"), ("query", "from")),
            (("header", "Idempotency-Key"), ("header", "idempotency-key")),
            (("path", "post_id"), ("path", "post_id")),
        ],
    )
    def test_keeps_what_was_sent_and_drops_names_of_ours(
        self, raw: tuple[str | int, ...], expected: tuple[str | int, ...]
    ) -> None:
        assert _clean(raw) == expected
