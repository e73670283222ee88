"""Servers that the tests run against: PostgreSQL, the platform sandbox, the API at its public address, a media host."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import uvicorn
from fastapi import FastAPI

from app.settings import PROJECT_ROOT
from deploy.scratch import clean_environment

PASSWORD = "tests"
_START_POSTGRES = """
from deploy import postgres
postgres.CONFIGURATION.update(fsync="off", synchronous_commit="off", full_page_writes="off", max_connections="200")
postgres.main()
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class SharedPostgres:
    """One PostgreSQL for all workers of a test run: the first who needs it starts it, whoever made the folder stops
    it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def address(self) -> str:
        """Return `host:port` of the running server."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = self.folder / "address"
            if not known.exists():
                known.write_text(self._start())
            return known.read_text()

    def _start(self) -> str:
        port = free_port()
        environment = {
            **clean_environment(),
            "DATA_DIR": str(self.folder),
            "POSTGRES_PORT": str(port),
            "POSTGRES_PASSWORD": PASSWORD,
        }
        with (self.folder / "postgres.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", _START_POSTGRES],
                cwd=PROJECT_ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (self.folder / "pid").write_text(str(process.pid))
        until = time.monotonic() + 60
        while not _answers(port):
            assert process.poll() is None, (self.folder / "postgres.log").read_text()
            assert time.monotonic() < until, "PostgreSQL did not start"
            time.sleep(0.05)
        process.returncode = 0  # it outlives whoever started it, so nobody here waits for it
        return f"127.0.0.1:{port}"

    def stop(self) -> None:
        """Stop the server, if anybody started it, and remove its files."""
        pid_file = self.folder / "pid"
        if pid_file.exists():
            _end(int(pid_file.read_text()))
        shutil.rmtree(self.folder, ignore_errors=True)


def _answers(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0


def _end(pid: int) -> None:
    """Ask for a shutdown that waits for no client."""
    try:
        os.kill(pid, signal.SIGINT)
        for _ in range(100):
            try:
                if os.waitpid(pid, os.WNOHANG)[0]:
                    return
            except ChildProcessError:
                os.kill(pid, 0)
            time.sleep(0.05)
    except ProcessLookupError:
        return


class Sandbox:
    """A running sandbox and its control API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=20)

    def close(self) -> None:
        self._client.close()

    def _send(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        response = self._client.request(method, f"/_sandbox{path}", json=body or None)
        assert response.is_success, response.text
        return dict(response.json())

    def _read(self, path: str, **query: Any) -> dict[str, Any]:
        response = self._client.get(f"/_sandbox{path}", params=query)
        assert response.is_success, response.text
        return dict(response.json())

    def reset(self) -> None:
        """Forget everything and answer quickly."""
        self._send("POST", "/reset")
        self.knobs(processing_seconds=0.1, image_processing_seconds=0.05, tiktok_moderation_seconds=0.0)

    def knobs(self, **values: Any) -> None:
        self._send("PATCH", "/knobs", **values)

    def fault(self, operation: str, kind: str, **details: Any) -> None:
        self._send("POST", "/faults", operation=operation, kind=kind, **details)

    def clear_faults(self) -> None:
        self._send("DELETE", "/faults")

    def advance(self, seconds: float) -> None:
        self._send("POST", "/clock", advance_seconds=seconds)

    def mails(self, to: str) -> list[dict[str, Any]]:
        """Return the letters to an address, the newest first."""
        return list(self._read("/mail", to=to)["items"])

    def calls(self, operation: str, **query: str) -> int:
        return int(self._read("/calls", operation=operation, **query)["total"])

    def total_calls(self) -> int:
        return int(self._read("/calls")["total"])

    def published(self, **query: str) -> list[dict[str, Any]]:
        """Return every post that followers can see, newest first."""
        document = self._read("/published", limit=1000, **query)
        assert document["total"] == len(document["items"])
        return list(document["items"])

    def texts(self, **query: str) -> list[str]:
        return [item["text"] for item in self.published(**query)]

    def consent(self, authorization_url: str, name: str, **more: Any) -> dict[str, str]:
        """Approve a sign-in and return the query of the callback."""
        answer = self._send("POST", "/consent", authorization_url=authorization_url, account_name=name, **more)
        return query_of(answer["redirect_url"])

    def refuse(self, authorization_url: str) -> dict[str, str]:
        """Press "cancel" on the consent page and return the query of the callback."""
        response = self._client.post(authorization_url, data={"decision": "deny"})
        assert response.status_code == 302, response.text
        return query_of(response.headers["location"])

    def expire_tokens(self, platform: str, account_id: str) -> None:
        self._send("POST", f"/accounts/{platform}/{account_id}/expire-tokens")

    def revoke(self, platform: str, account_id: str) -> None:
        self._send("POST", f"/accounts/{platform}/{account_id}/revoke")


def query_of(url: str) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}


def smtp_port_of(sandbox_url: str) -> int:
    """Return where a sandbox takes letters."""
    return int(httpx.get(f"{sandbox_url}/_sandbox/mail", params={"to": "nobody"}, trust_env=False).json()["port"])


@contextmanager
def running_sandbox(folder: Path, secret: str) -> Iterator[str]:
    """Start a sandbox on a free port and stop it afterwards."""
    port = free_port()
    environment = {
        **clean_environment(),
        "DATA_DIR": str(folder),
        "SANDBOX_PORT": str(port),
        "SANDBOX_SMTP_PORT": "0",
        "SANDBOX_APP_SECRET": secret,
    }
    with (folder / "sandbox.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox"], cwd=PROJECT_ROOT, env=environment, stdout=log, stderr=log
        )
    until = time.monotonic() + 30
    try:
        while not _answers(port):
            assert process.poll() is None, (folder / "sandbox.log").read_text()
            assert time.monotonic() < until, "the sandbox did not start"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def running_app(app: FastAPI, port: int) -> Iterator[str]:
    """Serve an application from a thread."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive(), "the API did not start"
        assert time.monotonic() < until, "the API did not start"
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


class MediaHost:
    """A shop's media host: files under `/f/{name}`, redirects under `/r/{name}`, and what was asked for."""

    def __init__(self, address: str = "127.0.0.2") -> None:
        self.files: dict[str, tuple[bytes, str]] = {}
        self.redirects: dict[str, str] = {}
        self.requests: list[str] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.requests.append(self.path)
                name = self.path.rpartition("/")[2]
                if self.path.startswith("/r/") and name in host.redirects:
                    self.send_response(302)
                    self.send_header("Location", host.redirects[name])
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                content, mime = host.files.get(name, (b"", ""))
                self.send_response(200 if mime else 404)
                self.send_header("Content-Type", mime or "text/plain")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with suppress(ConnectionError):  # who has read enough of a large file hangs up
                    self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer((address, 0), Handler)
        self.url = f"http://{address}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def add(self, content: bytes, mime: str, *, suffix: str = "") -> str:
        name = secrets.token_hex(6) + suffix
        self.files[name] = (content, mime)
        return f"{self.url}/f/{name}"

    def redirect_to(self, target: str) -> str:
        name = secrets.token_hex(6)
        self.redirects[name] = target
        return f"{self.url}/r/{name}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
