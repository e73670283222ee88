"""Captions by Claude over HTTP against the sandbox: every way a call can end, and that the books are right."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from contract_harness import Sandbox
from factories.make import Factory
from factories.servers import MediaHost
from factories.stage import MakeWorker
from PIL import Image
from pydantic import SecretStr
from sqlalchemy import Row

from app.captions.base import (
    BudgetUsedUp,
    CaptionDeclined,
    CaptionUnusable,
    WriterBusy,
    WriterMisconfigured,
    Written,
)
from app.composition import Container
from app.domain.products import ProductFacts, facts_of
from app.services.product_photos import ProductPhotos

MUG = facts_of(
    {
        "title": "Stoneware Mug Dune",
        "price": "12.50 USD",
        "description": "Hand-thrown in small batches. Holds 350 ml.",
        "url": "https://kiln.example/dune",
    }
)
PLATFORMS = ("instagram", "facebook", "tiktok")
CAPTION = "Stoneware Mug Dune. Hand-thrown in small batches.\n\nFind it in our shop."


@dataclass
class Desk:
    """A worker whose captions Claude writes, and its books."""

    container: Container
    rows: Factory
    user_id: UUID

    async def write(self, facts: ProductFacts = MUG, **more: Any) -> Written:
        return await self.container.captions.write(self.user_id, facts, PLATFORMS, purpose="test", **more)

    async def calls(self) -> list[Row[Any]]:
        return await self.rows.execute("SELECT * FROM ai_calls ORDER BY started_at, id")

    async def outcomes(self) -> list[str | None]:
        return [row.outcome for row in await self.calls()]

    async def spent(self) -> dict[str, int]:
        found = await self.rows.execute("SELECT scope, micros FROM ai_spend")
        return {"all" if row.scope == "all" else "user": row.micros for row in found}

    async def check_books(self) -> None:
        """The month's spend is what the calls have cost, and what is still held back for those of unknown cost."""
        kept = sum(
            (row.reserved_micros if row.cost_micros is None else row.cost_micros) or 0 for row in await self.calls()
        )
        assert await self.spent() == {"all": kept, "user": kept}


MakeDesk = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def make_desk(make_worker: MakeWorker, rows: Factory, sandbox: Sandbox) -> MakeDesk:
    async def make(**changes: Any) -> Desk:
        changes = {"anthropic_api_key": SecretStr("key"), "anthropic_base_url": f"{sandbox.url}/claude", **changes}
        return Desk(make_worker(**changes), rows, (await rows.user()).id)

    return make


@pytest.fixture
async def desk(make_desk: MakeDesk) -> Desk:
    return await make_desk()


def error(kind: str, code: str | None = None) -> dict[str, Any]:
    details = {"details": {"error_code": code}} if code else {}
    return {"type": "error", "error": {"type": kind, "message": "as told", **details}, "request_id": "req_told"}


def answer(sandbox: Sandbox, times: int = 1, **wanted: Any) -> None:
    sandbox.fault("claude.messages", "model_answer", times=times, body=wanted)


def captions_of(text: str, **more: Any) -> str:
    one = {"caption": text, "hashtags": ["mug", "#Mug", "two words", "stoneware"], "call_to_action": "", **more}
    return json.dumps({"captions": dict.fromkeys(PLATFORMS, one)})


class TestWriting:
    async def test_one_call_writes_for_all_platforms(self, desk: Desk, sandbox: Sandbox) -> None:
        written = await desk.write()
        assert {platform: caption.caption for platform, caption in written.captions.items()} == dict.fromkeys(
            PLATFORMS, CAPTION
        )
        assert written.captions["tiktok"].hashtags == ("stoneware", "mug", "dune")
        assert written.captions["tiktok"].call_to_action == "Find it in our shop."
        assert (written.model, written.prompt_version, len(written.inputs_hash)) == (
            "claude-haiku-5-5",
            "captions-1",
            64,
        )
        [call] = await desk.calls()
        assert (call.outcome, call.http_status, call.stop_reason, call.model) == (
            "ok",
            200,
            "end_turn",
            "claude-haiku-5-5",
        )
        assert call.request_id.startswith("req_")
        assert call.thinking_tokens == 40
        assert call.output_tokens > 40
        assert call.cost_micros == -(
            -(
                call.input_tokens * 100
                + call.output_tokens * 500
                + call.cache_creation_input_tokens * 125
                + call.cache_read_input_tokens * 10
            )
            // 1000
        )
        assert call.reserved_micros > call.cost_micros > 0
        await desk.check_books()
        assert sandbox.calls("claude.messages") == 1

    async def test_the_voice_is_read_from_the_cache_the_second_time(self, desk: Desk) -> None:
        await desk.write()
        await desk.write()
        first, second = await desk.calls()
        assert first.cache_creation_input_tokens == second.cache_read_input_tokens >= 512
        assert (first.cache_read_input_tokens, second.cache_creation_input_tokens) == (0, 0)

    async def test_streams_the_words_and_then_the_whole(self, desk: Desk) -> None:
        pieces = [piece async for piece in desk.container.captions.stream(desk.user_id, MUG, PLATFORMS, purpose="test")]
        assert len(pieces) > 5
        assert "".join(piece for piece in pieces if isinstance(piece, str)) == "\n\n".join([CAPTION] * 3)
        assert isinstance(pieces[-1], Written)
        assert pieces[-1].captions["facebook"].caption == CAPTION
        assert await desk.outcomes() == ["ok"]
        await desk.check_books()

    async def test_a_photo_is_sent_small_and_without_its_metadata(
        self, desk: Desk, sandbox: Sandbox, media_host: MediaHost
    ) -> None:
        exif = Image.Exif()
        exif[0x010E] = "at home, 48.85 N 2.35 E"
        buffer = io.BytesIO()
        Image.new("RGB", (3000, 2000), "teal").save(buffer, "JPEG", exif=exif)
        address = media_host.add(buffer.getvalue(), "image/jpeg", suffix=".jpg")
        await desk.write(facts_of({"title": "Mug", "image_url": address}))
        await desk.write(facts_of({"title": "Mug"}))
        seen, unseen = await desk.calls()
        assert seen.input_tokens - unseen.input_tokens == 1_600
        photos = ProductPhotos(
            sessions=desk.container.sessions,
            own=desk.container.own_files,
            remote=desk.container.remote_files,
            store=desk.container.store,
            probe=desk.container.probes[-1],
            folder=desk.container.settings.data_dir / "photos",
        )
        photo = await photos.photo(desk.user_id, facts_of({"title": "Mug", "image_url": address}))
        assert photo is not None
        with Image.open(io.BytesIO(photo.content)) as picture:
            assert (picture.size, picture.format, dict(picture.getexif())) == ((1280, 853), "JPEG", {})

    @pytest.mark.parametrize("content", [b"", b"<svg/>", b"\xff\xd8\xff but no picture"])
    async def test_a_photo_that_is_none_is_left_out(self, desk: Desk, media_host: MediaHost, content: bytes) -> None:
        address = media_host.add(content, "image/jpeg", suffix=".jpg")
        written = await desk.write(facts_of({"title": "Mug", "image_url": address}))
        assert set(written.captions) == set(PLATFORMS)

    async def test_a_private_address_is_not_fetched(self, desk: Desk) -> None:
        private = facts_of({"title": "Mug", "image_url": "http://127.0.0.1:1/photo.jpg"})
        assert (await desk.write(private)).captions["instagram"].caption.startswith("Mug")

    async def test_a_model_without_effort_is_not_sent_any(self, make_desk: MakeDesk) -> None:
        desk = await make_desk(ai_caption_model="claude-haiku-4-5")
        assert (await desk.write()).model == "claude-haiku-4-5"

    async def test_a_retired_model_is_not_called(self, make_desk: MakeDesk) -> None:
        desk = await make_desk(ai_caption_model="claude-sonnet-3-7")
        with pytest.raises(WriterMisconfigured):
            await desk.write()
        assert await desk.calls() == []


BUSY, WRONG = WriterBusy, WriterMisconfigured
ERRORS = [
    (400, error("invalid_request_error"), WRONG, "invalid_request_error"),
    (400, error("invalid_request_error", "enforced_spend_limit_reached"), WRONG, "invalid_request_error"),
    (401, error("authentication_error"), WRONG, "authentication_error"),
    (402, error("billing_error"), WRONG, "billing_error"),
    (403, error("permission_error"), WRONG, "permission_error"),
    (404, error("not_found_error"), WRONG, "not_found_error"),
    (409, error("conflict_error"), BUSY, "conflict_error"),
    (413, error("request_too_large"), WRONG, "request_too_large"),
    (429, error("rate_limit_error"), BUSY, "rate_limit_error"),
    (429, error("rate_limit_error", "ramp_limit_exceeded"), BUSY, "rate_limit_error"),
    (429, error("rate_limit_error", "enforced_spend_limit_reached"), WRONG, "rate_limit_error"),
    (429, error("rate_limit_error", "contract_spend_limit_reached"), WRONG, "rate_limit_error"),
    (500, error("api_error"), BUSY, "api_error"),
    (502, "<html>Bad gateway</html>", BUSY, "InternalServerError"),
    (504, error("timeout_error"), BUSY, "timeout_error"),
    (529, error("overloaded_error"), BUSY, "overloaded_error"),
]


class TestErrors:
    @pytest.mark.parametrize(("status", "body", "expected", "kind"), ERRORS)
    async def test_each_ends_in_its_own_way_and_is_called_once(
        self, desk: Desk, sandbox: Sandbox, status: int, body: Any, expected: type[Exception], kind: str
    ) -> None:
        sandbox.fault("claude.messages", "error_before", status=status, body=body)
        with pytest.raises(expected):
            await desk.write()
        [call] = await desk.calls()
        assert (call.outcome, call.http_status, call.error_type, call.cost_micros) == ("error", status, kind, 0)
        assert sandbox.calls("claude.messages") == 1
        await desk.check_books()

    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ({"retry-after": "7"}, 7.0),
            ({"retry-after": "86400"}, 900.0),
            ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
            ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
            ({"retry-after": "soon"}, None),
            ({}, None),
        ],
    )
    async def test_a_wait_is_passed_on_within_bounds(
        self, desk: Desk, sandbox: Sandbox, headers: dict[str, str], expected: float | None
    ) -> None:
        sandbox.fault("claude.messages", "error_before", status=429, body=error("rate_limit_error"), headers=headers)
        with pytest.raises(WriterBusy) as raised:
            await desk.write()
        assert raised.value.after_seconds == expected

    @pytest.mark.parametrize("status", [401, 402, 403])
    async def test_what_only_the_operator_can_mend_is_not_called_again_for_a_while(
        self, desk: Desk, sandbox: Sandbox, status: int
    ) -> None:
        sandbox.fault("claude.messages", "error_before", status=status, body=error("authentication_error"))
        for _ in range(3):
            with pytest.raises(WriterMisconfigured):
                await desk.write()
        assert sandbox.calls("claude.messages") == 1
        assert await desk.outcomes() == ["error"]

    async def test_an_overloaded_model_is_replaced_by_the_fallback(self, make_desk: MakeDesk, sandbox: Sandbox) -> None:
        desk = await make_desk(ai_caption_fallback_model="claude-sonnet-5-5")
        sandbox.fault("claude.messages", "error_before", status=529, body=error("overloaded_error"))
        assert (await desk.write()).model == "claude-sonnet-5-5"
        assert [(row.model, row.outcome) for row in await desk.calls()] == [
            ("claude-haiku-5-5", "error"),
            ("claude-sonnet-5-5", "ok"),
        ]
        await desk.check_books()

    async def test_a_slow_answer_is_given_up_and_what_it_may_cost_stays_counted(
        self, make_desk: MakeDesk, sandbox: Sandbox
    ) -> None:
        desk = await make_desk(ai_timeout_seconds=0.4)
        sandbox.fault("claude.messages", "delay", seconds=3)
        with pytest.raises(WriterBusy):
            await desk.write()
        [call] = await desk.calls()
        assert (call.outcome, call.error_type, call.cost_micros) == ("error", "timeout", None)
        await desk.check_books()

    async def test_a_lost_answer_stays_counted(self, desk: Desk, sandbox: Sandbox) -> None:
        sandbox.fault("claude.messages", "drop_after")
        with pytest.raises(WriterBusy):
            await desk.write()
        [call] = await desk.calls()
        assert (call.outcome, call.error_type, call.cost_micros) == ("error", "connection_error", None)
        await desk.check_books()

    async def test_a_provider_that_is_not_there_costs_nothing(self, make_desk: MakeDesk) -> None:
        desk = await make_desk(anthropic_base_url="http://127.0.0.1:9")
        with pytest.raises(WriterBusy):
            await desk.write()
        assert [(row.error_type, row.cost_micros) for row in await desk.calls()] == [("connection_error", 0)]
        assert await desk.spent() == {"all": 0, "user": 0}

    async def test_a_cancelled_call_is_settled(self, desk: Desk, sandbox: Sandbox) -> None:
        sandbox.fault("claude.messages", "delay", seconds=3)
        task = asyncio.create_task(desk.write())
        await asyncio.sleep(0.5)
        assert sandbox.calls("claude.messages") == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        [call] = await desk.calls()
        assert (call.outcome, call.error_type, call.cost_micros) == ("error", "cancelled", None)
        await desk.check_books()

    async def test_a_listener_that_leaves_is_settled(self, desk: Desk) -> None:
        stream = desk.container.captions.stream(desk.user_id, MUG, PLATFORMS, purpose="test")
        assert isinstance(await anext(stream), str)
        await stream.aclose()
        assert await desk.outcomes() == ["error"]
        await desk.check_books()


class TestStopReasons:
    async def test_a_cut_off_answer_is_asked_for_with_twice_the_room(
        self, make_desk: MakeDesk, sandbox: Sandbox
    ) -> None:
        desk = await make_desk(ai_caption_max_tokens=256)
        answer(sandbox, stop_reason="max_tokens", text='{"captions": {"inst')
        written = await desk.write()
        assert written.captions["instagram"].caption == CAPTION
        assert await desk.outcomes() == ["truncated", "ok"]
        assert all(row.cost_micros > 0 for row in await desk.calls())
        await desk.check_books()

    async def test_twice_cut_off_is_given_up(self, desk: Desk, sandbox: Sandbox) -> None:
        answer(sandbox, times=2, stop_reason="max_tokens", text="")
        with pytest.raises(CaptionUnusable):
            await desk.write()
        assert await desk.outcomes() == ["truncated", "truncated"]
        await desk.check_books()

    @pytest.mark.parametrize("text", ["", "I would rather not write about this."])
    async def test_a_refusal_is_told_and_paid_once(self, desk: Desk, sandbox: Sandbox, text: str) -> None:
        details = {"type": "refusal", "category": "general_harms", "explanation": None}
        answer(sandbox, stop_reason="refusal", text=text, stop_details=details)
        with pytest.raises(CaptionDeclined):
            await desk.write()
        [call] = await desk.calls()
        assert (call.outcome, call.stop_reason) == ("refused", "refusal")
        assert call.cost_micros > 0
        await desk.check_books()

    @pytest.mark.parametrize(
        ("stop_reason", "outcomes"),
        [
            ("model_context_window_exceeded", ["invalid"]),
            ("tool_use", ["invalid", "invalid"]),
            ("something_new", ["invalid", "invalid"]),
        ],
    )
    async def test_other_endings_are_unusable(
        self, desk: Desk, sandbox: Sandbox, stop_reason: str, outcomes: list[str]
    ) -> None:
        answer(sandbox, times=2, stop_reason=stop_reason)
        with pytest.raises(CaptionUnusable):
            await desk.write()
        assert await desk.outcomes() == outcomes
        assert {row.stop_reason for row in await desk.calls()} == {stop_reason}

    @pytest.mark.parametrize(
        "text",
        [
            "not JSON",
            '{"captions": {}}',
            '{"captions": {"instagram": {"caption": "x", "hashtags": [], "call_to_action": ""}}}',
            captions_of("x", extra=1),
            captions_of("  "),
        ],
    )
    async def test_a_wrong_answer_is_asked_for_once_more(self, desk: Desk, sandbox: Sandbox, text: str) -> None:
        answer(sandbox, text=text)
        assert (await desk.write()).captions["facebook"].caption == CAPTION
        answer(sandbox, times=2, text=text)
        with pytest.raises(CaptionUnusable):
            await desk.write()
        assert len(await desk.calls()) == 4
        await desk.check_books()


class TestFitting:
    async def test_hashtags_are_cleaned(self, desk: Desk, sandbox: Sandbox) -> None:
        answer(sandbox, text=captions_of("A mug for slow mornings."))
        assert (await desk.write()).captions["instagram"].hashtags == ("mug", "stoneware")

    async def test_too_long_is_repaired_once(self, make_desk: MakeDesk, sandbox: Sandbox) -> None:
        desk = await make_desk(ai_caption_max_tokens=16_000)
        answer(sandbox, text=captions_of("Long sentence. " * 200))
        written = await desk.write()
        assert written.captions["instagram"].caption == CAPTION
        assert not written.captions["instagram"].is_shortened
        assert await desk.outcomes() == ["ok", "ok"]

    async def test_still_too_long_is_cut_at_a_sentence(self, make_desk: MakeDesk, sandbox: Sandbox) -> None:
        desk = await make_desk(ai_caption_max_tokens=16_000)
        answer(sandbox, times=2, text=captions_of("Long sentence. " * 200))
        written = await desk.write()
        assert len(written.captions["instagram"].caption) <= 2200
        assert written.captions["instagram"].caption.endswith("Long sentence.")
        assert {p: c.is_shortened for p, c in written.captions.items()} == {
            "instagram": True,
            "facebook": False,
            "tiktok": True,
        }
        assert await desk.outcomes() == ["ok", "ok"]


class TestBudget:
    async def test_what_does_not_fit_is_not_called(self, make_desk: MakeDesk, sandbox: Sandbox) -> None:
        desk = await make_desk(ai_monthly_budget_usd=Decimal("0.000001"))
        with pytest.raises(BudgetUsedUp):
            await desk.write()
        assert sandbox.calls("claude.messages") == 0
        assert await desk.calls() == []

    async def test_a_budget_needs_a_known_price(self, make_desk: MakeDesk, sandbox: Sandbox) -> None:
        desk = await make_desk(ai_monthly_budget_usd=Decimal(5), ai_caption_model="a-gateway-model")
        with pytest.raises(WriterMisconfigured, match="not known"):
            await desk.write()
        assert sandbox.calls("claude.messages") == 0
