"""One call to Claude through the official SDK, with its entry in the books: begun before, settled exactly once."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from app.captions.base import Ledger, Settlement, Usage, WriterMisconfigured
from app.captions.claude_errors import Failure, failure_of
from app.captions.claude_models import Abilities, ModelDirectory
from app.captions.schema import PlatformAnswer, answer_format, read_answer

log = structlog.get_logger()

CONNECT_SECONDS = 5.0
BROKEN_SECONDS = 300.0
"""How long no call is made after one that only the operator can help with."""
IMAGE_TOKENS_MAX = 2_500
"""More than a picture of 1280 × 1280 pixels counts for (width × height / 750). Source: claude.md §5, unconfirmed."""
OVERHEAD_TOKENS = 800
"""What the answer's schema and the turn's frame may count for."""


@dataclass(frozen=True)
class Ask:
    """What one call sends."""

    model: str
    system: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    platforms: tuple[str, ...]
    max_tokens: int
    user_key: str

    @property
    def input_tokens_max(self) -> int:
        """An upper estimate: a token is two bytes or more in every language."""
        size = sum(len(block["text"].encode()) for block in self.system)
        tokens = OVERHEAD_TOKENS
        for message in self.messages:
            for block in message["content"]:
                size += len(block["text"].encode()) if block["type"] == "text" else 0
                tokens += IMAGE_TOKENS_MAX if block["type"] == "image" else 0
        return tokens + size // 2


@dataclass(frozen=True)
class Reply:
    """What came back."""

    model: str
    text: str
    stop_reason: str
    answer: dict[str, PlatformAnswer] | None
    """The captions, when the answer ended well and is what was asked for."""


class CallFailedError(Exception):
    """A call that failed; settled already."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error.sentence)
        self.failure = failure


class ClaudeCalls:
    """The SDK's client, made when it is first used: loading it costs a process about 50 MB."""

    def __init__(self, *, api_key: str, base_url: str, effort: str, timeout_seconds: float) -> None:
        self._api_key = api_key
        self._base_url = base_url
        self._effort = effort
        self._timeout_seconds = timeout_seconds
        self._directory = ModelDirectory()
        self._sdk: Any = None
        self._client: Any = None
        self._loading = asyncio.Lock()
        self._broken_until = 0.0
        self._broken: WriterMisconfigured | None = None
        self._settling: set[asyncio.Task[None]] = set()

    async def client(self) -> Any:
        """Return the client. Key and address are passed, so that nothing is read from the environment."""
        async with self._loading:
            if self._client is None:
                self._sdk = await asyncio.to_thread(importlib.import_module, "anthropic")
                limits = self._sdk.Timeout(self._timeout_seconds, connect=CONNECT_SECONDS)
                self._client = self._sdk.AsyncAnthropic(
                    api_key=self._api_key, base_url=self._base_url, timeout=limits, max_retries=0
                )
        return self._client

    async def abilities(self, model: str) -> Abilities:
        return await self._directory.abilities(await self.client(), model)

    def require_working(self) -> None:
        """Raise `WriterMisconfigured` while it is no use to call."""
        if self._broken is not None and time.monotonic() < self._broken_until:
            raise WriterMisconfigured(self._broken.sentence, detail=self._broken.detail)

    async def body(self, ask: Ask) -> dict[str, Any]:
        """Return what is sent."""
        abilities = await self.abilities(ask.model)
        output: dict[str, Any] = {"format": answer_format(ask.platforms)}
        if self._effort and abilities.has_effort:
            output["effort"] = self._effort
        return {
            "model": ask.model,
            "max_tokens": min(ask.max_tokens, abilities.max_tokens),
            "system": ask.system,
            "messages": ask.messages,
            "output_config": output,
            "metadata": {"user_id": ask.user_key},
        }

    async def create(self, ask: Ask, ledger: Ledger) -> Reply:
        """Make one call. Raises `CallFailedError`, and `CaptionError` where the books do not allow it."""
        client, body = await self.client(), await self.body(ask)
        call_id = await ledger.begin(
            model=ask.model, input_tokens_max=ask.input_tokens_max, output_tokens_max=body["max_tokens"]
        )
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                message = await client.messages.create(**body)
            reply, settlement = self._read(message, ask, started)
        except BaseException as error:
            await self._failed(error, call_id, ledger, ask, started)
            raise
        await self._settle(ledger, call_id, settlement)
        return reply

    async def stream(self, ask: Ask, ledger: Ledger) -> AsyncGenerator[str | Reply]:
        """Make one call and give its text as it comes, then the whole. Raises as `create` does."""
        client, body = await self.client(), await self.body(ask)
        call_id = await ledger.begin(
            model=ask.model, input_tokens_max=ask.input_tokens_max, output_tokens_max=body["max_tokens"]
        )
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_seconds
        try:
            async with client.messages.stream(**body) as events:
                pieces = aiter(events.text_stream)
                while True:
                    async with asyncio.timeout_at(deadline):
                        piece = await anext(pieces, None)
                    if piece is None:
                        break
                    yield piece
                async with asyncio.timeout_at(deadline):
                    message = await events.get_final_message()
            reply, settlement = self._read(message, ask, started)
        except BaseException as error:  # also when nobody listens any more
            await self._failed(error, call_id, ledger, ask, started)
            raise
        await self._settle(ledger, call_id, settlement)
        yield reply

    async def _failed(self, error: BaseException, call_id: UUID, ledger: Ledger, ask: Ask, started: float) -> None:
        """Settle a call that did not end well, and raise what it means, if it is not about this process."""
        duration = _since(started)
        if not isinstance(error, Exception):  # cancelled: the provider may have answered and charged for it
            await self._settle(
                ledger,
                call_id,
                Settlement("error", error_type="cancelled", duration_ms=duration, is_cost_known=False),
            )
            return
        failure = failure_of(error, self._sdk, model=ask.model, duration_ms=duration)
        await self._settle(ledger, call_id, failure.settlement)
        log.warning("caption_call.failed", call_id=str(call_id), code=failure.error.code, detail=failure.error.detail)
        if failure.is_for_operator and isinstance(failure.error, WriterMisconfigured):
            self._broken, self._broken_until = failure.error, time.monotonic() + BROKEN_SECONDS
        raise CallFailedError(failure) from error

    async def _settle(self, ledger: Ledger, call_id: UUID, settlement: Settlement) -> None:
        """Write it down even when this task is cancelled meanwhile."""
        task = asyncio.ensure_future(ledger.settle(call_id, settlement))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        await asyncio.shield(task)

    def _read(self, message: Any, ask: Ask, started: float) -> tuple[Reply, Settlement]:
        text = "".join(block.text for block in message.content if block.type == "text")
        stop_reason = str(message.stop_reason)
        is_complete = stop_reason in ("end_turn", "stop_sequence")
        answer = read_answer(text, ask.platforms) if is_complete else None
        settlement = Settlement(
            outcome=_outcome(stop_reason, is_good=answer is not None),
            usage=usage_of(message.usage),
            model=str(message.model),
            http_status=200,
            stop_reason=stop_reason,
            request_id=getattr(message, "_request_id", None),
            duration_ms=_since(started),
        )
        return Reply(str(message.model), text, stop_reason, answer), settlement

    async def aclose(self) -> None:
        if self._settling:
            await asyncio.gather(*self._settling, return_exceptions=True)
        if self._client is not None:
            await self._client.close()


def _outcome(stop_reason: str, *, is_good: bool) -> str:
    if stop_reason == "refusal":
        return "refused"
    if stop_reason == "max_tokens":
        return "truncated"
    return "ok" if is_good else "invalid"


def usage_of(usage: Any) -> Usage:
    """Read the provider's count, leniently: gateways leave parts of it out."""
    details = getattr(usage, "output_tokens_details", None)
    return Usage(
        input_tokens=usage.input_tokens or 0,
        output_tokens=usage.output_tokens or 0,
        cache_creation_input_tokens=getattr(usage, "cache_creation_input_tokens", None) or 0,
        cache_read_input_tokens=getattr(usage, "cache_read_input_tokens", None) or 0,
        thinking_tokens=getattr(details, "thinking_tokens", None) or 0,
        service_tier=getattr(usage, "service_tier", None),
    )


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def text_turn(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def turns(user: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(user)}]
