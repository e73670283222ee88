"""Two requests for one post at the same time: none undoes the other unseen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from factories.answers import ok, problem
from factories.make import Factory, MadeUser
from fastapi import FastAPI

from app.composition import Container
from app.domain.vocabulary import PostStatus
from app.services.media_service import MediaService

LATER = (datetime.now(UTC) + timedelta(days=1)).isoformat()


class SlowOnce:
    """Media whose first look takes until it is let on."""

    def __init__(self, inner: MediaService) -> None:
        self._inner = inner
        self.begun, self.let_on = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def look_at(self, urls: list[str], *, user_id: UUID) -> Any:
        if not self.begun.is_set():
            self.begun.set()
            await self.let_on.wait()
        return await self._inner.look_at(urls, user_id=user_id)


@pytest.fixture
async def slow(committed: Container, app: FastAPI) -> AsyncIterator[SlowOnce]:
    media = SlowOnce(committed.media)
    app.state.container = replace(committed, media=media)  # type: ignore[arg-type]
    yield media
    app.state.container = committed


class TestChangedMeanwhile:
    @pytest.mark.parametrize(
        ("method", "action", "body"),
        [
            ("PATCH", "", {"hashtags": ["mine"]}),
            ("POST", "/schedule", {"scheduled_for": LATER}),
            ("POST", "/publish", None),
        ],
    )
    async def test_what_was_not_looked_at_is_not_sent(
        self,
        real_client: httpx.AsyncClient,
        rows: Factory,
        owner: MadeUser,
        slow: SlowOnce,
        method: str,
        action: str,
        body: Any,
    ) -> None:
        post = await rows.post(owner, await rows.account(owner), content="looked at")
        waiting = asyncio.create_task(real_client.request(method, f"/posts/{post.id}{action}", json=body))
        await slow.begun.wait()
        ok(await real_client.patch(f"/posts/{post.id}", json={"content": "changed"}))
        slow.let_on.set()
        assert problem(await waiting) == (409, "post_changed")
        stored = await rows.reload(post.id)
        assert (stored.content, stored.hashtags, stored.status) == ("changed", [], PostStatus.draft)
        assert await rows.count("publications") == 0

    async def test_a_post_that_went_out_meanwhile_is_not_scheduled_again(
        self, real_client: httpx.AsyncClient, rows: Factory, owner: MadeUser, slow: SlowOnce
    ) -> None:
        post = await rows.post(owner, await rows.account(owner), status=PostStatus.scheduled)
        waiting = asyncio.create_task(real_client.post(f"/posts/{post.id}/schedule", json={"scheduled_for": LATER}))
        await slow.begun.wait()
        await rows.execute("UPDATE posts SET status = 'posted'")
        slow.let_on.set()
        assert problem(await waiting) == (400, "post_not_editable")
        assert (await rows.reload(post.id)).status == PostStatus.posted
        assert await rows.count("publications") == 0

    async def test_a_post_that_was_deleted_meanwhile_stays_deleted(
        self, real_client: httpx.AsyncClient, rows: Factory, owner: MadeUser, slow: SlowOnce
    ) -> None:
        post = await rows.post(owner, await rows.account(owner))
        waiting = asyncio.create_task(real_client.patch(f"/posts/{post.id}", json={"content": "after"}))
        await slow.begun.wait()
        assert (await real_client.delete(f"/posts/{post.id}")).status_code == 204
        slow.let_on.set()
        assert problem(await waiting) == (404, "post_not_found")
        assert await rows.count("posts") == 0

    async def test_no_transaction_is_open_while_media_are_looked_at(
        self, real_client: httpx.AsyncClient, rows: Factory, owner: MadeUser, slow: SlowOnce
    ) -> None:
        account = await rows.account(owner)
        waiting = asyncio.create_task(
            real_client.post("/posts", json={"account_id": str(account.id), "content": "Hello"})
        )
        await slow.begun.wait()
        held = await rows.scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in trans%'"
        )
        assert held == 0
        slow.let_on.set()
        ok(await waiting, 201)
