"""The structure of video files, walked box by box: where they end, what protects them and what they point to."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from app.storage.inspection.signatures import refuse_active
from app.storage.refusals import FileRefused

INDEX_MAX_BYTES = 64_000_000
"""The largest index (`moov`) that is read. An hour of video has about two megabytes."""
BOXES_MAX = 200_000
_TOP = frozenset(
    b"ftyp moov mdat free skip wide uuid meta moof mfra styp sidx ssix prft emsg pdin udta pnot PICT junk".split()
)
_PARENTS = frozenset(b"moov trak mdia minf dinf stbl edts udta mvex moof traf".split())
_PROTECTED = (b"encv", b"enca", b"drmi", b"drms")


@dataclass
class MovieShape:
    """What the index says that no decoder is asked for."""

    has_index: bool = False
    rotation_degrees: int = 0
    starts_with_index: bool = False
    """Whether the index stands before the picture data, so that playing can begin before the end is there."""


def walk_mp4(file: BinaryIO, size: int, *, partial: bool) -> MovieShape:
    """Check an MP4 or MOV file. With `partial`, it may end anywhere. Raises `FileRefused`."""
    shape, at, has_data, count = MovieShape(), 0, False, 0
    while at < size:
        file.seek(at)
        header = file.read(16)
        if len(header) < 8:
            if partial or not has_data:
                break
            raise FileRefused("media_trailing_data")
        length, kind = struct.unpack(">I4s", header[:8])
        begin = 8
        if length == 1 and len(header) == 16:
            (length,), begin = struct.unpack(">Q", header[8:16]), 16
        if kind not in _TOP:
            raise FileRefused(_name_junk(header) if at else "media_corrupt")
        if length == 0:
            length = size - at
        count += 1
        if length < begin or count > BOXES_MAX:
            raise FileRefused("media_corrupt")
        if at + length > size and not partial:
            raise FileRefused("media_truncated")
        if kind in (b"moov", b"moof") and at + length <= size:
            if length > INDEX_MAX_BYTES:
                raise FileRefused("media_metadata_bomb")
            file.seek(at + begin)
            _index(file.read(length - begin), shape)
            shape.has_index = shape.has_index or kind == b"moov"
            shape.starts_with_index = shape.starts_with_index or (kind == b"moov" and not has_data)
        elif kind == b"mdat":
            has_data = True
        elif kind in (b"free", b"skip", b"uuid", b"udta", b"meta", b"wide", b"junk", b"pnot"):
            file.seek(at + begin)
            refuse_active(file.read(min(length - begin, 65_536)))
        at += length
    if not partial and not (shape.has_index and has_data):
        raise FileRefused("media_truncated")
    return shape


def _name_junk(header: bytes) -> str:
    hides = header.startswith((b"PK", b"Rar!", b"7z", b"%PDF", b"MZ", b"\x7fELF", b"<", b"#!"))
    return "media_polyglot" if hides else "media_trailing_data"


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Give name, begin and end of the boxes in a piece of the index."""
    at = start
    while at + 8 <= end:
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        begin = at + 8
        if length == 1 and at + 16 <= end:
            (length,), begin = struct.unpack(">Q", data[at + 8 : at + 16]), at + 16
        if length == 0 and kind != b"\x00\x00\x00\x00":
            length = end - at
        if kind == b"\x00\x00\x00\x00" and length == 0:
            return  # QuickTime ends user data with four zero bytes
        if length < 8 or at + length > end:
            raise FileRefused("media_corrupt")
        yield kind, begin, at + length
        at += length


def _index(data: bytes, shape: MovieShape) -> None:
    left, count = [(0, len(data))], 0
    while left:
        start, end = left.pop()
        for kind, begin, stop in _boxes(data, start, end):
            count += 1
            if count > BOXES_MAX:
                raise FileRefused("media_metadata_bomb")
            if kind == b"trak":
                handler, turn = _track(data, begin, stop)
                if handler == b"vide":
                    shape.rotation_degrees = turn
            if kind in _PARENTS:
                if kind == b"udta":
                    refuse_active(data[begin : min(stop, begin + 65_536)])
                    continue
                left.append((begin, stop))
            elif kind == b"cmov":
                raise FileRefused("media_corrupt")
            elif kind == b"pssh":
                raise FileRefused("media_encrypted")
            elif kind == b"stsd":
                _descriptions(data, begin, stop)
            elif kind == b"dref":
                _references(data, begin, stop)


def _track(data: bytes, start: int, end: int) -> tuple[bytes, int]:
    """Return what a track holds and by how many degrees players turn it, clockwise."""
    handler, turn = b"", 0
    for kind, begin, stop in _boxes(data, start, end):
        if kind == b"tkhd" and stop - begin >= 84:
            at = begin + (52 if data[begin] == 1 else 40)
            a, b = struct.unpack(">ii", data[at : at + 8])
            turn = round(math.degrees(math.atan2(b, a)) / 90) * 90 % 360
        elif kind == b"mdia":
            for inner, inside, _ in _boxes(data, begin, stop):
                if inner == b"hdlr":
                    handler = data[inside + 8 : inside + 12]
    return handler, turn


def _descriptions(data: bytes, begin: int, stop: int) -> None:
    for kind, inside, end in _boxes(data, begin + 8, stop):
        if kind in _PROTECTED or b"sinf" in data[inside : min(end, inside + 4096)]:
            raise FileRefused("media_encrypted")


def _references(data: bytes, begin: int, stop: int) -> None:
    """Every track must lie in this very file."""
    for _, inside, _ in _boxes(data, begin + 8, stop):
        if not data[inside + 3] & 1:
            raise FileRefused("media_external_reference")


def walk_webm(file: BinaryIO, size: int, *, partial: bool) -> None:
    """Check that a WebM file ends where it says. Raises `FileRefused`."""
    file.seek(0)
    head = file.read(4096)
    at = 0
    for expected in (0x1A45DFA3, 0x18538067):
        number, at = _vint(head, at, keep_marker=True)
        if number != expected:
            raise FileRefused("media_corrupt")
        length, at = _vint(head, at, keep_marker=False)
        if expected == 0x18538067:
            if length is None or partial:
                return
            if at + length > size:
                raise FileRefused("media_truncated")
            if at + length < size:
                raise FileRefused("media_trailing_data")
            return
        at += length or 0


def _vint(data: bytes, at: int, *, keep_marker: bool) -> tuple[int | None, int]:
    """Read one of Matroska's numbers of variable length; `None` means that a length is not known."""
    if at >= len(data) or data[at] == 0:
        raise FileRefused("media_truncated")
    width = 9 - data[at].bit_length()
    raw = data[at : at + width]
    if len(raw) < width:
        raise FileRefused("media_truncated")
    number = int.from_bytes(raw, "big")
    if keep_marker:
        return number, at + width
    number &= (1 << (7 * width)) - 1
    return (None if number == (1 << (7 * width)) - 1 else number), at + width
