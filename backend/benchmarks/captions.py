"""How fast captions are written: the real writer and books on PostgreSQL, beside the bare SDK making the same calls."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import anthropic
import httpx
from pydantic import SecretStr
from sqlalchemy import text

from app.captions.base import Brief
from app.captions.claude_calls import turns
from app.captions.prompt import system_blocks, user_blocks
from app.captions.schema import answer_format
from app.composition import Container, build_container
from app.domain.brand_voice import Voice
from app.domain.products import ProductFacts, facts_of
from app.services.caption_service import room_of
from benchmarks.people import sign_up
from deploy.scratch import Scratch, scratch_stack

PRODUCTS = 1_000
IN_FLIGHT = 20
LATENCY_MS = 500
PLATFORMS = ("instagram", "facebook", "tiktok")
EARLY = PRODUCTS // 5
"""After so many the process has what it needs: memory is flat from here."""

Drive = Callable[[Container, UUID, Callable[[], None]], Awaitable[None]]


async def captions() -> dict[str, Any]:
    """Write for 1,000 products at 20 in flight against a provider that answers in 500 ms."""
    with scratch_stack() as scratch:
        client = await sign_up(scratch)
        user_id = UUID(client.headers["X-User"])
        await client.aclose()
        async with httpx.AsyncClient(base_url=scratch.sandbox, timeout=30, trust_env=False) as control:
            (await control.patch("/_sandbox/knobs", json={"latency_ms": LATENCY_MS})).raise_for_status()
        ours = await _ours(scratch, user_id, through_service)
        bare = await _bare(scratch)
    ideal = PRODUCTS / (PRODUCTS / IN_FLIGHT * LATENCY_MS / 1000)
    return {
        "products": PRODUCTS,
        "in_flight": IN_FLIGHT,
        "latency_ms": LATENCY_MS,
        "per_second": round(PRODUCTS / ours["seconds"], 1),
        "bare_sdk_per_second": round(PRODUCTS / bare, 1),
        "ideal_per_second": round(ideal, 1),
        "of_ideal": round(PRODUCTS / ours["seconds"] / ideal, 3),
        "of_bare_sdk": round(bare / ours["seconds"], 3),
        **{key: value for key, value in ours.items() if key != "seconds"},
    }


async def through_service(container: Container, user_id: UUID, written: Callable[[], None]) -> None:
    """Ask the service for every product at once: it keeps the number in flight itself."""

    async def one(number: int) -> None:
        result = await container.captions.write(user_id, product(number), PLATFORMS, purpose="benchmark")
        assert set(result.captions) == set(PLATFORMS)
        written()

    await asyncio.gather(*(one(number) for number in range(PRODUCTS)))


async def _ours(scratch: Scratch, user_id: UUID, drive: Drive) -> dict[str, Any]:
    container = _container(scratch)
    count, early = 0, 0.0

    def written() -> None:
        nonlocal count, early
        count += 1
        if count == EARLY:
            early = rss_megabytes()

    await container.captions.write(user_id, product(-1), PLATFORMS, purpose="warm_up")  # loads the SDK
    began = time.perf_counter()
    await drive(container, user_id, written)
    seconds = time.perf_counter() - began
    late = rss_megabytes()
    async with container.sessions() as session:
        counted = text(
            "SELECT count(*) AS calls, count(cost_micros) AS priced, sum(cost_micros) AS micros FROM ai_calls"
        )
        books = (await session.execute(counted)).one()
        spend = (await session.execute(text("SELECT micros FROM ai_spend WHERE scope = 'all'"))).scalar_one()
    await container.aclose()
    assert books.calls == books.priced == PRODUCTS + 1
    assert books.micros == spend
    return {
        "seconds": seconds,
        "rss_mb_at_200": round(early, 1),
        "rss_mb_at_1000": round(late, 1),
        "micros": int(spend),
    }


async def _bare(scratch: Scratch) -> float:
    """Make the same calls with the SDK alone."""
    container = _container(scratch)
    rooms = tuple(room_of(name, container.adapters[name].publisher.rules) for name in PLATFORMS)
    await container.aclose()
    turn = asyncio.Semaphore(IN_FLIGHT)
    sdk = anthropic.AsyncAnthropic(api_key="bench", base_url=f"{scratch.sandbox}/claude", max_retries=0)

    async def one(number: int) -> None:
        brief = Brief(product(number), rooms, Voice(), "engaging")
        async with turn:
            body: dict[str, Any] = {
                "model": "claude-haiku-5-5",
                "max_tokens": 2048,
                "system": system_blocks(brief.voice),
                "messages": turns(user_blocks(brief, with_photo=False)),
                "output_config": {"effort": "low", "format": answer_format(PLATFORMS)},
            }
            message = await sdk.messages.create(**body)
            assert message.stop_reason == "end_turn"

    await one(-1)
    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(PRODUCTS)))
    seconds = time.perf_counter() - began
    await sdk.close()
    return seconds


def _container(scratch: Scratch) -> Container:
    changes = {
        "anthropic_api_key": SecretStr("bench"),
        "anthropic_base_url": f"{scratch.sandbox}/claude",
        "ai_concurrency": IN_FLIGHT,
    }
    return build_container(scratch.settings.model_copy(update=changes), worker="bench", send=lambda _: None)


def rss_megabytes() -> float:
    """Return what this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1_000_000


def product(number: int) -> ProductFacts:
    """Return one of many products."""
    return facts_of(
        {
            "title": f"Stoneware Mug No. {number}",
            "price": f"{10 + number % 40}.50 EUR",
            "description": "Hand-thrown in small batches. Holds 350 ml. Dishwasher safe. " * 6,
            "tags": ["mug", "stoneware", f"batch{number % 50}"],
        }
    )
