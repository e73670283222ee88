"""The API, as the command line uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import typer

from app.settings import Settings


class Api:
    """Calls the API and turns its problems into sentences and an exit."""

    def __init__(self, settings: Settings) -> None:
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{settings.api_port}/api/v1", timeout=300, trust_env=False
        )

    def sign_in(self, email: str, password: str) -> None:
        """Sign in, registering first when the address is new."""
        body = {"email": email, "password": password}
        answer = self._send("POST", "/auth/register", json=body)
        if answer.status_code == httpx.codes.CONFLICT:
            answer = self._send("POST", "/auth/login", json=body)
        self._client.headers["Authorization"] = f"Bearer {_good(answer)['access_token']}"

    def get(self, path: str, **parameters: Any) -> Any:
        return _good(self._send("GET", path, params=parameters))

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return _good(self._send("POST", path, json=body))

    def put(self, path: str, body: dict[str, Any]) -> Any:
        return _good(self._send("PUT", path, json=body))

    def upload(self, path: str, file: Path, media_type: str) -> Any:
        """Send a file as a form does."""
        return _good(self._send("POST", path, files={"file": (file.name, file.read_bytes(), media_type)}))

    def find(self, path: str) -> Any | None:
        """Return what is at a path, or `None` where there is nothing yet."""
        answer = self._send("GET", path)
        return None if answer.status_code == httpx.codes.NOT_FOUND else _good(answer)

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, **options)
        except httpx.TransportError as error:
            typer.secho("PostPilot does not answer. Start it: make start", fg="red", err=True)
            raise typer.Exit(1) from error


def _good(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json() if answer.content else None
    problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    typer.secho(problem.get("detail", f"The API answered {answer.status_code}."), fg="red", err=True)
    for entry in problem.get("errors") or []:
        typer.secho(f"  {'.'.join(str(part) for part in entry['loc'])}: {entry['msg']}", fg="red", err=True)
    raise typer.Exit(1)
