"""Outgoing webhooks: where what happens is told, signed as Standard Webhooks, and the log of it."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, status

from app.api.deps import CurrentUser, HookEndpointsDep, Page, PerPage
from app.api.problems import problems
from app.domain.errors import (
    DeliveryNotFound,
    InvalidToken,
    NotAuthenticated,
    TooManyWebhookEndpoints,
    WebhookEndpointNotFound,
)
from app.domain.happenings import message_id
from app.models import WebhookDelivery
from app.schemas.hooks import (
    CreateWebhookEndpoint,
    DeliveryOutcome,
    UpdateWebhookEndpoint,
    WebhookDeliveryPage,
    WebhookDeliveryRead,
    WebhookEndpointRead,
    WebhookEndpointWithSecret,
)
from app.services.onward.hook_endpoints import NewEndpoint

router = APIRouter(prefix="/webhook-endpoints", tags=["webhook endpoints"])
SIGNED_IN = (NotAuthenticated, InvalidToken)
FOUND = (*SIGNED_IN, WebhookEndpointNotFound)


def _with_secret(new: NewEndpoint) -> WebhookEndpointWithSecret:
    shown = WebhookEndpointRead.model_validate(new.endpoint).model_dump()
    return WebhookEndpointWithSecret(**shown, secret=new.secret)


def _read(delivery: WebhookDelivery) -> WebhookDeliveryRead:
    is_open = delivery.ended_at is None
    return WebhookDeliveryRead(
        id=delivery.id,
        webhook_id=message_id(delivery.event_id),
        type=delivery.kind,
        payload=delivery.payload,
        outcome=DeliveryOutcome.open if is_open else DeliveryOutcome(str(delivery.outcome)),
        tries=delivery.tries,
        next_try_at=delivery.due_at if is_open else None,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
        is_replay=delivery.replay > 0,
        created_at=delivery.created_at,
        ended_at=delivery.ended_at,
    )


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    operation_id="webhook_endpoints_create",
    responses=problems(*SIGNED_IN, TooManyWebhookEndpoints),
)
async def create(body: CreateWebhookEndpoint, user: CurrentUser, hooks: HookEndpointsDep) -> WebhookEndpointWithSecret:
    """Have what happens sent to an address. The answer holds the secret that deliveries are signed with, this once."""
    return _with_secret(
        await hooks.create(
            user.id, url=body.url, description=body.description, events=[kind.value for kind in body.events]
        )
    )


@router.get("", operation_id="webhook_endpoints_list", responses=problems(*SIGNED_IN))
async def list_endpoints(user: CurrentUser, hooks: HookEndpointsDep) -> list[WebhookEndpointRead]:
    """List the endpoints, oldest first."""
    return [WebhookEndpointRead.model_validate(one) for one in await hooks.list_all(user.id)]


@router.get("/{endpoint_id}", operation_id="webhook_endpoints_get", responses=problems(*FOUND))
async def get(endpoint_id: UUID, user: CurrentUser, hooks: HookEndpointsDep) -> WebhookEndpointRead:
    """Return one endpoint."""
    return WebhookEndpointRead.model_validate(await hooks.get(user.id, endpoint_id))


@router.patch("/{endpoint_id}", operation_id="webhook_endpoints_update", responses=problems(*FOUND))
async def update(
    endpoint_id: UUID, body: UpdateWebhookEndpoint, user: CurrentUser, hooks: HookEndpointsDep
) -> WebhookEndpointRead:
    """Change an endpoint; a field left out or null is unchanged. Switched off, it gets nothing new, and what waits for
    it is kept for three days; a new address, or switching it on again, has that tried at once."""
    changes = body.model_dump(mode="json", exclude_none=True)
    return WebhookEndpointRead.model_validate(await hooks.update(user.id, endpoint_id, changes))


@router.delete(
    "/{endpoint_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    operation_id="webhook_endpoints_delete",
    responses=problems(*FOUND),
)
async def delete(endpoint_id: UUID, user: CurrentUser, hooks: HookEndpointsDep) -> None:
    """Delete an endpoint with its log. What waits for it is not sent any more."""
    await hooks.delete(user.id, endpoint_id)


@router.post("/{endpoint_id}/rotate-secret", operation_id="webhook_endpoints_rotate_secret", responses=problems(*FOUND))
async def rotate_secret(endpoint_id: UUID, user: CurrentUser, hooks: HookEndpointsDep) -> WebhookEndpointWithSecret:
    """Give an endpoint a new secret, shown this once. Everything sent from now on is signed with it alone."""
    return _with_secret(await hooks.rotate_secret(user.id, endpoint_id))


@router.post("/{endpoint_id}/test", operation_id="webhook_endpoints_test", responses=problems(*FOUND))
async def test(endpoint_id: UUID, user: CurrentUser, hooks: HookEndpointsDep) -> WebhookDeliveryRead:
    """Send an event of the type `webhook.test` now, and return what the receiver said. Takes up to ten seconds."""
    return _read(await hooks.test(user.id, endpoint_id))


@router.get("/{endpoint_id}/deliveries", operation_id="webhook_deliveries_list", responses=problems(*FOUND))
async def list_deliveries(
    endpoint_id: UUID,
    user: CurrentUser,
    hooks: HookEndpointsDep,
    outcome: DeliveryOutcome | None = None,
    page: Page = 1,
    per_page: PerPage = 20,
) -> WebhookDeliveryPage:
    """List what was sent and what waits, newest first. Ended deliveries are kept for 30 days."""
    items, total = await hooks.page(user.id, endpoint_id, outcome=outcome, page=page, per_page=per_page)
    return WebhookDeliveryPage(items=[_read(item) for item in items], total=total, page=page, per_page=per_page)


@router.post(
    "/{endpoint_id}/deliveries/{delivery_id}/replay",
    status_code=status.HTTP_202_ACCEPTED,
    operation_id="webhook_deliveries_replay",
    responses=problems(*FOUND, DeliveryNotFound),
)
async def replay(
    endpoint_id: UUID, delivery_id: UUID, user: CurrentUser, hooks: HookEndpointsDep
) -> WebhookDeliveryRead:
    """Send an event once more, under the same `webhook-id`, behind what still waits about the same subject."""
    return _read(await hooks.replay(user.id, endpoint_id, delivery_id))
