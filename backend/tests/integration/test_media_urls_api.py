"""Media are looked at before a post is saved, and only at public addresses."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pytest
from factories.answers import field_errors, ok
from factories.make import Factory, MadeUser
from factories.servers import MediaHost
from PIL import Image

from app.settings import Settings


def picture(kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (800, 800), (200, 90, 40)).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
async def page(factory: Factory, signed_in: MadeUser) -> Any:
    return await factory.account(signed_in, "facebook")


async def refused(client: httpx.AsyncClient, page: Any, *urls: str) -> list[tuple[str, str]]:
    return field_errors(
        await client.post("/posts", json={"account_id": str(page.id), "content": "Hi", "media_urls": list(urls)})
    )


class TestAddressesThatAreNotPublic:
    @pytest.mark.parametrize(
        "host",
        [
            "localhost",
            "LOCALHOST",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "017700000001",
            "0",
            "0.0.0.0",  # noqa: S104 - an address to refuse
            "10.0.0.8",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fc00::1]",
            "[ff02::1]",
        ],
    )
    async def test_are_refused(self, client: httpx.AsyncClient, factory: Factory, page: Any, host: str) -> None:
        assert await refused(client, page, f"http://{host}/a.jpg") == [("body.media_urls.0", "media_url_not_public")]
        assert await factory.count("posts") == 0

    async def test_are_refused_behind_a_redirect(
        self, client: httpx.AsyncClient, factory: Factory, page: Any, media_host: MediaHost, settings: Settings
    ) -> None:
        for target in ("http://127.0.0.1:1/a.jpg", "http://localhost/a.jpg", "http://[::1]/", "//169.254.169.254/x"):
            found = await refused(client, page, media_host.redirect_to(target))
            assert found == [("body.media_urls.0", "media_url_not_public")]
        assert await factory.count("posts") == 0

    async def test_are_refused_behind_two_redirects(
        self, client: httpx.AsyncClient, page: Any, media_host: MediaHost
    ) -> None:
        inner = media_host.redirect_to("http://127.0.0.1/a.jpg")
        found = await refused(client, page, media_host.redirect_to(inner))
        assert found == [("body.media_urls.0", "media_url_not_public")]

    async def test_our_own_api_is_not_asked_for_other_files(
        self, client: httpx.AsyncClient, page: Any, settings: Settings
    ) -> None:
        for path in ("samples/secret.jpg", "samples/../../main.py", "samples/README.md", "loans/abc/x.jpg"):
            found = await refused(client, page, f"{settings.public_base}/media/{path}")
            assert found == [("body.media_urls.0", "media_url_unreachable")]
        found = await refused(client, page, f"{settings.public_base}/api/v1/health")
        assert found == [("body.media_urls.0", "media_url_not_public")]


class TestAddressesThatAreNone:
    @pytest.mark.parametrize(
        "url",
        [
            "ftp://shop.example/a.jpg",
            "file:///etc/passwd",
            "data:image/png;base64,AAAA",
            "javascript:alert(1)",
            "shop.example/a.jpg",
            "//shop.example/a.jpg",
            "http://",
            "http:///a.jpg",
            "http://user:pass@shop.example/a.jpg",
            "http://user@127.0.0.2/a.jpg",
            "http://shop.example:0/a.jpg",
            "http://shop.example:99999/a.jpg",
            "http://[::1/a.jpg",
            "http://shop.example:port/a.jpg",
            "http://exa mple/a.jpg",
            "http://\u2100.example/",
            "http://xn--/a.jpg",
            "http://" + "a" * 300 + "/",
            "http://.../",
            "http://１２７.0.0.1/a.jpg",
            "http://shop.example/\x7f.jpg",
        ],
    )
    async def test_are_refused(self, client: httpx.AsyncClient, factory: Factory, page: Any, url: str) -> None:
        ((path, code),) = await refused(client, page, url)
        assert path == "body.media_urls.0"
        assert code in ("media_url_invalid", "media_url_unreachable")
        assert await factory.count("posts") == 0

    async def test_a_redirect_to_another_scheme_is_refused(
        self, client: httpx.AsyncClient, page: Any, media_host: MediaHost
    ) -> None:
        found = await refused(client, page, media_host.redirect_to("file:///etc/passwd"))
        assert found == [("body.media_urls.0", "media_url_invalid")]


class TestFilesThatAreNotMedia:
    async def test_are_refused_each_by_its_place(
        self, client: httpx.AsyncClient, factory: Factory, page: Any, media_host: MediaHost
    ) -> None:
        good = media_host.add(picture(), "image/jpeg")
        found = await refused(
            client,
            page,
            good,
            media_host.add(b"<html>sign in</html>", "image/jpeg"),
            f"{media_host.url}/f/missing",
            media_host.add(b"", "image/jpeg"),
        )
        assert found == [
            ("body.media_urls.1", "media_html"),
            ("body.media_urls.2", "media_url_unreachable"),
            ("body.media_urls.3", "media_empty"),
        ]
        assert await factory.count("posts") == 0

    async def test_redirects_end_somewhere(self, client: httpx.AsyncClient, page: Any, media_host: MediaHost) -> None:
        url = media_host.redirect_to("")
        media_host.redirects[url.rpartition("/")[2]] = url
        before = len(media_host.requests)
        assert await refused(client, page, url) == [("body.media_urls.0", "media_url_unreachable")]
        assert len(media_host.requests) - before == 4

    async def test_a_host_that_is_down_is_unreachable(self, client: httpx.AsyncClient, page: Any) -> None:
        assert await refused(client, page, "http://127.0.0.2:1/a.jpg") == [
            ("body.media_urls.0", "media_url_unreachable")
        ]


class TestGoodMedia:
    async def test_are_taken_for_what_they_are_not_for_what_their_host_says(
        self, client: httpx.AsyncClient, page: Any, media_host: MediaHost
    ) -> None:
        content = picture("PNG")
        url = media_host.add(content, "text/html", suffix=".jpg")
        body = {"account_id": str(page.id), "content": "Hi", "media_urls": [media_host.redirect_to(url)]}
        (item,) = ok(await client.post("/posts", json=body), 201)["media"]
        assert (item["kind"], item["mime_type"], item["size_bytes"]) == ("image", "image/png", len(content))
        assert (item["width_px"], item["height_px"]) == (800, 800)

    async def test_the_same_address_twice_is_fetched_once(
        self, client: httpx.AsyncClient, page: Any, media_host: MediaHost
    ) -> None:
        url = media_host.add(picture(), "image/jpeg")
        before = len(media_host.requests)
        body = {"account_id": str(page.id), "content": "Hi", "media_urls": [url, url]}
        assert len(ok(await client.post("/posts", json=body), 201)["media"]) == 2
        assert len(media_host.requests) - before == 1
