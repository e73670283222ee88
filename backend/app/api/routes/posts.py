"""Posts, and the calendar they stand in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, status
from fastapi.responses import Response

from app.api import idempotency
from app.api.deps import (
    CalendarServiceDep,
    ContainerDep,
    CurrentUser,
    Page,
    PerPage,
    PostServiceDep,
    ReadingPostServiceDep,
    RemovalDep,
    Uow,
)
from app.api.idempotency import IdempotencyKey
from app.api.problems import problems
from app.db.unit_of_work import unit_of_work
from app.domain.errors import (
    AccountNotConnected,
    AccountNotFound,
    DeleteNotPossible,
    FieldError,
    IdempotencyKeyReused,
    InvalidRequest,
    InvalidToken,
    NotAuthenticated,
    PastTime,
    PlatformUnavailable,
    PostChanged,
    PostNotDeletable,
    PostNotEditable,
    PostNotFound,
    PostNotPosted,
    PostNotRetryable,
)
from app.domain.vocabulary import CommentStatus, LiveStatus, Platform, PostStatus
from app.platforms.base import Finding
from app.repositories.post_repository import PostFilter
from app.schemas.common import Moment, Storable
from app.schemas.posts import (
    AccountFindings,
    Calendar,
    CreatePost,
    FindingRead,
    MediaRead,
    PostGroup,
    PostPage,
    PostRead,
    SchedulePost,
    StoryEntry,
    UpdatePost,
    Validation,
)
from app.services.calendar_service import Day
from app.services.post_service import Checked, ComposedText, Variant

router = APIRouter(prefix="/posts", tags=["posts"])
SIGNED_IN = (NotAuthenticated, InvalidToken)
JSON = "application/json"


def variants_of(body: CreatePost) -> tuple[list[Variant], bool]:
    """Return what goes to each account, and whether it is written for several. Raises `InvalidRequest`."""
    if (body.account_id is None) == (body.account_ids is None):
        sentence = "Name one account in account_id, or several in account_ids."
        raise InvalidRequest([FieldError(("body", "account_id"), sentence, "account_required")])
    ids = [body.account_id] if body.account_id is not None else list(dict.fromkeys(body.account_ids or []))
    stray = next((account for account in body.overrides if account not in ids), None)
    if stray is not None:
        sentence = f"There is an override for {stray}, which is not among the accounts."
        raise InvalidRequest([FieldError(("body", "overrides", str(stray)), sentence, "unknown_account")])
    variants = []
    for account_id in ids:
        own = body.overrides.get(account_id)
        changed = own.model_fields_set if own is not None else set()
        pick = {name: getattr(own if name in changed else body, name) for name in _VARIED}
        pick = {name: getattr(body, name) if value is None else value for name, value in pick.items()}
        loc: tuple[str | int, ...] = ("body", "overrides", str(account_id)) if changed else ("body",)
        variants.append(
            Variant(
                account_id=account_id,
                content=pick["content"],
                media_urls=tuple(pick["media_urls"]),
                hashtags=tuple(pick["hashtags"]),
                options=pick["options"],
                post_type=pick["post_type"],
                loc=loc,
            )
        )
    return variants, body.account_ids is not None


_VARIED = ("content", "media_urls", "hashtags", "options", "post_type")


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    operation_id="posts_create",
    response_model=PostRead | PostGroup,
    responses=problems(*SIGNED_IN, AccountNotFound, PastTime, AccountNotConnected, IdempotencyKeyReused),
)
async def create_post(
    request: Request,
    body: CreatePost,
    user: CurrentUser,
    posts: PostServiceDep,
    uow: Uow,
    container: ContainerDep,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Write a post for one account, or for several (`account_ids`, with `overrides`): all or none are created."""
    request_hash = idempotency.fingerprint(request.url.path, body)
    if idempotency_key is not None:
        async with unit_of_work(container.sessions) as reading:
            known = await idempotency.find(reading.session, user.id, idempotency_key, request_hash)
        if known is not None:
            return known
    variants, grouped = variants_of(body)
    posts.check_time(body.scheduled_for)
    checked = await posts.check(user.id, variants, platform=body.platform)
    if idempotency_key is not None:
        twin = await idempotency.begin(uow.session, user.id, idempotency_key, request_hash)
        if twin is not None:
            return twin
    rows = await posts.create(user.id, checked, scheduled_for=body.scheduled_for, grouped=grouped)
    items = [read(row) for row in rows]
    answer: PostRead | PostGroup = items[0]
    if grouped:
        answer = PostGroup(group_id=rows[0].group_id, items=items)
    content = answer.model_dump_json()
    if idempotency_key is not None:
        await idempotency.finish(uow.session, user.id, idempotency_key, status=status.HTTP_201_CREATED, body=content)
    return Response(content, status.HTTP_201_CREATED, media_type=JSON)


@router.get("", operation_id="posts_list", response_model=PostPage, responses=problems(*SIGNED_IN))
async def list_posts(
    user: CurrentUser,
    posts: ReadingPostServiceDep,
    page: Page = 1,
    per_page: PerPage = 20,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    status: PostStatus | None = None,
    platform: Platform | None = None,
    account_id: UUID | None = None,
    q: Annotated[str | None, Query(min_length=1, max_length=200), Storable] = None,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
) -> Response:
    """List posts, newest first, with the exact total. `cursor` stays fast at any depth."""
    wanted = PostFilter(status, platform, account_id, q, since, until)
    found = await posts.list_page(user.id, wanted, page=page, per_page=per_page, cursor=cursor)
    frame = {
        "total": found.total,
        "page": found.page,
        "per_page": found.per_page,
        "next_cursor": found.next_cursor,
    }
    items = ",".join(post.json for post in found.items)
    return Response(f'{{"items":[{items}],{json.dumps(frame)[1:]}', media_type=JSON)


@router.get("/calendar", operation_id="posts_calendar", response_model=Calendar, responses=problems(*SIGNED_IN))
async def calendar(
    user: CurrentUser,
    calendars: CalendarServiceDep,
    start_date: date,
    end_date: date,
    timezone: Annotated[str | None, Query(max_length=64)] = None,
    status: PostStatus | None = None,
    platform: Platform | None = None,
    account_id: UUID | None = None,
) -> Response:
    """Return posts by day, in the days of a time zone (the user's own unless given), at most 366 days."""
    view = await calendars.view(
        user,
        first=start_date,
        last=end_date,
        timezone=timezone,
        wanted=PostFilter(status=status, platform=platform, account_id=account_id),
    )
    days = b",".join([_day(day) for day in view.days])
    frame = json.dumps({"timezone": view.timezone, "total_posts": view.total_posts}).encode()
    return Response(b'{"days":[' + days + b"]," + frame[1:], media_type=JSON)


@router.post("/validate", operation_id="posts_validate", responses=problems(*SIGNED_IN, AccountNotFound))
async def validate(body: CreatePost, user: CurrentUser, posts: ReadingPostServiceDep) -> Validation:
    """Say what each platform would object to, without saving anything."""
    variants, _ = variants_of(body)
    checked = await posts.check(user.id, variants, platform=body.platform)
    accounts = [_findings(item, posts.text_of(item), posts.warnings(item, at=body.scheduled_for)) for item in checked]
    return Validation(valid=not any(item.findings for item in checked), accounts=accounts)


@router.get("/{post_id}", operation_id="posts_get", responses=problems(*SIGNED_IN, PostNotFound))
async def get_post(post_id: UUID, user: CurrentUser, posts: ReadingPostServiceDep) -> PostRead:
    """Return one post."""
    return read(await posts.get(user.id, post_id))


@router.get("/{post_id}/story", operation_id="posts_story", responses=problems(*SIGNED_IN, PostNotFound))
async def story(post_id: UUID, user: CurrentUser, posts: ReadingPostServiceDep) -> list[StoryEntry]:
    """Return what happened on the way out: every call to the platform and every decision, oldest first."""
    return [StoryEntry.model_validate(entry) for entry in await posts.story(user.id, post_id)]


@router.patch(
    "/{post_id}",
    operation_id="posts_update",
    responses=problems(*SIGNED_IN, PostNotFound, PostNotEditable, PostChanged, PastTime, AccountNotConnected),
)
async def update_post(post_id: UUID, body: UpdatePost, user: CurrentUser, posts: PostServiceDep) -> PostRead:
    """Change a draft, scheduled or held post. A field left out is unchanged."""
    changes: Mapping[str, Any] = body.model_dump(exclude_unset=True)
    return read(await posts.update(user.id, post_id, changes))


@router.delete(
    "/{post_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    operation_id="posts_delete",
    responses=problems(*SIGNED_IN, PostNotFound, PostNotDeletable),
)
async def delete_post(post_id: UUID, user: CurrentUser, posts: PostServiceDep) -> None:
    """Remove a post from PostPilot. What is published stays on its platform, and here."""
    await posts.delete(user.id, post_id)


@router.post(
    "/{post_id}/schedule",
    operation_id="posts_schedule",
    responses=problems(*SIGNED_IN, PostNotFound, PastTime, PostNotEditable, PostChanged, AccountNotConnected),
)
async def schedule_post(post_id: UUID, body: SchedulePost, user: CurrentUser, posts: PostServiceDep) -> PostRead:
    """Schedule a post, or move it to another time."""
    return read(await posts.schedule(user.id, post_id, at=body.scheduled_for))


@router.post(
    "/{post_id}/publish",
    operation_id="posts_publish",
    responses=problems(*SIGNED_IN, PostNotFound, PostNotEditable, PostChanged, AccountNotConnected),
)
async def publish_post(post_id: UUID, user: CurrentUser, posts: PostServiceDep) -> PostRead:
    """Publish now. The answer shows the post on its way; look again for the result."""
    return read(await posts.publish_now(user.id, post_id))


@router.post(
    "/{post_id}/retry",
    operation_id="posts_retry",
    responses=problems(*SIGNED_IN, PostNotFound, PostNotRetryable, PostChanged, AccountNotConnected),
)
async def retry_post(post_id: UUID, user: CurrentUser, posts: PostServiceDep) -> PostRead:
    """Try a failed post again, now."""
    return read(await posts.retry(user.id, post_id))


@router.post(
    "/{post_id}/duplicate",
    status_code=status.HTTP_201_CREATED,
    operation_id="posts_duplicate",
    responses=problems(*SIGNED_IN, PostNotFound),
)
async def duplicate_post(post_id: UUID, user: CurrentUser, posts: PostServiceDep) -> PostRead:
    """Copy a post into a new draft."""
    return read(await posts.duplicate(user.id, post_id))


@router.post(
    "/{post_id}/delete-on-platform",
    operation_id="posts_delete_on_platform",
    responses=problems(
        *SIGNED_IN, PostNotFound, PostNotPosted, AccountNotConnected, DeleteNotPossible, PlatformUnavailable
    ),
)
async def delete_on_platform(post_id: UUID, user: CurrentUser, removal: RemovalDep) -> PostRead:
    """Delete a published post at its platform, where that is possible. Here it stays, with `live_status: deleted`."""
    return read(await removal.delete(user.id, post_id))


_PLATFORMS = {platform.value: platform for platform in Platform}
_STATUSES = {status.value: status for status in PostStatus}
_LIVE = {status.value: status for status in LiveStatus}
_COMMENT = {status.value: status for status in CommentStatus}


def read(row: Any) -> PostRead:
    """Return a row as its schema. The database holds only checked values, so they are not checked again."""
    fields = dict(row._mapping)
    fields["platform"] = _PLATFORMS[row.platform]
    fields["status"] = _STATUSES[row.status]
    fields["live_status"] = _LIVE.get(row.live_status)
    fields["first_comment_status"] = _COMMENT.get(row.first_comment_status)
    fields["media"] = [MediaRead.model_construct(**item) for item in fields["media"]]
    return PostRead.model_construct(**fields)


def _day(day: Day) -> bytes:
    times = json.dumps([vars(time) for time in day.suggested_times]).encode()
    date_name = day.date.isoformat().encode()
    return b'{"date":"%b","posts":[%b],"suggested_times":%b}' % (date_name, day.posts_json, times)


def _findings(item: Checked, composed: ComposedText, warnings: Sequence[Finding]) -> AccountFindings:
    return AccountFindings(
        account_id=item.account.id,
        platform=Platform(item.account.platform),
        post_type=item.post_type,
        valid=not item.findings,
        text=composed.text,
        text_length=composed.length,
        text_max=composed.most,
        problems=[FindingRead(field=f.field, code=f.code, message=f.message) for f in item.findings],
        warnings=[FindingRead(field=f.field, code=f.code, message=f.message) for f in warnings],
    )
