"""Write the API's description to docs/api/openapi.json, or check that it is current.

python -m deploy.openapi [--check]
"""

from __future__ import annotations

import json
import sys

from app.main import create_app
from app.settings import PROJECT_ROOT, Settings

PATH = PROJECT_ROOT / "docs" / "api" / "openapi.json"


def main() -> None:
    document = json.dumps(create_app(Settings()).openapi(), indent=1, ensure_ascii=False) + "\n"
    if "--check" in sys.argv:
        if not PATH.exists() or PATH.read_text(encoding="utf-8") != document:
            sys.exit("  docs/api/openapi.json is not current. Run: make openapi")
        return
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(document, encoding="utf-8")
    print(f"  {PATH.relative_to(PROJECT_ROOT)}: {len(document)} bytes")


if __name__ == "__main__":
    main()
