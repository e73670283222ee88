"""Uploads that go on where they stopped."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from factories.answers import field_errors, ok, problem
from factories.api_process import ApiProcess, MemoryWatch
from factories.clock import SteerableClock
from factories.make import Factory, MadeUser
from factories.media_files import large_video
from factories.servers import free_port
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError
from tusclient.client import TusClient

from app.composition import Container
from app.kit.ids import new_id
from app.repositories.asset_repository import AssetRepository
from app.settings import Settings
from app.storage.own import SAMPLES
from app.storage.store import FileMissing

CONTENT = (SAMPLES / "coffee.mp4").read_bytes()
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {**TUS, "Content-Type": "application/offset+octet-stream"}
NAME = {"Upload-Metadata": f"filename {base64.b64encode(b'clip.mp4').decode()},filetype dmlkZW8vbXA0"}


@pytest.fixture
async def path(client: httpx.AsyncClient, signed_in: MadeUser) -> str:
    """The address of an upload that was begun."""
    response = await client.post("/media/uploads", headers={**TUS, **NAME, "Upload-Length": str(len(CONTENT))})
    assert response.status_code == 201
    return str(response.headers["location"]).removeprefix("/api/v1")


async def send(client: httpx.AsyncClient, path: str, offset: int, content: Any, **headers: str) -> httpx.Response:
    return await client.patch(path, headers={**BYTES, "Upload-Offset": str(offset), **headers}, content=content)


async def offset_of(client: httpx.AsyncClient, path: str) -> int:
    response = await client.head(path, headers=TUS)
    assert (response.status_code, response.headers["upload-length"]) == (200, str(len(CONTENT)))
    return int(response.headers["upload-offset"])


class TestDiscovery:
    async def test_needs_nobody_signed_in(self, client: httpx.AsyncClient, container: Container) -> None:
        response = await client.options("/media/uploads")
        assert (response.status_code, response.headers["tus-version"]) == (204, "1.0.0")
        assert response.headers["tus-max-size"] == str(container.settings.media_max_bytes)
        assert "creation-with-upload" in response.headers["tus-extension"]


class TestUploading:
    async def test_goes_on_where_it_stopped_and_ends_in_a_file(self, client: httpx.AsyncClient, path: str) -> None:
        assert await offset_of(client, path) == 0
        first = await send(client, path, 0, CONTENT[:100_000])
        assert (first.status_code, first.headers["upload-offset"]) == (204, "100000")
        assert "upload-asset" not in first.headers
        assert await offset_of(client, path) == 100_000
        last = await send(client, path, 100_000, CONTENT[100_000:])
        assert (last.status_code, last.headers["upload-offset"]) == (204, str(len(CONTENT)))
        asset = ok(await client.get(last.headers["content-location"].removeprefix("/api/v1")))
        assert asset["id"] == last.headers["upload-asset"]
        assert (asset["file_name"], asset["sha256"]) == ("clip.mp4", hashlib.sha256(CONTENT).hexdigest())
        looked = await client.head(path, headers=TUS)
        assert (looked.headers["upload-offset"], looked.headers["upload-asset"]) == (str(len(CONTENT)), asset["id"])

    async def test_keeps_what_arrived_before_the_connection_broke(self, client: httpx.AsyncClient, path: str) -> None:
        async def breaks() -> AsyncIterator[bytes]:
            yield CONTENT[:70_000]
            raise ConnectionResetError

        assert (await send(client, path, 0, breaks())).status_code == 503
        offset = await offset_of(client, path)
        assert offset == 70_000
        assert (await send(client, path, offset, CONTENT[offset:])).headers["upload-asset"]

    async def test_the_first_bytes_may_come_with_the_beginning(
        self, client: httpx.AsyncClient, signed_in: MadeUser
    ) -> None:
        headers = {**BYTES, **NAME, "Upload-Length": str(len(CONTENT))}
        response = await client.post("/media/uploads", headers=headers, content=CONTENT[:5000])
        assert (response.status_code, response.headers["upload-offset"]) == (201, "5000")
        whole = await client.post("/media/uploads", headers=headers, content=CONTENT)
        assert (whole.status_code, whole.headers["upload-offset"]) == (201, str(len(CONTENT)))
        ok(await client.get(f"/media/{whole.headers['upload-asset']}"))

    async def test_a_checksum_that_does_not_match_leaves_nothing(self, client: httpx.AsyncClient, path: str) -> None:
        digest = base64.b64encode(hashlib.sha1(CONTENT[:1000]).digest()).decode()  # noqa: S324 - tus names it
        wrong = await send(client, path, 0, CONTENT[1:1001], **{"Upload-Checksum": f"sha1 {digest}"})
        assert problem(wrong) == (460, "upload_checksum_mismatch")
        assert await offset_of(client, path) == 0
        right = await send(client, path, 0, CONTENT[:1000], **{"Upload-Checksum": f"sha1 {digest}"})
        assert (right.status_code, right.headers["upload-offset"]) == (204, "1000")
        unknown = await send(client, path, 1000, b"x", **{"Upload-Checksum": "crc32 AAAA"})
        assert field_errors(unknown) == [("header.upload-checksum", "invalid_header")]

    async def test_a_file_that_is_refused_ends_its_upload(self, client: httpx.AsyncClient, signed_in: MadeUser) -> None:
        page = b"<html>" + bytes(100)
        begun = await client.post("/media/uploads", headers={**TUS, "Upload-Length": str(len(page))})
        path = begun.headers["location"].removeprefix("/api/v1")
        refused = await send(client, path, 0, page)
        assert (refused.status_code, field_errors(refused)) == (422, [("body.file", "media_html")])
        assert (await client.head(path, headers=TUS)).status_code == 404

    async def test_a_client_from_a_library_can_do_it(
        self, public_api: str, rows: Factory, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        user = await rows.user()
        client = TusClient(f"{public_api}/api/v1/media/uploads", headers=dict(user.headers))
        uploader = client.uploader(
            file_stream=io.BytesIO(CONTENT), chunk_size=60_000, metadata={"filename": "clip.mp4"}, upload_checksum=True
        )
        await asyncio.to_thread(uploader.upload)
        assert await rows.scalar("SELECT sha256 FROM media_assets") == hashlib.sha256(CONTENT).hexdigest()


class TestRefusals:
    def test_of_a_look_are_in_the_document(self, app: FastAPI) -> None:
        look = app.openapi()["paths"]["/api/v1/media/uploads/{upload_id}"]["head"]
        assert {"404", "412", "422", "423", "503"} <= set(look["responses"])

    async def test_each_has_its_status(
        self, client: httpx.AsyncClient, path: str, factory: Factory, container: Container
    ) -> None:
        await send(client, path, 0, CONTENT[:10])
        assert problem(await send(client, path, 5, b"x")) == (409, "upload_offset_conflict")
        assert problem(await send(client, path, 10, b"x", **{"Content-Type": "text/plain"}))[0] == 415
        assert problem(await send(client, path, 10, CONTENT))[0] == 413
        assert problem(await send(client, path, 10, b"x", **{"Tus-Resumable": "0.2.2"}))[0] == 412
        assert (await client.head(path)).status_code == 412
        assert field_errors(await client.patch(path, headers=BYTES)) == [("header.upload-offset", "invalid_header")]
        stranger = (await factory.user()).headers
        assert problem(await send(client, path, 10, b"x", **stranger)) == (404, "upload_not_found")
        assert await offset_of(client, path) == 10
        many = {**TUS, "Upload-Length": str(container.settings.media_max_bytes + 1)}
        assert problem(await client.post("/media/uploads", headers=many)) == (413, "media_too_large")
        none = await client.post("/media/uploads", headers=TUS)
        assert field_errors(none) == [("header.upload-length", "invalid_header")]
        empty = await client.post("/media/uploads", headers={**TUS, "Upload-Length": "0"})
        assert field_errors(empty) == [("body.file", "media_empty")]

    async def test_an_upload_can_be_given_up(self, client: httpx.AsyncClient, path: str, container: Container) -> None:
        await send(client, path, 0, CONTENT[:10])
        assert (await client.delete(path, headers=TUS)).status_code == 204
        assert problem(await send(client, path, 10, b"x")) == (404, "upload_not_found")
        name = path.rpartition("/")[2]
        assert not (container.media_taking.folder / f"{name}.upload").exists()

    async def test_no_more_are_begun_than_a_user_may_have(
        self, client: httpx.AsyncClient, path: str, container: Container, factory: Factory,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(container.media_uploads, "_open_max", 2)
        begin = {**TUS, "Upload-Length": str(len(CONTENT))}
        assert (await client.post("/media/uploads", headers=begin)).status_code == 201
        files = set(container.media_taking.folder.iterdir())
        assert problem(await client.post("/media/uploads", headers=begin)) == (429, "too_many_uploads")
        assert set(container.media_taking.folder.iterdir()) == files
        stranger = (await factory.user()).headers
        assert (await client.post("/media/uploads", headers={**begin, **stranger})).status_code == 201
        last = await send(client, path, 0, CONTENT)
        assert (await client.delete(f"/media/{last.headers['upload-asset']}")).status_code == 204
        assert (await client.post("/media/uploads", headers=begin)).status_code == 201

    async def test_none_is_taken_when_the_disk_is_nearly_full(
        self, client: httpx.AsyncClient, path: str, container: Container, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await send(client, path, 0, CONTENT[:10])
        free = shutil.disk_usage(container.media_taking.folder).free
        monkeypatch.setattr(container.media_taking, "free_min_bytes", free - 300_000_000)
        begin = {**TUS, "Upload-Length": "600000000"}
        assert problem(await client.post("/media/uploads", headers=begin)) == (507, "storage_full")
        assert (await client.post("/media/uploads", headers={**TUS, "Upload-Length": "10"})).status_code == 201
        monkeypatch.setattr(container.media_taking, "free_min_bytes", 2 * free)
        assert problem(await send(client, path, 10, CONTENT[10:])) == (507, "storage_full")
        answer = await client.post("/media", files={"file": ("clip.mp4", CONTENT)})
        assert problem(answer) == (507, "storage_full")
        monkeypatch.undo()
        assert await offset_of(client, path) == 10
        assert (await send(client, path, 10, CONTENT[10:])).headers["upload-asset"]

    async def test_an_upload_that_nobody_finishes_expires(
        self, client: httpx.AsyncClient, path: str, container: Container, api_clock: SteerableClock, factory: Factory
    ) -> None:
        await send(client, path, 0, CONTENT[:10])
        api_clock.move(timedelta(hours=25))
        assert (await client.head(path, headers=TUS)).status_code == 404
        await container.media_expiry.sweep()
        assert await factory.count("media_uploads") == 0
        name = path.rpartition("/")[2]
        assert not (container.media_taking.folder / f"{name}.upload").exists()


class TestKilled:
    async def test_an_upload_survives_the_process_that_took_it(
        self, settings: Settings, rows: Factory, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        folder = tmp_path_factory.mktemp("killed")
        path = folder / "large.mp4"
        large_video(path, 30_000_000)
        content = path.read_bytes()
        half = len(content) // 2
        user = await rows.user()
        api = ApiProcess(settings, free_port(), folder / "api.log")
        async with httpx.AsyncClient(base_url=f"{api.url}/api/v1", headers=dict(user.headers), timeout=60) as client:
            begun = await client.post("/media/uploads", headers={**TUS, "Upload-Length": str(len(content))})
            address = begun.headers["location"].removeprefix("/api/v1")

            async def pieces() -> AsyncIterator[bytes]:
                for start in range(0, half, 100_000):
                    yield content[start : start + 100_000]
                await asyncio.sleep(0.3)
                api.kill()
                for start in range(half, len(content), 100_000):
                    yield content[start : start + 100_000]

            headers = {**BYTES, "Upload-Offset": "0", "Content-Length": str(len(content))}
            with pytest.raises(httpx.TransportError):
                await client.patch(address, headers=headers, content=pieces())
            api.start()
            watch = MemoryWatch(api)
            offset = int((await client.head(address, headers=TUS)).headers["upload-offset"])
            assert half - 1_200_000 < offset <= half + 100_000
            last = await send(client, address, offset, content[offset:])
            assert last.status_code == 204
            watch.look()
            assert watch.more_megabytes < 150
            asset = ok(await client.get(f"/media/{last.headers['upload-asset']}"))
        api.stop()
        assert asset["sha256"] == hashlib.sha256(content).hexdigest()
        assert asset["duration_seconds"] > 5

    async def test_a_database_that_blinks_at_the_last_byte_loses_nothing(
        self, client: httpx.AsyncClient, path: str, container: Container, factory: Factory,
        monkeypatch: pytest.MonkeyPatch, api_clock: SteerableClock,
    ) -> None:  # fmt: skip
        async def away(*_: Any, **__: Any) -> None:
            raise OperationalError("INSERT", None, ConnectionResetError())

        with monkeypatch.context() as patch:
            patch.setattr(AssetRepository, "add", away)
            assert problem(await send(client, path, 0, CONTENT)) == (503, "dependency_away")
            assert (await client.head(path, headers=TUS)).status_code == 503
            form = {"file": ("clip.mp4", CONTENT)}
            assert problem(await client.post("/media", files=form)) == (503, "dependency_away")
        await container.media_expiry.sweep()
        looked = await client.head(path, headers=TUS)
        asset = looked.headers["upload-asset"]
        assert ok(await client.get(f"/media/{asset}"))["sha256"] == hashlib.sha256(CONTENT).hexdigest()
        name = path.rpartition("/")[2]
        assert [one.name for one in container.media_taking.folder.iterdir() if name in one.name] == []
        (orphan,) = await factory.execute("SELECT storage_key FROM media_discards")
        assert await container.store.size(orphan.storage_key) == len(CONTENT)
        api_clock.move(timedelta(hours=25))
        await container.media_expiry.sweep()
        with pytest.raises(FileMissing):
            await container.store.size(orphan.storage_key)
        kept = await factory.scalar("SELECT storage_key FROM media_assets")
        assert await container.store.size(kept) == len(CONTENT)

    async def test_what_killed_processes_left_is_removed(
        self, client: httpx.AsyncClient, path: str, container: Container, api_clock: SteerableClock, factory: Factory
    ) -> None:
        folder = container.media_taking.folder
        left = [folder / "tmpabcdef", folder / f"{new_id()}.upload"]
        user = await factory.user()
        post = await factory.post(user, await factory.account(user))
        await factory.execute(
            "INSERT INTO publications (id, post_id, user_id, account_id, run, step, scheduled_for, due_at) "
            "SELECT id, id, user_id, account_id, 1, 'prepare', now(), now() FROM posts WHERE id = :id",
            id=post.id,
        )
        copies = [container.own_files.copy_path(one, "http://a.example") for one in (post.id, new_id())]
        for one in (*left, *copies):
            one.parent.mkdir(parents=True, exist_ok=True)
            one.write_bytes(b"x")
        await container.media_expiry.sweep()
        assert [one.exists() for one in (*left, *copies)] == [True, True, True, False]
        await factory.execute("UPDATE publications SET finished_at = now()")
        api_clock.move(timedelta(hours=25))
        await container.media_expiry.sweep()
        assert [one.exists() for one in (*left, *copies)] == [False] * 4

    async def test_the_last_byte_before_the_kill_is_enough(
        self, client: httpx.AsyncClient, path: str, container: Container
    ) -> None:
        name = path.rpartition("/")[2]
        (container.media_taking.folder / f"{name}.upload").write_bytes(CONTENT)
        looked = await client.head(path, headers=TUS)
        assert looked.headers["upload-offset"] == str(len(CONTENT))
        ok(await client.get(f"/media/{looked.headers['upload-asset']}"))
