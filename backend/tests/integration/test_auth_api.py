"""Registration, sign-in and sessions."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from factories.answers import detail, field_errors, ok, problem
from factories.clock import SteerableClock
from factories.make import Factory, MadeUser

from app.composition import Container
from app.kit.ids import new_id

MIA = {"email": "mia@example.com", "password": "a good long one"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def mia(client: httpx.AsyncClient) -> dict[str, Any]:
    """The answer to Mia's registration."""
    return dict(ok(await client.post("/auth/register", json=MIA), 201))


class TestRegister:
    async def test_creates_a_user_and_signs_in(self, client: httpx.AsyncClient, factory: Factory) -> None:
        body = ok(await client.post("/auth/register", json={**MIA, "timezone": "Europe/Paris"}), 201)
        assert set(body) >= {"access_token", "refresh_token", "token_type", "user"}
        assert body["token_type"] == "bearer"
        assert body["user"]["email"] == "mia@example.com"
        assert body["user"]["plan"] == "free"
        assert body["user"]["timezone"] == "Europe/Paris"
        assert body["user"]["is_active"] is True
        assert ok(await client.get("/auth/me", headers=bearer(body["access_token"]))) == body["user"]
        assert await factory.count("users") == 1
        stored = await factory.scalar("SELECT password_hash FROM users")
        assert stored.startswith("$argon2")
        assert MIA["password"] not in stored

    async def test_the_tokens_name_their_type(self, mia: dict[str, Any], container: Container) -> None:
        for name, kind, life in (("access_token", "access", 15 * 60), ("refresh_token", "refresh", 30 * 86400)):
            claims = jwt.decode(mia[name], container.sign_in.tokens.secret, ["HS256"])
            assert claims["type"] == kind
            assert claims["exp"] - claims["iat"] in (life, life + 1)

    @pytest.mark.parametrize("email", ["mia@example.com", "Mia@Example.COM", "MIA@EXAMPLE.COM"])
    async def test_refuses_an_address_that_is_taken_in_any_case(
        self, client: httpx.AsyncClient, mia: dict[str, Any], factory: Factory, email: str
    ) -> None:
        response = await client.post("/auth/register", json={**MIA, "email": email})
        assert problem(response) == (409, "email_taken")
        assert detail(response) == "A user with this email already exists"
        assert await factory.count("users") == 1
        assert await factory.count("auth_sessions") == 1

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"password": "7 chars"}, "body.password"),
            ({"password": "x" * 257}, "body.password"),
            ({"password": "nul \x00 within"}, "body.password"),
            ({"password": None}, "body.password"),
            ({"email": "nobody"}, "body.email"),
            ({"email": "a@b"}, "body.email"),
            ({"email": ""}, "body.email"),
            ({"timezone": "Mars/Olympus"}, "body.timezone"),
            ({"timezone": "../etc/passwd"}, "body.timezone"),
            ({"is_admin": True}, "body.is_admin"),
        ],
    )
    async def test_refuses_wrong_fields(
        self, client: httpx.AsyncClient, factory: Factory, change: dict[str, Any], field: str
    ) -> None:
        response = await client.post("/auth/register", json={**MIA, **change})
        assert problem(response) == (422, "invalid_request")
        assert [path for path, _ in field_errors(response)] == [field]
        assert await factory.count("users") == 0

    async def test_two_at_once_with_one_address_give_one_user(
        self, real_client: httpx.AsyncClient, rows: Factory
    ) -> None:
        spellings = ["mia@example.com", "MIA@example.com"] * 3
        answers = await asyncio.gather(
            *(real_client.post("/auth/register", json={**MIA, "email": email}) for email in spellings)
        )
        assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 5}
        assert await rows.count("users") == 1
        assert await rows.count("auth_sessions") == 1


class TestLogin:
    @pytest.mark.parametrize("email", ["mia@example.com", "MIA@Example.com"])
    async def test_signs_in_whatever_the_case_of_the_address(
        self, client: httpx.AsyncClient, mia: dict[str, Any], email: str
    ) -> None:
        body = ok(await client.post("/auth/login", json={**MIA, "email": email}))
        assert body["user"] == mia["user"]
        assert body.keys() == mia.keys()

    async def test_answers_alike_for_an_unknown_address_and_a_wrong_password(
        self, client: httpx.AsyncClient, mia: dict[str, Any], factory: Factory
    ) -> None:
        wrong = await client.post("/auth/login", json={**MIA, "password": "a bad long one"})
        unknown = await client.post("/auth/login", json={**MIA, "email": "nobody@example.com"})
        assert problem(wrong) == problem(unknown) == (401, "wrong_credentials")
        first, second = wrong.json(), unknown.json()
        first.pop("request_id"), second.pop("request_id")
        assert first == second
        assert await factory.count("auth_sessions") == 1

    async def test_refuses_a_user_who_is_not_active(
        self, client: httpx.AsyncClient, mia: dict[str, Any], factory: Factory
    ) -> None:
        await factory.execute("UPDATE users SET is_active = false")
        assert problem(await client.post("/auth/login", json=MIA)) == (401, "wrong_credentials")
        assert problem(await client.get("/auth/me", headers=bearer(mia["access_token"]))) == (401, "invalid_token")
        refresh = await client.post("/auth/refresh", json={"refresh_token": mia["refresh_token"]})
        assert problem(refresh) == (401, "invalid_token")

    async def test_refuses_a_user_without_a_password(self, client: httpx.AsyncClient, factory: Factory) -> None:
        user = await factory.user()
        response = await client.post("/auth/login", json={"email": user.email, "password": "the password of nobody"})
        assert problem(response) == (401, "wrong_credentials")
        assert await factory.count("auth_sessions") == 1  # the one that the factory has begun

    async def test_takes_a_nul_for_a_wrong_password(self, client: httpx.AsyncClient, mia: dict[str, Any]) -> None:
        response = await client.post("/auth/login", json={**MIA, "password": "nul \x00"})
        assert problem(response) == (401, "wrong_credentials")

    async def test_refuses_an_address_that_cannot_exist(self, client: httpx.AsyncClient, mia: dict[str, Any]) -> None:
        response = await client.post("/auth/login", json={**MIA, "email": "mia\x00@example.com"})
        assert field_errors(response) == [("body.email", "value_error")]


class TestRefresh:
    async def test_gives_a_new_pair_and_ends_the_old_token(
        self, client: httpx.AsyncClient, mia: dict[str, Any], factory: Factory
    ) -> None:
        body = ok(await client.post("/auth/refresh", json={"refresh_token": mia["refresh_token"]}))
        assert body["refresh_token"] != mia["refresh_token"]
        assert body["user"] == mia["user"]
        ok(await client.get("/auth/me", headers=bearer(body["access_token"])))
        ok(await client.post("/auth/refresh", json={"refresh_token": body["refresh_token"]}))
        assert await factory.count("auth_sessions") == 1

    async def test_reuse_of_an_old_token_ends_the_whole_family(
        self, client: httpx.AsyncClient, mia: dict[str, Any], factory: Factory
    ) -> None:
        newest = ok(await client.post("/auth/refresh", json={"refresh_token": mia["refresh_token"]}))
        reused = await client.post("/auth/refresh", json={"refresh_token": mia["refresh_token"]})
        assert problem(reused) == (401, "invalid_token")
        assert detail(reused) == "Invalid or expired token"
        after = await client.post("/auth/refresh", json={"refresh_token": newest["refresh_token"]})
        assert problem(after) == (401, "invalid_token")
        assert await factory.scalar("SELECT ended_reason FROM auth_sessions") == "reuse"

    async def test_reuse_does_not_touch_another_sign_in(self, client: httpx.AsyncClient, mia: dict[str, Any]) -> None:
        other = ok(await client.post("/auth/login", json=MIA))
        ok(await client.post("/auth/refresh", json={"refresh_token": mia["refresh_token"]}))
        assert (await client.post("/auth/refresh", json={"refresh_token": mia["refresh_token"]})).status_code == 401
        ok(await client.post("/auth/refresh", json={"refresh_token": other["refresh_token"]}))

    async def test_two_at_once_with_one_token_give_one_pair_and_then_none(
        self, real_client: httpx.AsyncClient, rows: Factory
    ) -> None:
        pair = ok(await real_client.post("/auth/register", json=MIA), 201)
        body = {"refresh_token": pair["refresh_token"]}
        answers = await asyncio.gather(*(real_client.post("/auth/refresh", json=body) for _ in range(4)))
        assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 3}
        winner = next(answer for answer in answers if answer.status_code == 200).json()
        after = await real_client.post("/auth/refresh", json={"refresh_token": winner["refresh_token"]})
        assert problem(after) == (401, "invalid_token")

    async def test_refuses_an_access_token(
        self, client: httpx.AsyncClient, mia: dict[str, Any], factory: Factory
    ) -> None:
        before = await factory.execute("SELECT * FROM auth_sessions")
        response = await client.post("/auth/refresh", json={"refresh_token": mia["access_token"]})
        assert problem(response) == (401, "invalid_token")
        assert await factory.execute("SELECT * FROM auth_sessions") == before

    async def test_refuses_an_expired_one(
        self, client: httpx.AsyncClient, mia: dict[str, Any], api_clock: SteerableClock
    ) -> None:
        api_clock.move(timedelta(days=30, seconds=1))
        response = await client.post("/auth/refresh", json={"refresh_token": mia["refresh_token"]})
        assert problem(response) == (401, "invalid_token")

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "\x00", "é" * 10])
    async def test_refuses_garbage(self, client: httpx.AsyncClient, mia: dict[str, Any], token: str) -> None:
        assert problem(await client.post("/auth/refresh", json={"refresh_token": token})) == (401, "invalid_token")

    async def test_refuses_a_token_whose_claims_are_no_ids(
        self, client: httpx.AsyncClient, factory: Factory, container: Container
    ) -> None:
        user = await factory.user()
        for claims in ({"sid": "x", "jti": "y"}, {"sid": None}, {"sid": str(new_id()), "jti": str(new_id())}):
            token = factory.access_token(user.id, type="refresh", **claims)
            assert problem(await client.post("/auth/refresh", json={"refresh_token": token})) == (401, "invalid_token")


class TestLogout:
    async def test_ends_the_family(self, client: httpx.AsyncClient, mia: dict[str, Any], factory: Factory) -> None:
        newer = ok(await client.post("/auth/refresh", json={"refresh_token": mia["refresh_token"]}))
        response = await client.post("/auth/logout", headers=bearer(newer["access_token"]))
        assert (response.status_code, response.content) == (204, b"")
        after = await client.post("/auth/refresh", json={"refresh_token": newer["refresh_token"]})
        assert problem(after) == (401, "invalid_token")
        assert await factory.scalar("SELECT ended_reason FROM auth_sessions") == "logout"

    async def test_leaves_other_sign_ins_alone(self, client: httpx.AsyncClient, mia: dict[str, Any]) -> None:
        other = ok(await client.post("/auth/login", json=MIA))
        await client.post("/auth/logout", headers=bearer(mia["access_token"]))
        ok(await client.post("/auth/refresh", json={"refresh_token": other["refresh_token"]}))

    async def test_twice_is_the_same_as_once(self, client: httpx.AsyncClient, mia: dict[str, Any]) -> None:
        for _ in range(2):
            response = await client.post("/auth/logout", headers=bearer(mia["access_token"]))
            assert response.status_code == 204

    async def test_refuses_without_credentials(
        self, client: httpx.AsyncClient, mia: dict[str, Any], factory: Factory
    ) -> None:
        assert problem(await client.post("/auth/logout")) == (401, "not_authenticated")
        assert await factory.scalar("SELECT ended_at FROM auth_sessions") is None


SOME_ID = UUID(int=7)
GUARDED = [
    ("GET", "/auth/me"),
    ("GET", "/accounts"),
    ("POST", "/accounts"),
    ("GET", f"/accounts/{SOME_ID}"),
    ("DELETE", f"/accounts/{SOME_ID}"),
    ("POST", f"/accounts/{SOME_ID}/reconnect"),
    ("GET", "/accounts/oauth/facebook/start"),
    ("GET", "/posts"),
    ("POST", "/posts"),
    ("POST", "/posts/validate"),
    ("GET", "/posts/calendar"),
    ("GET", f"/posts/{SOME_ID}"),
    ("PATCH", f"/posts/{SOME_ID}"),
    ("DELETE", f"/posts/{SOME_ID}"),
    ("POST", f"/posts/{SOME_ID}/schedule"),
    ("POST", f"/posts/{SOME_ID}/publish"),
    ("POST", f"/posts/{SOME_ID}/retry"),
    ("POST", f"/posts/{SOME_ID}/duplicate"),
    ("GET", f"/posts/{SOME_ID}/story"),
    ("GET", "/analytics/overview"),
    ("GET", "/analytics/posts"),
    ("GET", f"/analytics/posts/{SOME_ID}"),
]


class TestCredentials:
    @pytest.mark.parametrize(("method", "path"), GUARDED)
    async def test_are_asked_for_everywhere(self, client: httpx.AsyncClient, method: str, path: str) -> None:
        response = await client.request(method, path)
        assert problem(response) == (401, "not_authenticated")
        assert detail(response) == "Not authenticated. Provide a Bearer token or X-API-Key."
        assert response.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic bWlhOm1pYQ==", "token"])
    async def test_of_another_kind_are_none(self, client: httpx.AsyncClient, header: str) -> None:
        response = await client.get("/auth/me", headers={"Authorization": header})
        assert problem(response) == (401, "not_authenticated")

    async def test_that_are_wrong_are_refused(self, client: httpx.AsyncClient, factory: Factory) -> None:
        user = await factory.user()
        good = factory.access_token(user.id)
        head, payload, _ = good.split(".")
        unsigned = jwt.encode({"sub": str(user.id), "type": "access", "exp": 9_999_999_999}, "", "none")
        wrong = {
            "garbage": "abc",
            "changed": f"{head}.{payload}.{'A' * 43}",
            "unsigned": unsigned,
            "another secret": jwt.encode(
                {"sub": str(user.id), "type": "access", "exp": 9_999_999_999},
                "another secret of thirty-two bytes",
                "HS256",
            ),
            "expired": factory.access_token(user.id, exp=1_700_000_000),
            "a refresh token": factory.access_token(user.id, type="refresh"),
            "no user": factory.access_token(new_id()),
            "no id": factory.access_token(UUID(int=0), sub="me"),
        }
        for name, token in wrong.items():
            response = await client.get("/auth/me", headers=bearer(token))
            assert (name, problem(response)) == (name, (401, "invalid_token"))
            assert detail(response) == "Invalid or expired token"

    async def test_end_after_fifteen_minutes(self, client: httpx.AsyncClient, api_clock: SteerableClock) -> None:
        api_clock.move(-timedelta(minutes=15, seconds=2))
        pair = ok(await client.post("/auth/register", json=MIA), 201)
        api_clock.reset()
        assert problem(await client.get("/auth/me", headers=bearer(pair["access_token"]))) == (401, "invalid_token")
        ok(await client.post("/auth/refresh", json={"refresh_token": pair["refresh_token"]}))


class TestMe:
    async def test_says_who_is_signed_in(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        body = ok(await client.get("/auth/me"))
        told = {"id", "email", "is_active", "plan", "timezone", "created_at"}
        assert set(body) == told | {"is_email_verified", "has_second_factor", "has_password"}
        assert (body["id"], body["email"]) == (str(signed_in.id), signed_in.email)

    async def test_names_the_plan_of_an_active_subscription(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        await factory.subscribe(signed_in, "pro")
        assert ok(await client.get("/auth/me"))["plan"] == "pro"
        await factory.execute("UPDATE subscriptions SET status = 'canceled'")
        assert ok(await client.get("/auth/me"))["plan"] == "free"


class TestProblems:
    async def test_an_unknown_address_and_a_wrong_method_are_problems_too(self, client: httpx.AsyncClient) -> None:
        assert problem(await client.get("/nothing")) == (404, "route_not_found")
        wrong = await client.delete("/auth/login")
        assert problem(wrong) == (405, "method_not_allowed")
        assert wrong.headers["allow"] == "POST"

    @pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b'"text"', b"null", b""])
    async def test_a_body_that_is_no_object_is_a_422(self, client: httpx.AsyncClient, content: bytes) -> None:
        response = await client.post("/auth/login", content=content, headers={"Content-Type": "application/json"})
        assert problem(response) == (422, "invalid_request")

    async def test_ids_that_are_none_are_a_422(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        response = await client.get("/posts/not-an-id")
        assert field_errors(response) == [("path.post_id", "uuid_parsing")]
