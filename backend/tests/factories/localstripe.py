"""localstripe: a server of Stripe's API that others wrote, run as a program of its own. Its licence is the GPL, so
nothing here imports it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from factories.servers import free_port

START_SECONDS = 20


class LocalStripe:
    """Its API, as a test calls it past the product."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=20, auth=("sk_test_local", ""))

    def call(self, method: str, path: str, data: dict[str, str] | None = None) -> dict[str, Any]:
        response = self._http.request(method, path, data=data)
        assert response.is_success, response.text
        return dict(response.json()) if response.content else {}

    def card(self, customer: str, number: str) -> None:
        """Give a customer a card, and take payments from it from now on."""
        card = {"number": number, "exp_month": "12", "exp_year": "2040", "cvc": "123"}
        self._method(customer, {"type": "card", **{f"card[{name}]": value for name, value in card.items()}})

    def account(self, customer: str, iban: str) -> None:
        """Have payments taken from a bank account, where they fail later if they do."""
        holder = {"billing_details[name]": "A. Buyer", "billing_details[email]": "a@example.com"}
        self._method(customer, {"type": "sepa_debit", "sepa_debit[iban]": iban, **holder})

    def _method(self, customer: str, data: dict[str, str]) -> None:
        method = self.call("POST", "/v1/payment_methods", data)
        self.call("POST", f"/v1/payment_methods/{method['id']}/attach", {"customer": customer})
        default = {"invoice_settings[default_payment_method]": method["id"]}
        self.call("POST", f"/v1/customers/{customer}", default)

    def close(self) -> None:
        self._http.close()


@contextmanager
def running_localstripe(folder: Path) -> Iterator[LocalStripe]:
    """Serve from nothing, and keep its state in a folder of the test's."""
    port = free_port()
    command = [sys.executable, "-m", "localstripe", "--from-scratch", "--port", str(port)]
    with (folder / "localstripe.log").open("wb") as log:
        environment = {**os.environ, "TMPDIR": str(folder)}
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    server = LocalStripe(f"http://127.0.0.1:{port}")
    until = time.monotonic() + START_SECONDS
    try:
        while True:
            assert process.poll() is None, (folder / "localstripe.log").read_text()
            assert time.monotonic() < until, "localstripe did not start"
            with suppress(httpx.TransportError):
                server.call("GET", "/v1/customers")
                break
            time.sleep(0.1)
        yield server
    finally:
        server.close()
        process.terminate()
        process.wait(10)
