"""Files that platforms fetch from us."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from factories.answers import problem
from factories.make import Factory
from fastapi import FastAPI

from app.composition import Container
from app.kit.ids import new_id
from app.services.media.serving import ServedFile
from app.settings import Settings
from app.storage.own import SAMPLES

TOKEN = "an-unguessable-token"


@pytest.fixture
def files(client: httpx.AsyncClient, app: FastAPI) -> httpx.AsyncClient:
    """A client outside /api/v1, not signed in."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test")


@pytest.fixture
async def loan(factory: Factory, settings: Settings) -> str:
    """The path of a file that is lent to a publication."""
    user = await factory.user()
    post = await factory.post(user, await factory.account(user))
    publication = new_id()
    await factory.execute(
        "INSERT INTO publications (id, post_id, user_id, account_id, run, step, scheduled_for, due_at) "
        "SELECT :id, id, user_id, account_id, 1, 'prepare', now(), now() FROM posts WHERE id = :post",
        id=publication,
        post=post.id,
    )
    await factory.execute(
        "INSERT INTO media_loans (token, publication_id, source_url, file_name, mime_type) "
        "VALUES (:token, :publication, :url, 'a.jpg', 'image/jpeg')",
        token=TOKEN,
        publication=publication,
        url=f"{settings.public_base}/media/samples/coffee.jpg",
    )
    return f"/media/loans/{TOKEN}/a.jpg"


async def fetched(factory: Factory) -> Any:
    return await factory.scalar("SELECT fetched_at FROM media_loans")


class TestSamples:
    async def test_are_served_whole_and_in_ranges(self, files: httpx.AsyncClient) -> None:
        content = (SAMPLES / "coffee.jpg").read_bytes()
        whole = await files.get("/media/samples/coffee.jpg")
        assert (whole.status_code, whole.headers["content-type"], whole.content) == (200, "image/jpeg", content)
        part = await files.get("/media/samples/coffee.jpg", headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, content[10:20])

    @pytest.mark.parametrize("name", ["README.md", "none.jpg", "..%2f..%2fmain.py", "%2e%2e/x.jpg"])
    async def test_and_nothing_else(self, files: httpx.AsyncClient, name: str) -> None:
        assert (await files.get(f"/media/samples/{name}")).status_code == 404


class TestLoans:
    async def test_serve_the_file_and_remember_that_it_was_asked_for(
        self, files: httpx.AsyncClient, factory: Factory, loan: str
    ) -> None:
        response = await files.get(loan)
        assert (response.status_code, response.headers["content-type"]) == (200, "image/jpeg")
        assert response.content == (SAMPLES / "coffee.jpg").read_bytes()
        assert response.headers["cache-control"] == "no-store"
        assert await fetched(factory) is not None

    async def test_a_part_of_it_counts_as_asked_for(
        self, files: httpx.AsyncClient, factory: Factory, loan: str
    ) -> None:
        assert (await files.get(loan, headers={"Range": "bytes=0-9"})).status_code == 206
        assert await fetched(factory) is not None

    async def test_a_look_at_its_headers_does_not(self, files: httpx.AsyncClient, factory: Factory, loan: str) -> None:
        assert (await files.head(loan)).status_code == 200
        assert await fetched(factory) is None

    async def test_end_when_they_are_revoked(self, files: httpx.AsyncClient, factory: Factory, loan: str) -> None:
        await factory.execute("UPDATE media_loans SET revoked_at = now()")
        assert problem(await files.get(loan)) == (404, "media_not_found")
        assert await fetched(factory) is None

    async def test_end_also_for_whoever_was_just_let_in(
        self, files: httpx.AsyncClient, factory: Factory, loan: str, container: Container,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        find = container.media_serving.loan

        async def find_and_revoke(token: str) -> ServedFile:
            found = await find(token)
            await factory.execute("UPDATE media_loans SET revoked_at = now()")
            return found

        monkeypatch.setattr(container.media_serving, "loan", find_and_revoke)
        assert problem(await files.get(loan)) == (404, "media_not_found")
        assert await fetched(factory) is None

    async def test_need_the_token(self, files: httpx.AsyncClient, factory: Factory, loan: str) -> None:
        assert problem(await files.get("/media/loans/another/a.jpg")) == (404, "media_not_found")
        assert await fetched(factory) is None


class TestLargeBodies:
    async def test_are_refused_before_they_are_read(self, client: httpx.AsyncClient, factory: Factory) -> None:
        response = await client.post("/auth/register", content=b"x" * 1_000_001)
        assert response.status_code == 413
        assert response.json()["code"] == "body_too_large"

        async def pieces() -> Any:
            yield b"{}"

        response = await client.post("/auth/register", content=pieces())
        assert response.status_code == 413
        assert await factory.count("users") == 0
