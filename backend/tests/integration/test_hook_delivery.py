"""Webhooks on their way to a real receiver that is up, down, slow, or does not want them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from factories.clock import SteerableClock
from factories.make import Factory, MadeUser
from factories.receiver import HookReceiver, is_signed
from standardwebhooks import Webhook

from app.composition import Container
from app.domain.happenings import GIVE_UP
from app.hooks.http import Answer, HookHttp
from app.models import WebhookEndpoint
from app.services.onward.hook_endpoints import NewEndpoint

DAY = timedelta(days=1)


@pytest.fixture
def receiver() -> Iterator[HookReceiver]:
    built = HookReceiver()
    built.start()
    yield built
    built.stop()


@pytest.fixture
async def user(rows: Factory) -> MadeUser:
    found = await rows.user()
    await rows.execute("UPDATE user_events SET handled_at = now()")
    return found


async def listen(worker: Container, user: MadeUser, receiver: HookReceiver, *events: str) -> NewEndpoint:
    return await worker.hook_endpoints.create(user.id, url=receiver.url, description="", events=list(events))


async def posts_of(rows: Factory, user: MadeUser, count: int) -> list[UUID]:
    account = await rows.account(user)
    await rows.execute("UPDATE user_events SET handled_at = now()")
    return [(await rows.post(user, account)).id for _ in range(count)]


async def become(rows: Factory, post_id: UUID, status: str) -> None:
    await rows.execute("UPDATE posts SET status = :status WHERE id = :id", id=post_id, status=status)


async def open_count(rows: Factory) -> int:
    return int(await rows.scalar("SELECT count(*) FROM webhook_deliveries WHERE ended_at IS NULL"))


async def endpoint_row(rows: Factory, new: NewEndpoint) -> Any:
    return (await rows.execute("SELECT * FROM webhook_endpoints WHERE id = :id", id=new.endpoint.id))[0]


class TestDelivering:
    async def test_says_what_happened_signed_as_standard_webhooks(
        self, worker: Container, rows: Factory, user: MadeUser, receiver: HookReceiver
    ) -> None:
        new = await listen(worker, user, receiver)
        (post,) = await posts_of(rows, user, 1)
        await become(rows, post, "posted")
        assert await worker.hand_on.work() == 1
        assert await worker.hook_delivery.work() == 1
        (got,) = receiver.got
        event_id = await rows.scalar("SELECT max(id) FROM user_events")
        assert Webhook(new.secret).verify(got.body, got.headers) == got.payload
        assert got.webhook_id == f"evt_{event_id}"
        assert list(got.payload) == ["type", "timestamp", "data"]
        assert (got.type, got.subject) == ("post.posted", str(post))
        assert got.payload["data"]["platform"] == "facebook"
        assert got.headers["content-type"] == "application/json"
        delivery = (await rows.execute("SELECT * FROM webhook_deliveries"))[0]
        assert (delivery.outcome, delivery.last_status, delivery.tries) == ("delivered", 204, 1)

    async def test_only_what_an_endpoint_asked_for(
        self, worker: Container, rows: Factory, user: MadeUser, receiver: HookReceiver
    ) -> None:
        await listen(worker, user, receiver, "post.failed")
        stranger = await rows.user()
        await listen(worker, stranger, receiver)
        first, second = await posts_of(rows, user, 2)
        await become(rows, first, "posted")
        await become(rows, second, "failed")
        await worker.hand_on.work()
        await worker.hook_delivery.work()
        assert [(got.type, got.subject) for got in receiver.got] == [("post.failed", str(second))]

    async def test_twice_in_a_row_delivers_once(
        self, worker: Container, rows: Factory, user: MadeUser, receiver: HookReceiver
    ) -> None:
        await listen(worker, user, receiver)
        (post,) = await posts_of(rows, user, 1)
        await become(rows, post, "posted")
        assert [await worker.hand_on.work(), await worker.hand_on.work()] == [1, 0]
        assert [await worker.hook_delivery.work(), await worker.hook_delivery.work()] == [1, 0]
        assert len(receiver.got) == 1

    async def test_two_workers_at_once_deliver_each_once_and_in_order(
        self, make_worker: Any, rows: Factory, user: MadeUser, receiver: HookReceiver
    ) -> None:
        workers = [make_worker(f"worker-{n}") for n in range(3)]
        await listen(workers[0], user, receiver)
        posts = await posts_of(rows, user, 20)
        for status in ("scheduled", "on_hold", "scheduled", "posted"):
            for post in posts:
                await become(rows, post, status)
        receiver.delay_seconds = 0.005
        assert sum(await asyncio.gather(*(one.hand_on.work() for one in workers))) == 80
        while await open_count(rows):
            await asyncio.gather(*(one.hook_delivery.work() for one in workers))
        assert len(receiver.got) == 80
        assert len({got.webhook_id for got in receiver.got}) == 80
        order = defaultdict(list)
        for got in receiver.got:
            order[got.subject].append(got.type)
        told = ["post.scheduled", "post.held", "post.scheduled", "post.posted"]
        assert [order[str(post)] for post in posts] == [told] * 20

    async def test_killed_between_call_and_record_is_sent_again_under_the_same_id(
        self,
        monkeypatch: pytest.MonkeyPatch,
        make_worker: Any,
        rows: Factory,
        user: MadeUser,
        receiver: HookReceiver,
        clock: SteerableClock,
    ) -> None:
        dying, heir = make_worker("dying"), make_worker("heir")
        new = await listen(heir, user, receiver)
        (post,) = await posts_of(rows, user, 1)
        await become(rows, post, "posted")
        await heir.hand_on.work()
        reached = asyncio.Event()

        async def never(*_arguments: Any) -> None:
            reached.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(dying.hook_delivery, "_record", never)
        task = asyncio.create_task(dying.hook_delivery.work())
        async with asyncio.timeout(10):
            await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await heir.hook_delivery.work() == 0  # the lease is still the other's
        clock.move(timedelta(seconds=61))
        assert await heir.hook_delivery.work() == 1
        assert [got.webhook_id for got in receiver.got] == [receiver.got[0].webhook_id] * 2
        assert all(is_signed(got, new.secret) for got in receiver.got)
        assert await open_count(rows) == 0

    async def test_who_has_lost_its_lease_records_nothing(
        self, make_worker: Any, rows: Factory, user: MadeUser, receiver: HookReceiver, clock: SteerableClock
    ) -> None:
        slow, heir = make_worker("slow"), make_worker("heir")
        await listen(heir, user, receiver)
        (post,) = await posts_of(rows, user, 1)
        await become(rows, post, "posted")
        await heir.hand_on.work()
        record, late = slow.hook_delivery._record, []

        async def keep(claimed: Any, _answer: Answer) -> None:
            late.append(claimed)

        slow.hook_delivery._record = keep  # type: ignore[method-assign]
        await slow.hook_delivery._round()
        clock.move(timedelta(seconds=61))
        await heir.hook_delivery.work()
        await record(late[0], Answer(500, "It answered 500."))
        delivery = (await rows.execute("SELECT * FROM webhook_deliveries"))[0]
        assert (delivery.outcome, delivery.last_status) == ("delivered", 204)


class TestReceiverIsDown:
    async def test_for_a_day_and_gets_every_event_once_it_is_back_in_order_per_post(
        self, make_worker: Any, rows: Factory, user: MadeUser, receiver: HookReceiver, clock: SteerableClock
    ) -> None:
        """Must show 7: 25 posts with four events each over a day in which nobody listens."""
        workers = [make_worker("worker-a"), make_worker("worker-b")]
        new = await listen(workers[0], user, receiver)
        posts = await posts_of(rows, user, 25)
        receiver.stop()
        stories = {post: iter(("scheduled", "on_hold", "scheduled", "posted")) for post in posts}
        for hour in range(24):
            for post in posts[hour % 5 :: 5]:
                status = next(stories[post], None)
                if status is not None:
                    await become(rows, post, status)
            await asyncio.gather(*(one.hand_on.work() for one in workers))
            await asyncio.gather(*(one.hook_delivery.work() for one in workers))
            clock.move(timedelta(hours=1))
        assert receiver.got == []
        assert await rows.count("webhook_deliveries") == 100
        assert await open_count(rows) == 100
        assert (await endpoint_row(rows, new)).failing_since is not None
        receiver.start()
        back_at = clock()
        while await open_count(rows):
            clock.move(timedelta(minutes=5))
            await asyncio.gather(*(one.hook_delivery.work() for one in workers))
            assert clock() - back_at <= timedelta(minutes=65), "what waited was not tried within its longest wait"
        assert len(receiver.got) == 100
        assert len({got.webhook_id for got in receiver.got}) == 100
        assert all(is_signed(got, new.secret) for got in receiver.got)
        order = defaultdict(list)
        for got in receiver.got:
            order[got.subject].append(got.type)
        told = ["post.scheduled", "post.held", "post.scheduled", "post.posted"]
        assert {post: order[str(post)] for post in posts} == dict.fromkeys(posts, told)
        assert (await endpoint_row(rows, new)).failing_since is None

    async def test_a_post_that_is_not_taken_does_not_hold_up_others(
        self, worker: Container, rows: Factory, user: MadeUser, receiver: HookReceiver, clock: SteerableClock
    ) -> None:
        await listen(worker, user, receiver)
        stuck, free = await posts_of(rows, user, 2)
        receiver.answer = lambda payload: 500 if payload["data"]["id"] == str(stuck) else 200
        for status in ("scheduled", "posted"):
            await become(rows, stuck, status)
            await become(rows, free, status)
        await worker.hand_on.work()
        await worker.hook_delivery.work()
        assert [got.type for got in receiver.got if got.subject == str(free)] == ["post.scheduled", "post.posted"]
        assert [got.type for got in receiver.got if got.subject == str(stuck)] == ["post.scheduled"]
        receiver.answer = lambda _payload: 200
        clock.move(timedelta(minutes=1))
        await worker.hook_delivery.work()
        assert [got.type for got in receiver.taken() if got.subject == str(stuck)] == ["post.scheduled", "post.posted"]

    async def test_for_longer_than_three_days_loses_the_event_and_the_lane_goes_on(
        self, worker: Container, rows: Factory, user: MadeUser, receiver: HookReceiver, clock: SteerableClock
    ) -> None:
        await listen(worker, user, receiver)
        (post,) = await posts_of(rows, user, 1)
        receiver.answer = lambda payload: 503 if payload["type"] == "post.scheduled" else 200
        await become(rows, post, "scheduled")
        await worker.hand_on.work()
        tries = 0
        for _ in range(200):
            tries += await worker.hook_delivery.work()
            if not await open_count(rows):
                break
            if clock() - (await rows.execute("SELECT min(created_at) FROM webhook_deliveries"))[0][0] > 2 * DAY:
                await become(rows, post, "posted")
                await worker.hand_on.work()
            clock.move(timedelta(hours=1))
        scheduled, posted = await rows.execute("SELECT * FROM webhook_deliveries ORDER BY position")
        assert (scheduled.outcome, scheduled.last_status, posted.outcome) == ("given_up", 503, "delivered")
        assert scheduled.tries > 70
        assert GIVE_UP <= scheduled.ended_at - scheduled.created_at < GIVE_UP + timedelta(hours=2)
        assert posted.ended_at >= scheduled.ended_at

    async def test_its_owner_is_told_once_after_six_hours(
        self, worker: Container, rows: Factory, user: MadeUser, receiver: HookReceiver, clock: SteerableClock
    ) -> None:
        await listen(worker, user, receiver)
        (post,) = await posts_of(rows, user, 1)
        receiver.stop()
        await become(rows, post, "posted")
        await worker.hand_on.work()
        for hour in range(12):
            await worker.hook_delivery.work()
            assert await rows.count("notifications") == (hour >= 6), hour
            clock.move(timedelta(hours=1))
        notice = (await rows.execute("SELECT * FROM notifications"))[0]
        assert notice.title == "Webhooks to 127.0.0.3 do not arrive"

    async def test_and_its_address_changed_has_what_waits_tried_at_once(
        self, worker: Container, rows: Factory, user: MadeUser, receiver: HookReceiver
    ) -> None:
        new = await listen(worker, user, receiver)
        (post,) = await posts_of(rows, user, 1)
        receiver.answer = lambda _payload: 404
        await become(rows, post, "posted")
        await worker.hand_on.work()
        await worker.hook_delivery.work()
        receiver.answer = lambda _payload: 200
        assert await worker.hook_delivery.work() == 0
        await worker.hook_endpoints.update(user.id, new.endpoint.id, {"url": receiver.url + "/moved"})
        assert await worker.hook_delivery.work() == 1
        assert await open_count(rows) == 0


class TestAnswers:
    async def refused(
        self, worker: Container, rows: Factory, user: MadeUser, receiver: HookReceiver
    ) -> tuple[Any, WebhookEndpoint]:
        new = await listen(worker, user, receiver)
        (post,) = await posts_of(rows, user, 1)
        await become(rows, post, "posted")
        await worker.hand_on.work()
        await worker.hook_delivery.work()
        return (await rows.execute("SELECT * FROM webhook_deliveries"))[0], await endpoint_row(rows, new)

    async def test_410_switches_the_endpoint_off_and_its_owner_is_told(
        self, worker: Container, rows: Factory, user: MadeUser, receiver: HookReceiver
    ) -> None:
        receiver.answer = lambda _payload: 410
        delivery, endpoint = await self.refused(worker, rows, user, receiver)
        assert (delivery.outcome, endpoint.is_active) == ("given_up", False)
        assert await rows.scalar("SELECT title FROM notifications") == "Webhooks to 127.0.0.3 were switched off"
        (post,) = await posts_of(rows, user, 1)
        await become(rows, post, "posted")
        await worker.hand_on.work()
        assert await rows.count("webhook_deliveries") == 1

    async def test_redirects_are_not_followed(
        self, worker: Container, rows: Factory, user: MadeUser, receiver: HookReceiver
    ) -> None:
        receiver.answer, receiver.headers = lambda _payload: 307, {"Location": receiver.url + "/elsewhere"}
        delivery, _ = await self.refused(worker, rows, user, receiver)
        assert len(receiver.got) == 1
        assert delivery.outcome is None
        assert delivery.last_error == "It answered 307: redirects are not followed. Enter where it leads to."

    async def test_little_of_a_long_answer_is_kept(
        self, worker: Container, rows: Factory, user: MadeUser, receiver: HookReceiver
    ) -> None:
        receiver.answer, receiver.says = lambda _payload: 500, b"no\x00 " * 500_000
        delivery, _ = await self.refused(worker, rows, user, receiver)
        assert delivery.last_error.startswith("It answered 500: no no no")
        assert len(delivery.last_error) < 330

    async def test_a_slow_receiver_is_left_after_ten_seconds(
        self, monkeypatch: pytest.MonkeyPatch, worker: Container, rows: Factory, user: MadeUser, receiver: HookReceiver
    ) -> None:
        monkeypatch.setattr("app.hooks.http.TOTAL_SECONDS", 0.2)
        receiver.delay_seconds = 0.6
        delivery, _ = await self.refused(worker, rows, user, receiver)
        assert (delivery.outcome, delivery.last_status) == (None, None)
        assert delivery.last_error.startswith("There was no answer within")

    async def test_a_name_that_leads_to_a_private_address_later_gets_nothing(
        self, rows: Factory, user: MadeUser, make_worker: Any, receiver: HookReceiver
    ) -> None:
        worker = make_worker()
        new = await listen(worker, user, receiver)
        strict = make_worker("strict", webhook_allowed_networks="")
        (post,) = await posts_of(rows, user, 1)
        await become(rows, post, "posted")
        await strict.hand_on.work()
        await strict.hook_delivery.work()
        delivery = (await rows.execute("SELECT * FROM webhook_deliveries"))[0]
        assert receiver.got == []
        assert delivery.last_error == "The address is a private one."
        assert (await endpoint_row(rows, new)).failing_since is not None

    async def test_one_endpoint_gets_few_at_a_time(
        self, worker: Container, rows: Factory, user: MadeUser, receiver: HookReceiver
    ) -> None:
        await listen(worker, user, receiver)
        for post in await posts_of(rows, user, 15):
            await become(rows, post, "posted")
        receiver.delay_seconds = 0.05
        await worker.hand_on.work()
        assert await worker.hook_delivery.work() == 15
        assert receiver.most_at_once <= 5


class TestAddresses:
    @pytest.mark.parametrize(
        ("url", "code"),
        [
            ("https://127.0.0.1/hooks", "webhook_url_not_public"),
            ("https://[::1]/hooks", "webhook_url_not_public"),
            ("https://169.254.169.254/latest/meta-data", "webhook_url_not_public"),
            ("https://2130706433/hooks", "webhook_url_not_public"),
            ("https://user:secret@93.184.216.34/", "webhook_url_invalid"),
            ("ftp://93.184.216.34/", "webhook_url_invalid"),
            ("https:///hooks", "webhook_url_invalid"),
            ("shop.example", "webhook_url_invalid"),
            ("http://93.184.216.34/hooks", "webhook_url_not_https"),
            ("https://no-such-name.invalid/", "webhook_url_unknown"),
        ],
    )
    async def test_that_cannot_be_delivered_to_are_refused(self, url: str, code: str) -> None:
        http = HookHttp()
        with pytest.raises(Exception) as raised:
            await http.check(url)
        assert getattr(raised.value, "code", raised.value) == code
        await http.aclose()

    async def test_public_https_is_taken(self) -> None:
        http = HookHttp()
        await http.check("https://93.184.216.34/hooks")
        await http.aclose()
