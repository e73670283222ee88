"""Deliveries to addresses that users give us: public ones only, redirects not followed, bounded, signed.

Source: Standard Webhooks specification 1.0.0, read 2026-11-27 (headers `webhook-id`, `webhook-timestamp`,
`webhook-signature`; any 2xx is taken; 410 asks for no more).
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx
from standardwebhooks import Webhook

from app.storage.remote import Network, RemoteFileError, check_url, guarded_transport, is_public

TOTAL_SECONDS = 10.0
CONNECT_SECONDS = 5.0
ANSWER_CHARS = 300
"""As much of an answer is kept for the log; the rest is not read."""
SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix


class AddressNotTakenError(Exception):
    """An address cannot get webhooks; `code` says why, the text is a sentence for its owner."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True)
class Answer:
    """How a delivery ended: the status, or `None` where there was no answer; and why it counts as failed."""

    status: int | None
    error: str | None = None

    @property
    def is_taken(self) -> bool:
        return self.error is None


def new_secret() -> str:
    """Return what an endpoint's deliveries are signed with, as its owner sees it once."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def encode(payload: Mapping[str, Any]) -> str:
    """Return the body as it is signed and sent: the same text for every try."""
    ordered = {name: payload[name] for name in ("type", "timestamp", "data")}
    return json.dumps(ordered, ensure_ascii=False, separators=(",", ":"))


class HookHttp:
    """Delivers webhooks. One per process; keeps no cookies."""

    def __init__(self, *, allowed: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allowed)
        self._client = httpx.AsyncClient(
            transport=guarded_transport(allowed),
            timeout=httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=False,
            headers={"User-Agent": "PostPilot-Webhooks", "Accept-Encoding": "identity"},
            trust_env=False,
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def check(self, url: str) -> None:
        """Refuse an address that never could be delivered to. Looks its name up. Raises `AddressNotTakenError`."""
        try:
            check_url(url)
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise AddressNotTakenError(
                "webhook_url_unknown", f"The name of {urlsplit(url).hostname} cannot be found. Check the address."
            ) from error
        except (RemoteFileError, httpx.InvalidURL) as error:
            raise AddressNotTakenError(
                "webhook_url_invalid", "This is not an address. Enter one such as https://shop.example/hooks."
            ) from error
        addresses = {str(info[4][0]) for info in found}
        if not all(is_public(address, self._allowed) for address in addresses):
            raise AddressNotTakenError(
                "webhook_url_not_public",
                f"{parts.hostname} is, or leads to, a private address. Enter a public one, or have whoever runs "
                "PostPilot add its network to WEBHOOK_ALLOWED_NETWORKS.",
            )
        if parts.scheme == "http" and any(is_public(address) for address in addresses):
            raise AddressNotTakenError(
                "webhook_url_not_https", "Enter an https address: what is sent would be readable on its way."
            )

    async def deliver(
        self, url: str, *, secret: str, message_id: str, payload: Mapping[str, Any], at: datetime
    ) -> Answer:
        """Make one delivery and return how it ended; nothing is raised for what the receiver does."""
        body = encode(payload)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign(message_id, at, body),
        }
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._send(url, headers, body)
        except RemoteFileError as error:
            private = error.code == "media_url_not_public"
            return Answer(None, "The address is a private one." if private else "The name cannot be found.")
        except (TimeoutError, httpx.TimeoutException):
            return Answer(None, f"There was no answer within {TOTAL_SECONDS:.0f} seconds.")
        except (httpx.HTTPError, httpx.InvalidURL, httpcore.NetworkError, OSError, ValueError) as error:
            return Answer(None, f"The connection failed ({type(error).__name__}).")
        finally:
            self._client.cookies.clear()

    async def _send(self, url: str, headers: Mapping[str, str], body: str) -> Answer:
        async with self._client.stream("POST", url, headers=dict(headers), content=body.encode()) as response:
            status = response.status_code
            if response.is_success:
                return Answer(status)
            if response.is_redirect:
                return Answer(status, f"It answered {status}: redirects are not followed. Enter where it leads to.")
            said = await _beginning(response)
            return Answer(status, f"It answered {status}" + (f": {said}" if said else "."))


async def _beginning(response: httpx.Response) -> str:
    """Return the first characters of an answer, on one line."""
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) >= ANSWER_CHARS * 4:
            break
    text = content.decode("utf-8", errors="replace").replace("\x00", "")
    return " ".join(text.split())[:ANSWER_CHARS]
