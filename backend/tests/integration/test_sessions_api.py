"""Where one is signed in, the cookie for browsers, how often one may guess, what is written down, and leaving."""

from __future__ import annotations

import asyncio
import io
import json
import re
import zipfile
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from factories.answers import ok, problem
from factories.clock import SteerableClock
from factories.make import Factory, MadeUser
from factories.servers import Sandbox
from factories.stage import MakeWorker
from fastapi import FastAPI
from PIL import Image

from app.composition import Container
from app.db.unit_of_work import unit_of_work
from app.domain.tries import SIGN_IN_BY_ACCOUNT, SIGN_IN_BY_PLACE, place_of
from app.main import create_app
from app.models import Base
from app.repositories.export_repository import LEFT_OUT, TABLES, exported_columns, exported_tables
from app.repositories.user_repository import UserRepository

MIA = {"email": "mia@example.com", "password": "a good long one"}
WRONG = "a bad long one"
COOKIE = {"X-Session": "cookie"}


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 480), "teal").save(out, "JPEG")
    return out.getvalue()


def bearer(pair: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair['access_token']}"}


@pytest.fixture
async def mia(client: httpx.AsyncClient) -> dict[str, Any]:
    return dict(ok(await client.post("/auth/register", json=MIA, headers={"User-Agent": "Laptop"}), 201))


async def sign_in(client: httpx.AsyncClient, agent: str = "Phone") -> dict[str, Any]:
    return dict(ok(await client.post("/auth/login", json=MIA, headers={"User-Agent": agent})))


class TestSessions:
    async def test_are_listed_with_where_they_come_from(self, client: httpx.AsyncClient, mia: dict[str, Any]) -> None:
        await sign_in(client)
        rows = ok(await client.get("/auth/sessions", headers=bearer(mia)))
        assert [(row["user_agent"], row["is_current"]) for row in rows] == [("Phone", False), ("Laptop", True)]
        assert {row["ip_address"] for row in rows} == {"127.0.0.1"}

    async def test_one_is_ended_at_once_with_its_access_token(
        self, client: httpx.AsyncClient, mia: dict[str, Any]
    ) -> None:
        phone = await sign_in(client)
        rows = ok(await client.get("/auth/sessions", headers=bearer(mia)))
        path = f"/auth/sessions/{rows[0]['id']}"
        assert (await client.delete(path, headers=bearer(mia))).status_code == 204
        assert problem(await client.get("/auth/me", headers=bearer(phone))) == (401, "invalid_token")
        ok(await client.get("/auth/me", headers=bearer(mia)))
        assert problem(await client.delete(path, headers=bearer(mia))) == (404, "session_not_found")

    async def test_all_others_or_all_are_ended(self, client: httpx.AsyncClient, mia: dict[str, Any]) -> None:
        others = [await sign_in(client) for _ in range(3)]
        ended = await client.delete("/auth/sessions", params={"keep_current": True}, headers=bearer(mia))
        assert ok(ended) == {"ended": 3}
        for other in others:
            assert (await client.get("/auth/me", headers=bearer(other))).status_code == 401
        assert ok(await client.delete("/auth/sessions", headers=bearer(mia))) == {"ended": 1}
        assert problem(await client.get("/auth/me", headers=bearer(mia))) == (401, "invalid_token")

    async def test_somebody_elses_is_not_found(
        self, client: httpx.AsyncClient, mia: dict[str, Any], factory: Factory
    ) -> None:
        other = await factory.user()
        response = await client.delete(f"/auth/sessions/{other.id}", headers=bearer(mia))
        assert problem(response) == (404, "session_not_found")
        ok(await client.get("/auth/me", headers=other.headers))

    async def test_a_changed_password_ends_all_others(self, client: httpx.AsyncClient, mia: dict[str, Any]) -> None:
        phone = await sign_in(client)
        body = {"current_password": MIA["password"], "password": "another good one"}
        ok(await client.post("/auth/change-password", json=body, headers=bearer(mia)))
        ok(await client.get("/auth/me", headers=bearer(mia)))
        assert (await client.get("/auth/me", headers=bearer(phone))).status_code == 401
        ok(await client.post("/auth/login", json={**MIA, "password": "another good one"}))

    async def test_a_password_is_not_changed_without_the_present_one(
        self, client: httpx.AsyncClient, mia: dict[str, Any]
    ) -> None:
        body = {"current_password": "a bad long one", "password": "another good one"}
        response = await client.post("/auth/change-password", json=body, headers=bearer(mia))
        assert problem(response) == (400, "wrong_password")
        await sign_in(client)


class TestProfile:
    async def test_the_time_zone_is_changed(self, client: httpx.AsyncClient, mia: dict[str, Any]) -> None:
        ok(await client.patch("/auth/me", json={"timezone": "Asia/Tokyo"}, headers=bearer(mia)))
        assert ok(await client.get("/auth/me", headers=bearer(mia)))["timezone"] == "Asia/Tokyo"
        response = await client.patch("/auth/me", json={"timezone": "Mars/Olympus"}, headers=bearer(mia))
        assert problem(response) == (422, "invalid_request")
        assert ok(await client.get("/auth/me", headers=bearer(mia)))["timezone"] == "Asia/Tokyo"


class TestCookie:
    async def test_holds_the_refresh_token_where_no_script_reads_it(self, client: httpx.AsyncClient) -> None:
        response = await client.post("/auth/register", json=MIA, headers=COOKIE)
        assert ok(response, 201)["refresh_token"] is None
        header = response.headers["set-cookie"].lower()
        assert header.startswith("postpilot_refresh=")
        for part in ("httponly", "samesite=strict", "path=/api/v1/auth", "max-age=2592000"):
            assert part in header
        assert "secure" not in header  # over http
        again = await client.post("/auth/refresh", headers=COOKIE)
        assert ok(again)["refresh_token"] is None
        assert again.cookies["postpilot_refresh"] != response.cookies["postpilot_refresh"]

    async def test_counts_only_with_the_header_that_no_other_site_can_send(
        self, client: httpx.AsyncClient, factory: Factory
    ) -> None:
        ok(await client.post("/auth/register", json=MIA, headers=COOKIE), 201)
        before = await factory.execute("SELECT current_token_id FROM auth_sessions")
        assert problem(await client.post("/auth/refresh")) == (401, "invalid_token")
        assert await factory.execute("SELECT current_token_id FROM auth_sessions") == before
        ok(await client.post("/auth/refresh", headers=COOKIE))

    async def test_is_taken_away_with_signing_out(self, client: httpx.AsyncClient) -> None:
        pair = ok(await client.post("/auth/register", json=MIA, headers=COOKIE), 201)
        response = await client.post("/auth/logout", headers=bearer(pair))
        assert 'postpilot_refresh=""' in response.headers["set-cookie"]
        assert problem(await client.post("/auth/refresh", headers=COOKIE)) == (401, "invalid_token")

    async def test_is_for_https_alone_where_there_is_https(self, container: Container, app: FastAPI) -> None:
        settings = container.settings.model_copy(update={"public_url": "https://post.example"})
        served = create_app(settings)
        served.state.container = replace(container, settings=settings)
        transport = httpx.ASGITransport(served)
        async with httpx.AsyncClient(transport=transport, base_url="https://post.example/api/v1") as http:
            response = await http.post("/auth/register", json=MIA, headers=COOKIE)
        assert "; secure" in response.headers["set-cookie"].lower()
        assert response.headers["strict-transport-security"].startswith("max-age=31536000")


class TestHeaders:
    async def test_answers_are_guarded(self, client: httpx.AsyncClient, mia: dict[str, Any]) -> None:
        for response in (
            await client.get("/auth/me", headers=bearer(mia)),
            await client.get("/auth/me"),
            await client.get("/nothing/here"),
        ):
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["x-frame-options"] == "DENY"
            assert response.headers["cache-control"] == "no-store"
            assert "default-src 'none'" in response.headers["content-security-policy"]

    async def test_other_origins_may_call_only_where_the_setting_says_so(
        self, container: Container, app: FastAPI
    ) -> None:
        settings = container.settings.model_copy(update={"cors_origins": "https://shop.example"})
        for served, allowed in ((create_app(settings), "https://shop.example"), (app, None)):
            served.state.container = container
            transport = httpx.ASGITransport(served)
            async with httpx.AsyncClient(transport=transport, base_url="http://api.test/api/v1") as http:
                for origin in ("https://shop.example", "https://evil.example"):
                    response = await http.get("/health", headers={"Origin": origin})
                    given = response.headers.get("access-control-allow-origin")
                    assert given == (allowed if origin == "https://shop.example" else None)


class TestGuessing:
    """What `domain/tries.py` says, whoever asks from wherever. Places are those that the server sees."""

    @staticmethod
    async def guess(app: FastAPI, place: str, email: str, password: str = WRONG) -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(place, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test/api/v1") as http:
            return await http.post("/auth/login", json={"email": email, "password": password})

    async def test_of_guesses_from_a_hundred_places_ten_are_looked_at(self, mia: dict[str, Any], app: FastAPI) -> None:
        answers = [await self.guess(app, f"203.0.113.{n % 100}", "MIA@example.com") for n in range(300)]
        assert Counter(answer.status_code for answer in answers) == {401: SIGN_IN_BY_ACCOUNT.count, 429: 290}
        right = await self.guess(app, "198.51.100.7", MIA["email"], MIA["password"])
        assert problem(right) == (429, "too_many_tries")
        assert 1 <= int(right.headers["Retry-After"]) <= SIGN_IN_BY_ACCOUNT.seconds

    async def test_an_unknown_address_is_treated_alike(self, app: FastAPI, container: Container) -> None:
        answers = [await self.guess(app, f"203.0.113.{n}", "nobody@example.com") for n in range(30)]
        assert Counter(answer.status_code for answer in answers) == {401: SIGN_IN_BY_ACCOUNT.count, 429: 20}

    async def test_from_one_place_fifty_are_looked_at_whomever_they_are_about(
        self, app: FastAPI, container: Container
    ) -> None:
        answers = [await self.guess(app, "2001:db8:1:2::" + f"{n:x}", f"user{n}@example.com") for n in range(80)]
        assert Counter(answer.status_code for answer in answers) == {401: SIGN_IN_BY_PLACE.count, 429: 30}
        assert (await self.guess(app, "2001:db8:1:3::1", "user@example.com")).status_code == 401

    async def test_a_right_password_sets_the_count_back(self, mia: dict[str, Any], app: FastAPI) -> None:
        for _ in range(3):
            for n in range(9):
                assert (await self.guess(app, f"203.0.113.{n}", MIA["email"])).status_code == 401
            ok(await self.guess(app, "198.51.100.7", MIA["email"], MIA["password"]))

    async def test_many_at_once_do_not_slip_through(
        self, committed: Container, real_client: httpx.AsyncClient, app: FastAPI
    ) -> None:
        ok(await real_client.post("/auth/register", json=MIA), 201)
        answers = await asyncio.gather(*(self.guess(app, f"203.0.113.{n}", MIA["email"]) for n in range(60)))
        assert Counter(answer.status_code for answer in answers) == {401: SIGN_IN_BY_ACCOUNT.count, 429: 50}

    @pytest.mark.parametrize(
        ("address", "place"),
        [
            ("203.0.113.9", "203.0.113.9"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("testclient", "testclient"),
        ],
    )
    def test_a_place_is_what_one_customer_has(self, address: str, place: str) -> None:
        assert place_of(address) == place


class TestAudit:
    async def test_tells_what_happened_from_where_without_secrets(
        self, client: httpx.AsyncClient, mia: dict[str, Any], factory: Factory
    ) -> None:
        await sign_in(client)
        body = {"current_password": MIA["password"], "password": "another good one"}
        ok(await client.post("/auth/change-password", json=body, headers=bearer(mia)))
        page = ok(await client.get("/auth/audit", headers=bearer(mia), params={"per_page": 2}))
        assert [item["kind"] for item in page["items"]] == ["password.changed", "session.signed_in"]
        assert page["items"][1]["user_agent"] == "Phone"
        assert page["total"] == 3
        kept = json.dumps([list(map(str, row)) for row in await factory.execute("SELECT * FROM audit_events")])
        assert MIA["password"] not in kept
        other = await factory.user()
        assert ok(await client.get("/auth/audit", headers=other.headers))["items"] == []


class TestErasure:
    async def test_everything_goes_and_access_is_given_back(
        self,
        real_client: httpx.AsyncClient,
        committed: Container,
        rows: Factory,
        sandbox: Sandbox,
        make_worker: MakeWorker,
    ) -> None:
        pair = ok(await real_client.post("/auth/register", json=MIA), 201)
        other = await rows.user()
        await rows.post(other, await rows.account(other))
        headers = bearer(pair)
        for platform in ("facebook", "tiktok"):
            await rows.subscribe(MadeUser(pair["user"]["id"], MIA["email"], headers), "enterprise")
            body = {"platform": platform, "account_name": "Mia's"}
            account = ok(await real_client.post("/accounts", json=body, headers=headers), 201)
            draft = {"account_id": account["id"], "content": "x"}
            ok(await real_client.post("/posts", json=draft, headers=headers), 201)
        file = {"file": ("a.jpg", jpeg(), "image/jpeg")}
        uploaded = ok(await real_client.post("/media", files=file, headers=headers), 201)
        await committed.letters.work()

        wrong = await real_client.request("DELETE", "/auth/me", json={"password": "no"}, headers=headers)
        assert problem(wrong) == (400, "wrong_password")
        gone = await real_client.request("DELETE", "/auth/me", json={"password": MIA["password"]}, headers=headers)
        ok(gone, 202)
        assert problem(await real_client.get("/auth/me", headers=headers)) == (401, "invalid_token")
        assert problem(await real_client.post("/auth/login", json=MIA)) == (401, "wrong_credentials")

        workers = [make_worker(), make_worker()]
        assert sum(await asyncio.gather(*(worker.erasure.work() for worker in workers))) == 1
        assert await workers[0].erasure.work() == 0
        for name, table in Base.metadata.tables.items():
            if "user_id" in table.c and name != "letter_requests":
                left = await rows.execute(f"SELECT DISTINCT user_id FROM {name} WHERE user_id IS NOT NULL")  # noqa: S608
                assert {str(row.user_id) for row in left} <= {str(other.id)}, name
        assert await rows.count("users") == 1
        assert (sandbox.calls("facebook.revoke"), sandbox.calls("tiktok.revoke")) == (1, 1)
        await committed.media_expiry.sweep()
        assert (await real_client.get(uploaded["url"])).status_code == 404
        await committed.letters.work()
        assert sandbox.mails(MIA["email"])[0]["subject"] == "Your account was deleted"
        ok(await real_client.post("/auth/register", json=MIA), 201)  # the address is free again

    async def test_one_that_was_broken_off_is_taken_up_again(
        self, real_client: httpx.AsyncClient, committed: Container, rows: Factory, api_clock: SteerableClock
    ) -> None:
        user = await rows.user()
        await rows.execute("UPDATE users SET erase_due_at = now() - interval '1 s'")
        async with unit_of_work(committed.sessions) as uow:  # and the worker dies
            claimed = await UserRepository(uow.session).claim_erasures(again=timedelta(), limit=5)
        assert claimed == [user.id]
        assert await committed.erasure.work() == 1
        assert await rows.count("users") == 0


class TestExport:
    async def test_holds_everything_but_secrets(
        self, real_client: httpx.AsyncClient, rows: Factory, owner: MadeUser
    ) -> None:
        account = await rows.account(owner, account_name="Mia's corner")
        for n in range(3):
            await rows.post(owner, account, content=f"Post {n} — ünïcode")
        other = await rows.user()
        await rows.post(other, await rows.account(other), content="Somebody else's")
        picture = jpeg()
        uploaded = ok(await real_client.post("/media", files={"file": ("a.jpg", picture, "image/jpeg")}), 201)
        response = await real_client.get("/auth/export")
        assert response.headers["content-type"] == "application/zip"
        archive = zipfile.ZipFile(io.BytesIO(response.content))
        assert archive.testzip() is None
        posts = json.loads(archive.read("posts.json"))
        assert sorted(post["content"] for post in posts) == [f"Post {n} — ünïcode" for n in range(3)]
        assert [row["email"] for row in json.loads(archive.read("users.json"))] == [owner.email]
        assert "password_hash" not in json.loads(archive.read("users.json"))[0]
        named = next(name for name in archive.namelist() if name.startswith(f"media/{uploaded['id']}/"))
        assert archive.read(named) == picture
        assert b"Somebody else" not in response.content

    async def test_more_rows_than_a_page(self, real_client: httpx.AsyncClient, rows: Factory, owner: MadeUser) -> None:
        await rows.execute(
            "INSERT INTO hashtag_sets (id, user_id, name, hashtags) "
            "SELECT gen_random_uuid(), :id, 'set ' || n, '{}' FROM generate_series(1, 1203) n",
            id=owner.id,
        )
        archive = zipfile.ZipFile(io.BytesIO((await real_client.get("/auth/export")).content))
        names = {row["name"] for row in json.loads(archive.read("hashtag_sets.json"))}
        assert names == {f"set {n}" for n in range(1, 1204)}

    def test_no_table_is_forgotten(self) -> None:
        assert set(exported_tables()) | set(LEFT_OUT) == set(TABLES)
        assert set(exported_tables()).isdisjoint(LEFT_OUT)

    def test_no_secret_is_read(self) -> None:
        read = {f"{name}.{column.name}" for name in exported_tables() for column in exported_columns(TABLES[name])}
        telling = re.compile(r"_hash$|cipher|secret|_token$|_token_|password_h|totp_c")
        assert [name for name in sorted(read) if telling.search(name)] == []
