"""The API application."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import problems
from app.api.guards import SecurityHeaders
from app.api.problems import Problem
from app.api.routes import (
    accounts,
    analytics,
    api_keys,
    auth,
    billing,
    captions,
    comparisons,
    connections,
    health,
    hooks,
    links,
    live,
    media,
    media_files,
    media_uploads,
    notifications,
    platforms,
    posts,
    preferences,
    product_rules,
    products,
    queue,
    schedules,
    self_service,
    templates,
    usage,
    webhooks,
)
from app.composition import build_container
from app.kit.ids import new_id
from app.kit.logs import configure
from app.settings import Settings, get_settings
from app.tasks.celery_app import send

VERSION = "0.1.0"
BODY_MAX_BYTES = 1_000_000
"""Longest request body, but for uploads, which are written to disk as they come and have a limit of their own."""
UPLOADS = ("/api/v1/media", "/api/v1/media/uploads", "/api/v1/products/import")
"""Where files are sent, by POST; by PATCH also under the address of an upload."""


class RequestId:
    """Gives every request an id that stands in its answer and in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        is_long = not length.isdigit() or int(length) > BODY_MAX_BYTES or _is_chunked(scope)
        if is_long and not _is_upload(scope):
            await _refuse_body(send)
            return
        request_id = new_id().hex
        scope["request_id"] = request_id
        header = (b"x-request-id", request_id.encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        await self.app(scope, receive, send_with_id)


def _is_chunked(scope: Scope) -> bool:
    return any(name == b"transfer-encoding" for name, _ in scope["headers"])


def _is_upload(scope: Scope) -> bool:
    path = scope["path"]
    if scope["method"] == "PATCH":
        return bool(path.startswith(UPLOADS[1] + "/"))
    return scope["method"] == "POST" and path in UPLOADS


async def _refuse_body(send: Send) -> None:
    """Answer 413: no request of this API is anywhere near the limit."""
    body = json.dumps(
        {
            "type": "/problems/body_too_large",
            "title": "Request too large",
            "status": 413,
            "detail": f"Send at most {BODY_MAX_BYTES} bytes, with a Content-Length.",
            "code": "body_too_large",
        }
    ).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the application. Connections are made when the lifespan begins."""
    chosen = settings or get_settings()
    configure(logging.WARNING if chosen.environment == "test" else logging.INFO)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        container = build_container(chosen, worker="api", send=send)
        app.state.container = container
        yield
        await container.aclose()

    app = FastAPI(
        title="PostPilot",
        version=VERSION,
        summary="Social media automation for small shops.",
        description="A scheduled post appears once, on time, or its owner is told why not.",
        lifespan=lifespan,
        separate_input_output_schemas=False,
        redoc_url=None,
    )
    api = APIRouter(prefix="/api/v1")
    for module in (
        health,
        auth,
        self_service,
        api_keys,
        platforms,
        accounts,
        posts,
        comparisons,
        analytics,
        media_uploads,
        media,
        webhooks,
        connections,
        products,
        product_rules,
        queue,
        captions,
        templates,
        schedules,
        preferences,
        links,
        usage,
        hooks,
        notifications,
        live,
        billing,
    ):
        api.include_router(module.router)
    app.include_router(api)
    app.include_router(media_files.router)
    app.include_router(links.public)
    app.include_router(webhooks.pages)
    app.add_middleware(SecurityHeaders, is_https=chosen.public_base.startswith("https://"))
    origins = [origin.strip().rstrip("/") for origin in chosen.cors_origins.split(",") if origin.strip()]
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_credentials=True,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-API-Key", "X-Session"],
            expose_headers=["Retry-After", "X-Request-Id", "Location", "Upload-Offset", "Content-Disposition"],
            max_age=600,
        )
    app.add_middleware(RequestId)
    problems.install(app)
    _describe_problems(app)
    return app


def _describe_problems(app: FastAPI) -> None:
    """Put the problem schema into the OpenAPI document, in the place of FastAPI's own validation error."""
    make = app.openapi

    def openapi() -> dict[str, object]:
        if app.openapi_schema is None:
            document = make()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            described = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(described.pop("$defs", {}))
            schemas["Problem"] = described
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]
