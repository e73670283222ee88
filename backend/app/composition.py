"""Puts the parts of one process together, from its settings. Used by the API, the workers and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import redis.asyncio
import redis.exceptions
from sqlalchemy.ext.asyncio import AsyncEngine

from app.captions.base import CaptionWriter
from app.captions.claude import ClaudeConfig, ClaudeWriter
from app.captions.template import TemplateWriter
from app.db.engine import Sessions, make_engine, make_reading_sessions, make_sessions
from app.db.listen import Ears
from app.db.unit_of_work import Send
from app.domain.publishing import Patience
from app.domain.vocabulary import (
    ADVANCE,
    BILLING_EVENTS,
    COUNT_FOLLOWERS,
    ERASE_PEOPLE,
    HAND_ON,
    PRODUCT_RULES,
    SEND_HOOKS,
    SEND_MAIL,
    SYNC_STORES,
    WRITE_CAPTIONS,
    WRITE_LETTERS,
    AccountMode,
    Platform,
)
from app.hooks.http import HookHttp
from app.kit.clock import Clock, utc_now
from app.kit.crypto import KeyRing
from app.mail.base import Mailer
from app.mail.smtp import SmtpConfig, SmtpMailer
from app.payments.base import Payments
from app.payments.stripe_client import StripeConfig, StripePayments
from app.payments.stripe_shapes import KINDS, OLDER_KINDS
from app.platforms.consent import HttpSandboxConsent
from app.platforms.registry import Adapters, FacebookConfig, InstagramConfig, TikTokConfig, build_adapters
from app.services.account_service import AccountService
from app.services.ai_ledger import MICROS_PER_CENT, AiBooks
from app.services.auth.letters import LetterWork
from app.services.auth.tries import Tries
from app.services.auth_service import SignInRules, TokenRules
from app.services.billing.checkouts import Checkouts
from app.services.billing.customers import Customers
from app.services.billing.desk import BillingDesk
from app.services.billing.events import BillingEvents
from app.services.billing.sync import BillingSync
from app.services.billing.tending import BillingTending
from app.services.caption_service import CaptionService
from app.services.connection_service import ConnectionService
from app.services.event_service import EventService, WebhookSecrets
from app.services.follower_service import FollowerService
from app.services.health_service import HealthService
from app.services.link_service import LinkService
from app.services.media.expiry import MediaExpiry
from app.services.media.renditions import MediaRenditions
from app.services.media.serving import MediaServing
from app.services.media.taking import MediaTaking
from app.services.media.uploads import MediaUploads
from app.services.media_service import MediaService
from app.services.metrics_service import MetricsService
from app.services.onward.hand_on import HandOn
from app.services.onward.hook_delivery import HookDelivery
from app.services.onward.hook_endpoints import HookEndpoints
from app.services.onward.live import Live
from app.services.onward.notice_mail import NoticeMail
from app.services.platform_event_service import PlatformEventService
from app.services.privacy.erasure import Erasure
from app.services.privacy.export import PersonalExport
from app.services.product_photos import ProductPhotos
from app.services.product_refresh import ProductRefresh
from app.services.product_rules import ProductRuleWork
from app.services.product_sync import ProductSync
from app.services.publishing.aftercare import Aftercare
from app.services.publishing.dispatcher import Dispatcher, TaskNames
from app.services.publishing.drain import Drain
from app.services.publishing.engine import PublishingEngine
from app.services.publishing.media import MediaLender
from app.services.publishing.plan_places import PlanPlaces
from app.services.publishing.product_guard import ProductGuard
from app.services.publishing.public_url import PublicUrlCheck
from app.services.publishing.removal import PlatformRemoval
from app.services.queue.approval import QueueApproval
from app.services.queue.bulk import QueueBulk
from app.services.queue.writing import QueueWriting
from app.services.store_keys import StoreKeys
from app.services.store_service import StoreService
from app.services.token_service import TokenService
from app.settings import Settings
from app.storage.addresses import Addresses
from app.storage.inspection.probe import Probe
from app.storage.own import OwnFiles
from app.storage.remote import RemoteFiles, parse_networks
from app.storage.store import DiskStore, Store
from app.stores.http import StoreHttp
from app.stores.registry import build_sources

SANDBOX_APP = "postpilot-sandbox"
CONVERSION_MEGABYTES = 1200
"""What the child that makes pictures may take: one of 60 million pixels, upright and in other colours."""
EVENTS = "events.work"
TASKS = TaskNames(
    advance=ADVANCE,
    collect="metrics.collect",
    refresh="accounts.refresh",
    follow_up="publishing.follow_up",
    events=EVENTS,
    check="accounts.check",
    stores=SYNC_STORES,
    product_events=PRODUCT_RULES,
    captions=WRITE_CAPTIONS,
    letters=WRITE_LETTERS,
    erasures=ERASE_PEOPLE,
    hand_on=HAND_ON,
    hooks=SEND_HOOKS,
    mail=SEND_MAIL,
    followers=COUNT_FOLLOWERS,
    billing=BILLING_EVENTS,
)


@dataclass(frozen=True)
class Container:
    """Everything one process works with."""

    settings: Settings
    engine: AsyncEngine
    sessions: Sessions
    reading: Sessions
    clock: Clock
    send: Send
    adapters: Adapters
    keyring: KeyRing
    sign_in: SignInRules
    tries: Tries
    letters: LetterWork
    erasure: Erasure
    export: PersonalExport
    tokens: TokenService
    accounts: AccountService
    ai_books: AiBooks
    payments: Payments | None
    checkouts: Checkouts
    billing_desk: BillingDesk
    billing_events: BillingEvents
    billing_sync: BillingSync | None
    billing_tending: BillingTending
    captions: CaptionService
    queue_writing: QueueWriting
    queue_approval: QueueApproval
    queue_bulk: QueueBulk
    connections: ConnectionService
    events: EventService
    media: MediaService
    media_taking: MediaTaking
    media_uploads: MediaUploads
    media_renditions: MediaRenditions
    media_serving: MediaServing
    media_expiry: MediaExpiry
    addresses: Addresses
    store: Store
    probes: tuple[Probe, ...]
    metrics: MetricsService
    publishing: PublishingEngine
    aftercare: Aftercare
    removal: PlatformRemoval
    drain: Drain
    dispatcher: Dispatcher
    health: HealthService
    own_files: OwnFiles
    remote_files: RemoteFiles
    store_http: StoreHttp
    store_keys: StoreKeys
    stores: StoreService
    product_sync: ProductSync
    product_rules: ProductRuleWork
    product_refresh: ProductRefresh
    platform_events: PlatformEventService
    links: LinkService
    mailer: Mailer
    hand_on: HandOn
    hook_http: HookHttp
    hook_delivery: HookDelivery
    hook_endpoints: HookEndpoints
    notice_mail: NoticeMail
    live: Live
    followers: FollowerService
    dashboard_base: str

    async def aclose(self) -> None:
        await self.live.stop()
        await self.drain.stop()
        await self.media_renditions.stop()
        await self.queue_writing.stop()
        await self.captions.aclose()
        await self.adapters.aclose()
        if self.payments is not None:
            await self.payments.aclose()
        await self.remote_files.aclose()
        await self.store_http.aclose()
        await self.hook_http.aclose()
        for probe in self.probes:
            probe.close()
        await self.engine.dispose()


def build_container(settings: Settings, *, worker: str, send: Send, clock: Clock = utc_now) -> Container:
    """Build the parts. Nothing is connected until it is used."""
    engine = make_engine(settings.database_dsn, application_name=f"postpilot-{worker}"[:63])
    sessions = make_sessions(engine)
    reading = make_reading_sessions(engine)
    adapters = build_adapters_from(settings)
    keyring = KeyRing.parse(settings.token_encryption_keys.get_secret_value())
    tokens = TokenService(sessions, keyring, adapters, clock)
    own = OwnFiles(public_base=settings.public_base, data_dir=settings.data_dir)
    remote = RemoteFiles(allowed=parse_networks(settings.media_allowed_networks))
    store_http = StoreHttp(allowed=parse_networks(settings.media_allowed_networks))
    store_keys, sources = StoreKeys(keyring), build_sources(store_http)
    store = build_store(settings)
    addresses = Addresses(public_base=settings.public_base, secret=settings.jwt_secret_key.get_secret_value())
    glances, looks, conversions = Probe(), Probe(), Probe(memory_megabytes=CONVERSION_MEGABYTES)
    waiting = settings.data_dir / "media" / "incoming"
    taking = MediaTaking(
        sessions,
        store,
        looks,
        folder=waiting,
        max_bytes=settings.media_max_bytes,
        free_min_bytes=settings.media_free_space_min_bytes,
    )
    accounts = AccountService(sessions=sessions, adapters=adapters, tokens=tokens, clock=clock)
    mailer = build_mailer(settings)
    books = AiBooks(sessions, clock, monthly_budget_micros=int(settings.ai_monthly_budget_usd * 100 * MICROS_PER_CENT))
    uploads = MediaUploads(sessions, taking, clock, open_max=settings.media_open_uploads_max)
    is_live = AccountMode.live in modes(settings).values()
    ages = tuple(timedelta(minutes=minutes) for minutes in settings.metrics_ages_minutes)
    late_grace = timedelta(hours=settings.late_post_grace_hours)
    publishing = PublishingEngine(
        sessions=sessions,
        adapters=adapters,
        tokens=tokens,
        lender=MediaLender(
            sessions=sessions,
            own=own,
            remote=remote,
            store=store,
            addresses=addresses,
            public_url=PublicUrlCheck(settings.public_base, is_live=is_live and settings.public_url_check),
            max_bytes=settings.media_max_bytes,
            clock=clock,
        ),
        guard=ProductGuard(sessions),
        places=PlanPlaces(sessions, clock),
        patience=Patience(late_grace=late_grace, give_up=timedelta(hours=settings.publish_retry_hours)),
        first_metrics_age=ages[0],
        live_check_age=timedelta(minutes=settings.live_check_minutes),
        worker=worker,
        clock=clock,
    )
    captions = CaptionService(
        sessions=sessions,
        adapters=adapters,
        writer=build_writer(settings),
        books=books,
        photos=ProductPhotos(sessions=sessions, own=own, remote=remote, store=store, probe=conversions, folder=waiting),
        concurrency=settings.ai_concurrency,
    )
    media = MediaService(sessions=sessions, own=own, remote=remote, probe=glances, folder=waiting, clock=clock)
    secret = settings.jwt_secret_key.get_secret_value()
    links = LinkService(sessions=sessions, public_base=settings.public_base, secret=secret, clock=clock)
    mailer = build_mailer(settings)
    hook_http = HookHttp(allowed=parse_networks(settings.webhook_allowed_networks))
    hook_delivery = HookDelivery(sessions=sessions, http=hook_http, keyring=keyring, clock=clock, send=send)
    approval = QueueApproval(
        sessions=sessions, adapters=adapters, media=media, captions=captions, links=links, clock=clock
    )
    payments = build_payments(settings)
    sync = None
    if payments is not None:
        sync = BillingSync(sessions=sessions, payments=payments, late_grace=late_grace, clock=clock, send=send)
    desk = BillingDesk(
        sessions=sessions,
        payments=payments,
        sync=sync,
        dashboard_base=settings.dashboard_base,
        late_grace=late_grace,
        clock=clock,
        send=send,
    )
    return Container(
        settings=settings,
        engine=engine,
        sessions=sessions,
        reading=reading,
        clock=clock,
        send=send,
        adapters=adapters,
        keyring=keyring,
        sign_in=SignInRules(
            TokenRules(
                secret=secret,
                access_life=timedelta(minutes=settings.access_token_minutes),
                refresh_life=timedelta(days=settings.refresh_token_days),
            ),
            confirms_email=settings.sign_up_confirms_email,
        ),
        tries=Tries(settings.broker_url),
        letters=LetterWork(sessions=sessions, mailer=mailer, dashboard_base=settings.dashboard_base, clock=clock),
        tokens=tokens,
        accounts=accounts,
        erasure=Erasure(sessions=sessions, accounts=accounts, farewells=(desk.close,), send=send),
        export=PersonalExport(reading=reading, store=store, clock=clock),
        ai_books=books,
        payments=payments,
        checkouts=Checkouts(
            sessions=sessions,
            payments=payments,
            sync=sync,
            customers=Customers(sessions, payments) if payments is not None else None,
            dashboard_base=settings.dashboard_base,
            late_grace=late_grace,
            clock=clock,
            send=send,
        ),
        billing_desk=desk,
        billing_events=BillingEvents(
            sessions=sessions, payments=payments, sync=sync, kinds=frozenset((*KINDS, *OLDER_KINDS)), send=send
        ),
        billing_sync=sync,
        billing_tending=BillingTending(sessions=sessions, sync=sync, late_grace=late_grace, clock=clock, send=send),
        captions=captions,
        queue_writing=QueueWriting(
            sessions=sessions, captions=captions, clock=clock, concurrency=settings.ai_concurrency
        ),
        queue_approval=approval,
        queue_bulk=QueueBulk(sessions=sessions, approval=approval, captions=captions, clock=clock, send=send),
        events=EventService(
            sessions=sessions,
            secrets=webhook_secrets(settings),
            public_base=settings.public_base,
            clock=clock,
            send=send,
            hint=EVENTS,
        ),
        aftercare=Aftercare(sessions=sessions, adapters=adapters, tokens=tokens, worker=worker, clock=clock),
        removal=PlatformRemoval(sessions=sessions, adapters=adapters, tokens=tokens, worker=worker, clock=clock),
        connections=ConnectionService(
            sessions=sessions,
            adapters=adapters,
            tokens=tokens,
            consent=HttpSandboxConsent(settings.sandbox_base),
            modes=modes(settings),
            public_base=settings.public_base,
            late_grace=late_grace,
            clock=clock,
            send=send,
        ),
        media=media,
        media_taking=taking,
        media_uploads=uploads,
        media_renditions=MediaRenditions(
            sessions=sessions, send=send, adapters=adapters, store=store, probe=conversions, folder=waiting
        ),
        media_serving=MediaServing(sessions=sessions, store=store, own=own, addresses=addresses, clock=clock),
        media_expiry=MediaExpiry(
            sessions=sessions,
            store=store,
            own=own,
            uploads=uploads,
            folder=waiting,
            unused_life=timedelta(days=settings.media_unused_days),
            clock=clock,
        ),
        addresses=addresses,
        store=store,
        probes=(glances, looks, conversions),
        metrics=MetricsService(sessions, adapters, tokens, ages=ages),
        publishing=publishing,
        drain=Drain(
            engine=publishing,
            sessions=sessions,
            concurrency=settings.publish_concurrency,
            lease=timedelta(seconds=settings.publish_lease_seconds),
            owner=worker,
        ),
        dispatcher=Dispatcher(sessions, send, tasks=TASKS, lanes_per_worker=settings.publish_concurrency),
        health=HealthService(sessions, lambda: _ping(settings.broker_url)),
        own_files=own,
        remote_files=remote,
        store_http=store_http,
        store_keys=store_keys,
        stores=StoreService(sessions=sessions, sources=sources, keys=store_keys, clock=clock, send=send),
        product_sync=ProductSync(sessions=sessions, sources=sources, keys=store_keys, clock=clock, send=send),
        product_rules=ProductRuleWork(sessions, clock, send),
        product_refresh=ProductRefresh(sessions=sessions, sources=sources, keys=store_keys, clock=clock, send=send),
        platform_events=PlatformEventService(
            sessions, settings.platform_webhook_secret.get_secret_value(), clock, send, late_grace=late_grace
        ),
        links=links,
        mailer=mailer,
        hand_on=HandOn(sessions, clock, send),
        hook_http=hook_http,
        hook_delivery=hook_delivery,
        hook_endpoints=HookEndpoints(
            sessions=sessions, http=hook_http, delivery=hook_delivery, keyring=keyring, clock=clock, send=send
        ),
        notice_mail=NoticeMail(sessions=sessions, mailer=mailer, clock=clock, dashboard_base=settings.dashboard_base),
        followers=FollowerService(sessions=sessions, adapters=adapters, tokens=tokens, clock=clock),
        live=Live(reading=reading, ears=Ears(settings.database_dsn, application_name=f"postpilot-{worker}-live"[:63])),
        dashboard_base=settings.dashboard_base,
    )


def build_writer(settings: Settings) -> CaptionWriter:
    """Return who writes captions: Claude where a key is set, else the built-in writer."""
    key = settings.anthropic_api_key.get_secret_value()
    if not key:
        return TemplateWriter()
    return ClaudeWriter(
        ClaudeConfig(
            api_key=key,
            base_url=settings.anthropic_base_url.rstrip("/"),
            model=settings.ai_caption_model,
            fallback_model=settings.ai_caption_fallback_model,
            effort=settings.ai_caption_effort,
            max_tokens=settings.ai_caption_max_tokens,
            timeout_seconds=settings.ai_timeout_seconds,
        )
    )


def build_mailer(settings: Settings) -> Mailer:
    """Return who takes letters: the mail server that is set, else the sandbox's."""
    if not settings.smtp_host:
        host = urlsplit(settings.sandbox_base).hostname or "localhost"
        return SmtpMailer(SmtpConfig(host, settings.mail_sender, port=settings.sandbox_smtp_port, security="none"))
    return SmtpMailer(
        SmtpConfig(
            host=settings.smtp_host,
            sender=settings.mail_sender,
            port=settings.smtp_port,
            username=settings.smtp_username,
            password=settings.smtp_password.get_secret_value(),
            security=settings.smtp_security,
        )
    )


def build_payments(settings: Settings) -> StripePayments | None:
    """Return Stripe where a key is set; without one, plans are given in test mode."""
    key = settings.stripe_secret_key.get_secret_value()
    if not key:
        return None
    secrets = settings.stripe_webhook_secret.get_secret_value().split(",")
    return StripePayments(
        StripeConfig(
            api_key=key,
            webhook_secrets=tuple(secret.strip() for secret in secrets if secret.strip()),
            api_base=settings.stripe_api_base.rstrip("/"),
            timeout_seconds=settings.payment_timeout_seconds,
        )
    )


def build_store(settings: Settings) -> Store:
    """Return where uploaded files are kept. The client of S3 is loaded only where it is used."""
    folder = settings.data_dir / "media"
    if settings.media_store == "disk":
        return DiskStore(folder / "files")
    from app.storage.s3 import S3Config, S3Store

    config = S3Config(
        endpoint_url=settings.s3_endpoint_url,
        bucket=settings.s3_bucket,
        region=settings.s3_region,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=settings.s3_secret_access_key.get_secret_value(),
        prefix=settings.s3_prefix,
    )
    return S3Store(config, scratch=folder / "incoming")


def modes(settings: Settings) -> Mapping[str, AccountMode]:
    """A platform with credentials set is live, one without is sandbox."""
    live = {
        Platform.instagram: bool(settings.instagram_app_id),
        Platform.facebook: bool(settings.facebook_app_id),
        Platform.tiktok: bool(settings.tiktok_client_key),
    }
    return {platform: AccountMode.live if on else AccountMode.sandbox for platform, on in live.items()}


def webhook_secrets(settings: Settings) -> WebhookSecrets:
    """Return what deliveries of live platforms and of the sandbox are signed with."""
    sandbox = settings.sandbox_app_secret.get_secret_value()
    instagram = settings.instagram_app_secret.get_secret_value()
    facebook = settings.facebook_app_secret.get_secret_value()
    live = modes(settings)
    is_sandboxed = AccountMode.sandbox in (live[Platform.instagram], live[Platform.facebook])
    return WebhookSecrets(
        meta=tuple(secret for secret in (instagram, facebook, sandbox if is_sandboxed else "") if secret),
        tiktok=settings.tiktok_client_secret.get_secret_value() or sandbox,
        meta_verify_token=settings.meta_webhook_verify_token.get_secret_value(),
    )


def build_adapters_from(settings: Settings) -> Adapters:
    """Build the adapters: the platforms' own hosts where credentials are set, else the sandbox; a base URL that is
    set explicitly always wins."""
    mode = modes(settings)
    base = settings.sandbox_base
    sandbox_secret = settings.sandbox_app_secret.get_secret_value()

    def host(platform: Platform, explicit: str, sandbox_path: str, live: str) -> str:
        default = live if mode[platform] is AccountMode.live else base + sandbox_path
        return (explicit or default).rstrip("/")

    def app(identity: str, secret: str) -> tuple[str, str]:
        return (identity, secret) if identity else (SANDBOX_APP, sandbox_secret)

    instagram_id, instagram_secret = app(settings.instagram_app_id, settings.instagram_app_secret.get_secret_value())
    facebook_id, facebook_secret = app(settings.facebook_app_id, settings.facebook_app_secret.get_secret_value())
    tiktok_key, tiktok_secret = app(settings.tiktok_client_key, settings.tiktok_client_secret.get_secret_value())
    upload_hosts = settings.tiktok_upload_hosts or (
        ".tiktokapis.com" if mode[Platform.tiktok] is AccountMode.live else base.partition("://")[2]
    )
    seconds = float(settings.visibility_seconds)
    login_id, login_secret = SANDBOX_APP, sandbox_secret  # Instagram's second sign-in, in Instagram's own mode
    if mode[Platform.instagram] is AccountMode.live:
        login_id, login_secret = settings.facebook_app_id, settings.facebook_app_secret.get_secret_value()
    return build_adapters(
        instagram=InstagramConfig(
            app_id=instagram_id,
            app_secret=instagram_secret,
            oauth_url=host(
                Platform.instagram, settings.instagram_oauth_url, "/instagram/www", "https://www.instagram.com"
            ),
            api_url=host(Platform.instagram, settings.instagram_api_url, "/instagram/api", "https://api.instagram.com"),
            graph_url=host(
                Platform.instagram, settings.instagram_graph_url, "/instagram/graph", "https://graph.instagram.com"
            ),
            graph_version=settings.meta_graph_version,
            visibility_seconds=seconds,
            facebook_app_id=login_id,
            facebook_app_secret=login_secret,
            facebook_oauth_url=host(
                Platform.instagram, settings.facebook_oauth_url, "/facebook/www", "https://www.facebook.com"
            ),
            facebook_graph_url=host(
                Platform.instagram, settings.facebook_graph_url, "/facebook/graph", "https://graph.facebook.com"
            ),
            upload_url=host(
                Platform.instagram, settings.meta_upload_url, "/facebook/upload", "https://rupload.facebook.com"
            ),
        ),
        facebook=FacebookConfig(
            app_id=facebook_id,
            app_secret=facebook_secret,
            oauth_url=host(Platform.facebook, settings.facebook_oauth_url, "/facebook/www", "https://www.facebook.com"),
            graph_url=host(
                Platform.facebook, settings.facebook_graph_url, "/facebook/graph", "https://graph.facebook.com"
            ),
            upload_url=host(
                Platform.facebook, settings.meta_upload_url, "/facebook/upload", "https://rupload.facebook.com"
            ),
            graph_version=settings.meta_graph_version,
            visibility_seconds=seconds,
        ),
        tiktok=TikTokConfig(
            client_key=tiktok_key,
            client_secret=tiktok_secret,
            auth_url=host(Platform.tiktok, settings.tiktok_auth_url, "/tiktok/www", "https://www.tiktok.com"),
            api_url=host(Platform.tiktok, settings.tiktok_api_url, "/tiktok/api", "https://open.tiktokapis.com"),
            pull_fence_seconds=float(settings.tiktok_pull_fence_seconds),
            is_audited=settings.tiktok_app_audited or mode[Platform.tiktok] is AccountMode.sandbox,
            upload_hosts=tuple(part.strip() for part in upload_hosts.split(",") if part.strip()),
            visibility_seconds=seconds,
        ),
    )


async def _ping(broker_url: str) -> None:
    """Ask the broker for a sign of life. Raises `OSError`."""
    client = redis.asyncio.Redis.from_url(broker_url, socket_connect_timeout=2, socket_timeout=2)
    try:
        await client.execute_command("PING")
    except redis.exceptions.RedisError as error:
        raise ConnectionError(str(error)) from error
    finally:
        await client.aclose()
