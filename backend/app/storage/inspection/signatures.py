"""What a file is by its first bytes, and what must not hide in it."""

from __future__ import annotations

import re
import struct

from app.storage.refusals import FileRefused

HEAD_BYTES = 4096
ACTIVE = re.compile(rb"<script|<\?php|<html|<svg|<iframe|<!doctype html|javascript:|%PDF-\d|<%@", re.IGNORECASE)
"""What makes a program or a page of a text that should only describe a picture."""

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "media_archive"),
    (b"PK\x05\x06", "media_archive"),
    (b"Rar!\x1a\x07", "media_archive"),
    (b"7z\xbc\xaf\x27\x1c", "media_archive"),
    (b"\x1f\x8b", "media_archive"),
    (b"BZh", "media_archive"),
    (b"\xfd7zXZ\x00", "media_archive"),
    (b"\x28\xb5\x2f\xfd", "media_archive"),
    (b"MZ", "media_executable"),
    (b"\x7fELF", "media_executable"),
    (b"\xca\xfe\xba\xbe", "media_executable"),
    (b"\xcf\xfa\xed\xfe", "media_executable"),
    (b"\xce\xfa\xed\xfe", "media_executable"),
    (b"\x00asm", "media_executable"),
    (b"dex\n", "media_executable"),
    (b"#!", "media_executable"),
    (b"<?php", "media_executable"),
    (b"BM", "media_type_not_taken"),
    (b"II*\x00", "media_type_not_taken"),
    (b"MM\x00*", "media_type_not_taken"),
    (b"\x00\x00\x01\x00", "media_type_not_taken"),
    (b"8BPS", "media_type_not_taken"),
    (b"\x00\x00\x00\x0cjP  ", "media_type_not_taken"),
    (b"\x00\x00\x00\x0cJXL ", "media_type_not_taken"),
    (b"\xff\x0a", "media_type_not_taken"),
    (b"FLV\x01", "media_type_not_taken"),
    (b"0&\xb2u\x8ef\xcf\x11", "media_type_not_taken"),
    (b"\x00\x00\x01\xba", "media_type_not_taken"),
    (b"\x00\x00\x01\xb3", "media_type_not_taken"),
    (b"ID3", "media_audio_only"),
    (b"OggS", "media_audio_only"),
    (b"fLaC", "media_audio_only"),
    (b"\xff\xfb", "media_audio_only"),
    (b"\xff\xf3", "media_audio_only"),
    (b"\xff\xf1", "media_audio_only"),
    (b"#EXTM3U", "media_playlist"),
    (b"ffconcat", "media_playlist"),
    (b"[playlist]", "media_playlist"),
    (b"[Reference]", "media_playlist"),
    (b"data:", "media_playlist"),
    (b"concat:", "media_playlist"),
    (b"file '", "media_playlist"),
)
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1")
_OTHER_STILL_BRANDS = (b"hevc", b"hevx", b"msf1", b"avif", b"avis")
_OLD_MOVIE = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


def sniff(head: bytes) -> str:
    """Return `jpeg`, `png`, `gif`, `webp`, `heic`, `mp4`, `mov` or `webm`. Raises `FileRefused` for everything else."""
    if not head:
        raise FileRefused("media_empty")
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if head[:4] == b"RIFF":
        return _riff(head)
    if head[4:8] == b"ftyp":
        return _movie(head)
    if head[4:8] in _OLD_MOVIE:
        return "mov"
    if head.startswith(b"\x1aE\xdf\xa3"):
        if b"\x42\x82\x84webm" in head[:200]:
            return "webm"
        raise FileRefused("media_type_not_taken")
    raise FileRefused(name_other(head) or "media_not_recognised")


def _riff(head: bytes) -> str:
    form = head[8:12]
    if form == b"WEBP":
        return "webp"
    raise FileRefused({b"WAVE": "media_audio_only", b"AVI ": "media_type_not_taken"}.get(form, "media_not_recognised"))


def _movie(head: bytes) -> str:
    brand = head[8:12]
    if brand in _HEIC_BRANDS and b"avif" not in head[16:64]:
        return "heic"
    if brand in _HEIC_BRANDS or brand in _OTHER_STILL_BRANDS:
        raise FileRefused("media_avif")
    if brand in (b"M4A ", b"M4B ", b"F4A "):
        raise FileRefused("media_audio_only")
    if brand == b"crx ":
        raise FileRefused("media_type_not_taken")
    return "mov" if brand == b"qt  " else "mp4"


def name_other(head: bytes) -> str | None:
    """Return the refusal of a known kind of file that is neither a picture nor a video of ours."""
    text = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x00")[:HEAD_BYTES]
    for start, code in _STARTS:
        if head.startswith(start) or (len(start) > 4 and text.startswith(start)):
            return code
    if head[257:262] == b"ustar":
        return "media_archive"
    lowered = text.replace(b"\x00", b"").lower()
    if lowered.startswith(b"<"):
        if b"<svg" in lowered:
            return "media_svg"
        return "media_playlist" if b"<mpd" in lowered or b"<smil" in lowered else "media_html"
    if b"%pdf-" in lowered[:1024]:
        return "media_pdf"
    if head[:1] == b"G" and len(head) > 376 and head[188:189] == b"G" and head[376:377] == b"G":
        return "media_type_not_taken"
    return "media_html" if ACTIVE.search(lowered) else None


def refuse_active(text: bytes) -> None:
    """Raises `FileRefused` when a description inside a file is a page or a script."""
    if ACTIVE.search(text):
        raise FileRefused("media_polyglot")


def refuse_archive_at_end(tail: bytes, size: int) -> None:
    """Raises `FileRefused` when the last bytes are the directory of a ZIP archive: such a file is two files at once."""
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        return
    length, offset = struct.unpack("<II", tail[at + 12 : at + 20])
    directory = size - (len(tail) - at) - length
    names_one = directory >= 0 and (length == 0 or tail[max(0, at - length) :].startswith(b"PK\x01\x02"))
    if names_one or offset < size or length > len(tail):
        raise FileRefused("media_polyglot")


def judge_tail(tail: bytes, *, after_jpeg: bool = False) -> None:
    """Judge what stands behind the end of a picture. Padding is harmless; cameras put a second picture, a short
    video or a list of their own behind a JPEG. Raises `FileRefused` for everything else."""
    kept = tail.strip(b"\x00\xff \r\n\t")
    if not kept:
        return
    head = kept[:HEAD_BYTES]
    is_second_picture = b"\xff\xd8\xff" in tail[:HEAD_BYTES]
    if after_jpeg and (is_second_picture or b"ftyp" in tail[:32] or kept.endswith(b"SEFT")):
        refuse_active(kept[-HEAD_BYTES:])
        return
    hides = name_other(head) in HIDDEN or ACTIVE.search(kept[:65_536]) is not None
    raise FileRefused("media_polyglot" if hides else "media_trailing_data")


HIDDEN = ("media_archive", "media_executable", "media_html", "media_svg", "media_pdf", "media_playlist")
