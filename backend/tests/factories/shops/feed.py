"""A host of product feeds as "RSS 2.0 specification" (support.google.com/merchants/answer/14987622, read 2026-11-24)
shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from xml.sax.saxutils import escape

from factories.shops.server import Asked, Reply, ShopServer


class FeedHost(ShopServer):
    """Serves what is put into `files`, by path."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}

    def put(self, path: str, content: bytes | str) -> str:
        self.files[path] = content if isinstance(content, bytes) else content.encode()
        return self.url + path

    def put_items(self, items: Iterable[Mapping[str, str]], *, path: str = "/feed.xml") -> str:
        return self.put(path, rss(items))

    def answer(self, asked: Asked) -> Reply:
        if asked.path not in self.files:
            return Reply(404, b"not here", {"Content-Type": "text/plain"})
        return Reply(body=self.files[asked.path], headers={"Content-Type": "application/xml"})


def item(number: int, **changes: str) -> dict[str, str]:
    """Return the fields of one item; an empty one is left out."""
    return {
        "id": f"cup-{number}",
        "title": f"Cup {number}",
        "description": "A hand-thrown cup.",
        "link": f"https://shop.example/cup-{number}",
        "image_link": f"https://shop.example/{number}.jpg",
        "price": "12.50 EUR",
        "availability": "in_stock",
        "brand": "Clay & Co",
        "product_type": "Cups",
        **changes,
    }


def rss(items: Iterable[Mapping[str, str]]) -> str:
    """Return an RSS 2.0 feed; titles and links are RSS's own, all else stands in Google's namespace."""
    own = ("title", "link", "description")
    parts = []
    for fields in items:
        lines = [
            f"<{'' if name in own else 'g:'}{name}>{escape(value)}</{'' if name in own else 'g:'}{name}>"
            for name, value in fields.items()
            if value
        ]
        parts.append("<item>" + "".join(lines) + "</item>")
    head = '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel>'
    return f"{head}<title>Clay &amp; Co</title>{''.join(parts)}</channel></rss>"
