"""The brand voice and the costs of captions, over the API; and the books under pressure."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest
from factories.answers import problem
from factories.clock import SteerableClock
from factories.make import Factory, MadeUser

from app.captions.base import BudgetUsedUp, Settlement, Usage, WriterMisconfigured
from app.composition import Container
from app.services.ai_ledger import AiBooks

DEFAULTS = {
    "shop_name": "",
    "tone": "engaging",
    "language": "en",
    "emoji": "few",
    "words_to_use": [],
    "words_to_avoid": [],
    "hashtags_always": [],
    "hashtags_never": [],
    "hashtags_count": 5,
    "mentions": [],
    "link_domains": [],
    "examples": [],
    "notes": "",
    "tones": ["engaging", "friendly", "professional", "playful", "elegant", "informative", "bold"],
}
HAIKU = "claude-haiku-5-5"


class TestVoice:
    async def test_a_new_user_has_the_defaults(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        response = await client.get("/brand-voice")
        assert (response.status_code, response.json()) == (200, DEFAULTS)

    async def test_is_replaced_as_a_whole(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        body = {"shop_name": " Kiln ", "language": "pt_BR", "hashtags_always": ["#Kiln"], "mentions": ["@kiln.co"]}
        expected = {
            **DEFAULTS, "shop_name": "Kiln", "language": "pt-BR", "hashtags_always": ["Kiln"], "mentions": ["kiln.co"],
        }  # fmt: skip
        response = await client.put("/brand-voice", json=body)
        assert (response.status_code, response.json()) == (200, expected)
        assert (await client.get("/brand-voice")).json() == expected
        await client.put("/brand-voice", json={"emoji": "none"})
        assert (await client.get("/brand-voice")).json() == {**DEFAULTS, "emoji": "none"}

    @pytest.mark.parametrize(
        ("body", "loc", "words"),
        [
            ({"language": "klingonish"}, ["body", "language"], "is not a language"),
            ({"hashtags_always": ["two words"]}, ["body", "hashtags_always", 0], "is not a hashtag"),
            ({"mentions": ["a b"]}, ["body", "mentions", 0], "is not the name of an account"),
            ({"link_domains": ["https://x.example/a"]}, ["body", "link_domains", 0], "is not a domain"),
            ({"emoji": "lots"}, ["body", "emoji"], "none"),
            ({"hashtags_count": 31}, ["body", "hashtags_count"], "30"),
            ({"volume": "loud"}, ["body", "volume"], "not permitted"),
        ],
    )
    async def test_says_what_is_wrong(
        self, client: httpx.AsyncClient, signed_in: MadeUser, body: dict[str, Any], loc: list[Any], words: str
    ) -> None:
        response = await client.put("/brand-voice", json=body)
        assert problem(response) == (422, "invalid_request")
        [error] = response.json()["errors"]
        assert error["loc"] == loc
        assert words in error["msg"]
        assert (await client.get("/brand-voice")).json() == DEFAULTS

    async def test_is_only_for_those_who_are_signed_in(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/brand-voice")).status_code == 401
        assert (await client.put("/brand-voice", json={})).status_code == 401
        assert (await client.get("/ai/usage")).status_code == 401


class TestUsage:
    async def test_a_new_user_has_used_nothing(
        self, client: httpx.AsyncClient, signed_in: MadeUser, api_clock: SteerableClock
    ) -> None:
        assert (await client.get("/ai/usage")).json() == {
            "month": api_clock().strftime("%Y-%m"),
            "writer": "template",
            "model": "template",
            "calls": 0,
            "input_tokens": 0,
            "output_tokens": 0,
            "cost_micros": 0,
            "unknown_cost_calls": 0,
            "counted_micros": 0,
            "budget_cents": None,
            "items": [],
        }

    async def test_adds_up_calls_and_says_what_is_not_known(
        self, client: httpx.AsyncClient, signed_in: MadeUser, container: Container
    ) -> None:
        ledger = container.ai_books.ledger(signed_in.id, purpose="test")
        sizes = {"input_tokens_max": 2_000, "output_tokens_max": 1_000}
        first = await ledger.begin(model=HAIKU, **sizes)
        usage = Usage(input_tokens=1_000, output_tokens=300, cache_read_input_tokens=500, thinking_tokens=60)
        await ledger.settle(first, Settlement("ok", usage, HAIKU, 200))
        second = await ledger.begin(model="a-gateway-model", **sizes)
        await ledger.settle(second, Settlement("ok", Usage(10, 20), "a-gateway-model", 200))
        third = await ledger.begin(model=HAIKU, **sizes)
        await ledger.settle(third, Settlement("error", error_type="timeout", is_cost_known=False))
        found = (await client.get("/ai/usage")).json()
        cost, held = 100 + 150 + 5, 250 + 500
        assert [
            (row["model"], row["outcome"], row["cost_micros"], row["unknown_cost_calls"]) for row in found["items"]
        ] == [
            ("a-gateway-model", "ok", 0, 1),
            (HAIKU, "error", 0, 1),
            (HAIKU, "ok", cost, 0),
        ]
        assert (found["calls"], found["input_tokens"], found["output_tokens"]) == (3, 1_510, 320)
        assert (found["cost_micros"], found["unknown_cost_calls"], found["counted_micros"]) == (cost, 2, cost + held)
        assert (await client.get("/ai/usage?month=2020-01")).json()["calls"] == 0
        assert problem(await client.get("/ai/usage?month=2020-13")) == (422, "invalid_request")

    async def test_the_budget_is_kept_beside_the_voice(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        await client.put("/brand-voice", json={"tone": "bold"})
        assert (await client.put("/ai/budget", json={"monthly_cents": 250})).json()["budget_cents"] == 250
        assert (await client.get("/brand-voice")).json()["tone"] == "bold"
        assert (await client.put("/ai/budget", json={"monthly_cents": None})).json()["budget_cents"] is None
        assert problem(await client.put("/ai/budget", json={"monthly_cents": -1})) == (422, "invalid_request")


SIZES = {"input_tokens_max": 8_000, "output_tokens_max": 0}
"""Costs 1,000 millionths of a dollar at most."""


class TestBooks:
    async def test_fifty_at_once_hold_back_exactly_what_fits(
        self, rows: Factory, owner: MadeUser, committed: Container
    ) -> None:
        books = AiBooks(committed.sessions, committed.clock, monthly_budget_micros=7_999)
        ledger = books.ledger(owner.id, purpose="test")
        begun = await asyncio.gather(*(ledger.begin(model=HAIKU, **SIZES) for _ in range(50)), return_exceptions=True)
        assert sum(isinstance(one, BudgetUsedUp) for one in begun) == 43
        assert await rows.count("ai_calls") == 7
        assert {row.micros for row in await rows.execute("SELECT micros FROM ai_spend")} == {7_000}

    async def test_a_users_own_budget_leaves_the_others_alone(
        self, rows: Factory, owner: MadeUser, real_client: httpx.AsyncClient, committed: Container
    ) -> None:
        await real_client.put("/ai/budget", json={"monthly_cents": 0})
        other = await rows.user()
        with pytest.raises(BudgetUsedUp, match="Your budget"):
            await committed.ai_books.ledger(owner.id, purpose="test").begin(model=HAIKU, **SIZES)
        await committed.ai_books.ledger(other.id, purpose="test").begin(model=HAIKU, **SIZES)
        found = await rows.execute("SELECT scope, micros FROM ai_spend ORDER BY micros")
        assert {row.scope: row.micros for row in found} == {"all": 1_000, str(other.id): 1_000}

    async def test_the_second_settlement_changes_nothing(
        self, rows: Factory, owner: MadeUser, committed: Container
    ) -> None:
        ledger = committed.ai_books.ledger(owner.id, purpose="test")
        call = await ledger.begin(model=HAIKU, **SIZES)
        good = Settlement("ok", Usage(input_tokens=1_000), HAIKU, 200)
        await asyncio.gather(*(ledger.settle(call, good) for _ in range(5)))
        await ledger.settle(call, Settlement("error", Usage(input_tokens=9_000)))
        assert await rows.scalar("SELECT micros FROM ai_spend WHERE scope = 'all'") == 100
        assert await rows.scalar("SELECT outcome || cost_micros FROM ai_calls") == "ok100"

    async def test_a_lost_call_keeps_its_estimate_until_its_answer_comes(
        self, rows: Factory, owner: MadeUser, committed: Container, api_clock: SteerableClock
    ) -> None:
        ledger = committed.ai_books.ledger(owner.id, purpose="test")
        call = await ledger.begin(model=HAIKU, **SIZES)
        api_clock.move(timedelta(minutes=9))
        assert await committed.ai_books.sweep() == 0
        api_clock.move(timedelta(minutes=2))
        assert (await committed.ai_books.sweep(), await committed.ai_books.sweep()) == (1, 0)
        assert await rows.scalar("SELECT outcome FROM ai_calls") == "lost"
        assert await rows.scalar("SELECT micros FROM ai_spend WHERE scope = 'all'") == 1_000
        await ledger.settle(call, Settlement("ok", Usage(input_tokens=1_000), HAIKU, 200))
        assert await rows.scalar("SELECT micros FROM ai_spend WHERE scope = 'all'") == 100

    async def test_without_a_price_a_budget_cannot_be_kept(
        self, rows: Factory, owner: MadeUser, committed: Container
    ) -> None:
        books = AiBooks(committed.sessions, committed.clock, monthly_budget_micros=1)
        with pytest.raises(WriterMisconfigured, match="What the model “x” costs is not known"):
            await books.ledger(owner.id, purpose="test").begin(model="x", **SIZES)
        assert await rows.count("ai_calls") == 0

    async def test_an_item_that_is_gone_is_left_out(self, rows: Factory, owner: MadeUser, committed: Container) -> None:
        ledger = committed.ai_books.ledger(owner.id, purpose="test", item_id=uuid4())
        await ledger.begin(model=HAIKU, **SIZES)
        assert await rows.scalar("SELECT item_id IS NULL FROM ai_calls") is True

    def test_a_budget_in_dollars_is_exact(self) -> None:
        assert int(Decimal("0.07") * 100 * 10_000) == 70_000
