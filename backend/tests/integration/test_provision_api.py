"""Users of an integrating shop platform: by its key, and by its signed events."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest
from factories.answers import detail, ok, problem
from factories.make import Factory
from factories.servers import Sandbox

from app.composition import Container

MIA = {"email": "mia@example.com", "external_platform_id": "user-42", "external_store_id": "store-7"}


@pytest.fixture
def platform(container: Container) -> dict[str, str]:
    return {"X-API-Key": container.settings.platform_api_key.get_secret_value()}


class TestProvision:
    async def test_makes_a_user_with_a_key_and_a_plan(
        self, client: httpx.AsyncClient, platform: dict[str, str], factory: Factory
    ) -> None:
        body = {**MIA, "plan": "enterprise", "password": "a good long one"}
        made = ok(await client.post("/auth/provision", json=body, headers=platform), 201)
        assert set(made) == {"user_id", "api_key"}
        me = ok(await client.get("/auth/me", headers={"X-API-Key": made["api_key"]}))
        assert (me["id"], me["plan"], me["is_email_verified"]) == (made["user_id"], "enterprise", True)
        ok(await client.get("/posts", headers={"X-API-Key": made["api_key"]}))
        ok(await client.post("/auth/login", json={"email": MIA["email"], "password": "a good long one"}))

    async def test_again_returns_the_same_user_and_a_fresh_key(
        self, client: httpx.AsyncClient, platform: dict[str, str], factory: Factory
    ) -> None:
        first = ok(await client.post("/auth/provision", json=MIA, headers=platform), 201)
        changed = {**MIA, "email": "other@example.com", "external_store_id": "store-8", "plan": "pro"}
        second = ok(await client.post("/auth/provision", json=changed, headers=platform), 201)
        assert second["user_id"] == first["user_id"]
        assert second["api_key"] != first["api_key"]
        assert problem(await client.get("/usage", headers={"X-API-Key": first["api_key"]})) == (401, "invalid_token")
        assert ok(await client.get("/usage", headers={"X-API-Key": second["api_key"]}))["plan"] == "pro"
        (user,) = await factory.execute("SELECT email, external_store_id FROM users")
        assert tuple(user) == (MIA["email"], "store-8")

    async def test_one_without_a_password_cannot_sign_in(
        self, client: httpx.AsyncClient, platform: dict[str, str]
    ) -> None:
        ok(await client.post("/auth/provision", json=MIA, headers=platform), 201)
        response = await client.post("/auth/login", json={"email": MIA["email"], "password": "the password of nobody"})
        assert problem(response) == (401, "wrong_credentials")

    async def test_somebody_elses_address_is_not_taken_over(
        self, client: httpx.AsyncClient, platform: dict[str, str], factory: Factory
    ) -> None:
        await factory.user(email="Mia@example.com")
        response = await client.post("/auth/provision", json=MIA, headers=platform)
        assert problem(response) == (409, "email_taken")
        assert (await factory.count("users"), await factory.count("api_keys")) == (1, 0)

    @pytest.mark.parametrize(
        ("headers", "code"), [({}, "not_authenticated"), ({"X-API-Key": "po_platform_wrong"}, "invalid_token")]
    )
    async def test_refuses_without_the_platforms_key(
        self, client: httpx.AsyncClient, factory: Factory, headers: dict[str, str], code: str
    ) -> None:
        assert problem(await client.post("/auth/provision", json=MIA, headers=headers)) == (401, code)
        assert await factory.count("users") == 0

    async def test_ten_at_once_make_one_user_with_one_key_that_works(
        self, real_client: httpx.AsyncClient, committed: Container, rows: Factory
    ) -> None:
        headers = {"X-API-Key": committed.settings.platform_api_key.get_secret_value()}
        answers = await asyncio.gather(
            *(real_client.post("/auth/provision", json=MIA, headers=headers) for _ in range(10))
        )
        made = [ok(answer, 201) for answer in answers]
        assert len({one["user_id"] for one in made}) == 1
        works = [
            (await real_client.get("/usage", headers={"X-API-Key": one["api_key"]})).status_code == 200 for one in made
        ]
        assert works.count(True) == 1
        assert await rows.count("users") == 1


class Shop:
    """Sends signed events."""

    def __init__(self, client: httpx.AsyncClient, secret: str) -> None:
        self._client = client
        self._secret = secret.encode()

    async def tell(self, event: str, **data: Any) -> httpx.Response:
        body = json.dumps({"event": event, "data": data}).encode()
        signature = "sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        return await self._client.post(
            "/webhooks/platform-events", content=body, headers={"X-Platform-Signature": signature}
        )


@pytest.fixture
def shop(client: httpx.AsyncClient, container: Container) -> Shop:
    return Shop(client, container.settings.platform_webhook_secret.get_secret_value())


class TestEvents:
    async def test_a_user_is_provisioned_once(self, shop: Shop, factory: Factory) -> None:
        first = ok(await shop.tell("user.provisioned", **MIA, plan="pro"))
        again = ok(await shop.tell("user.provisioned", **MIA, plan="pro"))
        assert (first["actions"], again["actions"]) == (["user_provisioned"], ["user_updated"])
        rows = await factory.execute("SELECT u.email, s.plan FROM users u JOIN subscriptions s ON s.user_id = u.id")
        assert [tuple(row) for row in rows] == [(MIA["email"], "pro")]

    async def test_a_subscription_changes_the_plan_and_its_end_takes_it_away(
        self, shop: Shop, factory: Factory, client: httpx.AsyncClient, sandbox: Sandbox
    ) -> None:
        ok(await shop.tell("user.provisioned", **MIA))
        user_id = await factory.scalar("SELECT id FROM users")
        for told, plan in (
            ({"plan": "enterprise", "status": "active"}, "enterprise"),
            ({"plan": "pro"}, "pro"),
            ({"plan": "pro", "status": "canceled"}, "free"),
        ):
            answer = ok(await shop.tell("subscription.updated", external_platform_id="user-42", **told))
            assert answer["actions"] == ["subscription_updated"]
            headers = {"Authorization": f"Bearer {factory.access_token(user_id)}"}
            await factory.execute(
                "INSERT INTO auth_sessions (id, user_id, expires_at, current_token_id) "
                "VALUES (:id, :id, now() + interval '1 day', :id) ON CONFLICT DO NOTHING",
                id=user_id,
            )
            assert ok(await client.get("/auth/me", headers=headers))["plan"] == plan

    async def test_one_who_pays_here_keeps_what_is_paid_for(
        self, shop: Shop, factory: Factory, client: httpx.AsyncClient
    ) -> None:
        user = await factory.user(plan="enterprise")
        await factory.execute("UPDATE subscriptions SET external_subscription_id = 'sub_1', mode = 'stripe'")
        ok(await shop.tell("subscription.updated", user_id=str(user.id), plan="pro"))
        assert ok(await client.get("/auth/me", headers=user.headers))["plan"] == "enterprise"

    @pytest.mark.parametrize(
        "data",
        [
            {},
            {"email": "mia@example.com"},
            {"external_platform_id": "user-42", "email": "nobody"},
            {**MIA, "plan": "gold"},
        ],
    )
    async def test_what_cannot_be_read_makes_nobody(self, shop: Shop, factory: Factory, data: dict[str, Any]) -> None:
        response = await shop.tell("user.provisioned", **data)
        assert problem(response) == (400, "invalid_json_payload")
        assert detail(response)
        assert await factory.count("users") == 0

    async def test_a_subscription_of_nobody_does_nothing(self, shop: Shop, factory: Factory) -> None:
        answer = ok(await shop.tell("subscription.updated", external_platform_id="unknown", plan="pro"))
        assert answer["actions"] == []
        assert await factory.count("subscriptions") == 0
