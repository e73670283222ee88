"""Uploading, describing and letting go of files."""

from __future__ import annotations

import hashlib
import io
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from factories.answers import field_errors, ok, problem
from factories.make import Factory, MadeUser
from fastapi import FastAPI
from PIL import Image

from app.composition import Container
from app.domain.vocabulary import PostStatus
from app.kit.ids import new_id
from app.storage.own import SAMPLES
from app.storage.store import FileMissing


def jpeg(size: tuple[int, int] = (800, 600), **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (120, 90, 60)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


async def upload(client: httpx.AsyncClient, content: bytes, name: str = "Coffee au lait.JPG") -> dict[str, Any]:
    return dict(ok(await client.post("/media", files={"file": (name, content, "text/html")}), 201))


@pytest.fixture
def files(client: httpx.AsyncClient, app: FastAPI) -> httpx.AsyncClient:
    """A client outside /api/v1, not signed in."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test")


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]


class TestUpload:
    async def test_tells_what_the_file_is_whatever_its_sender_says(
        self, client: httpx.AsyncClient, signed_in: MadeUser, container: Container
    ) -> None:
        content = jpeg()
        asset = await upload(client, content)
        shown = {name: asset[name] for name in ("kind", "mime_type", "size_bytes", "width_px", "height_px", "sha256")}
        assert shown == {
            "kind": "image",
            "mime_type": "image/jpeg",
            "size_bytes": len(content),
            "width_px": 800,
            "height_px": 600,
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        assert asset["url"] == f"{container.settings.public_base}/media/files/{asset['id']}/Coffee-au-lait.jpg"
        assert asset["file_name"] == "Coffee au lait.JPG"

    async def test_reads_a_video(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        asset = await upload(client, (SAMPLES / "coffee.mp4").read_bytes(), "clip.mov")
        assert (asset["kind"], asset["codec"], asset["audio_codec"]) == ("video", "h264", "aac")
        assert (asset["duration_seconds"], asset["frame_rate"], asset["is_variable_frame_rate"]) == (5.0, 30.0, False)
        assert asset["url"].endswith("/clip.mp4")

    async def test_turns_width_and_height_as_the_picture_says(
        self, client: httpx.AsyncClient, signed_in: MadeUser
    ) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        asset = await upload(client, jpeg(exif=exif))
        assert (asset["width_px"], asset["height_px"], asset["rotation_degrees"]) == (600, 800, 90)

    async def test_says_what_each_platform_would_say(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        buffer = io.BytesIO()
        Image.new("RGB", (2000, 500)).save(buffer, "PNG")
        asset = await upload(client, buffer.getvalue())
        verdicts = {(one["platform"], one["post_type"]): one for one in asset["verdicts"]}
        image = verdicts["instagram", "image"]
        assert (image["ok"], image["fix_possible"]) == (False, True)
        assert {found["code"] for found in image["problems"]} == {"unsupported_media_type", "image_ratio"}
        assert verdicts["facebook", "photo"] == {
            "platform": "facebook", "post_type": "photo", "ok": True, "problems": [], "fix_possible": False,
        }  # fmt: skip
        reel = verdicts["instagram", "reel"]
        assert (reel["ok"], reel["fix_possible"], reel["problems"][0]["code"]) == (False, False, "wrong_media_kind")

    async def test_needs_a_file_in_a_form(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        for request in (
            {"json": {"file": "x"}},
            {"files": {"picture": ("a.jpg", jpeg())}},
            {"content": b"--x\r\nbroken", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        ):
            response = await client.post("/media", **request)
            assert field_errors(response) == [("body.file", "file_required")]

    async def test_needs_somebody_signed_in(self, client: httpx.AsyncClient, factory: Factory) -> None:
        assert problem(await client.post("/media", files={"file": ("a.jpg", jpeg())})) == (401, "not_authenticated")
        assert await factory.count("media_assets") == 0

    async def test_stops_at_the_limit(
        self, client: httpx.AsyncClient, signed_in: MadeUser, container: Container, factory: Factory
    ) -> None:
        taking = container.media_taking
        before, taking.max_bytes = taking.max_bytes, 100_000
        try:
            response = await client.post("/media", files={"file": ("a.jpg", jpeg() + bytes(100_000))})
        finally:
            taking.max_bytes = before
        assert problem(response) == (413, "media_too_large")
        assert await factory.count("media_assets") == 0
        assert [path for path in taking.folder.iterdir() if not path.name.endswith(".upload")] == []


class TestReading:
    async def test_lists_the_newest_first_by_kind(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        first, second = await upload(client, jpeg()), await upload(client, jpeg())
        video = await upload(client, (SAMPLES / "coffee.mp4").read_bytes())
        page = ok(await client.get("/media", params={"per_page": 2}))
        assert ([item["id"] for item in page["items"]], page["total"]) == ([video["id"], second["id"]], 3)
        page = ok(await client.get("/media", params={"kind": "image", "page": 2, "per_page": 1}))
        assert ([item["id"] for item in page["items"]], page["total"]) == ([first["id"]], 2)

    async def test_a_signed_address_serves_the_file_in_parts(
        self, client: httpx.AsyncClient, signed_in: MadeUser, files: httpx.AsyncClient
    ) -> None:
        content = jpeg()
        asset = await upload(client, content)
        path = path_of(asset["preview_url"])
        assert path.isascii()
        assert path.endswith(".jpg")
        whole = await files.get(path)
        assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, content, "image/jpeg")
        assert whole.headers["x-content-type-options"] == "nosniff"
        assert whole.headers["content-disposition"] == "inline"
        head = await files.head(path)
        assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(content)), b"")
        for wanted, part in (("bytes=10-19", content[10:20]), ("bytes=-5", content[-5:]), ("bytes=90-", content[90:])):
            response = await files.get(path, headers={"Range": wanted})
            assert (response.status_code, response.content) == (206, part)
        assert (await files.get(path, headers={"Range": "bytes=0-4,8-9"})).status_code == 200
        for digits in ("bytes=0-" + "9" * 5000, f"bytes={'9' * 5000}-", "bytes=-" + "9" * 5000, "bytes=٣-"):
            assert (await files.get(path, headers={"Range": digits.encode()})).content == content
        response = await files.get(path, headers={"Range": f"bytes={len(content)}-"})
        assert (response.status_code, response.headers["content-range"]) == (416, f"bytes */{len(content)}")

    async def test_a_changed_or_expired_address_serves_nothing(
        self, client: httpx.AsyncClient, signed_in: MadeUser, files: httpx.AsyncClient, api_clock: Any
    ) -> None:
        asset = await upload(client, jpeg())
        other = await upload(client, jpeg())
        path = path_of(asset["preview_url"])
        folder, expires, signature, name = path.rsplit("/", 3)
        for changed in (
            path.replace(asset["id"], other["id"]),
            f"{folder}/{int(expires) + 3600}/{signature}/{name}",
            f"{folder}/{expires}/{signature[:-2]}AA/{name}",
            f"{folder}/{expires}/{signature}/other.jpg",
            path_of(asset["url"]),
        ):
            assert (await files.get(changed)).status_code == 404
        api_clock.move(timedelta(hours=47))
        assert (await files.get(path)).status_code == 200
        api_clock.move(timedelta(hours=3))
        assert problem(await files.get(path)) == (404, "media_not_found")

    async def test_somebody_elses_file_is_not_there(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        asset = await upload(client, jpeg())
        stranger = (await factory.user()).headers
        path = f"/media/{asset['id']}"
        answers = [
            await client.get(path, headers=stranger),
            await client.patch(path, json={"alt_text": "x"}, headers=stranger),
            await client.delete(path, headers=stranger),
            await client.post(f"{path}/fix", json={}, headers=stranger),
            await client.get(f"{path}/renditions/{new_id()}", headers=stranger),
        ]
        assert [problem(answer) for answer in answers] == [(404, "media_not_found")] * 5
        assert ok(await client.get("/media", headers=stranger))["total"] == 0
        assert ok(await client.get(path))["alt_text"] is None


class TestChanging:
    async def test_name_and_description(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        asset = await upload(client, jpeg())
        path = f"/media/{asset['id']}"
        changed = ok(await client.patch(path, json={"alt_text": "A cup", "file_name": "Cup.jpg"}))
        assert (changed["alt_text"], changed["file_name"], changed["url"]) == ("A cup", "Cup.jpg", asset["url"])
        assert ok(await client.patch(path, json={"alt_text": None}))["alt_text"] is None
        assert field_errors(await client.patch(path, json={"file_name": None})) == [("body.file_name", "value_error")]


class TestPosts:
    async def test_use_the_stored_facts_and_never_somebody_elses(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory
    ) -> None:
        asset = await upload(client, jpeg((900, 900)))
        ok(await client.patch(f"/media/{asset['id']}", json={"alt_text": "A cup"}))
        account = await factory.account(signed_in)
        body = {"account_id": str(account.id), "content": "Hi", "media_urls": [asset["url"]]}
        (item,) = ok(await client.post("/posts", json=body), 201)["media"]
        assert (item["width_px"], item["alt_text"], item["url"]) == (900, "A cup", asset["url"])
        stranger = await factory.user()
        theirs = await factory.account(stranger)
        response = await client.post("/posts", json={**body, "account_id": str(theirs.id)}, headers=stranger.headers)
        for spelling in (asset["id"].upper(), asset["id"].replace("-", ""), f"{{{asset['id']}}}"):
            urls = [asset["url"].replace(asset["id"], spelling)]
            refused = await client.post("/posts", json={**body, "media_urls": urls})
            assert refused.status_code == 422
        missing = asset["url"].replace(asset["id"], str(new_id()))
        unknown = await client.post("/posts", json={**body, "media_urls": [missing]})
        assert field_errors(response) == field_errors(unknown) == [("body.media_urls.0", "media_url_unreachable")]
        assert response.json()["detail"] == unknown.json()["detail"]

    async def test_a_cover_is_a_picture_of_ones_own_and_is_kept(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, container: Container, api_clock: Any
    ) -> None:
        cover = await upload(client, jpeg((1080, 1920)))
        reel = container.own_files.url_of_sample("coffee.mp4")
        account = await factory.account(signed_in, "instagram")
        body = {"account_id": str(account.id), "media_urls": [reel], "options": {"cover_url": cover["url"]}}
        post = ok(await client.post("/posts", json={**body, "content": "Hi"}), 201)
        assert problem(await client.delete(f"/media/{cover['id']}")) == (409, "media_in_use")
        await factory.execute("UPDATE posts SET status = 'posted' WHERE id = :id", id=post["id"])
        api_clock.move(timedelta(days=31))
        await container.media_expiry.sweep()
        stranger = await factory.user()
        theirs = await factory.account(stranger, "instagram")
        missing = cover["url"].replace(cover["id"], str(new_id()))
        assert await factory.scalar("SELECT id FROM media_assets") == UUID(cover["id"])
        for url, code in (
            (cover["url"], "media_url_unreachable"),
            (missing, "media_url_unreachable"),
            (cover["url"].replace(cover["id"], cover["id"].upper()), "media_url_unreachable"),
            (container.own_files.url_of_sample("coffee.mp4"), "unsupported_media_type"),
        ):
            other = {**body, "account_id": str(theirs.id), "content": "Hi", "options": {"cover_url": url}}
            response = await client.post("/posts", json=other, headers=stranger.headers)
            assert ("body.options.cover_url", code) in field_errors(response), url

    @pytest.mark.parametrize("status", [PostStatus.draft, PostStatus.scheduled, PostStatus.on_hold])
    async def test_keep_a_file_from_being_deleted_while_they_wait(
        self, client: httpx.AsyncClient, signed_in: MadeUser, factory: Factory, container: Container, status: PostStatus
    ) -> None:
        asset = await upload(client, jpeg())
        post = await factory.post(signed_in, await factory.account(signed_in), status=status, media_urls=[asset["url"]])
        path = f"/media/{asset['id']}"
        assert problem(await client.delete(path)) == (409, "media_in_use")
        await factory.execute("UPDATE posts SET status = 'posted' WHERE id = :id", id=post.id)
        assert (await client.delete(path)).status_code == 204
        assert problem(await client.get(path)) == (404, "media_not_found")
        stored = await factory.scalar("SELECT storage_key FROM media_discards")
        assert await container.store.size(stored) > 0
        await container.media_expiry.sweep()
        assert await factory.count("media_discards") == 0
        with pytest.raises(FileMissing):
            await container.store.size(stored)
