"""Fetching media as the platforms do, finding out what it is, and keeping a copy."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx
from PIL import Image
from pymediainfo import MediaInfo

from sandbox.records import MediaItem
from sandbox.state import Store

META_FETCHER = "facebookexternalhit/1.1"
"""User agent of Meta's fetcher. Source: Content Publishing and Reels Publishing, read 2026-09-11."""
TIKTOK_FETCHER = "PostPilotSandbox/1.0 (TikTok pull)"
"""TikTok documents no user agent for its downloads."""

_FETCH_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
_IMAGE_SUFFIXES = {
    "JPEG": "jpg",
    "MPO": "jpg",
    "PNG": "png",
    "GIF": "gif",
    "WEBP": "webp",
    "BMP": "bmp",
    "TIFF": "tiff",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a file turned out to be."""

    file: str
    kind: Literal["image", "video", "other"]
    size: int
    format: str = ""
    width: int = 0
    height: int = 0
    duration: float = 0.0
    fps: float = 0.0
    video_codec: str = ""
    audio_codec: str = ""
    channels: int = 0
    sampling_hz: int = 0
    bit_rate: int = 0
    chroma: str = ""
    is_progressive: bool = True
    is_moov_first: bool = True

    @property
    def ratio(self) -> float:
        """Width divided by height; 0 when unknown."""
        return self.width / self.height if self.height else 0.0

    def as_item(self, item_id: str, alt: str = "") -> MediaItem:
        """Return it as part of a post."""
        return MediaItem(
            id=item_id,
            file=self.file,
            kind="video" if self.kind == "video" else "image",
            width=self.width,
            height=self.height,
            duration=self.duration,
            alt=alt,
        )


@dataclass(frozen=True, slots=True)
class Fetched:
    """A downloaded file and how its host behaved."""

    facts: Facts
    content_type: str
    honours_range: bool


FetchProblem = Literal["url", "unreachable", "timeout", "status", "redirect", "too_big", "empty"]


class FetchError(Exception):
    """The media could not be downloaded."""

    def __init__(self, reason: FetchProblem) -> None:
        super().__init__(reason)
        self.reason = reason


def is_allowed_url(url: str) -> bool:
    """Say whether a platform would fetch this URL: https and ASCII; plain http only from this machine."""
    if not url.isascii():
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    if not host or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def is_loopback(host: str) -> bool:
    """Say whether a host name means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Library:
    """Copies of media in a folder, named by their content, with what is known about each."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder
        self._store = store
        folder.mkdir(parents=True, exist_ok=True)
        self._facts: dict[str, Facts] = {key: Facts(**document) for key, document in store.load("facts")}
        self._verdicts: dict[str, tuple[tuple[str, ...], Fetched]] = {}
        self._client = httpx.AsyncClient(
            timeout=_FETCH_TIMEOUT,
            trust_env=False,
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=32),
        )

    async def close(self) -> None:
        """Close the connections of the fetcher."""
        await self._client.aclose()

    def clear(self) -> None:
        """Forget facts and verdicts; the files go with the folder."""
        self._facts.clear()
        self._verdicts.clear()

    def path(self, name: str) -> Path:
        """Return where a copy lies."""
        return self.folder / name[:2] / name

    def temporary(self) -> Path:
        """Return a new path for bytes on their way in."""
        return self.folder / f"incoming-{secrets.token_hex(8)}"

    async def keep(self, data: bytes) -> Facts:
        """Keep uploaded bytes."""
        key = hashlib.sha256(data).hexdigest()
        known = self._facts.get(key)
        if known is not None:
            return known
        path = self.temporary()
        await asyncio.to_thread(path.write_bytes, data)
        return await self.keep_file(path, key)

    async def keep_file(self, path: Path, key: str = "") -> Facts:
        """Take over a file; its facts are worked out once per content."""
        if not key:
            key = await asyncio.to_thread(_hash, path)
        known = self._facts.get(key)
        if known is not None:
            await asyncio.to_thread(path.unlink)
            return known
        facts = await asyncio.to_thread(self._take, path, key)
        self._facts[key] = facts
        self._store.mark("facts", key, lambda: json.dumps(asdict(facts)))
        return facts

    def _take(self, path: Path, key: str) -> Facts:
        facts = inspect(path, key)
        target = self.path(facts.file)
        target.parent.mkdir(exist_ok=True)
        path.replace(target)
        return facts

    async def fetch(self, url: str, *, user_agent: str, max_bytes: int, follow_redirects: bool) -> Fetched:
        """Download with HEAD, then GET with Range; a HEAD that shows nothing changed reuses the last verdict.

        Raises `FetchError`. `max_bytes` bounds the download, not the verdict: the caller judges the size.
        """
        if not is_allowed_url(url):
            raise FetchError("url")
        headers = {"user-agent": user_agent, "accept": "*/*"}
        try:
            head = await self._client.head(url, headers=headers, follow_redirects=follow_redirects)
            if head.is_redirect:
                raise FetchError("redirect")
            marks: tuple[str, ...] = ()
            if head.is_success:
                marks = tuple(head.headers.get(name, "") for name in ("etag", "last-modified", "content-length"))
                known = self._verdicts.get(url)
                if known is not None and any(marks) and known[0] == marks:
                    return known[1]
                if int(head.headers.get("content-length") or 0) > max_bytes:
                    raise FetchError("too_big")
            elif head.status_code not in (405, 501):
                raise FetchError("status")
            fetched = await self._download(url, headers, max_bytes, follow_redirects=follow_redirects)
        except httpx.TimeoutException as error:
            raise FetchError("timeout") from error
        except httpx.HTTPError as error:
            raise FetchError("unreachable") from error
        if any(marks):
            self._verdicts[url] = (marks, fetched)
        return fetched

    async def readable(self, url: str) -> str | None:
        """Return the title of a page as the link scraper sees it, or None when it cannot be read."""
        try:
            page = await self._client.get(url, headers={"user-agent": META_FETCHER}, follow_redirects=True)
        except httpx.HTTPError:
            return None
        if not page.is_success:
            return None
        before, found, rest = page.text.partition("<title>")
        return rest.partition("</title>")[0].strip() if found and before is not None else ""

    async def _download(self, url: str, headers: dict[str, str], max_bytes: int, *, follow_redirects: bool) -> Fetched:
        path = self.temporary()
        digest, size = hashlib.sha256(), 0
        try:
            async with self._client.stream(
                "GET", url, headers={**headers, "range": "bytes=0-"}, follow_redirects=follow_redirects
            ) as response:
                if response.is_redirect:
                    raise FetchError("redirect")
                if response.status_code not in (200, 206):
                    raise FetchError("status")
                with path.open("wb") as file:
                    async for part in response.aiter_raw():
                        size += len(part)
                        if size > max_bytes:
                            raise FetchError("too_big")
                        digest.update(part)
                        file.write(part)
                if size == 0:
                    raise FetchError("empty")
            facts = await self.keep_file(path, digest.hexdigest())
        finally:
            path.unlink(missing_ok=True)
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Fetched(facts, content_type, response.status_code == 206)


def inspect(path: Path, key: str) -> Facts:
    """Decode an image, or read the tracks of a video; anything else is `other`."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(16)
    if start[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide") or start[:4] == b"\x1a\x45\xdf\xa3":
        return _inspect_video(path, key, size)
    try:
        with Image.open(path) as image:
            form = image.format or ""
            width, height = image.size
            # Decoding at an eighth reads every byte of a JPEG at a fraction of the cost.
            image.draft("RGB", (max(1, width // 8), max(1, height // 8)))
            image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Facts(file=f"{key}.bin", kind="other", size=size)
    suffix = _IMAGE_SUFFIXES.get(form, "bin")
    return Facts(file=f"{key}.{suffix}", kind="image", size=size, format=form, width=width, height=height)


def _inspect_video(path: Path, key: str, size: int) -> Facts:
    info = MediaInfo.parse(path)
    tracks = {track.track_type: track for track in reversed(info.tracks)}
    general, video, audio = tracks.get("General"), tracks.get("Video"), tracks.get("Audio")
    if general is None or video is None or not video.width or not video.duration:
        return Facts(file=f"{key}.bin", kind="other", size=size)
    form = str(general.format or "")
    suffix = "webm" if form == "WebM" else "mov" if general.codec_id == "qt  " else "mp4"
    duration = float(video.duration) / 1_000
    width, height = int(video.width), int(video.height)
    if str(video.rotation or "0").split(".")[0] in ("90", "270"):
        width, height = height, width
    return Facts(
        file=f"{key}.{suffix}",
        kind="video",
        size=size,
        format="QuickTime" if suffix == "mov" else form,
        width=width,
        height=height,
        duration=duration,
        fps=float(video.frame_rate or 0),
        video_codec=str(video.format or ""),
        audio_codec=str(audio.format or "") if audio else "",
        channels=int(str(audio.channel_s or 0).split(" ")[0]) if audio else 0,
        sampling_hz=int(str(audio.sampling_rate or 0).split(" ")[0]) if audio else 0,
        bit_rate=int(size * 8 / duration),
        chroma=str(video.chroma_subsampling or ""),
        is_progressive=str(video.scan_type or "Progressive") == "Progressive",
        is_moov_first=_is_moov_first(path),
    )


def _is_moov_first(path: Path) -> bool:
    for name in _boxes(path):
        if name in (b"moov", b"mdat"):
            return name == b"moov"
    return False


def _boxes(path: Path) -> Iterator[bytes]:
    end = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at + 8 <= end:
            file.seek(at)
            header = file.read(16)
            size, name = int.from_bytes(header[:4], "big"), header[4:8]
            if size == 1:
                size = int.from_bytes(header[8:16], "big")
            yield name
            if size < 8:
                return
            at += size


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def append(path: Path, data: bytes, at: int) -> None:
    """Write bytes at a position, cutting off whatever lay behind it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.ftruncate(descriptor, at)
        os.pwrite(descriptor, data, at)
    finally:
        os.close(descriptor)
