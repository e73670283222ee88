"""Takes one publication as far as it can go now: claim → call → record.

No transaction is open while a platform is called, and everything that is recorded is recorded only while the lease is
still ours. The intent to make a post public is committed before the one call that does it; a publication found with
that intent and nobody working on it is reconciled, never submitted again on hope.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.domain.product_guard import Hold, Reword
from app.domain.publishing import (
    RECONCILE_FIRST,
    UNSENDABLE_RETRY,
    Patience,
    backoff,
    is_hopeless,
    is_too_late,
)
from app.domain.vocabulary import (
    HOLD_DISCONNECTED,
    HOLD_NEEDS_RECONNECT,
    HOLD_PLAN,
    HOLD_TOO_LATE,
    AccountStatus,
    PostStatus,
    Step,
)
from app.kit.clock import Clock
from app.kit.crypto import KeyRingError
from app.platforms.base import (
    AccountFacts,
    Auth,
    CallRecord,
    Draft,
    FixContent,
    Grant,
    MediaItem,
    Outcome,
    OutcomeUnknown,
    Permanent,
    Phase,
    PlatformAdapter,
    PlatformError,
    Progress,
    QuotaUsedUp,
    ReconnectAccount,
    RefreshToken,
    RetryLater,
)
from app.platforms.limits import first_comment_of
from app.repositories.account_repository import AccountRepository
from app.repositories.publication_repository import NO_TROUBLE, Claim, Due, PublicationRepository, Trouble
from app.services.plan_service import NO_PLACE
from app.services.publishing.journal import call_entry, decision_entry
from app.services.publishing.media import MediaLender
from app.services.publishing.plan_places import PlanPlaces
from app.services.publishing.product_guard import ProductGuard
from app.services.token_service import STILL_GOOD, TokenService

log = structlog.get_logger()

SUBMIT_SECONDS = 600
"""Longest time one submission may take. Adapters set tighter ones of their own; the lease is renewed meanwhile."""
PAUSE_SECONDS = 10.0
"""A process that stood still for longer between intent and call makes no call: somebody else may work on it by now."""
RECORD_SECONDS = 60.0
"""How long to keep trying to write down what a platform answered while the database is away."""
STEP_SECONDS = 3600
"""Longest time one step may take: a large upload over a slow line. The lease is renewed meanwhile."""
QUOTA_WAIT_MIN = timedelta(seconds=5)
PUBLIC_STEPS = frozenset({Step.submit, Step.confirm, Step.reconcile})
"""From here on the post may already be public."""


class LeaseLostError(Exception):
    """Somebody else works on this account now: nothing more may be recorded."""


class NotRecordedError(Exception):
    """The database stayed away: the lease runs out, and the row says from where to go on."""


@dataclass
class Work:
    """One publication while it is in our hands."""

    claim: Claim
    due: Due
    step: Step
    progress: Progress
    journal: list[dict[str, Any]] = field(default_factory=list)
    pause: timedelta | None = None
    token_renewed: bool = False
    credential_version: int = 0


class PublishingEngine:
    def __init__(
        self,
        *,
        sessions: Sessions,
        adapters: Mapping[str, PlatformAdapter],
        tokens: TokenService,
        lender: MediaLender,
        guard: ProductGuard,
        places: PlanPlaces,
        patience: Patience,
        first_metrics_age: timedelta,
        live_check_age: timedelta,
        worker: str,
        clock: Clock,
        chance: random.Random | None = None,
    ) -> None:
        self._sessions = sessions
        self._adapters = adapters
        self._tokens = tokens
        self._lender = lender
        self._guard = guard
        self._places = places
        self._patience = patience
        self._first_metrics_age = first_metrics_age
        self._live_check_age = live_check_age
        self._worker = worker
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 - jitter
        self.submitting: set[UUID] = set()
        """Leases whose one public call is under way: these are not interrupted by a shutdown."""

    async def advance(self, claim: Claim, due: Due | None) -> None:
        """Work on a claimed lane and let go of it, whatever happens."""
        if due is None:
            await self._release_empty(claim)
            return
        work = Work(
            claim,
            due,
            Step(due.step),
            Progress.from_json(due.progress),
            credential_version=due.credential_version or 0,
        )
        try:
            await self._advance(work)
        except LeaseLostError:
            log.warning("publication.lease_lost", publication_id=str(due.id), worker=self._worker)

    async def _advance(self, work: Work) -> None:
        if work.step not in PUBLIC_STEPS and (await self._held(work) or await self._held_by_product(work)):
            return
        if work.step is Step.submit:
            work.step = Step.reconcile
            self._note(work, "found_orphaned", "reconcile")
        try:
            await self._steps(work)
        except (LeaseLostError, NotRecordedError):
            raise
        except PlatformError as error:
            await self._failed(work, error)
        except Exception as error:
            log.exception("publication.defect", publication_id=str(work.due.id), step=work.step)
            await self._failed(work, _as_platform_error(work.step, error))

    async def _held(self, work: Work) -> bool:
        """Put a post that may not go out now on hold, with the reason. Nothing of it is public yet."""
        now = self._clock()
        if work.due.account_status != AccountStatus.connected:
            disconnected = work.due.account_status == AccountStatus.disconnected
            code = HOLD_DISCONNECTED if disconnected else HOLD_NEEDS_RECONNECT
            sentence = f"{work.due.account_name} is not connected. Connect it again, and this post goes on."
            await self._hold(work, Trouble(code, sentence))
            return True
        if work.due.account_id in await self._places.over_plan(work.due.user_id):
            await self._hold(work, Trouble(HOLD_PLAN, NO_PLACE.format(name=work.due.account_name)))
            return True
        if is_too_late(work.due.due_at, now, self._patience):
            late = now - work.due.due_at
            sentence = (
                f"This post was due {_spell(late)} ago and could not be sent then. "
                "Publish it now, choose another time, or delete it."
            )
            await self._hold(work, Trouble(HOLD_TOO_LATE, sentence))
            return True
        return False

    async def _held_by_product(self, work: Work) -> bool:
        """Hold or reword a post whose product is not what it was when the text was approved. Nothing is staged yet."""
        due = work.due
        if due.product_id is None or work.progress != work.progress.anew():
            return False
        found = await self._guard.look(due.user_id, due.product_id, due.product_facts or {}, due.content)
        if isinstance(found, Hold):
            await self._hold(work, Trouble(found.code, found.sentence), told=found.told)
            return True
        if isinstance(found, Reword):
            content, known = found.content, found.known
            work.due = replace(due, content=content)
            self._note(work, "product_guard", "price_rewritten", detail=found.note)

            async def write(rows: PublicationRepository) -> None:
                await rows.know_product(due.post_id, known, content=content)

            await self._record(work, write, release=False)
        return False

    # The steps

    async def _steps(self, work: Work) -> None:
        adapter = self._adapters[work.due.platform]
        publisher = adapter.publisher
        draft = draft_of(work.due)
        media = self._lender.for_publication(work.due.id)
        if work.due.started_at is None:
            findings = publisher.validate(draft, AccountFacts(account_name=work.due.account_name))
            if findings:
                raise FixContent(findings[0].message, field=findings[0].field, code=findings[0].code)
        auth = await self._auth(work)
        while True:
            if work.step is Step.reconcile:
                if not await self._reconcile(work, auth, draft, media):
                    return
                continue
            match work.progress.phase:
                case Phase.preparing:
                    async with asyncio.timeout(STEP_SECONDS):
                        progress = await publisher.prepare(auth, draft, work.progress, media)
                    if await self._go_on(work, Step.prepare, progress):
                        return
                case Phase.processing:
                    async with asyncio.timeout(STEP_SECONDS):
                        progress = await publisher.look(auth, draft, work.progress, media)
                    if await self._go_on(work, Step.process, progress):
                        return
                case Phase.ready:
                    await self._submit(work, auth, draft, media)
                    if work.step is Step.confirm and await self._go_on(work, Step.confirm, work.progress):
                        return
                case Phase.submitted:
                    async with asyncio.timeout(STEP_SECONDS):
                        progress = await publisher.look(auth, draft, work.progress, media)
                    if await self._go_on(work, Step.confirm, progress):
                        return
                case Phase.published:
                    await self._publish(work)
                    return

    async def _go_on(self, work: Work, step: Step, progress: Progress) -> bool:
        """Keep what was reached. Return True when the publication was let go to wait for the platform."""
        work.progress = progress
        work.step = _step_of(progress.phase, step)
        if progress.phase in (Phase.ready, Phase.published):
            return False  # committed with the intent, or with the result
        waits = progress.phase in (Phase.processing, Phase.submitted) and progress.look_after
        if waits:
            wait = timedelta(seconds=progress.look_after or 0)
            if await self._gave_up(work):
                return True
            await self._save(work, wait=wait, release=True)
            return True
        await self._save(work, wait=timedelta(0), release=False)
        return False

    async def _submit(self, work: Work, auth: Auth, draft: Draft, media: Any) -> None:
        before = time.time()
        await self._save(work, wait=timedelta(0), release=False, step=Step.submit, submitting=True)
        if time.time() - before > PAUSE_SECONDS:
            await self._save(work, wait=timedelta(0), release=True)
            raise LeaseLostError
        work.step = Step.submit
        self.submitting.add(work.claim.lease_id)
        try:
            async with asyncio.timeout(SUBMIT_SECONDS):
                progress = await self._adapters[work.due.platform].publisher.submit(auth, draft, work.progress, media)
        except TimeoutError as error:
            raise OutcomeUnknown("The platform did not answer in time.") from error
        finally:
            self.submitting.discard(work.claim.lease_id)
        work.progress = progress
        if progress.phase is Phase.submitted:
            work.step = Step.confirm

    async def _reconcile(self, work: Work, auth: Auth, draft: Draft, media: Any) -> bool:
        """Ask the platform what became of a submission. Return True when the steps go on from its answer."""
        submitted_at = work.due.submitted_at or self._clock()
        async with asyncio.timeout(STEP_SECONDS):
            verdict = await self._adapters[work.due.platform].publisher.reconcile(
                auth, draft, work.progress, media, submitted_at=submitted_at, now=self._clock()
            )
        if verdict.outcome is Outcome.published and await self._is_another_post(
            work, verdict.progress.platform_post_id
        ):
            self._note(work, "reconcile", "another_post")
            await self._fail(work, UNKNOWN)
            return False
        work.progress = verdict.progress
        self._note(work, "reconcile", verdict.outcome.value)
        match verdict.outcome:
            case Outcome.published:
                work.step = Step.confirm
                return True
            case Outcome.not_published if is_too_late(submitted_at, self._clock(), self._patience):
                sentence = (
                    f"This post was to go out {_spell(self._clock() - submitted_at)} ago and did not, as we know only "
                    "now. Publish it now, choose another time, or delete it."
                )
                await self._hold(work, Trouble(HOLD_TOO_LATE, sentence))
                return False
            case Outcome.not_published:
                work.step = Step.prepare if verdict.progress.phase is Phase.preparing else Step.process
                await self._save(work, wait=timedelta(0), release=False)
                return True
            case Outcome.look_again:
                if not await self._gave_up(work):
                    await self._save(
                        work, wait=timedelta(seconds=verdict.after_seconds), release=True, trouble=UNCERTAIN
                    )
                return False
            case Outcome.unknown:
                await self._fail(work, UNKNOWN)
                return False

    async def _is_another_post(self, work: Work, platform_post_id: str | None) -> bool:
        """Whether what was found is a post of the account that we know already: one with the same words, say."""
        if platform_post_id is None:
            return False
        async with unit_of_work(self._sessions) as uow:
            rows = PublicationRepository(uow.session)
            return await rows.is_known(work.due.account_id, platform_post_id, except_post=work.due.post_id)

    # What went wrong

    async def _failed(self, work: Work, error: PlatformError) -> None:
        trouble = _trouble(error)
        log.info(
            "publication.trouble",
            publication_id=str(work.due.id),
            step=work.step,
            code=error.code,
            platform_code=error.platform_code,
            kind=type(error).__name__,
        )
        match error:
            case OutcomeUnknown() if work.progress.phase in (Phase.submitted, Phase.published):
                work.step = Step.confirm
                await self._later(work, after=None, trouble=UNCERTAIN)
            case OutcomeUnknown():
                work.step = Step.reconcile
                await self._save(work, wait=RECONCILE_FIRST, release=True, tries=0, trouble=UNCERTAIN)
            case RefreshToken():
                await self._renew_token(work, trouble)
            case ReconnectAccount():
                await self._account_lost(work, error, trouble)
            case RetryLater():
                if error.restage and work.step not in (Step.confirm, Step.reconcile):
                    work.progress = work.progress.anew()
                await self._later(work, after=error.after, trouble=trouble)
            case QuotaUsedUp():
                after = max(error.until - self._clock(), QUOTA_WAIT_MIN)
                await self._later(work, after=after, trouble=trouble)
            case FixContent() | Permanent() if work.step in (Step.confirm, Step.reconcile) and not error.proven:
                # The post may be out: that a question was refused says nothing about it.
                await self._later(work, after=None, trouble=trouble)
            case _:
                await self._fail(work, trouble)

    async def _later(self, work: Work, *, after: timedelta | None, trouble: Trouble) -> None:
        """Nothing was made public: the same step again, later; after 24 hours the owner is told."""
        if await self._gave_up(work, trouble):
            return
        if work.step is Step.submit:
            work.step = Step.process
        wait = backoff(work.due.tries, after=after, chance=self._chance)
        await self._save(work, wait=wait, release=True, tries=work.due.tries + 1, trouble=trouble)

    async def _gave_up(self, work: Work, trouble: Trouble | None = None) -> bool:
        begun = work.due.started_at or self._clock()
        if not is_hopeless(begun, self._clock(), self._patience):
            return False
        if work.step in (Step.reconcile, Step.confirm):
            await self._fail(work, UNKNOWN)
        else:
            reason = f" The last answer was: {trouble.sentence}" if trouble and trouble.sentence else ""
            tried = _spell(self._patience.give_up)
            sentence = f"We tried for {tried} without success.{reason} Publish it again when you like."
            await self._fail(work, Trouble("gave_up", sentence, *(_support(trouble))))
        return True

    async def _renew_token(self, work: Work, trouble: Trouble) -> None:
        if work.token_renewed:
            # A fresh token that is refused at once: give the platform time rather than hammer it.
            await self._later(work, after=timedelta(seconds=30), trouble=trouble)
            return
        try:
            await self._tokens.refresh(work.due.account_id, seen_version=work.credential_version)
        except ReconnectAccount as error:
            await self._account_lost(work, error, _trouble(error))
        except RetryLater as error:
            await self._later(work, after=error.after, trouble=trouble)
        except (PlatformError, KeyRingError) as error:
            log.warning("token.unusable", account_id=str(work.due.account_id), error=type(error).__name__)
            await self._later(work, after=None, trouble=trouble)
        else:
            self._note(work, "refresh_token", "ok")
            if work.due.tries:
                await self._later(work, after=None, trouble=trouble)
                return
            if work.step is Step.submit:
                work.step = Step.process
            await self._save(work, wait=timedelta(0), release=True, tries=1)

    async def _account_lost(self, work: Work, error: ReconnectAccount, trouble: Trouble) -> None:
        """Make sure that it is the account and not a passing fault, then hold its posts and tell the owner.

        Only a token said to be dead is doubted; a missing permission or a restricted account is what it says.
        """
        if error.code == ReconnectAccount.code and await self._still_alive(work):
            await self._later(work, after=None, trouble=trouble)
            return
        async with unit_of_work(self._sessions) as uow:
            await AccountRepository(uow.session).mark_expired(
                work.due.account_id, reason=error.sentence, seen_version=work.credential_version
            )
        log.warning("account.needs_reconnect", account_id=str(work.due.account_id), code=error.platform_code)
        if work.step in (Step.confirm, Step.reconcile) and not error.proven:
            if not await self._gave_up(work):
                await self._save(work, wait=UNSENDABLE_RETRY, release=True, trouble=trouble)
            return
        await self._hold(work, Trouble(HOLD_NEEDS_RECONNECT, error.sentence, error.platform_code, error.trace_id))

    async def _still_alive(self, work: Work) -> bool:
        """Whether the stored token opens the account after all. Doubt counts as alive: a blip disconnects nobody."""
        try:
            grant, _ = await self._tokens.current(work.due.account_id)
            auth = self._make_auth(work, grant)
            return await self._adapters[work.due.platform].connector.check(auth)
        except (ReconnectAccount, KeyRingError):
            return False
        except (PlatformError, OSError, TimeoutError):
            return True

    # Recording: every method here checks the lease, and writes nothing when it is lost

    async def _save(
        self,
        work: Work,
        *,
        wait: timedelta,
        release: bool,
        tries: int = 0,
        step: Step | None = None,
        submitting: bool = False,
        trouble: Trouble = NO_TROUBLE,
    ) -> None:
        async def write(rows: PublicationRepository) -> None:
            await rows.save(
                work.due.id,
                step=step or work.step,
                progress=work.progress.to_json(),
                wait=wait,
                tries=tries,
                submitting=submitting,
                trouble=trouble,
            )
            if trouble.code is not None:
                await rows.tell_owner(work.due.post_id, trouble)

        await self._record(work, write, release=release)

    async def _publish(self, work: Work) -> None:
        async def write(rows: PublicationRepository) -> None:
            await rows.finish(
                work.due.id,
                step=Step.confirm,
                progress=work.progress.to_json(),
                outcome="posted",
                post_status=PostStatus.posted,
            )
            await rows.follow_numbers(work.due, first_age=self._first_metrics_age)
            await rows.follow_up(
                work.due,
                look_after=self._live_check_age,
                has_comment=bool(first_comment_of(work.due.options, work.due.hashtags)),
            )

        await self._record(work, write, release=True)
        self._lender.forget(work.due.id)
        log.info("publication.posted", publication_id=str(work.due.id), platform=work.due.platform)

    async def _hold(self, work: Work, trouble: Trouble, *, told: Mapping[str, Any] | None = None) -> None:
        await self._end(work, outcome="held", status=PostStatus.on_hold, trouble=trouble, told=told)

    async def _fail(self, work: Work, trouble: Trouble) -> None:
        await self._end(work, outcome="failed", status=PostStatus.failed, trouble=trouble)

    async def _end(
        self,
        work: Work,
        *,
        outcome: str,
        status: PostStatus,
        trouble: Trouble,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        self._note(work, outcome, trouble.code or outcome)

        async def write(rows: PublicationRepository) -> None:
            await rows.finish(
                work.due.id,
                step=work.step,
                progress=work.progress.to_json(),
                outcome=outcome,
                post_status=status,
                trouble=trouble,
            )
            if told is not None:
                await rows.know_product(work.due.post_id, {"told": dict(told)})

        await self._record(work, write, release=True)
        self._lender.forget(work.due.id)
        log.info("publication.ended", publication_id=str(work.due.id), outcome=outcome, code=trouble.code)

    async def _record(
        self, work: Work, write: Callable[[PublicationRepository], Awaitable[None]], *, release: bool
    ) -> None:
        """Write while the lease is ours, in one transaction; keep trying for a minute while the database is away.

        Raises `LeaseLostError`, `NotRecordedError`. What a platform answered is worth some patience: forgotten, it
        would have to be found out again.
        """
        deadline, pause = time.monotonic() + RECORD_SECONDS, 0.2
        while True:
            try:
                async with unit_of_work(self._sessions) as uow:
                    rows = PublicationRepository(uow.session)
                    if not await rows.holds(work.claim):
                        raise LeaseLostError
                    await write(rows)
                    await rows.journal(work.due.id, work.journal, worker=self._worker)
                    if release:
                        await rows.release(work.claim, pause=work.pause)
            except (SQLAlchemyError, OSError) as error:
                if time.monotonic() > deadline or not _is_passing(error):
                    raise NotRecordedError(type(error).__name__) from error
                log.warning("publication.record_again", publication_id=str(work.due.id), error=type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)
            else:
                work.journal = []
                return

    async def _release_empty(self, claim: Claim) -> None:
        async with unit_of_work(self._sessions) as uow:
            rows = PublicationRepository(uow.session)
            if await rows.holds(claim):
                await rows.release(claim)

    # Speaking for the account

    async def _auth(self, work: Work) -> Auth:
        due = work.due
        if due.ciphertext is None or due.key_version is None:
            raise ReconnectAccount("This account is not connected. Connect it again, and this post goes on.")
        grant = self._tokens.open(due.account_id, due.ciphertext, due.key_version)
        if self._tokens.needs_refresh(expires_at=due.token_expires_at, refresh_due_at=due.refresh_due_at):
            try:
                grant, work.credential_version = await self._tokens.refresh(
                    due.account_id, seen_version=work.credential_version
                )
            except ReconnectAccount:
                raise
            except PlatformError as error:
                if due.token_expires_at is None or due.token_expires_at - self._clock() < STILL_GOOD:
                    sentence = "The account's access could not be renewed. We try again by ourselves."
                    raise RetryLater(sentence, code=error.code, platform_code=error.platform_code) from error
            else:
                work.token_renewed = True
                self._note(work, "refresh_token", "ok")
        return self._make_auth(work, grant)

    def _make_auth(self, work: Work, grant: Grant) -> Auth:
        def keep(call: CallRecord) -> None:
            work.journal.append(call_entry(work.step, call))

        def pause(wait: timedelta) -> None:
            work.pause = max(work.pause or timedelta(0), wait)

        return Auth(
            account_id=str(work.due.account_id),
            account_id_external=work.due.account_id_external,
            access_token=grant.access_token,
            extra={**grant.extra, "account_name": work.due.account_name},
            journal=keep,
            pause=pause,
        )

    def _note(self, work: Work, operation: str, outcome: str, *, detail: str | None = None) -> None:
        """Write one of our own decisions into the journal."""
        work.journal.append(decision_entry(work.step, operation, outcome, at=self._clock(), detail=detail))


UNCERTAIN = Trouble(
    "outcome_uncertain", "The platform did not answer clearly. We check whether the post is out before doing anything."
)
UNKNOWN = Trouble(
    "outcome_unknown",
    "The platform cannot tell whether this post went out. Look at the account: if it is not there, publish it again.",
)


def draft_of(due: Due) -> Draft:
    """Return what the adapter is given to publish."""
    return Draft(
        content=due.content,
        hashtags=tuple(due.hashtags),
        media=tuple(MediaItem(**item) for item in due.media),
        post_type=due.post_type,
        options=due.options,
    )


def _step_of(phase: Phase, step: Step) -> Step:
    """Return the step that belongs to a phase, wherever it was reached from."""
    match phase:
        case Phase.preparing:
            return Step.prepare
        case Phase.processing:
            return Step.process
        case Phase.submitted:
            return Step.confirm
        case _:
            return step


def _is_passing(error: Exception) -> bool:
    """Whether trying again may help: the connection was lost, or two transactions got in each other's way."""
    if not isinstance(error, DBAPIError):
        return True
    state = str(getattr(error.orig, "sqlstate", "") or "")
    return error.connection_invalidated or state[:2] in ("", "08", "57", "53", "40", "55")


def _as_platform_error(step: Step, error: Exception) -> PlatformError:
    """Give a fault of our own a name. Once the public call was begun, its outcome is unknown."""
    name = type(error).__name__
    if step is Step.submit:
        return OutcomeUnknown("Something unexpected happened while publishing.", platform_code=name)
    if isinstance(error, OSError | TimeoutError):
        return RetryLater(
            "The platform could not be reached. We try again by ourselves.",
            code="platform_unreachable",
            platform_code=name,
        )
    return RetryLater(
        "Something unexpected happened on our side. We try again by ourselves.",
        code="internal_error",
        platform_code=name,
    )


def _trouble(error: PlatformError) -> Trouble:
    return Trouble(error.code, error.sentence, error.platform_code, error.trace_id)


def _support(trouble: Trouble | None) -> tuple[str | None, str | None]:
    return (trouble.platform_code, trouble.trace_id) if trouble else (None, None)


def _spell(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    if minutes < 120:
        return f"{minutes} minutes"
    hours = round(minutes / 60)
    return f"{hours} hours" if hours < 48 else f"{round(hours / 24)} days"
