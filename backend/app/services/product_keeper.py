"""Writes what a source tells of its products, and what has happened to them, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domain.catalogue import Known, ProductEventKind, ProductStatus, content_hash, happenings
from app.domain.products import ProductFacts
from app.kit.ids import new_id
from app.repositories.product_repository import BATCH, ProductRepository
from app.stores.base import SourceProduct


@dataclass(frozen=True)
class Kept:
    """How many products were new, changed, and as they were."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: Kept) -> Kept:
        return Kept(self.created + other.created, self.updated + other.updated, self.unchanged + other.unchanged)


class ProductKeeper:
    """Works within the caller's transaction."""

    def __init__(self, products: ProductRepository) -> None:
        self._products = products

    async def keep(
        self,
        user_id: UUID,
        connection_id: UUID | None,
        found: Sequence[SourceProduct],
        *,
        at: datetime,
        run_id: UUID | None = None,
        is_first: bool = False,
    ) -> Kept:
        """Write products; the later of two with the same id counts. `is_first` marks what rules leave alone unless
        they are told otherwise."""
        unique = {product.external_id: product for product in found}
        ordered = [unique[key] for key in sorted(unique)]
        total = Kept()
        for start in range(0, len(ordered), BATCH):
            batch = ordered[start : start + BATCH]
            total += await self._keep(user_id, connection_id, batch, at=at, run_id=run_id, is_first=is_first)
        return total

    async def _keep(
        self,
        user_id: UUID,
        connection_id: UUID | None,
        found: Sequence[SourceProduct],
        *,
        at: datetime,
        run_id: UUID | None,
        is_first: bool,
    ) -> Kept:
        known = await self._products.known(user_id, connection_id, [product.external_id for product in found])
        fresh, changed, same, events = [], [], [], []
        for product in found:
            values = values_of(product)
            row = known.get(product.external_id)
            if row is None:
                fresh.append(
                    {
                        **values,
                        "id": new_id(),
                        "user_id": user_id,
                        "connection_id": connection_id,
                        "seen_run_id": run_id,
                        "checked_at": at,
                    }
                )
                continue
            if row.content_hash == values["content_hash"] and row.status == ProductStatus.active:
                same.append(row.id)
                continue
            before = Known(row.price_minor, row.currency, row.is_available, row.status)
            now = Known(product.price_minor, product.currency, product.is_available)
            events += [(row.id, happening.kind, happening.facts) for happening in happenings(before, now)]
            values |= {"id": row.id, "checked_at": at, "status": ProductStatus.active, "removed_at": None}
            changed.append(values | {"seen_run_id": run_id if run_id is not None else row.seen_run_id})
        written = await self._products.insert_new(fresh)
        await self._products.update_many(changed)
        await self._products.met(same, run_id=run_id, at=at)
        facts = {"is_first": True} if is_first else {}
        events += [(product_id, ProductEventKind.new, facts) for product_id in written.values()]
        await self._products.add_events(user_id, events)
        return Kept(len(written), len(changed), len(same) + len(fresh) - len(written))


def values_of(product: SourceProduct) -> dict[str, Any]:
    """Return a product as its row has it."""
    told = {
        "title": product.title,
        "description": product.description,
        "url": product.url,
        "image_urls": list(product.image_urls),
        "brand": product.brand,
        "category": product.category,
        "tags": list(product.tags),
        "price_minor": product.price_minor,
        "compare_at_price_minor": product.compare_at_price_minor,
        "currency": product.currency,
        "is_available": product.is_available,
        "stock_count": product.stock_count,
        "variants": [asdict(variant) for variant in product.variants],
    }
    return {
        **told,
        "external_id": product.external_id,
        "content_hash": content_hash(told),
        "source_updated_at": product.source_updated_at,
    }


def facts_from(row: Any) -> ProductFacts:
    """Return a stored product as captions may speak of it."""
    titles = [variant["title"] for variant in row.variants if variant.get("title")]
    return ProductFacts(
        title=row.title,
        description=row.description,
        price_minor=row.price_minor,
        compare_at_price_minor=row.compare_at_price_minor,
        currency=row.currency,
        url=row.url,
        image_urls=tuple(row.image_urls),
        brand=row.brand,
        category=row.category,
        tags=tuple(row.tags),
        is_available=row.is_available,
        other={"variants": titles[:20]} if titles else {},
    )
