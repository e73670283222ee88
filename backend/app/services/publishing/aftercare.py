"""What is done for posts that are out: their first comment, and one more look whether they are really there.

The same rule as for posts: the intent is committed before the one call, and a call whose answer was lost is looked up,
never repeated on hope.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
LONGEST = timedelta(minutes=2)
"""How long one run goes on before it lets others have the thread."""
COMMENT_TRIES = 12
MISSING_LOOKS = 3
"""A post is called missing after so many looks found nothing."""
LIVE_TRIES = 12
WAITING_LOOKS_FOR = timedelta(days=7)
"""How long a delivered draft is asked about before its owner is taken to have dropped it."""
WAIT = timedelta(minutes=2)
LONG_WAIT = timedelta(hours=1)


@dataclass
class Job:
    """One thing to do, with what is known of it by now."""

    due: FollowUpDue
    journal: list[Entry] = field(default_factory=list)


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

    async def run(self) -> int:
        """Do what is due and return how much it was; once at a time in a process."""
        if self._one_at_a_time.locked():
            return 0
        async with self._one_at_a_time:
            begun, count = self._clock(), 0
            while self._clock() - begun < LONGEST:
                async with unit_of_work(self._sessions) as uow:
                    due = await FollowUpRepository(uow.session).claim(limit=AT_ONCE, lease=LEASE)
                await asyncio.gather(*(self._do(Job(item)) for item in due))
                count += len(due)
                if len(due) < AT_ONCE:
                    break
        return count

    async def _do(self, job: Job) -> None:
        due = job.due
        try:
            if due.account_status != AccountStatus.connected:
                await self._later(job, LONG_WAIT)
                return
            auth = await self._tokens.speak_for(
                due.account_id,
                external=due.account_id_external,
                name=due.account_name,
                journal=lambda call: job.journal.append(call_entry(due.kind, call)),
            )
            if due.kind == FollowUpKind.first_comment:
                await self._comment(job, auth)
            else:
                await self._look(job, auth)
        except RefreshToken:
            await self._renew(due)
            await self._later(job, WAIT)
        except OutcomeUnknown:
            await self._later(job, LOOK_UP_AFTER)
        except QuotaUsedUp as error:
            await self._later(job, max(error.until - self._clock(), WAIT))
        except RetryLater as error:
            await self._later(job, max(error.after or WAIT, timedelta(seconds=5)))
        except (FixContent, Permanent, ReconnectAccount) as error:
            await self._refused(job, error)
        except Exception:  # one that fails for a reason of ours must not stop the others
            log.exception("follow_up.defect", kind=due.kind, post_id=str(due.post_id))
            await self._later(job, LONG_WAIT)

    # The first comment

    async def _comment(self, job: Job, auth: Auth) -> None:
        due = job.due
        care = self._adapters[due.platform].aftercare
        ref = await self._ref(due, auth)
        if ref is None:
            await self._later(job, WAIT)
            return
        text = first_comment_of(due.options, due.hashtags)
        if not care.can_comment(auth, ref):
            sentence = "This kind of connection cannot write comments. Connect the account again with all permissions."
            await self._end_comment(job, CommentStatus.failed, sentence)
            return
        if due.sent_at is not None:
            found = await care.find_comment(auth, ref, text)
            if found is None and due.read_at - due.sent_at < ABSENT_AFTER:
                await self._later(job, LOOK_UP_AFTER)
                return
            if found is not None:
                await self._end_comment(job, CommentStatus.posted, None)
                return
        async with unit_of_work(self._sessions) as uow:
            sent_at = await FollowUpRepository(uow.session).begin_call(due)
        if sent_at is None:
            return
        job.due = replace(due, sent_at=sent_at)
        try:
            await care.comment(auth, ref, text)
        except (RetryLater, QuotaUsedUp, RefreshToken, ReconnectAccount):  # proven not to have been written
            async with unit_of_work(self._sessions) as uow:
                await FollowUpRepository(uow.session).take_back_call(due)
            job.due = due
            raise
        await self._end_comment(job, CommentStatus.posted, None)

    async def _end_comment(self, job: Job, status: CommentStatus, sentence: str | None) -> None:
        async with unit_of_work(self._sessions) as uow:
            rows = FollowUpRepository(uow.session)
            if await rows.finish(job.due, status):
                await rows.tell_comment(job.due.post_id, status=status, error=sentence)
                await self._keep(uow.session, job, status)

    # The second look

    async def _look(self, job: Job, auth: Auth) -> None:
        due = job.due
        ref = await self._ref(due, auth) or PostRef("", due.post_type, due.progress_data, due.options)
        seen = await self._adapters[due.platform].aftercare.find(auth, ref)
        match seen.sight:
            case Sight.missing if due.missing + 1 < MISSING_LOOKS:
                await self._later(job, WAIT, missing=due.missing + 1)
            case Sight.missing:
                sentence = (
                    f"{due.account_name} does not show this post any more. It may have been deleted or taken down "
                    "there. Look in the app; to publish it again, duplicate it."
                )
                await self._end_look(job, LiveStatus.missing, seen.permalink, "not_found_live", sentence)
            case Sight.waiting if self._clock() - due.created_at < WAITING_LOOKS_FOR:
                sentence = "It waits in the inbox of the app on the phone: open the notification there and post it."
                async with unit_of_work(self._sessions) as uow:
                    rows = FollowUpRepository(uow.session)
                    await rows.tell_live(
                        due.post_id, status=LiveStatus.waiting, permalink=None, error_code=None, error=sentence
                    )
                    await rows.put_off(due, wait=LONG_WAIT, tries=0)
            case Sight.seen | Sight.unknown | Sight.waiting:
                await self._end_look(job, LiveStatus(seen.sight), seen.permalink, None, None)

    async def _end_look(
        self, job: Job, status: LiveStatus, permalink: str | None, code: str | None, sentence: str | None
    ) -> None:
        async with unit_of_work(self._sessions) as uow:
            rows = FollowUpRepository(uow.session)
            if await rows.finish(job.due, status):
                await rows.tell_live(
                    job.due.post_id, status=status, permalink=permalink, error_code=code, error=sentence
                )
                await self._keep(uow.session, job, status)

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

    async def _later(self, job: Job, wait: timedelta, *, missing: int | None = None) -> None:
        """Come back later, or give up after enough tries; what was not found stays counted through other failures."""
        due = job.due
        if due.tries >= (COMMENT_TRIES if due.kind == FollowUpKind.first_comment else LIVE_TRIES):
            await self._give_up(job)
            return
        kept = due.missing if missing is None else missing
        async with unit_of_work(self._sessions) as uow:
            await FollowUpRepository(uow.session).put_off(due, wait=wait, missing=kept)
            await self._keep(uow.session, job, None)

    async def _give_up(self, job: Job) -> None:
        if job.due.kind == FollowUpKind.live:
            await self._end_look(job, LiveStatus.unknown, None, None, None)
        elif job.due.sent_at is None:
            sentence = "The first comment could not be written. The post itself is out: add the comment in the app."
            await self._end_comment(job, CommentStatus.failed, sentence)
        else:
            sentence = "Whether the first comment was written is not known. Look in the app before you add it there."
            await self._end_comment(job, CommentStatus.unknown, sentence)

    async def _refused(self, job: Job, error: PlatformError) -> None:
        if error.code == ReconnectAccount.code:  # a token said to be dead: others find out whether it really is
            await self._later(job, WAIT)
        elif job.due.kind == FollowUpKind.first_comment:
            await self._end_comment(job, CommentStatus.failed, error.sentence)
        else:  # the question was refused: that says nothing about the post
            await self._later(job, LONG_WAIT)

    async def _renew(self, due: FollowUpDue) -> None:
        try:
            _, version = await self._tokens.current(due.account_id)
            await self._tokens.refresh(due.account_id, seen_version=version)
        except (PlatformError, KeyRingError) as error:
            log.warning("follow_up.no_token", account_id=str(due.account_id), error=type(error).__name__)

    async def _keep(self, session: AsyncSession, job: Job, outcome: str | None) -> None:
        due, entries = job.due, list(job.journal)
        if outcome is not None:
            entries.append(decision_entry(due.kind, due.kind, outcome, at=self._clock()))
        if due.publication_id is not None and entries:
            await PublicationRepository(session).journal(due.publication_id, entries, worker=self._worker)
