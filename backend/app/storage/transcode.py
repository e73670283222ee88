"""Videos made into what platforms take, by FFmpeg as a program of its own: slow, polite and of limited means."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import structlog

from app.storage.refusals import FileRefused

log = structlog.get_logger()

MEMORY_KILOBYTES = 4_000_000
CPU_SECONDS = 7200
NO_MEMORY = "Cannot allocate memory"
WALL_SECONDS_PER_SECOND = 60.0
"""How much longer than a video making one may take."""
WALL_SECONDS_MIN = 300.0
CLOSED_GOP_SECONDS = 2
DEMUXERS = {"video/mp4": "mov", "video/quicktime": "mov", "video/webm": "matroska"}
WIDE = ("bt2020", "display-p3", "dci-p3")
CONFINED = 'ulimit -v "$1" 2>/dev/null; ulimit -t "$2"; shift 2; exec nice -n 10 "$@"'
TO_REC709 = {
    "bt2020": "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,"
    "zscale=t=bt709:m=bt709:r=tv,format=yuv420p",
    "display-p3": "zscale=pin=smpte432:tin=bt709:p=bt709:t=bt709:m=bt709:r=tv,format=yuv420p",
    "dci-p3": "zscale=pin=smpte431:tin=bt709:p=bt709:t=bt709:m=bt709:r=tv,format=yuv420p",
}
TO_REC709["unknown-transfer"] = "zscale=pin=bt2020:tin=bt709:min=bt2020nc:p=bt709:t=bt709:m=bt709:r=tv,format=yuv420p"
"""For a wide picture that does not say how bright its values are meant."""


class Transcode:
    """One video being made. `progress` goes from 0 to 100; `stop` ends it."""

    def __init__(self, path: Path, mime_type: str, target: Path, recipe: Mapping[str, Any]) -> None:
        self._path = path
        self._demuxer = DEMUXERS[mime_type]
        self._target = target
        self._recipe = recipe
        self._process: subprocess.Popen[str] | None = None
        self._is_stopped = False
        self.progress = 0

    async def run(self) -> None:
        """Make the video. Raises `FileRefused` when it cannot be made small enough, or read at all."""
        bits = self._recipe["bits_per_second"]
        for bits_per_second in (bits, bits * 3 // 4, bits // 2):
            await self._make(bits_per_second)
            if self._target.stat().st_size <= self._recipe["max_bytes"]:
                return
        raise FileRefused("media_video_too_large")

    async def _make(self, bits_per_second: int) -> None:
        ways = [TO_REC709[space] for space in (self._recipe["color_space"],) if space in WIDE]
        ways += [TO_REC709["unknown-transfer"]] if self._recipe["color_space"] == "bt2020" else []
        for colors in [*ways, ""]:
            command = self._command(bits_per_second, colors)
            status, said = await asyncio.to_thread(self._run, command)
            if status == 0:
                return
            log.info("transcode.failed", status=status, said=said[-500:])
            if self._is_stopped:
                raise TranscodeStopped
            if status == -signal.SIGKILL or NO_MEMORY in said:  # by the limits: another way would end there too
                raise FileRefused("media_fix_too_costly")
        raise FileRefused("media_corrupt")

    def _command(self, bits_per_second: int, colors: str) -> list[str]:
        recipe = self._recipe
        rate = Fraction(recipe["frame_rate"])
        group = str(round(float(rate) * CLOSED_GOP_SECONDS))
        return [
            ffmpeg(), "-hide_banner", "-nostdin", "-nostats", "-v", "error", "-y", "-progress", "pipe:1",
            "-threads", "2", "-protocol_whitelist", "file", "-f", self._demuxer, "-i", f"file:{self._path}",
            "-filter_complex", _filters(recipe, rate, colors), "-filter_complex_threads", "1",
            "-map", "[made]", "-map", "0:a:0?",
            "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-pix_fmt", "yuv420p", "-threads", "2",
            "-crf", "20", "-maxrate", str(bits_per_second), "-bufsize", str(bits_per_second),
            "-g", group, "-keyint_min", group, "-sc_threshold", "0", "-bf", "0", "-flags", "+cgop",
            "-fps_mode", "cfr", "-r", recipe["frame_rate"],
            "-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv",
            "-c:a", "aac", "-profile:a", "aac_low", "-b:a", "128k", "-ar", "48000", "-ac", "2",
            "-bsf:a", "setts=ts=TS-STARTDTS",  # begins with the picture, as there is no edit list to say otherwise
            "-map_metadata", "-1", "-map_chapters", "-1", "-movflags", "+faststart", "-use_editlist", "0",
            "-f", "mp4", f"file:{self._target}",
        ]  # fmt: skip

    def _run(self, command: list[str]) -> tuple[int, str]:
        seconds = self._recipe["seconds"]
        limits = [str(MEMORY_KILOBYTES), str(CPU_SECONDS)]
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
            process = subprocess.Popen(  # noqa: S603 - our own command
                ["/bin/sh", "-c", CONFINED, "sh", *limits, *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                env={"PATH": "/usr/bin:/bin"},
            )
            self._process = process
            if self._is_stopped:
                process.kill()
            assert process.stdout is not None
            with process.stdout:
                for line in process.stdout:
                    name, _, value = line.strip().partition("=")
                    if name == "out_time_us" and value.isdigit():
                        self.progress = min(99, int(int(value) / 10_000 / max(seconds, 0.01)))
            status = process.wait()
            said.seek(0)
            return status, said.read()

    def stop(self) -> None:
        """End it now."""
        self._is_stopped = True
        if self._process is not None:
            self._process.kill()

    @property
    def seconds_max(self) -> float:
        """How long it may take before it is given up."""
        return max(WALL_SECONDS_MIN, float(self._recipe["seconds"]) * WALL_SECONDS_PER_SECOND)


class TranscodeStopped(Exception):
    """It was ended before it was done."""


def _filters(recipe: Mapping[str, Any], rate: Fraction, colors: str) -> str:
    """Return the way from the first picture track to `[made]`: upright, steady, in the frame, in Rec. 709."""
    width, height = recipe["width_px"], recipe["height_px"]
    begin = f"[0:v:0]fps={rate},scale=w='trunc(iw*sar/2)*2':h=ih,setsar=1"
    convert = f",{colors}" if colors else ""
    tagged = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
    end = f"{convert},setsar=1,format=yuv420p,{tagged}[made]"
    cover = f"scale={width}:{height}:force_original_aspect_ratio=increase:flags=lanczos,crop={width}:{height}"
    if recipe["fit"] == "crop":
        return f"{begin},{cover}{end}"
    small = f"{max(16, width // 8)}:{max(16, height // 8)}"
    behind = f"scale={small}:force_original_aspect_ratio=increase,crop={small},gblur=sigma=8,scale={width}:{height}"
    inside = f"scale={width}:{height}:force_original_aspect_ratio=decrease:force_divisible_by=2:flags=lanczos"
    back, front = f"[a]{behind},setsar=1[back]", f"[b]{inside},setsar=1[front]"
    return f"{begin},split[a][b];{back};{front};[back][front]overlay=(W-w)/2:(H-h)/2{end}"


@lru_cache
def ffmpeg() -> str:
    """Return the path of the program that the package brings."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())
