"""Where files are kept: a folder, or a bucket of a server that speaks S3."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import httpx
import pytest
from factories.answers import ok, problem
from factories.make import Factory, MadeUser
from factories.servers import free_port
from fastapi import FastAPI
from PIL import Image
from pydantic import SecretStr

from app.composition import Container, build_store
from app.settings import Settings
from app.storage.s3 import PART_BYTES
from app.storage.store import DiskStore, FileMissing, Store, StoreUnavailable


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A bucket on a server of its own, as settings."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (tmp_path_factory.mktemp("s3") / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    endpoint = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 60
    while True:
        assert process.poll() is None
        assert time.monotonic() < until
        try:
            urlopen(Request(f"{endpoint}/shop-media", method="PUT"), timeout=5)
            break
        except OSError:
            time.sleep(0.1)
    yield {
        "media_store": "s3",
        "s3_endpoint_url": endpoint,
        "s3_bucket": "shop-media",
        "s3_access_key_id": "key",
        "s3_secret_access_key": SecretStr("secret"),
        "s3_prefix": "postpilot/media",
    }
    process.terminate()
    process.wait(10)


def changed(settings: Settings, **changes: Any) -> Settings:
    return Settings(_env_file=None, **{**settings.model_dump(), **changes})  # type: ignore[call-arg]


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Store:
    if request.param == "disk":
        return DiskStore(tmp_path_factory.mktemp("files"))
    return build_store(changed(settings, **request.getfixturevalue("bucket")))


@pytest.fixture
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of more than two parts."""
    path = tmp_path_factory.mktemp("content") / "video.mp4"
    path.write_bytes(os.urandom(2 * PART_BYTES + 12_345))
    return path


async def read(store: Store, key: str, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in store.stream(key, start, end)])


class TestBoth:
    async def test_keep_a_large_file_and_give_any_part_of_it(self, store: Store, content: Path) -> None:
        whole = content.read_bytes()  # noqa: ASYNC240
        await store.keep("assets/1a/video.mp4", content)
        assert not content.exists()  # noqa: ASYNC240
        assert await store.size("assets/1a/video.mp4") == len(whole)
        assert await read(store, "assets/1a/video.mp4", 0, len(whole)) == whole
        assert await read(store, "assets/1a/video.mp4", 8_000_000, 9_000_001) == whole[8_000_000:9_000_001]
        assert await read(store, "assets/1a/video.mp4", 5, 5) == b""
        async with store.local("assets/1a/video.mp4") as path:
            assert path.read_bytes() == whole
        await store.remove("assets/1a/video.mp4")
        await store.remove("assets/1a/video.mp4")
        with pytest.raises(FileMissing):
            await store.size("assets/1a/video.mp4")
        with pytest.raises(FileMissing):
            await read(store, "assets/1a/video.mp4", 0, 10)


class TestBucket:
    async def test_that_is_away_is_no_lost_file(self, settings: Settings, bucket: dict[str, Any]) -> None:
        away = f"http://127.0.0.1:{free_port()}"
        store = build_store(changed(settings, **{**bucket, "s3_endpoint_url": away}))
        with pytest.raises(StoreUnavailable):
            await store.size("assets/1a/video.mp4")

    def test_needs_a_name_and_keys(self, settings: Settings) -> None:
        with pytest.raises(ValueError, match="S3_BUCKET"):
            changed(settings, media_store="s3")

    async def test_serves_what_was_uploaded(
        self, bucket: dict[str, Any], make_worker: Any, rows: Factory, real_client: httpx.AsyncClient,
        owner: MadeUser, app: FastAPI, committed: Container,
    ) -> None:  # fmt: skip
        container: Container = make_worker("api-with-bucket", **bucket)
        app.state.container = container
        buffer = io.BytesIO()
        Image.new("RGB", (600, 400), (9, 99, 199)).save(buffer, "PNG")
        asset = ok(await real_client.post("/media", files={"file": ("a.png", buffer.getvalue())}), 201)
        files = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test")
        path = "/" + asset["preview_url"].split("/", 3)[3]
        part = await files.get(path, headers={"Range": "bytes=10-99"})
        assert (part.status_code, part.content) == (206, buffer.getvalue()[10:100])
        asked = ok(await real_client.post(f"/media/{asset['id']}/fix", json={}), 202)
        assert await container.media_renditions.work() == 1
        made = ok(await real_client.get(f"/media/{asset['id']}/renditions/{asked['id']}"))
        assert made["status"] == "ready"
        picture = await files.get("/" + made["preview_url"].split("/", 3)[3])
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
        assert (await real_client.delete(f"/media/{asset['id']}")).status_code == 204
        await container.media_expiry.sweep()
        assert await rows.count("media_discards") == 0
        assert problem(await files.get(path)) == (404, "media_not_found")
