"""What somebody learns who guesses: how long answers take for known and unknown addresses, and how many of 10,000
guesses are looked at. On two API processes, which count together."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from app.domain.tries import REGISTER_BY_PLACE, SIGN_IN_BY_ACCOUNT, SIGN_IN_BY_PLACE
from deploy.scratch import scratch_stack

KNOWN = 120
GUESSES = 10_000
PLACES = 100
IN_FLIGHT = 20
PASSWORD = "measured with care"  # noqa: S105 - of users that live for a minute
Ask = Callable[[httpx.AsyncClient, str, str], Awaitable[int]]


async def sign_in() -> dict[str, Any]:
    """Measure both kinds of sign-up, one after the other."""
    found: dict[str, Any] = {}
    with scratch_stack(API_WORKERS="2") as scratch:
        async with httpx.AsyncClient(base_url=scratch.api, timeout=60, trust_env=False) as http:
            await _sign_up(http)
            found["login"] = await _compare(http, _login)
            found["forgot_password"] = await _compare(http, _forgot)
            found["guesses"] = await _guess(http)
    with scratch_stack(API_WORKERS="2", SIGN_UP_CONFIRMS_EMAIL="true") as scratch:
        async with httpx.AsyncClient(base_url=scratch.api, timeout=60, trust_env=False) as http:
            await _sign_up(http)
            found["register_that_confirms"] = await _compare(http, _register)
    return found


async def _sign_up(http: httpx.AsyncClient) -> None:
    for number in range(KNOWN):
        status = await _register(http, _known(number), _place(number // (REGISTER_BY_PLACE.count - 5)))
        assert status in (201, 202), status


async def _compare(http: httpx.AsyncClient, ask: Ask) -> dict[str, Any]:
    """Ask about known and unknown addresses in random turns, one after the other, each once and from a place of its
    own, and return how long each took."""
    turns = [(True, _known(n)) for n in range(KNOWN)] + [(False, f"nobody{n}@example.com") for n in range(KNOWN)]
    random.Random(7).shuffle(turns)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    answers: dict[bool, set[int]] = {True: set(), False: set()}
    for number, (is_known, email) in enumerate(turns):
        began = time.perf_counter()
        status = await ask(http, email, _place(1_000 + number))
        seconds[is_known].append(time.perf_counter() - began)
        answers[is_known].add(status)
    assert answers[True] == answers[False], answers
    known, unknown = sorted(seconds[True]), sorted(seconds[False])
    return {
        "answers": KNOWN * 2,
        "status_of_both": answers[True].pop(),
        "known_median_ms": round(statistics.median(known) * 1000, 2),
        "unknown_median_ms": round(statistics.median(unknown) * 1000, 2),
        "known_p95_ms": round(known[int(KNOWN * 0.95)] * 1000, 2),
        "unknown_p95_ms": round(unknown[int(KNOWN * 0.95)] * 1000, 2),
        "right_guesses_by_time": round(_advantage(known, unknown), 3),
    }


def _advantage(known: list[float], unknown: list[float]) -> float:
    """Return how often the slower one of two is the known one (Mann-Whitney): 0.5 tells nothing, 1 or 0 tells all.
    The standard error of a fair coin at this size is 0.037."""
    slower = sum(1 for one in known for other in unknown if one > other)
    return slower / (len(known) * len(unknown))


async def _guess(http: httpx.AsyncClient) -> dict[str, Any]:
    """Guess one person's password from a hundred places."""
    turn = asyncio.Semaphore(IN_FLIGHT)

    async def one(number: int) -> int:
        async with turn:
            return await _login(http, _known(0), _place(10_000 + number % PLACES))

    began = time.perf_counter()
    answers = Counter(await asyncio.gather(*(one(number) for number in range(GUESSES))))
    seconds = time.perf_counter() - began
    at_everybody: Counter[int] = Counter()
    for number in range(200):
        status = await _login(http, f"somebody{number}@example.com", _place(20_000))
        at_everybody[status] += 1
    return {
        "guesses_at_one_person": GUESSES,
        "places": PLACES,
        "looked_at": answers[401],
        "documented": SIGN_IN_BY_ACCOUNT.count,
        "refused": answers[429],
        "refusals_per_second": round(answers[429] / seconds),
        "looked_at_from_one_place": at_everybody[401],
        "documented_for_one_place": SIGN_IN_BY_PLACE.count,
    }


async def _login(http: httpx.AsyncClient, email: str, place: str) -> int:
    return await _send(http, "/auth/login", {"email": email, "password": "a wrong password"}, place)


async def _forgot(http: httpx.AsyncClient, email: str, place: str) -> int:
    return await _send(http, "/auth/forgot-password", {"email": email}, place)


async def _register(http: httpx.AsyncClient, email: str, place: str) -> int:
    return await _send(http, "/auth/register", {"email": email, "password": PASSWORD}, place)


async def _send(http: httpx.AsyncClient, path: str, body: dict[str, str], place: str) -> int:
    response = await http.post(path, json=body, headers={"X-Forwarded-For": place})
    return response.status_code


def _known(number: int) -> str:
    return f"known{number}@example.com"


def _place(number: int) -> str:
    """Return an address of the range that is set apart for measuring (RFC 2544)."""
    return f"198.{18 + number // 65_536}.{number // 256 % 256}.{number % 256}"
