"""Two hundred files that must not be taken, each with the name of the reason. Made the same way every time."""

from __future__ import annotations

import gzip
import io
import random
import struct
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from app.storage.own import SAMPLES
from app.storage.transcode import ffmpeg

HEIC = Path(__file__).resolve().parents[1] / "integration" / "data" / "phone.heic"


@dataclass(frozen=True)
class Hostile:
    name: str
    content: bytes
    reasons: tuple[str, ...]
    """The names that are right; most have one."""


def all_hostile() -> list[Hostile]:
    """Return every file. At least two hundred."""
    made: list[Hostile] = []
    for family in FAMILIES:
        made += list(family())
    return made


def _picture(kind: str = "JPEG", size: tuple[int, int] = (96, 64), **options: object) -> bytes:
    noise = random.Random(7)
    image = Image.frombytes("RGB", size, noise.randbytes(size[0] * size[1] * 3))
    buffer = io.BytesIO()
    (image.convert("P") if kind == "GIF" else image).save(buffer, kind, **options)
    return buffer.getvalue()


@lru_cache
def _pictures() -> dict[str, bytes]:
    return {"jpg": _picture(), "png": _picture("PNG"), "gif": _picture("GIF"), "webp": _picture("WEBP")}


@lru_cache
def videos() -> dict[str, bytes]:
    """Return short real videos by name."""
    made = {"sample.mp4": (SAMPLES / "coffee.mp4").read_bytes()}
    with TemporaryDirectory() as folder:
        source = ["-f", "lavfi", "-i", "testsrc=s=128x96:r=10:d=1"]
        sound = ["-f", "lavfi", "-i", "sine=d=1"]
        for name, options in (
            ("plain.mp4", [*source, "-c:v", "libx264", "-pix_fmt", "yuv420p"]),
            ("front.mp4", [*source, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "+faststart"]),
            ("plain.mov", [*source, "-c:v", "libx264", "-pix_fmt", "yuv420p"]),
            ("plain.webm", [*source, "-c:v", "libvpx"]),
            ("wide.mp4", ["-f", "lavfi", "-i", "testsrc=s=8400x16:d=0.1", "-c:v", "libx264", "-pix_fmt", "yuv420p"]),
            ("sound.mp4", [*sound, "-c:a", "aac"]),
            ("sound.mov", [*sound, "-c:a", "aac"]),
            ("sound.webm", [*sound, "-c:a", "libopus"]),
            ("sound.m4a", [*sound, "-c:a", "aac"]),
            ("sound.mp3", [*sound, "-c:a", "libmp3lame"]),
            ("sound.ogg", [*sound, "-c:a", "libopus"]),
            ("sound.flac", [*sound, "-c:a", "flac"]),
            ("sound.wav", [*sound]),
            ("plain.mkv", [*source, "-c:v", "libx264", "-pix_fmt", "yuv420p"]),
            ("plain.avi", [*source, "-c:v", "mpeg4"]),
            ("plain.flv", [*source, "-c:v", "flv1"]),
            ("plain.ts", [*source, "-c:v", "libx264", "-pix_fmt", "yuv420p"]),
            ("plain.mpg", [*source, "-r", "25", "-c:v", "mpeg1video"]),
            ("plain.wmv", [*source, "-c:v", "wmv2"]),
            (
                "locked.mp4",
                [*source, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-encryption_scheme", "cenc-aes-ctr",
                 "-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb",
                 "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8"],
            ),
        ):  # fmt: skip
            path = Path(folder) / name
            command = [ffmpeg(), "-nostdin", "-v", "error", "-y", *options, "-bitexact", str(path)]
            subprocess.run(command, check=True, capture_output=True)
            made[name] = path.read_bytes()
    return made


# -- what is something else altogether

PAGE = b"<!DOCTYPE html><html><body><script>fetch('/api/v1/auth/me')</script></body></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("evil.class", b"\xca\xfe\xba\xbe" + b"\x00" * 64)
        archive.writestr("a.txt", "a")
    return buffer.getvalue()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()


def _others() -> Iterator[Hostile]:
    chance = random.Random(3)
    kinds: list[tuple[str, bytes, str]] = [
        ("empty", b"", "media_empty"),
        ("one-byte", b"\xff", "media_not_recognised"),
        ("text", b"Just some words.", "media_not_recognised"),
        ("json", b'{"kind": "image"}', "media_not_recognised"),
        ("noise", chance.randbytes(5000).replace(b"<", b"-"), "media_not_recognised"),
        ("zeros", bytes(4096), "media_not_recognised"),
        ("html", PAGE, "media_html"),
        ("html-with-bom", b"\xef\xbb\xbf" + PAGE, "media_html"),
        ("html-after-space", b" \r\n\t" + PAGE, "media_html"),
        ("html-lower", b"<html><head></head></html>", "media_html"),
        ("html-script", b"<script>1</script>", "media_html"),
        ("html-comment", b"<!-- x --><p>hello</p>", "media_html"),
        ("html-utf16", PAGE.decode().encode("utf-16"), "media_html"),
        ("html-iframe", b"<iframe src='javascript:1'></iframe>", "media_html"),
        ("svg", SVG, "media_svg"),
        ("svg-with-xml", b'<?xml version="1.0"?>\n' + SVG, "media_svg"),
        ("svg-with-doctype", b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x">' + SVG, "media_svg"),
        ("svg-with-entities", b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]>' + SVG, "media_svg"),
        ("svg-utf16", SVG.decode().encode("utf-16"), "media_svg"),
        ("svg-packed", gzip.compress(SVG, mtime=0), "media_archive"),
        ("pdf", PDF, "media_pdf"),
        ("pdf-later", b"\x01\x02junk\n" + PDF, "media_pdf"),
        ("zip", _zip(), "media_archive"),
        ("zip-empty", b"PK\x05\x06" + bytes(18), "media_archive"),
        ("tar", _tar(), "media_archive"),
        ("gzip", gzip.compress(b"x" * 1000, mtime=0), "media_archive"),
        ("gzip-bomb", gzip.compress(bytes(20_000_000), mtime=0), "media_archive"),
        ("bzip2", b"BZh91AY&SY" + bytes(30), "media_archive"),
        ("xz", b"\xfd7zXZ\x00" + bytes(30), "media_archive"),
        ("7z", b"7z\xbc\xaf\x27\x1c" + bytes(30), "media_archive"),
        ("rar", b"Rar!\x1a\x07\x01\x00" + bytes(30), "media_archive"),
        ("zstd", b"\x28\xb5\x2f\xfd" + bytes(30), "media_archive"),
        ("exe", b"MZ\x90\x00" + bytes(200), "media_executable"),
        ("elf", b"\x7fELF\x02\x01\x01" + bytes(200), "media_executable"),
        ("macho", b"\xcf\xfa\xed\xfe" + bytes(200), "media_executable"),
        ("class", b"\xca\xfe\xba\xbe" + bytes(200), "media_executable"),
        ("wasm", b"\x00asm\x01\x00\x00\x00" + bytes(20), "media_executable"),
        ("shell", b"#!/bin/sh\nrm -rf /\n", "media_executable"),
        ("php", b"<?php system($_GET['c']); ?>", "media_executable"),
        ("m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n", "media_playlist"),
        ("m3u8-http", b"#EXTM3U\n#EXTINF:1,\nhttp://169.254.169.254/latest/\n", "media_playlist"),
        ("m3u8-concat", b"#EXTM3U\n#EXTINF:1,\nconcat:http://x/|file:///etc/passwd\n", "media_playlist"),
        ("ffconcat", b"ffconcat version 1.0\nfile /etc/passwd\n", "media_playlist"),
        ("concat-list", b"file '/etc/passwd'\nfile 'b.mp4'\n", "media_playlist"),
        ("concat", b"concat:/etc/passwd|/etc/hosts", "media_playlist"),
        ("pls", b"[playlist]\nFile1=http://127.0.0.1/\n", "media_playlist"),
        ("dash", b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>', "media_playlist"),
        ("data-url", b"data:video/mp4;base64,AAAA", "media_playlist"),
        ("bmp", _picture("BMP"), "media_type_not_taken"),
        ("tiff", _picture("TIFF"), "media_type_not_taken"),
        ("ico", _picture("ICO"), "media_type_not_taken"),
        ("psd", b"8BPS\x00\x01" + bytes(100), "media_type_not_taken"),
        ("jp2", b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(40), "media_type_not_taken"),
        ("jxl", b"\x00\x00\x00\x0cJXL \r\n\x87\n" + bytes(40), "media_type_not_taken"),
        ("raw", b"\x00\x00\x00\x18ftypcrx \x00\x00\x00\x01crx isom" + bytes(40), "media_type_not_taken"),
        ("webp-animation-of-riff", b"RIFF\x10\x00\x00\x00ABCD" + bytes(20), "media_not_recognised"),
    ]
    still = b"\x00\x00\x00\x18ftyp%s\x00\x00\x00\x00mif1heic" + bytes(60)
    kinds += [(brand.decode(), still % brand, "media_corrupt") for brand in (b"heic", b"heix", b"mif1")]
    kinds += [(brand.decode(), still % brand, "media_avif") for brand in (b"hevc", b"avif", b"avis")]
    heic = HEIC.read_bytes()
    kinds += [
        ("heic-cut", heic[: len(heic) // 2], "media_truncated"),
        ("heic-zip", heic + b"PK\x03\x04" + bytes(40), "media_polyglot"),
        ("heic-script", heic + b"<script>alert(1)</script>", "media_polyglot"),
        ("heic-junk", heic + b"anything else", "media_trailing_data"),
    ]
    for name, content, reason in kinds:
        yield Hostile(name, content, (reason,))
    for name in ("plain.mkv", "plain.avi", "plain.flv", "plain.ts", "plain.mpg", "plain.wmv"):
        yield Hostile(name, videos()[name], ("media_type_not_taken",))
    for name in (
        "sound.mp4",
        "sound.mov",
        "sound.webm",
        "sound.m4a",
        "sound.mp3",
        "sound.ogg",
        "sound.flac",
        "sound.wav",
    ):
        yield Hostile(name, videos()[name], ("media_audio_only",))


# -- pictures that are cut off, damaged, two things at once, or bombs


def _cut() -> Iterator[Hostile]:
    for kind, content in _pictures().items():
        for part in (0.3, 0.6, 0.95):
            reasons = ("media_truncated", "media_corrupt") if kind == "gif" else ("media_truncated",)
            yield Hostile(f"cut-{part}.{kind}", content[: int(len(content) * part)], reasons)
        yield Hostile(f"start-only.{kind}", content[:13], ("media_truncated", "media_corrupt"))
    for name in ("plain.mp4", "front.mp4", "plain.mov", "sample.mp4"):
        content = videos()[name]
        for part in (0.2, 0.5, 0.9, 0.999):
            yield Hostile(f"cut-{part}-{name}", content[: int(len(content) * part)], ("media_truncated",))
    content = videos()["plain.webm"]
    for part in (0.3, 0.7, 0.98):
        yield Hostile(f"cut-{part}.webm", content[: int(len(content) * part)], ("media_truncated",))


TAILS = {
    "zip": (_zip(), "media_polyglot"),
    "html": (PAGE, "media_polyglot"),
    "script": (b"<script>alert(1)</script>", "media_polyglot"),
    "php": (b"<?php system('id'); ?>", "media_polyglot"),
    "pdf": (PDF, "media_polyglot"),
    "rar": (b"Rar!\x1a\x07\x00" + bytes(50), "media_polyglot"),
    "elf": (b"\x7fELF" + bytes(50), "media_polyglot"),
    "text": (b"some words that nobody needs", "media_trailing_data"),
}


def _appended() -> Iterator[Hostile]:
    for kind, content in _pictures().items():
        for name, (tail, reason) in TAILS.items():
            yield Hostile(f"{name}-behind.{kind}", content + tail, (reason,))
        yield Hostile(f"zip-behind-padding.{kind}", content + bytes(100) + _zip(), ("media_polyglot",))
    motion = _pictures()["jpg"] + videos()["plain.mp4"] + _zip()
    yield Hostile("zip-behind-motion.jpg", motion, ("media_polyglot",))
    for name in ("plain.mp4", "plain.mov"):
        for tail, (content, reason) in TAILS.items():
            either = ("media_polyglot", "media_trailing_data", "media_truncated", "media_corrupt")
            yield Hostile(f"{tail}-behind-{name}", videos()[name] + content, either if tail != "zip" else (reason,))
    for tail in ("zip", "html", "text"):
        yield Hostile(f"{tail}-behind.webm", videos()["plain.webm"] + TAILS[tail][0], ("media_trailing_data",))


def _described() -> Iterator[Hostile]:
    """Pages and scripts in the texts that pictures carry."""
    jpg, png, gif = (_pictures()[kind] for kind in ("jpg", "png", "gif"))
    for name, text in (("html", PAGE), ("php", b"<?php eval($_GET[1]);"), ("pdf", PDF), ("svg", SVG)):
        segment = b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text
        yield Hostile(f"{name}-in-comment.jpg", jpg[:2] + segment + jpg[2:], ("media_polyglot",))
        segment = b"\xff\xe1" + struct.pack(">H", len(text) + 2) + text
        yield Hostile(f"{name}-in-exif.jpg", jpg[:2] + segment + jpg[2:], ("media_polyglot",))
        yield Hostile(f"{name}-in-text.png", _with_chunk(png, b"tEXt", b"Comment\x00" + text), ("media_polyglot",))
        packed = b"Comment\x00\x00" + zlib.compress(text)
        yield Hostile(f"{name}-in-packed-text.png", _with_chunk(png, b"zTXt", packed), ("media_polyglot",))
        comment = b"\x21\xfe" + bytes([min(255, len(text))]) + text[:255] + b"\x00"
        head = 13 + (3 << ((gif[10] & 7) + 1))
        yield Hostile(f"{name}-in-comment.gif", gif[:head] + comment + gif[head:], ("media_polyglot",))
    box = struct.pack(">I", 8 + len(PAGE)) + b"free" + PAGE
    yield Hostile("html-in-free.mp4", videos()["plain.mp4"] + box, ("media_polyglot",))


def _with_chunk(png: bytes, kind: bytes, data: bytes) -> bytes:
    """Put a chunk behind a PNG's header."""
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return png[:33] + chunk + png[33:]


def _bombs() -> Iterator[Hostile]:
    png, gif, jpg, webp = (_pictures()[kind] for kind in ("png", "gif", "jpg", "webp"))
    for width, height in ((60_000, 60_000), (10_000, 6_001), (2**31 - 1, 2**31 - 1), (1_000_000, 100)):
        header = struct.pack(">II", width, height) + png[24:29]
        bomb = png[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + png[33:]
        yield Hostile(f"huge-{width}x{height}.png", bomb, ("media_too_many_pixels",))
    at = jpg.index(b"\xff\xc0")
    tall = jpg[: at + 5] + struct.pack(">HH", 65_000, 65_000) + jpg[at + 9 :]
    yield Hostile("huge.jpg", tall, ("media_too_many_pixels",))
    yield Hostile(
        "huge.gif",
        gif[:6] + struct.pack("<HH", 65_000, 65_000) + gif[10:],
        ("media_too_many_pixels", "media_too_many_frames"),
    )
    yield Hostile("long.png", _flat_png(40_000, 2), ("media_dimensions",))
    yield Hostile("thin.png", _flat_png(1, 1), ("media_dimensions",))
    yield Hostile("empty-rows.png", _with_size(png, 0, 10), ("media_corrupt", "media_dimensions"))
    for name, kind, packed in (
        ("ztxt", b"zTXt", b"Comment\x00\x00"),
        ("itxt", b"iTXt", b"Comment\x00\x01\x00\x00\x00"),
        ("icc", b"iCCP", b"profile\x00\x00"),
    ):
        data = packed + zlib.compress(bytes(60_000_000))
        yield Hostile(f"{name}-bomb.png", _with_chunk(png, kind, data), ("media_metadata_bomb",))
    yield Hostile(
        "text-bomb.png", _with_chunk(png, b"tEXt", b"Comment\x00" + b"a" * 9_000_000), ("media_metadata_bomb",)
    )
    segment = b"\xff\xfe\xff\xff" + b"a" * 65_533
    yield Hostile("comments.jpg", jpg[:2] + segment * 130 + jpg[2:], ("media_metadata_bomb",))
    segment = b"\xff\xe2\xff\xff" + (b"ICC_PROFILE\x00\x01\x01" + b"a" * 65_533)[:65_533]
    yield Hostile("icc-bomb.jpg", jpg[:2] + segment * 70 + jpg[2:], ("media_metadata_bomb",))
    frame = gif[13 + (3 << ((gif[10] & 7) + 1)) : -1]
    yield Hostile("frames.gif", gif[:-1] + frame * 1001 + b"\x3b", ("media_too_many_frames",))
    wide = gif[:6] + struct.pack("<HH", 5000, 5000) + gif[10:-1] + frame * 45 + b"\x3b"
    yield Hostile("wide-frames.gif", wide, ("media_too_many_frames",))
    control = struct.pack(">II", 100_000, 0)
    yield Hostile("frames.png", _with_chunk(png, b"acTL", control), ("media_too_many_frames",))
    scan = jpg[jpg.index(b"\xff\xda") : -2]
    yield Hostile("scans.jpg", jpg[:-2] + scan * 150 + b"\xff\xd9", ("media_too_many_frames", "media_corrupt"))
    yield Hostile("sized.webp", webp[:4] + struct.pack("<I", 2**31) + webp[8:], ("media_truncated", "media_corrupt"))


def _flat_png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def _with_size(png: bytes, width: int, height: int) -> bytes:
    header = struct.pack(">II", width, height) + png[24:29]
    return png[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + png[33:]


def _damaged() -> Iterator[Hostile]:
    for kind, content in _pictures().items():
        middle = len(content) // 2
        broken = content[:middle] + bytes(64) + content[middle + 64 :]
        if kind == "png":
            yield Hostile("damaged.png", broken, ("media_corrupt",))
            head = content[:30] + b"\xa5" * 40 + content[70:]
            yield Hostile("broken-head.png", head, ("media_corrupt", "media_truncated", "media_too_many_pixels"))
    wrong = bytearray(_pictures()["png"])
    wrong[-5] ^= 0xFF
    yield Hostile("wrong-checksum.png", bytes(wrong), ("media_corrupt",))
    yield Hostile("renamed.png", b"\x89PNG\r\n\x1a\n" + _pictures()["jpg"], ("media_corrupt", "media_truncated"))
    yield Hostile("renamed.gif", b"GIF89a" + PAGE, ("media_corrupt", "media_too_many_pixels", "media_truncated"))
    script = b"GIF89a=1/*" + bytes(20) + b"*/;alert(1);//"
    yield Hostile("script.gif", script, ("media_corrupt", "media_truncated"))


def _movies() -> Iterator[Hostile]:
    plain = videos()["plain.mp4"]
    yield Hostile("locked.mp4", videos()["locked.mp4"], ("media_encrypted",))
    yield Hostile("named-locked.mp4", plain.replace(b"avc1", b"encv"), ("media_encrypted",))
    yield Hostile(
        "elsewhere.mp4", plain.replace(b"url \x00\x00\x00\x01", b"url \x00\x00\x00\x00"), ("media_external_reference",)
    )
    yield Hostile(
        "alias.mov",
        videos()["plain.mov"].replace(b"url \x00\x00\x00\x01", b"alis\x00\x00\x00\x00"),
        ("media_external_reference",),
    )
    yield Hostile("unknown-codec.mp4", plain.replace(b"avc1", b"zzzz"), ("media_codec_unknown", "media_corrupt"))
    at = plain.index(b"mdat")
    size = struct.unpack(">I", plain[at - 4 : at])[0]
    yield Hostile("blank.mp4", plain[: at + 4] + bytes(size - 8) + plain[at - 4 + size :], ("media_corrupt",))
    yield Hostile("ftyp-only.mp4", plain[:32], ("media_truncated",))
    yield Hostile("no-index.mp4", plain.replace(b"moov", b"free"), ("media_truncated",))
    yield Hostile("packed-index.mp4", plain.replace(b"mvhd", b"cmov"), ("media_corrupt",))
    yield Hostile(
        "huge-box.mp4", plain[:32] + struct.pack(">I4s", 2**31 - 1, b"mdat") + plain[40:], ("media_truncated",)
    )
    yield Hostile(
        "long-box.mp4", plain[:32] + struct.pack(">I4sQ", 1, b"mdat", 2**62) + bytes(50), ("media_truncated",)
    )
    yield Hostile("tiny-box.mp4", plain[:32] + struct.pack(">I4s", 4, b"mdat") + plain[40:], ("media_corrupt",))
    yield Hostile("looped-boxes.mp4", plain[:32] + struct.pack(">I4s", 8, b"free") * 210_000, ("media_corrupt",))
    yield Hostile("wide.mp4", videos()["wide.mp4"], ("media_dimensions",))
    yield Hostile("headless.webm", videos()["plain.webm"][:40], ("media_truncated", "media_corrupt"))


FAMILIES: tuple[Callable[[], Iterator[Hostile]], ...] = (
    _others, _cut, _appended, _described, _bombs, _damaged, _movies,
)  # fmt: skip
