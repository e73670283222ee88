"""What purchases mean for the plan in effect."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.billing import GRACE, NOT_ENDED, Bought, Held, choose, judge, month_later

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def bought(status: str = "active", *, number: int = 1, **values: object) -> Bought:
    given_values: dict[str, object] = {
        "id": f"sub_{number}",
        "customer_id": "cus_1",
        "status": status,
        "price_id": "price_1",
        "plan": "pro",
        "created_at": NOW - 30 * DAY + number * DAY,
        "period_start": NOW - DAY,
        "period_end": NOW + 29 * DAY,
        "cancels_at": None,
        "trial_ends_at": None,
        "unpaid_since": None,
        "invoice_url": None,
        "user_ref": None,
        **values,
    }
    return Bought(**given_values)  # type: ignore[arg-type]


HELD = Held("pro", "active", "stripe", "cus_1", "sub_1", "price_1")


@pytest.mark.parametrize(
    ("status", "plan"),
    [
        ("trialing", "pro"),
        ("active", "pro"),
        ("past_due", "pro"),
        ("incomplete", "free"),
        ("incomplete_expired", "free"),
        ("canceled", "free"),
        ("unpaid", "free"),
        ("paused", "free"),
    ],
)
def test_the_plan_follows_the_status(status: str, plan: str) -> None:
    for before in (None, HELD):
        held = judge(before, [bought(status)], NOW).held
        assert held is not None
        assert (held.plan, held.status, held.mode, held.external_subscription_id) == (plan, status, "stripe", "sub_1")


def test_a_status_of_the_future_takes_nothing_away() -> None:
    verdict = judge(HELD, [bought("suspended")], NOW)
    assert verdict.held is not None
    assert (verdict.held.plan, verdict.held.status, verdict.alerts) == ("pro", "active", ("unknown_status",))
    assert judge(None, [bought("suspended")], NOW).held is None


def test_an_unknown_price_takes_nothing_away() -> None:
    verdict = judge(HELD, [bought(plan=None)], NOW)
    assert verdict.held is not None
    assert (verdict.held.plan, verdict.alerts) == ("pro", ("unknown_price",))
    first = judge(None, [bought(plan="gold")], NOW)
    assert first.held is not None
    assert (first.held.plan, first.alerts) == ("free", ("unknown_price",))


@pytest.mark.parametrize(
    ("statuses", "chosen"),
    [
        (["active", "active"], 2),
        (["active", "canceled"], 1),
        (["trialing", "past_due"], 1),
        (["past_due", "incomplete"], 1),
        (["unpaid", "incomplete_expired"], 1),
        (["past_due", "suspended"], 1),
        (["unpaid", "suspended"], 2),
        (["canceled", "canceled"], 2),
    ],
)
def test_the_one_that_is_paid_counts_then_the_newest(statuses: list[str], chosen: int) -> None:
    found = [bought(status, number=n + 1) for n, status in enumerate(statuses)]
    for order in (found, found[::-1]):
        best = choose(order)
        assert best is not None
        assert best.id == f"sub_{chosen}"
    assert choose([]) is None


def test_two_that_give_a_plan_are_told() -> None:
    assert judge(HELD, [bought(), bought(number=2)], NOW).alerts == ("two_subscriptions",)
    assert judge(HELD, [bought(), bought("canceled", number=2)], NOW).alerts == ()


class TestGrace:
    def test_begins_with_the_unpaid_invoice_and_does_not_move(self) -> None:
        failed = bought("past_due", unpaid_since=NOW - 2 * DAY)
        first = judge(HELD, [failed], NOW).held
        assert first is not None
        assert first.past_due_since == NOW - 2 * DAY
        later = judge(first, [replace(failed, unpaid_since=NOW + DAY)], NOW + DAY).held
        assert later == first

    def test_never_begins_in_the_future(self) -> None:
        held = judge(HELD, [bought("past_due", unpaid_since=NOW + 9 * DAY)], NOW).held
        assert held is not None
        assert held.past_due_since == NOW

    def test_ends_to_the_second(self) -> None:
        for moment, plan in ((NOW + GRACE - timedelta(seconds=1), "pro"), (NOW + GRACE, "free")):
            held = judge(HELD, [bought("past_due", unpaid_since=NOW)], moment).held
            assert held is not None
            assert held.plan == plan

    def test_begins_anew_after_a_recovery(self) -> None:
        failed = judge(HELD, [bought("past_due", unpaid_since=NOW)], NOW).held
        recovered = judge(failed, [bought()], NOW + DAY).held
        assert recovered is not None
        assert (recovered.plan, recovered.past_due_since) == ("pro", None)
        again = judge(recovered, [bought("past_due", unpaid_since=NOW + 30 * DAY)], NOW + 31 * DAY).held
        assert again is not None
        assert again.past_due_since == NOW + 30 * DAY


class TestWithoutPurchase:
    def test_a_plan_given_away_stays(self) -> None:
        for mode in ("granted", "test"):
            given_away = Held("enterprise", "active", mode)
            for found in ([], [bought("canceled")], [bought("incomplete")]):
                assert judge(given_away, found, NOW).held is None

    def test_a_purchase_takes_its_place(self) -> None:
        held = judge(Held("enterprise", "active", "granted"), [bought()], NOW).held
        assert held is not None
        assert (held.plan, held.mode) == ("pro", "stripe")

    def test_one_that_vanished_is_over(self) -> None:
        held = judge(replace(HELD, cancels_at=NOW, invoice_url="x"), [], NOW).held
        assert held is not None
        assert (held.plan, held.status, held.cancels_at, held.invoice_url) == ("free", "canceled", None, None)
        assert judge(held, [], NOW).held is None
        assert judge(None, [], NOW).held is None


STATUSES = st.sampled_from([*sorted(NOT_ENDED), "canceled", "incomplete_expired", "suspended"])


@given(
    statuses=st.lists(STATUSES, max_size=4),
    modes=st.sampled_from([None, "stripe", "granted", "test"]),
    hours=st.integers(0, 400),
)
def test_judging_again_changes_nothing(statuses: list[str], modes: str | None, hours: int) -> None:
    found = [
        bought(status, number=n + 1, unpaid_since=NOW - timedelta(hours=hours)) for n, status in enumerate(statuses)
    ]
    before = Held("pro", "active", modes) if modes else None
    once = judge(before, found, NOW).held or before
    again = judge(once, found[::-1], NOW).held or once
    assert again == once


@pytest.mark.parametrize(
    ("moment", "day", "later"),
    [
        ("2030-01-31", 31, "2030-02-28"),
        ("2030-02-28", 31, "2030-03-31"),
        ("2028-01-30", 30, "2028-02-29"),
        ("2030-12-15", 15, "2031-01-15"),
    ],
)
def test_a_month_later(moment: str, day: int, later: str) -> None:
    assert month_later(datetime.fromisoformat(moment), day=day) == datetime.fromisoformat(later)
