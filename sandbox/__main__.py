"""Run the sandbox: `python -m sandbox`."""

from __future__ import annotations

import sys

from sandbox.server import make_server
from sandbox.settings import Settings


def main() -> None:
    """Serve until told to stop."""
    # httpcore tries to import sniffio several times per request; where it is not installed, each miss searches the
    # whole path and doubles the cost of fetching media. None makes the miss immediate.
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]
    make_server(Settings.from_env(), log_level="info").run()


if __name__ == "__main__":
    main()
