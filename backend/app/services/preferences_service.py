"""What a user wants done to links when posts are made, and to posts whose product has changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.db.unit_of_work import UnitOfWork
from app.domain.links import LinkPreferences
from app.domain.preferences import OnPriceChange, OnSoldOut, ProductPreferences
from app.repositories.preferences_repository import PreferencesRepository


class PreferencesService:
    def __init__(self, uow: UnitOfWork) -> None:
        self._kept = PreferencesRepository(uow.session)

    async def links(self, user_id: UUID) -> LinkPreferences:
        return links_of(await self._kept.find(user_id))

    async def products(self, user_id: UUID) -> ProductPreferences:
        return products_of(await self._kept.find(user_id))

    async def change(self, user_id: UUID, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Change the given fields of the given parts; the others stay as they are."""
        kept = await self._kept.find(user_id)
        await self._kept.put(user_id, kept | {part: kept.get(part, {}) | dict(new) for part, new in changes.items()})


def links_of(kept: Mapping[str, Any]) -> LinkPreferences:
    links, defaults = kept.get("links", {}), LinkPreferences()
    return LinkPreferences(
        add_utm=links.get("add_utm", defaults.add_utm),
        shorten=links.get("shorten", defaults.shorten),
        utm=links.get("utm", defaults.utm),
        domains=tuple(links.get("domains", ())),
    )


def products_of(kept: Mapping[str, Any]) -> ProductPreferences:
    products, defaults = kept.get("products", {}), ProductPreferences()
    return ProductPreferences(
        on_sold_out=OnSoldOut(products.get("on_sold_out", defaults.on_sold_out)),
        on_price_change=OnPriceChange(products.get("on_price_change", defaults.on_price_change)),
    )
