"""Looks at a post's product before the post goes out. Needs no shop: what is known was read shortly before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.db.engine import Sessions
from app.db.unit_of_work import unit_of_work
from app.domain.catalogue import ProductStatus
from app.domain.product_guard import Hold, ProductNow, Reword, judge
from app.repositories.preferences_repository import PreferencesRepository
from app.repositories.product_repository import ProductRepository
from app.services.preferences_service import products_of


class ProductGuard:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def look(
        self, user_id: UUID, product_id: UUID, approved: Mapping[str, Any], content: str
    ) -> Hold | Reword | None:
        """Return what is to be done before the post goes out; None when it may go as it is."""
        async with unit_of_work(self._sessions) as uow:
            row = await ProductRepository(uow.session).find(user_id, product_id)
            wanted = products_of(await PreferencesRepository(uow.session).find(user_id))
        if row is None:
            return None
        now = ProductNow(
            row.title, row.status == ProductStatus.removed, row.is_available, row.price_minor, row.currency
        )
        return judge(approved, now, content, wanted)
