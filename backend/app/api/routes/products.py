"""Products: from shops, from files, and written by hand."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, status

from app.api.deps import ContainerDep, CurrentUser, Page, PerPage, ProductServiceDep, ReadingProductServiceDep
from app.api.forms import receive_file
from app.api.problems import problems
from app.domain.errors import (
    FieldError,
    InvalidRequest,
    InvalidToken,
    MediaTooLarge,
    NotAuthenticated,
    ProductNotEditable,
    ProductNotFound,
    StorageFull,
)
from app.repositories.product_repository import ProductFilter
from app.schemas.common import Moment, Storable
from app.schemas.products import (
    CreateProduct,
    ImportRead,
    ProductEventRead,
    ProductPage,
    ProductRead,
    QueuedProduct,
    QueuedProducts,
    QueueProducts,
    UpdateProduct,
)
from app.schemas.stores import CurrencyCode, RowProblemRead
from app.services.queue.intake import GenerateRequest
from app.storage.store import temporary_path
from app.stores.base import SourceUnreadable
from app.stores.google_feed import read_feed

router = APIRouter(prefix="/products", tags=["products"])
SIGNED_IN = (NotAuthenticated, InvalidToken)
FOUND = (*SIGNED_IN, ProductNotFound)
IMPORT_MAX_BYTES = 20_000_000
FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}
Searched = Annotated[str | None, Query(min_length=1, max_length=200), Storable]


@router.get("", operation_id="products_list", responses=problems(*SIGNED_IN))
async def list_products(
    user: CurrentUser,
    products: ReadingProductServiceDep,
    page: Page = 1,
    per_page: PerPage = 20,
    q: Searched = None,
    connection_id: UUID | None = None,
    status: Literal["active", "removed"] | None = None,
    available: bool | None = None,
    category: Searched = None,
    changed_since: Moment | None = None,
) -> ProductPage:
    """List products, newest first. `q` looks in title, brand and the source's id."""
    wanted = ProductFilter(q, connection_id, status, available, category, changed_since)
    rows, total = await products.list_page(user.id, wanted, page=page, per_page=per_page)
    items = [ProductRead.model_validate(row) for row in rows]
    return ProductPage(items=items, total=total, page=page, per_page=per_page)


@router.post("", status_code=status.HTTP_201_CREATED, operation_id="products_create", responses=problems(*SIGNED_IN))
async def create(body: CreateProduct, user: CurrentUser, products: ProductServiceDep) -> ProductRead:
    """Write a product by hand."""
    return ProductRead.model_validate(await products.create(user.id, body.model_dump(exclude_none=True)))


@router.post(
    "/import",
    operation_id="products_import",
    openapi_extra=FORM,
    responses=problems(*SIGNED_IN, MediaTooLarge, StorageFull),
)
async def import_file(
    request: Request,
    user: CurrentUser,
    products: ProductServiceDep,
    container: ContainerDep,
    dry_run: bool = False,
    currency: CurrencyCode | None = None,
    run_rules: bool = False,
) -> ImportRead:
    """Import products from a CSV or TSV file (at most 10,000 rows) or a product feed in XML. Rows that are wrong are
    named and left out, all others are taken; a product whose id is known is changed. With `dry_run` nothing is written.
    `currency` is that of prices without one. Rules for new products act only with `run_rules`."""
    taking = container.media_taking
    async with temporary_path(taking.folder) as path:
        await receive_file(request, path, max_bytes=IMPORT_MAX_BYTES, require_room=taking.require_room)
        try:
            table = await asyncio.to_thread(read_feed, path, currency=currency, clock=container.clock)
        except SourceUnreadable as error:
            raise InvalidRequest([FieldError(("body", "file"), error.sentence, error.code)]) from error
    report = await products.take(user.id, table, dry_run=dry_run, run_rules=run_rules)
    return ImportRead(
        dry_run=report.dry_run,
        rows=report.rows,
        created=report.kept.created,
        updated=report.kept.updated,
        unchanged=report.kept.unchanged,
        problems=[RowProblemRead.model_validate(problem) for problem in report.problems],
    )


@router.post("/queue", operation_id="products_queue", responses=problems(*SIGNED_IN))
async def queue(body: QueueProducts, user: CurrentUser, products: ProductServiceDep) -> QueuedProducts:
    """Put products into the content queue. One that waits there already is not queued again."""
    wanted: list[UUID] | ProductFilter = body.product_ids or []
    if body.filter is not None:
        chosen = body.filter
        wanted = ProductFilter(
            text=chosen.q,
            connection_id=chosen.connection_id,
            is_available=chosen.available,
            category=chosen.category,
            changed_since=chosen.changed_since,
        )
    generate = GenerateRequest(tone=body.tone) if body.generate else None
    done = await products.queue(user.id, wanted, platforms=list(body.platforms), generate=generate)
    return QueuedProducts(
        queued=len(done.items),
        items=[QueuedProduct(id=item, product_id=product) for item, product in done.items],
        already_waiting=done.waiting,
        not_found=done.missing,
    )


@router.get("/{product_id}", operation_id="products_get", responses=problems(*FOUND))
async def get(product_id: UUID, user: CurrentUser, products: ReadingProductServiceDep) -> ProductRead:
    """Return one product."""
    return ProductRead.model_validate(await products.get(user.id, product_id))


@router.get("/{product_id}/events", operation_id="products_events", responses=problems(*FOUND))
async def events(product_id: UUID, user: CurrentUser, products: ReadingProductServiceDep) -> list[ProductEventRead]:
    """Return what happened to a product, newest first."""
    return [ProductEventRead.model_validate(row) for row in await products.events(user.id, product_id)]


@router.patch("/{product_id}", operation_id="products_update", responses=problems(*FOUND, ProductNotEditable))
async def update(product_id: UUID, body: UpdateProduct, user: CurrentUser, products: ProductServiceDep) -> ProductRead:
    """Change a product written by hand or imported. Those of a shop are changed in the shop."""
    changes = body.model_dump(exclude_unset=True)
    return ProductRead.model_validate(await products.update(user.id, product_id, changes))


@router.delete(
    "/{product_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    operation_id="products_delete",
    responses=problems(*FOUND),
)
async def delete(product_id: UUID, user: CurrentUser, products: ProductServiceDep) -> None:
    """Delete a product. Its posts and items of the queue stay. One that its shop still has comes back."""
    await products.delete(user.id, product_id)
