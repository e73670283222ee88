"""Captions by Claude: one call for all platforms of a product, and what is done when it does not go well at once.

A cut-off answer is asked for once more with twice the room, one that is not what was asked for once more as it is, and
captions that are too long once more with the limit shown; then they are cut. An overloaded model is replaced by the
fallback one, if there is one. All other waiting is the caller's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

import structlog

from app.captions.base import (
    Brief,
    Caption,
    CaptionDeclined,
    CaptionUnusable,
    Ledger,
    WriterMisconfigured,
    Written,
    platforms_of,
)
from app.captions.claude_calls import Ask, CallFailedError, ClaudeCalls, Reply, text_turn, turns
from app.captions.fit import fit, hashtags_for, length
from app.captions.outside import screen
from app.captions.pieces import CaptionPieces
from app.captions.prompt import PROMPT_VERSION, inputs_hash, repair_text, system_blocks, user_blocks
from app.captions.schema import PlatformAnswer

log = structlog.get_logger()

CALLS_MAX = 4
DECLINED = "The caption writer declined to write about this product. Write the caption by hand."
TOO_LONG = "The caption writer's answer was cut off twice. Shorten the product's description, or write by hand."
TOO_MUCH = "The product's text is too long for the caption writer. Shorten its description."
UNUSABLE = "The caption writer's answer could not be used. Try again, or write the caption by hand."


@dataclass(frozen=True)
class ClaudeConfig:
    """Everything the writer is told from outside."""

    api_key: str
    base_url: str
    model: str
    fallback_model: str = ""
    effort: str = "low"
    max_tokens: int = 2048
    timeout_seconds: float = 90.0


class ClaudeWriter:
    """One per process."""

    looks_at_photos = True

    def __init__(self, config: ClaudeConfig) -> None:
        self.config = config
        self.model = config.model
        self.calls = ClaudeCalls(
            api_key=config.api_key,
            base_url=config.base_url,
            effort=config.effort,
            timeout_seconds=config.timeout_seconds,
        )

    async def write(self, brief: Brief, ledger: Ledger) -> Written:
        """Write for all platforms. Raises `CaptionError`."""
        self.calls.require_working()
        job = _Job(self, brief, ledger, await self._ask(brief))
        return await job.run(None)

    async def stream(self, brief: Brief, ledger: Ledger) -> AsyncGenerator[str | Written]:
        """Give the captions' text as it is written, and what came of it last. What is given is not checked yet."""
        self.calls.require_working()
        ask, pieces = await self._ask(brief), CaptionPieces()
        job = _Job(self, brief, ledger, ask)
        first: Reply | CallFailedError | None = None
        try:
            async with aclosing(self.calls.stream(ask, ledger)) as answer:
                async for piece in answer:
                    if isinstance(piece, Reply):
                        first = piece
                    elif text := pieces.feed(piece):
                        yield text
        except CallFailedError as failed:
            first = failed
        yield await job.run(first)

    async def _ask(self, brief: Brief) -> Ask:
        model = self.config.model
        abilities = await self.calls.abilities(model)
        if abilities.is_retired or not abilities.has_structured_output:
            raise WriterMisconfigured(
                f"The model “{model}” cannot write captions. Whoever runs PostPilot has to choose another one."
            )
        return Ask(
            model=model,
            system=system_blocks(brief.voice),
            messages=turns(user_blocks(brief, with_photo=abilities.sees_images)),
            platforms=platforms_of(brief.rooms),
            max_tokens=self.config.max_tokens,
            user_key=brief.user_key,
        )

    async def aclose(self) -> None:
        await self.calls.aclose()


class _Job:
    """One product's captions, from the first call to the last."""

    def __init__(self, writer: ClaudeWriter, brief: Brief, ledger: Ledger, ask: Ask) -> None:
        self.writer = writer
        self.brief = brief
        self.ledger = ledger
        self.ask = ask
        self.hash = inputs_hash(ask.model, ask.system, ask.messages)
        self.seen: set[str] = set()

    async def run(self, first: Reply | CallFailedError | None) -> Written:
        """Call until there are captions, or no further call is of use."""
        pending = first
        for _ in range(CALLS_MAX):
            reply = await self._reply(pending)
            pending = None
            if reply is None:
                continue
            written = self._judged(reply)
            if written is not None:
                return written
        raise CaptionUnusable(UNUSABLE, detail="calls used up")

    async def _reply(self, pending: Reply | CallFailedError | None) -> Reply | None:
        """Return a reply; None when the next try is with another model or without the picture."""
        try:
            if isinstance(pending, CallFailedError):
                raise pending
            return pending if pending is not None else await self.writer.calls.create(self.ask, self.ledger)
        except CallFailedError as failed:
            failure, fallback = failed.failure, self.writer.config.fallback_model
            if failure.is_overloaded and fallback and self._once("fallback"):
                log.info("caption_call.fallback", model=self.ask.model, fallback=fallback)
                self.ask = replace(self.ask, model=fallback)
                return None
            if failure.is_about_photo and self._has_photo() and self._once("photo"):
                self.ask = replace(self.ask, messages=turns(user_blocks(self.brief, with_photo=False)))
                return None
            raise failure.error from failed

    def _judged(self, reply: Reply) -> Written | None:
        """Return the captions, or None after having changed what is asked next."""
        if reply.stop_reason == "refusal":
            raise CaptionDeclined(DECLINED, detail="refusal")
        if reply.stop_reason == "model_context_window_exceeded":
            raise CaptionUnusable(TOO_MUCH, detail=reply.stop_reason)
        if reply.stop_reason == "max_tokens":
            if not self._once("truncated"):
                raise CaptionUnusable(TOO_LONG, detail=reply.stop_reason)
            self.ask = replace(self.ask, max_tokens=self.ask.max_tokens * 2)
            return None
        made = self._made(reply.answer) if reply.answer is not None else None
        if made is None:
            if not self._once("invalid"):
                raise CaptionUnusable(UNUSABLE, detail=f"stop reason {reply.stop_reason}")
            return None
        captions, notes = made
        too_long = {}
        for room in self.brief.rooms:
            caption = captions[room.platform]
            if (size := length(caption.caption, caption.hashtags, room)) > room.text_max:
                too_long[room.platform] = size
        if too_long and self._once("long"):
            repair = [text_turn("assistant", reply.text), text_turn("user", repair_text(too_long, self.brief.rooms))]
            self.ask = replace(self.ask, messages=[*self.ask.messages, *repair])
            return None
        fitted = {room.platform: fit(captions[room.platform], room) for room in self.brief.rooms}
        return Written(
            captions=fitted,
            model=reply.model,
            prompt_version=PROMPT_VERSION,
            inputs_hash=self.hash,
            language=self.brief.voice.language,
            notes=tuple(notes),
        )

    def _made(self, answer: dict[str, PlatformAnswer]) -> tuple[dict[str, Caption], list[str]] | None:
        """Return captions out of an answer; None when it cannot be used."""
        captions: dict[str, Caption] = {}
        removed: dict[str, None] = {}
        for room in self.brief.rooms:
            one = answer[room.platform]
            ask = one.call_to_action.strip()
            text = one.caption.strip() if ask in one.caption else f"{one.caption.strip()}\n\n{ask}"
            screened = screen(text, self.brief.facts, self.brief.voice)
            if not screened.is_usable:
                log.warning("caption.unusable", platform=room.platform, reasons=screened.removed)
                return None
            removed.update(dict.fromkeys(screened.removed))
            captions[room.platform] = Caption(
                caption=screened.text,
                hashtags=hashtags_for(one.hashtags, self.brief.voice, room),
                call_to_action=ask if ask in screened.text else "",
            )
        return captions, [f"A sentence with a foreign {kind} was taken out." for kind in removed]

    def _has_photo(self) -> bool:
        return any(block["type"] == "image" for message in self.ask.messages for block in message["content"])

    def _once(self, what: str) -> bool:
        """Whether something is tried for the first time."""
        is_first = what not in self.seen
        self.seen.add(what)
        return is_first
