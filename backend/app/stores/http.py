"""Requests to shops and feeds at addresses that users give us: guarded, bounded, and with sentences for the owner."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore
import httpx

from app.kit.clock import utc_now
from app.storage.remote import Network, RemoteFileError, check_url, guarded_transport, shorten
from app.stores.base import SourceBusy, SourceRefused, SourceUnreadable

ANSWER_MAX_BYTES = 24_000_000
"""Longest answer of a shop's API: 250 products with long descriptions stay far below it."""
FEED_MAX_BYTES = 200_000_000
MAX_REDIRECTS = 3
CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
ANSWER_SECONDS = 40.0
FEED_SECONDS = 300.0
WRITE_BYTES = 1_000_000
AFTER_DEFAULT_SECONDS = 60.0
"""How long to leave a shop alone that asks for it without saying how long."""
AFTER_MAX_SECONDS = 3600.0
AWAY = frozenset({408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 530})


@dataclass(frozen=True)
class Answer:
    """What a shop answered, other than an error that means the same everywhere."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def json(self) -> Any:
        """Read the body. Raises `SourceUnreadable`."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise SourceUnreadable(
                f"{shorten(self.url)} did not answer with shop data. Check the address of the shop.",
                detail=type(error).__name__,
            ) from error


class StoreHttp:
    """Speaks with shops. One per process; keeps no cookies, so that no shop's session reaches another's request."""

    def __init__(self, *, allowed: Sequence[Network] = ()) -> None:
        self._client = httpx.AsyncClient(
            transport=guarded_transport(allowed),
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=False,
            headers={"User-Agent": "PostPilot", "Accept-Encoding": "identity"},
            trust_env=False,
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def ask(
        self,
        url: str,
        *,
        query: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        has_secret: bool = False,
    ) -> Answer:
        """Return the answer to a GET, or to a POST with a JSON body.

        With `has_secret` a redirect to another host is not followed: the key is not for that one. Raises `SourceBusy`
        for 429 and for a shop that is away, `SourceRefused` for an address that may not be asked.
        """
        try:
            address = str(httpx.URL(url, params=dict(query))) if query else url
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._ask(address, dict(headers or {}), body, has_secret=has_secret)
        except (RemoteFileError, httpx.InvalidURL, httpx.HTTPError, httpcore.NetworkError, OSError, ValueError) as e:
            raise _as_source_error(url, e) from e
        finally:
            self._client.cookies.clear()

    async def _ask(
        self, url: str, headers: dict[str, str], body: Mapping[str, Any] | None, *, has_secret: bool
    ) -> Answer:
        first = urlsplit(url)
        for _ in range(MAX_REDIRECTS + 1):
            check_url(url)
            method = "GET" if body is None else "POST"
            async with self._client.stream(method, url, headers=headers, json=body) as response:
                if response.is_redirect:
                    url = urljoin(url, response.headers.get("location", ""))
                    if has_secret:
                        _require_same_shop(first.hostname, first.scheme, url)
                    continue
                _refuse_what_means_the_same_everywhere(url, response)
                content = await _read(response, ANSWER_MAX_BYTES, url)
                return Answer(response.status_code, response.headers, content, url)
        raise SourceRefused(f"{shorten(url)} redirects too often. Enter the address where the shop really is.")

    async def download(self, url: str, path: Path) -> None:
        """Write a feed to `path`, piece by piece. Raises as `ask` does, and `SourceRefused` for any other refusal."""
        try:
            async with asyncio.timeout(FEED_SECONDS):
                await self._download(url, path)
        except (RemoteFileError, httpx.InvalidURL, httpx.HTTPError, httpcore.NetworkError, OSError, ValueError) as e:
            raise _as_source_error(url, e) from e
        finally:
            self._client.cookies.clear()

    async def _download(self, url: str, path: Path) -> None:
        for _ in range(MAX_REDIRECTS + 1):
            check_url(url)
            async with self._client.stream("GET", url) as response:
                if response.is_redirect:
                    url = urljoin(url, response.headers.get("location", ""))
                    continue
                _refuse_what_means_the_same_everywhere(url, response)
                if response.status_code != 200:
                    raise SourceRefused(
                        f"The feed at {shorten(url)} answers {response.status_code}. Check that the address opens.",
                        code="feed_not_found",
                    )
                _require_plain(url, response)
                with await asyncio.to_thread(path.open, "wb") as file:
                    waiting, total = bytearray(), 0
                    async for chunk in response.aiter_raw():
                        waiting += chunk
                        total += len(chunk)
                        _require_size(total, FEED_MAX_BYTES, url)
                        if len(waiting) >= WRITE_BYTES:
                            await asyncio.to_thread(file.write, waiting)
                            waiting = bytearray()
                    await asyncio.to_thread(file.write, waiting)
                return
        raise SourceRefused(f"{shorten(url)} redirects too often. Enter the address where the feed really is.")


async def _read(response: httpx.Response, most: int, url: str) -> bytes:
    _require_plain(url, response)
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        _require_size(len(content), most, url)
    return bytes(content)


def _require_plain(url: str, response: httpx.Response) -> None:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise SourceUnreadable(f"{shorten(url)} answers compressed although that was not asked for.")


def _require_size(size: int, most: int, url: str) -> None:
    if size > most:
        raise SourceUnreadable(
            f"{shorten(url)} answers with more than the {most // 1_000_000} MB allowed.", code="source_too_large"
        )


def _require_same_shop(host: str | None, scheme: str, url: str) -> None:
    target = urlsplit(url)
    if target.hostname != host or (scheme == "https" and target.scheme != "https"):
        raise SourceRefused(
            f"The shop sends us on to {target.hostname}. Keys are only sent to the address they were given for: "
            "enter that address if it is your shop's.",
            code="redirects_elsewhere",
        )


def _refuse_what_means_the_same_everywhere(url: str, response: httpx.Response) -> None:
    if response.status_code == 429:
        raise SourceBusy(
            "The shop asks us to read more slowly. We go on by ourselves.", after_seconds=retry_after(response.headers)
        )
    if response.status_code in AWAY:
        raise SourceBusy(
            f"{urlsplit(url).hostname} does not answer at the moment ({response.status_code}). We try again.",
            after_seconds=retry_after(response.headers, default=None),
        )


def retry_after(headers: Mapping[str, str], *, default: float | None = AFTER_DEFAULT_SECONDS) -> float | None:
    """Read `Retry-After`: seconds or an HTTP date, at most an hour. Source: RFC 9110, section 10.2.3."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - utc_now()).total_seconds()
        except (ValueError, TypeError):
            return default
    if seconds != seconds:  # not a number
        return default
    return min(max(seconds, 0.0), AFTER_MAX_SECONDS)


def _as_source_error(url: str, error: Exception) -> Exception:
    if isinstance(error, RemoteFileError) and error.code == "media_url_not_public":
        host = urlsplit(url).hostname
        sentence = f"{host} is, or leads to, a private address. Only shops on public addresses can be read."
        return SourceRefused(sentence, code="address_not_public")
    if isinstance(error, RemoteFileError) and error.code == "media_url_unreachable":
        return SourceBusy("The address of the shop is unknown at the moment. We try again.", detail=str(error))
    if isinstance(error, RemoteFileError | httpx.InvalidURL | httpx.UnsupportedProtocol):
        return SourceRefused(
            f"{shorten(url)} is not an address of a shop. Enter one such as https://shop.example.",
            code="address_invalid",
        )
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return SourceRefused(f"{shorten(url)} is not an address of a shop.", code="address_invalid")
    return SourceBusy(
        f"{urlsplit(url).hostname} cannot be reached at the moment. We try again.", detail=type(error).__name__
    )
