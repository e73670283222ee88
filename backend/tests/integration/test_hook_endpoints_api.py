"""Endpoints of outgoing webhooks: kept with their secret encrypted, tried out, looked through, sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from factories.answers import field_errors, ok, problem
from factories.keys import KEY_1, KEY_2
from factories.make import Factory, MadeUser
from factories.receiver import HookReceiver, is_signed
from pydantic import SecretStr
from standardwebhooks import Webhook

from app.composition import Container
from app.services.key_rotation import KeyRotation

PATH = "/webhook-endpoints"
SHOP = "https://93.184.216.34/hooks"


@pytest.fixture
def receiver() -> Iterator[HookReceiver]:
    built = HookReceiver()
    built.start()
    yield built
    built.stop()


async def create(client: httpx.AsyncClient, url: str = SHOP, **fields: Any) -> dict[str, Any]:
    return dict(ok(await client.post(PATH, json={"url": url, **fields}), 201))


class TestKeeping:
    async def test_the_secret_is_shown_once_and_kept_encrypted(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser
    ) -> None:
        made = await create(client, description="Order desk", events=["post.posted", "post.failed", "post.posted"])
        secret = made.pop("secret")
        assert secret.startswith("whsec_")
        assert made["events"] == ["post.failed", "post.posted"]
        assert ok(await client.get(PATH)) == [made]
        assert ok(await client.get(f"{PATH}/{made['id']}")) == made
        row = (await factory.execute("SELECT * FROM webhook_endpoints"))[0]
        assert secret.removeprefix("whsec_").encode() not in row.secret_ciphertext

    async def test_changes_only_what_is_given(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        made = await create(client, events=["post.posted"], description="Order desk")
        made.pop("secret")
        changed = ok(await client.patch(f"{PATH}/{made['id']}", json={"is_active": False}))
        assert (changed["is_active"], changed["events"], changed["description"]) == (
            False,
            ["post.posted"],
            "Order desk",
        )
        changed = ok(await client.patch(f"{PATH}/{made['id']}", json={"events": [], "url": SHOP + "/2"}))
        assert (changed["is_active"], changed["events"], changed["url"]) == (False, [], SHOP + "/2")

    async def test_deleting_takes_the_log_along(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, receiver: HookReceiver
    ) -> None:
        made = await create(client, receiver.url)
        ok(await client.post(f"{PATH}/{made['id']}/test"))
        assert (await client.delete(f"{PATH}/{made['id']}")).status_code == 204
        assert await factory.count("webhook_deliveries") == 0
        assert problem(await client.delete(f"{PATH}/{made['id']}")) == (404, "webhook_endpoint_not_found")

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"url": "https://127.0.0.1/"}, ("body.url", "webhook_url_not_public")),
            ({"url": "http://93.184.216.34/"}, ("body.url", "webhook_url_not_https")),
            ({"url": SHOP, "events": ["post.eaten"]}, ("body.events.0", "enum")),
            ({"url": ""}, ("body.url", "string_too_short")),
            ({"url": SHOP, "secret": "mine"}, ("body.secret", "extra_forbidden")),
        ],
    )
    async def test_what_makes_no_sense_is_refused_by_field(
        self,
        client: httpx.AsyncClient,
        factory: Factory,
        signed_in: MadeUser,
        fields: dict[str, Any],
        error: tuple[str, str],
    ) -> None:
        assert field_errors(await client.post(PATH, json=fields)) == [error]
        assert await factory.count("webhook_endpoints") == 0

    async def test_there_are_at_most_twenty_however_many_ask_at_once(
        self, real_client: httpx.AsyncClient, rows: Factory, owner: MadeUser
    ) -> None:
        answers = await asyncio.gather(*(real_client.post(PATH, json={"url": SHOP}) for _ in range(30)))
        assert sorted(answer.status_code for answer in answers) == [201] * 20 + [409] * 10
        assert await rows.count("webhook_endpoints") == 20

    async def test_somebody_elses_is_not_there(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, receiver: HookReceiver
    ) -> None:
        made = await create(client, receiver.url)
        delivery = ok(await client.post(f"{PATH}/{made['id']}/test"))
        client.headers.update((await factory.user()).headers)
        path = f"{PATH}/{made['id']}"
        for method, address, body in (
            ("GET", path, None),
            ("PATCH", path, {"is_active": False}),
            ("DELETE", path, None),
            ("POST", f"{path}/rotate-secret", None),
            ("POST", f"{path}/test", None),
            ("GET", f"{path}/deliveries", None),
            ("POST", f"{path}/deliveries/{delivery['id']}/replay", None),
        ):
            response = await client.request(method, address, json=body)
            assert problem(response) == (404, "webhook_endpoint_not_found"), address
        assert ok(await client.get(PATH)) == []
        assert len(receiver.got) == 1
        assert await factory.scalar("SELECT is_active FROM webhook_endpoints") is True


class TestTrying:
    async def test_a_test_says_what_the_receiver_answered(
        self, client: httpx.AsyncClient, signed_in: MadeUser, receiver: HookReceiver
    ) -> None:
        made = await create(client, receiver.url, events=["post.failed"])
        delivery = ok(await client.post(f"{PATH}/{made['id']}/test"))
        (got,) = receiver.got
        assert Webhook(made["secret"]).verify(got.body, got.headers)["type"] == "webhook.test"
        assert (delivery["outcome"], delivery["last_status"], delivery["webhook_id"]) == (
            "delivered",
            204,
            got.webhook_id,
        )

    async def test_one_that_fails_is_not_tried_again_and_blames_nobody(
        self, client: httpx.AsyncClient, container: Container, signed_in: MadeUser, receiver: HookReceiver
    ) -> None:
        made = await create(client, receiver.url)
        receiver.answer, receiver.says = lambda _payload: 500, b"no room"
        delivery = ok(await client.post(f"{PATH}/{made['id']}/test"))
        assert (delivery["outcome"], delivery["last_error"]) == ("given_up", "It answered 500: no room")
        assert await container.hook_delivery.work() == 0
        assert ok(await client.get(f"{PATH}/{made['id']}"))["failing_since"] is None

    async def test_a_new_secret_signs_from_now_on(
        self, client: httpx.AsyncClient, signed_in: MadeUser, receiver: HookReceiver
    ) -> None:
        made = await create(client, receiver.url)
        fresh = ok(await client.post(f"{PATH}/{made['id']}/rotate-secret"))
        assert fresh["secret"] != made["secret"]
        ok(await client.post(f"{PATH}/{made['id']}/test"))
        (got,) = receiver.got
        assert is_signed(got, fresh["secret"])
        assert not is_signed(got, made["secret"])

    async def test_secrets_open_after_the_keys_were_rotated(
        self, real_client: httpx.AsyncClient, rows: Factory, owner: MadeUser, receiver: HookReceiver, make_worker: Any
    ) -> None:
        made = await create(real_client, receiver.url)
        both = make_worker("both", token_encryption_keys=SecretStr(f"{KEY_2},{KEY_1}"))
        assert (await KeyRotation(both.sessions, both.keyring).run()).changed["webhook_endpoints"] == 1
        assert await rows.scalar("SELECT key_version FROM webhook_endpoints") == "v2"
        alone = make_worker("alone", token_encryption_keys=SecretStr(KEY_2))
        await alone.hook_endpoints.test(owner.id, UUID(made["id"]))
        assert is_signed(receiver.got[0], made["secret"])


class TestLog:
    async def test_is_paged_newest_first_and_sends_again_under_the_same_id(
        self,
        client: httpx.AsyncClient,
        container: Container,
        factory: Factory,
        signed_in: MadeUser,
        receiver: HookReceiver,
    ) -> None:
        made = await create(client, receiver.url, events=["post.scheduled", "post.failed"])
        account = await factory.account(signed_in)
        post = await factory.post(signed_in, account)
        for status in ("scheduled", "failed"):
            await factory.execute("UPDATE posts SET status = :status WHERE id = :id", id=post.id, status=status)
        await container.hand_on.work()
        receiver.answer = lambda payload: 500 if payload["type"] == "post.failed" else 200
        await container.hook_delivery.work()
        path = f"{PATH}/{made['id']}/deliveries"
        page = ok(await client.get(path))
        assert [(item["type"], item["outcome"]) for item in page["items"]] == [
            ("post.failed", "open"),
            ("post.scheduled", "delivered"),
        ]
        assert page["items"][0]["next_try_at"] is not None
        assert page["items"][0]["last_error"] == "It answered 500."
        assert [item["type"] for item in ok(await client.get(f"{path}?outcome=open"))["items"]] == ["post.failed"]
        first = page["items"][1]
        replay = ok(await client.post(f"{path}/{first['id']}/replay"), 202)
        again = ok(await client.post(f"{path}/{first['id']}/replay"), 202)
        assert replay["webhook_id"] == again["webhook_id"] == first["webhook_id"]
        assert len({first["id"], replay["id"], again["id"]}) == 3
        assert (replay["is_replay"], replay["outcome"]) == (True, "open")
        receiver.answer = lambda _payload: 200
        await factory.execute("UPDATE webhook_deliveries SET due_at = now() - interval '1 s' WHERE ended_at IS NULL")
        await container.hook_delivery.work()
        assert [got.type for got in receiver.taken()] == [
            "post.scheduled",
            "post.failed",
            "post.scheduled",
            "post.scheduled",
        ]

    async def test_knows_no_delivery_of_another_endpoint(
        self, client: httpx.AsyncClient, signed_in: MadeUser, receiver: HookReceiver
    ) -> None:
        first, second = await create(client, receiver.url), await create(client, receiver.url)
        delivery = ok(await client.post(f"{PATH}/{first['id']}/test"))
        response = await client.post(f"{PATH}/{second['id']}/deliveries/{delivery['id']}/replay")
        assert problem(response) == (404, "webhook_delivery_not_found")
