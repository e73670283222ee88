"""Fetching files from addresses that users give us: public addresses only, redirects re-checked, DNS pinned."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urljoin, urlsplit

import httpcore
import httpx

T = TypeVar("T")

MAX_REDIRECTS = 3
CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
HEAD_SECONDS = 25.0
"""For the beginning of a file, while somebody waits for an answer."""
TOTAL_SECONDS = 600.0
"""For a whole file, in the background."""
WRITE_BYTES = 1_000_000
"""How much is gathered before it is written: the longest piece of a download in memory."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
SPECIAL: tuple[Network, ...] = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv6Network("64:ff9b:1::/48"))
"""Networks for protocols and local translators, which older Pythons take for global ones."""


class RemoteFileError(Exception):
    """The file cannot be fetched; `code` says why, the text is a sentence for the owner."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True)
class RemoteFile:
    """What an address answered: the first bytes, and what is known of the whole."""

    url: str
    content: bytes
    mime_type: str | None
    size_bytes: int | None


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read `10.0.0.0/8, 192.168.7.0/24`. Raises `ValueError`."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
"""The only IPv6 space that is handed out for the public internet. Source: IANA IPv6 address space registry."""


def is_public(address: str, allowed: Iterable[Network] = ()) -> bool:
    """Whether an address may be fetched from: global unicast, or in a network the operator allowed."""
    ip = _inner(ipaddress.ip_address(address))
    if any(ip.version == network.version and ip in network for network in allowed):
        return True
    if any(ip.version == network.version and ip in network for network in SPECIAL):
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip not in GLOBAL_V6:
        return False
    return ip.is_global and not ip.is_multicast


def _inner(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address that an IPv6 one leads to: mapped, or through a NAT64, 6to4 or Teredo gateway."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else ip)


class _PinnedBackend(httpcore.AsyncNetworkBackend):
    """Resolves a name once, checks every address, and connects to exactly the one that was checked."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._allowed = allowed

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise RemoteFileError("media_url_unreachable", f"The address of the file is unknown: {host}.") from error
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        if not addresses or not all(is_public(address, self._allowed) for address in addresses):
            raise RemoteFileError(
                "media_url_not_public",
                f"{host} is a private address. Put the file on a public address, or upload it.",
            )
        return await self._inner.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _GuardedTransport(httpx.AsyncHTTPTransport):
    def __init__(self, allowed: Sequence[Network]) -> None:
        super().__init__(retries=0)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(), network_backend=_PinnedBackend(allowed), max_connections=50
        )


def guarded_transport(allowed: Sequence[Network] = ()) -> httpx.AsyncHTTPTransport:
    """Return a transport that connects to public addresses only. Raises `RemoteFileError` on any other."""
    return _GuardedTransport(allowed)


class RemoteFiles:
    """Fetches users' files. One per process."""

    def __init__(self, *, allowed: Sequence[Network] = ()) -> None:
        self._client = httpx.AsyncClient(
            transport=_GuardedTransport(allowed),
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=False,
            headers={"User-Agent": "PostPilot", "Accept": "image/*, video/*", "Accept-Encoding": "identity"},
            trust_env=False,
        )

    async def head(self, url: str, *, first_bytes: int) -> RemoteFile:
        """Return the beginning of a file and what is known of it. Raises `RemoteFileError`."""

        async def collect(address: str, response: httpx.Response) -> RemoteFile:
            content = bytearray()
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) >= first_bytes:
                    break
            mime = response.headers.get("content-type", "").partition(";")[0].strip().lower() or None
            return RemoteFile(address, bytes(content[:first_bytes]), mime, _size(response))

        headers = {"Range": f"bytes=0-{first_bytes - 1}"}
        return await self._fetch(url, collect, headers=headers, statuses=(200, 206), seconds=HEAD_SECONDS)

    async def download(self, url: str, path: Path, *, max_bytes: int) -> int:
        """Write a whole file of at most `max_bytes` to `path`, piece by piece, and return its size; nothing is left
        there when it fails. Raises `RemoteFileError`."""

        async def collect(_address: str, response: httpx.Response) -> int:
            size = _size(response)
            if size is not None and size > max_bytes:
                raise RemoteFileError("media_too_large", f"The file has {size} bytes, at most {max_bytes} are allowed.")
            with await asyncio.to_thread(path.open, "wb") as file:
                return await _save(response, file, max_bytes)

        try:
            return await self._fetch(url, collect, headers={}, statuses=(200,), seconds=TOTAL_SECONDS)
        except BaseException:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            raise

    async def _fetch(
        self,
        url: str,
        collect: Callable[[str, httpx.Response], Awaitable[T]],
        *,
        headers: dict[str, str],
        statuses: tuple[int, ...],
        seconds: float,
    ) -> T:
        try:
            async with asyncio.timeout(seconds):
                return await self._follow(url, collect, headers=headers, statuses=statuses)
        except (httpx.InvalidURL, ValueError) as error:  # an address, or one redirected to, that names no host
            raise RemoteFileError("media_url_invalid", f"{shorten(url)} is not an address.") from error
        except (httpx.HTTPError, httpcore.NetworkError, httpcore.TimeoutException, TimeoutError, OSError) as error:
            raise RemoteFileError(
                "media_url_unreachable", f"The file at {shorten(url)} cannot be fetched. Check that the address opens."
            ) from error

    async def _follow(
        self,
        url: str,
        collect: Callable[[str, httpx.Response], Awaitable[T]],
        *,
        headers: dict[str, str],
        statuses: tuple[int, ...],
    ) -> T:
        for _ in range(MAX_REDIRECTS + 1):
            check_url(url)
            async with self._client.stream("GET", url, headers=headers) as response:
                if response.is_redirect:
                    url = urljoin(url, response.headers.get("location", ""))
                    continue
                if response.status_code not in statuses:
                    raise RemoteFileError(
                        "media_url_unreachable",
                        f"The file at {shorten(url)} answers {response.status_code}. Check that the address opens.",
                    )
                if response.headers.get("content-encoding", "identity").lower() != "identity":
                    raise RemoteFileError("media_url_unreachable", f"The file at {shorten(url)} is sent compressed.")
                return await collect(url, response)
        raise RemoteFileError("media_url_unreachable", f"The address {shorten(url)} redirects too often.")

    async def aclose(self) -> None:
        await self._client.aclose()


async def _save(response: httpx.Response, file: BinaryIO, max_bytes: int) -> int:
    waiting, total = bytearray(), 0
    async for chunk in response.aiter_raw():
        waiting += chunk
        total += len(chunk)
        if total > max_bytes:
            raise RemoteFileError("media_too_large", f"The file has more than the {max_bytes} bytes allowed.")
        if len(waiting) >= WRITE_BYTES:
            await asyncio.to_thread(file.write, waiting)
            waiting = bytearray()
    await asyncio.to_thread(file.write, waiting)
    return total


def check_url(url: str) -> None:
    """Refuse what is not a plain http(s) address of a named host. Raises `RemoteFileError`."""
    if any(character <= " " or character == "\x7f" or character == "\\" for character in url):
        raise RemoteFileError(
            "media_url_invalid", f"{shorten(url.split()[0] if url.split() else url)} is not an address."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise RemoteFileError("media_url_invalid", f"{shorten(url)} is not an address.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or port == 0:
        raise RemoteFileError("media_url_invalid", f"{shorten(url)} is not a public http or https address of a file.")


def _size(response: httpx.Response) -> int | None:
    content_range = response.headers.get("content-range", "")
    total = content_range.rpartition("/")[2] if content_range else response.headers.get("content-length", "")
    return int(total) if total.isdigit() else None


def shorten(url: str) -> str:
    """Return an address without its query, short enough for a sentence."""
    plain = url.partition("?")[0]
    return plain if len(plain) <= 120 else plain[:117] + "…"
