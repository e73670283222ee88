"""Reads product feeds as Google Merchant Center takes them: RSS 2.0 and Atom with the g: namespace, and tables.

Sources: "RSS 2.0 specification", support.google.com/merchants/answer/14987622; "Product data specification",
support.google.com/merchants/answer/7052112; "Price [price]", support.google.com/merchants/answer/6324371 (number and
ISO 4217 code, `15.00 USD`); read 2026-11-24.

XML is read by expat as it comes, element by element. A document type is refused before anything in it is looked at,
so there are no entities to expand or to fetch.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.parsers import expat

from app.kit.clock import Clock, utc_now
from app.stores.base import SourcePage, SourceProduct, SourceUnreadable, StoreAccess
from app.stores.columns import FIELDS, normalised
from app.stores.csv_file import PROBLEMS_MAX, Table, read_table
from app.stores.http import StoreHttp
from app.stores.rows import IMAGES_MAX, RowReader

ITEMS_MAX = 50_000
CHUNK_BYTES = 256_000
TEXT_MAX = 200_000
DEPTH_MAX = 12
ITEM_TAGS = ("item", "entry")
GOOGLE = "http://base.google.com/ns/1.0"
SEPARATOR = "\x1f"


class _FeedReader:
    """Hears elements from expat and hands every finished item to the row reader."""

    def __init__(self, rows: RowReader) -> None:
        self._rows = rows
        self._parser = expat.ParserCreate(namespace_separator=SEPARATOR)
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._item: dict[str, str] | None = None
        self._images: list[str] = []
        self._line = 0
        self._depth = 0
        self._item_depth = 0
        self._text: list[str] = []
        self._text_length = 0
        self.items = 0
        self.is_feed = False

    def feed(self, data: bytes, *, is_final: bool) -> None:
        """Read on. Raises `SourceUnreadable`."""
        try:
            self._parser.Parse(data, is_final)
        except expat.ExpatError as error:
            raise SourceUnreadable(
                f"The feed is not valid XML: line {error.lineno}, {expat.errors.messages.get(error.code, 'error')}.",
                code="feed_broken",
            ) from error

    def _doctype(self, *_: Any) -> None:
        raise SourceUnreadable(
            "The feed has a document type declaration (<!DOCTYPE …>). Product feeds have none; it is not read.",
            code="feed_doctype",
        )

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise SourceUnreadable("The feed's elements are nested too deeply.", code="feed_broken")
        space, _, tag = name.rpartition(SEPARATOR)
        if self._depth == 1:
            self.is_feed = tag in ("rss", "feed", "RDF")
        if self._item is None:
            if tag in ITEM_TAGS:
                self._item, self._images, self._item_depth = {}, [], self._depth
                self._line = self._parser.CurrentLineNumber
        elif self._depth == self._item_depth + 1:
            self._text, self._text_length = [], 0
            if tag == "link" and space != GOOGLE and "href" in attributes:  # Atom's own link
                self._item.setdefault("url", attributes["href"])

    def _data(self, data: str) -> None:
        if self._item is not None:
            self._text_length += len(data)
            if self._text_length <= TEXT_MAX:
                self._text.append(data)

    def _end(self, name: str) -> None:
        if self._item is not None and self._depth == self._item_depth + 1:
            self._take(*_split(name), "".join(self._text).strip())
        elif self._item is not None and self._depth == self._item_depth:
            self.items += 1
            if self.items > ITEMS_MAX:
                raise SourceUnreadable(f"The feed has more than {ITEMS_MAX:,} items.", code="too_many_rows")
            self._rows.add(f"line {self._line}", self._item, more_images=tuple(self._images))
            self._item = None
        self._depth -= 1

    def _take(self, space: str, tag: str, text: str) -> None:
        assert self._item is not None
        field = FIELDS.get(normalised(tag))
        if not text or field is None:
            return
        if field == "more_images":
            self._images = [*self._images, text][:IMAGES_MAX]
        elif space == GOOGLE or field not in self._item:  # Google's title goes before RSS's own
            self._item[field] = text


def _split(name: str) -> tuple[str, str]:
    space, _, tag = name.rpartition(SEPARATOR)
    return space, tag


def read_feed(path: Path, *, currency: str | None = None, clock: Clock = utc_now) -> Table:
    """Read a feed or table from a file, whichever it is. Raises `SourceUnreadable`."""
    with path.open("rb") as file:
        head = file.read(4_000)
        begins = head.lstrip(b"\xef\xbb\xbf \t\r\n\xff\xfe\x00")
        if not begins.startswith(b"<"):
            if begins.startswith((b"{", b"[")):
                raise SourceUnreadable("This is JSON. Give a feed in XML (RSS or Atom), TSV or CSV.", code="feed_json")
            return read_table(head + file.read(), currency=currency, clock=clock)
        if begins[:200].lower().startswith((b"<!doctype html", b"<html")):
            raise SourceUnreadable(
                "This is a web page, not a feed. Give the address of the feed's file itself.", code="feed_is_page"
            )
        rows = RowReader(default_currency=currency, clock=clock)
        reader = _FeedReader(rows)
        data = head
        while data:
            reader.feed(data, is_final=False)
            data = file.read(CHUNK_BYTES)
        reader.feed(b"", is_final=True)
    if not reader.is_feed:
        raise SourceUnreadable(
            "This XML is no product feed: it begins neither with <rss> nor <feed>.", code="feed_kind"
        )
    products = tuple(rows.products())
    return Table(products, tuple(rows.problems[:PROBLEMS_MAX]), reader.items)


class FeedSource:
    """A feed at an address. It is one page: it is read whole, so that it cannot change while it is read."""

    def __init__(self, http: StoreHttp, clock: Clock = utc_now) -> None:
        self._http = http
        self._clock = clock

    async def page(self, access: StoreAccess, _cursor: Mapping[str, Any] | None) -> SourcePage:
        """Return everything that the feed holds. Raises `SourceError`."""
        table = await self._read(access)
        return SourcePage(table.products, None, table.problems)

    async def one(self, access: StoreAccess, external_id: str, *, url: str | None = None) -> SourceProduct | None:
        """Return one product of the feed, None when it is not in it. Reads all of it; raises `SourceError`."""
        table = await self._read(access)
        found = next((product for product in table.products if product.external_id == external_id), None)
        if found is None and any(problem.external_id == external_id for problem in table.problems):
            raise SourceUnreadable("The product cannot be read in the feed at the moment.", detail=url)
        return found

    async def _read(self, access: StoreAccess) -> Table:
        with tempfile.TemporaryDirectory(prefix="postpilot-feed-") as folder:
            path = Path(folder) / "feed"
            await self._http.download(access.store_url, path)
            currency = access.options.get("currency")
            return await asyncio.to_thread(read_feed, path, currency=currency, clock=self._clock)
