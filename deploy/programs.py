"""The processes that PostPilot consists of, and the supervisor's configuration for them."""

from __future__ import annotations

import hashlib
import shlex
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from app.settings import PROJECT_ROOT, Settings

PYTHON = shlex.quote(sys.executable)
"""The supervisor splits commands as a shell does."""
SOCKET_PATH_MAX = 100
"""Unix socket addresses end at 107 bytes on Linux and 103 on macOS."""


@dataclass(frozen=True)
class Program:
    """One kind of child. `stop_seconds` is how long it may take to hand its work back."""

    name: str
    command: str
    title: str
    count: int = 1
    stop_signal: str = "TERM"
    stop_seconds: int = 10
    start_seconds: int = 1
    environment: dict[str, str] = field(default_factory=dict)


def servers(settings: Settings) -> list[Program]:
    """Return the embedded servers that are not replaced by servers of one's own."""
    programs = []
    if not settings.database_url:
        programs.append(
            Program("postgres", f"{PYTHON} -m deploy.postgres", "PostgreSQL", stop_signal="INT", stop_seconds=30)
        )
    if not settings.redis_url:
        programs.append(Program("valkey", f"{PYTHON} -m deploy.valkey", "Valkey"))
    return programs


def processes(settings: Settings) -> list[Program]:
    """Return the processes of PostPilot itself."""
    python = PYTHON
    workers = f" --workers {settings.api_workers}" if settings.api_workers > 1 else ""
    return [
        Program(
            "api",
            f"{python} -m uvicorn app.main:create_app --factory --host {settings.host} --port {settings.api_port}"
            " --loop uvloop --http httptools --no-access-log --timeout-graceful-shutdown 8 --log-level warning"
            f"{workers}",
            "API",
        ),
        Program(
            "worker",
            f"{python} -m app.tasks.worker %(program_name)s-%(process_num)d",
            "Worker",
            count=settings.worker_processes,
            stop_seconds=25,
            environment={"MALLOC_ARENA_MAX": "2"},
        ),
        Program("beat", f"{python} -m app.tasks.beat", "Beat"),
        Program("sandbox", f"{python} -m sandbox", "Platform sandbox"),
    ]


def control_socket(settings: Settings) -> Path:
    """Return where the supervisor listens: in the data folder, or in the temporary one when that path is too long."""
    path = settings.data_dir / "run" / "supervisor.sock"
    if len(str(path)) < SOCKET_PATH_MAX:
        return path
    digest = hashlib.sha256(str(settings.data_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"postpilot-{digest}.sock"


def write_configuration(settings: Settings) -> Path:
    """Write the supervisor's configuration and return its path."""
    template = (PROJECT_ROOT / "deploy" / "supervisor.conf.template").read_text(encoding="utf-8")
    for folder in ("run", "logs"):
        (settings.data_dir / folder).mkdir(parents=True, exist_ok=True)
    sections = [_section(program, settings, priority=10) for program in servers(settings)]
    sections += [_section(program, settings, priority=20) for program in processes(settings)]
    path = settings.data_dir / "run" / "supervisord.conf"
    path.write_text(
        template.format(
            data=settings.data_dir,
            root=PROJECT_ROOT,
            socket=control_socket(settings),
            programs="\n".join(sections),
        ),
        encoding="utf-8",
    )
    return path


def _section(program: Program, settings: Settings, *, priority: int) -> str:
    environment = {
        "PYTHONPATH": f"{PROJECT_ROOT / 'backend'}:{PROJECT_ROOT}",
        "DATA_DIR": str(settings.data_dir),
        "PYTHONWARNINGS": "ignore",
        **program.environment,
    }
    pairs = ",".join(f'{name}="{value.replace("%", "%%")}"' for name, value in environment.items())
    return f"""
[program:{program.name}]
command = {program.command}
directory = {PROJECT_ROOT}
environment = {pairs}
process_name = %(program_name)s-%(process_num)d
numprocs = {program.count}
priority = {priority}
autostart = false
autorestart = true
startsecs = {program.start_seconds}
startretries = 1000000
stopsignal = {program.stop_signal}
stopwaitsecs = {program.stop_seconds}
stopasgroup = {"false" if program.stop_signal == "INT" else "true"}
killasgroup = true
redirect_stderr = true
stdout_logfile = {settings.data_dir}/logs/{program.name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 2
"""
