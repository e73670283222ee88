"""Run the benchmarks, print a table and write .bench/results.json.

python -m benchmarks [thousand|burst|punctuality|reads|media|captions|sign_in|idle …]
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import media
from benchmarks.captions import captions
from benchmarks.idle import idle
from benchmarks.publishing import burst, punctuality
from benchmarks.reads import reads
from benchmarks.sign_in import sign_in

BENCHMARKS: dict[str, tuple[str, Callable[[], Any]]] = {
    "thousand": (
        "about 1,000 posts due in one second over 100 accounts, platforms answer in 200 ms, their rate limits on",
        lambda: asyncio.run(
            burst(
                per_account={"instagram": 12, "facebook": 12, "tiktok": 6},
                accounts={"instagram": 33, "facebook": 34, "tiktok": 33},
                enforce=True,
            )
        ),
    ),
    "burst": (
        "3,000 posts due in one second over 300 accounts, platforms answer in 200 ms, rate limits off",
        lambda: asyncio.run(
            burst(
                per_account=dict.fromkeys(("instagram", "facebook", "tiktok"), 10),
                accounts=dict.fromkeys(("instagram", "facebook", "tiktok"), 100),
                enforce=False,
            )
        ),
    ),
    "punctuality": (
        "20 posts a second for a minute: from due time to the first call",
        lambda: asyncio.run(punctuality(per_second=20, seconds=60)),
    ),
    "reads": ("lists and months at 10,000 and at 1,000,000 posts", lambda: uvloop.run(reads())),
    "media": (
        "500 MB in by tus and out in chunks, API and worker killed in the middle; the one-call fix on all platforms",
        lambda: media.run(),
    ),
    "captions": (
        "captions for 1,000 products at 20 in flight, the provider answers in 500 ms",
        lambda: uvloop.run(captions()),
    ),
    "sign_in": (
        "what times and answers tell somebody who guesses, on two API processes",
        lambda: uvloop.run(sign_in()),
    ),
    "idle": ("nothing is due", lambda: idle(seconds=60)),
}


def main() -> None:
    names = [name for name in sys.argv[1:] if name] or list(BENCHMARKS)
    results: dict[str, Any] = {}
    for name in names:
        title, run = BENCHMARKS[name]
        sys.stdout.write(f"\n{name}: {title}\n")
        sys.stdout.flush()
        began = time.monotonic()
        results[name] = run()
        _table(results[name], indent=2)
        sys.stdout.write(f"  (measured in {time.monotonic() - began:.0f} s)\n")
    folder = Path(".bench")
    folder.mkdir(exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")


def _table(value: dict[str, Any], *, indent: int) -> None:
    for name, entry in value.items():
        if isinstance(entry, dict):
            sys.stdout.write(f"{' ' * indent}{name}\n")
            _table(entry, indent=indent + 2)
        else:
            sys.stdout.write(f"{' ' * indent}{name:<36}{entry!s:>12}\n")


if __name__ == "__main__":
    main()
