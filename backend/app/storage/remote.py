"""Fetching files from addresses that users give us: public addresses only, redirects re-checked, DNS pinned."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore
import httpx

MAX_REDIRECTS = 3
CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
TOTAL_SECONDS = 240.0

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
    """What an address answered: the first bytes, or all of them."""

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
        """Return the beginning of a file and what is known of it."""
        return await self._fetch(url, limit=first_bytes, whole=False)

    async def read(self, url: str, *, max_bytes: int) -> RemoteFile:
        """Return a whole file of at most `max_bytes`. Raises `RemoteFileError`."""
        return await self._fetch(url, limit=max_bytes, whole=True)

    async def _fetch(self, url: str, *, limit: int, whole: bool) -> RemoteFile:
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._follow(url, limit=limit, whole=whole)
        except (httpx.InvalidURL, ValueError) as error:  # an address, or one redirected to, that names no host
            raise RemoteFileError("media_url_invalid", f"{shorten(url)} is not an address.") from error
        except (httpx.HTTPError, httpcore.NetworkError, httpcore.TimeoutException, TimeoutError, OSError) as error:
            raise RemoteFileError(
                "media_url_unreachable", f"The file at {shorten(url)} cannot be fetched. Check that the address opens."
            ) from error

    async def _follow(self, url: str, *, limit: int, whole: bool) -> RemoteFile:
        for _ in range(MAX_REDIRECTS + 1):
            check_url(url)
            headers = {} if whole else {"Range": f"bytes=0-{limit - 1}"}
            async with self._client.stream("GET", url, headers=headers) as response:
                if response.is_redirect:
                    url = urljoin(url, response.headers.get("location", ""))
                    continue
                if response.status_code not in ((200,) if whole else (200, 206)):
                    raise RemoteFileError(
                        "media_url_unreachable",
                        f"The file at {shorten(url)} answers {response.status_code}. Check that the address opens.",
                    )
                return await self._collect(url, response, limit=limit, whole=whole)
        raise RemoteFileError("media_url_unreachable", f"The address {shorten(url)} redirects too often.")

    async def _collect(self, url: str, response: httpx.Response, *, limit: int, whole: bool) -> RemoteFile:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise RemoteFileError("media_url_unreachable", f"The file at {shorten(url)} is sent compressed.")
        size = _size(response)
        if whole and size is not None and size > limit:
            raise RemoteFileError("media_too_large", f"The file has {size} bytes, at most {limit} are allowed.")
        content = bytearray()
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > limit:
                if whole:
                    raise RemoteFileError("media_too_large", f"The file has more than the {limit} bytes allowed.")
                break
        mime = response.headers.get("content-type", "").partition(";")[0].strip().lower() or None
        return RemoteFile(url=url, content=bytes(content[:limit]), mime_type=mime, size_bytes=size)

    async def aclose(self) -> None:
        await self._client.aclose()


def check_url(url: str) -> None:
    """Refuse what is not a plain http(s) address of a named host. Raises `RemoteFileError`."""
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
