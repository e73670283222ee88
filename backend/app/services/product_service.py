"""Products: those read from shops, those imported from files, and those written by hand; and their way to the queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from app.db.unit_of_work import UnitOfWork
from app.domain.catalogue import ProductStatus
from app.domain.errors import FieldError, InvalidRequest, ProductNotEditable, ProductNotFound
from app.domain.products import data_of
from app.domain.vocabulary import PRODUCT_RULES
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.repositories.product_repository import ProductFilter, ProductRepository, ProductRow
from app.services.product_keeper import Kept, ProductKeeper, facts_from, values_of
from app.services.queue.intake import GenerateRequest, NewItem, QueueIntake
from app.stores.base import RowProblem, SourceProduct, Variant
from app.stores.csv_file import Table

QUEUE_MAX = 10_000
"""How many products one request puts into the queue."""
IN_BATCH = 500
EVENTS_SHOWN = 50
FIELDS = (
    "title", "description", "url", "image_urls", "brand", "category", "tags", "price_minor", "compare_at_price_minor",
    "currency", "is_available", "stock_count",
)  # fmt: skip


@dataclass(frozen=True)
class ImportReport:
    """What a file did, or in a dry run would do."""

    dry_run: bool
    rows: int
    kept: Kept
    problems: tuple[RowProblem, ...]


@dataclass(frozen=True)
class Queued:
    """What became of a request to queue products."""

    items: list[tuple[UUID, UUID]]
    """`(queue item, product)` in the order of the request."""
    waiting: list[UUID]
    """Products that wait in the queue already, and were not queued again."""
    missing: list[UUID]
    """Products that do not exist, or that their shop no longer has."""


class ProductService:
    """Works within the caller's unit of work."""

    def __init__(self, uow: UnitOfWork, clock: Clock) -> None:
        self._uow = uow
        self._clock = clock
        self._products = ProductRepository(uow.session)
        self._intake = QueueIntake(uow, clock)

    async def list_page(
        self, user_id: UUID, wanted: ProductFilter, *, page: int, per_page: int
    ) -> tuple[Sequence[ProductRow], int]:
        return await self._products.list_page(user_id, wanted, page=page, per_page=per_page)

    async def get(self, user_id: UUID, product_id: UUID) -> ProductRow:
        """Return a product. Raises `ProductNotFound`."""
        row = await self._products.find(user_id, product_id)
        if row is None:
            raise ProductNotFound
        return row

    async def events(self, user_id: UUID, product_id: UUID) -> Sequence[Any]:
        """Return what happened to a product, newest first. Raises `ProductNotFound`."""
        await self.get(user_id, product_id)
        return await self._products.events_of(user_id, product_id, limit=EVENTS_SHOWN)

    async def create(self, user_id: UUID, values: Mapping[str, Any]) -> ProductRow:
        """Add a product by hand. Raises `InvalidRequest` when its `external_id` is taken."""
        external_id = values.get("external_id") or str(new_id())
        if await self._products.find_by_external(user_id, None, external_id) is not None:
            sentence = "There is a product with this id already."
            raise InvalidRequest([FieldError(("body", "external_id"), sentence, "external_id_taken")])
        product = _source_product({**values, "external_id": external_id})
        await ProductKeeper(self._products).keep(user_id, None, [product], at=self._clock())
        self._uow.after_commit(PRODUCT_RULES)
        row = await self._products.find_by_external(user_id, None, external_id)
        assert row is not None
        return row

    async def update(self, user_id: UUID, product_id: UUID, changes: Mapping[str, Any]) -> ProductRow:
        """Change a product that no shop tells us of. Raises `ProductNotFound`, `ProductNotEditable`."""
        row = (await self._products.lock_many(user_id, [product_id])).get(product_id)
        if row is None:
            raise ProductNotFound
        if row.connection_id is not None:
            raise ProductNotEditable
        product = replace(_of_row(row), **_tuples(changes))
        _check_prices(product)
        await ProductKeeper(self._products).keep(user_id, None, [product], at=self._clock())
        self._uow.after_commit(PRODUCT_RULES)
        return await self.get(user_id, product_id)

    async def delete(self, user_id: UUID, product_id: UUID) -> None:
        """Delete a product; its posts and items of the queue stay. One that a shop still has comes back with the next
        reading. Raises `ProductNotFound`."""
        if not await self._products.delete(user_id, product_id):
            raise ProductNotFound

    async def take(self, user_id: UUID, table: Table, *, dry_run: bool, run_rules: bool) -> ImportReport:
        """Write what a file holds, or say what that would do."""
        if dry_run:
            kept = await self._compare(user_id, table.products)
        else:
            kept = await ProductKeeper(self._products).keep(
                user_id, None, table.products, at=self._clock(), is_first=not run_rules
            )
            self._uow.after_commit(PRODUCT_RULES)
        return ImportReport(dry_run, table.rows, kept, table.problems)

    async def _compare(self, user_id: UUID, found: Sequence[SourceProduct]) -> Kept:
        total = Kept()
        for start in range(0, len(found), IN_BATCH):
            batch = {product.external_id: product for product in found[start : start + IN_BATCH]}
            known = await self._products.known(user_id, None, list(batch), lock=False)
            same = sum(
                known[key].content_hash == values_of(product)["content_hash"]
                and known[key].status == ProductStatus.active
                for key, product in batch.items()
                if key in known
            )
            total += Kept(len(batch) - len(known), len(known) - same, same)
        return total

    async def queue(
        self,
        user_id: UUID,
        wanted: Sequence[UUID] | ProductFilter,
        *,
        platforms: Sequence[str],
        generate: GenerateRequest | None,
    ) -> Queued:
        """Put products into the queue, each once: one that waits there already is named instead."""
        if isinstance(wanted, ProductFilter):
            active = replace(wanted, status=ProductStatus.active)
            ids = await self._products.ids_matching(user_id, active, limit=QUEUE_MAX + 1)
            if len(ids) > QUEUE_MAX:
                sentence = f"More than {QUEUE_MAX:,} products match. Narrow the filter."
                raise InvalidRequest([FieldError(("body", "filter"), sentence, "too_many_products")])
        else:
            ids = list(dict.fromkeys(wanted))
        result = Queued([], [], [])
        for start in range(0, len(ids), IN_BATCH):
            batch = ids[start : start + IN_BATCH]
            rows = await self._products.lock_many(user_id, batch)
            waiting = await self._products.waiting_in_queue(user_id, batch)
            fresh = []
            for product_id in batch:
                row = rows.get(product_id)
                if row is None or row.status != ProductStatus.active:
                    result.missing.append(product_id)
                elif product_id in waiting:
                    result.waiting.append(product_id)
                else:
                    fresh.append(row)
            items = [
                NewItem(data_of(facts_from(row)), tuple(platforms), product_id=row.id, origin="product")
                for row in fresh
            ]
            made = await self._intake.add(user_id, items, generate=generate)
            result.items.extend(zip(made, (row.id for row in fresh), strict=True))
        return result


def _source_product(values: Mapping[str, Any]) -> SourceProduct:
    known = {name: value for name, value in _tuples(values).items() if value is not None or name == "is_available"}
    product = SourceProduct(**known)
    _check_prices(product)
    return product


def _check_prices(product: SourceProduct) -> None:
    if product.price_minor is not None and product.currency is None:
        raise InvalidRequest([FieldError(("body", "currency"), "Say which currency the price is in.", "required")])
    before = product.compare_at_price_minor
    if before is not None and (product.price_minor is None or before <= product.price_minor):
        sentence = "The crossed-out price has to be higher than the price."
        raise InvalidRequest([FieldError(("body", "compare_at_price_minor"), sentence, "compare_at_too_low")])


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values in the form of a source's product; null clears a text or a list."""
    empty = {"description": "", "image_urls": (), "tags": ()}
    cleared = {name: empty.get(name) if value is None else value for name, value in values.items()}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in cleared.items()}


def _of_row(row: ProductRow) -> SourceProduct:
    values = _tuples({name: getattr(row, name) for name in FIELDS})
    variants = tuple(Variant(**variant) for variant in row.variants)
    return SourceProduct(external_id=row.external_id, variants=variants, **values)
