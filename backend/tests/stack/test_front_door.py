"""The commands people type, against a whole stack of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.settings import PROJECT_ROOT
from deploy.scratch import Scratch, scratch_stack
from deploy.stack import alive


@pytest.fixture(scope="module")
def stack() -> Iterator[Scratch]:
    with scratch_stack() as scratch:
        yield scratch


def run(stack: Scratch, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=PROJECT_ROOT,
        env=stack.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def query(stack: Scratch, statement: str) -> Any:
    async def ask() -> Any:
        dsn = stack.settings.database_dsn.replace("postgresql+asyncpg://", "postgresql://")
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    with asyncio.Runner() as runner:
        return runner.run(ask())


def ready(stack: Scratch) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"{stack.api}/health/ready", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def wait_for(condition: Any, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


class TestDemo:
    def test_publishes_to_all_three_platforms_and_shows_their_numbers(self, stack: Scratch) -> None:
        done = run(stack, "app.cli", "demo")
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count(" posted ") == 3
        assert done.stdout.count("impressions") == 3
        with urllib.request.urlopen(f"{stack.sandbox}/_sandbox/published", timeout=10) as answer:
            published = json.load(answer)
        assert published["total"] == 3
        assert {item["platform"] for item in published["items"]} == {"instagram", "facebook", "tiktok"}

    def test_status_and_doctor_find_nothing_wrong(self, stack: Scratch) -> None:
        status = run(stack, "app.cli", "status")
        assert (status.returncode, "NO " in status.stdout) == (0, False)
        doctor = run(stack, "deploy.doctor")
        assert (doctor.returncode, "NO " in doctor.stdout) == (0, False), doctor.stdout


class TestSupervision:
    def test_a_killed_worker_comes_back_and_the_doctor_says_so(self, stack: Scratch) -> None:
        (pid,) = stack.pids("worker")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: stack.pids("worker") not in ([], [pid]), seconds=20)
        assert "it died and was restarted 1 times" in run(stack, "deploy.doctor").stdout

    def test_a_missing_worker_does_not_look_healthy(self, stack: Scratch) -> None:
        stack.control.supervisor.stopProcessGroup("worker")
        wait_for(lambda: ready(stack)[0] == 503, seconds=60)
        failing = {check["name"] for check in ready(stack)[1]["checks"] if not check["ok"]}
        assert "worker" in failing
        stack.control.supervisor.startProcessGroup("worker")
        wait_for(lambda: ready(stack)[0] == 200, seconds=60)

    def test_missing_beat_and_broker_do_not_look_healthy_either(self, stack: Scratch) -> None:
        for group, check in (("beat", "beat"), ("valkey", "broker")):
            stack.control.supervisor.stopProcessGroup(group)
            wait_for(
                lambda check=check: check in {c["name"] for c in ready(stack)[1]["checks"] if not c["ok"]}, seconds=60
            )
            stack.control.supervisor.startProcessGroup(group)
            wait_for(lambda: ready(stack)[0] == 200, seconds=60)


class TestDurability:
    def test_killing_everything_loses_no_committed_row(self, stack: Scratch) -> None:
        before = query(stack, "SELECT md5(string_agg(p::text, '|' ORDER BY id)) FROM posts p WHERE status = 'posted'")
        pids = [info["pid"] for info in stack.control.supervisor.getAllProcessInfo()]
        for pid in [int(stack.control.supervisor.getPID()), *pids]:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not any(alive(pid) for pid in pids), seconds=20)
        stack.stack("start")
        after = query(stack, "SELECT md5(string_agg(p::text, '|' ORDER BY id)) FROM posts p WHERE status = 'posted'")
        assert before is not None
        assert after == before
        with urllib.request.urlopen(f"{stack.sandbox}/_sandbox/published", timeout=10) as answer:
            assert json.load(answer)["total"] == 3


class TestStart:
    def test_starting_twice_changes_nothing(self, stack: Scratch) -> None:
        before = stack.pids("api") + stack.pids("worker") + stack.pids("postgres")
        stack.stack("start")
        assert stack.pids("api") + stack.pids("worker") + stack.pids("postgres") == before

    def test_a_taken_port_is_named_with_what_to_do(self, tmp_path: Path) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = str(other.getsockname()[1])
            scratch = Scratch(tmp_path, {"API_PORT": port})
            with pytest.raises(RuntimeError, match=rf"Another program uses port {port} \(API_PORT\)"):
                scratch.stack("start")

    def test_secrets_are_generated_once_and_only_their_owner_reads_them(self, stack: Scratch) -> None:
        path = stack.folder / "secrets.env"
        before = path.read_text(encoding="utf-8")
        stack.stack("start")
        assert path.read_text(encoding="utf-8") == before
        assert path.stat().st_mode & 0o077 == 0


class TestStop:
    def test_nothing_is_left_running(self, stack: Scratch) -> None:
        pids = [int(stack.control.supervisor.getPID())]
        pids += [info["pid"] for info in stack.control.supervisor.getAllProcessInfo()]
        stack.stack("stop")
        assert [pid for pid in pids if alive(pid)] == []
