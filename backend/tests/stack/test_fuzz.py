"""The API as its description says, whatever is sent: Schemathesis over every operation, signed in, against a process.

What it once found is kept in `test_fuzz_findings.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from factories.api_process import ApiProcess, running_broker
from factories.make import Factory, MadeUser
from factories.servers import Sandbox, free_port

from app.settings import Settings

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
"""Random cases per operation, on top of the systematic ones (every field missing, of another type, at its edges, too
long …), which are about 7,000. `make fuzz` makes 40."""
PHASES = "examples,coverage,fuzzing" if EXAMPLES else "examples,coverage"
SEED = int(os.environ.get("FUZZ_SEED", "20261128"))
CASES = 5_000
"""So many there are at least."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
ENDS_SESSIONS = ("auth_logout", "auth_end_session", "auth_end_sessions", "auth_change_password", "auth_erase")
"""Tried on their own: they would sign the others out."""
ON_THEIR_OWN = ("events_stream", "health_ready")
"""The first answers as long as one listens; the second says 503 where no worker runs, as here. Both have tests."""


@pytest.fixture(scope="module")
def api(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    with running_broker() as broker:
        process = ApiProcess(settings, free_port(), tmp_path_factory.mktemp("api") / "api.log", REDIS_URL=broker)
        yield process
        process.stop()


def fuzz(api: ApiProcess, folder: Path, user: MadeUser, *filters: str) -> tuple[Counter[str], list[str]]:
    """Run Schemathesis and return how many cases each operation had, and what was found."""
    report = folder / "report.ndjson"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{api.url}/openapi.json"),
        *("--url", api.url, "--header", f"Authorization: {user.headers['Authorization']}"),
        *("--checks", ",".join(CHECKS), "--phases", PHASES, "--mode", "all"),
        *("--max-examples", str(EXAMPLES or 1), "--seed", str(SEED), "--continue-on-failure", "--no-shrink"),
        *("--suppress-health-check", "all", "--warnings", "off", "--request-timeout", "30", "--workers", "2"),
        *("--report", "ndjson", "--report-ndjson-path", str(report), *filters),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert report.exists(), done.stdout[-3000:] + done.stderr[-3000:]
    cases: Counter[str] = Counter()
    found: list[str] = []
    for line in report.read_text(encoding="utf-8").splitlines():
        scenario: dict[str, Any] | None = json.loads(line).get("ScenarioFinished")
        if scenario is None:
            continue
        recorder = scenario["recorder"]
        cases[recorder["label"]] += len(recorder.get("interactions", ()))
        for checks in recorder.get("checks", {}).values():
            found += [f"{recorder['label']}: {check['name']}" for check in checks if check["status"] == "failure"]
    if done.returncode and not found:
        found.append(done.stdout[-3000:])
    return cases, [*dict.fromkeys(found), *([done.stdout[-6000:]] if found else [])]


class TestEverything:
    async def test_answers_as_described(self, api: ApiProcess, rows: Factory, sandbox: Sandbox, tmp_path: Path) -> None:
        user = await rows.user()
        await rows.post(user, await rows.account(user))
        left_out = [part for name in (*ENDS_SESSIONS, *ON_THEIR_OWN) for part in ("--exclude-operation-id", name)]
        cases, found = fuzz(api, tmp_path, user, *left_out)
        assert found == []
        assert sum(cases.values()) >= CASES, cases

    @pytest.mark.parametrize("operation", ENDS_SESSIONS)
    async def test_what_ends_sessions_does_too(
        self, api: ApiProcess, rows: Factory, tmp_path: Path, operation: str
    ) -> None:
        cases, found = fuzz(api, tmp_path, await rows.user(), "--include-operation-id", operation)
        assert found == []
        assert sum(cases.values()) > 0
