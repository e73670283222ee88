"""Hands on what happened: to notifications, to webhooks, and to whoever listens.

One transaction at a time, whoever runs it, takes what is unhandled in the order of ids, writes down what is to be told,
and gives every event its place in the order of commits. A subject's row is locked when its trigger writes the event, so
events of one subject have ids in the order of their commits: taken by one after the other, they stay in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import Send, UnitOfWork, unit_of_work
from app.domain import notices
from app.domain.happenings import HookKind, hook_payload
from app.domain.notices import Notice
from app.domain.vocabulary import SEND_HOOKS
from app.kit.clock import Clock
from app.repositories.happening_repository import Happening, HappeningRepository
from app.repositories.hook_repository import HookRepository, NewDelivery
from app.services.onward.notices import NoticeBook

log = structlog.get_logger()

BATCH = 500
DEFECTS = (KeyError, ValueError, TypeError, AttributeError)
"""What facts that nobody has thought of raise."""
HOOK_KINDS = frozenset(HookKind)


class HandOn:
    def __init__(self, sessions: Sessions, clock: Clock, send: Send) -> None:
        self._sessions = sessions
        self._clock = clock
        self._send = send

    async def work(self, *, batches: int = 100) -> int:
        """Hand on what there is and return how many events it was. Safe to call twice at once: the second finds that
        it is not its turn, and leaves."""
        count = 0
        for _ in range(batches):
            async with unit_of_work(self._sessions, self._send) as uow:
                handed = await self._batch(uow)
            count += handed
            if handed == 0:
                break
        return count

    async def _batch(self, uow: UnitOfWork) -> int:
        rows = HappeningRepository(uow.session)
        if not await rows.take_turn():
            return 0
        events = await rows.unhandled(limit=BATCH)
        if not events:
            return 0
        now = self._clock()
        await NoticeBook(uow).write(await self._all_notices(uow, events), now=now)
        await self._deliveries(uow, events)
        await rows.done([event.id for event in events], at=now)
        return len(events)

    async def _deliveries(self, uow: UnitOfWork, events: Sequence[Happening]) -> None:
        hooks = HookRepository(uow.session)
        told = [event for event in events if event.kind in HOOK_KINDS]
        endpoints = await hooks.listening({event.user_id for event in told})
        new = [
            NewDelivery(
                endpoint_id=endpoint.id,
                user_id=event.user_id,
                event_id=event.id,
                lane=event.subject_id,
                kind=event.kind,
                payload=hook_payload(event.kind, subject_id=event.subject_id, at=event.created_at, facts=event.facts),
            )
            for event in told
            for endpoint in endpoints.get(event.user_id, ())
            if not endpoint.events or event.kind in endpoint.events
        ]
        if new:
            await hooks.add_deliveries(new, due_at=self._clock())
            uow.after_commit(SEND_HOOKS)

    async def _all_notices(self, uow: UnitOfWork, events: Sequence[Happening]) -> list[tuple[UUID, Notice]]:
        """Return what users are to know; an event that cannot be put into words is logged and stops no other."""
        try:
            return await self._notices(uow, events)
        except DEFECTS as error:
            if len(events) == 1:
                log.exception("happening.defect", event_id=events[0].id, kind=events[0].kind, error=str(error))
                return []
        found: list[tuple[UUID, Notice]] = []
        for event in events:
            found += await self._all_notices(uow, [event])
        return found

    async def _notices(self, uow: UnitOfWork, events: Sequence[Happening]) -> list[tuple[UUID, Notice]]:
        rows = HappeningRepository(uow.session)
        by_kind: dict[str, list[Happening]] = {}
        for event in events:
            by_kind.setdefault(event.kind, []).append(event)
        found = await self._post_notices(rows, uow, [*by_kind.get("post.failed", ()), *by_kind.get("post.held", ())])
        cut_off = by_kind.get("account.needs_reconnect", [])
        waiting = await rows.posts_on_hold({event.subject_id for event in cut_off}) if cut_off else {}
        for event in cut_off:
            posts = waiting.get(event.subject_id, 0)
            notice = notices.account_needs_reconnect(event.id, event.subject_id, waiting=posts, facts=event.facts)
            found.append((event.user_id, notice))
        for event in by_kind.get("subscription.updated", ()):
            found += [(event.user_id, notice) for notice in notices.subscription_notices(event.id, event.facts)]
        ending = by_kind.get("subscription.trial_ends_soon", [])
        zones = await NoticeBook(uow).zones({event.user_id for event in ending}) if ending else {}
        found += [(event.user_id, notices.trial_ends(event.id, event.facts, zones[event.user_id])) for event in ending]
        found += [
            (event.user_id, notices.payment_needs_you(event.id, event.facts))
            for event in by_kind.get("subscription.action_required", ())
        ]
        return found + await self._caption_notices(rows, uow, by_kind.get("queue.generated", []))

    async def _post_notices(
        self, rows: HappeningRepository, uow: UnitOfWork, events: Sequence[Happening]
    ) -> list[tuple[UUID, Notice]]:
        if not events:
            return []
        posts = await rows.post_contents({event.subject_id for event in events})
        zones = await NoticeBook(uow).zones({event.user_id for event in events})
        found: list[tuple[UUID, Notice]] = []
        for event in events:
            if event.subject_id not in posts:  # deleted meanwhile: there is nothing left to do about it
                continue
            content, account = posts[event.subject_id]
            excerpt = notices.excerpt_of(content)
            if event.kind == "post.failed":
                notice: Notice | None = notices.post_failed(
                    event.id, event.subject_id, excerpt=excerpt, account=account, facts=event.facts
                )
            else:
                day = event.created_at.astimezone(zones[event.user_id]).date()
                notice = notices.post_held(
                    event.id, event.subject_id, excerpt=excerpt, account=account, facts=event.facts, day=day
                )
            if notice is not None:
                found.append((event.user_id, notice))
        return found

    async def _caption_notices(
        self, rows: HappeningRepository, uow: UnitOfWork, events: Sequence[Happening]
    ) -> list[tuple[UUID, Notice]]:
        """One notice for all captions of a user: what somebody wrote by hand waits for nobody."""
        versions = {(event.subject_id, int(event.facts.get("version") or 0)) for event in events}
        written = await rows.written_by_machine(versions) if versions else set()
        users = {
            event.user_id for event in events if (event.subject_id, int(event.facts.get("version") or 0)) in written
        }
        if not users:
            return []
        waiting, zones = await rows.items_to_review(users), await NoticeBook(uow).zones(users)
        now = self._clock()
        return [
            (user_id, notices.captions_waiting(count, notices.digest_day(now, zones[user_id])))
            for user_id, count in sorted(waiting.items(), key=lambda one: str(one[0]))
        ]
