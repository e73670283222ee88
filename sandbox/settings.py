"""Where the sandbox listens, keeps its data and which app it knows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

APP_ID = "postpilot-sandbox"
"""Client id (TikTok: client key) of the one app registered with the sandbox, the same on all three platforms."""

DEFAULT_APP_SECRET = "sandbox-secret"
"""Secret of that app when SANDBOX_APP_SECRET is set nowhere: fine on a developer's machine, nowhere else."""

_REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the sandbox reads from its surroundings."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8206
    smtp_port: int = 0
    """Where the mailbox takes letters; 0 for any free port, which `GET /_sandbox/mail` tells."""
    app_secret: str = DEFAULT_APP_SECRET

    @property
    def root(self) -> Path:
        """Folder that holds the state file and the copies of media."""
        return self.data_dir / "sandbox"

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Read HOST, SANDBOX_PORT, SANDBOX_SMTP_PORT, DATA_DIR and SANDBOX_APP_SECRET, which may also stand in
        DATA_DIR/secrets.env."""
        data_dir = Path(env.get("DATA_DIR") or ".data")
        if not data_dir.is_absolute():
            data_dir = _REPOSITORY / data_dir
        secret = env.get("SANDBOX_APP_SECRET") or _read_secret(data_dir / "secrets.env") or DEFAULT_APP_SECRET
        return cls(
            data_dir=data_dir,
            host=env.get("HOST") or "127.0.0.1",
            port=int(env.get("SANDBOX_PORT") or 8206),
            smtp_port=int(env.get("SANDBOX_SMTP_PORT") or 2526),
            app_secret=secret,
        )


def _read_secret(path: Path) -> str:
    if not path.is_file():
        return ""
    for line in path.read_text(encoding="utf-8").splitlines():
        name, _, value = line.strip().removeprefix("export ").partition("=")
        if name.strip() == "SANDBOX_APP_SECRET":
            return value.strip().strip("'\"")
    return ""
