"""What an integrating shop system tells us by itself: signed, taken once however often it is sent."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import Send, UnitOfWork, unit_of_work
from app.domain.catalogue import ProductEventKind
from app.domain.email import is_email
from app.domain.errors import EmailTaken, InvalidPayload, InvalidSignature
from app.domain.plans import PLANS
from app.domain.products import data_of, facts_of
from app.domain.vocabulary import PRODUCT_RULES, Platform
from app.kit.clock import Clock
from app.repositories.account_repository import AccountRepository
from app.repositories.event_repository import EventRepository
from app.repositories.product_repository import ProductRepository
from app.repositories.store_repository import StoreRepository
from app.repositories.user_repository import UserRepository
from app.services.auth.audit import AuditLog, Client
from app.services.plan_service import PlanService
from app.services.product_keeper import ProductKeeper
from app.services.provision_service import NewUser, ProvisionService
from app.services.queue.intake import GenerateRequest, NewItem, QueueIntake
from app.stores.base import SourceProduct

log = structlog.get_logger()

SOURCE = "platform_events"
PRODUCT_EVENTS = frozenset({"product.created", "product.updated", "product.deleted"})
ID_MAX = 255
ENDED = frozenset({"canceled", "cancelled", "expired", "unpaid"})


@dataclass(frozen=True)
class PlatformEventService:
    sessions: Sessions
    secret: str = field(repr=False)
    clock: Clock
    send: Send | None
    late_grace: timedelta = timedelta(hours=6)

    async def receive(self, body: bytes, signature: str) -> list[str]:
        """Act on a delivery and return what was done; nothing for an unknown event, and for one that came before.

        Raises `InvalidSignature`, `InvalidPayload`.
        """
        if not is_signed(body, signature, self.secret):
            raise InvalidSignature("Invalid platform signature")
        event, data, event_id = read(body)
        if event == "user.provisioned":
            return await self._provision(data)
        if event not in PRODUCT_EVENTS and event != "subscription.updated":
            return []
        async with unit_of_work(self.sessions, self.send) as uow:
            user_id = await self._user(uow, data)
            if user_id is None:  # not kept: sent again once the user is there, it counts
                log.warning("platform_event.unknown_user", event_name=event)
                return []
            kept = {"event": event, "product": _external_id(_product_of(data)) if event in PRODUCT_EVENTS else None}
            if not await EventRepository(uow.session).keep_handled(SOURCE, event_id, event, kept):
                log.info("platform_event.repeated", event_name=event)
                return []
            if event == "subscription.updated":
                return await self._change_plan(uow, user_id, data)
            return await self._act(uow, user_id, event, data)

    async def _provision(self, data: Mapping[str, Any]) -> list[str]:
        """Make the user whom the platform names, with its plan; one who is here already is only given the plan.

        Raises `InvalidPayload`.
        """
        external_id, email, plan = _text(data, "external_platform_id"), _text(data, "email"), _plan(data)
        if not external_id or not is_email(email):
            raise InvalidPayload("Name 'external_platform_id' and a valid 'email' in 'data'.")
        wanted = NewUser(
            email=email,
            external_platform_id=external_id,
            external_store_id=_text(data, "external_store_id") or None,
            plan=plan,
        )
        async with unit_of_work(self.sessions, self.send) as uow:
            audit = AuditLog(uow, Client("", SOURCE))
            service = ProvisionService(uow, audit, self.clock, late_grace=self.late_grace)
            try:
                _, is_new = await service.ensure(wanted)
            except EmailTaken:
                log.warning("platform_event.email_taken")
                return []
        return ["user_provisioned"] if is_new else ["user_updated"]

    async def _change_plan(self, uow: UnitOfWork, user_id: UUID, data: Mapping[str, Any]) -> list[str]:
        """Give a user the plan that the platform has sold them; none is left of a subscription that has ended."""
        is_over = _text(data, "status") in ENDED
        plan = "free" if is_over else _plan(data)
        if plan is None:
            log.warning("platform_event.no_plan")
            return []
        await PlanService(uow, self.clock, late_grace=self.late_grace).grant_to(user_id, plan)
        return ["subscription_updated"]

    async def _user(self, uow: UnitOfWork, data: Mapping[str, Any]) -> UUID | None:
        """Return whom an event is about: the user it names by the platform's id, by ours or by e-mail address."""
        users = UserRepository(uow.session)
        external_id = _text(data, "external_platform_id")
        if external_id:
            known = await users.find_by_external(external_id)
            if known is not None:
                return known.id if known.is_active and known.erase_due_at is None else None
        try:
            identity = await users.identity(UUID(str(data["user_id"])))
        except (KeyError, ValueError):
            identity = None
        if identity is not None:
            return identity.id if identity.is_active else None
        email = data.get("email") or data.get("user_email")
        user = await users.find_by_email(email) if isinstance(email, str) and "\x00" not in email else None
        return user.id if user is not None and user.is_active and user.erase_due_at is None else None

    async def _act(self, uow: UnitOfWork, user_id: UUID, event: str, data: Mapping[str, Any]) -> list[str]:
        product = _product_of(data)
        external_id = _external_id(product)
        products = ProductRepository(uow.session)
        connection_id = await self._connection(uow, user_id)
        if event == "product.deleted":
            row = await products.find_by_external(user_id, connection_id, external_id) if external_id else None
            if row is None or not await products.set_removed(user_id, row.id, at=self.clock()):
                return []
            await products.add_events(user_id, [(row.id, ProductEventKind.removed, {})])
            return ["product_removed"]
        facts = facts_of(product)
        if not facts.title:
            log.warning("platform_event.no_title", event_name=event)
            return []
        key = external_id or hashlib.sha256(facts.title.encode()).hexdigest()[:32]
        found = SourceProduct(
            external_id=key,
            title=facts.title,
            description=facts.description,
            url=facts.url,
            image_urls=facts.image_urls,
            brand=facts.brand,
            category=facts.category,
            tags=facts.tags,
            price_minor=facts.price_minor,
            compare_at_price_minor=facts.compare_at_price_minor,
            currency=facts.currency,
            is_available=facts.is_available,
        )
        await ProductKeeper(products).keep(user_id, connection_id, [found], at=self.clock(), is_first=True)
        uow.after_commit(PRODUCT_RULES)
        if event == "product.updated":
            return ["product_updated"]
        row = await products.find_by_external(user_id, connection_id, key)
        if row is None or await products.waiting_in_queue(user_id, [row.id]):
            return ["product_updated"]
        wanted = GenerateRequest() if data.get("generate") is True else None
        item = NewItem(
            data_of(facts), await self._platforms(uow, user_id, data), product_id=row.id, origin="platform_event"
        )
        await QueueIntake(uow, self.clock).add(user_id, [item], generate=wanted)
        return ["social_post_queued"]

    async def _connection(self, uow: UnitOfWork, user_id: UUID) -> UUID | None:
        """Return the user's connection of the kind that sends events, if there is one."""
        rows = await StoreRepository(uow.session).list_all(user_id)
        return next((row.id for row in rows if row.platform == "platform" and row.is_active), None)

    async def _platforms(self, uow: UnitOfWork, user_id: UUID, data: Mapping[str, Any]) -> tuple[str, ...]:
        """Return where the product is to be posted: what the event names, else where the user has accounts."""
        named = data.get("platforms")
        if isinstance(named, list):
            chosen = [platform for platform in Platform if platform.value in named]
            if chosen:
                return tuple(chosen)
        connected = await AccountRepository(uow.session).connected_platforms(user_id)
        return tuple(platform for platform in Platform if platform.value in connected) or tuple(Platform)


def is_signed(body: bytes, signature: str, secret: str) -> bool:
    """Whether `sha256=<hex>` is the HMAC-SHA256 of the raw body. Without a secret nothing is signed."""
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    scheme, _, given = signature.strip().partition("=")
    return bool(secret) and scheme == "sha256" and hmac.compare_digest(given.encode(), expected.encode())


def read(body: bytes) -> tuple[str, Mapping[str, Any], str]:
    """Return name, data and identity of an event: its own `id`, else a digest of everything. Raises
    `InvalidPayload`."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidPayload from error
    if not isinstance(value, dict) or not isinstance(value.get("event"), str):
        raise InvalidPayload
    data = value.get("data")
    if not isinstance(data, dict):
        raise InvalidPayload
    own = value.get("id") or value.get("event_id") or data.get("event_id")
    named = isinstance(own, str | int) and not isinstance(own, bool)
    identity = hashlib.sha256(f"{value['event']}:{own}".encode("utf-8", "replace") if named else body).hexdigest()
    return value["event"], data, identity


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    return "".join(character for character in str(value).strip() if character.isprintable())[:ID_MAX]


def _plan(data: Mapping[str, Any]) -> str | None:
    """Return the plan that an event names. Raises `InvalidPayload` for one that does not exist."""
    named = _text(data, "plan") or _text(data, "tier")
    if named and named not in PLANS:
        raise InvalidPayload(f"There is no plan '{named}'. Use one of {', '.join(PLANS)}.")
    return named or None


def _product_of(data: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = data.get("product")
    return inner if isinstance(inner, Mapping) else data


def _external_id(product: Mapping[str, Any]) -> str:
    for name in ("id", "product_id", "external_id", "sku"):
        value = product.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return "".join(c for c in str(value).strip() if c.isprintable())[:ID_MAX]
    return ""
