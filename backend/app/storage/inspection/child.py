"""The child process that reads files from outside, so that a hostile one can hurt nothing else.

    python -m app.storage.inspection.child <megabytes>

One JSON object a line on standard input, one a line back: `{"op": "inspect" | "convert", …}` → `{"facts": …}` or
`{"refused": code}`. Memory and processor time are limited; the parent ends the process when it takes too long.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
from pathlib import Path
from typing import Any

from app.storage.inspection import pictures, videos
from app.storage.inspection.signatures import HEAD_BYTES, sniff
from app.storage.refusals import FileRefused

MAPPED_EXTRA_BYTES = 256_000_000
"""Address space on top of the memory limit: a picture's file is mapped, which takes no memory of its own."""
OPEN_FILES_MAX = 32


def main() -> None:
    confine(int(sys.argv[1]) * 1_000_000)
    for line in sys.stdin:
        request = json.loads(line)
        allow_seconds(request["cpu_seconds"])
        sys.stdout.write(json.dumps(answer(request)) + "\n")
        sys.stdout.flush()


def confine(more_bytes: int) -> None:
    """Allow this process only so much memory on top of what it has now, few files, and no dump of its memory."""
    has = _has_bytes()
    for limit, most in (
        (resource.RLIMIT_DATA, has["VmData"] + more_bytes),
        (resource.RLIMIT_AS, has["VmSize"] + more_bytes + MAPPED_EXTRA_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES_MAX),
    ):
        if most > 0:
            _, hard = resource.getrlimit(limit)
            kept = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(limit, (kept, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _has_bytes() -> dict[str, int]:
    """Return the kernel's figures of this process; zeros where it keeps none, and there is no limit then."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return {"VmData": -(10**18), "VmSize": -(10**18)}
    figures = dict(line.split(":", 1) for line in lines)
    return {name: int(figures[name].split()[0]) * 1024 for name in ("VmData", "VmSize")}


def allow_seconds(seconds: float) -> None:
    """Let this process use so much processor time from now on; it is ended when it wants more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 1, hard))


def answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"facts": work(request)}
    except FileRefused as refused:
        return {"refused": refused.code}
    except MemoryError:
        return {"refused": "media_unreadable"}


def work(request: dict[str, Any]) -> dict[str, Any]:
    path, partial = request["path"], request.get("partial", False)
    with Path(path).open("rb") as file:
        kind = sniff(file.read(HEAD_BYTES))
    if request["op"] == "convert":
        return pictures.convert(path, kind, request["target"], request["recipe"])
    if kind in pictures.FORMATS:
        facts = pictures.examine(path, kind, partial=partial)
    else:
        facts = videos.examine(path, kind, partial=partial)
    if not partial:
        with Path(path).open("rb") as file:
            facts["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    return facts


if __name__ == "__main__":
    main()
