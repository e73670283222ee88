"""What contract tests of product sources share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from app.storage.remote import parse_networks
from app.stores.base import ProductSource, RowProblem, SourceProduct, StoreAccess
from app.stores.http import StoreHttp
from app.stores.registry import build_sources


@asynccontextmanager
async def sources(allowed: str = "127.0.0.2/32") -> AsyncIterator[Mapping[str, ProductSource]]:
    http = StoreHttp(allowed=parse_networks(allowed))
    yield build_sources(http)
    await http.aclose()


@dataclass
class ReadAll:
    """A whole reading."""

    products: list[SourceProduct] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    pages: int = 0
    waits: list[float] = field(default_factory=list)

    @property
    def ids(self) -> set[str]:
        return {product.external_id for product in self.products}


async def read_all(source: ProductSource, access: StoreAccess) -> ReadAll:
    """Read every page, as the sync does."""
    result, cursor = ReadAll(), None
    while True:
        page = await source.page(access, cursor)
        result.products += page.products
        result.problems += page.problems
        result.pages += 1
        result.waits.append(page.wait_seconds)
        cursor = page.cursor
        if cursor is None:
            return result
        assert result.pages < 200, "the reading does not end"


def by_id(products: list[SourceProduct]) -> dict[str, Any]:
    return {product.external_id: product for product in products}
