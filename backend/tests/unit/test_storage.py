"""Which addresses may be fetched, and what a file is."""

from __future__ import annotations

import io
import ipaddress
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.kit.ids import new_id
from app.storage.inspect import inspect
from app.storage.own import SAMPLES, OwnFiles
from app.storage.remote import RemoteFileError, check_url, is_public, parse_networks, shorten

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


class TestInspect:
    @pytest.mark.parametrize(
        ("kind", "mime"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp"), ("GIF", "image/gif")]
    )
    def test_knows_pictures(self, kind: str, mime: str) -> None:
        assert inspect(picture(kind), size_bytes=5) == {
            "kind": "image",
            "mime_type": mime,
            "size_bytes": 5,
            "width_px": 120,
            "height_px": 80,
        }

    def test_knows_a_picture_by_its_beginning(self) -> None:
        content = (SAMPLES / "coffee.jpg").read_bytes()
        whole, part = inspect(content, size_bytes=None), inspect(content[:65_536], size_bytes=None)
        assert whole == part

    def test_knows_a_video(self) -> None:
        content = (SAMPLES / "coffee.mp4").read_bytes()
        facts = inspect(content, size_bytes=len(content))
        assert facts is not None
        assert (facts["kind"], facts["mime_type"], facts["codec"]) == ("video", "video/mp4", "h264")
        assert facts["width_px"] < facts["height_px"]
        assert 3 < facts["duration_seconds"] < 60
        assert 20 < facts["frame_rate"] < 61

    @pytest.mark.parametrize(
        "content",
        [b"", b"<html></html>", b"%PDF-1.7", b"GIF89a", b"\xff\xd8\xff", b"RIFF\x00\x00\x00\x00WEBP", b"\x00" * 1000],
    )
    def test_knows_nothing_else(self, content: bytes) -> None:
        assert inspect(content, size_bytes=len(content)) is None

    @pytest.mark.parametrize("kind", ["BMP", "TIFF", "ICO"])
    def test_leaves_other_pictures_alone(self, kind: str) -> None:
        assert inspect(picture(kind, (64, 64)), size_bytes=1) is None

    @given(st.binary(max_size=300))
    def test_never_fails_on_anything(self, content: bytes) -> None:
        facts = inspect(content, size_bytes=len(content))
        assert facts is None or facts["kind"] in ("image", "video")

    def test_does_not_unpack_a_picture_that_is_a_bomb(self) -> None:
        bomb = bytearray(picture("PNG", (1, 1)))
        bomb[16:24] = (60_000).to_bytes(4, "big") * 2  # width and height
        bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
        assert inspect(bytes(bomb), size_bytes=len(bomb)) is None


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

    def test_keeps_a_copy_whole(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        own = OwnFiles(public_base="https://post.example", data_dir=tmp_path_factory.mktemp("own"))
        publication_id = new_id()
        path = own.keep_copy(publication_id, "https://shop.example/a.jpg", b"content")
        assert path == own.copy_path(publication_id, "https://shop.example/a.jpg")
        assert path.read_bytes() == b"content"
        assert [file.name for file in path.parent.iterdir()] == [path.name]

    def test_forgets_the_copies_of_one_publication(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        own = OwnFiles(public_base="https://post.example", data_dir=tmp_path_factory.mktemp("own"))
        ended, going_on = new_id(), new_id()
        gone = own.keep_copy(ended, "https://shop.example/a.jpg", b"old")
        kept = own.keep_copy(going_on, "https://shop.example/a.jpg", b"new")
        own.forget_copies(ended)
        assert (gone.exists(), kept.read_bytes()) == (False, b"new")
