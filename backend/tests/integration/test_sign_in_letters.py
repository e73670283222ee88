"""Links from letters: they confirm addresses and let people back in, once, for a while, and nobody else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from factories.answers import detail, ok, problem
from factories.clock import SteerableClock
from factories.make import Factory
from factories.servers import Sandbox
from factories.stage import MakeWorker
from fastapi import FastAPI

from app.composition import Container
from app.main import create_app
from app.services.auth_service import SignInRules

MIA = {"email": "mia@example.com", "password": "a good long one"}
NEW = "another good one"


def bearer(pair: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair['access_token']}"}


def token_of(mail: dict[str, Any]) -> str:
    """Return the token in a letter's link."""
    link = urlsplit(mail["links"][0])
    assert f"{link.scheme}://{link.netloc}" == "http://dashboard.test"
    return parse_qs(link.query)["token"][0]


class Post:
    """Sends what is due, and looks into mailboxes."""

    def __init__(self, container: Container, sandbox: Sandbox) -> None:
        self._container = container
        self._sandbox = sandbox

    async def deliver(self) -> int:
        return await self._container.letters.work()

    def subjects(self, to: str) -> list[str]:
        """Return the subjects of the letters to somebody, the oldest first."""
        return [mail["subject"] for mail in reversed(self._sandbox.mails(to))]

    async def newest(self, to: str, page: str = "") -> dict[str, Any]:
        """Send what is due, and return the newest letter to somebody whose link opens a page."""
        await self.deliver()
        return next(mail for mail in self._sandbox.mails(to) if page in mail["links"][0])


@pytest.fixture
def post(container: Container, sandbox: Sandbox) -> Post:
    return Post(container, sandbox)


@pytest.fixture
async def mia(client: httpx.AsyncClient) -> dict[str, Any]:
    return dict(ok(await client.post("/auth/register", json=MIA), 201))


async def forgot(client: httpx.AsyncClient, post: Post, email: str = MIA["email"]) -> str:
    ok(await client.post("/auth/forgot-password", json={"email": email}))
    return token_of(await post.newest(email, "/reset-password"))


class TestVerifyEmail:
    async def test_the_letter_after_signing_up_confirms_the_address_once(
        self, client: httpx.AsyncClient, mia: dict[str, Any], post: Post
    ) -> None:
        assert mia["user"]["is_email_verified"] is False
        mail = await post.newest(MIA["email"])
        assert mail["subject"] == "Confirm your e-mail address"
        body = {"token": token_of(mail)}
        assert ok(await client.post("/auth/verify-email", json=body)) == {"status": "ok", "email": MIA["email"]}
        assert ok(await client.get("/auth/me", headers=bearer(mia)))["is_email_verified"] is True
        assert problem(await client.post("/auth/verify-email", json=body)) == (400, "link_used_up")

    async def test_one_asked_for_again_replaces_the_one_before(
        self, client: httpx.AsyncClient, mia: dict[str, Any], post: Post
    ) -> None:
        first = token_of(await post.newest(MIA["email"]))
        ok(await client.post("/auth/verify-email/resend", headers=bearer(mia)), 202)
        second = token_of(await post.newest(MIA["email"]))
        assert problem(await client.post("/auth/verify-email", json={"token": first})) == (400, "link_used_up")
        ok(await client.post("/auth/verify-email", json={"token": second}))

    @pytest.mark.parametrize("token", ["", "x" * 512, "é", "\x00"])
    async def test_refuses_what_is_no_link(self, client: httpx.AsyncClient, mia: dict[str, Any], token: str) -> None:
        assert problem(await client.post("/auth/verify-email", json={"token": token})) == (400, "link_used_up")


class TestForgotPassword:
    async def test_a_link_sets_a_new_password_and_signs_out_everywhere(
        self, client: httpx.AsyncClient, mia: dict[str, Any], post: Post, factory: Factory
    ) -> None:
        token = await forgot(client, post)
        ok(await client.post("/auth/reset-password", json={"token": token, "password": NEW}))
        assert problem(await client.post("/auth/login", json=MIA)) == (401, "wrong_credentials")
        assert problem(await client.get("/auth/me", headers=bearer(mia))) == (401, "invalid_token")
        refresh = await client.post("/auth/refresh", json={"refresh_token": mia["refresh_token"]})
        assert problem(refresh) == (401, "invalid_token")
        pair = ok(await client.post("/auth/login", json={**MIA, "password": NEW}))
        assert pair["user"]["is_email_verified"] is True  # the link came to the address
        assert (await post.newest(MIA["email"]))["subject"] == "Your password was changed"
        kinds = [row.kind for row in await factory.execute("SELECT kind FROM audit_events ORDER BY id")]
        assert kinds == ["user.registered", "password.reset", "session.signed_in"]

    async def test_answers_alike_and_writes_to_nobody_for_an_unknown_address(
        self, client: httpx.AsyncClient, mia: dict[str, Any], post: Post, factory: Factory
    ) -> None:
        await post.deliver()
        known = await client.post("/auth/forgot-password", json={"email": MIA["email"]})
        unknown = await client.post("/auth/forgot-password", json={"email": "nobody@example.com"})
        assert (known.status_code, known.json()) == (unknown.status_code, unknown.json()) == (200, {"status": "ok"})
        purposes = await factory.execute("SELECT purpose, user_id FROM letter_requests")
        assert [tuple(row) for row in purposes] == [("reset_password", None)] * 2  # kept alike as well
        await post.deliver()
        assert post.subjects("nobody@example.com") == []
        assert post.subjects(MIA["email"])[-1] == "Set a new password"
        assert await factory.count("letter_requests") == 0

    async def test_works_once_and_for_an_hour(
        self, client: httpx.AsyncClient, mia: dict[str, Any], post: Post, api_clock: SteerableClock
    ) -> None:
        body = {"token": await forgot(client, post), "password": NEW}
        ok(await client.post("/auth/reset-password", json=body))
        assert problem(await client.post("/auth/reset-password", json=body)) == (400, "link_used_up")
        late = {"token": await forgot(client, post), "password": "a third good one"}
        api_clock.move(timedelta(minutes=60, seconds=1))
        assert problem(await client.post("/auth/reset-password", json=late)) == (400, "link_used_up")
        ok(await client.post("/auth/login", json={**MIA, "password": NEW}))

    async def test_a_link_for_something_else_does_not_set_a_password(
        self, client: httpx.AsyncClient, mia: dict[str, Any], post: Post
    ) -> None:
        token = token_of(await post.newest(MIA["email"]))
        response = await client.post("/auth/reset-password", json={"token": token, "password": NEW})
        assert problem(response) == (400, "link_used_up")
        ok(await client.post("/auth/verify-email", json={"token": token}))

    async def test_a_password_that_is_too_short_uses_nothing_up(
        self, client: httpx.AsyncClient, mia: dict[str, Any], post: Post
    ) -> None:
        token = await forgot(client, post)
        response = await client.post("/auth/reset-password", json={"token": token, "password": "short"})
        assert problem(response) == (422, "invalid_request")
        ok(await client.post("/auth/reset-password", json={"token": token, "password": NEW}))

    async def test_a_link_asked_for_before_the_address_was_changed_is_void(
        self, client: httpx.AsyncClient, mia: dict[str, Any], post: Post, factory: Factory
    ) -> None:
        token = await forgot(client, post)
        await factory.execute("UPDATE users SET email = 'other@example.com'")
        response = await client.post("/auth/reset-password", json={"token": token, "password": NEW})
        assert problem(response) == (400, "link_used_up")

    async def test_ten_at_once_with_one_link_set_one_password(
        self, real_client: httpx.AsyncClient, committed: Container, sandbox: Sandbox
    ) -> None:
        ok(await real_client.post("/auth/register", json=MIA), 201)
        token = await forgot(real_client, Post(committed, sandbox))
        answers = await asyncio.gather(
            *(
                real_client.post("/auth/reset-password", json={"token": token, "password": f"{NEW} {n}"})
                for n in range(10)
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200, *[400] * 9]
        winner = next(n for n, answer in enumerate(answers) if answer.status_code == 200)
        ok(await real_client.post("/auth/login", json={**MIA, "password": f"{NEW} {winner}"}))

    async def test_the_fourth_letter_in_an_hour_is_not_sent_and_nobody_is_told(
        self, client: httpx.AsyncClient, mia: dict[str, Any], post: Post
    ) -> None:
        answers = [ok(await client.post("/auth/forgot-password", json={"email": MIA["email"]})) for _ in range(6)]
        assert answers == [{"status": "ok"}] * 6
        await post.deliver()
        # signing up has used one of the three
        assert post.subjects(MIA["email"]).count("Set a new password") == 2


class TestChangeEmail:
    async def test_takes_effect_when_the_link_is_followed_and_the_old_address_is_told(
        self, client: httpx.AsyncClient, mia: dict[str, Any], post: Post
    ) -> None:
        await post.deliver()
        body = {"email": "mia@shop.example", "password": MIA["password"]}
        ok(await client.post("/auth/change-email", json=body, headers=bearer(mia)), 202)
        assert ok(await client.get("/auth/me", headers=bearer(mia)))["email"] == MIA["email"]
        token = token_of(await post.newest("mia@shop.example"))
        assert ok(await client.post("/auth/verify-email", json={"token": token}))["email"] == "mia@shop.example"
        ok(await client.post("/auth/login", json={**MIA, "email": "mia@shop.example"}))
        assert problem(await client.post("/auth/login", json=MIA)) == (401, "wrong_credentials")
        assert (await post.newest(MIA["email"]))["subject"] == "Your e-mail address was changed"

    async def test_to_an_address_that_is_taken_by_then_changes_nothing(
        self, client: httpx.AsyncClient, mia: dict[str, Any], post: Post
    ) -> None:
        await post.deliver()
        body = {"email": "tom@example.com", "password": MIA["password"]}
        ok(await client.post("/auth/change-email", json=body, headers=bearer(mia)), 202)
        token = token_of(await post.newest("tom@example.com"))
        ok(await client.post("/auth/register", json={**MIA, "email": "Tom@example.com"}), 201)
        assert problem(await client.post("/auth/verify-email", json={"token": token})) == (409, "email_taken")
        assert ok(await client.get("/auth/me", headers=bearer(mia)))["email"] == MIA["email"]

    async def test_needs_the_password(
        self, client: httpx.AsyncClient, mia: dict[str, Any], factory: Factory, post: Post
    ) -> None:
        await post.deliver()
        body = {"email": "mia@shop.example", "password": "not this one"}
        response = await client.post("/auth/change-email", json=body, headers=bearer(mia))
        assert problem(response) == (400, "wrong_password")
        assert await factory.count("letter_requests") == 0


class TestSignUpThatConfirms:
    """SIGN_UP_CONFIRMS_EMAIL: nobody can find out who has an account here."""

    @pytest.fixture
    async def private(self, container: Container, app: FastAPI) -> Any:
        app.state.container = replace(container, sign_in=SignInRules(container.sign_in.tokens, confirms_email=True))
        yield
        app.state.container = container

    async def test_answers_alike_for_known_and_unknown_addresses(
        self, client: httpx.AsyncClient, post: Post, private: None, factory: Factory
    ) -> None:
        first = await client.post("/auth/register", json=MIA)
        again = await client.post("/auth/register", json={**MIA, "password": NEW})
        assert (first.status_code, first.json()) == (again.status_code, again.json())
        assert (first.status_code, first.json()) == (202, {"status": "confirmation_sent"})
        await post.deliver()
        assert sorted(post.subjects(MIA["email"])) == ["Confirm your e-mail address", "You already have an account"]
        assert await factory.count("users") == 1

    async def test_nobody_is_signed_in_before(self, client: httpx.AsyncClient, post: Post, private: None) -> None:
        ok(await client.post("/auth/register", json=MIA), 202)
        assert problem(await client.post("/auth/login", json=MIA)) == (401, "wrong_credentials")
        ok(await client.post("/auth/verify-email", json={"token": token_of(await post.newest(MIA["email"]))}))
        ok(await client.post("/auth/login", json=MIA))


class TestLetterWork:
    async def test_two_workers_send_each_letter_once(
        self, real_client: httpx.AsyncClient, make_worker: MakeWorker, sandbox: Sandbox, rows: Factory
    ) -> None:
        for n in range(12):
            ok(await real_client.post("/auth/register", json={**MIA, "email": f"mia{n}@example.com"}), 201)
        sent = await asyncio.gather(*(make_worker().letters.work() for _ in range(3)))
        assert sum(sent) == 12
        assert [len(sandbox.mails(f"mia{n}@example.com")) for n in range(12)] == [1] * 12
        assert await make_worker().letters.work() == 0

    async def test_one_that_the_server_does_not_take_now_is_sent_later_with_a_link_that_works(
        self, real_client: httpx.AsyncClient, committed: Container, sandbox: Sandbox, rows: Factory
    ) -> None:
        ok(await real_client.post("/auth/register", json=MIA), 201)
        sandbox.fault("mail.recipient", "error_before", status=450)
        assert await committed.letters.work() == 0
        assert await committed.letters.work() == 0  # not due yet
        await rows.execute("UPDATE letter_requests SET due_at = now()")
        assert await committed.letters.work() == 1
        token = token_of(sandbox.mails(MIA["email"])[0])
        ok(await real_client.post("/auth/verify-email", json={"token": token}))

    async def test_a_worker_that_died_while_sending_is_followed_by_another(
        self, real_client: httpx.AsyncClient, committed: Container, sandbox: Sandbox, rows: Factory
    ) -> None:
        ok(await real_client.post("/auth/register", json=MIA), 201)
        await rows.execute("UPDATE letter_requests SET lease_until = now() + interval '1 hour', tries = 1")
        assert await committed.letters.work() == 0
        await rows.execute("UPDATE letter_requests SET lease_until = now() - interval '1 s'")
        assert await committed.letters.work() == 1
        assert await rows.count("letter_requests") == 0

    async def test_nothing_at_rest_lets_anybody_in(
        self, client: httpx.AsyncClient, mia: dict[str, Any], post: Post, factory: Factory
    ) -> None:
        token = await forgot(client, post)
        kept = str([tuple(row) for row in await factory.execute("SELECT * FROM one_time_tokens")])
        assert len(await factory.execute("SELECT 1 FROM one_time_tokens")) == 2
        assert token not in kept


def test_is_told_in_the_description() -> None:
    responses = create_app().openapi()["paths"]["/api/v1/auth/register"]["post"]["responses"]
    assert {"201", "202", "409", "422", "429"} <= set(responses)


async def test_too_many_letters_from_one_place_are_refused(client: httpx.AsyncClient, container: Container) -> None:
    answers = [await client.post("/auth/forgot-password", json={"email": f"a{n}@example.com"}) for n in range(31)]
    assert [answer.status_code for answer in answers] == [200] * 30 + [429]
    assert problem(answers[-1]) == (429, "too_many_tries")
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 3600
    assert "Wait" in detail(answers[-1])
