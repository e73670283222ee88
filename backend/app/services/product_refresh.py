"""Reads products again shortly before their posts go out, so that the guard at send time needs no shop.

A shop that is away holds no post back: then the guard judges by what is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import groupby
from uuid import UUID

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import Send, unit_of_work
from app.domain.catalogue import ProductEventKind
from app.domain.vocabulary import PRODUCT_RULES, SYNC_STORES
from app.kit.clock import Clock
from app.kit.crypto import KeyRingError
from app.repositories.product_repository import DueProduct, ProductRepository
from app.repositories.store_repository import StoreRepository
from app.services.product_keeper import ProductKeeper
from app.services.store_keys import StoreKeys
from app.stores.base import ProductSource, SourceError, SourceProduct, StoreAccess

log = structlog.get_logger()

AHEAD_MINUTES = 15
OLDER_MINUTES = 10
LIMIT = 300
PRODUCT_SECONDS = 15.0
STORE_SECONDS = 45.0
"""Longest time for all products of one shop: the others wait for nobody."""
READ_WHOLE = frozenset({"feed"})
"""Sources without a way to ask for one product: their next reading is brought forward."""


class ProductRefresh:
    def __init__(
        self,
        *,
        sessions: Sessions,
        sources: Mapping[str, ProductSource],
        keys: StoreKeys,
        clock: Clock,
        send: Send | None,
    ) -> None:
        self._sessions = sessions
        self._sources = sources
        self._keys = keys
        self._clock = clock
        self._send = send

    async def work(self) -> int:
        """Read what is due and return how many products were read. Twice at once reads twice, and changes nothing."""
        async with unit_of_work(self._sessions) as uow:
            due = await ProductRepository(uow.session).due_to_be_read_again(
                ahead_minutes=AHEAD_MINUTES, older_minutes=OLDER_MINUTES, limit=LIMIT
            )
        groups = [list(group) for _, group in groupby(due, key=lambda product: product.connection_id)]
        return sum(await asyncio.gather(*(self._store(group) for group in groups)))

    async def _store(self, due: list[DueProduct]) -> int:
        user_id, connection_id = due[0].user_id, due[0].connection_id
        async with unit_of_work(self._sessions, self._send) as uow:
            stores = StoreRepository(uow.session)
            row = await stores.find(user_id, connection_id)
            if row is None or row.platform not in self._sources:
                return 0
            if row.platform in READ_WHOLE:
                await stores.bring_forward(connection_id)
                uow.after_commit(SYNC_STORES)
                return 0
        read = 0
        try:
            access = self._keys.access(row)
            async with asyncio.timeout(STORE_SECONDS):
                for product in due:
                    await self._product(self._sources[row.platform], access, product)
                    read += 1
        except (SourceError, KeyRingError, TimeoutError) as error:
            log.info("store.not_read_ahead", connection_id=str(connection_id), error=type(error).__name__, read=read)
        return read

    async def _product(self, source: ProductSource, access: StoreAccess, due: DueProduct) -> None:
        async with asyncio.timeout(PRODUCT_SECONDS):
            found = await source.one(access, due.external_id, url=due.url)
        await self._keep(due.user_id, due, found)

    async def _keep(self, user_id: UUID, due: DueProduct, found: SourceProduct | None) -> None:
        async with unit_of_work(self._sessions, self._send) as uow:
            products = ProductRepository(uow.session)
            if found is not None:
                await ProductKeeper(products).keep(user_id, due.connection_id, [found], at=self._clock())
            elif await products.set_removed(user_id, due.id, at=self._clock()):
                await products.add_events(user_id, [(due.id, ProductEventKind.removed, {})])
            uow.after_commit(PRODUCT_RULES)
