"""What the sandbox tells by itself, read by our own code: signatures, events, signed requests."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from contract_harness import Driver, connect

from app.platforms.base import Draft, PostRef
from app.platforms.webhooks import (
    EventKind,
    PlatformEvent,
    is_signed_by_meta,
    is_signed_by_tiktok,
    read_meta,
    read_signed_request,
    read_tiktok,
)

SECRET = "sandbox-secret"


class Listener:
    """Stands where PostPilot's webhooks are."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any, bytes]] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                listener.heard.append((self.path, self.headers, body))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    async def events(self, count: int) -> list[PlatformEvent]:
        """Return what was told once it is so much; each signature must be right."""
        for _ in range(200):
            if len(self.heard) >= count:
                break
            await asyncio.sleep(0.02)
        found: list[PlatformEvent] = []
        for path, headers, body in self.heard:
            if path.endswith("/tiktok"):
                assert is_signed_by_tiktok(body, headers["TikTok-Signature"], SECRET)
                event = read_tiktok(json.loads(body))
                assert event is not None
                found.append(event)
            else:
                assert is_signed_by_meta(body, headers["X-Hub-Signature-256"], [SECRET])
                found += read_meta(json.loads(body))
        return found


@pytest.fixture
async def listener(sandbox) -> AsyncIterator[Listener]:
    found = Listener()
    sandbox.knobs(webhook_target=found.url)
    await asyncio.sleep(0.3)
    yield found
    sandbox.knobs(webhook_target="")
    found.server.shutdown()
    found.server.server_close()


@pytest.mark.parametrize("login", ["instagram", "facebook"])
async def test_a_comment_on_instagram(adapters, sandbox, host, image, listener, login):
    adapter = adapters["instagram"]
    [profile] = await connect(adapter, sandbox, "Bakery", login=login)
    driver = Driver(adapter, profile, host)
    await adapter.connector.subscribe(driver.auth)
    done = await driver.publish(Draft("Bread", media=(image,)))
    ref = PostRef(str(done.platform_post_id), "image", done.data)
    await adapter.aftercare.comment(driver.auth, ref, "First")
    [event] = await listener.events(1)
    assert (event.platform, event.kind) == ("instagram", EventKind.activity)
    assert (event.account_id_external, event.platform_post_id) == (profile.account_id_external, done.platform_post_id)


async def test_a_video_on_tiktok(adapters, sandbox, host, video, listener):
    adapter = adapters["tiktok"]
    [profile] = await connect(adapter, sandbox, "Bakery")
    driver = Driver(adapter, profile, host)
    done = await driver.publish(Draft("Bread", media=(video,), options={"privacy_level": "PUBLIC_TO_EVERYONE"}))
    progress, public = sorted(await listener.events(2), key=lambda event: event.kind)
    assert (progress.kind, public.kind) == (EventKind.progress, EventKind.public)
    assert progress.publish_id == public.publish_id == done.data["publish_id"]
    assert public.platform_post_id == done.platform_post_id
    assert {progress.account_id_external, public.account_id_external} == {profile.account_id_external}
    listener.heard.clear()
    await adapter.connector.revoke(driver.grant)
    [event] = await listener.events(1)
    assert (event.kind, event.account_id_external) == (EventKind.access_removed, profile.account_id_external)


@pytest.mark.parametrize("path", ["deauthorize", "data-deletion"])
async def test_signed_requests(sandbox, listener, path):
    await asyncio.to_thread(sandbox.send, "POST", f"/meta/{path}", user_id="218471")
    where, _, body = listener.heard[0]
    assert where == f"/api/v1/webhooks/meta/{path}"
    told = read_signed_request(parse_qs(body.decode())["signed_request"][0], [SECRET])
    assert told is not None
    assert told["user_id"] == "218471"
