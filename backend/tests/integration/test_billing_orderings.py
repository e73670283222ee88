"""Whole lives of subscriptions, with events delivered twice, late and in any order: the plan is right in the end.

What is right is read off the sandbox's own objects by a table (`factories.till.expected`), not from the product."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from factories.till import FAILS_LATER, GOOD, Till, expected
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LIFE = ("buy", "trial_ends", "fail", "recover", "upgrade", "downgrade", "cancel")
RIGHT = {
    "buy": ("pro", "trialing"),
    "trial_ends": ("pro", "active"),
    "fail": ("pro", "past_due"),
    "recover": ("pro", "active"),
    "upgrade": ("enterprise", "active"),
    "downgrade": ("pro", "active"),
    "cancel": ("free", None),
}
TIMES = ["day", "fortnight", "month"]
PAYER = ["good_card", "bad_card", "pay", "upgrade", "downgrade", "cancel", "resume"]
ACTIONS = st.sampled_from([*TIMES, *PAYER, "api_cancel", "api_resume", "buy"])
PATIENT = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


class Courier:
    """Delivers some events now and keeps others for later, by chance; in the end all of them, and most twice."""

    def __init__(self, till: Till, customer: str, chance: random.Random) -> None:
        self.till = till
        self.customer = customer
        self.chance = chance
        self._bag: list[dict[str, Any]] = []
        self._known: set[str] = set()

    async def walk(self) -> None:
        """Deliver about half of what there is, in any order, and let the worker look once in a while."""
        self._collect()
        self.chance.shuffle(self._bag)
        for event in self._bag[: len(self._bag) // 2]:
            assert (await self.till.deliver(event)).status_code == 200
            if self.chance.random() < 0.6:  # the others stay in the bag, and come again
                self._bag.remove(event)
            if self.chance.random() < 0.3:
                await self.till.container.billing_events.work()

    async def finish(self) -> None:
        self._collect()
        self.chance.shuffle(self._bag)
        for event in self._bag:
            assert (await self.till.deliver(event)).status_code == 200
        await self.till.container.billing_events.work()
        unhandled = await self.till.rows.scalar("SELECT count(*) FROM billing_events WHERE handled_at IS NULL")
        assert unhandled == 0

    def _collect(self) -> None:
        for event in self.till.events(self.customer):
            if event["id"] not in self._known:
                self._known.add(event["id"])
                self._bag += [event] * self.chance.choice([1, 2, 2, 3])


async def live(till: Till, step: str) -> None:
    match step:
        case "trial_ends":
            till.days_pass(14.1)
        case "fail":
            await till.portal("card", card=FAILS_LATER)
            till.days_pass(31)
        case "recover":
            await till.portal("card", card=GOOD)
            await till.portal("pay")
        case "upgrade":
            await till.switch("enterprise")
        case "downgrade":
            await till.switch("pro")
            till.days_pass(31)
        case "cancel":
            await till.portal("cancel")
            till.days_pass(32)


async def try_(till: Till, action: str) -> None:
    """Do something that may not be possible now."""
    client, days = till.client, {"day": 1, "fortnight": 14.1, "month": 31}
    if action in days:
        till.days_pass(days[action])
        return
    if action in ("api_cancel", "api_resume"):
        response = await client.post(f"/billing/{action[4:]}")
        assert response.status_code in (200, 400), response.text
        return
    if action == "buy":
        response = await client.post("/billing/checkout", json={"plan": "enterprise"})
        if response.status_code == 201:
            till.pay(response.json()["session_id"])
        return
    try:
        match action:
            case "good_card":
                await till.portal("card", card=GOOD)
            case "bad_card":
                await till.portal("card", card=FAILS_LATER)
            case "upgrade":
                await till.switch("enterprise")
            case "downgrade":
                await till.switch("pro")
            case _:
                await till.portal(action)
    except AssertionError as refusal:
        assert "detail" in str(refusal)  # noqa: PT017 - the sandbox said that it is not possible now


class TestTheWholeLife:
    @PATIENT
    @given(steps=st.integers(1, len(LIFE)), seed=st.integers(0, 2**32))
    async def test_ends_in_the_right_plan_whatever_the_order(self, till: Till, steps: int, seed: int) -> None:
        await till.buyer()
        courier = Courier(till, await till.buy(), random.Random(seed))
        for step in LIFE[1:steps]:
            await courier.walk()
            await live(till, step)
        await courier.finish()
        assert await till.plan() == RIGHT[LIFE[steps - 1]]
        await _leave(till, courier.customer)

    @PATIENT
    @given(
        actions=st.lists(ACTIONS, min_size=3, max_size=14),
        card=st.sampled_from([GOOD, FAILS_LATER]),
        seed=st.integers(0, 2**32),
    )
    async def test_of_any_kind_ends_as_the_provider_says(
        self, till: Till, actions: list[str], card: str, seed: int
    ) -> None:
        await till.buyer()
        courier = Courier(till, await till.buy(card=card), random.Random(seed))
        for action in actions:
            await courier.walk()
            await try_(till, action)
        await courier.finish()
        theirs = [one for one in till.objects("subscription") if one["customer"] == courier.customer]
        assert await till.plan() == expected(theirs)
        await _leave(till, courier.customer)

    @PATIENT
    @given(seed=st.integers(0, 2**32), times=st.integers(2, 3))
    async def test_worked_off_by_several_at_once(self, till: Till, make_worker: Any, seed: int, times: int) -> None:
        chance = random.Random(seed)
        await till.buyer()
        customer = await till.buy()
        for step in ("trial_ends", "upgrade"):
            await live(till, step)
        events = till.events(customer) * 2
        chance.shuffle(events)
        names = ("stripe_secret_key", "stripe_webhook_secret", "stripe_api_base")
        others = {name: getattr(till.container.settings, name) for name in names}
        workers = [till.container, *(make_worker(f"w{n}", **others) for n in range(times - 1))]

        async def deliver(part: list[dict[str, Any]]) -> None:
            for event in part:
                assert (await till.deliver(event)).status_code == 200
                await asyncio.gather(*(worker.billing_events.work() for worker in workers))

        await asyncio.gather(*(deliver(events[n::times]) for n in range(times)))
        await till.rows.execute("UPDATE billing_events SET due_at = clock_timestamp() WHERE handled_at IS NULL")
        await till.container.billing_events.work()
        assert await till.plan() == ("enterprise", "active")
        await _leave(till, customer)


async def _leave(till: Till, customer: str) -> None:
    """End what is left, so that the next example's time does not renew it."""
    for one in till.objects("subscription"):
        if one["customer"] == customer and one["status"] not in ("canceled", "incomplete_expired"):
            till.api("DELETE", f"subscriptions/{one['id']}")
