"""What a plan allows, exactly: however many ask at once, on however many processes, and when the plan changes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from factories.answers import detail, ok, problem
from factories.api_process import ApiProcess
from factories.clock import SteerableClock
from factories.make import Factory, MadeUser
from factories.servers import Sandbox, free_port
from factories.stage import Stage

from app.composition import Container
from app.db.unit_of_work import unit_of_work
from app.domain.vocabulary import AccountStatus, PostStatus
from app.services.plan_service import PlanService
from app.settings import Settings

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
MUG = {"title": "Blue mug", "price": "24.00", "currency": "EUR"}


@pytest.fixture(scope="module")
def two_apis(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Two API processes on the committed data."""
    folder = tmp_path_factory.mktemp("apis")
    processes = [ApiProcess(settings, free_port(), Path(folder / f"{name}.log")) for name in "ab"]
    yield [f"{process.url}/api/v1" for process in processes]
    for process in processes:
        process.stop()


async def at_once(urls: list[str], user: MadeUser, path: str, bodies: list[Any]) -> Counter[int]:
    """Send requests at the same time, in turn to both processes, and count the answers by status."""
    async with httpx.AsyncClient(headers=user.headers, timeout=60, trust_env=False) as http:
        requests = [http.post(f"{urls[n % len(urls)]}{path}", json=body) for n, body in enumerate(bodies)]
        return Counter(response.status_code for response in await asyncio.gather(*requests))


async def change_plan(container: Container, user: MadeUser, plan: str) -> None:
    async with unit_of_work(container.sessions) as uow:
        await PlanService(uow, container.clock, late_grace=timedelta(hours=6)).grant(user.email, plan)


class TestExactOnTwoProcesses:
    async def test_ten_of_fifty_posts(self, two_apis: list[str], rows: Factory) -> None:
        user = await rows.user(plan="free")
        account = await rows.account(user)
        bodies = [{"account_id": str(account.id), "content": f"Post {n}"} for n in range(50)]
        assert await at_once(two_apis, user, "/posts", bodies) == {201: 10, 403: 40}
        assert (await rows.count("posts"), await rows.scalar("SELECT used FROM usage_counters")) == (10, 10)

    async def test_ten_of_fifty_accounts(self, two_apis: list[str], rows: Factory, sandbox: Sandbox) -> None:
        user = await rows.user(plan="pro")
        bodies = [{"platform": "facebook", "account_name": f"shop_{n}"} for n in range(50)]
        assert await at_once(two_apis, user, "/accounts", bodies) == {201: 10, 403: 40}
        assert await rows.count("social_accounts") == 10

    async def test_five_of_fifty_captions(self, two_apis: list[str], rows: Factory) -> None:
        user = await rows.user(plan="free")
        bodies = [{"product_data": MUG} for _ in range(50)]
        assert await at_once(two_apis, user, "/queue/generate-caption", bodies) == {200: 5, 403: 45}
        assert await rows.scalar("SELECT used FROM usage_counters") == 5


class TestPosts:
    @pytest.fixture
    async def page(self, factory: Factory, signed_in: MadeUser) -> Any:
        await factory.subscribe(signed_in, "free")
        return await factory.account(signed_in)

    async def test_are_refused_beyond_the_limit_all_or_none(
        self, client: httpx.AsyncClient, page: Any, factory: Factory, signed_in: MadeUser
    ) -> None:
        for number in range(9):
            ok(await client.post("/posts", json={"account_id": str(page.id), "content": f"{number}"}), 201)
        await factory.subscribe(signed_in, "enterprise")
        other = await factory.account(signed_in)
        await factory.subscribe(signed_in, "free")
        both = {"account_ids": [str(page.id), str(other.id)], "content": "Two"}
        response = await client.post("/posts", json=both)
        assert problem(response) == (403, "plan_limit_reached")
        assert detail(response).startswith("Monthly post limit reached (10 posts). Upgrade your plan")
        assert await factory.count("posts") == 9
        last = ok(await client.post("/posts", json={"account_id": str(page.id), "content": "Ten"}), 201)
        assert problem(await client.post(f"/posts/{last['id']}/duplicate")) == (403, "plan_limit_reached")
        assert await factory.scalar("SELECT used FROM usage_counters") == 10

    async def test_one_that_never_went_out_is_given_back_when_deleted(
        self, client: httpx.AsyncClient, page: Any, factory: Factory
    ) -> None:
        post = ok(await client.post("/posts", json={"account_id": str(page.id), "content": "x"}), 201)
        assert (await client.delete(f"/posts/{post['id']}")).status_code == 204
        assert await factory.scalar("SELECT used FROM usage_counters") == 0
        failed = ok(await client.post("/posts", json={"account_id": str(page.id), "content": "x"}), 201)
        await factory.execute("UPDATE posts SET status = 'failed'")
        assert (await client.delete(f"/posts/{failed['id']}")).status_code == 204
        assert await factory.scalar("SELECT used FROM usage_counters") == 1

    async def test_a_new_month_begins_anew(
        self, client: httpx.AsyncClient, page: Any, factory: Factory, api_clock: SteerableClock
    ) -> None:
        api_clock.fix(datetime(2030, 1, 31, 23, 59, 59, tzinfo=UTC))
        for number in range(10):
            ok(await client.post("/posts", json={"account_id": str(page.id), "content": f"{number}"}), 201)
        again = {"account_id": str(page.id), "content": "again"}
        assert problem(await client.post("/posts", json=again)) == (403, "plan_limit_reached")
        api_clock.move(timedelta(seconds=1))
        ok(await client.post("/posts", json=again), 201)
        months = await factory.execute("SELECT month::text AS month, used FROM usage_counters ORDER BY month")
        assert [tuple(row) for row in months] == [("2030-01-01", 10), ("2030-02-01", 1)]


class TestAccounts:
    async def test_the_free_plan_has_one_and_it_may_be_connected_again(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox
    ) -> None:
        await factory.subscribe(signed_in, "free")
        body = {"platform": "facebook", "account_name": "shop", "account_id_external": "7001"}
        first = ok(await client.post("/accounts", json=body), 201)
        for other in ({**body, "account_id_external": "7002"}, {"platform": "tiktok", "account_name": "shop"}):
            response = await client.post("/accounts", json=other)
            assert problem(response) == (403, "plan_limit_reached")
            assert detail(response).startswith("Account limit reached (1 accounts). Upgrade your plan")
        assert ok(await client.post("/accounts", json=body), 201)["id"] == first["id"]
        ok(await client.delete(f"/accounts/{first['id']}"))
        ok(await client.post("/accounts", json={"platform": "tiktok", "account_name": "shop"}), 201)
        assert await factory.count("social_accounts") == 2

    async def test_one_that_asks_to_be_connected_again_keeps_its_place(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, sandbox: Sandbox
    ) -> None:
        await factory.subscribe(signed_in, "free")
        await factory.account(signed_in, status=AccountStatus.expired)
        response = await client.post("/accounts", json={"platform": "facebook", "account_name": "other"})
        assert problem(response) == (403, "plan_limit_reached")


class TestChange:
    async def test_a_smaller_plan_holds_what_has_no_place_and_a_larger_one_lets_it_go_on(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, container: Container
    ) -> None:
        accounts = [await factory.account(signed_in, name) for name in ("facebook", "facebook", "tiktok")]
        kept, second, third = [
            ok(await client.post("/posts", json={"account_id": str(account.id), "content": "x"}), 201)["id"]
            for account in accounts
        ]
        for post_id in (kept, second):
            ok(await client.post(f"/posts/{post_id}/schedule", json={"scheduled_for": TOMORROW.isoformat()}))
        await change_plan(container, signed_in, "free")
        posts = {post["id"]: post for post in ok(await client.get("/posts"))["items"]}
        assert {post_id: posts[post_id]["status"] for post_id in posts} == {
            kept: "scheduled", second: "on_hold", third: "draft",
        }  # fmt: skip
        assert posts[second]["error_code"] == "plan_limit"
        assert "has no place in your plan any more" in posts[second]["error_message"]
        for post_id in (second, third):
            response = await client.post(f"/posts/{post_id}/schedule", json={"scheduled_for": TOMORROW.isoformat()})
            assert problem(response) == (403, "plan_limit_reached")
        await change_plan(container, signed_in, "pro")
        posts = {post["id"]: post for post in ok(await client.get("/posts"))["items"]}
        assert (posts[second]["status"], posts[second]["error_code"]) == ("scheduled", None)
        assert datetime.fromisoformat(posts[second]["scheduled_for"]) == TOMORROW

    async def test_the_engine_holds_what_the_change_did_not_see(self, stage: Stage, worker: Container) -> None:
        accounts = [await stage.connect(name=name) for name in ("First", "Second")]
        posts = [await stage.schedule(account, f"Of {account.account_name}") for account in accounts]
        await stage.rows.subscribe(await stage.user(), "free")  # behind everybody's back
        await stage.finish(worker)
        found = [await stage.post(post_id) for post_id in posts]
        assert [(post.status, post.error_code) for post in found] == [
            (PostStatus.posted, None), (PostStatus.on_hold, "plan_limit"),
        ]  # fmt: skip


class TestUsage:
    async def test_tells_what_is_used_up(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, api_clock: SteerableClock
    ) -> None:
        api_clock.fix(datetime(2030, 12, 15, tzinfo=UTC))
        await factory.subscribe(signed_in, "free")
        account = await factory.account(signed_in)
        ok(await client.post("/posts", json={"account_id": str(account.id), "content": "x"}), 201)
        ok(await client.post("/queue/generate-caption", json={"product_data": MUG}))
        assert ok(await client.get("/usage")) == {
            "plan": "free",
            "period_start": "2030-12-01T00:00:00Z",
            "period_end": "2031-01-01T00:00:00Z",
            "metrics": [
                {"name": "posts", "label": "Posts this month", "used": 1, "limit": 10},
                {"name": "captions", "label": "AI captions this month", "used": 1, "limit": 5},
                {"name": "accounts", "label": "Connected accounts", "used": 1, "limit": 1},
                {"name": "platforms", "label": "Platforms", "used": 1, "limit": 1},
            ],
        }

    async def test_has_no_limits_on_the_largest_plan(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        body = ok(await client.get("/usage"))
        assert [metric["limit"] for metric in body["metrics"]] == [-1, -1, -1, 3]
