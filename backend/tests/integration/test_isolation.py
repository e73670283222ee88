"""Nobody sees or changes what is somebody else's. Made from the table of routes: a new one cannot be forgotten.

For a new parameter of a path, say in `Owned` how its thing is made; for a new body that must not be empty, in `BODIES`;
for a new route that needs no sign-in, in `OPEN`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from factories.answers import ok, problem
from factories.make import Factory, MadeUser
from factories.servers import Sandbox
from fastapi import FastAPI
from sqlalchemy import insert

from app import models
from app.composition import Container
from app.domain.api_scopes import NOT_FOR_KEYS, RESOURCES, is_always_open, resource_of
from app.hooks.http import new_secret
from app.kit.ids import new_id
from app.main import create_app
from app.services.onward.hook_delivery import context_of
from app.settings import Settings

PREFIX = "/api/v1"
SOON = datetime.now(UTC) + timedelta(days=1)
OPEN = {
    ("GET", "/health"),
    ("GET", "/health/ready"),
    ("POST", "/auth/register"),
    ("POST", "/auth/login"),
    ("POST", "/auth/login/second-factor"),
    ("POST", "/auth/refresh"),
    ("POST", "/auth/forgot-password"),
    ("POST", "/auth/reset-password"),
    ("POST", "/auth/verify-email"),
    ("POST", "/auth/provision"),
    ("GET", "/accounts/oauth/{platform}/callback"),
    ("OPTIONS", "/media/uploads"),
    ("GET", "/platforms"),
    ("GET", "/billing/plans"),
    ("GET", "/webhooks/meta"),
    ("POST", "/webhooks/meta"),
    ("POST", "/webhooks/meta/deauthorize"),
    ("POST", "/webhooks/meta/data-deletion"),
    ("POST", "/webhooks/tiktok"),
    ("POST", "/webhooks/stripe"),
    ("POST", "/webhooks/platform-events"),
}
"""What needs no sign-in: it has a proof of its own (a password, a link, a signature) or tells nothing of anybody."""
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/accounts/choices/{choice_id}"): {"account_ids_external": ["1"]},
    ("POST", "/posts/{post_id}/schedule"): {"scheduled_for": SOON.isoformat()},
    ("PATCH", "/posts/{post_id}"): {"content": "changed"},
    ("PATCH", "/media/{asset_id}"): {"alt_text": "changed"},
    ("POST", "/media/{asset_id}/fix"): {"targets": [{"platform": "instagram", "post_type": "image"}]},
    ("PATCH", "/connections/{connection_id}"): {"name": "changed"},
    ("PATCH", "/products/{product_id}"): {"title": "changed"},
    ("PATCH", "/product-rules/{rule_id}"): {"is_active": False},
    ("PATCH", "/queue/{item_id}"): {"platforms": ["facebook"]},
    ("POST", "/queue/{item_id}/apply-template"): {"template_id": str(UUID(int=9))},
    ("POST", "/queue/{item_id}/schedule"): {"account_ids": [str(UUID(int=9))], "scheduled_for": SOON.isoformat()},
    ("PATCH", "/templates/{template_id}"): {"name": "changed"},
    ("POST", "/templates/{template_id}/render"): {"product_data": {"title": "Cup"}},
    ("PATCH", "/hashtag-sets/{set_id}"): {"name": "changed"},
    ("PUT", "/accounts/{account_id}/schedule"): {"slots": []},
    ("PATCH", "/webhook-endpoints/{endpoint_id}"): {"description": "changed"},
}
HEADERS = {
    "/media/uploads": {"Tus-Resumable": "1.0.0", "Upload-Length": "3"},
    "/media/uploads/{upload_id}": {
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
    },
}
FIXED = {"platform": "facebook", "version": "0"}
"""Parameters that are no ids."""


def routes() -> Iterator[tuple[str, str]]:
    for path, operations in create_app(Settings()).openapi()["paths"].items():
        for method in operations:
            yield method.upper(), path.removeprefix(PREFIX)


ROUTES = sorted(set(routes()))
GUARDED = [route for route in ROUTES if route not in OPEN]
WITH_ID = [route for route in GUARDED if set(re.findall(r"{(\w+)}", route[1])) - FIXED.keys()]


class Owned:
    """One thing of each kind that belongs to a user, by the name of the parameter that stands for it."""

    def __init__(self, factory: Factory, owner: MadeUser) -> None:
        self._factory = factory
        self.owner = owner
        self.ids: dict[str, UUID] = {}
        self.tables: dict[str, str] = {}

    async def _add(self, parameter: str, model: Any, *, row_id: UUID | None = None, **values: Any) -> UUID:
        row_id = row_id or new_id()
        async with self._factory.container.sessions() as session:
            await session.execute(insert(model).values(id=row_id, user_id=self.owner.id, **values))
            await session.commit()
        self.ids[parameter], self.tables[parameter] = row_id, model.__tablename__
        return row_id

    async def make(self, http: httpx.AsyncClient) -> None:
        account = await self._factory.account(self.owner)
        post = await self._factory.post(self.owner, account)
        await self._factory.metrics(post)
        self.ids |= {"account_id": account.id, "post_id": post.id, "session_id": self.owner.id}
        self.tables |= {"account_id": "social_accounts", "post_id": "posts", "session_id": "auth_sessions"}
        key = {"name": "x", "key_prefix": "po_live_x", "key_hash": "0" * 64, "scopes": ["read"]}
        await self._add("key_id", models.ApiKey, **key)
        choice_id = new_id()
        sealed = self._factory.container.tokens.seal_json(str(choice_id), {"wanted": None, "profiles": []})
        choice = {"platform": "facebook", "login": "facebook", "expires_at": SOON, "row_id": choice_id}
        await self._add("choice_id", models.ConnectionChoice, **choice, ciphertext=sealed[0], key_version=sealed[1])
        begun = await http.post(
            "/media/uploads",
            headers={
                **self.owner.headers,
                **HEADERS["/media/uploads"],
                "Upload-Metadata": "filename Y2xpcC5tcDQ=,filetype dmlkZW8vbXA0",
            },
        )
        self.ids["upload_id"] = UUID(begun.headers["location"].rpartition("/")[2])
        self.tables["upload_id"] = "media_uploads"
        asset = await self._add(
            "asset_id",
            models.MediaAsset,
            file_name="a.jpg",
            url_name="a.jpg",
            kind="image",
            mime_type="image/jpeg",
            size_bytes=1,
            sha256="0" * 64,
            storage_key="none",
            facts={},
        )
        rendition = {"asset_id": asset, "url_name": "a.jpg", "targets": [], "fit": "pad", "recipe": {}}
        await self._add("rendition_id", models.MediaRendition, status="failed", mime_type="image/jpeg", **rendition)
        await self._add(
            "connection_id", models.StoreConnection, platform="feed", name="x", store_url="https://a.example/f.xml"
        )
        product = {"external_id": "1", "title": "Cup", "content_hash": "0" * 64, "checked_at": datetime.now(UTC)}
        await self._add("product_id", models.Product, **product)
        await self._add("rule_id", models.ProductRule, event="new", platforms=["facebook"])
        item = await self._add("item_id", models.QueueItem, product_data={"title": "Cup"}, status="pending")
        version = {"item_id": item, "version": 0, "source": "written", "captions": {}}
        await self._add("version_id", models.CaptionVersion, **version)
        await self._add("template_id", models.CaptionTemplate, name="x", content="{title}")
        await self._add("set_id", models.HashtagSet, name="x", hashtags=["cup"])
        await self._add("link_id", models.ShortLink, code="abcdefgh", target_url="https://a.example")
        notice = {"kind": "post.failed", "dedupe_key": "1", "title": "x", "body": "x"}
        await self._add("notification_id", models.Notification, **notice, facts={"path": "/posts", "action": "Look"})
        endpoint_id = new_id()
        ciphertext, version = self._factory.container.keyring.encrypt(
            new_secret().encode(), context=context_of(endpoint_id)
        )
        endpoint = {"secret_ciphertext": ciphertext, "key_version": version, "events": [], "row_id": endpoint_id}
        await self._add("endpoint_id", models.WebhookEndpoint, url="https://127.0.0.1/", **endpoint)
        delivery = {"endpoint_id": endpoint_id, "event_id": 1, "lane": endpoint_id, "kind": "post.posted"}
        payload = {"type": "post.posted", "timestamp": SOON.isoformat(), "data": {}}
        await self._add("delivery_id", models.WebhookDelivery, **delivery, payload=payload, due_at=SOON)

    def path(self, template: str) -> str:
        def value(match: re.Match[str]) -> str:
            return FIXED.get(match.group(1)) or str(self.ids[match.group(1)])

        return re.sub(r"{(\w+)}", value, template)

    async def state(self) -> dict[str, Any]:
        """Return every row as it is stored."""
        found = {}
        for parameter, table in self.tables.items():
            rows = await self._factory.execute(f"SELECT * FROM {table} WHERE id = :id", id=self.ids[parameter])  # noqa: S608
            found[parameter] = [tuple(row) for row in rows]
        return found


@pytest.fixture
async def plain(container: Container, app: FastAPI) -> Any:
    """A client without credentials."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://api.test{PREFIX}") as http:
        yield http


@pytest.fixture
async def owned(factory: Factory, plain: httpx.AsyncClient) -> Owned:
    made = Owned(factory, await factory.user())
    await made.make(plain)
    return made


async def ask(http: httpx.AsyncClient, route: tuple[str, str], owned: Owned, headers: Any) -> httpx.Response:
    """Make a request that only lacks the right."""
    method, template = route
    more = HEADERS.get(template, {})
    if template.startswith("/media/uploads/{") and method == "PATCH":
        content = {"content": b"abc"}
        return await http.request(method, owned.path(template), headers={**headers, **more}, **content)
    has_body = method in ("POST", "PUT", "PATCH") or route in BODIES
    body = {"json": BODIES.get(route, {})} if has_body else {}
    return await http.request(method, owned.path(template), headers={**headers, **more}, **body)


def test_every_route_without_sign_in_exists() -> None:
    assert OPEN - {*ROUTES} == set()


@pytest.mark.parametrize("route", WITH_ID, ids=" ".join)
async def test_somebody_elses_is_not_found(
    plain: httpx.AsyncClient, owned: Owned, factory: Factory, sandbox: Sandbox, route: tuple[str, str]
) -> None:
    stranger = await factory.user()
    before = await owned.state()
    response = await ask(plain, route, owned, stranger.headers)
    assert response.status_code == 404, response.text
    if route[0] != "HEAD":
        assert problem(response)[0] == 404
    assert await owned.state() == before


@pytest.mark.parametrize("route", WITH_ID, ids=" ".join)
async def test_ones_own_is_found_by_the_same_request(
    plain: httpx.AsyncClient, owned: Owned, sandbox: Sandbox, route: tuple[str, str]
) -> None:
    """Otherwise the test above would prove nothing."""
    response = await ask(plain, route, owned, owned.owner.headers)
    if response.status_code == 404:
        named = problem(response)[1]
        assert (route, named) in WITHOUT_MORE, response.text
    assert response.status_code < 500 or response.status_code == 503


WITHOUT_MORE = {
    (("POST", "/queue/{item_id}/apply-template"), "template_not_found"),
    (("POST", "/queue/{item_id}/schedule"), "account_not_found"),
}
"""Requests that find their thing, and then miss another one that the test does not make."""


async def make_key(http: httpx.AsyncClient, owner: MadeUser, *scopes: str) -> dict[str, Any]:
    body = {"name": "x", "scopes": list(scopes)}
    return dict(ok(await http.post("/api-keys", json=body, headers=owner.headers), 201))


async def revoked_key(http: httpx.AsyncClient, owner: MadeUser) -> str:
    made = await make_key(http, owner, "read", "write")
    gone = await http.delete(f"/api-keys/{made['id']}", headers=owner.headers)
    assert gone.status_code == 204
    return str(made["key"])


@pytest.mark.parametrize("route", GUARDED, ids=" ".join)
async def test_nobody_a_revoked_key_and_a_key_without_the_scope_get_in_nowhere(
    plain: httpx.AsyncClient, owned: Owned, route: tuple[str, str]
) -> None:
    method, path = route[0], route[1].lstrip("/")
    is_for_people = resource_of(path) in NOT_FOR_KEYS and not is_always_open(method, path)
    others = [f"{resource}:write" for resource in RESOURCES if resource != resource_of(path)]
    revoked = await revoked_key(plain, owned.owner)
    narrow = (await make_key(plain, owned.owner, *others))["key"]
    before = await owned.state()
    refusals = [
        ({}, (401, "not_authenticated")),
        ({"X-API-Key": revoked}, (401, "not_authenticated" if is_for_people else "invalid_token")),
    ]
    if not is_always_open(method, path):
        refusals.append(
            ({"X-API-Key": narrow}, (401, "not_authenticated") if is_for_people else (403, "missing_scope"))
        )
    for headers, expected in refusals:
        response = await ask(plain, route, owned, headers)
        if method == "HEAD":
            assert response.status_code == expected[0]
        else:
            assert problem(response) == expected
    assert await owned.state() == before
