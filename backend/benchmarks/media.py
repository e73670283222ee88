"""A large video on its way in and out: uploaded by tus with the API killed in the middle, looked at, published with the
worker killed in the middle; and what the one-call fix makes of a phone's picture and video, on every platform."""

from __future__ import annotations

import os
import secrets
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from app.settings import PROJECT_ROOT
from benchmarks.media_out import MEMORY_MEGABYTES, Out, publish_fixed, publish_large
from benchmarks.memory import MemoryOf
from benchmarks.scenes import make_picture, make_video, run_ffmpeg
from deploy.scratch import Scratch, scratch_stack

MEGABYTES = 500
PIECE_BYTES = 8_000_000
OUT = PROJECT_ROOT / ".bench"
SHOWN = ("width_px", "height_px", "size_bytes", "frame_rate", "duration_seconds")
TUS = {"Tus-Resumable": "1.0.0"}


def run(megabytes: int = MEGABYTES) -> dict[str, Any]:
    """Return the figures of every part."""
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="postpilot-media-") as name, scratch_stack() as scratch:
        folder, client = Path(name), sign_up(scratch)
        out = Out(scratch, client)
        large = folder / "large.mp4"
        make_large_video(large, megabytes * 1_000_000)
        asset, uploaded = upload(scratch, client, large)
        return {
            "upload": uploaded,
            "publish": publish_large(out, asset, large),
            "fix": fix(out, client, folder),
        }


def sign_up(scratch: Scratch) -> httpx.Client:
    """Return a client that is signed in as a new user whose plan has no limits."""
    client = httpx.Client(base_url=scratch.api, timeout=300, trust_env=False)
    email = f"bench-{secrets.token_hex(6)}@example.com"
    answer = client.post("/auth/register", json={"email": email, "password": "measured with care"})
    client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
    scratch.give_plan(email)
    return client


def upload(scratch: Scratch, client: httpx.Client, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Upload a large video, kill the API in the middle, and go on where the server says."""
    size = path.stat().st_size
    with MemoryOf(lambda: scratch.pids("api")) as memory:
        begun = time.monotonic()
        location = client.post("/media/uploads", headers={**TUS, "Upload-Length": str(size)}).headers["location"]
        address = location.removeprefix("/api/v1")
        killed_at, offset = size // 2, 0
        is_killed, sent_twice = False, 0
        while offset < size:
            if not is_killed and offset >= killed_at:
                is_killed = True
                kill_api_while_sending(scratch, client, address, path, offset)
                resumed = offset_after_restart(client, address)
                sent_twice, offset = max(0, offset - resumed), resumed
            answer = send(client, address, path, offset)
            offset = int(answer.headers["upload-offset"])
        seconds = time.monotonic() - begun
        asset = client.get(f"/media/{answer.headers['upload-asset']}").json()
    return asset, {
        "megabytes": size / 1_000_000,
        "seconds": round(seconds, 1),
        "resumed_at_byte": resumed,
        "bytes_lost_by_the_kill": sent_twice,
        "most_extra_memory_megabytes": round(memory.more_megabytes, 1),
        "memory_allowed_megabytes": MEMORY_MEGABYTES,
        "duration_seconds": asset["duration_seconds"],
        "size_is_right": asset["size_bytes"] == size,
    }


def send(client: httpx.Client, address: str, path: Path, offset: int) -> httpx.Response:
    """Send one piece."""
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(PIECE_BYTES)
    headers = {**TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
    answer = client.patch(address, headers=headers, content=content)
    answer.raise_for_status()
    return answer


def kill_api_while_sending(scratch: Scratch, client: httpx.Client, address: str, path: Path, offset: int) -> None:
    """Begin a request and kill the process that reads it."""
    (pid,) = scratch.pids("api")
    headers = {**TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
    headers["Content-Length"] = str(path.stat().st_size - offset)

    def pieces() -> Iterator[bytes]:
        with path.open("rb") as file:
            file.seek(offset)
            for _ in range(80):
                yield file.read(100_000)
            time.sleep(0.3)
            os.kill(pid, signal.SIGKILL)
            while piece := file.read(100_000):
                yield piece

    try:
        client.patch(address, headers=headers, content=pieces())
    except httpx.TransportError:
        return
    raise AssertionError("the API answered although it was killed")


def offset_after_restart(client: httpx.Client, address: str) -> int:
    """Wait until the supervisor has started the API anew, and ask it how far the upload is."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            answer = client.head(address, headers=TUS)
        except httpx.TransportError:
            time.sleep(0.2)
            continue
        return int(answer.headers["upload-offset"])
    raise AssertionError("the API did not come back")


def fix(out: Out, client: httpx.Client, folder: Path) -> dict[str, Any]:
    """Have a picture and a video made that fit a post type of each platform, and publish them there. What the
    platforms received is kept in `.bench/fix/`."""
    figures = {}
    kept = OUT / "fix"
    kept.mkdir(exist_ok=True)
    pictures = (("instagram", "image"), ("facebook", "photo"), ("tiktok", "photo"))
    videos = (("instagram", "reel"), ("facebook", "reel"), ("tiktok", "video"))
    for name, path, pairs in (
        ("picture", make_picture(folder / "picture.jpg"), pictures),
        ("video", make_video(folder / "video.mov"), videos),
    ):
        with path.open("rb") as file:
            asset = client.post("/media", files={"file": (path.name, file)}).raise_for_status().json()
        targets = [{"platform": platform, "post_type": post_type} for platform, post_type in pairs]
        for fit_ in ("pad", "crop"):
            begun = time.monotonic()
            body = {"targets": targets, "fit": fit_}
            made = client.post(f"/media/{asset['id']}/fix", json=body).raise_for_status().json()
            while made["status"] in ("pending", "running"):
                time.sleep(0.1)
                made = client.get(f"/media/{asset['id']}/renditions/{made['id']}").json()
            assert made["status"] == "ready", made
            figures[f"{name}_{fit_}"] = {
                "seconds": round(time.monotonic() - begun, 1),
                **{key: made[key] for key in SHOWN if made[key] is not None},
                **publish_fixed(out, f"{name}-{fit_}", made, pairs, kept),
            }
    return figures


def make_large_video(path: Path, size: int) -> None:
    """Write a valid video of about so many bytes: noise, which does not compress."""
    piece = path.with_suffix(".piece.mp4")
    noise = "nullsrc=s=1280x720:r=30:d=6,geq=random(1)*255:128:128"
    run_ffmpeg(
        "-f", "lavfi", "-i", noise, "-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", "-pix_fmt", "yuv420p",
        str(piece),
    )  # fmt: skip
    times = max(0, round(size / piece.stat().st_size) - 1)
    run_ffmpeg("-stream_loop", str(times), "-i", str(piece), "-c", "copy", "-movflags", "+faststart", str(path))
    piece.unlink()
