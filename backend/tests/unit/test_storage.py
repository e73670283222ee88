"""Which addresses may be fetched, and what a file is."""

from __future__ import annotations

import asyncio
import io
import ipaddress
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from factories.servers import MediaHost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.kit.ids import new_id
from app.storage.addresses import Addresses, plain_name, referenced
from app.storage.inspection.probe import Probe
from app.storage.inspection.signatures import sniff
from app.storage.own import SAMPLES, OwnFiles
from app.storage.refusals import SENTENCES, FileRefused
from app.storage.remote import RemoteFileError, RemoteFiles, check_url, is_public, parse_networks, shorten

PRIVATE = [
    "0.0.0.0",  # noqa: S104 - an address to refuse
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "fc00::1",
    "fd12:3456:789a::1",
    "fe80::1",
    "ff02::1",
    "ff0e::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"]


class TestIsPublic:
    @pytest.mark.parametrize("address", PRIVATE)
    def test_refuses_what_leads_inside(self, address: str) -> None:
        assert is_public(address) is False

    @pytest.mark.parametrize("address", PUBLIC)
    def test_takes_what_anybody_can_reach(self, address: str) -> None:
        assert is_public(address) is True

    def test_takes_what_the_operator_allows_and_nothing_beside_it(self) -> None:
        allowed = parse_networks("10.1.0.0/16, fd00::/8 ,")
        assert is_public("10.1.2.3", allowed)
        assert is_public("::ffff:10.1.2.3", allowed)
        assert is_public("fd00::5", allowed)
        assert not is_public("10.2.0.1", allowed)
        assert not is_public("127.0.0.1", allowed)

    @given(st.ip_addresses(v=4))
    def test_an_address_and_its_mapped_form_are_alike(self, address: ipaddress.IPv4Address) -> None:
        assert is_public(str(address)) == is_public(f"::ffff:{address}")

    @pytest.mark.parametrize("text", ["10.0.0.1/8", "everything", "10.0.0.0/33"])
    def test_networks_that_are_none_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError):
            parse_networks(text)


class TestCheckUrl:
    @pytest.mark.parametrize("url", ["http://shop.example/a.jpg", "https://shop.example:8443/a.jpg?x=1#y"])
    def test_takes_web_addresses(self, url: str) -> None:
        check_url(url)

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "a.jpg",
            "ftp://a/b",
            "file:///a",
            "http://",
            "https://u:p@a/b",
            "http://u@a/b",
            "http://a:0/b",
            "http://[/",
        ],
    )
    def test_refuses_everything_else(self, url: str) -> None:
        with pytest.raises(RemoteFileError):
            check_url(url)

    @given(st.text(max_size=300))
    def test_never_fails_in_another_way(self, text: str) -> None:
        with suppress(RemoteFileError):
            check_url(text)

    def test_a_sentence_never_holds_a_query(self) -> None:
        assert shorten("https://shop.example/a.jpg?token=secret") == "https://shop.example/a.jpg"
        assert len(shorten("https://shop.example/" + "x" * 500)) <= 120


def picture(kind: str, size: tuple[int, int] = (120, 80)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (1, 2, 3)).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def probe() -> Iterator[Probe]:
    made = Probe()
    yield made
    made.close()


async def look(probe: Probe, folder: Path, content: bytes, *, partial: bool = False) -> dict[str, Any]:
    path = folder / "file"
    path.write_bytes(content)
    return await probe.inspect(path, partial=partial)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("look")


def name_of(content: bytes) -> str:
    try:
        return sniff(content)
    except FileRefused as refused:
        return refused.code


class TestProbe:
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
    async def test_knows_pictures(self, probe: Probe, folder: Path, kind: str) -> None:
        facts = await look(probe, folder, picture(kind))
        shown = {name: facts[name] for name in ("kind", "mime_type", "width_px", "height_px")}
        assert shown == {"kind": "image", "mime_type": f"image/{kind.lower()}", "width_px": 120, "height_px": 80}

    @pytest.mark.parametrize("name", ["coffee.jpg", "coffee.mp4"])
    async def test_knows_much_of_a_file_by_its_beginning(self, probe: Probe, folder: Path, name: str) -> None:
        content = (SAMPLES / name).read_bytes()
        whole, part = await look(probe, folder, content), await look(probe, folder, content[:65_536], partial=True)
        known = ("kind", "mime_type", "width_px", "height_px", "codec", "duration_seconds")
        assert [whole.get(name) for name in known] == [part.get(name) for name in known]

    @given(content=st.binary(max_size=300))
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_every_beginning_has_a_name(self, content: bytes) -> None:
        assert name_of(content) in {*SENTENCES, "jpeg", "png", "gif", "webp", "mp4", "mov", "webm"}

    async def test_a_child_that_dies_is_a_file_that_cannot_be_read(self, folder: Path) -> None:
        probe = Probe(memory_megabytes=30)
        try:
            with pytest.raises(FileRefused) as raised:
                await look(probe, folder, picture("PNG", (6000, 4000)))
            assert raised.value.code in ("media_unreadable", "media_corrupt")
            assert (await look(probe, folder, picture("JPEG")))["kind"] == "image"
            pid = probe.child_pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            with suppress(FileRefused):  # the first to notice may find it dead, or begin another one
                await look(probe, folder, picture("JPEG"))
            assert (await look(probe, folder, picture("JPEG")))["kind"] == "image"
            assert probe.child_pid != pid
        finally:
            probe.close()

    async def test_the_child_goes_when_nobody_asks(self, folder: Path) -> None:
        probe = Probe(idle_seconds=0.05)
        await look(probe, folder, picture("JPEG"))
        for _ in range(100):
            if probe.child_pid is None:
                break
            await asyncio.sleep(0.02)
        assert probe.child_pid is None
        probe.close()


class TestAddresses:
    @pytest.mark.parametrize(
        ("given_name", "mime", "plain"),
        [
            ("Café déjà vu.PNG", "image/png", "Cafe-deja-vu.png"),
            ("../../etc/passwd", "image/jpeg", "passwd.jpg"),
            ("コーヒー.jpg", "image/jpeg", "file.jpg"),
            ("a" * 300 + ".mov", "video/quicktime", "a" * 60 + ".mov"),
        ],
    )
    def test_names_are_plain(self, given_name: str, mime: str, plain: str) -> None:
        assert plain_name(given_name, mime) == plain

    def test_a_file_is_found_in_its_address_whatever_the_host(self) -> None:
        file_id = new_id()
        address = Addresses(public_base="https://old.example", secret="s").reference(file_id, "a.jpg")
        assert referenced(address) == file_id
        for other in ("https://old.example/a.jpg", address.rpartition("/")[0], f"{address}/x", address + "?x"):
            assert referenced(other) in (None, file_id if other.endswith("?x") else None)
        for spelling in (str(file_id).upper(), file_id.hex, f"{{{file_id}}}", f"urn:uuid:{file_id}", f"{file_id}\t"):
            assert referenced(address.replace(str(file_id), spelling)) is None

    @given(st.text(max_size=200))
    def test_no_text_breaks_it(self, text: str) -> None:
        assert referenced(text) is None
        referenced("http://a/media/files/" + text)


class TestDownload:
    async def test_is_written_in_pieces_and_leaves_nothing_when_it_fails(self, folder: Path) -> None:
        host = MediaHost()
        remote = RemoteFiles(allowed=parse_networks("127.0.0.2/32"))
        path = folder / "copy"
        content = os.urandom(3_000_000)
        try:
            url = host.add(content, "video/mp4")
            assert await remote.download(url, path, max_bytes=3_000_000) == 3_000_000
            assert path.read_bytes() == content
            path.unlink()
            with pytest.raises(RemoteFileError) as raised:
                await remote.download(url, path, max_bytes=2_999_999)
            assert raised.value.code == "media_too_large"
            assert not path.exists()
        finally:
            host.close()
            await remote.aclose()


class TestUnkindHosts:
    """Hosts that answer in ways that should hurt: too much, too little, something else."""

    @pytest.fixture
    async def host(self) -> AsyncIterator[Callable[[bytes, bytes], str]]:
        """Return a function that says what is answered, and what goes on for ever after it."""
        answers = [(b"", b"")]

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            first, endless = answers[0]
            with suppress(ConnectionError):
                writer.write(first)
                while endless:
                    writer.write(endless)
                    await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.2", 0)

        def say(first: bytes, endless: bytes = b"") -> str:
            answers[0] = (first, endless)
            return f"http://127.0.0.2:{server.sockets[0].getsockname()[1]}/a.jpg"

        yield say
        server.close()

    @pytest.mark.parametrize(
        ("first", "endless", "code"),
        [
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"400\r\n" + b"x" * 1024 + b"\r\n",
                "media_too_large",
            ),
            (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1024, "media_too_large"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", b"x" * 1024, "media_too_large"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nshort", b"", "media_url_unreachable"),
            (
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nshort",
                b"",
                "media_url_unreachable",
            ),
            (b"HTTP/1.1 200 OK\r\n", b"X-Header: " + b"x" * 1024 + b"\r\n", "media_url_unreachable"),
            (b"SSH-2.0-OpenSSH_9.6\r\n", b"", "media_url_unreachable"),
            (b"", b"", "media_url_unreachable"),
            (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", b"", "media_url_unreachable"),
            (
                b"HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
                b"",
                "media_url_not_public",
            ),
        ],
    )
    async def test_cost_little_and_are_named(
        self, host: Callable[[bytes, bytes], str], folder: Path, first: bytes, endless: bytes, code: str
    ) -> None:
        remote = RemoteFiles(allowed=parse_networks("127.0.0.2/32"))
        try:
            with pytest.raises(RemoteFileError) as raised:
                await remote.download(host(first, endless), folder / "copy", max_bytes=200_000)
            assert raised.value.code == code
            assert list(folder.iterdir()) == []  # noqa: ASYNC240
        finally:
            await remote.aclose()


class TestOwnFiles:
    @pytest.mark.parametrize(
        "name", ["", ".", "..", "../main.py", "README.md", "/etc/passwd", "sub/coffee.jpg", "COFFEE.JPG"]
    )
    def test_serves_samples_only(self, name: str) -> None:
        assert OwnFiles.sample(name) is None

    def test_finds_a_sample_by_its_address(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        own = OwnFiles(public_base="https://post.example", data_dir=tmp_path_factory.mktemp("own"))
        assert own.find(own.url_of_sample("coffee.jpg")) == SAMPLES / "coffee.jpg"
        assert own.find("https://other.example/media/samples/coffee.jpg") is None
        assert own.find("https://post.example/media/samples/../samples/coffee.jpg") is None
        assert own.is_ours("https://post.example/media/loans/x/y.jpg")
        assert not own.is_ours("https://post.example.evil/media/loans/x/y.jpg")

    def test_keeps_a_copy_whole_or_not_at_all(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        own = OwnFiles(public_base="https://post.example", data_dir=tmp_path_factory.mktemp("own"))
        publication_id, url = new_id(), "https://shop.example/a.jpg"
        path = own.copy_path(publication_id, url)
        with suppress(RemoteFileError), own.new_copy(publication_id, url) as written:
            written.write_bytes(b"half")
            raise RemoteFileError("media_url_unreachable", "Gone.")
        assert list(path.parent.iterdir()) == []
        with own.new_copy(publication_id, url) as written:
            written.write_bytes(b"content")
        assert path.read_bytes() == b"content"
        assert [file.name for file in path.parent.iterdir()] == [path.name]

    def test_forgets_the_copies_of_one_publication(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        own = OwnFiles(public_base="https://post.example", data_dir=tmp_path_factory.mktemp("own"))
        ended, going_on = new_id(), new_id()
        for publication_id in (ended, going_on):
            with own.new_copy(publication_id, "https://shop.example/a.jpg") as written:
                written.write_bytes(b"content")
        own.forget_copies(ended)
        there = [own.copy_path(one, "https://shop.example/a.jpg").exists() for one in (ended, going_on)]
        assert there == [False, True]
