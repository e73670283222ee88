"""The examples of the API guide, run as they stand there, one after the other, on a process of the API."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from string import Template

import httpx
import pytest
from factories.api_process import ApiProcess
from factories.make import Factory
from factories.servers import Sandbox, free_port

from app.settings import PROJECT_ROOT, Settings

EXAMPLE_API = "http://localhost:8106/api/v1"
GUIDES = ("docs/api/guide.md", "docs/webhooks.md")
PARTS = re.compile(
    r"```\n(?P<command>curl .*?)\n```"
    r"|Keep `(?P<field>\w+)` of the answer as `(?P<name>\w+)`"
    r"|answers (?P<status>\d{3})\.",
    re.DOTALL,
)


@pytest.fixture
def api(settings: Settings, tmp_path: Path) -> Iterator[str]:
    process = ApiProcess(settings, free_port(), tmp_path / "api.log", WEBHOOK_ALLOWED_NETWORKS="127.0.0.2/32")
    yield f"{process.url}/api/v1"
    process.stop()


def run(command: str, variables: dict[str, str], http: httpx.Client) -> httpx.Response:
    """Make the request that a `curl` command makes; an option that is not known here is an error."""
    words = iter(shlex.split(Template(command.replace("\\\n", " ")).substitute(variables))[1:])
    method, url, headers, body = "GET", "", {}, None
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(":")
            headers[name] = value.strip()
        elif word == "-d":
            body = next(words)
        else:
            assert word.startswith("http"), word
            assert not url
            url = word
    return http.request(method, url, headers=headers, content=body)


async def test_every_example_works(api: str, rows: Factory, sandbox: Sandbox) -> None:
    variables = {"API": api}
    commands = 0
    with httpx.Client(timeout=60, trust_env=False) as http:
        for guide in GUIDES:
            text = (PROJECT_ROOT / guide).read_text(encoding="utf-8")
            for example, here in ((EXAMPLE_API, api), ("https://shop.example/", "http://127.0.0.2/")):
                text = text.replace(example, here)
            response: httpx.Response | None = None
            for part in PARTS.finditer(text):
                if part["command"]:
                    assert response is None or response.is_success, response.text
                    response = run(part["command"], variables, http)
                    commands += 1
                    continue
                assert response is not None
                if part["status"]:
                    assert response.status_code == int(part["status"])
                    assert response.json()["errors"]
                    response = None
                else:
                    assert response.is_success, response.text
                    variables[part["name"]] = str(response.json()[part["field"]])
            assert response is None or response.is_success, response.text
            assert text.count("\ncurl ") == len(re.findall(r"```\ncurl ", text)), "an example is not run"
    assert commands >= 15
    assert await rows.scalar("SELECT count(*) FROM posts WHERE status = 'scheduled'") == 2
