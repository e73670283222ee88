"""What platforms report by themselves: kept once, worked off later. Looking is still what decides; events only hurry.

An installation without a public address gets none of them and works all the same.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.db.engine import Sessions
from app.db.unit_of_work import Send, UnitOfWork, unit_of_work
from app.domain.errors import FieldError, InvalidRequest, InvalidSignature, RouteNotFound
from app.domain.vocabulary import ADVANCE, HOLD_NEEDS_RECONNECT, AccountStatus
from app.kit.clock import Clock
from app.models import DeletionRequest, SocialAccount
from app.platforms import webhooks
from app.platforms.webhooks import EventKind, PlatformEvent
from app.repositories.account_repository import AccountRepository
from app.repositories.credential_repository import CredentialRepository
from app.repositories.event_repository import EventRepository, StoredEvent
from app.repositories.follow_up_repository import FollowUpRepository
from app.repositories.hold_repository import HoldRepository

log = structlog.get_logger()

META = ["instagram", "facebook"]
BATCH = 100
CLOCK_SLACK = 60.0
"""Seconds by which the platform's clock and ours may differ."""


@dataclass(frozen=True)
class WebhookSecrets:
    """What deliveries are signed with: Meta's apps, TikTok's app; and the word that proves an address to Meta."""

    meta: tuple[str, ...] = field(repr=False)
    tiktok: str = field(repr=False)
    meta_verify_token: str = field(repr=False)


@dataclass(frozen=True)
class DeletionReceipt:
    url: str
    confirmation_code: str


class EventService:
    def __init__(
        self,
        *,
        sessions: Sessions,
        secrets: WebhookSecrets,
        public_base: str,
        clock: Clock,
        send: Send | None,
        hint: str,
    ) -> None:
        self._sessions = sessions
        self._secrets = secrets
        self._public_base = public_base
        self._clock = clock
        self._send = send
        self._hint = hint

    # Receiving: verified, stored, answered

    def challenge(self, *, mode: str, verify_token: str, challenge: str) -> str:
        """Return what proves to Meta that this address is ours. Raises `InvalidSignature`."""
        expected = self._secrets.meta_verify_token
        if mode != "subscribe" or not secrets.compare_digest(verify_token.encode(), expected.encode()):
            raise InvalidSignature("The verify token is not the one of this installation.")
        return challenge

    async def receive_meta(self, body: bytes, signature: str) -> int:
        """Keep the events of a delivery and return how many are new. Raises `InvalidSignature`, `InvalidRequest`."""
        if not webhooks.is_signed_by_meta(body, signature, self._secrets.meta):
            raise InvalidSignature
        payload = _json_object(body)
        return await self._keep(webhooks.read_meta(payload))

    async def receive_tiktok(self, body: bytes, signature: str) -> int:
        """Keep an event and return 1 if it is new. Raises `InvalidSignature`, `InvalidRequest`."""
        if not webhooks.is_signed_by_tiktok(body, signature, self._secrets.tiktok):
            raise InvalidSignature
        event = webhooks.read_tiktok(_json_object(body))
        return await self._keep([event] if event else [])

    async def _keep(self, events: Sequence[PlatformEvent]) -> int:
        new = 0
        useful = {event.external_id: event for event in events if event.kind is not EventKind.ignored}
        async with unit_of_work(self._sessions, self._send) as uow:
            rows = EventRepository(uow.session)
            for external_id in sorted(useful):  # one order for everybody: two deliveries of the same wait, not deadlock
                event = useful[external_id]
                new += await rows.keep(event.platform, external_id, event.kind, event.to_json())
            if new:
                uow.after_commit(self._hint)
        return new

    # Working off

    async def work(self, *, limit: int = BATCH) -> int:
        """Work off what was received and return how much it was. Safe to call twice at once."""
        count = 0
        while count < limit:
            async with unit_of_work(self._sessions, self._send) as uow:
                rows = EventRepository(uow.session)
                events = await rows.open_events(limit=1)
                if not events:
                    break
                try:
                    async with uow.session.begin_nested():
                        outcome = await self._handle(uow, events[0])
                except (
                    SQLAlchemyError,
                    KeyError,
                    ValueError,
                ):  # one that cannot be worked off must not stop the others
                    log.exception("event.defect", event_id=str(events[0].id), kind=events[0].kind)
                    outcome = "failed"
                await rows.done(events[0].id, outcome)
            count += 1
        return count

    async def _handle(self, uow: UnitOfWork, event: StoredEvent) -> str:
        payload = event.payload
        rows = EventRepository(uow.session)
        accounts = await AccountRepository(uow.session).of_external(event.source, str(payload["account_id_external"]))
        if not accounts:
            return "unknown_account"
        kind = EventKind(event.kind)
        if kind is EventKind.access_removed:
            meant = [account for account in accounts if not is_older(payload.get("at"), account)]
            for account in meant:
                await self._cut_off(uow, account, name=account.account_name)
            return "access_removed" if meant else "connected_since"
        posts = await rows.posts_of(
            [account.id for account in accounts],
            publish_id=payload.get("publish_id"),
            platform_post_id=payload.get("platform_post_id"),
        )
        follow_ups = FollowUpRepository(uow.session)
        hurried = 0
        for post_id, account_id in posts:
            if kind in (EventKind.progress, EventKind.public):
                hurried += await rows.look_now(account_id, post_id)
            if kind in (EventKind.public, EventKind.gone):
                await follow_ups.look_soon(post_id)
            if kind in (EventKind.public, EventKind.activity):
                await rows.read_numbers_soon(post_id)
        if (
            not posts and kind is EventKind.progress and not payload.get("publish_id")
        ):  # one whose id we do not know yet
            for account in accounts:
                hurried += await rows.look_now(account.id, None)
        if hurried:
            uow.after_commit(ADVANCE)
        return "used" if posts or hurried else "unknown_post"

    async def _cut_off(self, uow: UnitOfWork, account: SocialAccount, *, name: str) -> None:
        """The owner took the grant back at the platform: its tokens are dead, and its posts wait with the reason."""
        sentence = (
            f"PostPilot was removed from the apps of {name} at {account.platform.title()}. "
            "Connect it again, and this post goes on."
        )
        await HoldRepository(uow.session).hold(account.id, code=HOLD_NEEDS_RECONNECT, sentence=sentence)
        await CredentialRepository(uow.session).erase(account.id)
        await AccountRepository(uow.session).set_status(
            account.id, AccountStatus.revoked, reason="Removed from the account's apps at the platform."
        )
        log.info("account.revoked", account_id=str(account.id), platform=account.platform)

    # Meta's callbacks

    async def deauthorize(self, signed_request: str) -> int:
        """Cut off every account of the person named; return how many. Raises `InvalidSignature`."""
        owner_id, at = self._owner_of(signed_request)
        async with unit_of_work(self._sessions) as uow:
            accounts = await AccountRepository(uow.session).of_owner(META, owner_id)
            meant = [account for account in accounts if not is_older(at, account)]
            for account in meant:
                await self._cut_off(uow, account, name=account.account_name)
        return len(meant)

    async def delete_data(self, signed_request: str) -> DeletionReceipt:
        """Delete what Meta told about the person named, and return where that can be checked.

        Raises `InvalidSignature`.
        """
        owner_id, at = self._owner_of(signed_request)
        code = secrets.token_urlsafe(18)
        async with unit_of_work(self._sessions) as uow:
            accounts = await AccountRepository(uow.session).of_owner(META, owner_id)
            accounts = [account for account in accounts if not is_older(at, account)]
            rows = EventRepository(uow.session)
            for account in accounts:
                await rows.forget_account(account.id, account.platform, account.account_id_external)
                await self._cut_off(uow, account, name="this account")
            await rows.add_deletion(
                DeletionRequest(
                    code=code,
                    platform="meta",
                    accounts=len(accounts),
                    summary=_summary(len(accounts)),
                    completed_at=self._clock(),
                )
            )
        return DeletionReceipt(f"{self._public_base}/data-deletion/{code}", code)

    async def deletion(self, code: str) -> DeletionRequest:
        """Return what became of a request. Raises `RouteNotFound`."""
        async with unit_of_work(self._sessions) as uow:
            request = await EventRepository(uow.session).deletion(code)
        if request is None:
            raise RouteNotFound("There is no deletion request with this code.")
        return request

    def _owner_of(self, signed_request: str) -> tuple[str, float | None]:
        value = webhooks.read_signed_request(signed_request, self._secrets.meta)
        if value is None or not value.get("user_id"):
            raise InvalidSignature
        return str(value["user_id"]), webhooks.issued_at(value)


def is_older(at: float | None, account: SocialAccount) -> bool:
    """Whether something was said before the account was connected: a late or repeated delivery means an older one."""
    return at is not None and account.connected_at is not None and at < account.connected_at.timestamp() - CLOCK_SLACK


def _summary(accounts: int) -> str:
    if accounts == 0:
        return "Nothing was stored about this person, so there was nothing to delete."
    what = "one connected account" if accounts == 1 else f"{accounts} connected accounts"
    return f"Deleted: access tokens, profile data, ids and statistics of {what}. Scheduled posts were stopped."


def _json_object(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise InvalidRequest([FieldError(("body",), "Invalid JSON payload", "invalid_json")])
    return value
