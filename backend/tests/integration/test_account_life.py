"""Choosing among the profiles of a sign-in, forecasts, daily checks and what an account may do now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from factories.answers import field_errors, ok, problem
from factories.clock import SteerableClock
from factories.make import Factory, MadeUser
from factories.servers import Sandbox, query_of
from factories.stage import Stage, spy_on

from app.composition import Container
from app.domain.vocabulary import PostStatus
from app.kit.ids import new_id
from app.platforms.base import RetryLater


async def begin(client: httpx.AsyncClient, platform: str = "facebook", **query: str) -> str:
    return str(ok(await client.get(f"/accounts/oauth/{platform}/start", params=query))["authorization_url"])


async def call_back(client: httpx.AsyncClient, platform: str, query: dict[str, str]) -> dict[str, str]:
    response = await client.get(f"/accounts/oauth/{platform}/callback", params=query, headers={"Authorization": ""})
    assert response.status_code == 303, response.text
    return query_of(response.headers["location"])


class TestChoice:
    async def choice(self, client: httpx.AsyncClient, sandbox: Sandbox) -> dict[str, Any]:
        answer = sandbox.consent(await begin(client), "First Page", more_accounts=["Second Page", "Third Page"])
        told = await call_back(client, "facebook", answer)
        assert set(told) == {"platform", "choose"}
        return dict(ok(await client.get(f"/accounts/choices/{told['choose']}")))

    async def test_several_pages_wait_for_their_owner(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox
    ) -> None:
        choice = await self.choice(client, sandbox)
        assert {profile["account_name"] for profile in choice["profiles"]} == {
            "First Page",
            "Second Page",
            "Third Page",
        }
        assert {(profile["usable"], profile["is_connected"]) for profile in choice["profiles"]} == {(True, False)}
        assert await factory.count("social_accounts") == 0

    async def test_the_chosen_ones_are_connected_and_the_rest_is_forgotten(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox
    ) -> None:
        choice = await self.choice(client, sandbox)
        wanted = [p["account_id_external"] for p in choice["profiles"] if p["account_name"] != "Second Page"]
        url = f"/accounts/choices/{choice['id']}"
        made = ok(await client.post(url, json={"account_ids_external": wanted}), 201)
        assert {account["account_name"] for account in made} == {"First Page", "Third Page"}
        assert {account["status"] for account in made} == {"connected"}
        assert await factory.count("account_credentials") == 2
        assert problem(await client.get(url)) == (404, "choice_not_found")
        assert problem(await client.post(url, json={"account_ids_external": wanted})) == (404, "choice_not_found")

    async def test_says_which_are_connected_already(
        self, client: httpx.AsyncClient, signed_in: MadeUser, sandbox: Sandbox
    ) -> None:
        choice = await self.choice(client, sandbox)
        first = choice["profiles"][0]
        body = {"account_ids_external": [first["account_id_external"]]}
        ok(await client.post(f"/accounts/choices/{choice['id']}", json=body), 201)
        again = await self.choice(client, sandbox)
        connected = {p["account_id_external"] for p in again["profiles"] if p["is_connected"]}
        assert connected == {first["account_id_external"]}

    async def test_an_unknown_profile_connects_nothing(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox
    ) -> None:
        choice = await self.choice(client, sandbox)
        wanted = [choice["profiles"][0]["account_id_external"], "999"]
        response = await client.post(f"/accounts/choices/{choice['id']}", json={"account_ids_external": wanted})
        assert field_errors(response) == [("body.account_ids_external.1", "unknown_profile")]
        assert await factory.count("social_accounts") == 0

    async def test_somebody_elses_choice_is_a_404(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox
    ) -> None:
        choice = await self.choice(client, sandbox)
        client.headers.update((await factory.user()).headers)
        for choice_id in (choice["id"], new_id()):
            url = f"/accounts/choices/{choice_id}"
            assert problem(await client.get(url)) == (404, "choice_not_found")
            answer = await client.post(url, json={"account_ids_external": ["1"]})
            assert problem(answer) == (404, "choice_not_found")

    async def test_is_open_for_half_an_hour(
        self, client: httpx.AsyncClient, signed_in: MadeUser, sandbox: Sandbox, api_clock: SteerableClock
    ) -> None:
        choice = await self.choice(client, sandbox)
        api_clock.move(timedelta(minutes=31))
        assert problem(await client.get(f"/accounts/choices/{choice['id']}")) == (404, "choice_not_found")

    async def test_holds_no_token_in_the_clear(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox, container: Container
    ) -> None:
        choice = await self.choice(client, sandbox)
        (row,) = await factory.execute("SELECT * FROM connection_choices")
        kept = container.tokens.open_json(choice["id"], row.ciphertext, row.key_version)
        for profile in kept["profiles"]:
            assert profile["grant"]["access_token"].encode() not in row.ciphertext
            assert profile["grant"]["access_token"] not in str(choice)

    async def test_an_unknown_way_to_sign_in(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        response = await client.get("/accounts/oauth/tiktok/start", params={"login": "facebook"})
        assert field_errors(response) == [("body.login", "unknown_login")]


class TestForecast:
    async def test_names_the_day_and_counts_the_posts_after_it(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        account = await factory.account(signed_in, account_name="Corner Cafe")
        ends = datetime(2031, 4, 1, 12, tzinfo=UTC)
        await factory.execute("UPDATE social_accounts SET access_ends_at = :at", at=ends)
        for days in (-1, 1, 2, 3):
            at = ends + timedelta(days=days)
            await factory.post(signed_in, account, status=PostStatus.scheduled, scheduled_for=at)
        await factory.post(signed_in, account, status=PostStatus.draft)
        (shown,) = ok(await client.get("/accounts"))
        assert shown["posts_at_risk"] == 3
        assert shown["forecast"] == (
            "Access to Corner Cafe ends on Tuesday, 1 April 2031 (UTC): 3 scheduled posts after that cannot go out. "
            "Connect the account again."
        )
        assert ok(await client.get(f"/accounts/{account.id}")) == shown

    async def test_there_is_none_while_renewing_goes_on(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        await factory.account(signed_in)
        (shown,) = ok(await client.get("/accounts"))
        assert (shown["posts_at_risk"], shown["forecast"], shown["access_ends_at"]) == (0, None, None)

    async def test_a_renewal_that_fails_makes_one_and_a_renewal_that_works_takes_it_back(
        self, stage: Stage, worker: Container
    ) -> None:
        account = await stage.connect("tiktok")
        await stage.rows.execute("UPDATE account_credentials SET refresh_due_at = now() - interval '1 s'")
        stage.sandbox.fault("tiktok.token", "error_before", status=500)
        await worker.tokens.refresh_due()
        row = (await stage.rows.execute("SELECT * FROM social_accounts"))[0]
        grant, _ = await worker.tokens.current(account.id)
        assert (row.status, row.access_ends_at) == ("connected", grant.refresh_expires_at)
        await stage.rows.execute("UPDATE account_credentials SET refresh_due_at = now() - interval '1 s'")
        await worker.tokens.refresh_due()
        assert (
            await stage.rows.scalar("SELECT access_ends_at FROM social_accounts WHERE id = :id", id=account.id) is None
        )

    async def test_validation_warns_about_a_time_after_it(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        account = await factory.account(signed_in)
        ends = datetime(2031, 4, 1, 12, tzinfo=UTC)
        await factory.execute("UPDATE social_accounts SET access_ends_at = :at", at=ends)
        body = {"account_id": str(account.id), "content": "Hi"}
        for days, expected in ((-1, []), (1, ["access_ends_before"])):
            at = (ends + timedelta(days=days)).isoformat()
            answer = ok(await client.post("/posts/validate", json={**body, "scheduled_for": at}))
            assert answer["valid"] is True
            assert [warning["code"] for warning in answer["accounts"][0]["warnings"]] == expected


class TestDailyCheck:
    async def make_due(self, stage: Stage) -> None:
        await stage.rows.execute("UPDATE social_accounts SET checked_at = now() - interval '25 hours'")

    async def status(self, stage: Stage, account_id: UUID) -> str:
        return str(await stage.rows.scalar("SELECT status FROM social_accounts WHERE id = :id", id=account_id))

    @pytest.mark.parametrize("platform", ["instagram", "facebook", "tiktok"])
    async def test_a_working_account_is_asked_about_once_a_day(
        self, stage: Stage, worker: Container, platform: str
    ) -> None:
        account = await stage.connect(platform)
        assert await worker.accounts.check_due() == 0
        await self.make_due(stage)
        assert await worker.accounts.check_due() == 1
        assert await worker.accounts.check_due() == 0
        assert await self.status(stage, account.id) == "connected"

    @pytest.mark.parametrize("platform", ["instagram", "facebook", "tiktok"])
    async def test_a_grant_that_was_taken_back_is_found(self, stage: Stage, worker: Container, platform: str) -> None:
        account = await stage.connect(platform)
        stage.sandbox.revoke(platform, str(account.account_id_external))
        await self.make_due(stage)
        await worker.accounts.check_due()
        assert await self.status(stage, account.id) == "expired"

    @pytest.mark.parametrize("platform", ["instagram", "facebook", "tiktok"])
    async def test_a_failure_on_the_way_changes_nothing_and_is_tried_again_in_an_hour(
        self, stage: Stage, worker: Container, platform: str
    ) -> None:
        account = await stage.connect(platform)
        await self.make_due(stage)

        def away(*_: Any, **__: Any) -> None:
            raise RetryLater("away")

        spy = spy_on(worker, platform, "connector")
        spy.answers["check"] = away
        assert await worker.accounts.check_due() == 1
        assert await self.status(stage, account.id) == "connected"
        next_in = await stage.rows.scalar("SELECT checked_at + interval '24 hours' - now() FROM social_accounts")
        assert timedelta(minutes=55) < next_in < timedelta(minutes=65)
        assert await worker.accounts.check_due() == 0


class TestDisconnectOfOneOfSeveral:
    async def test_keeps_the_grant_for_the_others(
        self, client: httpx.AsyncClient, signed_in: MadeUser, sandbox: Sandbox
    ) -> None:
        """Giving back a Facebook grant ends every Page of the same person."""
        answer = sandbox.consent(await begin(client), "First Page", more_accounts=["Second Page"])
        told = await call_back(client, "facebook", answer)
        choice = ok(await client.get(f"/accounts/choices/{told['choose']}"))
        wanted = [profile["account_id_external"] for profile in choice["profiles"]]
        accounts = ok(
            await client.post(f"/accounts/choices/{choice['id']}", json={"account_ids_external": wanted}), 201
        )
        ok(await client.delete(f"/accounts/{accounts[0]['id']}"))
        assert sandbox.calls("facebook.revoke") == 0
        ok(await client.delete(f"/accounts/{accounts[1]['id']}"))
        assert sandbox.calls("facebook.revoke") == 1


class TestCapabilities:
    async def test_tells_what_the_account_may_do_now(
        self, client: httpx.AsyncClient, signed_in: MadeUser, sandbox: Sandbox
    ) -> None:
        account = ok(await client.post("/accounts", json={"platform": "tiktok", "account_name": "Bakery"}), 201)
        found = ok(await client.get(f"/accounts/{account['id']}/capabilities"))
        assert (found["account_id"], found["platform"]) == (account["id"], "tiktok")
        assert found["facts"]["creator_nickname"] == "Bakery"
        assert {kind["name"] for kind in found["rules"]["post_types"]} == {
            "video",
            "photo",
            "inbox_video",
            "inbox_photo",
        }
        privacy = next(option for option in found["rules"]["options"] if option["name"] == "privacy_level")
        assert privacy["choices"] == ["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR", "SELF_ONLY"]

    async def test_instagram_tells_its_quota(
        self, client: httpx.AsyncClient, signed_in: MadeUser, sandbox: Sandbox
    ) -> None:
        account = ok(await client.post("/accounts", json={"platform": "instagram", "account_name": "Bakery"}), 201)
        facts = ok(await client.get(f"/accounts/{account['id']}/capabilities"))["facts"]
        assert facts["quota_usage"] == 0
        assert facts["quota_total"] in (50, 100)

    async def test_a_platform_that_is_away_is_a_503(
        self, client: httpx.AsyncClient, signed_in: MadeUser, sandbox: Sandbox
    ) -> None:
        account = ok(await client.post("/accounts", json={"platform": "tiktok", "account_name": "Bakery"}), 201)
        sandbox.fault("tiktok.creator_info", "error_before", status=500, times=3)
        response = await client.get(f"/accounts/{account['id']}/capabilities")
        assert problem(response) == (503, "platform_unavailable")

    async def test_a_disconnected_account_is_a_400(
        self, client: httpx.AsyncClient, signed_in: MadeUser, sandbox: Sandbox
    ) -> None:
        account = ok(await client.post("/accounts", json={"platform": "tiktok", "account_name": "Bakery"}), 201)
        ok(await client.delete(f"/accounts/{account['id']}"))
        response = await client.get(f"/accounts/{account['id']}/capabilities")
        assert problem(response) == (400, "account_needs_reconnect")

    async def test_somebody_elses_is_a_404(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        foreign = await factory.account(await factory.user())
        assert problem(await client.get(f"/accounts/{foreign.id}/capabilities")) == (404, "account_not_found")

    async def test_the_rules_need_no_account(self, client: httpx.AsyncClient) -> None:
        platforms = ok(await client.get("/platforms"))
        assert [rules["platform"] for rules in platforms] == ["instagram", "facebook", "tiktok"]
