"""What platforms send by themselves: verified, kept once, and used."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from factories.answers import ok, problem
from factories.make import Factory, MadeUser
from fastapi import FastAPI

from app.composition import Container
from app.domain.vocabulary import PostStatus
from app.settings import Settings


@pytest.fixture
def key(settings: Settings) -> bytes:
    return settings.sandbox_app_secret.get_secret_value().encode()


async def send_meta(client: httpx.AsyncClient, key: bytes, payload: Any, *, signature: str | None = None) -> Any:
    body = json.dumps(payload).encode()
    given = "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest() if signature is None else signature
    return await client.post("/webhooks/meta", content=body, headers={"X-Hub-Signature-256": given})


async def send_tiktok(
    client: httpx.AsyncClient, key: bytes, event: str, openid: str, *, at: int | None = None, **content: Any
) -> Any:
    payload = {
        "client_key": "awx",
        "event": event,
        "create_time": int(time.time()) if at is None else at,
        "user_openid": openid,
        "content": json.dumps(content),
    }
    body = json.dumps(payload).encode()
    signature = hmac.new(key, b"1770210874." + body, hashlib.sha256).hexdigest()
    return await client.post(
        "/webhooks/tiktok", content=body, headers={"TikTok-Signature": f"t=1770210874,s={signature}"}
    )


def signed_request(key: bytes, user_id: str, *, at: float | None = None) -> str:
    payload = {"algorithm": "HMAC-SHA256", "issued_at": int(time.time() if at is None else at), "user_id": user_id}
    encoded = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=")
    signature = base64.urlsafe_b64encode(hmac.new(key, encoded, hashlib.sha256).digest()).rstrip(b"=")
    return f"{signature.decode()}.{encoded.decode()}"


def feed(page: str, **value: Any) -> dict[str, Any]:
    return {"object": "page", "entry": [{"id": page, "time": 1, "changes": [{"field": "feed", "value": value}]}]}


class TestMeta:
    async def test_challenge(self, client: httpx.AsyncClient, settings: Settings) -> None:
        token = settings.meta_webhook_verify_token.get_secret_value()
        query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": token}
        response = await client.get("/webhooks/meta", params=query)
        assert (response.status_code, response.text) == (200, "1158201444")
        assert response.headers["content-type"].startswith("text/plain")
        for change in ({"hub.verify_token": "wrong"}, {"hub.mode": "unsubscribe"}):
            assert problem(await client.get("/webhooks/meta", params={**query, **change})) == (401, "invalid_signature")

    @pytest.mark.parametrize("signature", ["", "sha256=00", "sha256="])
    async def test_a_wrong_signature_keeps_nothing(
        self, client: httpx.AsyncClient, factory: Factory, key: bytes, signature: str
    ) -> None:
        payload = feed("1", item="comment", verb="add", post_id="1_2")
        response = await send_meta(client, key, payload, signature=signature)
        assert problem(response) == (401, "invalid_signature")
        assert await factory.count("inbound_events") == 0

    async def test_a_signed_body_without_form(self, client: httpx.AsyncClient, factory: Factory, key: bytes) -> None:
        assert problem(await send_meta(client, key, [1])) == (422, "invalid_request")
        assert await factory.count("inbound_events") == 0

    async def test_is_kept_once_however_often_it_comes(
        self, client: httpx.AsyncClient, factory: Factory, key: bytes, api_sent: list[str]
    ) -> None:
        payload = feed("1", item="comment", verb="add", post_id="1_2", comment_id="3")
        assert ok(await send_meta(client, key, payload)) == {"new": 1}
        assert ok(await send_meta(client, key, payload)) == {"new": 0}
        assert await factory.count("inbound_events") == 1
        assert api_sent == ["events.work"]

    async def test_what_is_of_no_use_is_not_kept(self, client: httpx.AsyncClient, factory: Factory, key: bytes) -> None:
        assert ok(await send_meta(client, key, feed("1", item="status", verb="edited", post_id="1_2"))) == {"new": 0}
        assert await factory.count("inbound_events") == 0

    async def test_a_comment_has_the_numbers_read(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, key: bytes, container: Container
    ) -> None:
        account = await factory.account(signed_in, platform="facebook", account_id_external="1755")
        post = await factory.post(signed_in, account, status=PostStatus.posted, platform_post_id="1755_9")
        await factory.execute(
            """
            INSERT INTO post_metrics (id, post_id, user_id, account_id, platform, posted_at, next_fetch_at, fetched_at)
            VALUES (gen_random_uuid(), :post, :user, :account, 'facebook', now() - interval '1 day',
                    now() + interval '5 days', now() - interval '10 minutes')
            """,
            post=post.id,
            user=signed_in.id,
            account=account.id,
        )
        ok(await send_meta(client, key, feed("1755", item="comment", verb="add", post_id="1755_9")))
        assert await container.events.work() == 1
        assert await factory.scalar("SELECT next_fetch_at <= clock_timestamp() FROM post_metrics") is True
        assert await factory.scalar("SELECT outcome FROM inbound_events") == "used"
        assert await container.events.work() == 0

    async def test_a_removed_post_is_looked_at(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, key: bytes, container: Container
    ) -> None:
        account = await factory.account(signed_in, platform="facebook", account_id_external="1755")
        post = await factory.post(signed_in, account, status=PostStatus.posted, platform_post_id="1755_9")
        await factory.execute(
            """
            INSERT INTO follow_ups (id, post_id, account_id, kind, due_at, done_at, outcome)
            VALUES (gen_random_uuid(), :post, :account, 'live', now() - interval '1 day', now(), 'seen')
            """,
            post=post.id,
            account=account.id,
        )
        ok(await send_meta(client, key, feed("1755", item="post", verb="remove", post_id="1755_9")))
        await container.events.work()
        (row,) = await factory.execute("SELECT * FROM follow_ups")
        assert (row.done_at, row.outcome) == (None, None)

    async def test_events_of_unknown_accounts_are_put_away(
        self, client: httpx.AsyncClient, factory: Factory, key: bytes, container: Container
    ) -> None:
        ok(await send_meta(client, key, feed("404", item="comment", verb="add", post_id="404_1")))
        assert await container.events.work() == 1
        assert await factory.scalar("SELECT outcome FROM inbound_events") == "unknown_account"


class TestTikTok:
    async def test_a_wrong_signature_keeps_nothing(
        self, client: httpx.AsyncClient, factory: Factory, key: bytes
    ) -> None:
        response = await send_tiktok(client, b"other", "authorization.removed", "open-1")
        assert problem(response) == (401, "invalid_signature")
        assert await factory.count("inbound_events") == 0

    async def test_removed_authorization_holds_the_posts(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, key: bytes, container: Container
    ) -> None:
        account = await factory.account(signed_in, platform="tiktok", account_id_external="open-1")
        other = await factory.account(signed_in, platform="tiktok", account_id_external="open-2")
        ok(await send_tiktok(client, key, "authorization.removed", "open-1", reason=1))
        await container.events.work()
        shown = {item["id"]: item for item in ok(await client.get("/accounts"))}
        assert shown[str(account.id)]["status"] == "revoked"
        assert shown[str(other.id)]["status"] == "connected"

    async def test_an_old_removal_does_not_end_a_newer_connection(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, key: bytes, container: Container
    ) -> None:
        await factory.account(signed_in, platform="tiktok", account_id_external="open-1")
        await factory.execute("UPDATE social_accounts SET connected_at = now()")
        ok(await send_tiktok(client, key, "authorization.removed", "open-1", at=int(time.time()) - 3_600, reason=5))
        await container.events.work()
        (shown,) = ok(await client.get("/accounts"))
        assert shown["status"] == "connected"
        assert await factory.scalar("SELECT outcome FROM inbound_events") == "connected_since"

    async def test_what_waits_before_it_begins_anew_is_not_hurried(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, key: bytes, container: Container
    ) -> None:
        account = await factory.account(signed_in, platform="tiktok", account_id_external="open-1")
        post = await factory.post(signed_in, account, status=PostStatus.publishing)
        await factory.execute(
            """
            INSERT INTO publications (id, post_id, user_id, account_id, run, step, progress, scheduled_for, due_at,
                                      started_at)
            VALUES (gen_random_uuid(), :post, :user, :account, 1, 'process',
                    '{"data": {"reason": "quota_used_up", "tries": 1}}', now(), now() + interval '6 hours', now())
            """,
            post=post.id,
            user=signed_in.id,
            account=account.id,
        )
        ok(await send_tiktok(client, key, "post.publish.failed", "open-1", publish_id="v_pub_file~1", reason="x"))
        await container.events.work()
        assert await factory.scalar("SELECT due_at > clock_timestamp() + interval '5 hours' FROM publications") is True

    @pytest.mark.parametrize("step", ["confirm", "process"])
    async def test_progress_has_the_publication_looked_at_now(
        self,
        client: httpx.AsyncClient,
        signed_in: MadeUser,
        factory: Factory,
        key: bytes,
        container: Container,
        api_sent: list[str],
        step: str,
    ) -> None:
        account = await factory.account(signed_in, platform="tiktok", account_id_external="open-1")
        post = await factory.post(signed_in, account, status=PostStatus.publishing)
        await factory.execute(
            """
            INSERT INTO publications (id, post_id, user_id, account_id, run, step, progress, scheduled_for, due_at,
                                      started_at)
            VALUES (gen_random_uuid(), :post, :user, :account, 1, :step,
                    '{"data": {"publish_id": "v_pub_file~1"}}', now(), now() + interval '10 minutes', now())
            """,
            post=post.id,
            user=signed_in.id,
            account=account.id,
            step=step,
        )
        await factory.execute(
            """
            INSERT INTO publishing_lanes (account_id, due_at) VALUES (:account, now() + interval '10 minutes')
            ON CONFLICT (account_id) DO UPDATE SET due_at = excluded.due_at
            """,
            account=account.id,
        )
        ok(await send_tiktok(client, key, "post.publish.complete", "open-1", publish_id="v_pub_file~1"))
        await container.events.work()
        assert await factory.scalar("SELECT due_at <= clock_timestamp() FROM publications") is True
        assert await factory.scalar("SELECT due_at <= clock_timestamp() FROM publishing_lanes") is True
        assert "publishing.advance" in api_sent


class TestCallbacks:
    async def make(self, factory: Factory, user: MadeUser, name: str, owner: str) -> Any:
        account = await factory.account(user, platform="facebook", account_name=name)
        await factory.execute(
            "UPDATE social_accounts SET owner_ids_external = ARRAY[:owner], avatar_url = 'https://x/y', "
            "connected_at = now() - interval '1 day' WHERE id = :id",
            owner=owner,
            id=account.id,
        )
        return account

    async def test_deauthorize_cuts_off_every_account_of_the_person(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, key: bytes
    ) -> None:
        for name in ("First", "Second"):
            await self.make(factory, signed_in, name, "218471")
        await self.make(factory, signed_in, "Third", "999")
        body = {"signed_request": signed_request(key, "218471")}
        assert ok(await client.post("/webhooks/meta/deauthorize", data=body)) == {"new": 2}
        states = {item["account_name"]: item["status"] for item in ok(await client.get("/accounts"))}
        assert states == {"First": "revoked", "Second": "revoked", "Third": "connected"}

    @pytest.mark.parametrize("path", ["deauthorize", "data-deletion"])
    async def test_what_was_said_before_the_account_was_connected_is_not_about_it(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, key: bytes, path: str
    ) -> None:
        """A late or repeated delivery."""
        await self.make(factory, signed_in, "First", "218471")
        await factory.execute("UPDATE social_accounts SET connected_at = now()")
        body = {"signed_request": signed_request(key, "218471", at=time.time() - 3_600)}
        ok(await client.post(f"/webhooks/meta/{path}", data=body))
        (shown,) = ok(await client.get("/accounts"))
        assert (shown["status"], shown["account_name"]) == ("connected", "First")

    @pytest.mark.parametrize("path", ["deauthorize", "data-deletion"])
    async def test_a_wrong_signature_does_nothing(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, path: str
    ) -> None:
        await self.make(factory, signed_in, "First", "218471")
        body = {"signed_request": signed_request(b"other", "218471")}
        assert problem(await client.post(f"/webhooks/meta/{path}", data=body)) == (401, "invalid_signature")
        (shown,) = ok(await client.get("/accounts"))
        assert (shown["status"], shown["account_name"]) == ("connected", "First")
        assert await factory.count("deletion_requests") == 0

    async def test_data_deletion_deletes_what_meta_told_and_shows_it(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, key: bytes, pages: httpx.AsyncClient
    ) -> None:
        account = await self.make(factory, signed_in, "First", "218471")
        post = await factory.post(
            signed_in, account, status=PostStatus.posted, platform_post_id="1_2", permalink="https://www.facebook.com/1"
        )
        body = {"signed_request": signed_request(key, "218471")}
        answer = ok(await client.post("/webhooks/meta/data-deletion", data=body))
        assert answer["url"].endswith(f"/data-deletion/{answer['confirmation_code']}")
        (shown,) = ok(await client.get("/accounts"))
        assert (shown["account_name"], shown["account_id_external"], shown["avatar_url"], shown["status"]) == (
            "Deleted account",
            None,
            None,
            "revoked",
        )
        assert await factory.scalar("SELECT owner_ids_external FROM social_accounts") == []
        kept = await factory.reload(post.id)
        assert (kept.content, kept.platform_post_id, kept.permalink) == (post.content, None, None)
        page = await pages.get(f"/data-deletion/{answer['confirmation_code']}")
        assert page.status_code == 200
        assert "one connected account" in page.text
        assert (await pages.get("/data-deletion/unknown")).status_code == 404

    async def test_a_person_we_do_not_know_gets_an_honest_answer(
        self, client: httpx.AsyncClient, key: bytes, pages: httpx.AsyncClient
    ) -> None:
        body = {"signed_request": signed_request(key, "nobody")}
        answer = ok(await client.post("/webhooks/meta/data-deletion", data=body))
        page = await pages.get(f"/data-deletion/{answer['confirmation_code']}")
        assert "Nothing was stored about this person" in page.text


@pytest.fixture
async def pages(container: Container, app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the pages outside the API."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as http:
        yield http
