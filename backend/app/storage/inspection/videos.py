"""Videos: what they are. Read through the file that was opened here: the library opens nothing by itself."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, BinaryIO

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from app.storage.inspection.movies_shape import MovieShape, walk_mp4, walk_webm
from app.storage.inspection.signatures import refuse_archive_at_end
from app.storage.refusals import FileRefused

SIDE_MAX_PX = 8192
PIXELS_MAX = 10_000_000
"""Pixels of a frame: 4K has 8.8 million."""
PACKETS_MAX = 3_000_000
LAST_FRAMES_MAX = 240
UNSTEADY_PART = 0.005
"""The part of frames that may come at another distance before the rate counts as variable."""
MIME = {"mp4": "video/mp4", "mov": "video/quicktime", "webm": "video/webm"}
DEMUXER = {"mp4": "mp4", "mov": "mov", "webm": "matroska"}
PRIMARIES = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020", 11: "dci-p3", 12: "display-p3"}
SEALED = {"protocol_whitelist": "", "enable_drefs": "0"}
"""No other file and no address is opened, whatever the file says."""


def examine(path: str, kind: str, *, partial: bool) -> dict[str, Any]:
    """Return the facts of a video whose first and last frames were shown. Raises `FileRefused`."""
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        shape = MovieShape(has_index=True)
        if kind == "webm":
            walk_webm(file, size, partial=partial)
        else:
            shape = walk_mp4(file, size, partial=partial)
        if not partial:
            file.seek(max(0, size - 66_000))
            refuse_archive_at_end(file.read(), size)
        facts: dict[str, Any] = {"kind": "video", "mime_type": MIME[kind]}
        if partial and not shape.has_index:
            return facts
        file.seek(0)
        try:
            facts |= _facts(file, kind, shape, partial=partial)
        except (av.FFmpegError, ValueError, OSError) as error:
            if partial:
                return facts
            raise FileRefused("media_corrupt") from error
    return facts


def _facts(file: BinaryIO, kind: str, shape: MovieShape, *, partial: bool) -> dict[str, Any]:
    with av.open(file, format=DEMUXER[kind], options=SEALED, metadata_errors="ignore") as container:
        assert isinstance(container, InputContainer)
        stream = _picture_stream(container)
        facts = _stream_facts(stream, container, shape)
        if partial:
            return facts
        facts |= _timing(container, stream)
        _show(container, stream)
    return facts


def _picture_stream(container: InputContainer) -> VideoStream:
    streams = [
        stream for stream in container.streams.video if not stream.disposition & av.stream.Disposition.attached_pic
    ]
    if not streams:
        raise FileRefused("media_audio_only")
    stream = streams[0]
    if stream.codec_context is None:
        raise FileRefused("media_codec_unknown")
    stream.codec_context.thread_count = 1
    return stream


def _stream_facts(stream: VideoStream, container: InputContainer, shape: MovieShape) -> dict[str, Any]:
    width, height = stream.codec_context.width, stream.codec_context.height
    if min(width, height) < 2 or max(width, height) > SIDE_MAX_PX or width * height > PIXELS_MAX:
        raise FileRefused("media_dimensions")
    if shape.rotation_degrees in (90, 270):
        width, height = height, width
    audio = next(iter(container.streams.audio), None)
    rate = stream.average_rate or stream.guessed_rate
    seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None
    if seconds is None and container.duration:
        seconds = container.duration / av.time_base
    primaries = int(stream.codec_context.color_primaries)
    return {
        "width_px": width,
        "height_px": height,
        "rotation_degrees": shape.rotation_degrees,
        "duration_seconds": round(seconds, 3) if seconds else None,
        "codec": stream.codec_context.codec.canonical_name,
        "audio_codec": audio.codec_context.codec.canonical_name if audio and audio.codec_context else None,
        "frame_rate": round(float(rate), 3) if rate else None,
        "color_space": PRIMARIES.get(primaries),
    }


def _timing(container: InputContainer, stream: VideoStream) -> dict[str, Any]:
    """Read every packet, decoding none: how long the video really is, and whether its frames come steadily."""
    assert stream.time_base is not None
    times: list[int] = []
    end = 0
    for count, packet in enumerate(container.demux(stream)):
        if count > PACKETS_MAX:
            raise FileRefused("media_too_many_frames")
        if packet.pts is None:
            continue
        if packet.is_corrupt:
            raise FileRefused("media_corrupt")
        times.append(packet.pts)
        end = max(end, packet.pts + (packet.duration or 0))
    times.sort()
    if not times:
        raise FileRefused("media_no_duration")
    seconds = float((max(end, times[-1]) - times[0]) * stream.time_base)
    if seconds <= 0:
        raise FileRefused("media_no_duration")
    span = float((times[-1] - times[0]) * stream.time_base)
    gaps = [later - earlier for earlier, later in pairwise(times) if later > earlier]
    usual = median(gaps) if gaps else 0
    slack = max(1.0, usual * 0.25)
    unsteady = sum(1 for gap in gaps if abs(gap - usual) > slack)
    return {
        "duration_seconds": round(seconds, 3),
        "frame_rate": round((len(times) - 1) / span if span > 0 else len(times) / seconds, 3),
        "is_variable_frame_rate": unsteady > max(1, len(gaps) * UNSTEADY_PART),
    }


def _show(container: InputContainer, stream: VideoStream) -> None:
    """Decode the first frame and the last ones. Raises `FileRefused`."""
    container.seek(0)
    if not _frames(container, stream, most=1):
        raise FileRefused("media_corrupt")
    container.seek(2**62, stream=stream, backward=True)
    if not _frames(container, stream, most=LAST_FRAMES_MAX):
        raise FileRefused("media_corrupt")


def _frames(container: InputContainer, stream: VideoStream, *, most: int) -> int:
    shown = 0
    for frame in container.decode(stream):
        if frame.width * frame.height > PIXELS_MAX:
            raise FileRefused("media_dimensions")
        shown += 1
        if shown >= most:
            break
    return shown
