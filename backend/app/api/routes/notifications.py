"""What a user should know, and how they want to be told."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from app.api.deps import CurrentUser, NotificationServiceDep, Page, PerPage, ReadingNotificationServiceDep
from app.api.problems import problems
from app.domain.errors import InvalidToken, NotAuthenticated, NotificationNotFound
from app.domain.notices import DEFAULTS, LABELS, Choice
from app.models import Notification
from app.schemas.notifications import (
    ChangeNotificationSettings,
    MarkedRead,
    NotificationChoice,
    NotificationKindRead,
    NotificationPage,
    NotificationRead,
    NotificationSettingsRead,
    UnreadCount,
)
from app.services.notification_service import NotificationService

router = APIRouter(prefix="/notifications", tags=["notifications"])
SIGNED_IN = (NotAuthenticated, InvalidToken)


def _read(row: Notification) -> NotificationRead:
    return NotificationRead(
        id=row.id,
        kind=row.kind,
        title=row.title,
        body=row.body,
        path=row.facts["path"],
        action=row.facts["action"],
        subject_id=row.subject_id,
        read_at=row.read_at,
        created_at=row.created_at,
    )


async def _settings(service: NotificationService, user_id: UUID) -> NotificationSettingsRead:
    choices = await service.choices(user_id)
    return NotificationSettingsRead(
        kinds=[
            NotificationKindRead(
                kind=kind,
                label=LABELS[kind],
                in_app=choice.in_app,
                mail=choice.mail,
                default=NotificationChoice(in_app=DEFAULTS[kind].in_app, mail=DEFAULTS[kind].mail),
            )
            for kind, choice in choices.items()
        ]
    )


@router.get("", operation_id="notifications_list", responses=problems(*SIGNED_IN))
async def list_notifications(
    user: CurrentUser,
    notifications: ReadingNotificationServiceDep,
    unread: bool | None = None,
    page: Page = 1,
    per_page: PerPage = 20,
) -> NotificationPage:
    """List notifications, newest first; `unread=true` only those that were not read. Kept for 90 days."""
    items, total = await notifications.page(user.id, unread=unread, page=page, per_page=per_page)
    return NotificationPage(items=[_read(item) for item in items], total=total, page=page, per_page=per_page)


@router.get("/unread-count", operation_id="notifications_unread_count", responses=problems(*SIGNED_IN))
async def unread_count(user: CurrentUser, notifications: ReadingNotificationServiceDep) -> UnreadCount:
    """Return how many notifications were not read."""
    return UnreadCount(unread=await notifications.unread_count(user.id))


@router.get("/settings", operation_id="notifications_get_settings", responses=problems(*SIGNED_IN))
async def get_settings(user: CurrentUser, notifications: ReadingNotificationServiceDep) -> NotificationSettingsRead:
    """Return how each kind is told, and how it is told unless that is changed."""
    return await _settings(notifications, user.id)


@router.put("/settings", operation_id="notifications_put_settings", responses=problems(*SIGNED_IN))
async def put_settings(
    body: ChangeNotificationSettings, user: CurrentUser, notifications: NotificationServiceDep
) -> NotificationSettingsRead:
    """Change how the given kinds are told; the others stay as they are."""
    await notifications.change(
        user.id, {kind: Choice(choice.in_app, choice.mail) for kind, choice in body.kinds.items()}
    )
    return await _settings(notifications, user.id)


@router.post("/read-all", operation_id="notifications_read_all", responses=problems(*SIGNED_IN))
async def read_all(user: CurrentUser, notifications: NotificationServiceDep) -> MarkedRead:
    """Mark everything as read."""
    return MarkedRead(marked=await notifications.mark_all_read(user.id))


@router.post(
    "/{notification_id}/read",
    operation_id="notifications_read",
    responses=problems(*SIGNED_IN, NotificationNotFound),
)
async def read(notification_id: UUID, user: CurrentUser, notifications: NotificationServiceDep) -> NotificationRead:
    """Mark one as read. Again changes nothing; what was read is not mailed any more."""
    return _read(await notifications.mark_read(user.id, notification_id))
