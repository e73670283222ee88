"""The content queue: products become captions, captions become posts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, status
from fastapi.responses import Response, StreamingResponse

from app.api.deps import (
    CurrentUser,
    Page,
    PerPage,
    QueueApprovalDep,
    QueueBulkDep,
    QueueServiceDep,
    QueueWritingDep,
    ReadingQueueServiceDep,
    TemplateServiceDep,
)
from app.api.problems import problem_body, problems
from app.domain.errors import (
    AccountNotConnected,
    AccountNotFound,
    AiBudgetUsedUp,
    AppError,
    CaptionNeedsReview,
    CaptionNotWritten,
    CaptionVersionNotFound,
    InvalidRequest,
    InvalidToken,
    NoFreeSlot,
    NotAuthenticated,
    NotInPlan,
    PastTime,
    PlanLimitReached,
    QueueItemBusy,
    QueueItemChanged,
    QueueItemNotDeletable,
    QueueItemNotFound,
    QueueItemState,
    TemplateNotFound,
    WriterUnavailable,
)
from app.domain.vocabulary import Platform, QueueStatus
from app.repositories.queue_repository import QueueFilter, QueueRow
from app.schemas.common import Storable
from app.schemas.queue import (
    Approve,
    Bulk,
    BulkAction,
    BulkError,
    BulkRead,
    BulkResult,
    CaptionBody,
    CheckedCaption,
    CreateItem,
    Generate,
    GenerateCaption,
    ItemPage,
    ItemRead,
    UpdateItem,
    VersionRead,
)
from app.schemas.templates import ApplyTemplate
from app.services.queue.approval import Approval
from app.services.queue.bulk import Done
from app.services.queue.captions import CaptionEdit
from app.services.queue.intake import GenerateRequest, NewItem

router = APIRouter(prefix="/queue", tags=["queue"])
SIGNED_IN = (NotAuthenticated, InvalidToken)
ITEM = (*SIGNED_IN, QueueItemNotFound, QueueItemState, QueueItemBusy)
WRITING = (PlanLimitReached, AiBudgetUsedUp, CaptionNotWritten, WriterUnavailable)
APPROVING = (
    CaptionNeedsReview, NoFreeSlot, NotInPlan, PastTime, AccountNotFound, AccountNotConnected, InvalidRequest,
    QueueItemChanged,
)  # fmt: skip


@router.post("", status_code=status.HTTP_201_CREATED, operation_id="queue_create", responses=problems(*SIGNED_IN))
async def create_item(body: CreateItem, user: CurrentUser, queue: QueueServiceDep) -> ItemRead:
    """Add a product to the queue."""
    return read_item(await queue.add(user.id, NewItem(body.product_data, tuple(body.platforms))))


@router.get("", operation_id="queue_list", responses=problems(*SIGNED_IN, InvalidRequest))
async def list_items(
    user: CurrentUser,
    queue: ReadingQueueServiceDep,
    status: QueueStatus | None = None,
    product_id: UUID | None = None,
    q: Annotated[str | None, Query(max_length=200), Storable] = None,
    is_generating: bool | None = None,
    page: Page = 1,
    per_page: PerPage = 20,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> ItemPage:
    """List items, newest first. `q` looks into titles."""
    wanted = QueueFilter(status, product_id, q or None, is_generating)
    found = await queue.list_page(user.id, wanted, page=page, per_page=per_page, cursor=cursor)
    return ItemPage(
        items=[read_item(row) for row in found.items],
        total=found.total,
        page=found.page,
        per_page=found.per_page,
        next_cursor=found.next_cursor,
        counts={name: found.counts.get(name, 0) for name in QueueStatus},
    )


@router.post(
    "/generate-caption",
    operation_id="queue_generate_caption",
    responses=problems(*SIGNED_IN, *WRITING),
)
async def generate_caption(body: GenerateCaption, user: CurrentUser, writing: QueueWritingDep) -> CheckedCaption:
    """Write one caption without putting the product into the queue."""
    return CheckedCaption.model_validate(await writing.once(user, body.product_data, body.platform, body.tone))


@router.post("/bulk", operation_id="queue_bulk", responses=problems(*SIGNED_IN, NotInPlan, InvalidRequest))
async def bulk(body: Bulk, user: CurrentUser, many: QueueBulkDep) -> BulkRead:
    """Do one thing for many items. Each is done or refused by itself; captions are written in the background."""
    ids = list(dict.fromkeys(body.item_ids or []))
    if body.filter is not None:
        ids = await many.matching(user, QueueFilter(status=body.filter.status), limit=body.filter.limit)
    generate = None if body.generate is None else _wanted(body.generate)
    match body.action:
        case BulkAction.add:
            items = [NewItem(item.product_data, tuple(item.platforms)) for item in body.items or []]
            done = await many.add(user, items, generate=generate)
        case BulkAction.generate:
            done = await many.generate(user, ids, generate or GenerateRequest())
        case BulkAction.approve:
            done = await many.approve(user, ids, _approval(body.approve or Approve()))
        case BulkAction.reject:
            done = await many.reject(user, ids)
        case BulkAction.delete:
            done = await many.delete(user, ids)
    results = [_result(one) for one in done]
    succeeded = sum(result.ok for result in results)
    return BulkRead(
        action=body.action,
        total=len(results),
        succeeded=succeeded,
        failed=len(results) - succeeded,
        results=results,
    )


@router.get("/{item_id}", operation_id="queue_get", responses=problems(*SIGNED_IN, QueueItemNotFound))
async def get_item(item_id: UUID, user: CurrentUser, queue: ReadingQueueServiceDep) -> ItemRead:
    """Return one item."""
    return read_item(await queue.get(user.id, item_id))


@router.patch("/{item_id}", operation_id="queue_update", responses=problems(*ITEM, InvalidRequest))
async def update_item(item_id: UUID, body: UpdateItem, user: CurrentUser, queue: QueueServiceDep) -> ItemRead:
    """Change captions by hand, the product's data or the platforms. Every change of captions is a version."""
    row = await queue.edit(
        user.id, item_id, captions=_edits(body.captions), product_data=body.product_data, platforms=body.platforms
    )
    return read_item(row)


@router.delete(
    "/{item_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    operation_id="queue_delete",
    responses=problems(*SIGNED_IN, QueueItemNotFound, QueueItemNotDeletable, QueueItemBusy),
)
async def delete_item(item_id: UUID, user: CurrentUser, queue: QueueServiceDep) -> None:
    """Remove an item that is pending, generated or rejected."""
    await queue.delete(user.id, item_id)


@router.post("/{item_id}/generate", operation_id="queue_generate", responses=problems(*ITEM, *WRITING, InvalidRequest))
async def generate(
    item_id: UUID, user: CurrentUser, writing: QueueWritingDep, body: Generate | None = None
) -> ItemRead:
    """Write captions for every platform of the item, or write them anew."""
    return read_item(await writing.now(user, item_id, _wanted(body or Generate())))


@router.post(
    "/{item_id}/generate/stream",
    operation_id="queue_generate_stream",
    response_class=StreamingResponse,
    responses={
        **problems(*ITEM, *WRITING, InvalidRequest),
        200: {"content": {"text/event-stream": {}}, "description": "Events `text`, then `item` or `problem`"},
    },
)
async def generate_stream(
    item_id: UUID, request: Request, user: CurrentUser, writing: QueueWritingDep, body: Generate | None = None
) -> Response:
    """Write captions and show the text as it comes. Events: `text` with `{"text": …}`, then `item` with the item, or
    `problem` when it fails on the way."""
    pieces = writing.stream(user, item_id, _wanted(body or Generate()))
    first = await anext(pieces)

    async def events() -> AsyncIterator[str]:
        try:
            yield _event(first)
            async for piece in pieces:
                yield _event(piece)
        except AppError as error:
            yield f"event: problem\ndata: {json.dumps(problem_body(request, error))}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


@router.post(
    "/{item_id}/apply-template",
    operation_id="queue_apply_template",
    responses=problems(*ITEM, TemplateNotFound, InvalidRequest),
)
async def apply_template(
    item_id: UUID, body: ApplyTemplate, user: CurrentUser, queue: QueueServiceDep, templates: TemplateServiceDep
) -> ItemRead:
    """Fill captions from one of the user's templates. It counts as no AI caption."""
    template = await templates.template(user.id, body.template_id)
    return read_item(await queue.apply_template(user.id, item_id, template, platforms=body.platforms))


@router.get("/{item_id}/versions", operation_id="queue_versions", responses=problems(*SIGNED_IN, QueueItemNotFound))
async def versions(item_id: UUID, user: CurrentUser, queue: ReadingQueueServiceDep) -> list[VersionRead]:
    """Return what the captions were, newest first."""
    return [VersionRead.model_validate(one) for one in await queue.versions(user.id, item_id)]


@router.post(
    "/{item_id}/versions/{version}/restore",
    operation_id="queue_restore",
    responses=problems(*ITEM, CaptionVersionNotFound),
)
async def restore(item_id: UUID, version: int, user: CurrentUser, queue: QueueServiceDep) -> ItemRead:
    """Take up an earlier version of the captions."""
    return read_item(await queue.restore(user.id, item_id, version))


@router.post("/{item_id}/approve", operation_id="queue_approve", responses=problems(*ITEM, *APPROVING))
async def approve(
    item_id: UUID, user: CurrentUser, approval: QueueApprovalDep, body: Approve | None = None
) -> ItemRead:
    """Approve an item that is pending or generated; with accounts, its posts are made in the same step."""
    return read_item(await approval.approve(user, item_id, _approval(body or Approve())))


@router.post("/{item_id}/schedule", operation_id="queue_schedule", responses=problems(*ITEM, *APPROVING))
async def schedule(item_id: UUID, body: Approve, user: CurrentUser, approval: QueueApprovalDep) -> ItemRead:
    """Make the posts of an item that was approved without accounts."""
    return read_item(await approval.schedule(user, item_id, _approval(body)))


@router.post("/{item_id}/reject", operation_id="queue_reject", responses=problems(*ITEM))
async def reject(item_id: UUID, user: CurrentUser, queue: QueueServiceDep) -> ItemRead:
    """Put an item aside."""
    return read_item(await queue.reject(user.id, item_id))


@router.post("/{item_id}/reopen", operation_id="queue_reopen", responses=problems(*ITEM))
async def reopen(item_id: UUID, user: CurrentUser, queue: QueueServiceDep) -> ItemRead:
    """Take up again an item that was rejected, or approved without posts."""
    return read_item(await queue.reopen(user.id, item_id))


def read_item(row: QueueRow) -> ItemRead:
    return ItemRead.model_validate({**row._mapping, "is_generating": row.generate_request is not None})


def _wanted(body: Generate) -> GenerateRequest:
    platforms = tuple(dict.fromkeys(body.platforms)) if body.platforms else None
    return GenerateRequest(tone=body.tone, instruction=body.instruction or None, platforms=platforms)


def _edits(captions: Mapping[Platform, CaptionBody]) -> dict[str, CaptionEdit]:
    return {
        platform: CaptionEdit(edit.caption, None if edit.hashtags is None else tuple(edit.hashtags))
        for platform, edit in captions.items()
    }


def _approval(body: Approve) -> Approval:
    return Approval(
        account_ids=tuple(body.account_ids or ()),
        scheduled_for=body.scheduled_for,
        auto_schedule=body.auto_schedule,
        schedule_from=body.schedule_from,
        schedule_until=body.schedule_until,
        spread=body.spread,
        captions=_edits(body.captions),
        options={str(platform): options for platform, options in body.options.items()},
        media_urls=None if body.media_urls is None else tuple(body.media_urls),
        accepted_findings=frozenset(body.accepted_findings),
    )


def _result(done: Done) -> BulkResult:
    error = None
    if done.error is not None:
        fields = done.error.errors if isinstance(done.error, InvalidRequest) else []
        error = BulkError(
            status=done.error.status,
            code=done.error.code,
            detail=done.error.detail,
            errors=[{"loc": list(one.loc), "msg": one.msg, "type": one.type} for one in fields],
            findings=done.error.extra.get("findings", []),
        )
    return BulkResult(
        id=done.id,
        ok=error is None,
        status=None if done.status is None else QueueStatus(done.status),
        is_generating=done.is_generating,
        post_ids=list(done.post_ids),
        error=error,
    )


def _event(piece: str | QueueRow) -> str:
    if isinstance(piece, str):
        return f"event: text\ndata: {json.dumps({'text': piece})}\n\n"
    return f"event: item\ndata: {read_item(piece).model_dump_json()}\n\n"
