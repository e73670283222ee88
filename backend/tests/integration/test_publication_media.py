"""A post's media on their way to a platform, whichever way they are kept."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from factories.answers import ok
from factories.clock import SteerableClock
from factories.make import Factory, MadeUser
from factories.servers import MediaHost
from fastapi import FastAPI
from PIL import Image

from app.composition import Container
from app.kit.ids import new_id
from app.platforms.base import Auth, Draft, FixContent, MediaItem, RetryLater
from app.platforms.instagram.publish import InstagramPublisher
from app.services.publishing.media import MediaLender, PublicationMedia
from app.services.publishing.public_url import PublicUrlCheck
from app.storage.own import SAMPLES


@pytest.fixture
async def publication(factory: Factory, signed_in: MadeUser) -> UUID:
    post = await factory.post(signed_in, await factory.account(signed_in))
    publication = new_id()
    await factory.execute(
        "INSERT INTO publications (id, post_id, user_id, account_id, run, step, scheduled_for, due_at) "
        "SELECT :id, id, user_id, account_id, 1, 'prepare', now(), now() FROM posts WHERE id = :post",
        id=publication,
        post=post.id,
    )
    return publication


def lender(container: Container, **changes: Any) -> MediaLender:
    parts: dict[str, Any] = {
        "sessions": container.sessions,
        "own": container.own_files,
        "remote": container.remote_files,
        "store": container.store,
        "addresses": container.addresses,
        "public_url": PublicUrlCheck(container.settings.public_base, is_live=False),
        "max_bytes": 1_000_000,
        "clock": container.clock,
    }
    return MediaLender(**{**parts, **changes})


@pytest.fixture
def media(container: Container, publication: UUID) -> PublicationMedia:
    return lender(container).for_publication(publication)


def png() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((300, 300), 80).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


async def uploaded(client: httpx.AsyncClient, content: bytes) -> MediaItem:
    asset = ok(await client.post("/media", files={"file": ("a.png", content)}), 201)
    return MediaItem(url=asset["url"], kind="image", mime_type="image/png")


async def check_bytes(media: PublicationMedia, item: MediaItem, content: bytes) -> None:
    assert await media.size(item) == len(content)
    assert await media.read(item) == content
    assert await media.read_part(item, 100, 2000) == content[100:2000]
    assert b"".join([piece async for piece in media.stream(item, 77)]) == content[77:]


class TestBytes:
    async def test_of_an_upload_a_sample_and_a_remote_file(
        self, client: httpx.AsyncClient, container: Container, media: PublicationMedia, media_host: MediaHost
    ) -> None:
        content = png()
        await check_bytes(media, await uploaded(client, content), content)
        sample = MediaItem(url=container.own_files.url_of_sample("coffee.jpg"), kind="image")
        await check_bytes(media, sample, (SAMPLES / "coffee.jpg").read_bytes())
        remote = MediaItem(url=media_host.add(content, "image/png"), kind="image")
        before = len(media_host.requests)
        await check_bytes(media, remote, content)
        assert len(media_host.requests) - before == 1

    async def test_a_file_that_is_gone_or_too_large_is_the_owners_to_change(
        self, client: httpx.AsyncClient, container: Container, publication: UUID, media_host: MediaHost,
        factory: Factory,
    ) -> None:  # fmt: skip
        item = await uploaded(client, png())
        await factory.execute("DELETE FROM media_assets")
        large = MediaItem(url=media_host.add(bytes(1_000_001), "image/png"), kind="image")
        media = lender(container).for_publication(publication)
        for gone, code in ((item, "media_gone"), (large, "media_too_large")):
            with pytest.raises(FixContent) as raised:
                await media.read(gone)
            assert (raised.value.code, raised.value.field) == (code, "media_urls")

    async def test_somebody_elses_file_is_not_sent(
        self, client: httpx.AsyncClient, container: Container, media: PublicationMedia, factory: Factory
    ) -> None:
        stranger = await factory.user()
        client.headers.update(stranger.headers)
        item = await uploaded(client, png())
        with pytest.raises(FixContent):
            await media.size(item)
        with pytest.raises(FixContent):
            await media.address(item)


class TestAddresses:
    async def test_a_platform_fetches_an_upload_without_signing_in(
        self, client: httpx.AsyncClient, media: PublicationMedia, app: FastAPI
    ) -> None:
        content = png()
        item = await uploaded(client, content)
        files = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test")
        for url in (await media.address(item), await media.lend(item, "a.png")):
            response = await files.get("/" + url.split("/", 3)[3])
            assert (response.status_code, response.content) == (200, content)
            assert url.isascii()
        assert await media.fetched()
        await media.revoke()
        assert (await files.get("/" + url.split("/", 3)[3])).status_code == 404

    async def test_what_an_earlier_submission_fetched_says_nothing_about_this_one(
        self, client: httpx.AsyncClient, media: PublicationMedia, app: FastAPI, factory: Factory
    ) -> None:
        item = await uploaded(client, png())
        files = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test")
        submit = "UPDATE publications SET submitted_at = clock_timestamp()"
        await factory.execute(submit)
        first = await media.lend(item, "a.png")
        await files.get("/" + first.split("/", 3)[3])
        assert await media.fetched()
        second = await media.lend(item, "a.png")
        await factory.execute(submit)
        assert not await media.fetched()
        for url in (first, second):  # one that is sent a second time counts a second time
            await factory.execute(submit)
            await files.get("/" + url.split("/", 3)[3])
            assert await media.fetched()

    async def test_instagram_is_sent_to_a_reels_cover_that_it_can_fetch(
        self, client: httpx.AsyncClient, container: Container, media: PublicationMedia, app: FastAPI
    ) -> None:
        content = png()
        cover = await uploaded(client, content)
        reel = MediaItem(url="https://media.example/a.mp4", kind="video", mime_type="video/mp4")
        draft = Draft("Hi", media=(reel,), post_type="reel", options={"cover_url": cover.url})
        publisher = cast(InstagramPublisher, container.adapters["instagram"].publisher)
        body = await publisher._single(Auth("1", "17840000000000001", "token"), "reel", draft, media)
        files = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test")
        assert (await files.get("/" + body["cover_url"].split("/", 3)[3])).content == content

    async def test_of_remote_files_are_their_own_in_plain_letters(self, media: PublicationMedia) -> None:
        item = MediaItem(url="https://müller.example/Kaffee à la carte.jpg", kind="image")
        assert await media.address(item) == "https://xn--mller-kva.example/Kaffee%20%C3%A0%20la%20carte.jpg"


class TestPublicUrl:
    async def test_nobody_is_sent_to_an_address_that_does_not_serve(
        self, client: httpx.AsyncClient, container: Container, publication: UUID
    ) -> None:
        item = await uploaded(client, png())
        check = PublicUrlCheck("http://127.0.0.1:1", is_live=True)
        media = lender(container, public_url=check).for_publication(publication)
        for call in (media.address(item), media.lend(item, "a.png")):
            with pytest.raises(RetryLater) as raised:
                await call
            assert raised.value.code == "public_url_unreachable"
            assert "PUBLIC_URL" in raised.value.sentence


class TestExpiry:
    async def test_unused_files_go_and_used_ones_stay(
        self, client: httpx.AsyncClient, container: Container, signed_in: MadeUser, factory: Factory,
        api_clock: SteerableClock,
    ) -> None:  # fmt: skip
        unused, named, looked_at = [await uploaded(client, png()) for _ in range(3)]
        account = await factory.account(signed_in)
        post = await factory.post(signed_in, account, media_urls=[named.url])
        await factory.execute("UPDATE posts SET status = 'posted' WHERE id = :id", id=post.id)
        api_clock.move(timedelta(days=31))
        items, _ = await container.media.look_at([looked_at.url], user_id=signed_in.id)
        assert list(items) == [looked_at.url]
        await container.media_expiry.sweep()
        page = ok(await client.get("/media"))
        assert {item["url"] for item in page["items"]} == {named.url, looked_at.url}
        assert unused.url not in str(page)
        assert await factory.count("media_discards") == 0

    async def test_a_rendition_in_a_post_keeps_its_original(
        self, client: httpx.AsyncClient, container: Container, signed_in: MadeUser, factory: Factory,
        api_clock: SteerableClock,
    ) -> None:  # fmt: skip
        item = await uploaded(client, png())
        asset = ok(await client.get("/media"))["items"][0]
        made = ok(await client.post(f"/media/{asset['id']}/fix", json={}), 202)
        other = ok(await client.post(f"/media/{asset['id']}/fix", json={"fit": "crop"}), 202)
        while await container.media_renditions.work():
            pass
        made = ok(await client.get(f"/media/{asset['id']}/renditions/{made['id']}"))
        await factory.post(signed_in, await factory.account(signed_in), media_urls=[made["url"]])
        api_clock.move(timedelta(days=31))
        await container.media_expiry.sweep()
        asset = ok(await client.get(f"/media/{asset['id']}"))
        assert asset["url"] == item.url
        assert [one["id"] for one in asset["renditions"]] == [made["id"]]
        assert other["id"] != made["id"]
