"""What users want to happen when something happens to a product: rules turn events into items of the queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import Send, UnitOfWork, unit_of_work
from app.domain.catalogue import ProductStatus, rule_applies
from app.domain.errors import FieldError, InvalidRequest, ProductRuleNotFound
from app.domain.products import data_of
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.repositories.product_repository import ProductRepository, StoredEvent
from app.repositories.rule_repository import RuleRepository, RuleRow
from app.repositories.store_repository import StoreRepository
from app.services.product_keeper import facts_from
from app.services.queue.intake import GenerateRequest, NewItem, QueueIntake

log = structlog.get_logger()

BATCH = 50
LONGEST_ROUNDS = 400
RULES_MAX = 100


class ProductRules:
    """Works within the caller's unit of work."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._rules = RuleRepository(uow.session)
        self._stores = StoreRepository(uow.session)

    async def list_all(self, user_id: UUID) -> Sequence[RuleRow]:
        return await self._rules.list_all(user_id)

    async def get(self, user_id: UUID, rule_id: UUID) -> RuleRow:
        """Return a rule. Raises `ProductRuleNotFound`."""
        rule = await self._rules.find(user_id, rule_id)
        if rule is None:
            raise ProductRuleNotFound
        return rule

    async def create(self, user_id: UUID, values: Mapping[str, Any]) -> RuleRow:
        """Add a rule. Raises `InvalidRequest`."""
        await self._check(user_id, values)
        if await self._rules.count(user_id) >= RULES_MAX:
            sentence = f"There are {RULES_MAX} rules already. Delete one first."
            raise InvalidRequest([FieldError(("body",), sentence, "too_many_rules")])
        rule_id = new_id()
        await self._rules.add({"id": rule_id, "user_id": user_id, **values})
        return await self.get(user_id, rule_id)

    async def update(self, user_id: UUID, rule_id: UUID, changes: Mapping[str, Any]) -> RuleRow:
        """Change a rule. Raises `ProductRuleNotFound`, `InvalidRequest`."""
        await self.get(user_id, rule_id)
        await self._check(user_id, changes)
        if changes:
            await self._rules.change(user_id, rule_id, dict(changes))
        return await self.get(user_id, rule_id)

    async def delete(self, user_id: UUID, rule_id: UUID) -> None:
        """Delete a rule; what it has queued stays. Raises `ProductRuleNotFound`."""
        if not await self._rules.delete(user_id, rule_id):
            raise ProductRuleNotFound

    async def _check(self, user_id: UUID, values: Mapping[str, Any]) -> None:
        connection_id = values.get("connection_id")
        if connection_id is not None and await self._stores.find(user_id, connection_id) is None:
            sentence = "There is no such store connection."
            raise InvalidRequest([FieldError(("body", "connection_id"), sentence, "connection_not_found")])


class ProductRuleWork:
    """Acts on events: each is handled in the transaction that queues what it leads to, so exactly once."""

    def __init__(self, sessions: Sessions, clock: Clock, send: Send | None) -> None:
        self._sessions = sessions
        self._clock = clock
        self._send = send

    async def work(self) -> int:
        """Handle what is open and return how many items were queued. Safe to call twice at once."""
        queued = 0
        for _ in range(LONGEST_ROUNDS):
            async with unit_of_work(self._sessions, self._send) as uow:
                products = ProductRepository(uow.session)
                events = await products.open_events(limit=BATCH)
                queued += await self._handle(uow, events)
                await products.handled([event.id for event in events])
            if len(events) < BATCH:
                break
        return queued

    async def _handle(self, uow: UnitOfWork, events: Sequence[StoredEvent]) -> int:
        rules = await RuleRepository(uow.session).active_for({event.user_id for event in events})
        queued = 0
        for user_id in sorted(rules):
            mine = [event for event in events if event.user_id == user_id]
            queued += await self._for_user(uow, user_id, mine, rules[user_id])
        return queued

    async def _for_user(
        self, uow: UnitOfWork, user_id: UUID, events: Sequence[StoredEvent], rules: Sequence[RuleRow]
    ) -> int:
        products = ProductRepository(uow.session)
        rows = await products.lock_many(user_id, sorted({event.product_id for event in events}))
        waiting = await products.waiting_in_queue(user_id, list(rows))
        queue_existing = await self._queue_existing(uow, user_id)
        intake = QueueIntake(uow, self._clock)
        queued = 0
        for event in events:
            row = rows.get(event.product_id)
            if row is None or row.id in waiting or row.status != ProductStatus.active or row.is_available is False:
                continue
            if event.facts.get("is_first") and row.connection_id not in queue_existing:
                continue
            rule = next((rule for rule in rules if _fits(rule, event, row)), None)
            if rule is None:
                continue
            item = NewItem(data_of(facts_from(row)), tuple(rule.platforms), product_id=row.id, origin="rule")
            wanted = GenerateRequest(tone=rule.tone) if rule.generate else None
            await intake.add(user_id, [item], generate=wanted)
            waiting.add(row.id)
            queued += 1
            log.info("rule.queued", rule_id=str(rule.id), product_id=str(row.id), kind=event.kind)
        return queued

    async def _queue_existing(self, uow: UnitOfWork, user_id: UUID) -> set[UUID]:
        """Return the connections whose owner wants even the first reading's products in the queue."""
        rows = await StoreRepository(uow.session).list_all(user_id)
        return {row.id for row in rows if row.options.get("queue_existing")}


def _fits(rule: RuleRow, event: StoredEvent, product: Any) -> bool:
    if rule.event != event.kind or rule.connection_id not in (None, product.connection_id):
        return False
    return rule_applies(rule.conditions, facts=event.facts, category=product.category, tags=product.tags)
