"""What routes are given. This file and `main.py` are where the parts are put together.

Every dependency is a coroutine: FastAPI sends plain functions through a thread pool, which costs more than the work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Query, Request

from app.composition import Container
from app.db.unit_of_work import UnitOfWork, unit_of_work
from app.domain.errors import InvalidToken, NotAuthenticated
from app.domain.zones import find_zone
from app.repositories.user_repository import Identity, UserRepository
from app.services.account_service import AccountService
from app.services.analytics_service import AnalyticsService
from app.services.auth_service import AuthService, read_token
from app.services.calendar_service import CalendarService
from app.services.connection_service import ConnectionService
from app.services.event_service import EventService
from app.services.link_service import LinkBook
from app.services.media.library import MediaLibrary
from app.services.media.renditions import MediaRenditions
from app.services.media.serving import MediaServing
from app.services.media.taking import MediaTaking
from app.services.media.uploads import MediaUploads
from app.services.post_service import PostService
from app.services.preferences_service import PreferencesService
from app.services.product_rules import ProductRules
from app.services.product_service import ProductService
from app.services.publishing.removal import PlatformRemoval
from app.services.queue.approval import QueueApproval
from app.services.queue.bulk import QueueBulk
from app.services.queue.writing import QueueWriting
from app.services.queue_service import QueueService
from app.services.schedule_service import ScheduleService
from app.services.store_service import StoreService
from app.services.template_service import TemplateService
from app.services.voice_service import VoiceService


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


async def read_claims(request: Request, container: ContainerDep) -> dict[str, Any]:
    """Return the claims of the access token. Raises `NotAuthenticated`, `InvalidToken`."""
    header = request.headers.get("authorization")
    if not header:
        raise NotAuthenticated
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticated
    return read_token(token.strip(), container.token_rules.secret, kind="access")


Claims = Annotated[dict[str, Any], Depends(read_claims)]


async def current_user(claims: Claims, container: ContainerDep) -> Identity:
    """Return who is asking, read in a transaction of its own."""
    try:
        user_id = UUID(claims["sub"])
    except ValueError as error:
        raise InvalidToken from error
    async with container.reading() as session:
        identity = await UserRepository(session).identity(user_id)
    if identity is None or not identity.is_active:
        raise InvalidToken
    return identity


CurrentUser = Annotated[Identity, Depends(current_user)]


def zone_of(user: Identity) -> ZoneInfo:
    """Return the user's own time zone, UTC when it is unknown here."""
    return find_zone(user.timezone) or ZoneInfo("UTC")


async def auth_service(uow: Uow, container: ContainerDep) -> AuthService:
    return AuthService(uow, container.token_rules, container.clock)


async def account_service(container: ContainerDep) -> AccountService:
    return container.accounts


async def connection_service(container: ContainerDep) -> ConnectionService:
    return container.connections


async def event_service(container: ContainerDep) -> EventService:
    return container.events


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


async def store_service(container: ContainerDep) -> StoreService:
    return container.stores


async def product_service(uow: Uow, container: ContainerDep) -> ProductService:
    return ProductService(uow, container.clock)


async def reading_product_service(uow: ReadingUow, container: ContainerDep) -> ProductService:
    return ProductService(uow, container.clock)


async def product_rules(uow: Uow) -> ProductRules:
    return ProductRules(uow)


StoreServiceDep = Annotated[StoreService, Depends(store_service)]
ProductServiceDep = Annotated[ProductService, Depends(product_service)]
ReadingProductServiceDep = Annotated[ProductService, Depends(reading_product_service)]
ProductRulesDep = Annotated[ProductRules, Depends(product_rules)]
AuthServiceDep = Annotated[AuthService, Depends(auth_service)]
AccountServiceDep = Annotated[AccountService, Depends(account_service)]
ConnectionServiceDep = Annotated[ConnectionService, Depends(connection_service)]
EventServiceDep = Annotated[EventService, Depends(event_service)]
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
AnalyticsServiceDep = Annotated[AnalyticsService, Depends(analytics_service)]

Page = Annotated[int, Query(ge=1, le=1_000_000)]
PerPage = Annotated[int, Query(ge=1, le=100)]
