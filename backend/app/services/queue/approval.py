"""From approved captions to posts: who gets one, when it goes out, and what it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db.engine import Sessions
from app.db.unit_of_work import UnitOfWork, unit_of_work
from app.domain.errors import (
    AccountNotFound,
    CaptionNeedsReview,
    FieldError,
    InvalidRequest,
    NoFreeSlot,
    NotInPlan,
    PastTime,
    QueueItemBusy,
    QueueItemChanged,
    QueueItemNotFound,
    QueueItemState,
)
from app.domain.links import LinkPreferences
from app.domain.plans import plan_of
from app.domain.products import ProductFacts, facts_of
from app.domain.scheduling import Plan
from app.domain.vocabulary import QueueStatus
from app.kit.clock import Clock
from app.models import SocialAccount
from app.platforms.base import PlatformAdapter
from app.repositories.link_repository import LinkRepository, NewLink
from app.repositories.publication_repository import PublicationRepository
from app.repositories.queue_repository import QueueRepository, QueueRow
from app.repositories.user_repository import Identity
from app.services.caption_service import CaptionService
from app.services.link_service import LinkService
from app.services.media_service import MediaService
from app.services.post_service import Checked, Origin, PostService, Variant
from app.services.preferences_service import PreferencesService
from app.services.queue.captions import CaptionEdit, Entry, edited, unaccepted
from app.services.schedule_service import HORIZON, ScheduleService

FROM = {
    "approve": (QueueStatus.pending, QueueStatus.generated),
    "schedule": (QueueStatus.approved,),
}
PICTURES_MAX = 1
"""Pictures of a product that its posts show unless the owner names others."""


@dataclass(frozen=True)
class Approval:
    """What an owner wants done with an item. Without accounts it is only approved."""

    account_ids: tuple[UUID, ...] = ()
    scheduled_for: datetime | None = None
    auto_schedule: bool = False
    schedule_from: datetime | None = None
    schedule_until: datetime | None = None
    spread: bool = False
    """Only one account per platform gets it: the one that has a free slot first."""
    captions: Mapping[str, CaptionEdit] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Options of posts by platform, such as TikTok's `privacy_level`."""
    media_urls: tuple[str, ...] | None = None
    """None for the product's own picture."""
    accepted_findings: frozenset[str] = frozenset()
    """Ids of what the fact guard found and the owner has seen and accepts."""


@dataclass(frozen=True)
class _Ready:
    """An item as it was looked at: what would go to each account, checked by the platforms' rules."""

    row: QueueRow
    facts: ProductFacts
    captions: dict[str, Entry]
    checked: Sequence[Checked]
    links: Mapping[UUID, tuple[NewLink, ...]]


class QueueApproval:
    def __init__(
        self,
        *,
        sessions: Sessions,
        adapters: Mapping[str, PlatformAdapter],
        media: MediaService,
        captions: CaptionService,
        links: LinkService,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._adapters = adapters
        self._media = media
        self._captions = captions
        self._links = links
        self._clock = clock

    async def approve(self, user: Identity, item_id: UUID, wanted: Approval) -> QueueRow:
        """Approve an item; with accounts, make its posts in the same transaction.

        Without a time and without `auto_schedule` these are drafts. Raises `QueueItemNotFound`, `QueueItemState`,
        `QueueItemBusy`, `CaptionNeedsReview`, `NoFreeSlot`, `NotInPlan`, `PastTime`, `AccountNotFound`,
        `InvalidRequest`.
        """
        return await self._go_on(user, item_id, wanted, "approve")

    async def schedule(self, user: Identity, item_id: UUID, wanted: Approval) -> QueueRow:
        """Make the posts of an item that was approved without accounts. Raises the same as `approve`."""
        if not wanted.account_ids:
            raise _wrong("account_ids", "Name the accounts that it is to be posted to.", "account_required")
        return await self._go_on(user, item_id, wanted, "schedule")

    async def _go_on(self, user: Identity, item_id: UUID, wanted: Approval, verb: str) -> QueueRow:
        self._require_possible(user, wanted)
        ready = await self._ready(user, item_id, wanted, verb)
        async with unit_of_work(self._sessions) as uow:
            queue = QueueRepository(uow.session)
            publications = PublicationRepository(uow.session)
            for account_id in sorted({item.account.id for item in ready.checked}, key=str):
                await publications.lock_lane(account_id)
            row = await queue.lock(user.id, item_id)
            self._require_state(row, verb)
            assert row is not None
            if (row.version, row.product_data) != (ready.row.version, ready.row.product_data):
                raise QueueItemChanged
            if ready.checked:
                await self._make_posts(uow, user, ready, wanted)
            await self._keep(queue, user.id, ready, has_posts=bool(ready.checked))
            found = await queue.find(user.id, item_id)
        assert found is not None
        return found

    def _require_possible(self, user: Identity, wanted: Approval) -> None:
        if wanted.auto_schedule and not plan_of(user.plan).has_auto_schedule:
            sentence = "Automatic scheduling is part of the Pro plan. Upgrade your plan, or choose a time yourself."
            raise NotInPlan(sentence)
        if wanted.auto_schedule and wanted.scheduled_for is not None:
            sentence = "Either name a time in scheduled_for, or let auto_schedule find one."
            raise _wrong("scheduled_for", sentence, "two_times")
        if wanted.scheduled_for is not None and wanted.scheduled_for <= self._clock():
            raise PastTime
        if (wanted.scheduled_for is not None or wanted.auto_schedule) and not wanted.account_ids:
            raise _wrong("account_ids", "Name the accounts that it is to be posted to.", "account_required")
        if wanted.spread and not wanted.auto_schedule:
            raise _wrong("spread", "Only with auto_schedule can accounts take turns.", "spread_needs_auto_schedule")

    def _require_state(self, row: QueueRow | None, verb: str) -> None:
        if row is None:
            raise QueueItemNotFound
        if row.status not in FROM[verb]:
            raise QueueItemState(f"Cannot {verb} item with status '{row.status}'")
        if row.generate_request is not None:
            raise QueueItemBusy

    # Looking: no transaction is open meanwhile

    async def _ready(self, user: Identity, item_id: UUID, wanted: Approval, verb: str) -> _Ready:
        async with unit_of_work(self._sessions) as uow:
            row = await QueueRepository(uow.session).find(user.id, item_id)
            preferences = await PreferencesService(uow).links(user.id)
        self._require_state(row, verb)
        assert row is not None
        facts = facts_of(row.product_data)
        voice = await self._captions.voice(user.id)
        captions = edited(row.captions, wanted.captions, facts, language=voice.language)
        accounts = await self._accounts(user.id, wanted, captions)
        platforms = {account.platform for account in accounts} or set(captions)
        findings = unaccepted(captions, sorted(platforms), wanted.accepted_findings)
        if findings:
            raise CaptionNeedsReview(findings[0]["message"], findings=findings)
        variants: list[Variant] = []
        links: dict[UUID, tuple[NewLink, ...]] = {}
        for account in accounts:
            variant, links[account.id] = self._variant(account, captions, facts, wanted, preferences)
            variants.append(variant)
        async with unit_of_work(self._sessions) as uow:
            posts = PostService(uow, self._adapters, self._media, self._clock)
            checked = await posts.check(user.id, variants, platform=None) if variants else []
        return _Ready(row, facts, captions, checked, links)

    async def _accounts(self, user_id: UUID, wanted: Approval, captions: Mapping[str, Entry]) -> list[SocialAccount]:
        ids = list(dict.fromkeys(wanted.account_ids))
        found = await self._media.accounts(user_id, ids)
        for index, account_id in enumerate(ids):
            account = found.get(account_id)
            if account is None:
                raise AccountNotFound
            if not captions.get(account.platform, {}).get("caption"):
                sentence = f"There is no caption for {account.platform} yet. Generate one, or send it in captions."
                raise InvalidRequest([FieldError(("body", "account_ids", index), sentence, "caption_missing")])
        return [found[account_id] for account_id in ids]

    def _variant(
        self,
        account: SocialAccount,
        captions: Mapping[str, Entry],
        facts: ProductFacts,
        wanted: Approval,
        preferences: LinkPreferences,
    ) -> tuple[Variant, tuple[NewLink, ...]]:
        entry = captions[account.platform]
        decorated = self._links.decorate(
            entry["caption"],
            wanted=preferences,
            product_url=facts.url,
            values={
                "platform": account.platform,
                "account": account.account_name,
                "product": facts.title,
                "date": self._clock().date().isoformat(),
            },
        )
        media = wanted.media_urls if wanted.media_urls is not None else facts.image_urls[:PICTURES_MAX]
        variant = Variant(
            account_id=account.id,
            content=decorated.text,
            media_urls=media,
            hashtags=tuple(entry["hashtags"]),
            options=dict(wanted.options.get(account.platform, {})),
            post_type=None,
            loc=("body", "platforms", account.platform),
        )
        return variant, decorated.links

    # Writing: one transaction for the posts and the item

    async def _make_posts(self, uow: UnitOfWork, user: Identity, ready: _Ready, wanted: Approval) -> None:
        posts = PostService(uow, self._adapters, self._media, self._clock)
        chosen = await self._times(uow, user, ready.checked, wanted)
        origin = Origin(
            queue_item_id=ready.row.id, product_id=ready.row.product_id, product_facts=known_of(ready.facts)
        )
        rows = await posts.create_each(user.id, chosen, grouped=len(chosen) > 1, origin=origin)
        links = LinkRepository(uow.session)
        for row in rows:
            await links.add_all(user.id, ready.links[row.account_id], post_id=row.id)

    async def _times(
        self, uow: UnitOfWork, user: Identity, checked: Sequence[Checked], wanted: Approval
    ) -> list[tuple[Checked, datetime | None]]:
        if not wanted.auto_schedule:
            return [(item, wanted.scheduled_for) for item in checked]
        now = self._clock()
        after = max(wanted.schedule_from or now, now)
        until = wanted.schedule_until or after + HORIZON
        schedules = ScheduleService(uow, self._clock)
        found: list[tuple[Checked, datetime, Plan]] = []
        for item in checked:
            plan = await schedules.plan(user, item.account, until=until)
            moment = plan.next_free(after=after, until=until)
            if moment is not None:
                found.append((item, moment, plan))
            elif not wanted.spread:
                raise NoFreeSlot(
                    f"{item.account.account_name} has no free time until {until:%Y-%m-%d}. Add slots, raise the daily "
                    "limit, or choose a later end."
                )
        if not wanted.spread:
            return [(item, moment) for item, moment, _ in found]
        first: dict[str, tuple[Checked, datetime | None]] = {}
        for item, moment, _ in sorted(found, key=lambda one: (one[1], str(one[0].account.id))):
            first.setdefault(item.account.platform, (item, moment))
        missing = sorted({item.account.platform for item in checked} - set(first))
        if missing:
            raise NoFreeSlot(
                f"No account on {missing[0].capitalize()} has a free time until {until:%Y-%m-%d}. Add slots, raise the "
                "daily limit, or choose a later end."
            )
        return list(first.values())

    async def _keep(self, queue: QueueRepository, user_id: UUID, ready: _Ready, *, has_posts: bool) -> None:
        """Write down what was approved, with a version of its own where the owner changed something."""
        changes: dict[str, Any] = {
            "status": QueueStatus.scheduled if has_posts else QueueStatus.approved,
            "approved_at": ready.row.approved_at or self._clock(),
            "error_code": None,
            "error_message": None,
        }
        if ready.captions != ready.row.captions:
            version = ready.row.version + 1
            changes |= {"captions": ready.captions, "version": version}
            await queue.add_version(user_id, ready.row.id, version, source="edited", captions=ready.captions)
        await queue.change(user_id, ready.row.id, **changes)


def known_of(facts: ProductFacts) -> dict[str, Any]:
    """Return what the guard compares with when the post goes out."""
    return {
        "title": facts.title,
        "price_minor": facts.price_minor,
        "currency": facts.currency,
        "is_available": facts.is_available,
    }


def _wrong(field_name: str, sentence: str, code: str) -> InvalidRequest:
    return InvalidRequest([FieldError(("body", field_name), sentence, code)])
