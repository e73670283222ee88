"""Connecting accounts at the sandbox, reconnecting them and letting them go."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from factories.answers import detail, field_errors, ok, problem
from factories.clock import SteerableClock
from factories.keys import KEY_1, KEY_2
from factories.make import Factory, MadeUser
from factories.servers import Sandbox, query_of

from app.composition import Container
from app.domain.vocabulary import AccountStatus, PostStatus
from app.kit.crypto import KeyRing, KeyRingError
from app.kit.ids import new_id
from app.services.key_rotation import KeyRotation
from app.services.token_service import TokenService

PLATFORMS = ("instagram", "facebook", "tiktok")
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)


async def connect(client: httpx.AsyncClient, platform: str = "facebook", name: str = "Corner Cafe") -> dict[str, Any]:
    return dict(ok(await client.post("/accounts", json={"platform": platform, "account_name": name}), 201))


async def begin(client: httpx.AsyncClient, platform: str = "facebook") -> str:
    return str(ok(await client.get(f"/accounts/oauth/{platform}/start"))["authorization_url"])


async def call_back(client: httpx.AsyncClient, platform: str, query: dict[str, str]) -> dict[str, str]:
    """Arrive at the callback as the browser does, without being signed in; return what the dashboard is told."""
    response = await client.get(f"/accounts/oauth/{platform}/callback", params=query, headers={"Authorization": ""})
    assert response.status_code == 303, response.text
    assert response.headers["location"].startswith("http://dashboard.test/accounts?")
    return query_of(response.headers["location"])


async def tokens_of(container: Container, account_id: str) -> list[str]:
    grant, _ = await container.tokens.current(UUID(account_id))
    found = [grant.access_token, grant.refresh_token, *(value for value in grant.extra.values())]
    return [token for token in found if isinstance(token, str) and len(token) > 30]


class TestConnect:
    @pytest.mark.parametrize("platform", PLATFORMS)
    async def test_connects_at_once_on_the_sandbox(
        self,
        client: httpx.AsyncClient,
        signed_in: MadeUser,
        factory: Factory,
        sandbox: Sandbox,
        platform: str,
        container: Container,
    ) -> None:
        account = await connect(client, platform)
        assert (account["platform"], account["status"], account["mode"]) == (platform, "connected", "sandbox")
        assert account["is_connected"] is True
        assert account["account_id_external"]
        assert account["authorization_url"] is None
        assert account["connected_at"] is not None
        assert ok(await client.get("/accounts")) == [account]
        assert ok(await client.get(f"/accounts/{account['id']}")) == account
        assert await factory.count("account_credentials") == 1
        assert await factory.count("oauth_states") == 0
        assert (await factory.lane(UUID(account["id"]))).lease_id is None
        assert await tokens_of(container, account["id"])

    async def test_takes_the_id_that_is_given(
        self, client: httpx.AsyncClient, signed_in: MadeUser, sandbox: Sandbox
    ) -> None:
        body = {"platform": "instagram", "account_name": "Corner Cafe", "account_id_external": "17840000000000077"}
        assert ok(await client.post("/accounts", json=body), 201)["account_id_external"] == "17840000000000077"

    async def test_the_same_profile_again_is_the_same_account(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox
    ) -> None:
        first, second = await connect(client), await connect(client)
        assert first["id"] == second["id"]
        assert await factory.count("social_accounts") == await factory.count("account_credentials") == 1

    async def test_one_profile_may_belong_to_two_users(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox
    ) -> None:
        first = await connect(client)
        client.headers.update((await factory.user()).headers)
        second = await connect(client)
        assert first["account_id_external"] == second["account_id_external"]
        assert first["id"] != second["id"]
        assert len(ok(await client.get("/accounts"))) == 1

    async def test_lists_oldest_first_with_disconnected_ones(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        made = [
            await factory.account(signed_in, status=status, created_at=TOMORROW + timedelta(days=n))
            for n, status in enumerate([AccountStatus.disconnected, AccountStatus.connected])
        ]
        await factory.account(await factory.user())
        listed = ok(await client.get("/accounts"))
        assert [item["id"] for item in listed] == [str(account.id) for account in made]
        assert [item["is_connected"] for item in listed] == [False, True]

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"platform": "myspace", "account_name": "A"}, "body.platform"),
            ({"platform": "facebook", "account_name": ""}, "body.account_name"),
            ({"platform": "facebook", "account_name": "   "}, "body.account_name"),
            ({"platform": "facebook", "account_name": "x" * 256}, "body.account_name"),
            ({"platform": "facebook", "account_name": "nul \x00"}, "body.account_name"),
            ({"platform": "facebook"}, "body.account_name"),
            ({"platform": "facebook", "account_name": "A", "account_id_external": "a b"}, "body.account_id_external"),
            ({"platform": "facebook", "account_name": "A", "access_token": "x"}, "body.access_token"),
        ],
        ids=str,
    )
    async def test_refuses_wrong_fields(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, body: dict[str, Any], path: str
    ) -> None:
        assert [found for found, _ in field_errors(await client.post("/accounts", json=body))] == [path]
        assert await factory.count("social_accounts") == await factory.count("oauth_states") == 0

    @pytest.mark.parametrize("platform", PLATFORMS)
    @pytest.mark.parametrize("kind", ["error_before", "drop_after"])
    async def test_says_that_the_platform_is_away_and_stores_nothing(
        self,
        client: httpx.AsyncClient,
        signed_in: MadeUser,
        factory: Factory,
        sandbox: Sandbox,
        platform: str,
        kind: str,
    ) -> None:
        operation = {"instagram": "instagram.exchange", "facebook": "facebook.exchange", "tiktok": "tiktok.token"}
        details = {"status": 500} if kind == "error_before" else {}
        sandbox.fault(operation[platform], kind, times=9, **details)
        response = await client.post("/accounts", json={"platform": platform, "account_name": "A"})
        assert problem(response) == (503, "platform_unavailable")
        assert await factory.count("social_accounts") == await factory.count("account_credentials") == 0


class TestSomebodyElses:
    @pytest.mark.parametrize(("method", "action"), [("GET", ""), ("DELETE", ""), ("POST", "/reconnect")])
    async def test_account_is_a_404_and_stays_as_it_is(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, method: str, action: str
    ) -> None:
        foreign = await factory.account(await factory.user())
        for account_id in (foreign.id, new_id()):
            response = await client.request(method, f"/accounts/{account_id}{action}")
            assert problem(response) == (404, "account_not_found")
            assert detail(response) == "Account not found"
        (row,) = await factory.execute("SELECT * FROM social_accounts")
        assert (row.status, row.updated_at) == ("connected", foreign.updated_at)
        assert await factory.count("oauth_states") == 0


class TestSignIn:
    @pytest.mark.parametrize("platform", PLATFORMS)
    async def test_ends_with_an_account(
        self, client: httpx.AsyncClient, signed_in: MadeUser, sandbox: Sandbox, platform: str
    ) -> None:
        told = await call_back(client, platform, sandbox.consent(await begin(client, platform), "Corner Cafe"))
        (account,) = ok(await client.get("/accounts"))
        assert told == {"platform": platform, "connected": account["id"]}
        assert account["is_connected"] is True

    async def test_state_works_once(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox
    ) -> None:
        answer = sandbox.consent(await begin(client), "Corner Cafe")
        await call_back(client, "facebook", answer)
        before = await factory.execute("SELECT * FROM account_credentials")
        assert (await call_back(client, "facebook", answer))["error"] == "invalid_oauth_state"
        assert await factory.execute("SELECT * FROM account_credentials") == before

    async def test_state_is_kept_as_a_digest_only(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        state = query_of(await begin(client))["state"]
        assert len(state) >= 32
        assert await factory.scalar("SELECT state_hash FROM oauth_states") != state

    async def test_state_belongs_to_its_platform(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox
    ) -> None:
        answer = sandbox.consent(await begin(client, "facebook"), "Corner Cafe")
        assert (await call_back(client, "instagram", answer))["error"] == "invalid_oauth_state"
        assert await factory.count("social_accounts") == 0

    @pytest.mark.parametrize("state", ["", "x", "x" * 500, "\x00"])
    async def test_state_cannot_be_invented(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, state: str
    ) -> None:
        await begin(client)
        told = await call_back(client, "facebook", {"state": state, "code": "c"})
        assert told["error"] == "invalid_oauth_state"
        assert (await factory.count("social_accounts"), await factory.count("oauth_states")) == (0, 1)

    async def test_state_lasts_ten_minutes(
        self,
        client: httpx.AsyncClient,
        signed_in: MadeUser,
        factory: Factory,
        sandbox: Sandbox,
        api_clock: SteerableClock,
    ) -> None:
        answer = sandbox.consent(await begin(client), "Corner Cafe")
        api_clock.move(timedelta(minutes=10, seconds=1))
        assert (await call_back(client, "facebook", answer))["error"] == "invalid_oauth_state"
        assert await factory.count("social_accounts") == 0
        api_clock.reset()
        answer = sandbox.consent(await begin(client), "Corner Cafe")
        api_clock.move(timedelta(minutes=9, seconds=50))
        assert "connected" in await call_back(client, "facebook", answer)

    @pytest.mark.parametrize("platform", PLATFORMS)
    async def test_that_is_refused_by_its_user_leads_back_with_the_reason(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox, platform: str
    ) -> None:
        answer = sandbox.refuse(await begin(client, platform))
        assert answer["error"] == "access_denied"
        told = await call_back(client, platform, answer)
        assert told == {
            "platform": platform,
            "error": "connect_refused",
            "detail": "The connection was cancelled at the platform.",
        }
        assert await factory.count("social_accounts") == await factory.count("oauth_states") == 0

    @pytest.mark.parametrize("platform", PLATFORMS)
    async def test_with_a_wrong_code_connects_nothing(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox, platform: str
    ) -> None:
        state = query_of(await begin(client, platform))["state"]
        told = await call_back(client, platform, {"state": state, "code": "wrong"})
        assert told["error"] == "connect_refused"
        assert told["detail"].endswith(".")
        assert await factory.count("social_accounts") == 0

    async def test_without_a_needed_permission_says_so(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox
    ) -> None:
        answer = sandbox.consent(await begin(client, "tiktok"), "Corner Cafe", declined_scopes=["video.publish"])
        told = await call_back(client, "tiktok", answer)
        assert told["error"] == "connect_refused"
        assert "video.publish" in told["detail"]
        assert await factory.count("social_accounts") == 0

    async def test_at_an_unknown_platform_is_a_422(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        assert problem(await client.get("/accounts/oauth/myspace/start")) == (422, "invalid_request")
        assert problem(await client.get("/accounts/oauth/myspace/callback")) == (422, "invalid_request")


class TestReconnect:
    @pytest.mark.parametrize("platform", PLATFORMS)
    async def test_keeps_the_account_and_its_posts(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox, platform: str
    ) -> None:
        account = await connect(client, platform)
        row = (await factory.execute("SELECT * FROM social_accounts"))[0]
        post = await factory.post(signed_in, row, status=PostStatus.posted)
        await factory.execute("UPDATE social_accounts SET status = 'expired', status_reason = 'Gone.'")
        url = ok(await client.post(f"/accounts/{account['id']}/reconnect"))["authorization_url"]
        told = await call_back(client, platform, sandbox.consent(url, "Corner Cafe"))
        assert told["connected"] == account["id"]
        (after,) = ok(await client.get("/accounts"))
        assert (after["id"], after["status"], after["status_reason"]) == (account["id"], "connected", None)
        assert after["created_at"] == account["created_at"]
        assert (await factory.reload(post.id)).account_id == UUID(account["id"])

    async def test_refuses_another_profile(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox
    ) -> None:
        account = await connect(client)
        await factory.execute("UPDATE social_accounts SET status = 'expired'")
        before = await factory.execute("SELECT * FROM social_accounts")
        credentials = await factory.execute("SELECT * FROM account_credentials")
        url = ok(await client.post(f"/accounts/{account['id']}/reconnect"))["authorization_url"]
        told = await call_back(client, "facebook", sandbox.consent(url, "Another Page"))
        assert told["error"] == "connect_refused"
        assert "Sign in as Corner Cafe" in told["detail"]
        assert await factory.execute("SELECT * FROM social_accounts") == before
        assert await factory.execute("SELECT * FROM account_credentials") == credentials


class TestDisconnect:
    async def schedule(self, client: httpx.AsyncClient, account: dict[str, Any]) -> dict[str, Any]:
        body = {"account_id": account["id"], "content": "Hi", "scheduled_for": TOMORROW.isoformat()}
        return dict(ok(await client.post("/posts", json=body), 201))

    @pytest.mark.parametrize("platform", PLATFORMS)
    async def test_erases_the_tokens_and_gives_the_grant_back(
        self,
        client: httpx.AsyncClient,
        signed_in: MadeUser,
        factory: Factory,
        sandbox: Sandbox,
        platform: str,
        container: Container,
    ) -> None:
        account = await connect(client, platform)
        body = ok(await client.delete(f"/accounts/{account['id']}"))
        assert (body["id"], body["is_connected"], body["status"]) == (account["id"], False, "disconnected")
        assert body["token_expires_at"] is None
        assert ok(await client.get("/accounts")) == [body]
        assert await factory.count("account_credentials") == 0
        assert sandbox.calls(f"{platform}.revoke") > 0

    async def test_succeeds_when_the_platform_is_away(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox
    ) -> None:
        account = await connect(client)
        sandbox.fault("facebook.revoke", "error_before", times=9, status=500)
        ok(await client.delete(f"/accounts/{account['id']}"))
        assert await factory.count("account_credentials") == 0

    async def test_holds_scheduled_posts_with_the_reason_and_connecting_again_resumes_them(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox, api_sent: list[str]
    ) -> None:
        account = await connect(client)
        post = await self.schedule(client, account)
        draft = ok(await client.post("/posts", json={"account_id": account["id"], "content": "Draft"}), 201)
        other = await connect(client, name="Other Page")
        untouched = await self.schedule(client, other)
        ok(await client.delete(f"/accounts/{account['id']}"))
        held = ok(await client.get(f"/posts/{post['id']}"))
        assert (held["status"], held["error_code"]) == ("on_hold", "account_disconnected")
        assert held["error_message"] == "Corner Cafe was disconnected. Connect it again, and this post goes on."
        assert held["scheduled_for"] == post["scheduled_for"]
        assert await factory.publications(post["id"]) == []
        assert ok(await client.get(f"/posts/{draft['id']}")) == draft
        assert ok(await client.get(f"/posts/{untouched['id']}")) == untouched
        assert len(await factory.publications(untouched["id"])) == 1
        api_sent.clear()
        again = await connect(client)
        assert again["id"] == account["id"]
        resumed = ok(await client.get(f"/posts/{post['id']}"))
        assert (resumed["status"], resumed["error_code"], resumed["error_message"]) == ("scheduled", None, None)
        (run,) = await factory.publications(post["id"])
        assert run.due_at == TOMORROW
        assert (await factory.lane(UUID(account["id"]))).due_at == TOMORROW
        assert api_sent == ["publishing.advance"]

    async def test_posts_that_meanwhile_are_too_late_stay_with_their_owner(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox
    ) -> None:
        account = await connect(client)
        post = await self.schedule(client, account)
        ok(await client.delete(f"/accounts/{account['id']}"))
        await factory.execute("UPDATE posts SET scheduled_for = now() - interval '7 hours'")
        await connect(client)
        stored = await factory.reload(post["id"])
        assert (stored.status, stored.error_code) == ("on_hold", "too_late")
        assert "its time has passed" in stored.error_message
        assert await factory.count("publications") == 0

    async def test_twice_is_the_same_as_once(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox
    ) -> None:
        account = await connect(client)
        first = ok(await client.delete(f"/accounts/{account['id']}"))
        calls = sandbox.calls("facebook.revoke")
        second = ok(await client.delete(f"/accounts/{account['id']}"))
        assert first == second
        assert sandbox.calls("facebook.revoke") == calls


class TestSecrecy:
    @pytest.mark.parametrize("platform", PLATFORMS)
    async def test_tokens_are_in_no_answer_and_in_no_log(
        self,
        client: httpx.AsyncClient,
        signed_in: MadeUser,
        sandbox: Sandbox,
        platform: str,
        container: Container,
        logged: list[dict[str, Any]],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(10)
        account = await connect(client, platform)
        secrets = await tokens_of(container, account["id"])
        answers = [
            json.dumps(account),
            (await client.get("/accounts")).text,
            (await client.get(f"/accounts/{account['id']}")).text,
            (await client.post(f"/accounts/{account['id']}/reconnect")).text,
        ]
        await container.tokens.refresh(UUID(account["id"]), seen_version=1)
        secrets += await tokens_of(container, account["id"])
        sandbox.revoke(platform, account["account_id_external"])
        answers.append((await client.delete(f"/accounts/{account['id']}")).text)
        answers.append((await client.get("/accounts")).text)
        said = "\n".join([*answers, *(repr(event) for event in logged), caplog.text])
        assert len(secrets) >= 2
        assert "token.refreshed" in [event["event"] for event in logged]
        assert [secret for secret in secrets if secret in said] == []

    async def test_tokens_are_stored_encrypted_for_one_account(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox, container: Container
    ) -> None:
        account = await connect(client, "tiktok")
        (row,) = await factory.execute("SELECT * FROM account_credentials")
        for token in await tokens_of(container, account["id"]):
            assert token.encode() not in row.ciphertext
        container.tokens.open(row.account_id, row.ciphertext, row.key_version)
        with pytest.raises(KeyRingError):
            container.tokens.open(new_id(), row.ciphertext, row.key_version)
        with pytest.raises(KeyRingError):
            container.tokens.open(row.account_id, row.ciphertext[:-1] + b"x", row.key_version)

    async def test_keys_are_rotated_without_changing_a_token(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox, container: Container
    ) -> None:
        accounts = [await connect(client, platform) for platform in PLATFORMS]
        before = {account["id"]: await tokens_of(container, account["id"]) for account in accounts}
        versions = await factory.execute("SELECT account_id, version FROM account_credentials ORDER BY 1")

        def service(keys: str) -> TokenService:
            return TokenService(container.sessions, KeyRing.parse(keys), container.adapters, container.clock)

        rotation = KeyRotation(container.sessions, KeyRing.parse(f"{KEY_2},{KEY_1}"))
        assert [(await rotation.run()).changed["account_credentials"] for _ in range(2)] == [3, 0]
        assert await factory.execute("SELECT DISTINCT key_version FROM account_credentials") == [("v2",)]
        assert await factory.execute("SELECT account_id, version FROM account_credentials ORDER BY 1") == versions
        newest_only = service(KEY_2)
        for account_id, tokens in before.items():
            grant, _ = await newest_only.current(UUID(account_id))
            assert grant.access_token in tokens
        with pytest.raises(KeyRingError):
            await service(KEY_1).current(UUID(accounts[0]["id"]))
