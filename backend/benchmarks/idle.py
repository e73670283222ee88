"""What PostPilot costs while nothing is due."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

from deploy.scratch import Scratch, scratch_stack

SETTLE_SECONDS = 15.0
COUNTED = ("api", "worker", "beat", "postgres", "valkey")


def idle(*, seconds: float) -> dict[str, Any]:
    """Measure CPU time and proportional memory of every process of a stack with nothing to do."""
    with scratch_stack() as scratch:
        time.sleep(SETTLE_SECONDS)
        before, began = _cpu_seconds(scratch), time.monotonic()
        time.sleep(seconds)
        elapsed = time.monotonic() - began
        after, memory = _cpu_seconds(scratch), _memory(scratch)
    processes = {
        name: {
            "cpu_percent_of_one_core": round((after[name] - before.get(name, 0.0)) / elapsed * 100, 2),
            "pss_mb": round(memory[name], 1),
        }
        for name in after
    }
    return {
        "seconds": round(elapsed, 1),
        "processes": processes,
        "cpu_percent_of_one_core": round(sum(processes[name]["cpu_percent_of_one_core"] for name in COUNTED), 2),
        "pss_mb": round(sum(processes[name]["pss_mb"] for name in COUNTED), 1),
    }


def _families(scratch: Scratch) -> dict[str, list[int]]:
    """Return every process with its descendants, by the name of the supervisor's child."""
    roots = {name: scratch.pids(name) for name in (*COUNTED, "sandbox")}
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(folder.name))
    families = {"supervisor": [int(scratch.control.supervisor.getPID())]}
    for name, pids in roots.items():
        found, waiting = [], list(pids)
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            waiting += children.get(pid, [])
        families[name] = found
    return families


def _cpu_seconds(scratch: Scratch) -> dict[str, float]:
    ticks = os.sysconf("SC_CLK_TCK")
    result = {}
    for name, pids in _families(scratch).items():
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
        result[name] = sum(int(stat[11]) + int(stat[12]) for stat in stats) / ticks
    return result


def _memory(scratch: Scratch) -> dict[str, float]:
    result = {}
    for name, pids in _families(scratch).items():
        total = 0
        for pid in pids:
            found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
            total += int(found.group(1)) if found else 0
        result[name] = total / 1024
    return result
