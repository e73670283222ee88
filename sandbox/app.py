"""The ASGI application: every call to a platform passes its faults, its handler and the store, in this order."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse

from sandbox.claude.dialect import ClaudeDialect
from sandbox.control import Control
from sandbox.core import Sandbox
from sandbox.dialect import Dialect
from sandbox.facebook.routes import resolve as resolve_facebook
from sandbox.faults import Fault, Plan
from sandbox.instagram.containers import VIDEOS, fetch_video
from sandbox.instagram.routes import resolve as resolve_instagram
from sandbox.mailbox import Mailbox
from sandbox.meta.dialect import GraphDialect
from sandbox.pages import Pages
from sandbox.records import PLATFORMS
from sandbox.settings import Settings
from sandbox.stripe.book import Book
from sandbox.stripe.control import StripeControl
from sandbox.stripe.dialect import StripeDialect
from sandbox.stripe.events import WATCH_SECONDS, Events
from sandbox.stripe.life import tick
from sandbox.stripe.pages import StripePages
from sandbox.tiktok.dialect import TikTokDialect
from sandbox.tiktok.publishing import pull_media
from sandbox.webhooks import Webhooks
from sandbox.wire import Answer, BadBodyError, Call, DroppedError, Endpoint, PlatformError, ok, open_call, send_answer

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

logger = logging.getLogger(__name__)

CLOSE_EXTENSION = "sandbox.close"
"""ASGI extension of our server: closes the connection without an answer."""


class App:
    """Serves the three platforms, the control API and the pages on one port, and the mailbox on another."""

    def __init__(self, settings: Settings) -> None:
        self.sandbox = Sandbox(settings)
        self.webhooks = Webhooks(self.sandbox)
        self.mailbox = Mailbox(self.sandbox)
        self.stripe_events = Events(self.sandbox)
        self.stripe = Book(self.sandbox, self.stripe_events)
        self.control = Control(self.sandbox, self.webhooks, self.mailbox, StripeControl(self.stripe))
        self.pages = Pages(self.sandbox, self.mailbox)
        self.stripe_pages = StripePages(self.stripe, self.pages)
        self.dialects: dict[str, Dialect] = {
            "instagram": GraphDialect("instagram", resolve_instagram),
            "facebook": GraphDialect("facebook", resolve_facebook),
            "tiktok": TikTokDialect(),
            "claude": ClaudeDialect(),
            "stripe": StripeDialect(self.stripe),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        parts = scope["path"].split("/", 3)
        dialect = self.dialects.get(parts[1])
        if dialect is not None and len(parts) > 2:
            platform = next((name for name in PLATFORMS if name == dialect.name), None)
            if parts[1] == "stripe" and parts[2] != "v1":
                await self.stripe_pages(scope, receive, send)
            elif parts[2] == "www" and platform is not None:
                await self.pages.consent(platform, scope, receive, send)
            else:
                await self._platform_call(dialect, scope, receive, send)
        elif parts[1] == "_sandbox":
            await self.control(scope, receive, send)
        else:
            await self.pages(scope, receive, send)
        self.sandbox.store.flush()

    async def _platform_call(self, dialect: Dialect, scope: Scope, receive: Receive, send: Send) -> None:
        call = open_call(self.sandbox, scope, receive)
        try:
            answer = await self._answer(dialect, call)
        except DroppedError:
            self.sandbox.store.flush()
            await _close(scope, receive, send)
            return
        except ConnectionError:
            return
        # Nothing is answered before it is stored.
        self.sandbox.store.flush()
        await send_answer(send, dialect.finish(call, answer))

    async def _answer(self, dialect: Dialect, call: Call) -> Answer:
        try:
            if call.segments[0] != "upload":
                await call.read()
            endpoint = dialect.resolve(call)
        except BadBodyError as error:
            return dialect.unreadable(str(error))
        except PlatformError as refusal:
            self.sandbox.faults.calls[dialect.name, call.account_id, f"{dialect.name}.unknown"] += 1
            return refusal.answer
        plan = self.sandbox.faults.plan(
            endpoint.operation.partition(".")[0],  # Instagram is on graph.facebook.com too
            endpoint.operation,
            call.account_id,
            is_oauth=endpoint.is_oauth,
            has_token=call.token is not None,
        )
        if plan.delay:
            await asyncio.sleep(plan.delay)
        before = _before(dialect, call, plan) or dialect.admit(call, endpoint)
        if before is not None:
            return before
        answer = await self._run(dialect, endpoint, call)
        if plan.drop_after:
            raise DroppedError
        if plan.error_after is not None:
            return _fault_answer(plan.error_after)
        return dialect.broken() if plan.server_error_after else answer

    async def _run(self, dialect: Dialect, endpoint: Endpoint, call: Call) -> Answer:
        try:
            return await endpoint.handler(call)
        except PlatformError as refusal:
            return refusal.answer
        except BadBodyError as error:
            return dialect.unreadable(str(error))
        except (ConnectionError, DroppedError):
            raise
        except Exception:
            logger.exception("sandbox.handler_failed", extra={"operation": endpoint.operation})
            return dialect.broken()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.mailbox.open()
        except OSError as error:
            port = self.sandbox.settings.smtp_port
            await send({"type": "lifespan.startup.failed", "message": f"SANDBOX_SMTP_PORT {port}: {error.strerror}"})
            return
        self._resume()
        loop = asyncio.get_running_loop()
        watches = [loop.create_task(work) for work in (self.webhooks.watch(), self._watch_stripe())]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for watch in watches:
            watch.cancel()
        await self.stripe_events.close()
        await self.mailbox.close()
        await self.webhooks.close()
        await self.sandbox.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _watch_stripe(self) -> None:
        """Let time pass at Stripe and send its events, again and again."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                tick(self.stripe)
                self.stripe_events.send_due(self.stripe)
            except Exception:
                logger.exception("sandbox.stripe_failed")
            self.sandbox.store.flush()

    def _resume(self) -> None:
        """Take up downloads that the last run did not finish."""
        for container in self.sandbox.state.containers:
            if not container.ready_at and container.kind in VIDEOS and not container.is_upload:
                self.sandbox.spawn(fetch_video(self.sandbox, container))
        for publish in self.sandbox.state.publishes:
            if publish.urls and not publish.ready_at:
                self.sandbox.spawn(pull_media(self.sandbox, publish))


def _before(dialect: Dialect, call: Call, plan: Plan) -> Answer | None:
    if plan.drop_before:
        raise DroppedError
    if plan.error_before is not None:
        return _fault_answer(plan.error_before)
    if plan.server_error_before:
        return dialect.broken()
    if plan.rate_limited:
        return dialect.throttled(call)
    return dialect.token_refused(call) if plan.token_refused else None


def _fault_answer(fault: Fault) -> Answer:
    if isinstance(fault.body, str):
        return Answer(fault.body.encode(), fault.status, "text/plain; charset=utf-8", tuple(fault.headers.items()))
    return ok(fault.body if fault.body is not None else {}, fault.status, fault.headers)


async def _close(scope: Scope, receive: Receive, send: Send) -> None:
    extension = scope.get("extensions", {}).get(CLOSE_EXTENSION)
    if extension is None:
        await PlainTextResponse("the server cannot drop connections", 500)(scope, receive, send)
        return
    extension["close"]()
    while (await receive())["type"] != "http.disconnect":
        pass
