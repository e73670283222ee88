"""Make the Python environment from the lock files. Standard library only: it runs before anything is installed.

python3 deploy/bootstrap.py [run|dev]
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
UV = "uv==0.13.9"
FLOOR = (3, 11)


def main() -> None:
    profile = sys.argv[1] if len(sys.argv) > 1 else "run"
    if sys.version_info < FLOOR:
        fail(
            f"Python {FLOOR[0]}.{FLOOR[1]} or newer is needed, this is {sys.version.split()[0]}. Set PYTHON=… for make."
        )
    stamp = VENV / f".installed-{profile}"
    digest = hashlib.sha256((ROOT / "requirements" / f"{profile}.txt").read_bytes() + sys.version.encode()).hexdigest()
    if read(stamp) == digest:
        return
    make_environment()
    install(profile)
    write_command()
    stamp.write_text(digest, encoding="utf-8")
    if profile == "dev":
        run_digest = (ROOT / "requirements" / "run.txt").read_bytes() + sys.version.encode()
        (VENV / ".installed-run").write_text(hashlib.sha256(run_digest).hexdigest(), encoding="utf-8")


def make_environment() -> None:
    if not (VENV / "bin" / "python").exists():
        say("Making the environment in .venv")
        made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
        if made.returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            fail("Python cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv")
    if not (VENV / "bin" / "uv").exists():
        step("Installing uv", [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", UV])


def install(profile: str) -> None:
    lock = ROOT / "requirements" / f"{profile}.txt"
    packages = sum(1 for line in lock.read_text(encoding="utf-8").splitlines() if "==" in line)
    step(
        f"Installing {packages} locked packages",
        [
            VENV / "bin" / "uv",
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "--python",
            VENV / "bin" / "python",
            "-r",
            lock,
        ],
    )


def write_command() -> None:
    """Put the `postpilot` command into the environment."""
    command = VENV / "bin" / "postpilot"
    command.write_text(f'#!/bin/sh\nexec "{ROOT}/postpilot" "$@"\n', encoding="utf-8")
    command.chmod(0o755)


def step(title: str, command: list[str | Path]) -> None:
    started = time.monotonic()
    say(f"{title} …")
    environment = {**os.environ, "VIRTUAL_ENV": str(VENV), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        reason = done.stderr.strip()[-3000:]
        fail(f"{title} failed:\n{reason}\nCheck the network and the package index, then run it again.")
    say(f"{title}: done in {time.monotonic() - started:.1f} s")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def say(text: str) -> None:
    print(f"  {text}", flush=True)


def fail(text: str) -> None:
    print(f"\n  {text}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
