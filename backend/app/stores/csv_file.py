"""Reads tables of products as people export them: commas, semicolons or tabs, UTF-8 or Windows-1252.

Headings are recognised in several languages and as Shopify, WooCommerce and Google write them. Sources: "Using CSV
files to import and export products", help.shopify.com/en/manual/products/import-export/using-csv; "Product CSV Import
Schema", github.com/woocommerce/woocommerce/wiki/Product-CSV-Import-Schema; "Product data specification",
support.google.com/merchants/answer/7052112; read 2026-11-24.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from app.kit.clock import Clock, utc_now
from app.stores.base import RowProblem, SourceProduct, SourceUnreadable
from app.stores.columns import fields_of
from app.stores.rows import RowReader

ROWS_MAX = 10_000
COLUMNS_MAX = 500
FIELD_MAX = 200_000
"""Longest field, in characters: a page of HTML fits in."""
PROBLEMS_MAX = 1_000
DELIMITERS = (",", ";", "\t", "|")
BINARY = (
    (b"PK\x03\x04", "an Excel or ZIP file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a compressed file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
)


@dataclass(frozen=True)
class Table:
    """What was read of a file."""

    products: tuple[SourceProduct, ...]
    problems: tuple[RowProblem, ...]
    rows: int
    """How many rows it has below its headings, empty ones not counted."""


def read_table(content: bytes, *, currency: str | None = None, clock: Clock = utc_now) -> Table:
    """Read a file of products. Raises `SourceUnreadable` with the reason when it is no table of products at all."""
    reader = RowReader(default_currency=currency, clock=clock)
    lines = _lines(decode(content))
    headers = next(lines, None)
    if headers is None:
        raise SourceUnreadable("The file is empty.", code="file_empty", field="file")
    if len(headers[1]) > COLUMNS_MAX:
        raise SourceUnreadable(
            f"The file has {len(headers[1]):,} columns, at most {COLUMNS_MAX} are read.",
            code="too_many_columns",
            field="file",
        )
    fields = fields_of(headers[1])
    if "title" not in fields:
        named = ", ".join(f"“{header.strip()[:30]}”" for header in headers[1][:6])
        raise SourceUnreadable(
            f"No column with the title of the product was found. The first line has {named}. "
            "Name one column “title”, and further ones “id”, “price”, “currency”, “description” and “image_url”.",
            code="title_column_missing",
            field="file",
        )
    rows = 0
    try:
        for number, cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            rows += 1
            if rows > ROWS_MAX:
                raise SourceUnreadable(
                    f"The file has more than {ROWS_MAX:,} rows. Split it into several files.",
                    code="too_many_rows",
                    field="file",
                )
            if len(cells) > len(fields) and any(cell.strip() for cell in cells[len(fields) :]):
                sentence = (
                    f"The row has {len(cells)} fields where the headings have {len(fields)}. "
                    "Put text that contains the separator into quotation marks."
                )
                reader.problems.append(RowProblem(str(number), "row", "too_many_fields", sentence))
                continue
            reader.add(str(number), {f: cell for f, cell in zip(fields, cells, strict=False) if f and cell.strip()})
    except csv.Error as error:
        raise SourceUnreadable(
            "The file cannot be read as a table: a quotation mark is opened and never closed, or a field is too long.",
            detail=str(error),
            code="file_unreadable",
            field="file",
        ) from error
    return Table(tuple(reader.products()), tuple(reader.problems[:PROBLEMS_MAX]), rows)


def decode(content: bytes) -> str:
    """Return the text of a file. Raises `SourceUnreadable` for what is no text, naming what it is."""
    for magic, kind in BINARY:
        if content.startswith(magic):
            raise SourceUnreadable(
                f"This is {kind}, not a CSV file. Export the table as CSV (UTF-8) and send that.",
                code="file_binary",
                field="file",
            )
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return _decoded(content, encoding)
    if b"\x00" in content:
        raise SourceUnreadable(
            "The file contains NUL bytes, so it is not a text file. Export the table as CSV (UTF-8).",
            code="file_binary",
            field="file",
        )
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _decoded(content: bytes, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise SourceUnreadable(
            "The file's text is damaged. Export it once more as CSV (UTF-8).", code="file_unreadable", field="file"
        ) from error
    if "\x00" in text:
        raise SourceUnreadable("The file contains NUL characters.", code="file_binary", field="file")
    return text


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Give the rows with the number of the line each begins on; quoted texts may go over several lines."""
    csv.field_size_limit(FIELD_MAX)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)
    begins = 1
    for cells in reader:
        if cells:
            yield begins, cells
        begins = reader.line_num + 1


def delimiter_of(text: str) -> str:
    """Return the separator that the first line with headings uses most, outside of quotation marks."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    bare = "".join(first.split('"')[::2])
    return max(DELIMITERS, key=lambda mark: (bare.count(mark), -DELIMITERS.index(mark)))
