"""Writing, scheduling and changing posts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db.unit_of_work import UnitOfWork
from app.domain.errors import (
    AccountNotConnected,
    AccountNotFound,
    FieldError,
    InvalidRequest,
    PastTime,
    PlanLimitReached,
    PostChanged,
    PostNotDeletable,
    PostNotEditable,
    PostNotFound,
    PostNotRetryable,
)
from app.domain.vocabulary import ADVANCE, EDITABLE, AccountStatus, PostStatus
from app.kit.clock import Clock
from app.kit.ids import new_id
from app.models import SocialAccount
from app.platforms import limits
from app.platforms.base import AccountFacts, Draft, Finding, MediaItem, PlatformAdapter
from app.repositories.account_repository import AccountRepository
from app.repositories.cursor import make_cursor, read_cursor
from app.repositories.post_repository import PostFilter, PostRepository, PostRow, RenderedPost
from app.repositories.publication_repository import PublicationRepository
from app.services.entitlements import Entitlements
from app.services.media_service import MediaService
from app.storage.remote import RemoteFileError

MAY_BE_MISSING_IN_A_DRAFT = frozenset(
    {"media_required", "privacy_level_required", "text_required", "link_required", "too_few_items"}
)
"""Findings that say something is still missing. A draft may be incomplete; it may not be wrong."""
COVER_IS_A_JPEG = "The cover is a JPEG picture. Choose another file, or have this one made into a JPEG."
MOST_FILES = 50
"""Different files that one request may have looked at."""


@dataclass(frozen=True)
class Variant:
    """What goes to one account, before it is a post."""

    account_id: UUID
    content: str
    media_urls: tuple[str, ...]
    hashtags: tuple[str, ...]
    options: Mapping[str, Any]
    post_type: str | None
    loc: tuple[str | int, ...] = ("body",)


@dataclass(frozen=True)
class Checked:
    """A variant with its account, its looked-at media and its findings."""

    variant: Variant
    account: SocialAccount
    media: tuple[MediaItem, ...]
    post_type: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Origin:
    """Where posts come from: an item of the queue and what was known of its product."""

    queue_item_id: UUID | None = None
    product_id: UUID | None = None
    product_facts: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ComposedText:
    """A text as it would go out; `length` and `most` are in the platform's own unit, `most` 0 where none is sent."""

    text: str
    length: int
    most: int


@dataclass(frozen=True)
class PostPage:
    items: list[RenderedPost]
    total: int
    page: int
    per_page: int
    next_cursor: str | None


class PostService:
    def __init__(
        self, uow: UnitOfWork, adapters: Mapping[str, PlatformAdapter], media: MediaService, clock: Clock
    ) -> None:
        self._uow = uow
        self._posts = PostRepository(uow.session)
        self._publications = PublicationRepository(uow.session)
        self._accounts = AccountRepository(uow.session)
        self._adapters = adapters
        self._media = media
        self._clock = clock
        self._entitlements = Entitlements(uow, clock)

    # Checking: nothing is written, and no transaction is open while media are looked at

    async def check(self, user_id: UUID, variants: list[Variant], *, platform: str | None) -> list[Checked]:
        """Look at accounts and media and return what each platform would say. Raises for what is plainly wrong."""
        found = await self._media.accounts(user_id, [variant.account_id for variant in variants])
        for variant in variants:
            account = found.get(variant.account_id)
            if account is None:
                raise AccountNotFound
            if platform is not None and account.platform != platform:
                sentence = f"{account.account_name} is an account on {account.platform}, not on {platform}."
                raise InvalidRequest([FieldError(("body", "platform"), sentence, "platform_mismatch")])
        urls = list(dict.fromkeys(url for variant in variants for url in (*variant.media_urls, *self._covers(variant))))
        if len(urls) > MOST_FILES:
            sentence = f"{len(urls)} different files in one request: at most {MOST_FILES} are allowed."
            raise InvalidRequest([FieldError(("body", "media_urls"), sentence, "too_many_files")])
        items, troubles = await self._media.look_at(urls, user_id=user_id)
        return [self._checked(variant, found[variant.account_id], items, troubles) for variant in variants]

    def _covers(self, variant: Variant) -> list[str]:
        """Return the cover, where it is a file of ours: the platform is sent to anybody else's as it is."""
        cover = variant.options.get("cover_url")
        return [cover] if isinstance(cover, str) and self._media.is_ours(cover) else []

    def _checked(
        self,
        variant: Variant,
        account: SocialAccount,
        items: Mapping[str, MediaItem],
        troubles: Mapping[str, RemoteFileError],
    ) -> Checked:
        publisher = self._adapters[account.platform].publisher
        unusable = tuple(
            Finding(f"media_urls.{index}", troubles[url].code, troubles[url].sentence)
            for index, url in enumerate(variant.media_urls)
            if url in troubles
        ) + tuple(
            Finding("options.cover_url", troubles[url].code, troubles[url].sentence)
            for url in self._covers(variant)
            if url in troubles
        )
        if unusable:  # what the rest amounts to can be told once every file is known
            return Checked(variant, account, (), variant.post_type or "", unusable)
        media = tuple(items[url] for url in variant.media_urls)
        draft = Draft(variant.content, variant.hashtags, media, variant.post_type, variant.options)
        post_type = publisher.post_type(draft)
        draft = Draft(variant.content, variant.hashtags, media, post_type, variant.options)
        findings = publisher.validate(draft, AccountFacts(account_name=account.account_name))
        for url in self._covers(variant):
            if items[url].mime_type != "image/jpeg":
                findings = [*findings, Finding("options.cover_url", "unsupported_media_type", COVER_IS_A_JPEG)]
        return Checked(variant, account, media, post_type, tuple(findings))

    def _refuse(self, checked: list[Checked], *, draft: bool) -> None:
        """Raise for findings: all of them for a post that is to go out, the wrong ones for a draft."""
        errors = [
            FieldError((*item.variant.loc, *_path(finding.field)), finding.message, finding.code)
            for item in checked
            for finding in item.findings
            if not (draft and finding.code in MAY_BE_MISSING_IN_A_DRAFT)
        ]
        if errors:
            raise InvalidRequest(errors)

    def warnings(self, checked: Checked, *, at: datetime | None) -> list[Finding]:
        """Return what does not prevent a post now and may when its time comes."""
        rules = self._adapters[checked.account.platform].publisher.rules
        found = limits.warnings(rules, draft_of(checked))
        ends_at = checked.account.access_ends_at
        if at is None or ends_at is None or at <= ends_at:
            return found
        message = (
            f"Access to {checked.account.account_name} ends before this time. Connect the account again, else the post "
            "waits when its time comes."
        )
        return [*found, Finding("scheduled_for", "access_ends_before", message)]

    def text_of(self, checked: Checked) -> ComposedText:
        """Return a variant's text as it would go out, and how much of the platform's room it takes."""
        rules = self._adapters[checked.account.platform].publisher.rules
        text = limits.text_of(rules, draft_of(checked))
        known = rules.post_types.get(checked.post_type)
        return ComposedText(text, limits.TEXT_UNITS[rules.text_unit](text), known.text_max if known else 0)

    def check_time(self, at: datetime | None) -> None:
        """Raises `PastTime`."""
        if at is not None and at <= self._clock():
            raise PastTime

    # Writing

    async def create(
        self, user_id: UUID, checked: list[Checked], *, scheduled_for: datetime | None, grouped: bool
    ) -> list[PostRow]:
        """Create all posts or none. Raises `PastTime`, `InvalidRequest`, `AccountNotConnected`."""
        return await self.create_each(user_id, [(item, scheduled_for) for item in checked], grouped=grouped)

    async def create_each(
        self,
        user_id: UUID,
        planned: Sequence[tuple[Checked, datetime | None]],
        *,
        grouped: bool,
        origin: Origin | None = None,
    ) -> list[PostRow]:
        """Create all posts or none, each at its own time; None makes a draft. Raises like `create`."""
        for at in {at for _, at in planned}:
            self.check_time(at)
        self._refuse([item for item, at in planned if at is None], draft=True)
        self._refuse([item for item, at in planned if at is not None], draft=False)
        for item, at in planned:
            if at is not None:
                require_connected(item.account)
        await self._require_places(user_id, [item.account for item, at in planned if at is not None])
        await self._entitlements.take_posts(user_id, len(planned))
        group_id = new_id() if grouped else None
        rows = await self._posts.add_all(
            [
                {
                    "id": new_id(),
                    "user_id": user_id,
                    "account_id": item.account.id,
                    "platform": item.account.platform,
                    "post_type": item.post_type,
                    "content": item.variant.content,
                    "media_urls": list(item.variant.media_urls),
                    "media": [media_json(media) for media in item.media],
                    "hashtags": list(item.variant.hashtags),
                    "options": dict(item.variant.options),
                    "status": PostStatus.draft if at is None else PostStatus.scheduled,
                    "scheduled_for": at,
                    "group_id": group_id,
                    **vars(origin or Origin()),
                }
                for item, at in planned
            ]
        )
        for row in sorted(rows, key=lambda row: str(row.account_id)):
            if row.scheduled_for is not None:
                await self._publications.open_run(
                    row.id, user_id=user_id, account_id=row.account_id, at=row.scheduled_for
                )
        return rows

    async def update(self, user_id: UUID, post_id: UUID, changes: Mapping[str, Any]) -> PostRow:
        """Change the fields given. Raises `PostNotFound`, `PostNotEditable`, `PastTime`, `InvalidRequest`."""
        current = await self.get(user_id, post_id)
        if current.status not in EDITABLE:
            raise PostNotEditable(_why_not(current.status))
        if "scheduled_for" in changes:
            self.check_time(changes["scheduled_for"])
        at = changes.get("scheduled_for", current.scheduled_for)
        status = self._status_after(current, changes)
        variant = Variant(
            account_id=current.account_id,
            content=changes.get("content", current.content),
            media_urls=tuple(changes.get("media_urls", current.media_urls)),
            hashtags=tuple(changes.get("hashtags", current.hashtags)),
            options=changes.get("options", current.options),
            post_type=changes.get("post_type", None if "media_urls" in changes else current.post_type),
        )
        await self._let_go()
        checked = await self.check(user_id, [variant], platform=None)
        self._refuse(checked, draft=status is PostStatus.draft)
        if status is PostStatus.scheduled and current.status != PostStatus.scheduled:
            require_connected(checked[0].account)
            await self._require_places(user_id, [checked[0].account])
        locked = await self._editable(user_id, post_id)
        require_unchanged(current, locked)
        status = self._status_after(locked, changes)
        values: dict[str, Any] = {"post_type": checked[0].post_type, "status": status}
        if "media_urls" in changes:
            values["media"] = [media_json(item) for item in checked[0].media]
        if status is not PostStatus.on_hold:
            values |= NO_ERROR
        values |= {name: value for name, value in changes.items() if name != "post_type"}
        row = await self._posts.change(user_id, post_id, **values)
        if "scheduled_for" in changes:
            await self._reschedule(user_id, locked, at)
        return row

    def _status_after(self, current: PostRow, changes: Mapping[str, Any]) -> PostStatus:
        if "scheduled_for" not in changes:
            return PostStatus(current.status)
        return PostStatus.draft if changes["scheduled_for"] is None else PostStatus.scheduled

    async def _reschedule(self, user_id: UUID, row: PostRow, at: datetime | None) -> None:
        await self._publications.drop_unstarted_run(row.id)
        if at is not None:
            await self._publications.open_run(row.id, user_id=user_id, account_id=row.account_id, at=at)

    async def schedule(self, user_id: UUID, post_id: UUID, *, at: datetime) -> PostRow:
        """Schedule a post, or move it to another time."""
        self.check_time(at)
        return await self._send_out(user_id, post_id, at=at, allowed=EDITABLE, refusal=PostNotEditable)

    async def publish_now(self, user_id: UUID, post_id: UUID) -> PostRow:
        """Let a post go out at once."""
        return await self._send_out(user_id, post_id, at=self._clock(), allowed=EDITABLE, refusal=PostNotEditable)

    async def retry(self, user_id: UUID, post_id: UUID) -> PostRow:
        """Begin a new run for a failed post, at once."""
        failed = frozenset({PostStatus.failed})
        return await self._send_out(user_id, post_id, at=self._clock(), allowed=failed, refusal=PostNotRetryable)

    async def _send_out(
        self,
        user_id: UUID,
        post_id: UUID,
        *,
        at: datetime,
        allowed: frozenset[PostStatus],
        refusal: type[PostNotEditable] | type[PostNotRetryable],
    ) -> PostRow:
        current = await self.get(user_id, post_id)
        if current.status not in allowed:
            raise refusal(_why_not(current.status) if refusal is PostNotEditable else None)
        await self._let_go()
        checked = await self.check(user_id, [variant_of(current)], platform=None)
        require_connected(checked[0].account)
        await self._require_places(user_id, [checked[0].account])
        self._refuse(checked, draft=False)
        locked = await self._posts.lock(user_id, post_id)
        if locked is None:
            raise PostNotFound
        if locked.status not in allowed:
            raise refusal(_why_not(locked.status) if refusal is PostNotEditable else None)
        require_unchanged(current, locked)
        row = await self._posts.change(
            user_id,
            post_id,
            status=PostStatus.scheduled,
            scheduled_for=at,
            media=[media_json(item) for item in checked[0].media],
            **NO_ERROR,
        )
        await self._reschedule(user_id, row, at)
        if at <= self._clock():
            self._uow.after_commit(ADVANCE)
        return row

    async def delete(self, user_id: UUID, post_id: UUID) -> None:
        """Remove a post from PostPilot. Raises `PostNotFound`, `PostNotDeletable`."""
        row = await self._posts.lock(user_id, post_id)
        if row is None:
            raise PostNotFound
        if row.status == PostStatus.posted:
            raise PostNotDeletable
        if row.status == PostStatus.publishing:
            raise PostNotDeletable("Cannot delete a post that is being published. Wait until it is out or has failed.")
        await self._posts.delete(user_id, post_id)
        if row.status in EDITABLE:
            await self._entitlements.give_back_post(user_id, created_at=row.created_at)

    async def duplicate(self, user_id: UUID, post_id: UUID) -> PostRow:
        """Copy a post into a new draft."""
        row = await self.get(user_id, post_id)
        kept = ("account_id", "platform", "post_type", "content", "media_urls", "media", "hashtags", "options")
        values = {name: getattr(row, name) for name in kept}
        await self._entitlements.take_posts(user_id, 1)
        rows = await self._posts.add_all([{**values, "id": new_id(), "user_id": user_id, "status": PostStatus.draft}])
        return rows[0]

    # Reading

    async def get(self, user_id: UUID, post_id: UUID) -> PostRow:
        """Raises `PostNotFound`, also for somebody else's."""
        row = await self._posts.find(user_id, post_id)
        if row is None:
            raise PostNotFound
        return row

    async def story(self, user_id: UUID, post_id: UUID) -> list[dict[str, Any]]:
        """Return what happened to a post, call by call."""
        await self.get(user_id, post_id)
        return await self._publications.story(post_id)

    async def list_page(
        self, user_id: UUID, wanted: PostFilter, *, page: int, per_page: int, cursor: str | None
    ) -> PostPage:
        """Return a page, newest first, with the exact total."""
        if cursor is not None and read_cursor(cursor) is None:
            sentence = "This cursor is not one of ours. Use next_cursor of the previous answer."
            raise InvalidRequest([FieldError(("query", "cursor"), sentence, "invalid_cursor")])
        rows = await self._posts.list_page(user_id, wanted, page=page, per_page=per_page, cursor=cursor)
        total = await self._posts.count(user_id, wanted)
        more, rows = len(rows) > per_page, rows[:per_page]
        return PostPage(rows, total, page, per_page, make_cursor(rows[-1].created_at, rows[-1].id) if more else None)

    async def _editable(self, user_id: UUID, post_id: UUID) -> PostRow:
        row = await self._posts.lock(user_id, post_id)
        if row is None:
            raise PostNotFound
        if row.status not in EDITABLE:
            raise PostNotEditable(_why_not(row.status))
        return row

    async def _require_places(self, user_id: UUID, accounts: Sequence[SocialAccount]) -> None:
        """Raises `PlanLimitReached` where the plan has no place for an account that is to post."""
        over = await self._entitlements.over_plan(user_id) if accounts else set()
        for account in accounts:
            if account.id in over:
                raise PlanLimitReached(
                    f"{account.account_name} has no place in your plan. Upgrade it, or disconnect another account."
                )

    async def _let_go(self) -> None:
        """End the reading transaction before media are fetched; what was read is checked again under the lock."""
        await self._uow.session.rollback()


CHECKED = ("content", "media_urls", "hashtags", "options", "post_type")
NO_ERROR: dict[str, Any] = {"error_code": None, "error_message": None}


def _path(field: str) -> tuple[str | int, ...]:
    """Return the path of a finding's field, positions as numbers."""
    return tuple(int(part) if part.isdigit() else part for part in field.split("."))


def require_unchanged(seen: PostRow, locked: PostRow) -> None:
    """Raises `PostChanged` when what was looked at is not what would be sent."""
    if any(getattr(seen, name) != getattr(locked, name) for name in CHECKED):
        raise PostChanged


def require_connected(account: SocialAccount) -> None:
    """Raises `AccountNotConnected`."""
    if account.status != AccountStatus.connected:
        raise AccountNotConnected(f"{account.account_name} is not connected. Reconnect it first.")


def variant_of(row: PostRow) -> Variant:
    return Variant(row.account_id, row.content, tuple(row.media_urls), tuple(row.hashtags), row.options, row.post_type)


def draft_of(checked: Checked) -> Draft:
    variant = checked.variant
    return Draft(variant.content, variant.hashtags, checked.media, checked.post_type, variant.options)


def media_json(item: MediaItem) -> dict[str, Any]:
    return dict(vars(item))


def _why_not(status: str) -> str | None:
    return "Cannot update a post that is being published" if status == PostStatus.publishing else None
