"""Two hundred hostile files and forty hostile addresses, against a real API process whose memory is watched."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import httpx
import pytest
from factories.api_process import ApiProcess, MemoryWatch
from factories.hostile import all_hostile
from factories.make import Factory
from factories.servers import MediaHost, free_port

from app.settings import Settings

MEMORY_MEGABYTES = 300


@pytest.fixture
def api(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    log = tmp_path_factory.mktemp("api") / "api.log"
    process = ApiProcess(settings, free_port(), log, MEDIA_ALLOWED_NETWORKS="127.0.0.2/32")
    yield process
    process.stop()


@pytest.fixture
def watch(api: ApiProcess) -> Iterator[MemoryWatch]:
    """Look at the memory all the time, and fail the test when it was too much."""
    watched, ended = MemoryWatch(api), threading.Event()

    def look() -> None:
        while not ended.wait(0.02):
            watched.look()

    thread = threading.Thread(target=look)
    thread.start()
    yield watched
    ended.set()
    thread.join()


class Listener:
    """Counts who connects to the loopback address: nobody should."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])
        self.connections = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()


class TestFiles:
    async def test_each_is_refused_by_its_name_and_none_costs_much_memory(
        self, api: ApiProcess, watch: MemoryWatch, rows: Factory
    ) -> None:
        user = await rows.user()
        files = all_hostile()
        assert len(files) >= 200
        wrong = []
        async with httpx.AsyncClient(base_url=api.url, headers=dict(user.headers), timeout=60) as client:
            for file in files:
                response = await client.post("/api/v1/media", files={"file": (file.name, file.content)})
                body = response.json()
                named = body["errors"][0]["type"] if response.status_code == 422 else body
                if named not in file.reasons or body["detail"] != body["errors"][0]["msg"]:
                    wrong.append((file.name, file.reasons, named))
        assert wrong == []
        assert await rows.count("media_assets") == 0
        assert watch.more_megabytes < MEMORY_MEGABYTES

    async def test_the_largest_picture_that_is_taken_costs_no_more(
        self, api: ApiProcess, watch: MemoryWatch, rows: Factory
    ) -> None:
        import io

        from PIL import Image

        buffer = io.BytesIO()
        Image.new("RGBA", (10_000, 6_000), (10, 200, 30, 90)).save(buffer, "PNG", compress_level=1)
        user = await rows.user()
        async with httpx.AsyncClient(base_url=api.url, headers=dict(user.headers), timeout=60) as client:
            response = await client.post("/api/v1/media", files={"file": ("large.png", buffer.getvalue())})
        assert (response.status_code, response.json()["width_px"]) == (201, 10_000)
        assert watch.more_megabytes < MEMORY_MEGABYTES


def hostile_addresses(port: int, host: MediaHost) -> list[str]:
    """Return forty addresses that lead inside, or nowhere."""
    mapped = struct.unpack(">I", socket.inet_aton("127.0.0.1"))[0]
    inside = [
        f"http://127.0.0.1:{port}/a.jpg",
        f"http://127.1:{port}/a.jpg",
        f"http://127.255.255.254:{port}/a.jpg",
        f"http://{mapped}:{port}/a.jpg",
        f"http://0x7f000001:{port}/a.jpg",
        f"http://0x7f.0x0.0x0.0x1:{port}/a.jpg",
        f"http://017700000001:{port}/a.jpg",
        f"http://0177.0.0.1:{port}/a.jpg",
        f"http://0.0.0.0:{port}/a.jpg",
        f"http://0:{port}/a.jpg",
        f"http://localhost:{port}/a.jpg",
        f"http://localhost.:{port}/a.jpg",
        f"http://LOCALHOST:{port}/a.jpg",
        f"http://ⓛocalhost:{port}/a.jpg",
        f"http://ｌｏｃａｌｈｏｓｔ:{port}/a.jpg",
        f"http://１２７.0.0.1:{port}/a.jpg",
        f"http://[::1]:{port}/a.jpg",
        f"http://[::]:{port}/a.jpg",
        f"http://[::ffff:127.0.0.1]:{port}/a.jpg",
        f"http://[::ffff:7f00:1]:{port}/a.jpg",
        f"http://[64:ff9b::7f00:1]:{port}/a.jpg",
        f"http://[fe80::1%25lo]:{port}/a.jpg",
        f"http://[fd00::1]:{port}/a.jpg",
        "http://169.254.169.254/latest/meta-data/",
        "http://metadata.google.internal/computeMetadata/v1/",
        "http://10.0.0.1/a.jpg",
        "http://192.168.1.1/a.jpg",
        "http://172.16.0.1/a.jpg",
        "http://100.64.0.1/a.jpg",
        "http://224.0.0.1/a.jpg",
        f"http://shop.example@127.0.0.1:{port}/a.jpg",
        f"http://127.0.0.1:{port}\\@shop.example/a.jpg",
        f"http://shop.example\r\nHost: 127.0.0.1:{port}/a.jpg",
        f"http://127.0.0.1:{port + 65536}/a.jpg",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "ftp://127.0.0.1/a.jpg",
        "data:image/png;base64,AAAA",
        "//127.0.0.1/a.jpg",
        "http:///a.jpg",
    ]
    redirects = [f"http://127.0.0.1:{port}/a.jpg", f"http://localhost:{port}/", "file:///etc/passwd", "gopher://x/"]
    return inside + [host.redirect_to(target) for target in redirects]


class TestAddresses:
    async def test_each_is_refused_and_nothing_inside_is_asked(
        self, api: ApiProcess, rows: Factory, media_host: MediaHost
    ) -> None:
        user = await rows.user()
        account = await rows.account(user)
        listener = Listener()
        addresses = hostile_addresses(listener.port, media_host)
        assert len(addresses) >= 40
        reasons = {}
        async with httpx.AsyncClient(base_url=api.url, headers=dict(user.headers), timeout=60) as client:
            for address in addresses:
                body = {"account_id": str(account.id), "content": "Hi", "media_urls": [address]}
                response = await client.post("/api/v1/posts", json=body)
                assert response.status_code == 422, address
                (error,) = response.json()["errors"]
                assert error["loc"] == ["body", "media_urls", 0], address
                reasons[address] = error["type"]
        listener.socket.close()
        assert set(reasons.values()) <= {"media_url_not_public", "media_url_invalid", "media_url_unreachable"}
        assert listener.connections == 0
        assert await rows.count("posts") == 0
