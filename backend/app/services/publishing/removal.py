"""Deleting a post at its platform: another thing than removing it here, and always asked for by name."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import structlog

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.domain.errors import (
    AccountNotConnected,
    DeleteNotPossible,
    PlatformUnavailable,
    PostNotFound,
    PostNotPosted,
)
from app.domain.vocabulary import AccountStatus, LiveStatus, PostStatus
from app.kit.clock import Clock
from app.kit.crypto import KeyRingError
from app.platforms.base import (
    OutcomeUnknown,
    PlatformAdapter,
    PlatformError,
    PostRef,
    QuotaUsedUp,
    ReconnectAccount,
    RefreshToken,
    RetryLater,
)
from app.repositories.account_repository import AccountRepository
from app.repositories.follow_up_repository import FollowUpRepository
from app.repositories.post_repository import PostRepository, PostRow
from app.repositories.publication_repository import PublicationRepository
from app.services.publishing.journal import Entry, call_entry, decision_entry
from app.services.token_service import TokenService

log = structlog.get_logger()
STEP = "delete"


class PlatformRemoval:
    """Works in steps of its own: the platform is called between transactions."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        adapters: Mapping[str, PlatformAdapter],
        tokens: TokenService,
        clock: Clock,
        worker: str,
    ) -> None:
        self._sessions = sessions
        self._adapters = adapters
        self._tokens = tokens
        self._clock = clock
        self._worker = worker

    async def delete(self, user_id: UUID, post_id: UUID) -> PostRow:
        """Delete a published post at its platform; here it stays, marked so. Safe to repeat.

        Raises `PostNotFound`, `PostNotPosted`, `AccountNotConnected`, `DeleteNotPossible`, `PlatformUnavailable`.
        """
        async with unit_of_work(self._sessions) as uow:
            post = await PostRepository(uow.session).find(user_id, post_id)
            if post is None:
                raise PostNotFound
            account = await AccountRepository(uow.session).find(user_id, post.account_id)
            last = await PublicationRepository(uow.session).last_progress(post_id)
        if post.status != PostStatus.posted:
            raise PostNotPosted
        if post.live_status == LiveStatus.deleted:
            return post
        if account is None or account.status != AccountStatus.connected:
            raise AccountNotConnected
        care = self._adapters[post.platform].aftercare
        journal: list[Entry] = []
        try:
            auth = await self._tokens.speak_for(
                account.id,
                external=account.account_id_external or "",
                name=account.account_name,
                journal=lambda call: journal.append(call_entry(STEP, call)),
            )
            ref = PostRef(post.platform_post_id or "", post.post_type, last.data if last else {}, post.options)
            if not post.platform_post_id or not care.can_delete(auth, ref):
                raise DeleteNotPossible
            await care.delete(auth, ref)
        except ReconnectAccount as error:
            raise AccountNotConnected(error.sentence) from error
        except KeyRingError as error:
            raise AccountNotConnected from error
        except (RetryLater, OutcomeUnknown, RefreshToken, QuotaUsedUp) as error:  # these pass
            raise PlatformUnavailable(error.sentence) from error
        except PlatformError as error:
            raise DeleteNotPossible(error.sentence) from error
        journal.append(decision_entry(STEP, STEP, "deleted", at=self._clock()))
        async with unit_of_work(self._sessions) as uow:
            await FollowUpRepository(uow.session).mark_deleted(user_id, post_id)
            if last is not None:
                await PublicationRepository(uow.session).journal(last.id, journal, worker=self._worker)
            row = await PostRepository(uow.session).find(user_id, post_id)
        if row is None:  # removed here meanwhile: it is gone at both
            raise PostNotFound
        log.info("post.deleted_at_platform", post_id=str(post_id), platform=post.platform)
        return row
