"""What routes are given. This file and `main.py` are where the parts are put together.

Every dependency is a coroutine: FastAPI sends plain functions through a thread pool, which costs more than the work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Query, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from app.composition import Container
from app.db.unit_of_work import UnitOfWork, unit_of_work
from app.domain import api_scopes
from app.domain.errors import InvalidToken, MissingScope, NotAuthenticated, NotForApiKeys, NotInPlan
from app.domain.plans import plan_of
from app.domain.zones import find_zone
from app.kit.tokens import digest
from app.repositories.api_key_repository import ApiKeyRepository
from app.repositories.user_repository import Identity, UserRepository
from app.services.account_service import AccountService
from app.services.analytics_service import AnalyticsService
from app.services.api_key_service import ApiKeyService
from app.services.auth.audit import ADDRESS_MAX, AGENT_MAX, AuditLog, Client
from app.services.auth.self_service import SelfService
from app.services.auth_service import AuthService, read_token
from app.services.billing.checkouts import Checkouts
from app.services.billing.desk import BillingDesk
from app.services.billing.events import BillingEvents
from app.services.calendar_service import CalendarService
from app.services.comparison_service import ComparisonService
from app.services.connection_service import ConnectionService
from app.services.event_service import EventService
from app.services.link_service import LinkBook
from app.services.media.library import MediaLibrary
from app.services.media.renditions import MediaRenditions
from app.services.media.serving import MediaServing
from app.services.media.taking import MediaTaking
from app.services.media.uploads import MediaUploads
from app.services.notification_service import NotificationService
from app.services.onward.hook_endpoints import HookEndpoints
from app.services.post_service import PostService
from app.services.preferences_service import PreferencesService
from app.services.product_rules import ProductRules
from app.services.product_service import ProductService
from app.services.provision_service import ProvisionService
from app.services.publishing.removal import PlatformRemoval
from app.services.queue.approval import QueueApproval
from app.services.queue.bulk import QueueBulk
from app.services.queue.writing import QueueWriting
from app.services.queue_service import QueueService
from app.services.schedule_service import ScheduleService
from app.services.store_service import StoreService
from app.services.template_service import TemplateService
from app.services.voice_service import VoiceService

API_PREFIX = "/api/v1/"
KEY_USE_NOTED = timedelta(minutes=1)
"""How exact the time of a key's last use is."""
API_KEY = APIKeyHeader(name="X-API-Key", auto_error=False, description="`po_live_…`, made under /api-keys.")
BEARER = HTTPBearer(auto_error=False, bearerFormat="JWT", description="The access_token of a sign-in.")


async def get_container(request: Request) -> Container:
    container: Container = request.app.state.container
    return container


ContainerDep = Annotated[Container, Depends(get_container)]


async def request_uow(container: ContainerDep) -> AsyncIterator[UnitOfWork]:
    """One transaction per request, committed before the answer is sent."""
    async with unit_of_work(container.sessions, container.send) as uow:
        yield uow


Uow = Annotated[UnitOfWork, Depends(request_uow, scope="function")]


async def reading_uow(container: ContainerDep) -> AsyncIterator[UnitOfWork]:
    """A unit that only reads."""
    async with container.reading() as session:
        yield UnitOfWork(session)


ReadingUow = Annotated[UnitOfWork, Depends(reading_uow, scope="function")]


Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
"""Read for the API's description only."""


async def read_claims(request: Request, container: ContainerDep, described: Bearer = None) -> dict[str, Any]:
    """Return the claims of the access token. Raises `NotAuthenticated`, `InvalidToken`."""
    header = request.headers.get("authorization")
    if not header:
        raise NotAuthenticated
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticated
    return read_token(token.strip(), container.sign_in.tokens.secret, kind="access")


Claims = Annotated[dict[str, Any], Depends(read_claims)]


async def read_session_id(claims: Claims) -> UUID:
    """Return the session that the access token belongs to. Raises `InvalidToken`."""
    try:
        return UUID(str(claims.get("sid")))
    except ValueError as error:
        raise InvalidToken from error


SessionId = Annotated[UUID, Depends(read_session_id)]


async def session_user(claims: Claims, session_id: SessionId, container: ContainerDep) -> Identity:
    """Return who is signed in, read in a transaction of its own. Raises `InvalidToken` once the session has ended."""
    try:
        user_id = UUID(claims["sub"])
    except ValueError as error:
        raise InvalidToken from error
    async with container.reading() as session:
        identity = await UserRepository(session).identity_in_session(user_id, session_id)
    if identity is None or not identity.is_active:
        raise InvalidToken
    return identity


async def key_user(key: str, request: Request, container: ContainerDep) -> Identity:
    """Return whose API key this is, if it may do what is asked.

    Raises `InvalidToken`, `NotForApiKeys`, `NotInPlan`, `MissingScope`.
    """
    method, path = request.method, request.scope["path"].removeprefix(API_PREFIX)
    now = container.clock()
    async with container.reading() as session:
        holder = await ApiKeyRepository(session).find_by_hash(digest(key), now=now)
        identity = await UserRepository(session).identity(holder.user_id) if holder else None
    if holder is None or identity is None or not identity.is_active:
        raise InvalidToken
    if not api_scopes.is_always_open(method, path):
        if not api_scopes.is_for_keys(path):
            raise NotForApiKeys
        if not plan_of(identity.plan).has_api_access:
            raise NotInPlan("Your plan has no API access. Upgrade it to use API keys.")
        wanted = api_scopes.needed(method, path)
        if not api_scopes.allows(holder.scopes, wanted):
            raise MissingScope(f"This API key may not do this. Make one with the scope '{wanted}'.")
    if holder.last_used_at is None or now - holder.last_used_at > KEY_USE_NOTED:
        async with unit_of_work(container.sessions) as uow:
            await ApiKeyRepository(uow.session).note_use(holder.id, at=now)
    return identity


async def current_user(
    request: Request, container: ContainerDep, described: Bearer, api_key: Annotated[str | None, Depends(API_KEY)]
) -> Identity:
    """Return who is asking, by access token or API key.

    Raises `NotAuthenticated`, `InvalidToken`, `NotForApiKeys`, `NotInPlan`, `MissingScope`.
    """
    if api_key and "authorization" not in request.headers:
        return await key_user(api_key, request, container)
    claims = await read_claims(request, container)
    session_id = await read_session_id(claims)
    return await session_user(claims, session_id, container)


CurrentUser = Annotated[Identity, Depends(current_user)]
SignedInUser = Annotated[Identity, Depends(session_user)]
"""Somebody who signed in, where a key will not do."""


async def read_client(request: Request) -> Client:
    """Return where a request came from."""
    address = request.client.host if request.client else ""
    agent = request.headers.get("user-agent", "").replace("\x00", "")
    return Client(address[:ADDRESS_MAX], agent[:AGENT_MAX])


ClientDep = Annotated[Client, Depends(read_client)]


def zone_of(user: Identity) -> ZoneInfo:
    """Return the user's own time zone, UTC when it is unknown here."""
    return find_zone(user.timezone) or ZoneInfo("UTC")


async def auth_service(uow: Uow, container: ContainerDep, client: ClientDep) -> AuthService:
    return AuthService(uow, container.sign_in, container.tries, container.keyring, client, container.clock)


async def self_service(uow: Uow, container: ContainerDep, client: ClientDep) -> SelfService:
    return SelfService(uow, container.tries, container.keyring, client, container.clock)


async def audit_log(uow: ReadingUow, client: ClientDep) -> AuditLog:
    return AuditLog(uow, client)


async def api_key_service(uow: Uow, container: ContainerDep, client: ClientDep) -> ApiKeyService:
    return ApiKeyService(uow, AuditLog(uow, client), container.clock)


async def provision_service(uow: Uow, container: ContainerDep, client: ClientDep) -> ProvisionService:
    grace = timedelta(hours=container.settings.late_post_grace_hours)
    return ProvisionService(uow, AuditLog(uow, client), container.clock, late_grace=grace)


async def account_service(container: ContainerDep) -> AccountService:
    return container.accounts


async def connection_service(container: ContainerDep) -> ConnectionService:
    return container.connections


async def event_service(container: ContainerDep) -> EventService:
    return container.events


async def checkouts(container: ContainerDep) -> Checkouts:
    return container.checkouts


async def billing_desk(container: ContainerDep) -> BillingDesk:
    return container.billing_desk


async def billing_events(container: ContainerDep) -> BillingEvents:
    return container.billing_events


async def platform_removal(container: ContainerDep) -> PlatformRemoval:
    return container.removal


async def media_library(uow: Uow, container: ContainerDep) -> MediaLibrary:
    return MediaLibrary(uow, container.adapters, container.addresses, container.clock)


async def reading_media_library(uow: ReadingUow, container: ContainerDep) -> MediaLibrary:
    return MediaLibrary(uow, container.adapters, container.addresses, container.clock)


async def media_taking(container: ContainerDep) -> MediaTaking:
    return container.media_taking


async def media_uploads(container: ContainerDep) -> MediaUploads:
    return container.media_uploads


async def media_renditions(container: ContainerDep) -> MediaRenditions:
    return container.media_renditions


async def media_serving(container: ContainerDep) -> MediaServing:
    return container.media_serving


async def post_service(uow: Uow, container: ContainerDep) -> PostService:
    return PostService(uow, container.adapters, container.media, container.clock)


async def reading_post_service(uow: ReadingUow, container: ContainerDep) -> PostService:
    return PostService(uow, container.adapters, container.media, container.clock)


async def calendar_service(uow: ReadingUow) -> CalendarService:
    return CalendarService(uow)


async def voice_service(uow: Uow) -> VoiceService:
    return VoiceService(uow)


async def preferences_service(uow: Uow) -> PreferencesService:
    return PreferencesService(uow)


async def schedule_service(uow: Uow, container: ContainerDep) -> ScheduleService:
    return ScheduleService(uow, container.clock)


async def link_book(uow: ReadingUow) -> LinkBook:
    return LinkBook(uow)


async def queue_service(uow: Uow, container: ContainerDep) -> QueueService:
    return QueueService(uow, container.captions, container.clock)


async def reading_queue_service(uow: ReadingUow, container: ContainerDep) -> QueueService:
    return QueueService(uow, container.captions, container.clock)


async def queue_writing(container: ContainerDep) -> QueueWriting:
    return container.queue_writing


async def queue_approval(container: ContainerDep) -> QueueApproval:
    return container.queue_approval


async def queue_bulk(container: ContainerDep) -> QueueBulk:
    return container.queue_bulk


async def template_service(uow: Uow) -> TemplateService:
    return TemplateService(uow)


async def analytics_service(uow: ReadingUow) -> AnalyticsService:
    return AnalyticsService(uow)


async def comparison_service(uow: ReadingUow, container: ContainerDep) -> ComparisonService:
    return ComparisonService(uow, container.clock)


async def store_service(container: ContainerDep) -> StoreService:
    return container.stores


async def product_service(uow: Uow, container: ContainerDep) -> ProductService:
    return ProductService(uow, container.clock)


async def reading_product_service(uow: ReadingUow, container: ContainerDep) -> ProductService:
    return ProductService(uow, container.clock)


async def product_rules(uow: Uow) -> ProductRules:
    return ProductRules(uow)


async def hook_endpoints(container: ContainerDep) -> HookEndpoints:
    return container.hook_endpoints


async def notification_service(uow: Uow, container: ContainerDep) -> NotificationService:
    return NotificationService(uow, container.clock)


async def reading_notification_service(uow: ReadingUow, container: ContainerDep) -> NotificationService:
    return NotificationService(uow, container.clock)


HookEndpointsDep = Annotated[HookEndpoints, Depends(hook_endpoints)]
NotificationServiceDep = Annotated[NotificationService, Depends(notification_service)]
ReadingNotificationServiceDep = Annotated[NotificationService, Depends(reading_notification_service)]
StoreServiceDep = Annotated[StoreService, Depends(store_service)]
ProductServiceDep = Annotated[ProductService, Depends(product_service)]
ReadingProductServiceDep = Annotated[ProductService, Depends(reading_product_service)]
ProductRulesDep = Annotated[ProductRules, Depends(product_rules)]
SelfServiceDep = Annotated[SelfService, Depends(self_service)]
AuditLogDep = Annotated[AuditLog, Depends(audit_log)]
ApiKeyServiceDep = Annotated[ApiKeyService, Depends(api_key_service)]
ProvisionServiceDep = Annotated[ProvisionService, Depends(provision_service)]
AuthServiceDep = Annotated[AuthService, Depends(auth_service)]
AccountServiceDep = Annotated[AccountService, Depends(account_service)]
ConnectionServiceDep = Annotated[ConnectionService, Depends(connection_service)]
EventServiceDep = Annotated[EventService, Depends(event_service)]
CheckoutsDep = Annotated[Checkouts, Depends(checkouts)]
BillingDeskDep = Annotated[BillingDesk, Depends(billing_desk)]
BillingEventsDep = Annotated[BillingEvents, Depends(billing_events)]
RemovalDep = Annotated[PlatformRemoval, Depends(platform_removal)]
MediaLibraryDep = Annotated[MediaLibrary, Depends(media_library)]
ReadingMediaLibraryDep = Annotated[MediaLibrary, Depends(reading_media_library)]
MediaTakingDep = Annotated[MediaTaking, Depends(media_taking)]
MediaUploadsDep = Annotated[MediaUploads, Depends(media_uploads)]
MediaRenditionsDep = Annotated[MediaRenditions, Depends(media_renditions)]
MediaServingDep = Annotated[MediaServing, Depends(media_serving)]
PostServiceDep = Annotated[PostService, Depends(post_service)]
ReadingPostServiceDep = Annotated[PostService, Depends(reading_post_service)]
VoiceServiceDep = Annotated[VoiceService, Depends(voice_service)]
PreferencesServiceDep = Annotated[PreferencesService, Depends(preferences_service)]
ScheduleServiceDep = Annotated[ScheduleService, Depends(schedule_service)]
LinkBookDep = Annotated[LinkBook, Depends(link_book)]
QueueServiceDep = Annotated[QueueService, Depends(queue_service)]
ReadingQueueServiceDep = Annotated[QueueService, Depends(reading_queue_service)]
QueueWritingDep = Annotated[QueueWriting, Depends(queue_writing)]
QueueApprovalDep = Annotated[QueueApproval, Depends(queue_approval)]
QueueBulkDep = Annotated[QueueBulk, Depends(queue_bulk)]
TemplateServiceDep = Annotated[TemplateService, Depends(template_service)]
CalendarServiceDep = Annotated[CalendarService, Depends(calendar_service)]
ComparisonServiceDep = Annotated[ComparisonService, Depends(comparison_service)]
AnalyticsServiceDep = Annotated[AnalyticsService, Depends(analytics_service)]

Page = Annotated[int, Query(ge=1, le=1_000_000)]
PerPage = Annotated[int, Query(ge=1, le=100)]
