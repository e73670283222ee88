"""What endpoints of notifications take and return."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from app.domain.notices import MailChoice, NoticeKind
from app.schemas.common import Body, Read


class NotificationRead(Read):
    id: UUID
    kind: NoticeKind
    title: str
    body: str
    """What happened and what to do, in plain words."""
    path: str
    """Page of the dashboard where it can be dealt with."""
    action: str
    """What the link to it is called."""
    subject_id: UUID | None
    read_at: datetime | None
    created_at: datetime


class NotificationPage(Read):
    items: list[NotificationRead]
    total: int
    page: int
    per_page: int


class UnreadCount(Read):
    unread: int


class MarkedRead(Read):
    marked: int


class NotificationChoice(Body):
    """How one kind is told."""

    in_app: bool = Field(examples=[True])
    mail: MailChoice = Field(examples=["daily"])
    """`at_once` (what happens within a few minutes goes together), `daily` (at 08:00 in your time zone) or `off`."""


class NotificationKindRead(Read):
    kind: NoticeKind
    label: str
    in_app: bool
    mail: MailChoice
    default: NotificationChoice


class NotificationSettingsRead(Read):
    kinds: list[NotificationKindRead]


class ChangeNotificationSettings(Body):
    kinds: dict[NoticeKind, NotificationChoice] = Field(
        examples=[{"captions.waiting": {"in_app": True, "mail": "off"}}], min_length=1
    )
    """Only these are changed."""
