"""What a shop owner is told: in the dashboard, and by mail through a real mail server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from factories.answers import field_errors, ok, problem
from factories.clock import SteerableClock
from factories.make import Factory, MadeUser
from factories.servers import Sandbox

from app.composition import Container
from app.db.unit_of_work import unit_of_work
from app.kit.ids import new_id
from app.repositories.billing_repository import BillingRepository

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
MORNING = datetime(2026, 12, 1, 6, 30, tzinfo=UTC)
"""07:30 in Berlin."""


@pytest.fixture
async def user(rows: Factory) -> MadeUser:
    found = await rows.user(timezone="Europe/Berlin")
    await confirm(rows)
    return found


async def confirm(rows: Factory) -> None:
    """Let every address be confirmed, and whatever has happened so far be told."""
    await rows.execute("UPDATE users SET email_verified_at = now()")
    await rows.execute("UPDATE user_events SET handled_at = now()")


async def account_of(rows: Factory, user: MadeUser, **values: Any) -> Any:
    account = await rows.account(user, account_name="Corner Cafe", **values)
    await rows.execute("UPDATE user_events SET handled_at = now()")
    return account


async def fails(rows: Factory, user: MadeUser, account: Any, sentence: str = "The picture is too large.") -> UUID:
    post = await rows.post(user, account, content="Spring tea\nis here " + "and there " * 20)
    await rows.execute(
        "UPDATE posts SET status = 'failed', error_message = :sentence WHERE id = :id", id=post.id, sentence=sentence
    )
    return UUID(str(post.id))


async def hold(rows: Factory, user: MadeUser, account: Any, code: str) -> None:
    post = await rows.post(user, account)
    await rows.execute(
        "UPDATE posts SET status = 'on_hold', error_code = :code, error_message = 'It waits.' WHERE id = :id",
        id=post.id,
        code=code,
    )


async def written(rows: Factory, user: MadeUser, *, source: str = "generated") -> UUID:
    """Put an item into the queue and let captions be there."""
    item = new_id()
    await rows.execute(
        "INSERT INTO content_queue (id, user_id, product_data, status) VALUES (:id, :user, '{}', 'pending')",
        id=item,
        user=user.id,
    )
    await rewritten(rows, user, item, 1, source)
    return item


async def rewritten(rows: Factory, user: MadeUser, item: UUID, version: int, source: str) -> None:
    await rows.execute(
        "INSERT INTO caption_versions (id, item_id, user_id, version, source, captions) "
        "VALUES (:id, :item, :user, :version, :source, '{}')",
        id=new_id(),
        item=item,
        user=user.id,
        version=version,
        source=source,
    )
    await rows.execute(
        "UPDATE content_queue SET status = 'generated', version = :version WHERE id = :item", item=item, version=version
    )


async def notices(rows: Factory) -> list[Any]:
    return await rows.execute("SELECT * FROM notifications ORDER BY created_at, id")


async def titles(rows: Factory) -> list[str]:
    return [row.title for row in await notices(rows)]


class TestWhatIsTold:
    async def test_a_post_that_failed_with_the_reason_and_the_way_to_it(
        self, worker: Container, rows: Factory, user: MadeUser
    ) -> None:
        post = await fails(rows, user, await account_of(rows, user))
        await worker.hand_on.work()
        (row,) = await notices(rows)
        assert (row.kind, row.title, row.subject_id) == (
            "post.failed",
            "Your post for Corner Cafe did not go out",
            post,
        )
        assert row.body == "“Spring tea is here and there and there and there and there…”: The picture is too large."
        assert row.facts == {"path": f"/posts?post={post}", "action": "Look at the post"}

    async def test_an_account_to_connect_again_once_for_all_its_posts(
        self, worker: Container, rows: Factory, user: MadeUser
    ) -> None:
        account = await account_of(rows, user)
        for _ in range(3):
            await hold(rows, user, account, "account_needs_reconnect")
        await rows.execute("UPDATE social_accounts SET status = 'revoked', status_reason = 'You removed PostPilot.'")
        await worker.hand_on.work()
        (row,) = await notices(rows)
        assert row.title == "Connect Corner Cafe (Facebook) again"
        assert row.body == "You removed PostPilot. 3 posts wait for it. Once you have connected it again, they go on."

    async def test_posts_without_a_place_in_the_plan_together_others_one_by_one(
        self, worker: Container, rows: Factory, user: MadeUser
    ) -> None:
        account = await account_of(rows, user)
        for code in ("plan_limit", "plan_limit", "too_late", "too_late", "account_disconnected"):
            await hold(rows, user, account, code)
        await worker.hand_on.work()
        assert sorted(await titles(rows)) == [
            "Posts for Corner Cafe wait",
            *["Your post for Corner Cafe waits for you"] * 2,
        ]

    async def test_captions_once_a_day_however_many_and_never_ones_own(
        self, worker: Container, rows: Factory, user: MadeUser, clock: SteerableClock
    ) -> None:
        clock.fix(MORNING)
        items = [await written(rows, user) for _ in range(3)]
        await worker.hand_on.work()
        await written(rows, user)
        await worker.hand_on.work()
        (row,) = await notices(rows)
        assert row.body == "4 products have captions that wait for you. Approve them, and they become posts."
        assert row.mail_due_at == datetime(2026, 12, 1, 7, 0, tzinfo=UTC)  # 08:00 in Berlin
        await rows.execute("UPDATE notifications SET read_at = now()")
        await rewritten(rows, user, items[0], 2, "edited")
        await worker.hand_on.work()
        assert (await notices(rows))[0].read_at is not None
        clock.move(timedelta(hours=1))
        await written(rows, user)
        await worker.hand_on.work()
        assert len(await notices(rows)) == 2

    async def test_what_a_subscription_means_for_its_owner(
        self, worker: Container, rows: Factory, user: MadeUser
    ) -> None:
        for change in (
            "status = 'past_due', past_due_since = now()",
            "cancels_at = now()",
            "status = 'active', past_due_since = NULL",
            "plan = 'pro'",
            "status = 'canceled'",
        ):
            await rows.execute(f"UPDATE subscriptions SET {change} WHERE user_id = :id", id=user.id)  # noqa: S608
            await worker.hand_on.work()
        assert await titles(rows) == [
            "Your last payment did not go through",
            "You are on Pro now",
            "You are on Free now",
        ]

    async def test_what_the_payment_provider_says_of_what_comes(
        self, worker: Container, rows: Factory, user: MadeUser
    ) -> None:
        ends = datetime(2026, 12, 14, 23, 30, tzinfo=UTC)  # the 15th in Berlin
        async with unit_of_work(worker.sessions) as uow:
            billing = BillingRepository(uow.session)
            for kind in ("trial_ends_soon", "trial_ends_soon", "action_required"):
                await billing.tell(user.id, f"subscription.{kind}", {"trial_ends_at": ends, "invoice_url": None})
        await worker.hand_on.work()
        assert await titles(rows) == ["Your trial ends on 15 December 2026", "Your bank asks you to confirm a payment"]

    async def test_a_new_plan(self, worker: Container, rows: Factory) -> None:
        await rows.user(plan="pro")
        await worker.hand_on.work()
        assert await titles(rows) == ["You are on Pro now"]

    async def test_two_at_once_write_each_once(self, make_worker: Any, rows: Factory, user: MadeUser) -> None:
        account = await account_of(rows, user)
        for _ in range(30):
            await fails(rows, user, account)
        workers = [make_worker(f"worker-{n}") for n in range(3)]
        assert sum(await asyncio.gather(*(one.hand_on.work() for one in workers))) == 30
        assert await rows.count("notifications") == 30
        assert await rows.scalar("SELECT count(*) FROM user_events WHERE handled_at IS NULL") == 0

    async def test_one_that_cannot_be_put_into_words_stops_no_other(
        self, worker: Container, rows: Factory, user: MadeUser, logged: list[dict[str, Any]]
    ) -> None:
        account = await account_of(rows, user)
        for _ in range(3):
            await fails(rows, user, account)
        await written(rows, user)
        defect = await rows.scalar(
            "UPDATE user_events SET facts = jsonb_set(facts, '{version}', '\"none\"') "
            "WHERE kind = 'queue.generated' RETURNING id"
        )
        assert await worker.hand_on.work() == 4
        assert await titles(rows) == ["Your post for Corner Cafe did not go out"] * 3
        assert [event["event_id"] for event in logged if event["event"] == "happening.defect"] == [defect]

    async def test_killed_on_the_way_everything_is_handed_on_once(
        self, monkeypatch: pytest.MonkeyPatch, make_worker: Any, rows: Factory, user: MadeUser
    ) -> None:
        dying, heir = make_worker("dying"), make_worker("heir")
        await fails(rows, user, await account_of(rows, user))

        async def die(*_arguments: Any) -> None:
            raise ConnectionError

        monkeypatch.setattr(dying.hand_on, "_deliveries", die)
        with pytest.raises(ConnectionError):
            await dying.hand_on.work()
        assert await rows.count("notifications") == 0
        assert await heir.hand_on.work() == 1
        assert await rows.count("notifications") == 1


class TestMail:
    async def test_what_comes_together_goes_in_one_letter(
        self, worker: Container, rows: Factory, user: MadeUser, clock: SteerableClock, sandbox: Sandbox
    ) -> None:
        account = await account_of(rows, user)
        post = await fails(rows, user, account)
        await hold(rows, user, account, "too_late")
        await worker.hand_on.work()
        assert await worker.notice_mail.work() == 0
        clock.move(MINUTE)
        assert [await worker.notice_mail.work(), await worker.notice_mail.work()] == [1, 0]
        (mail,) = sandbox.mails(user.email)
        assert mail["subject"] == "2 things to know about your posts"
        assert f"http://dashboard.test/posts?post={post}" in mail["links"]
        assert mail["links"][-1] == "http://dashboard.test/settings#notifications"
        assert "The picture is too large." in " ".join(mail["text"].split())
        assert None not in {row.mailed_at for row in await notices(rows)}

    async def test_after_a_letter_the_next_waits_and_gathers(
        self, worker: Container, rows: Factory, user: MadeUser, clock: SteerableClock, sandbox: Sandbox
    ) -> None:
        account = await account_of(rows, user)
        for _ in range(20):
            await fails(rows, user, account)
            await worker.hand_on.work()
            clock.move(MINUTE)
            await worker.notice_mail.work()
        clock.move(10 * MINUTE)
        await worker.notice_mail.work()
        mails = sandbox.mails(user.email)
        assert len(mails) <= 4
        assert sum(mail["text"].count("did not go out\r\n") for mail in mails) == 20

    async def test_daily_ones_go_at_eight_in_the_users_morning(
        self, worker: Container, rows: Factory, user: MadeUser, clock: SteerableClock, sandbox: Sandbox
    ) -> None:
        clock.fix(MORNING)
        await written(rows, user)
        await worker.hand_on.work()
        clock.move(29 * MINUTE)
        assert await worker.notice_mail.work() == 0
        clock.move(MINUTE)
        assert await worker.notice_mail.work() == 1
        assert [mail["subject"] for mail in sandbox.mails(user.email)] == ["Captions wait for your review"]

    async def test_what_was_read_meanwhile_is_not_mailed(
        self, worker: Container, rows: Factory, user: MadeUser, clock: SteerableClock, real_client: httpx.AsyncClient
    ) -> None:
        await fails(rows, user, await account_of(rows, user))
        await worker.hand_on.work()
        real_client.headers.update(user.headers)
        assert ok(await real_client.post("/notifications/read-all")) == {"marked": 1}
        clock.move(MINUTE)
        assert await worker.notice_mail.work() == 0

    @pytest.mark.parametrize("change", ["email_verified_at = NULL", "is_active = false"])
    async def test_nobody_gets_mail_whose_address_is_not_confirmed(
        self,
        worker: Container,
        rows: Factory,
        user: MadeUser,
        clock: SteerableClock,
        sandbox: Sandbox,
        change: str,
    ) -> None:
        await fails(rows, user, await account_of(rows, user))
        await rows.execute(f"UPDATE users SET {change}")  # noqa: S608
        await worker.hand_on.work()
        clock.move(MINUTE)
        assert await worker.notice_mail.work() == 0
        assert sandbox.mails(user.email) == []
        (row,) = await notices(rows)
        assert (row.in_app, row.mail_due_at) == (True, None)

    async def test_a_busy_server_gets_it_later_and_only_once(
        self, worker: Container, rows: Factory, user: MadeUser, clock: SteerableClock, sandbox: Sandbox
    ) -> None:
        await fails(rows, user, await account_of(rows, user))
        await worker.hand_on.work()
        sandbox.fault("mail.send", "error_before", status=451, times=3)
        for _ in range(12):
            clock.move(5 * MINUTE)
            await worker.notice_mail.work()
        assert len(sandbox.mails(user.email)) == 1
        assert sandbox.calls("mail.send") == 4

    async def test_a_server_that_refuses_it_for_good_is_not_asked_again(
        self, worker: Container, rows: Factory, user: MadeUser, clock: SteerableClock, sandbox: Sandbox
    ) -> None:
        await fails(rows, user, await account_of(rows, user))
        await worker.hand_on.work()
        sandbox.fault("mail.recipient", "error_before", status=550)
        for _ in range(5):
            clock.move(timedelta(hours=1))
            await worker.notice_mail.work()
        assert sandbox.calls("mail.recipient") == 1
        (row,) = await notices(rows)
        assert (row.mailed_at, row.facts["mail"]) == (None, "refused")

    async def test_a_server_that_is_away_for_long_is_given_up_in_the_end(
        self, make_worker: Any, rows: Factory, user: MadeUser, clock: SteerableClock
    ) -> None:
        worker = make_worker(smtp_host="127.0.0.1", smtp_port=1, smtp_security="none")
        await fails(rows, user, await account_of(rows, user))
        await worker.hand_on.work()
        for _ in range(60):
            clock.move(timedelta(hours=1))
            await worker.notice_mail.work()
        (row,) = await notices(rows)
        assert (row.mailed_at, row.mail_due_at) == (None, None)

    async def test_two_at_once_mail_each_once(
        self, make_worker: Any, rows: Factory, clock: SteerableClock, sandbox: Sandbox
    ) -> None:
        workers = [make_worker(f"worker-{n}") for n in range(3)]
        users = [await rows.user(plan="free") for _ in range(8)]
        await confirm(rows)
        accounts = [await account_of(rows, user) for user in users]
        for user, account in zip(users, accounts, strict=True):
            await fails(rows, user, account)
        await workers[0].hand_on.work()
        clock.move(MINUTE)
        assert sum(await asyncio.gather(*(one.notice_mail.work() for one in workers))) == 8
        assert [len(sandbox.mails(user.email)) for user in users] == [1] * 8

    async def test_killed_between_letter_and_record_it_is_not_mailed_again(
        self, make_worker: Any, rows: Factory, user: MadeUser, clock: SteerableClock, sandbox: Sandbox
    ) -> None:
        dying, heir = make_worker("dying"), make_worker("heir")
        await fails(rows, user, await account_of(rows, user))
        await heir.hand_on.work()
        clock.move(MINUTE)
        sandbox.fault("mail.send", "delay", seconds=5)
        task = asyncio.create_task(dying.notice_mail.work())
        async with asyncio.timeout(10):
            while sandbox.calls("mail.send") == 0:  # noqa: ASYNC110 - in another process
                await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        clock.move(DAY)
        assert await heir.notice_mail.work() == 0
        assert sandbox.calls("mail.send") == 1

    async def test_an_answer_that_got_lost_counts_as_taken(
        self, worker: Container, rows: Factory, user: MadeUser, clock: SteerableClock, sandbox: Sandbox
    ) -> None:
        await fails(rows, user, await account_of(rows, user))
        await worker.hand_on.work()
        sandbox.fault("mail.send", "drop_after")
        for _ in range(3):
            clock.move(timedelta(hours=1))
            await worker.notice_mail.work()
        assert len(sandbox.mails(user.email)) == 1


class TestApi:
    async def make(self, factory: Factory, user: MadeUser, count: int, **values: Any) -> list[UUID]:
        ids = [new_id() for _ in range(count)]
        for number, one in enumerate(ids):
            await factory.execute(
                "INSERT INTO notifications (id, user_id, kind, dedupe_key, title, body, facts, in_app, created_at) "
                "VALUES (:id, :user, 'post.failed', :key, :title, 'body', CAST(:facts AS jsonb), :in_app, :at)",
                id=one,
                user=user.id,
                key=str(one),
                title=f"Notice {number}",
                facts='{"path": "/posts", "action": "Look"}',
                in_app=values.get("in_app", True),
                at=MORNING + number * MINUTE,
            )
        return ids

    async def test_lists_the_newest_first_and_counts_the_unread(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser
    ) -> None:
        ids = await self.make(factory, signed_in, 3)
        await self.make(factory, signed_in, 1, in_app=False)
        await self.make(factory, await factory.user(), 2)
        page = ok(await client.get("/notifications?per_page=2"))
        assert ([item["id"] for item in page["items"]], page["total"]) == ([str(ids[2]), str(ids[1])], 3)
        assert page["items"][0]["path"] == "/posts"
        read = ok(await client.post(f"/notifications/{ids[1]}/read"))
        again = ok(await client.post(f"/notifications/{ids[1]}/read"))
        assert read["read_at"] is not None
        assert again == read
        unread = ok(await client.get("/notifications?unread=true"))
        assert [item["id"] for item in unread["items"]] == [str(ids[2]), str(ids[0])]
        assert ok(await client.get("/notifications?unread=false"))["total"] == 1
        assert ok(await client.get("/notifications/unread-count")) == {"unread": 2}
        assert ok(await client.post("/notifications/read-all")) == {"marked": 2}
        assert ok(await client.get("/notifications/unread-count")) == {"unread": 0}

    async def test_somebody_elses_is_not_there(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser
    ) -> None:
        (other,) = await self.make(factory, await factory.user(), 1)
        assert problem(await client.post(f"/notifications/{other}/read")) == (404, "notification_not_found")
        assert await factory.scalar("SELECT read_at FROM notifications") is None

    async def test_settings_begin_with_the_usual_and_change_one_by_one(
        self, client: httpx.AsyncClient, signed_in: MadeUser
    ) -> None:
        before = {kind["kind"]: kind for kind in ok(await client.get("/notifications/settings"))["kinds"]}
        assert {name: (kind["in_app"], kind["mail"]) for name, kind in before.items()} == {
            "post.failed": (True, "at_once"),
            "post.held": (True, "at_once"),
            "account.needs_reconnect": (True, "at_once"),
            "captions.waiting": (True, "daily"),
            "payment.trouble": (True, "at_once"),
            "plan.changed": (True, "at_once"),
            "webhook.failing": (True, "at_once"),
        }
        body = {"kinds": {"post.held": {"in_app": False, "mail": "daily"}}}
        after = {kind["kind"]: kind for kind in ok(await client.put("/notifications/settings", json=body))["kinds"]}
        assert (after["post.held"]["in_app"], after["post.held"]["mail"]) == (False, "daily")
        assert after["post.held"]["default"] == {"in_app": True, "mail": "at_once"}
        assert {**after, "post.held": before["post.held"]} == before

    @pytest.mark.parametrize(
        "kinds",
        [
            {},
            {"post.eaten": {"in_app": True, "mail": "off"}},
            {"post.held": {"in_app": True}},
            {"post.held": {"in_app": True, "mail": "hourly"}},
        ],
    )
    async def test_settings_that_make_no_sense_change_nothing(
        self, client: httpx.AsyncClient, factory: Factory, signed_in: MadeUser, kinds: dict[str, Any]
    ) -> None:
        assert field_errors(await client.put("/notifications/settings", json={"kinds": kinds}))
        assert await factory.count("notification_settings") == 0

    async def test_what_is_switched_off_is_neither_shown_nor_mailed(
        self, client: httpx.AsyncClient, container: Container, factory: Factory, signed_in: MadeUser
    ) -> None:
        account = await factory.account(signed_in)
        kinds = {"post.failed": {"in_app": False, "mail": "off"}, "post.held": {"in_app": False, "mail": "at_once"}}
        ok(await client.put("/notifications/settings", json={"kinds": kinds}))
        await factory.execute("UPDATE user_events SET handled_at = now()")
        for status in ("failed", "on_hold"):
            post = await factory.post(signed_in, account)
            await factory.execute(f"UPDATE posts SET status = '{status}' WHERE id = :id", id=post.id)  # noqa: S608
        await container.hand_on.work()
        (row,) = await notices(factory)
        assert (row.kind, row.in_app, row.mail_due_at is not None) == ("post.held", False, True)
        assert ok(await client.get("/notifications"))["total"] == 0
        ok(await client.put("/notifications/settings", json={"kinds": {"post.held": {"in_app": False, "mail": "off"}}}))
        assert (await notices(factory))[0].mail_due_at is None
