"""Reads shops and feeds: claim → page → record, one page after the other.

No transaction is open while a shop is asked. What a page held and where the next one is are committed together, and
only while the lease is still ours: a killed worker's reading goes on at the page it had reached, and no page counts
twice. A product counts as removed only after a whole reading that can be believed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import Send, unit_of_work
from app.domain.catalogue import ProductEventKind, is_suspicious
from app.domain.publishing import backoff
from app.domain.vocabulary import PRODUCT_RULES
from app.kit.clock import Clock
from app.kit.crypto import KeyRingError
from app.kit.ids import new_id
from app.repositories.product_repository import ProductRepository
from app.repositories.store_repository import DueStore, StoreRepository
from app.services.product_keeper import Kept, ProductKeeper
from app.services.store_keys import StoreKeys
from app.stores.base import ProductSource, SourceBusy, SourceError, SourcePage, SourceRefused

log = structlog.get_logger()

LEASE = timedelta(minutes=6)
PAGE_SECONDS = 320.0
"""Longest time one page may take: well within the lease."""
LONGEST = timedelta(minutes=4)
"""After this time a worker lets go between two pages, so that others get their turn."""
EVERY_DEFAULT = timedelta(hours=1)
TRIES_MAX = 12
"""How often in a row a page may fail before the reading is given up until the next regular one."""
ERRORS_KEPT = 200
FULL_EVERY = timedelta(hours=23)
"""Sources that can tell what changed are read whole once a day, to notice what is gone."""
OVERLAP = timedelta(minutes=10)
"""Changes are asked for from a little before the last reading began: clocks differ."""
TELLS_CHANGES = frozenset({"woocommerce"})
AT_ONCE = 2
"""Shops that one process reads at the same time: the rest of its threads have other work."""


@dataclass
class Reading:
    """Where the reading of a source stands; survives JSON."""

    run_id: UUID
    kind: str
    is_first: bool
    cursor: Mapping[str, Any] | None = None
    modified_after: str | None = None
    kept: Kept = field(default_factory=Kept)
    pages: int = 0
    problems: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "run_id": str(self.run_id)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Reading:
        return cls(**{**value, "run_id": UUID(value["run_id"]), "kept": Kept(**value["kept"])})

    def counts(self, **more: Any) -> dict[str, Any]:
        return {"kind": self.kind, "pages": self.pages, **asdict(self.kept), "problems": self.problems, **more}


class LeaseLostError(Exception):
    """Somebody else reads this shop now, or its owner stopped it."""


class ProductSync:
    def __init__(
        self,
        *,
        sessions: Sessions,
        sources: Mapping[str, ProductSource],
        keys: StoreKeys,
        clock: Clock,
        send: Send | None,
        chance: random.Random | None = None,
    ) -> None:
        self._sessions = sessions
        self._sources = sources
        self._keys = keys
        self._clock = clock
        self._send = send
        self._chance = chance or random.Random()  # noqa: S311 - jitter
        self._places = asyncio.Semaphore(AT_ONCE)

    async def work(self) -> int:
        """Read shops that are due until none is, and return how many were taken up. Safe to call twice at once."""
        if self._places.locked():
            return 0
        async with self._places:
            count, until = 0, time.monotonic() + LONGEST.total_seconds()
            while time.monotonic() < until:
                async with unit_of_work(self._sessions) as uow:
                    store = await StoreRepository(uow.session).claim(lease=LEASE)
                if store is None:
                    break
                count += 1
                await self._read(store, until=until)
            return count

    async def _read(self, store: DueStore, *, until: float) -> None:
        try:
            reading = await self._begin(store)
        except LeaseLostError:
            return
        try:
            await self._pages(store, reading, until=until)
        except LeaseLostError:
            log.info("store.lease_lost", connection_id=str(store.id))
        except KeyRingError:
            sentence = "The keys of this shop cannot be opened any more. Enter them again."
            await self._stop(store, reading, SourceRefused(sentence, code="keys_unreadable", field="api_key"))
        except SourceBusy as error:
            await self._later(store, reading, error)
        except SourceError as error:
            await self._stop(store, reading, error)
        except Exception as error:
            log.exception("store.defect", connection_id=str(store.id))
            sentence = "Something unexpected happened on our side while reading this shop. We try again."
            await self._later(store, reading, SourceBusy(sentence, detail=type(error).__name__))

    async def _begin(self, store: DueStore) -> Reading:
        """Go on with the reading that was begun, or begin a new one."""
        if store.sync_state:
            return Reading.from_json(store.sync_state)
        async with unit_of_work(self._sessions) as uow:
            stores = StoreRepository(uow.session)
            if not await stores.holds(store):
                raise LeaseLostError
            last = await stores.last_complete_at(store.id, "any")
            full = await stores.last_complete_at(store.id, "full")
            wants_all = store.platform not in TELLS_CHANGES or full is None or self._clock() - full > FULL_EVERY
            is_first = last is None or not await ProductRepository(uow.session).has_any(store.user_id, store.id)
            reading = Reading(new_id(), "full" if wants_all else "changes", is_first=is_first)
            if not wants_all:
                reading.modified_after = (last - OVERLAP).replace(microsecond=0, tzinfo=None).isoformat()
            await stores.begin_run(reading.run_id, store)
            await stores.go_on(store, reading.to_json(), lease=LEASE)
        return reading

    async def _pages(self, store: DueStore, reading: Reading, *, until: float) -> None:
        source = self._sources[store.platform]
        changes = {"modified_after": reading.modified_after} if reading.modified_after else {}
        access = self._keys.access(store, changes)
        while True:
            try:
                async with asyncio.timeout(PAGE_SECONDS):
                    page = await source.page(access, reading.cursor)
            except TimeoutError as error:
                raise SourceBusy("The shop answers too slowly. We try again later.") from error
            wait = 0.0 if time.monotonic() < until else 0.001
            if await self._record(store, reading, page, wait=max(page.wait_seconds, wait)):
                return

    async def _record(self, store: DueStore, reading: Reading, page: SourcePage, *, wait: float) -> bool:
        """Write a page with the place of the next one. Return True when the connection was let go.

        What was reached moves on with the commit and not before: after a rollback the same page comes again."""
        at, committed, reading = self._clock(), reading, Reading.from_json(reading.to_json())
        async with unit_of_work(self._sessions, self._send) as uow:
            stores, products = StoreRepository(uow.session), ProductRepository(uow.session)
            if not await stores.holds(store):
                raise LeaseLostError
            reading.kept += await ProductKeeper(products).keep(
                store.user_id, store.id, page.products, at=at, run_id=reading.run_id, is_first=reading.is_first
            )
            unreadable = sorted({problem.external_id for problem in page.problems if problem.external_id})
            await products.note_seen(store.user_id, store.id, unreadable, reading.run_id)
            reading.pages += 1
            reading.problems += len(page.problems)
            room = ERRORS_KEPT - len(reading.errors)
            reading.errors += [_told(problem) for problem in page.problems[: max(room, 0)]]
            reading.cursor = page.cursor
            if page.cursor is None:
                await self._complete(store, reading, stores, products)
            else:
                await stores.save_run(reading.run_id, counts=reading.counts(), errors=reading.errors, outcome=None)
                if wait > 0:
                    await stores.pause(
                        store, reading.to_json(), wait=timedelta(seconds=wait), tries=0, code=None, message=None
                    )
                else:
                    await stores.go_on(store, reading.to_json(), lease=LEASE)
            uow.after_commit(PRODUCT_RULES)
        vars(committed).update(vars(reading))
        return page.cursor is None or wait > 0

    async def _complete(
        self, store: DueStore, reading: Reading, stores: StoreRepository, products: ProductRepository
    ) -> None:
        """End a reading that came to its end: notice what is gone, unless too much is."""
        outcome, code, message, removed = "done", None, None, 0
        met, missing = await products.presence(store.user_id, store.id, reading.run_id)
        if reading.kind == "full" and missing:
            last = await stores.last_outcome(store.id)
            if met == 0:
                outcome, code = "empty", "source_empty"
                message = (
                    f"The shop gave no product at all, although {missing} are known. They stay as they are; if the "
                    "shop really is empty, delete this connection."
                )
            elif is_suspicious(met=met, missing=missing) and not (last and _is_same_again(last, met)):
                outcome, code = "shrunken", "source_shrunken"
                message = (
                    f"{missing} of {met + missing} products are missing in the shop. They stay as they are until the "
                    "next reading says the same."
                )
            else:
                gone = await products.remove_unmet(store.user_id, store.id, reading.run_id, at=self._clock())
                await products.add_events(store.user_id, [(product, ProductEventKind.removed, {}) for product in gone])
                removed = len(gone)
        counts = reading.counts(removed=removed, met=met)
        await stores.save_run(reading.run_id, counts=counts, errors=reading.errors, outcome=outcome)
        await stores.finish(store, wait=every(store.options), code=code, message=message, is_done=True)
        log.info("store.read", connection_id=str(store.id), outcome=outcome, **counts)

    async def _later(self, store: DueStore, reading: Reading, error: SourceBusy) -> None:
        """The same page again, later; after many tries in a row, the next regular reading begins anew."""
        tries = store.tries + 1
        async with unit_of_work(self._sessions) as uow:
            stores = StoreRepository(uow.session)
            if not await stores.holds(store):
                return
            if tries > TRIES_MAX:
                await stores.save_run(
                    reading.run_id, counts=reading.counts(), errors=reading.errors, outcome="given_up"
                )
                await stores.finish(
                    store, wait=every(store.options), code=error.code, message=error.sentence, is_done=False
                )
                return
            after = None if error.after_seconds is None else timedelta(seconds=error.after_seconds)
            wait = backoff(tries - 1, after=after, chance=self._chance)
            # An owner is told only of what lasts: one busy minute is nothing to do anything about.
            told = tries >= 3
            await stores.pause(
                store,
                reading.to_json(),
                wait=wait,
                tries=tries,
                code=error.code if told else None,
                message=error.sentence if told else None,
            )
        log.info("store.busy", connection_id=str(store.id), tries=tries, detail=error.detail)

    async def _stop(self, store: DueStore, reading: Reading, error: SourceError) -> None:
        """End a reading that cannot go on. One that the owner has to do something about is not tried again."""
        outcome = "refused" if isinstance(error, SourceRefused) else "unreadable"
        wait = None if isinstance(error, SourceRefused) else every(store.options)
        async with unit_of_work(self._sessions) as uow:
            stores = StoreRepository(uow.session)
            if not await stores.holds(store):
                return
            trouble = [{"row": "", "field": error.field, "code": error.code, "message": error.sentence}]
            await stores.save_run(
                reading.run_id, counts=reading.counts(), errors=reading.errors + trouble, outcome=outcome
            )
            await stores.finish(store, wait=wait, code=error.code, message=error.sentence, is_done=False)
        log.warning("store.stopped", connection_id=str(store.id), outcome=outcome, code=error.code, detail=error.detail)


def every(options: Mapping[str, Any]) -> timedelta:
    """Return how long after a reading the next one begins."""
    minutes = options.get("sync_minutes")
    return timedelta(minutes=minutes) if isinstance(minutes, int) and minutes >= 5 else EVERY_DEFAULT


def _is_same_again(last: tuple[str, dict[str, Any]], met: int) -> bool:
    """Whether the reading before found about as few products: within a tenth."""
    outcome, counts = last
    before = int(counts.get("met", 0))
    return outcome == "shrunken" and abs(before - met) * 10 <= max(before, met)


def _told(problem: Any) -> dict[str, Any]:
    return {"row": problem.row, "field": problem.field, "code": problem.code, "message": problem.message}
