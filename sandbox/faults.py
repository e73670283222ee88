"""Failures on demand: knobs with rates, and one-shot faults for one call."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

FaultKind = Literal[
    "drop_before",
    "drop_after",
    "drop_inside",
    "error_before",
    "error_after",
    "delay",
    "container_error",
    "publish_failed",
    "model_answer",
]


@dataclass(slots=True, kw_only=True)
class Knobs:
    """How the platforms behave. Rates run from 0 to 1 and touch platform calls only."""

    latency_ms: float = 0.0
    processing_seconds: float = 1.0
    image_processing_seconds: float = 0.2
    """Never more than `processing_seconds`."""
    visibility_seconds: float = 0.0
    fresh_hidden_seconds: float = 0.0
    """How long reads by id of a new Instagram container or media answer 100/33, as in the outage of May 2026."""
    drop_rate: float = 0.0
    drop_before_rate: float = 0.0
    error_500_rate: float = 0.0
    rate_limit_rate: float = 0.0
    spurious_token_rate: float = 0.0
    rates_include_oauth: bool = True
    tiktok_access_seconds: int = 7_200
    tiktok_moderation_seconds: float = 1.0
    """From PUBLISH_COMPLETE to the post id."""
    tiktok_daily_posts: int = 15
    tiktok_verified_prefixes: list[str] = field(default_factory=list)
    """URL prefixes verified for PULL_FROM_URL; empty = every URL counts as verified."""
    tiktok_oauth_error_status: int = 400
    unaudited_tiktok: bool = False
    instagram_quota_total: int = 50
    instagram_quota_seconds: int = 86_400
    """Window of Instagram's publishing quota."""
    webhook_target: str = ""
    """Base URL of the PostPilot that hears of events; empty = nobody does."""
    republish: str = "error"
    envelope: str = "flat"
    facebook_status_spelling: str = "complete"
    """`complete` (specification) or `completed` (older documentation), together with its other spellings."""
    require_appsecret_proof: bool = False
    insights_delay_seconds: float = 0.0
    meta_calls_per_day: int = 200_000
    """Budget of one Instagram account or Page, in calls per 24 h; usage headers are percentages of it."""
    enforce_rate_limits: bool = True
    scrape_external_links: bool = False
    """Also fetch links on hosts other than this machine; off, they are taken to be readable."""
    stripe_webhook_copies: int = 1
    """How often each event is sent to an endpoint, taken or not."""
    stripe_webhook_delay_seconds: float = 0.0
    """Each event waits up to this long, by chance: that also puts them into another order."""
    stripe_webhook_hold: bool = False
    """Events wait until this is off again."""
    stripe_after_retries: str = "canceled"
    """What becomes of a subscription whose last payment attempt failed: `canceled` or `unpaid`."""
    seed: int | None = None

    def change(self, values: dict[str, Any]) -> None:
        """Set some knobs; raises `ValueError` for an unknown name or a value that does not fit, and then sets none."""
        known = {f.name for f in fields(self)}
        checked = {}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"unknown knob {name}")
            checked[name] = _checked(name, getattr(Knobs(), name), value)
        for name, value in checked.items():
            setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        """Return every knob by name."""
        return asdict(self)


_CHOICES = {
    "republish": ("error", "same_id"),
    "envelope": ("flat", "data"),
    "stripe_after_retries": ("canceled", "unpaid"),
    "facebook_status_spelling": ("complete", "completed"),
}


def _checked(name: str, default: Any, value: Any) -> Any:
    if name == "seed":
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise ValueError("seed must be a whole number or null")
    if name in _CHOICES:
        if value in _CHOICES[name]:
            return value
        raise ValueError(f"{name} must be one of {', '.join(_CHOICES[name])}")
    if isinstance(default, str):
        if isinstance(value, str) and (not value or value.startswith(("http://", "https://"))):
            return value.rstrip("/")
        raise ValueError(f"{name} must be a web address")
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        raise ValueError(f"{name} must be true or false")
    if isinstance(default, list):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
        raise ValueError(f"{name} must be a list of texts")
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"{name} must be a number, 0 or more")
    if name.endswith("_rate") and value > 1:
        raise ValueError(f"{name} must be between 0 and 1")
    return int(value) if isinstance(default, int) else float(value)


@dataclass(slots=True, kw_only=True)
class Fault:
    """A failure of the next `times` calls of an operation."""

    platform: str
    operation: str
    kind: FaultKind
    times: int = 1
    account_id: str = ""
    status: int = 500
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    subcode: int = 0
    fail_reason: str = ""

    @classmethod
    def read(cls, document: dict[str, Any]) -> Fault:
        """Make a fault from the control API's JSON; raises `ValueError` when something is unknown or missing."""
        unknown = document.keys() - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown field {min(unknown)}")
        if document.get("kind") not in get_args(FaultKind):
            raise ValueError(f"kind must be one of {', '.join(get_args(FaultKind))}")
        kind = document["kind"]
        if kind == "container_error":
            document = {"platform": "instagram", "operation": "instagram.create_container"} | document
        if kind == "drop_inside":
            document = {"platform": "facebook", "operation": "facebook.byte_upload"} | document
        if kind == "publish_failed":
            document = {"platform": "tiktok", "operation": "tiktok.publish"} | document
        if kind == "model_answer":
            document = {"platform": "claude", "operation": "claude.messages"} | document
        operation = document.get("operation")
        if not isinstance(operation, str) or not operation:
            raise ValueError("operation is missing")
        return cls(**({"platform": operation.partition(".")[0]} | document))


@dataclass(slots=True)
class Plan:
    """What goes wrong with one call."""

    delay: float = 0.0
    drop_before: bool = False
    drop_after: bool = False
    error_before: Fault | None = None
    error_after: Fault | None = None
    server_error_before: bool = False
    server_error_after: bool = False
    rate_limited: bool = False
    token_refused: bool = False


class Faults:
    """Decides, call by call, what goes wrong."""

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs
        self.pending: list[Fault] = []
        self.calls: Counter[tuple[str, str, str]] = Counter()

    def plan(self, platform: str, operation: str, account_id: str, *, is_oauth: bool, has_token: bool) -> Plan:
        """Count a call and return its fate; with a seed it depends on nothing but the call's place in its own row."""
        key = (platform, account_id, operation)
        self.calls[key] += 1
        knobs = self.knobs
        plan = Plan(delay=knobs.latency_ms / 1_000)
        if self.pending:
            self._apply_pending(plan, platform, operation, account_id)
        if is_oauth and not knobs.rates_include_oauth:
            return plan
        draw = self._draw(key)
        if knobs.drop_before_rate:
            plan.drop_before |= draw("drop_before") < knobs.drop_before_rate
        if knobs.drop_rate:
            plan.drop_after |= draw("drop") < knobs.drop_rate
        if knobs.error_500_rate and draw("500") < knobs.error_500_rate:
            if draw("500 before") < 0.5:
                plan.server_error_before = True
            else:
                plan.server_error_after = True
        if has_token and knobs.rate_limit_rate:
            plan.rate_limited = draw("limit") < knobs.rate_limit_rate
        if has_token and knobs.spurious_token_rate:
            plan.token_refused = draw("token") < knobs.spurious_token_rate
        return plan

    def asked_for(self, platform: str, operation: str, account_id: str) -> Plan:
        """Count a call that no rate touches, and return the one-shot faults that were asked for it."""
        self.calls[platform, account_id, operation] += 1
        plan = Plan()
        if self.pending:
            self._apply_pending(plan, platform, operation, account_id)
        return plan

    def take(self, kind: FaultKind, account_id: str) -> Fault | None:
        """Use up one pending fault that concerns an outcome rather than a call."""
        for fault in self.pending:
            if fault.kind == kind and fault.account_id in ("", account_id):
                self._use(fault)
                return fault
        return None

    def _apply_pending(self, plan: Plan, platform: str, operation: str, account_id: str) -> None:
        for fault in [*self.pending]:
            if (fault.platform, fault.operation) != (platform, operation) or fault.account_id not in ("", account_id):
                continue
            match fault.kind:
                case "delay":
                    plan.delay += fault.seconds
                case "drop_before":
                    plan.drop_before = True
                case "drop_after":
                    plan.drop_after = True
                case "error_before":
                    plan.error_before = fault
                case "error_after":
                    plan.error_after = fault
                case _:
                    continue
            self._use(fault)
            if fault.kind != "delay":
                return

    def _use(self, fault: Fault) -> None:
        fault.times -= 1
        if fault.times <= 0:
            self.pending.remove(fault)

    def _draw(self, key: tuple[str, str, str]) -> Any:
        seed = self.knobs.seed
        if seed is None:
            return lambda _: random.random()
        place = f"{seed}|{'|'.join(key)}|{self.calls[key]}|"

        def draw(what: str) -> float:
            digest = hashlib.blake2b((place + what).encode(), digest_size=8).digest()
            return int.from_bytes(digest, "big") / 2**64

        return draw
