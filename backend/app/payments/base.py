"""What the product needs of a payment provider. Its pages take the money; its state decides the plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.domain.billing import Bought


class PaymentError(Exception):
    """A call that failed. `detail` is for the log: it may quote the provider, never a key."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class ProviderAway(PaymentError):
    """No answer, too many calls, or an answer in between: it may have acted. The same call with the same key may be
    repeated."""


class ProviderFailed(PaymentError):
    """The provider broke, and says so to every repetition with this key: a new key is needed."""


class KeyReused(PaymentError):
    """This idempotency key belongs to a call with other parameters: a new key is needed."""


class NotThere(PaymentError):
    """What the call names does not exist (any more); `param` says which of it."""

    def __init__(self, detail: str = "", param: str | None = None) -> None:
        super().__init__(detail)
        self.param = param


class PaymentRefused(PaymentError):
    """The payer's bank said no."""


class CallRefused(PaymentError):
    """The call itself is wrong: a mistake of ours, or a state that has changed."""


class Misconfigured(PaymentError):
    """The key does not open the account, or what is sold has not been set up there."""


@dataclass(frozen=True)
class CheckoutPage:
    """One visit to the provider's cash desk."""

    id: str
    url: str | None
    status: str
    """`open`, `complete` or `expired`."""
    customer_id: str | None
    subscription_id: str | None
    user_ref: str | None
    expires_at: datetime


@dataclass(frozen=True)
class CheckoutOrder:
    """What a checkout is to sell, to whom, and where the browser goes afterwards."""

    user_ref: str
    customer_id: str
    price_id: str
    trial_days: int
    success_url: str
    cancel_url: str


@dataclass(frozen=True)
class Price:
    """What a plan costs at the provider."""

    id: str
    plan: str
    lookup_key: str | None


@dataclass(frozen=True)
class Report:
    """Something that the provider reported: where to look, never what to believe."""

    id: str
    kind: str
    api_version: str | None
    created_epoch: int | None
    is_live: bool
    customer_id: str | None
    subscription_id: str | None
    checkout_id: str | None
    user_ref: str | None


class InvalidSignature(Exception):
    """What arrived was not sent by the provider, or long ago."""


class Payments(Protocol):
    """A payment provider. Every call may raise `PaymentError`; none is made inside a transaction."""

    is_live: bool
    """Whether real money moves."""

    async def add_customer(self, user_ref: str, email: str, *, key: str) -> str: ...

    async def prices(self) -> dict[str, Price]:
        """Return what each plan costs now, by plan."""
        ...

    async def plan_of_price(self, price_id: str) -> str | None:
        """Return the plan that a price stands for, by what it and its product say of themselves."""
        ...

    async def open_checkout(self, order: CheckoutOrder, *, key: str) -> CheckoutPage: ...

    async def checkout(self, checkout_id: str) -> CheckoutPage: ...

    async def expire_checkout(self, checkout_id: str) -> None:
        """Close a checkout, so that it cannot be paid any more. Raises `CallRefused` when it was paid or has
        expired."""
        ...

    async def open_portal(self, customer_id: str, *, return_url: str) -> str: ...

    async def subscriptions_of(self, customer_id: str) -> list[Bought]:
        """Return every subscription of a customer, ended ones included; none for a customer who is not there."""
        ...

    async def subscription(self, subscription_id: str) -> Bought | None: ...

    async def cancel_at_period_end(self, subscription_id: str) -> None: ...

    async def cancel_now(self, subscription_id: str) -> None: ...

    async def keep(self, subscription: Bought) -> None:
        """Take back that a subscription is to end, however that was said."""
        ...

    async def read_report(self, body: bytes, signature: str) -> Report:
        """Return what a delivery reports. Raises `InvalidSignature`, `ValueError`."""
        ...

    async def aclose(self) -> None: ...
