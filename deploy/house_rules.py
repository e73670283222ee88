"""Rules of this repository that no general tool knows.

- Only the unit of work commits.
- The text of the project names no package registry and no absolute path of a home or work folder.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMITS = re.compile(r"\.commit\(\)")
MAY_COMMIT = {"backend/app/db/unit_of_work.py", "backend/migrations/env.py"}
FORBIDDEN = re.compile(
    "|".join(("files\\.python" + "hosted", "py" + "pi\\.org", "registry\\.npm" + "js", "/(?:home|root)/" + "\\w"))
)
TEXT = {".py", ".md", ".txt", ".in", ".toml", ".json", ".ini", ".mako", ".html", ".css", ".template", ""}


def main() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    problems = []
    for name in listed.splitlines():
        path = ROOT / name
        if path.suffix not in TEXT or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if name.startswith("backend/app/") and name not in MAY_COMMIT and COMMITS.search(text):
            problems.append(f"{name}: only the unit of work commits")
        found = FORBIDDEN.search(text)
        if found:
            problems.append(f"{name}: names '{found.group()}'")
    for problem in problems:
        print(f"  {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
