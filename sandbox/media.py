"""What a file is: decoding images, reading the tracks of videos; and which URLs a platform would fetch."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from PIL import Image
from pymediainfo import MediaInfo

from sandbox.records import MediaItem

_SUFFIXES = {
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
    suffix = _SUFFIXES.get(form, "bin")
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


def append(path: Path, data: bytes, at: int) -> None:
    """Write bytes at a position, cutting off whatever lay behind it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.ftruncate(descriptor, at)
        os.pwrite(descriptor, data, at)
    finally:
        os.close(descriptor)
