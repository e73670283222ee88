"""The structure of pictures, walked piece by piece: where they end, and what they carry beside the picture."""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from dataclasses import dataclass

from app.storage.inspection.signatures import judge_tail, refuse_active
from app.storage.refusals import FileRefused

Content = bytes | mmap.mmap

DESCRIPTION_MAX_BYTES = 8_000_000
"""Texts, EXIF and XMP of one picture together. Real ones have a few hundred kilobytes."""
PROFILE_MAX_BYTES = 4_000_000
"""The largest colour profile. Printers' profiles have about two megabytes."""
FRAMES_MAX = 1000
FRAME_PIXELS_MAX = 1_000_000_000
"""Pixels of all frames of an animation together."""
SCANS_MAX = 100
"""Passes of a progressive JPEG; real ones have about ten. Each costs a pass over the whole picture."""
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


@dataclass
class Burden:
    """What a picture carries beside itself, added up as it is walked."""

    described: int = 0
    profile: int = 0

    def describe(self, text: bytes) -> None:
        refuse_active(text)
        self.described += len(text)
        if self.described > DESCRIPTION_MAX_BYTES:
            raise FileRefused("media_metadata_bomb")

    def add_profile(self, size: int) -> None:
        self.profile += size
        if self.profile > PROFILE_MAX_BYTES:
            raise FileRefused("media_metadata_bomb")


def walk(kind: str, content: Content, *, partial: bool) -> None:
    """Check a picture's structure. With `partial`, it may end anywhere. Raises `FileRefused`."""
    try:
        {"jpeg": _jpeg, "png": _png, "gif": _gif, "webp": _webp, "heic": _heic}[kind](content)
    except (struct.error, IndexError) as error:
        if not partial:
            raise FileRefused("media_truncated") from error
    except FileRefused as refused:
        if not (partial and refused.code == "media_truncated"):
            raise


_HEIC_BOXES = frozenset((b"ftyp", b"meta", b"mdat", b"free", b"skip", b"uuid", b"idat"))


def _heic(content: Content) -> None:
    """The boxes of a still picture: nothing else stands between them, and nothing behind them."""
    burden, at, has_index = Burden(), 0, False
    while at < len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        begin = at + 8
        if length == 1:
            (length,), begin = struct.unpack(">Q", content[begin : begin + 8]), begin + 8
        if kind not in _HEIC_BOXES:
            judge_tail(content[at:])
            break
        if length == 0:
            length = len(content) - at
        if length < begin - at:
            raise FileRefused("media_corrupt")
        if at + length > len(content):
            raise FileRefused("media_truncated")
        if kind in (b"meta", b"free", b"skip", b"uuid"):
            burden.describe(bytes(content[begin : at + length]))
        has_index = has_index or kind == b"meta"
        at += length
    if not has_index:
        raise FileRefused("media_corrupt")


def _jpeg(content: Content) -> None:
    burden, at, scans = Burden(), 2, 0
    while True:
        if content[at] != 0xFF:
            raise FileRefused("media_corrupt")
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xD9:
            judge_tail(content[at + 2 :], after_jpeg=True)
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
            continue
        (length,) = struct.unpack(">H", content[at + 2 : at + 4])
        if length < 2:
            raise FileRefused("media_corrupt")
        segment = content[at + 4 : at + 2 + length]
        if marker == 0xE2 and segment.startswith(b"ICC_PROFILE\x00"):
            burden.add_profile(len(segment))
        elif marker == 0xFE or 0xE0 <= marker <= 0xEF:
            burden.describe(segment)
        at += 2 + length
        if marker == 0xDA:
            scans += 1
            if scans > SCANS_MAX:
                raise FileRefused("media_too_many_frames")
            found = _NEXT_MARKER.search(content, at)
            if found is None:
                raise FileRefused("media_truncated")
            at = found.start()


def _png(content: Content) -> None:
    burden, at, pixels = Burden(), 8, 0
    while True:
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        data = content[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", content[at + 8 + length : at + 12 + length])
        if zlib.crc32(data, zlib.crc32(kind)) != checksum:
            raise FileRefused("media_corrupt")
        if at == 8 and kind != b"IHDR":
            raise FileRefused("media_corrupt")
        if kind == b"IHDR":
            width, height = struct.unpack(">II", data[:8])
            pixels = width * height
        elif kind == b"acTL":
            _count_frames(struct.unpack(">I", data[:4])[0], pixels)
        elif kind == b"iCCP":
            burden.add_profile(len(_inflated(data.partition(b"\x00")[2][1:], PROFILE_MAX_BYTES)))
        elif kind == b"zTXt":
            burden.describe(_inflated(data.partition(b"\x00")[2][1:], DESCRIPTION_MAX_BYTES))
        elif kind == b"iTXt":
            burden.describe(_international(data))
        elif kind in (b"tEXt", b"eXIf") or kind not in _PNG_PICTURE:
            burden.describe(data)
        at += 12 + length
        if kind == b"IEND":
            judge_tail(content[at:])
            return


_PNG_PICTURE = (b"IDAT", b"fdAT", b"PLTE", b"IEND", b"fcTL")


def _international(data: bytes) -> bytes:
    _, _, rest = data.partition(b"\x00")
    compressed, rest = rest[:1] == b"\x01", rest[2:]
    text = rest.partition(b"\x00")[2].partition(b"\x00")[2]
    return _inflated(text, DESCRIPTION_MAX_BYTES) if compressed else text


def _inflated(data: bytes, most: int) -> bytes:
    """Unpack at most `most` bytes; more of them is a bomb."""
    try:
        unpacked = zlib.decompressobj().decompress(data, most + 1)
    except zlib.error as error:
        raise FileRefused("media_corrupt") from error
    if len(unpacked) > most:
        raise FileRefused("media_metadata_bomb")
    return unpacked


def _gif(content: Content) -> None:
    burden, frames = Burden(), 0
    width, height, flags = struct.unpack("<HHB", content[6:11])
    at = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
    while True:
        introducer = content[at]
        if introducer == 0x3B:
            judge_tail(content[at + 1 :])
            return
        if introducer == 0x21:
            text, at = _blocks(content, at + 2, keep=content[at + 1] in (0xFE, 0xFF, 0x01))
            burden.describe(text)
        elif introducer == 0x2C:
            local = content[at + 9]
            start = at + 10 + (3 << ((local & 7) + 1) if local & 0x80 else 0)
            _, at = _blocks(content, start + 1, keep=False)
            frames += 1
            _count_frames(frames, width * height)
        else:
            raise FileRefused("media_corrupt")


def _blocks(content: Content, at: int, *, keep: bool) -> tuple[bytes, int]:
    kept = bytearray()
    while True:
        length = content[at]
        if length == 0:
            return bytes(kept), at + 1
        if keep:
            kept += content[at + 1 : at + 1 + length]
        at += 1 + length


def _webp(content: Content) -> None:
    burden, frames, pixels = Burden(), 0, 0
    (length,) = struct.unpack("<I", content[4:8])
    end = 8 + length + (length & 1)
    if len(content) < 8 + length:
        raise FileRefused("media_truncated")
    at = 12
    while at + 8 <= 8 + length:
        kind, size = struct.unpack("<4sI", content[at : at + 8])
        data = content[at + 8 : at + 8 + min(size, DESCRIPTION_MAX_BYTES + 1)]
        if kind == b"VP8X":
            width, height = (int.from_bytes(data[n : n + 3], "little") + 1 for n in (4, 7))
            pixels = width * height
        elif kind == b"ANMF":
            frames += 1
            _count_frames(frames, pixels)
        elif kind == b"ICCP":
            burden.add_profile(size)
        elif kind not in (b"VP8 ", b"VP8L", b"ALPH", b"ANIM"):
            burden.describe(data)
        at += 8 + size + (size & 1)
    if at > end:
        raise FileRefused("media_corrupt")
    judge_tail(content[end:])


def _count_frames(frames: int, pixels: int) -> None:
    if frames > FRAMES_MAX or frames * pixels > FRAME_PIXELS_MAX:
        raise FileRefused("media_too_many_frames")
