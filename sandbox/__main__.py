"""Run the sandbox: `python -m sandbox`."""

from __future__ import annotations

from sandbox.server import make_server
from sandbox.settings import Settings


def main() -> None:
    """Serve until told to stop."""
    make_server(Settings.from_env(), log_level="info").run()


if __name__ == "__main__":
    main()
