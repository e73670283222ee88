"""Captions through the official SDK against a server of the Messages API that is not ours."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from factories.aimock import running_aimock
from factories.make import Factory, MadeUser
from factories.servers import MediaHost
from PIL import Image
from pydantic import SecretStr
from sqlalchemy import Row

from app.captions.base import CaptionDeclined, CaptionUnusable, WriterBusy, Written
from app.composition import Container
from app.domain.products import facts_of

PLATFORMS = ("instagram", "facebook", "tiktok")
CAPTIONS = {
    "instagram": "Dune holds 350 ml and your whole morning.",
    "facebook": "Dune is thrown by hand, 24 at a time.",
    "tiktok": "POV: Dune and no plans.",
}
COST = 195
"""900 tokens read and 210 written, in millionths of a dollar, at the price of claude-haiku-5-5."""


@pytest.fixture(scope="module")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_aimock(tmp_path_factory.mktemp("aimock") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def shop() -> Iterator[MediaHost]:
    host = MediaHost()
    yield host
    host.close()


class Desk:
    """A worker that writes through aimock, and its books."""

    def __init__(self, container: Container, rows: Factory, user: MadeUser, url: str) -> None:
        self._captions = container.captions
        self._rows = rows
        self._user = user
        self._url = url
        self._before = 0
        self._before = len(self.received())

    async def write(self, word: str, **product: Any) -> Written:
        facts = facts_of({"title": f"Mug {word}", "price": "12.50 USD", **product})
        return await self._captions.write(self._user.id, facts, PLATFORMS, purpose="test")

    async def stream(self, word: str) -> list[str | Written]:
        facts = facts_of({"title": f"Mug {word}", "price": "12.50 USD"})
        return [piece async for piece in self._captions.stream(self._user.id, facts, PLATFORMS, purpose="test")]

    async def calls(self) -> list[Row[Any]]:
        return await self._rows.execute("SELECT * FROM ai_calls ORDER BY started_at, id")

    async def spent(self) -> int:
        return int(await self._rows.scalar("SELECT micros FROM ai_spend WHERE scope = 'all'"))

    def received(self) -> list[dict[str, Any]]:
        """Return the messages that the server has got, as it wrote them down."""
        answer = httpx.get(f"{self._url}/__aimock/journal", trust_env=False).json()
        entries = answer if isinstance(answer, list) else answer["entries"]
        return [entry["body"] for entry in entries if entry["path"] == "/v1/messages"][self._before :]


@pytest.fixture
async def desk(make_worker: Callable[..., Container], rows: Factory, aimock: str) -> Desk:
    worker = make_worker(anthropic_api_key=SecretStr("mock"), anthropic_base_url=aimock, ai_timeout_seconds=2.5)
    return Desk(worker, rows, await rows.user(), aimock)


def photo(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(buffer, "JPEG")
    return buffer.getvalue()


def texts(written: Written) -> dict[str, str]:
    return {platform: caption.caption for platform, caption in written.captions.items()}


class TestInputs:
    async def test_text(self, desk: Desk) -> None:
        written = await desk.write("TEXT")
        assert texts(written) == CAPTIONS
        assert written.captions["tiktok"].hashtags == ("mug", "stoneware", "tiktok")
        [call] = await desk.calls()
        assert (call.outcome, call.input_tokens, call.output_tokens, call.cost_micros) == ("ok", 900, 210, COST)
        assert await desk.spent() == COST

    async def test_a_photo(self, desk: Desk, shop: MediaHost) -> None:
        address = shop.add(photo(3000, 2000), "image/jpeg", suffix=".jpg")
        written = await desk.write("PHOTO", image_url=address)
        assert texts(written) == CAPTIONS
        [call] = await desk.calls()
        assert (call.outcome, call.cost_micros) == ("ok", COST)
        assert shop.requests == ["/f/" + address.rpartition("/")[2]]
        assert len(desk.received()) == 1  # aimock notes only the text of what it takes

    async def test_a_photo_that_is_gone_is_left_out(self, desk: Desk, shop: MediaHost) -> None:
        assert texts(await desk.write("TEXT", image_url=f"{shop.url}/f/missing.jpg")) == CAPTIONS
        assert [row.outcome for row in await desk.calls()] == ["ok"]

    async def test_a_stream(self, desk: Desk) -> None:
        *pieces, written = await desk.stream("STREAM")
        assert "".join(str(piece) for piece in pieces) == "\n\n".join(CAPTIONS.values())
        assert len(pieces) > 3
        assert isinstance(written, Written)
        assert texts(written) == CAPTIONS
        assert [(row.outcome, row.output_tokens) for row in await desk.calls()] == [("ok", 210)]
        assert await desk.spent() == COST

    async def test_thinking_comes_first(self, desk: Desk) -> None:
        assert texts(await desk.write("THINKING")) == CAPTIONS


class TestEndings:
    @pytest.mark.parametrize(
        ("word", "expected", "outcomes", "cost"),
        [
            ("LIMITED", WriterBusy, [("error", 429, "rate_limit_error")], 0),
            ("OVERLOADED", WriterBusy, [("error", 529, "overloaded_error")], 0),
            ("REFUSED", CaptionDeclined, [("refused", 200, None)], COST),
            ("CUT TWICE", CaptionUnusable, [("truncated", 200, None)] * 2, 2 * COST),
            ("BROKEN TWICE", CaptionUnusable, [("invalid", 200, None)] * 2, 2 * COST),
        ],
    )
    async def test_each_ends_in_its_state_and_is_counted_once(
        self, desk: Desk, word: str, expected: type[Exception], outcomes: list[Any], cost: int
    ) -> None:
        with pytest.raises(expected):
            await desk.write(word)
        assert [(row.outcome, row.http_status, row.error_type) for row in await desk.calls()] == outcomes
        assert len(desk.received()) == len(outcomes)
        assert await desk.spent() == cost

    async def test_the_wait_that_is_asked_for_is_passed_on(self, desk: Desk) -> None:
        with pytest.raises(WriterBusy) as raised:
            await desk.write("LIMITED")
        assert raised.value.after_seconds == 7.0

    @pytest.mark.parametrize(("word", "first"), [("CUT ONCE", "truncated"), ("BROKEN ONCE", "invalid")])
    async def test_what_went_wrong_once_is_asked_for_again(self, desk: Desk, word: str, first: str) -> None:
        assert texts(await desk.write(word)) == CAPTIONS
        assert [row.outcome for row in await desk.calls()] == [first, "ok"]
        assert await desk.spent() == 2 * COST

    @pytest.mark.parametrize("word", ["SLOW", "DROPPED"])
    async def test_an_answer_that_never_comes_stays_counted(self, desk: Desk, word: str) -> None:
        with pytest.raises(WriterBusy):
            await desk.write(word)
        [call] = await desk.calls()
        kind = {"SLOW": "timeout", "DROPPED": "connection_error"}[word]
        assert (call.outcome, call.error_type, call.cost_micros) == ("error", kind, None)
        assert await desk.spent() == call.reserved_micros > 0

    async def test_a_body_that_is_no_json_is_unusable(self, desk: Desk) -> None:
        with pytest.raises(CaptionUnusable):
            await desk.write("MALFORMED")
        [call] = await desk.calls()
        assert (call.outcome, call.cost_micros) == ("error", None)
        assert await desk.spent() == call.reserved_micros > 0
