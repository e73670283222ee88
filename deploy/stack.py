"""Start, stop and look at PostPilot on this machine.

python -m deploy.stack start|stop|status|migrate
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from app.settings import PROJECT_ROOT, Settings, get_settings
from deploy.database import migrate, wait_for_database
from deploy.programs import Program, control_socket, processes, servers, write_configuration
from deploy.secrets import ensure_secrets

READY_SECONDS = 60.0


class StackError(Exception):
    """Something a person has to mend; the text says what and how."""


def main() -> None:
    verbs: dict[str, Callable[[Settings], None]] = {
        "start": start,
        "stop": stop,
        "status": show_status,
        "migrate": bring_up_to_date,
    }
    verb = verbs.get(sys.argv[1] if len(sys.argv) > 1 else "")
    if verb is None:
        sys.exit(__doc__)
    settings = get_settings()
    try:
        ensure_secrets(settings.data_dir)
        get_settings.cache_clear()
        verb(get_settings())
    except StackError as error:
        print(f"\n  {error}", file=sys.stderr)
        sys.exit(1)


def start(settings: Settings) -> None:
    """Start everything that does not run yet, and return when posts are getting out."""
    began = time.monotonic()
    control = connect(settings)
    if control is None:
        free_ports(settings)
        control = launch(settings)
    else:
        write_configuration(settings)
    run(control, servers(settings))
    with step("Database"):
        wait_for_database(settings, seconds=READY_SECONDS)
    with step("Migrations"):
        migrate()
    run(control, processes(settings))
    with step("Ready"):
        wait_until_ready(settings)
    welcome(settings)
    tell(settings, time.monotonic() - began)


def bring_up_to_date(settings: Settings) -> None:
    """Start the database if it does not run, and migrate it."""
    if not settings.database_url:
        control = connect(settings)
        if control is None:
            free_ports(settings)
            control = launch(settings)
        run(control, [program for program in servers(settings) if program.name == "postgres"])
    with step("Database"):
        wait_for_database(settings, seconds=READY_SECONDS)
    with step("Migrations"):
        migrate()


def welcome(settings: Settings) -> None:
    """Make sure that the demo login works, in development, and can try everything."""
    if settings.environment != "development":
        return
    body = {"email": settings.demo_email, "password": settings.demo_password.get_secret_value()}
    request = urllib.request.Request(
        f"http://127.0.0.1:{settings.api_port}/api/v1/auth/register",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code not in (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS):  # both: it was made before
            raise StackError(f"The demo login could not be made: {error}") from error
    else:
        command = [sys.executable, "-m", "app.cli", "plan", settings.demo_email, "enterprise"]
        done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StackError(f"The demo login could not be given a plan: {done.stderr.strip()}")


def stop(settings: Settings) -> None:
    """Stop everything; workers hand back what they hold."""
    control = connect(settings)
    if control is None:
        print("  PostPilot is not running.")
        return
    pid = int(control.supervisor.getPID())
    with step("Stopping"):
        for program in reversed([*servers(settings), *processes(settings)]):
            quietly(lambda name=program.name: control.supervisor.stopProcessGroup(name))  # type: ignore[misc]
        control.supervisor.shutdown()
        deadline = time.monotonic() + 40
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.1)
    print("  PostPilot has stopped. Your data is in", settings.data_dir)


def show_status(settings: Settings) -> None:
    """Print every process: its state, and how long it has been up."""
    control = connect(settings)
    if control is None:
        raise StackError("PostPilot is not running. Start it: make start")
    for info in control.supervisor.getAllProcessInfo():
        print(f"  {info['name']:<14} {info['statename']:<10} {info['description']}")


# The supervisor


def connect(settings: Settings) -> Any | None:
    """Return the running supervisor of this data folder, or `None`."""
    path = control_socket(settings)
    if not path.exists():
        return None
    proxy = ServerProxy("http://127.0.0.1", transport=SupervisorTransport(None, None, f"unix://{path}"))
    try:
        proxy.supervisor.getState()
    except (ConnectionRefusedError, FileNotFoundError):
        proxy("close")()
        path.unlink(missing_ok=True)
        return None
    return proxy


def launch(settings: Settings) -> Any:
    """Start a supervisor, after ending what a killed one left behind."""
    for path in (PROJECT_ROOT, settings.data_dir):
        if "%" in str(path):
            raise StackError(f"The supervisor cannot work in a folder with '%' in its name: {path}. Rename or move it.")
    end_leftovers(settings)
    configuration = write_configuration(settings)
    command = [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", str(configuration)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"The supervisor did not start: {done.stderr.strip() or done.stdout.strip()}")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        control = connect(settings)
        if control is not None:
            return control
        time.sleep(0.05)
    raise StackError(f"The supervisor does not answer. See {settings.data_dir / 'logs' / 'supervisord.log'}")


def end_leftovers(settings: Settings) -> None:
    """End children of a supervisor that was killed: they would hold the ports."""
    mark = f"DATA_DIR={settings.data_dir}"
    ours = os.getpid()
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if pid != ours and mark.encode() in environment and b"SUPERVISOR_ENABLED=1" in environment:
            quietly(lambda pid=pid: os.kill(pid, signal.SIGTERM))  # type: ignore[misc]
            deadline = time.monotonic() + 5
            while alive(pid) and time.monotonic() < deadline:
                time.sleep(0.05)
            if alive(pid):
                quietly(lambda pid=pid: os.kill(pid, signal.SIGKILL))  # type: ignore[misc]


def run(control: Any, programs: list[Program]) -> None:
    """Start programs that do not run; those that do are left alone."""
    try:
        added, changed, removed = control.supervisor.reloadConfig()[0]
    except Fault as error:
        raise StackError(f"The supervisor does not take its configuration: {error.faultString}") from error
    for name in changed + removed:
        quietly(lambda name=name: control.supervisor.stopProcessGroup(name))  # type: ignore[misc]
        control.supervisor.removeProcessGroup(name)
    for name in added + changed:
        control.supervisor.addProcessGroup(name)
    for program in programs:
        quietly(lambda name=program.name: control.supervisor.startProcessGroup(name, False))  # type: ignore[misc]


# Waiting


def wait_until_ready(settings: Settings) -> None:
    """Return when the API, worker and beat are doing their work and the sandbox answers."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        ready, reason = probe(f"http://127.0.0.1:{settings.api_port}/api/v1/health/ready")
        fine, why = probe(f"{settings.sandbox_base}/_sandbox/health")
        if ready and fine:
            return
        if time.monotonic() > deadline:
            raise StackError(
                f"PostPilot is not ready: {reason if not ready else why}\n"
                f"  Logs are in {settings.data_dir / 'logs'}. `make doctor` looks further."
            )
        time.sleep(0.1)


def probe(url: str) -> tuple[bool, str]:
    """Ask an address and return whether it is well, and what it says otherwise."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own http address
            return answer.status == 200, ""
    except urllib.error.HTTPError as error:
        try:
            return False, str(json.load(error).get("detail", error))
        except ValueError:
            return False, str(error)
    except OSError as error:
        return False, f"{url} does not answer ({error})"


def free_ports(settings: Settings) -> None:
    """Raise `StackError` naming every port that another program holds, and what to do."""
    wanted = {"API_PORT": settings.api_port, "SANDBOX_PORT": settings.sandbox_port}
    wanted["SANDBOX_SMTP_PORT"] = settings.sandbox_smtp_port
    if not settings.database_url:
        wanted["POSTGRES_PORT"] = settings.postgres_port
    if not settings.redis_url:
        wanted["REDIS_PORT"] = settings.redis_port
    end_leftovers(settings)
    taken = [f"{port} ({name})" for name, port in wanted.items() if is_taken(port)]
    if taken:
        name = taken[0].partition("(")[2].rstrip(")")
        raise StackError(
            f"Another program uses port {', '.join(taken)}.\n"
            f"  Stop it, or choose another port: put {name}=<port> into .env, then run `make start` again."
        )


def is_taken(port: int) -> bool:
    with socket.socket() as probe_socket:
        probe_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe_socket.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    try:
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def quietly(action: Callable[[], object]) -> None:
    """Do something that may already be done."""
    try:
        action()
    except (Fault, OSError):
        return


# Telling


class step:  # noqa: N801 - reads as a statement
    """Print a line with how long something took."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.began = time.monotonic()

    def __enter__(self) -> None:
        print(f"  {self.title} …", end="", flush=True)

    def __exit__(self, kind: object, *_: object) -> None:
        word = "failed" if kind else "done"
        print(f" {word} in {time.monotonic() - self.began:.1f} s", flush=True)


def tell(settings: Settings, seconds: float) -> None:
    """Print where everything is."""
    print(f"""
  PostPilot is running ({seconds:.1f} s).

    API              http://localhost:{settings.api_port}
    API docs         http://localhost:{settings.api_port}/docs
    Platform sandbox {settings.sandbox_base}   (what followers would see)

    Demo login       {settings.demo_email}
    Password         {settings.demo_password.get_secret_value()}

  Try it:  ./postpilot demo        publishes to all three platforms, on the sandbox
           make stop               stops everything; data stays in {settings.data_dir}
""")


if __name__ == "__main__":
    main()
