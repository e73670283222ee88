"""What a shop owner is told: which kinds there are, how each is told unless they say otherwise, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.domain.plans import plan_of
from app.domain.vocabulary import HOLD_DISCONNECTED, HOLD_NEEDS_RECONNECT, HOLD_PLAN

DIGEST_TIME = time(8)
"""When daily mail is sent, in the user's own time zone."""
GATHER = timedelta(minutes=1)
"""How long mail that is due at once waits for what happens along with it."""
EXCERPT_CHARS = 60
ACTIVE = frozenset({"active", "trialing", "past_due"})


class NoticeKind(StrEnum):
    post_failed = "post.failed"
    post_held = "post.held"
    account_needs_reconnect = "account.needs_reconnect"
    captions_waiting = "captions.waiting"
    payment_trouble = "payment.trouble"
    plan_changed = "plan.changed"
    webhook_failing = "webhook.failing"


class MailChoice(StrEnum):
    at_once = "at_once"
    daily = "daily"
    off = "off"


@dataclass(frozen=True)
class Choice:
    """How one kind is told."""

    in_app: bool
    mail: MailChoice


DEFAULTS: Mapping[NoticeKind, Choice] = {
    NoticeKind.post_failed: Choice(True, MailChoice.at_once),
    NoticeKind.post_held: Choice(True, MailChoice.at_once),
    NoticeKind.account_needs_reconnect: Choice(True, MailChoice.at_once),
    NoticeKind.captions_waiting: Choice(True, MailChoice.daily),
    NoticeKind.payment_trouble: Choice(True, MailChoice.at_once),
    NoticeKind.plan_changed: Choice(True, MailChoice.at_once),
    NoticeKind.webhook_failing: Choice(True, MailChoice.at_once),
}
"""What nobody has changed: trouble is told at once, work that waits once a day, and everything in the dashboard."""

LABELS: Mapping[NoticeKind, str] = {
    NoticeKind.post_failed: "A post did not go out",
    NoticeKind.post_held: "A post waits for you",
    NoticeKind.account_needs_reconnect: "An account must be connected again",
    NoticeKind.captions_waiting: "Captions wait for your review",
    NoticeKind.payment_trouble: "A payment did not go through",
    NoticeKind.plan_changed: "Your plan has changed",
    NoticeKind.webhook_failing: "A webhook does not answer",
}


@dataclass(frozen=True)
class Notice:
    """One thing to know. A second one with the same key changes nothing, unless `is_running` says that it counts on."""

    kind: NoticeKind
    key: str
    title: str
    body: str
    path: str
    """Page of the dashboard, from its root."""
    action: str
    """What the link is called."""
    subject_id: UUID | None = None
    is_running: bool = False


def mail_due(choice: MailChoice, now: datetime, zone: ZoneInfo) -> datetime | None:
    """Return when a notice is mailed; `None` for never."""
    if choice is MailChoice.off:
        return None
    return now + GATHER if choice is MailChoice.at_once else next_digest(now, zone)


def next_digest(now: datetime, zone: ZoneInfo) -> datetime:
    """Return the next 08:00 of a time zone, in UTC."""
    local = now.astimezone(zone)
    day = local.date() if local.time() < DIGEST_TIME else local.date() + timedelta(days=1)
    return datetime.combine(day, DIGEST_TIME, zone).astimezone(UTC)


def digest_day(now: datetime, zone: ZoneInfo) -> date:
    """Return the local day whose digest will tell what happens now."""
    return next_digest(now, zone).astimezone(zone).date()


def post_failed(event_id: int, post_id: UUID, *, excerpt: str, account: str, facts: Mapping[str, Any]) -> Notice:
    """Return the notice of a post that did not go out; the engine's sentence says why and what to do."""
    why = facts.get("error_message") or "The platform did not say why. Open the post to try again."
    return Notice(
        NoticeKind.post_failed,
        f"post.failed:{post_id}:{event_id}",
        f"Your post for {account} did not go out",
        f"“{excerpt}”: {why}",
        f"/posts?post={post_id}",
        "Look at the post",
        post_id,
    )


def post_held(
    event_id: int, post_id: UUID, *, excerpt: str, account: str, facts: Mapping[str, Any], day: date
) -> Notice | None:
    """Return the notice of a post that waits, one for all that wait for the same place in the plan; `None` where
    another notice or the owner's own doing explains it."""
    code = facts.get("error_code")
    if code in (HOLD_NEEDS_RECONNECT, HOLD_DISCONNECTED):
        return None
    why = facts.get("error_message") or "Open the post to see why."
    if code == HOLD_PLAN:
        return Notice(
            NoticeKind.post_held,
            f"post.held:{HOLD_PLAN}:{facts.get('account_id')}:{day}",
            f"Posts for {account} wait",
            str(why),
            "/posts?status=on_hold",
            "Look at the posts",
        )
    return Notice(
        NoticeKind.post_held,
        f"post.held:{post_id}:{event_id}",
        f"Your post for {account} waits for you",
        f"“{excerpt}”: {why}",
        f"/posts?post={post_id}",
        "Look at the post",
        post_id,
    )


def account_needs_reconnect(event_id: int, account_id: UUID, *, waiting: int, facts: Mapping[str, Any]) -> Notice:
    """Return the notice of an account that lost its access, with how many posts wait for it."""
    name, platform = str(facts.get("account_name")), str(facts.get("platform")).title()
    reason = facts.get("reason") or f"{platform} does not let PostPilot post for it any more."
    posts = {0: "No post waits for it yet.", 1: "1 post waits for it."}.get(waiting, f"{waiting} posts wait for it.")
    return Notice(
        NoticeKind.account_needs_reconnect,
        f"account:{account_id}:{event_id}",
        f"Connect {name} ({platform}) again",
        f"{reason} {posts} Once you have connected it again, they go on.",
        f"/accounts?account={account_id}",
        "Connect it again",
        account_id,
    )


def captions_waiting(count: int, day: date) -> Notice:
    """Return the notice of captions to review: one a day, which counts on."""
    what = "1 product has captions" if count == 1 else f"{count} products have captions"
    return Notice(
        NoticeKind.captions_waiting,
        f"captions:{day}",
        "Captions wait for your review",
        f"{what} that wait for you. Approve them, and they become posts.",
        "/queue?status=generated",
        "Review captions",
        is_running=True,
    )


def subscription_notices(event_id: int, facts: Mapping[str, Any]) -> list[Notice]:
    """Return what a change of a subscription means for its owner: trouble with paying, another plan, or nothing."""
    found = []
    since = facts.get("past_due_since")
    is_in_trouble = facts.get("status") in ("past_due", "unpaid", "incomplete")
    if is_in_trouble and (facts.get("previous_status") != facts.get("status") or not facts.get("previous_status")):
        found.append(
            Notice(
                NoticeKind.payment_trouble,
                f"payment:{since or event_id}",
                "Your last payment did not go through",
                f"Pay the open invoice, or choose another way to pay, to keep {_plan_name(facts)}. Your posts go out "
                "as planned for 7 days after the first failed payment.",
                "/billing",
                "Go to billing",
            )
        )
    before = _effective(facts.get("previous_plan"), facts.get("previous_status"))
    now = _effective(facts.get("plan"), facts.get("status"))
    if before != now:
        found.append(
            Notice(
                NoticeKind.plan_changed,
                f"plan:{event_id}",
                f"You are on {plan_of(now).name} now",
                f"Your plan has changed from {plan_of(before).name} to {plan_of(now).name}. "
                "Nothing was deleted; what has no place in the plan waits, and says so.",
                "/billing",
                "See your plan",
            )
        )
    return found


def trial_ends(event_id: int, facts: Mapping[str, Any], zone: ZoneInfo) -> Notice:
    """Return the notice of a trial whose end is near: what follows costs money, or stops."""
    ends = facts.get("trial_ends_at")
    day = f"on {datetime.fromisoformat(ends).astimezone(zone):%d %B %Y}" if ends else "in a few days"
    return Notice(
        NoticeKind.plan_changed,
        f"trial:{ends or event_id}",
        f"Your trial ends {day}",
        "From then on your plan costs what it says, if you have left a way to pay. Without one you go on with Free: "
        "nothing is deleted, and what has no place there waits.",
        "/billing",
        "See your plan",
    )


def payment_needs_you(event_id: int, facts: Mapping[str, Any]) -> Notice:
    """Return the notice of a payment that the payer's bank wants confirmed."""
    return Notice(
        NoticeKind.payment_trouble,
        f"payment:{facts.get('invoice_url') or event_id}",
        "Your bank asks you to confirm a payment",
        "Open the invoice under Billing and confirm the payment there; until then your plan is not paid.",
        "/billing",
        "Go to billing",
    )


def webhook_failing(endpoint_id: UUID, *, host: str, since: datetime, is_off: bool) -> Notice:
    """Return the notice of an address that takes no webhooks."""
    if is_off:
        title, body = (
            f"Webhooks to {host} were switched off",
            f"{host} answered that it wants none any more (410). Switch the endpoint on again if that was a mistake.",
        )
    else:
        title, body = (
            f"Webhooks to {host} do not arrive",
            f"{host} has taken none since {since.astimezone(UTC):%d %B %Y, %H:%M} UTC. We keep trying, for three days "
            "per event. Look at the delivery log for what it answers.",
        )
    return Notice(
        NoticeKind.webhook_failing,
        f"webhook:{endpoint_id}:{'off' if is_off else 'failing'}:{int(since.timestamp())}",
        title,
        body,
        f"/settings?webhook={endpoint_id}",
        "See the delivery log",
        endpoint_id,
    )


def excerpt_of(content: str) -> str:
    """Return the beginning of a post's text, on one line."""
    line = " ".join(content.split())
    return line if len(line) <= EXCERPT_CHARS else line[: EXCERPT_CHARS - 1].rstrip() + "…"


def _effective(plan: Any, status: Any) -> str:
    return str(plan) if plan and status in ACTIVE else "free"


def _plan_name(facts: Mapping[str, Any]) -> str:
    return plan_of(str(facts.get("plan"))).name
