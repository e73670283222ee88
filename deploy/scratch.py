"""A whole PostPilot of its own, on free ports and in a temporary folder, for tests and benchmarks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.settings import PROJECT_ROOT, Settings
from deploy.secrets import ensure_secrets
from deploy.stack import connect

PORTS = ("API_PORT", "POSTGRES_PORT", "REDIS_PORT", "SANDBOX_PORT", "SANDBOX_SMTP_PORT")


class Scratch:
    """A running stack and the means to disturb it."""

    def __init__(self, folder: Path, overrides: dict[str, str]) -> None:
        self.folder = folder
        self.environment = {**clean_environment(), **dict(zip(PORTS, free_ports(len(PORTS)), strict=True))}
        self.environment |= {"DATA_DIR": str(folder), **overrides}
        self._control: Any = None
        ensure_secrets(folder)
        self.settings = settings_of(self.environment, folder)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.settings.api_port}/api/v1"

    @property
    def sandbox(self) -> str:
        return f"http://127.0.0.1:{self.settings.sandbox_port}"

    @property
    def samples(self) -> str:
        return f"{self.settings.public_base}/media/samples/"

    @property
    def control(self) -> Any:
        """The supervisor's remote control."""
        if self._control is None:
            self._control = connect(self.settings)
        assert self._control is not None, "the scratch stack does not run"
        return self._control

    def stack(self, verb: str) -> None:
        """Run `deploy.stack` for this folder. Raises `RuntimeError` with what it printed."""
        if self._control is not None:
            self._control("close")()
            self._control = None
        done = subprocess.run(
            [sys.executable, "-m", "deploy.stack", verb],
            cwd=PROJECT_ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{verb} failed:\n{done.stdout}\n{done.stderr}")

    def give_plan(self, email: str, plan: str = "enterprise") -> None:
        """Give a user a plan, as whoever runs an installation does."""
        command = [sys.executable, "-m", "app.cli", "plan", email, plan]
        subprocess.run(command, cwd=PROJECT_ROOT, env=self.environment, capture_output=True, check=True)

    def pids(self, group: str) -> list[int]:
        """Return the process ids of one kind of child."""
        found = self.control.supervisor.getAllProcessInfo()
        return [int(info["pid"]) for info in found if info["group"] == group and info["pid"]]


@contextmanager
def scratch_stack(**overrides: str) -> Iterator[Scratch]:
    """Start a stack with some settings of its own, and remove it without a trace."""
    folder = Path(tempfile.mkdtemp(prefix="postpilot-scratch-"))
    scratch = Scratch(folder, overrides)
    try:
        scratch.stack("start")
        yield scratch
    finally:
        scratch.stack("stop")
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(count: int) -> list[str]:
    """Return ports that nobody uses at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [str(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def clean_environment() -> dict[str, str]:
    """Return the environment without settings that would lead to somebody else's servers."""
    names = {name.upper() for name in Settings.model_fields}
    kept = {name: value for name, value in os.environ.items() if name not in names and name != "SUPERVISOR_ENABLED"}
    return {**kept, "PYTHONPATH": f"{PROJECT_ROOT / 'backend'}:{PROJECT_ROOT}", "PYTHONWARNINGS": "ignore"}


def settings_of(environment: dict[str, str], folder: Path) -> Settings:
    """Return the settings that processes with this environment will have."""
    names = {name.upper(): name for name in Settings.model_fields}
    given = {names[name]: value for name, value in environment.items() if name in names}
    return Settings(_env_file=folder / "secrets.env", **given)  # type: ignore[arg-type]
