"""Product feeds over HTTP, and tables as people export them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from factories.shops import FeedHost
from factories.shops.feed import item, rss
from factories.shops.server import Reply
from store_harness import by_id, read_all, sources

from app.stores.base import ProductSource, SourceBusy, SourceRefused, SourceUnreadable, StoreAccess
from app.stores.csv_file import ROWS_MAX, Table, read_table
from app.stores.google_feed import read_feed

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def host() -> Iterator[FeedHost]:
    with FeedHost() as server:
        yield server


@pytest.fixture
async def feed() -> AsyncIterator[ProductSource]:
    async with sources() as found:
        yield found["feed"]


@pytest.fixture
def parse(tmp_path: Path):
    def read(content: str | bytes, **options: object) -> Table:
        path = tmp_path / "feed"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_feed(path, clock=lambda: NOON, **options)

    return read


class TestFeed:
    async def test_items(self, host: FeedHost, feed: ProductSource) -> None:
        url = host.put_items([item(1), item(2, availability="out_of_stock", sale_price="9.99 EUR")])
        result = await read_all(feed, StoreAccess(url))
        first, second = result.products
        assert (first.external_id, first.title, first.price_minor, first.currency) == ("cup-1", "Cup 1", 1250, "EUR")
        assert (first.is_available, first.brand, first.category) == (True, "Clay & Co", "Cups")
        assert first.image_urls == ("https://shop.example/1.jpg",)
        assert (second.price_minor, second.compare_at_price_minor, second.is_available) == (999, 1250, False)

    async def test_one(self, host: FeedHost, feed: ProductSource) -> None:
        access = StoreAccess(host.put_items([item(1), item(2), item(3, price="much")]))
        found = await feed.one(access, "cup-2")
        assert found is not None
        assert found.title == "Cup 2"
        assert await feed.one(access, "cup-9") is None
        with pytest.raises(SourceUnreadable):
            await feed.one(access, "cup-3")

    async def test_a_table_at_an_address(self, host: FeedHost, feed: ProductSource) -> None:
        table = "id\ttitle\tprice\tavailability\ncup-1\tCup\t12.50 EUR\tin_stock\n"
        (product,) = (await read_all(feed, StoreAccess(host.put("/feed.tsv", table)))).products
        assert (product.external_id, product.price_minor, product.is_available) == ("cup-1", 1250, True)

    @pytest.mark.parametrize(
        ("reply", "kind", "code"),
        [
            (Reply(404, b""), SourceRefused, "feed_not_found"),
            (Reply(403, b""), SourceRefused, "feed_not_found"),
            (Reply(429, b"", {"Retry-After": "3"}), SourceBusy, "source_busy"),
            (Reply(500, b""), SourceBusy, "source_busy"),
            (Reply(200, b"<!DOCTYPE html><html></html>"), SourceUnreadable, "feed_is_page"),
            (Reply(200, b'{"items": []}'), SourceUnreadable, "feed_json"),
            (Reply(200, b""), SourceUnreadable, "file_empty"),
            (Reply(200, b"<rss><channel><item>"), SourceUnreadable, "feed_broken"),
            (Reply(200, b"<catalog></catalog>"), SourceUnreadable, "feed_kind"),
        ],
    )
    async def test_what_is_no_feed(
        self, host: FeedHost, feed: ProductSource, reply: Reply, kind: type[Exception], code: str
    ) -> None:
        host.instead("/feed.xml", reply)
        with pytest.raises(kind) as caught:
            await read_all(feed, StoreAccess(f"{host.url}/feed.xml"))
        assert getattr(caught.value, "code", "") == code


class TestXml:
    def test_variants_are_one_product(self, parse) -> None:
        table = parse(
            rss(
                [
                    item(1, item_group_id="cup", color="Blue", price="14.00 EUR"),
                    item(2, item_group_id="cup", color="Red", price="11.00 EUR", availability="out_of_stock"),
                    item(3),
                ]
            )
        )
        cups = by_id(list(table.products))
        assert sorted(cups) == ["cup", "cup-3"]
        assert (cups["cup"].price_minor, cups["cup"].is_available) == (1100, True)
        assert [(v.external_id, v.title, v.is_available) for v in cups["cup"].variants] == [
            ("cup-1", "Blue", True),
            ("cup-2", "Red", False),
        ]
        assert cups["cup"].image_urls == ("https://shop.example/1.jpg", "https://shop.example/2.jpg")

    @pytest.mark.parametrize(
        ("dates", "price"),
        [
            ("", 999),
            ("2026-05-30T00:00+02:00/2026-06-02T00:00+02:00", 999),
            ("2026-06-02T00:00+02:00/2026-06-03T00:00+02:00", 1250),
            ("2026-05-01T00:00+02:00/2026-05-03T00:00+02:00", 1250),
            ("some day", 1250),
        ],
    )
    def test_a_sale_holds_in_its_time(self, parse, dates: str, price: int) -> None:
        changes = {"sale_price": "9.99 EUR", "sale_price_effective_date": dates}
        (product,) = parse(rss([item(1, **changes)])).products
        assert product.price_minor == price

    def test_atom(self, parse) -> None:
        (product,) = parse(
            '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">'
            '<title>Shop</title><entry><g:id>1</g:id><title>Cup</title><link href="https://shop.example/1"/>'
            "<g:price>12.50 USD</g:price><g:availability>preorder</g:availability></entry></feed>"
        ).products
        assert (product.external_id, product.url, product.currency) == ("1", "https://shop.example/1", "USD")
        assert product.is_available is True

    def test_what_belongs_to_shipping_is_not_the_products_price(self, parse) -> None:
        inner = "<item><g:id>1</g:id><title>Cup</title><g:shipping><g:price>4.00 EUR</g:price></g:shipping></item>"
        head = '<rss xmlns:g="http://base.google.com/ns/1.0"><channel>'
        (product,) = parse(f"{head}{inner}</channel></rss>").products
        assert product.price_minor is None

    @pytest.mark.parametrize("code", ["id_missing", "title_missing", "price_invalid", "duplicate_id"])
    def test_bad_items_are_named_and_stop_no_other(self, parse, code: str) -> None:
        bad = {
            "id_missing": item(2, id=""),
            "title_missing": item(2, title=""),
            "price_invalid": item(2, price="ask us"),
            "duplicate_id": item(1),
        }[code]
        table = parse(rss([item(1), bad, item(3)]))
        assert [product.external_id for product in table.products] == ["cup-1", "cup-3"]
        assert [problem.code for problem in table.problems] == [code]

    @pytest.mark.parametrize(
        "head",
        [
            '<!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
            '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
            '<!DOCTYPE rss [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x.dtd"> %x;]>',
            '<!DOCTYPE rss SYSTEM "http://127.0.0.1:1/x.dtd">',
            "<!DOCTYPE rss>",
        ],
    )
    def test_document_types_are_refused_before_they_are_read(self, parse, head: str) -> None:
        with pytest.raises(SourceUnreadable) as caught:
            parse(f'<?xml version="1.0"?>{head}<rss><channel><item><title>&b;</title></item></channel></rss>')
        assert caught.value.code == "feed_doctype"

    def test_an_undefined_entity_is_an_error(self, parse) -> None:
        with pytest.raises(SourceUnreadable) as caught:
            parse("<rss><channel><item><title>&x;</title></item></channel></rss>")
        assert caught.value.code == "feed_broken"

    def test_nesting_has_an_end(self, parse) -> None:
        with pytest.raises(SourceUnreadable):
            parse("<rss>" + "<a>" * 10_000 + "</a>" * 10_000 + "</rss>")


class TestTables:
    def test_shopifys_export(self) -> None:
        table = read_table(
            b"Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Value,Variant SKU,Variant Inventory Qty,"
            b"Variant Price,Variant Compare At Price,Image Src,Status\n"
            b'mug,Mug,"<p>Blue,\nand <b>red</b>.</p>",Clay,Cups,"a, b",true,Red,m-r,3,12.00,15.00,'
            b"https://x.example/1.jpg,active\n"
            b"mug,,,,,,,Blue,m-b,0,11.00,,https://x.example/2.jpg,\n"
            b"mug,,,,,,,,,,,,https://x.example/3.jpg,\n"
            b"old,Old,,,,,true,,o,1,5.00,,,draft\n",
            currency="EUR",
        )
        (mug,) = table.products
        assert (mug.external_id, mug.title, mug.price_minor, mug.currency) == ("mug", "Mug", 1100, "EUR")
        assert (mug.stock_count, mug.is_available, mug.tags, mug.brand) == (3, True, ("a", "b"), "Clay")
        assert [variant.sku for variant in mug.variants] == ["m-r", "m-b"]
        assert mug.image_urls == tuple(f"https://x.example/{n}.jpg" for n in (1, 2, 3))
        assert (table.rows, table.problems) == (4, ())

    def test_woocommerces_export(self) -> None:
        table = read_table(
            b"ID,Type,SKU,Name,Published,Short description,In stock?,Stock,Sale price,Regular price,Categories,Tags,"
            b"Images,Parent,Attribute 1 value(s)\n"
            b'7,variable,cup,Cup,1,Nice,1,,,,"Cups, Kitchen",new,"https://x.example/1.jpg, https://x.example/2.jpg",,\n'
            b"8,variation,cup-b,Cup - Blue,1,,1,4,8.00,10.00,,,,id:7,Blue\n"
            b"9,variation,cup-r,Cup - Red,1,,0,0,,10.00,,,,cup,Red\n"
            b"10,simple,pot,Pot,0,,1,1,,5.00,,,,,\n",
            currency="GBP",
        )
        (cup,) = table.products
        assert (cup.external_id, cup.price_minor, cup.compare_at_price_minor) == ("7", 800, 1000)
        assert (cup.category, cup.is_available, len(cup.variants)) == ("Cups", True, 2)
        assert cup.image_urls == ("https://x.example/1.jpg", "https://x.example/2.jpg")

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
    @pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
    def test_encodings_and_separators(self, encoding: str, mark: str) -> None:
        text = mark.join(("Artikelnr.", "Bezeichnung", "Preis", "Währung")) + "\r\n"
        text += mark.join(("1", "Tässchen für zwei", '"12,50"', "EUR")) + "\r\n"
        text = text.replace("Artikelnr.", "Artikelnummer")
        (product,) = read_table(text.encode(encoding)).products
        assert (product.title, product.price_minor, product.currency) == ("Tässchen für zwei", 1250, "EUR")

    @pytest.mark.parametrize(
        ("headers", "row"),
        [
            ("id,title,price,currency", "1,Cup,12.50,EUR"),
            ("Référence;Titre;Prix;Devise", "1;Cup;12,50;EUR"),
            ("código;nombre;precio;moneda", "1;Cup;12,50 €;EUR"),
            ("SKU;Titolo;Prezzo;Valuta", "1;Cup;€ 12,50;EUR"),
            ("g:id\tg:title\tg:price\tg:availability", "1\tCup\t12.50 EUR\tin_stock"),
        ],
    )
    def test_headings_in_several_languages(self, headers: str, row: str) -> None:
        (product,) = read_table(f"{headers}\n{row}\n".encode()).products
        assert (product.external_id, product.title, product.price_minor, product.currency) == ("1", "Cup", 1250, "EUR")

    def test_problems_name_line_field_and_reason(self) -> None:
        table = read_table(
            b'id,title,price,currency\n1,"Two\nlines",5,EUR\n,No id,5,EUR\n3,,5,EUR\n4,Bad,abc,EUR\n1,Again,5,EUR\n'
            b"6,Much,5,EUR,,extra\n7,Good,6,EUR\n"
        )
        assert [product.external_id for product in table.products] == ["1", "7"]
        assert [(p.row, p.field, p.code) for p in table.problems] == [
            ("4", "id", "id_missing"),
            ("5", "title", "title_missing"),
            ("6", "price", "price_invalid"),
            ("7", "id", "duplicate_id"),
            ("8", "row", "too_many_fields"),
        ]
        assert table.rows == 7

    @pytest.mark.parametrize("cell", ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)"])
    def test_formulas_are_text(self, cell: str) -> None:
        (product,) = read_table(f'id,title\n1,"{cell}"\n'.encode()).products
        assert product.title == cell

    def test_without_a_currency_prices_are_left_out_and_said_once(self) -> None:
        table = read_table(b"id,title,price\n1,A,5.00\n2,B,6.00\n")
        assert [product.price_minor for product in table.products] == [None, None]
        assert [problem.code for problem in table.problems] == ["currency_missing"]

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"PK\x03\x04rest", "file_binary"),
            (b"\xd0\xcf\x11\xe0rest", "file_binary"),
            (b"%PDF-1.7", "file_binary"),
            (b"\x1f\x8b\x08", "file_binary"),
            (b"id,title\n1,a\x00b\n", "file_binary"),
            (b"", "file_empty"),
            (b"a,b\n1,2\n", "title_column_missing"),
            (b'id,title\n1,"never closed\n', "file_unreadable"),
        ],
    )
    def test_files_that_are_no_table(self, content: bytes, code: str) -> None:
        with pytest.raises(SourceUnreadable) as caught:
            read_table(content)
        assert caught.value.code == code

    @pytest.mark.parametrize(
        "content",
        [
            "id,title,image_url\n" + f'1,Cup,"{" " * 190_000}"\n' * 50,
            "id,title,image_url\n" + f'1,Cup,"{"," * 190_000}"\n' * 50,
            "id,title,image_url\n" + f'1,Cup,"{"| " * 95_000}"\n' * 50,
            "id,title,price\n" + f'1,Cup,"{"1 111 " * 30_000}"\n' * 20,
            "id,title,tags\n" + f'1,Cup,"{"a," * 95_000}"\n' * 20,
            "title," + "(" * 190_000 + "\nCup,x\n",
            ",".join(["title"] * 90_000) + "\n",
            "id,title,description\n" + f'1,Cup,"{"<script" * 27_000}"\n' * 20,
            "id,title,description\n" + f'1,Cup,"{"&amp;" * 38_000}"\n' * 20,
        ],
        ids=["spaces", "commas", "bars", "digits", "tags", "brackets", "columns", "scripts", "entities"],
    )
    def test_files_made_to_take_long_do_not(self, content: str) -> None:
        begun = time.process_time()
        with suppress(SourceUnreadable):
            read_table(content.encode())
        assert time.process_time() - begun < 20  # under 1 s; what grows with the square of the length takes minutes

    def test_the_most_rows(self) -> None:
        rows = [b"id,title"] + [b"%d,Cup" % number for number in range(ROWS_MAX)]
        assert len(read_table(b"\n".join(rows)).products) == 10_000
        with pytest.raises(SourceUnreadable) as caught:
            read_table(b"\n".join([*rows, b"x,Cup"]))
        assert (caught.value.code, "10,000" in caught.value.sentence) == ("too_many_rows", True)
