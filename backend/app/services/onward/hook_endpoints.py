"""The addresses that users have their webhooks sent to, and the log of what was sent there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.db.engine import Sessions
from app.db.unit_of_work import Send, unit_of_work
from app.domain.errors import (
    DeliveryNotFound,
    FieldError,
    InvalidRequest,
    TooManyWebhookEndpoints,
    WebhookEndpointNotFound,
)
from app.domain.happenings import HOOK_TEST, hook_payload
from app.domain.vocabulary import SEND_HOOKS
from app.hooks.http import AddressNotTakenError, HookHttp, new_secret
from app.kit.clock import Clock
from app.kit.crypto import KeyRing
from app.kit.ids import new_id
from app.models import WebhookDelivery, WebhookEndpoint
from app.repositories.happening_repository import HappeningRepository
from app.repositories.hook_repository import HookRepository, NewDelivery
from app.repositories.user_repository import UserRepository
from app.services.onward.hook_delivery import HookDelivery, context_of

ENDPOINTS_MAX = 20
"""Endpoints of one user."""


@dataclass(frozen=True)
class NewEndpoint:
    """An endpoint with the secret that is shown this once."""

    endpoint: WebhookEndpoint
    secret: str


class HookEndpoints:
    def __init__(
        self,
        *,
        sessions: Sessions,
        http: HookHttp,
        delivery: HookDelivery,
        keyring: KeyRing,
        clock: Clock,
        send: Send,
    ) -> None:
        self._sessions = sessions
        self._http = http
        self._delivery = delivery
        self._keyring = keyring
        self._clock = clock
        self._send = send

    async def create(self, user_id: UUID, *, url: str, description: str, events: list[str]) -> NewEndpoint:
        """Add an endpoint. Raises `InvalidRequest` for its address, `TooManyWebhookEndpoints`."""
        await self._check(url)
        endpoint_id, secret = new_id(), new_secret()
        async with unit_of_work(self._sessions) as uow:
            await UserRepository(uow.session).lock(user_id)  # those who count endpoints go one after the other
            rows = HookRepository(uow.session)
            if await rows.count_endpoints(user_id) >= ENDPOINTS_MAX:
                raise TooManyWebhookEndpoints(
                    f"You have {ENDPOINTS_MAX} webhook endpoints, as many as there can be. Delete one first."
                )
            endpoint = WebhookEndpoint(
                id=endpoint_id,
                user_id=user_id,
                url=url,
                description=description,
                events=sorted(set(events)),
                **self._seal(endpoint_id, secret),
            )
            await rows.add_endpoint(endpoint)
        return NewEndpoint(endpoint, secret)

    async def list_all(self, user_id: UUID) -> list[WebhookEndpoint]:
        async with unit_of_work(self._sessions) as uow:
            return await HookRepository(uow.session).list_endpoints(user_id)

    async def get(self, user_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
        """Raises `WebhookEndpointNotFound`."""
        async with unit_of_work(self._sessions) as uow:
            return await _get(HookRepository(uow.session), user_id, endpoint_id)

    async def update(self, user_id: UUID, endpoint_id: UUID, changes: dict[str, Any]) -> WebhookEndpoint:
        """Change the given fields. What waits is tried at once: the new address may take it. Raises
        `WebhookEndpointNotFound`, `InvalidRequest`."""
        await self.get(user_id, endpoint_id)
        if "url" in changes:
            await self._check(changes["url"])
        if "events" in changes:
            changes = {**changes, "events": sorted(set(changes["events"]))}
        if changes.get("is_active") or "url" in changes:
            changes = {**changes, "failing_since": None}
        async with unit_of_work(self._sessions, self._send) as uow:
            rows = HookRepository(uow.session)
            await _get(rows, user_id, endpoint_id, lock=True)
            if changes:
                await rows.change_endpoint(user_id, endpoint_id, changes)
            if "failing_since" in changes:
                await rows.hurry(endpoint_id, now=self._clock())
                uow.after_commit(SEND_HOOKS)
        return await self.get(user_id, endpoint_id)

    async def delete(self, user_id: UUID, endpoint_id: UUID) -> None:
        """Delete an endpoint with its log; what waits for it is not sent. Raises `WebhookEndpointNotFound`."""
        async with unit_of_work(self._sessions) as uow:
            if not await HookRepository(uow.session).delete_endpoint(user_id, endpoint_id):
                raise WebhookEndpointNotFound

    async def rotate_secret(self, user_id: UUID, endpoint_id: UUID) -> NewEndpoint:
        """Give an endpoint a new secret: from now on everything is signed with that one. Raises
        `WebhookEndpointNotFound`."""
        secret = new_secret()
        async with unit_of_work(self._sessions) as uow:
            rows = HookRepository(uow.session)
            await _get(rows, user_id, endpoint_id, lock=True)
            await rows.change_endpoint(user_id, endpoint_id, self._seal(endpoint_id, secret))
        return NewEndpoint(await self.get(user_id, endpoint_id), secret)

    async def test(self, user_id: UUID, endpoint_id: UUID) -> WebhookDelivery:
        """Send a test event at once and return how that ended. One that fails is not tried for days, as nobody waits
        for it. Raises `WebhookEndpointNotFound`."""
        now = self._clock()
        async with unit_of_work(self._sessions) as uow:
            rows = HookRepository(uow.session)
            await _get(rows, user_id, endpoint_id, lock=True)
            facts = {"message": "This is a test. Nothing has happened."}
            event_id = await HappeningRepository(uow.session).add_handled(
                user_id, HOOK_TEST, endpoint_id, facts, at=now
            )
            payload = hook_payload(HOOK_TEST, subject_id=endpoint_id, at=now, facts=facts)
            lane = new_id()  # a test waits for nothing, and nothing waits for a test
            await rows.add_deliveries(
                [NewDelivery(endpoint_id, user_id, event_id, lane, HOOK_TEST, payload)], due_at=now
            )
            delivery = await rows.delivery_of(endpoint_id, event_id)
            assert delivery is not None
        await self._delivery.deliver_now(delivery.id)
        return await self.delivery(user_id, endpoint_id, delivery.id)

    async def page(
        self, user_id: UUID, endpoint_id: UUID, *, outcome: str | None, page: int, per_page: int
    ) -> tuple[list[WebhookDelivery], int]:
        """Return the log, newest first. Raises `WebhookEndpointNotFound`."""
        async with unit_of_work(self._sessions) as uow:
            rows = HookRepository(uow.session)
            await _get(rows, user_id, endpoint_id)
            return await rows.page(user_id, endpoint_id, outcome=outcome, page=page, per_page=per_page)

    async def delivery(self, user_id: UUID, endpoint_id: UUID, delivery_id: UUID) -> WebhookDelivery:
        """Raises `DeliveryNotFound`."""
        async with unit_of_work(self._sessions) as uow:
            found = await HookRepository(uow.session).find_delivery(user_id, endpoint_id, delivery_id)
            if found is None:
                raise DeliveryNotFound
            return found

    async def replay(self, user_id: UUID, endpoint_id: UUID, delivery_id: UUID) -> WebhookDelivery:
        """Send an event once more, under the same `webhook-id`, after what waits in its lane. Raises
        `WebhookEndpointNotFound`, `DeliveryNotFound`."""
        async with unit_of_work(self._sessions, self._send) as uow:
            rows = HookRepository(uow.session)
            await _get(rows, user_id, endpoint_id, lock=True)
            original = await rows.find_delivery(user_id, endpoint_id, delivery_id)
            if original is None:
                raise DeliveryNotFound
            replay = await rows.add_replay(original, now=self._clock())
            uow.after_commit(SEND_HOOKS)
        return replay

    async def _check(self, url: str) -> None:
        try:
            await self._http.check(url)
        except AddressNotTakenError as error:
            raise InvalidRequest([FieldError(("body", "url"), str(error), error.code)]) from error

    def _seal(self, endpoint_id: UUID, secret: str) -> dict[str, Any]:
        ciphertext, version = self._keyring.encrypt(secret.encode(), context=context_of(endpoint_id))
        return {"secret_ciphertext": ciphertext, "key_version": version}


async def _get(rows: HookRepository, user_id: UUID, endpoint_id: UUID, *, lock: bool = False) -> WebhookEndpoint:
    found = await rows.find_endpoint(user_id, endpoint_id, lock=lock)
    if found is None:
        raise WebhookEndpointNotFound
    return found
