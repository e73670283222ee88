"""Fixtures of the contract tests: one sandbox and one media host for all of them, fresh adapters for each."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from contract_harness import MediaHost, Sandbox, running_sandbox
from PIL import Image

from app.platforms.base import MediaItem
from app.platforms.registry import Adapters, FacebookConfig, InstagramConfig, TikTokConfig, build_adapters

VISIBILITY_SECONDS = 0.6


@pytest.fixture(scope="session")
def sandbox_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as url:
        yield url


@pytest.fixture
def sandbox(sandbox_url: str) -> Iterator[Sandbox]:
    control = Sandbox(sandbox_url)
    control.reset()
    yield control
    control.close()


@pytest.fixture(scope="session")
def host() -> Iterator[MediaHost]:
    server = MediaHost()
    yield server
    server.close()


@pytest.fixture
async def adapters(sandbox_url: str) -> AsyncIterator[Adapters]:
    app = ("postpilot-sandbox", "sandbox-secret")
    built = build_adapters(
        instagram=InstagramConfig(
            *app,
            oauth_url=f"{sandbox_url}/instagram/www",
            api_url=f"{sandbox_url}/instagram/api",
            graph_url=f"{sandbox_url}/instagram/graph",
            visibility_seconds=VISIBILITY_SECONDS,
            facebook_app_id="postpilot-sandbox",
            facebook_app_secret="sandbox-secret",
            facebook_oauth_url=f"{sandbox_url}/facebook/www",
            facebook_graph_url=f"{sandbox_url}/facebook/graph",
            upload_url=f"{sandbox_url}/facebook/upload",
        ),
        facebook=FacebookConfig(
            *app,
            oauth_url=f"{sandbox_url}/facebook/www",
            graph_url=f"{sandbox_url}/facebook/graph",
            upload_url=f"{sandbox_url}/facebook/upload",
            visibility_seconds=VISIBILITY_SECONDS,
        ),
        tiktok=TikTokConfig(
            *app,
            auth_url=f"{sandbox_url}/tiktok/www",
            api_url=f"{sandbox_url}/tiktok/api",
            upload_hosts=(urlsplit(sandbox_url).netloc,),
            visibility_seconds=VISIBILITY_SECONDS,
            pull_fence_seconds=1.0,
        ),
    )
    yield built
    await built.aclose()


@pytest.fixture(scope="session")
def image(host: MediaHost) -> MediaItem:
    buffer = io.BytesIO()
    Image.new("RGB", (1080, 1080), (200, 90, 40)).save(buffer, "JPEG", quality=70)
    url = host.add("picture.jpg", buffer.getvalue(), "image/jpeg")
    size = len(buffer.getvalue())
    return MediaItem(url, "image", "image/jpeg", size_bytes=size, width_px=1080, height_px=1080)


@pytest.fixture(scope="session")
def clip() -> bytes:
    return (Path(__file__).parent / "data" / "clip.mp4").read_bytes()


@pytest.fixture(scope="session")
def video(host: MediaHost, clip: bytes) -> MediaItem:
    return MediaItem(
        host.add("clip.mp4", clip, "video/mp4"),
        "video",
        "video/mp4",
        size_bytes=len(clip),
        width_px=540,
        height_px=960,
        duration_seconds=3.5,
        codec="h264",
        frame_rate=24.0,
    )
