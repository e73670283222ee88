"""What is done for posts that are out: their first comment, and one more look whether they are really there.

The same rule as for posts: the intent is committed before the one call, and a call whose answer was lost is looked up,
never repeated on hope.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.domain.vocabulary import AccountStatus, CommentStatus, FollowUpKind, LiveStatus
from app.kit.clock import Clock
from app.kit.crypto import KeyRingError
from app.platforms.base import (
    Auth,
    FixContent,
    OutcomeUnknown,
    Permanent,
    PlatformAdapter,
    PlatformError,
    PostRef,
    QuotaUsedUp,
    ReconnectAccount,
    RefreshToken,
    RetryLater,
    Sight,
)
from app.platforms.limits import first_comment_of
from app.repositories.follow_up_repository import FollowUpDue, FollowUpRepository
from app.repositories.metrics_repository import MetricsRepository
from app.repositories.publication_repository import PublicationRepository
from app.services.publishing.journal import Entry, call_entry, decision_entry
from app.services.token_service import TokenService

log = structlog.get_logger()

LEASE = timedelta(minutes=3)
AT_ONCE = 10
LOOK_UP_AFTER = timedelta(seconds=15)
"""How long to wait before looking for a comment whose answer was lost."""
ABSENT_AFTER = timedelta(minutes=2)
"""A comment that is not listed this long after its call was never written."""
COMMENT_TRIES = 12
MISSING_LOOKS = 3
"""A post is called missing after so many looks found nothing."""
LIVE_TRIES = 12
WAITING_LOOKS_FOR = timedelta(days=7)
"""How long a delivered draft is asked about before its owner is taken to have dropped it."""
WAIT = timedelta(minutes=2)
LONG_WAIT = timedelta(hours=1)


class Aftercare:
    def __init__(
        self,
        *,
        sessions: Sessions,
        adapters: Mapping[str, PlatformAdapter],
        tokens: TokenService,
        worker: str,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._adapters = adapters
        self._tokens = tokens
        self._worker = worker
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    async def run(self, *, limit: int = 100) -> int:
        """Do what is due and return how much it was; once at a time in a process."""
        if self._one_at_a_time.locked():
            return 0
        async with self._one_at_a_time:
            async with unit_of_work(self._sessions) as uow:
                due = await FollowUpRepository(uow.session).claim(limit=limit, lease=LEASE)
            gate = asyncio.Semaphore(AT_ONCE)

            async def one(item: FollowUpDue) -> None:
                async with gate:
                    await self._do(item)

            await asyncio.gather(*(one(item) for item in due))
        return len(due)

    async def _do(self, due: FollowUpDue) -> None:
        journal: list[Entry] = []
        try:
            if due.account_status != AccountStatus.connected:
                await self._not_connected(due, journal)
                return
            auth = await self._tokens.speak_for(
                due.account_id,
                external=due.account_id_external,
                name=due.account_name,
                journal=lambda call: journal.append(call_entry(due.kind, call)),
            )
            if due.kind == FollowUpKind.first_comment:
                await self._comment(due, auth, journal)
            else:
                await self._look(due, auth, journal)
        except RefreshToken:
            await self._renew(due)
            await self._later(due, journal, WAIT)
        except OutcomeUnknown:
            await self._later(due, journal, LOOK_UP_AFTER)
        except QuotaUsedUp as error:
            await self._later(due, journal, max(error.until - self._clock(), WAIT))
        except RetryLater as error:
            await self._later(due, journal, max(error.after or WAIT, timedelta(seconds=5)))
        except (FixContent, Permanent, ReconnectAccount) as error:
            await self._refused(due, journal, error)
        except Exception:  # one that fails for a reason of ours must not stop the others; its lease runs out
            log.exception("follow_up.defect", kind=due.kind, post_id=str(due.post_id))

    # The first comment

    async def _comment(self, due: FollowUpDue, auth: Auth, journal: list[Entry]) -> None:
        care = self._adapters[due.platform].aftercare
        ref = await self._ref(due, auth)
        if ref is None:
            await self._later(due, journal, WAIT)
            return
        text = first_comment_of(due.options, due.hashtags)
        if not care.can_comment(auth, ref):
            sentence = "This kind of connection cannot write comments. Connect the account again with all permissions."
            await self._end_comment(due, journal, CommentStatus.failed, sentence)
            return
        if due.sent_at is not None:
            found = await care.find_comment(auth, ref, text)
            if found is None and self._clock() - due.sent_at < ABSENT_AFTER:
                await self._later(due, journal, LOOK_UP_AFTER)
                return
            if found is not None:
                await self._end_comment(due, journal, CommentStatus.posted, None)
                return
        async with unit_of_work(self._sessions) as uow:
            is_ours = await FollowUpRepository(uow.session).begin_call(due)
        if not is_ours:
            return
        try:
            await care.comment(auth, ref, text)
        except (RetryLater, QuotaUsedUp, RefreshToken):  # proven not to have been written
            async with unit_of_work(self._sessions) as uow:
                await FollowUpRepository(uow.session).take_back_call(due)
            raise
        await self._end_comment(due, journal, CommentStatus.posted, None)

    async def _end_comment(
        self, due: FollowUpDue, journal: list[Entry], status: CommentStatus, sentence: str | None
    ) -> None:
        async with unit_of_work(self._sessions) as uow:
            rows = FollowUpRepository(uow.session)
            if await rows.finish(due, status):
                await rows.tell_comment(due.post_id, status=status, error=sentence)
                await self._keep(uow.session, due, journal, status)

    # The second look

    async def _look(self, due: FollowUpDue, auth: Auth, journal: list[Entry]) -> None:
        ref = await self._ref(due, auth) or PostRef("", due.post_type, due.progress_data, due.options)
        seen = await self._adapters[due.platform].aftercare.find(auth, ref)
        match seen.sight:
            case Sight.missing if due.tries < MISSING_LOOKS:
                await self._later(due, journal, WAIT)
            case Sight.missing:
                sentence = (
                    f"{due.account_name} does not show this post any more. It may have been deleted or taken down "
                    "there. Look in the app; to publish it again, duplicate it."
                )
                await self._end_look(due, journal, LiveStatus.missing, seen.permalink, "not_found_live", sentence)
            case Sight.waiting if self._clock() - due.created_at < WAITING_LOOKS_FOR:
                sentence = "It waits in the inbox of the app on the phone: open the notification there and post it."
                async with unit_of_work(self._sessions) as uow:
                    rows = FollowUpRepository(uow.session)
                    await rows.tell_live(
                        due.post_id, status=LiveStatus.waiting, permalink=None, error_code=None, error=sentence
                    )
                    await rows.put_off(due, wait=LONG_WAIT)
            case Sight.seen | Sight.unknown | Sight.waiting:
                await self._end_look(due, journal, LiveStatus(seen.sight), seen.permalink, None, None)

    async def _end_look(
        self,
        due: FollowUpDue,
        journal: list[Entry],
        status: LiveStatus,
        permalink: str | None,
        code: str | None,
        sentence: str | None,
    ) -> None:
        async with unit_of_work(self._sessions) as uow:
            rows = FollowUpRepository(uow.session)
            if await rows.finish(due, status):
                await rows.tell_live(due.post_id, status=status, permalink=permalink, error_code=code, error=sentence)
                await self._keep(uow.session, due, journal, status)

    # Both

    async def _ref(self, due: FollowUpDue, auth: Auth) -> PostRef | None:
        """Return how the post is known at its platform; one without an id is asked for it."""
        post_id = due.platform_post_id
        if post_id is None:
            public = await self._adapters[due.platform].metrics.public_id(auth, due.post_type, due.progress_data)
            if public is None:
                return None
            post_id = public.platform_post_id
            async with unit_of_work(self._sessions) as uow:
                await MetricsRepository(uow.session).keep_public_id(
                    due.post_id, platform_post_id=post_id, permalink=public.permalink
                )
        return PostRef(post_id, due.post_type, due.progress_data, due.options)

    async def _later(self, due: FollowUpDue, journal: list[Entry], wait: timedelta) -> None:
        is_comment = due.kind == FollowUpKind.first_comment
        if due.tries >= (COMMENT_TRIES if is_comment else LIVE_TRIES):
            await self._give_up(due, journal)
            return
        async with unit_of_work(self._sessions) as uow:
            await FollowUpRepository(uow.session).put_off(due, wait=wait)
            await self._keep(uow.session, due, journal, None)

    async def _give_up(self, due: FollowUpDue, journal: list[Entry]) -> None:
        if due.kind == FollowUpKind.live:
            await self._end_look(due, journal, LiveStatus.unknown, None, None, None)
            return
        status = CommentStatus.failed if due.sent_at is None else CommentStatus.unknown
        sentence = "The first comment could not be written. The post itself is out: add the comment in the app."
        await self._end_comment(due, journal, status, sentence)

    async def _refused(self, due: FollowUpDue, journal: list[Entry], error: PlatformError) -> None:
        if due.kind == FollowUpKind.first_comment:
            await self._end_comment(due, journal, CommentStatus.failed, error.sentence)
        else:  # the question was refused: that says nothing about the post
            await self._later(due, journal, LONG_WAIT)

    async def _not_connected(self, due: FollowUpDue, journal: list[Entry]) -> None:
        if due.kind == FollowUpKind.first_comment and due.tries >= COMMENT_TRIES:
            await self._give_up(due, journal)
        else:
            await self._later(due, journal, LONG_WAIT)

    async def _renew(self, due: FollowUpDue) -> None:
        try:
            _, version = await self._tokens.current(due.account_id)
            await self._tokens.refresh(due.account_id, seen_version=version)
        except (PlatformError, KeyRingError) as error:
            log.warning("follow_up.no_token", account_id=str(due.account_id), error=type(error).__name__)

    async def _keep(self, session: AsyncSession, due: FollowUpDue, journal: list[Entry], outcome: str | None) -> None:
        if outcome is not None:
            journal.append(decision_entry(due.kind, due.kind, outcome, at=self._clock()))
        if due.publication_id is not None and journal:
            await PublicationRepository(session).journal(due.publication_id, journal, worker=self._worker)
