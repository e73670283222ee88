"""A sandbox and a media host on free ports; every test starts with an empty sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.server import make_server
from sandbox.settings import Settings
from sandbox.tests.clients import Control, FacebookPage, InstagramAccount, TikTokCreator
from sandbox.tests.hosts import MediaHost, free_port, in_thread


@pytest.fixture(scope="session")
def sandbox_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running sandbox."""
    port = free_port()
    server = make_server(Settings(data_dir=tmp_path_factory.mktemp("data"), port=port))
    with in_thread(server):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def media_host() -> Iterator[MediaHost]:
    """A host with good and bad media."""
    with MediaHost(Path(__file__).parent / "data") as host:
        yield host


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A client that follows nothing and retries nothing."""
    with httpx.Client(timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture
def control(sandbox_url: str, http: httpx.Client, media_host: MediaHost) -> Control:
    """The control API of an emptied, quick sandbox."""
    control = Control(http, sandbox_url)
    control.post("reset")
    control.knobs(processing_seconds=0, tiktok_moderation_seconds=0)
    media_host.requests.clear()
    return control


@pytest.fixture
def instagram(control: Control) -> InstagramAccount:
    """A connected Instagram account."""
    return InstagramAccount.connect(control, "Corner Bakery")


@pytest.fixture
def facebook(control: Control) -> FacebookPage:
    """A connected Facebook Page."""
    return FacebookPage.connect(control, "Corner Bakery")


@pytest.fixture
def tiktok(control: Control) -> TikTokCreator:
    """A connected TikTok creator."""
    return TikTokCreator.connect(control, "Corner Bakery")
