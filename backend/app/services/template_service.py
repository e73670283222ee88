"""Captions and hashtags that are used again and again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.db.unit_of_work import UnitOfWork
from app.domain.errors import HashtagSetNotFound, TemplateNotFound
from app.models import CaptionTemplate, HashtagSet
from app.repositories.template_repository import TemplateRepository


class TemplateService:
    def __init__(self, uow: UnitOfWork) -> None:
        self._kept = TemplateRepository(uow.session)

    async def templates(self, user_id: UUID, *, page: int, per_page: int) -> tuple[list[CaptionTemplate], int]:
        return await self._kept.list_page(CaptionTemplate, user_id, page=page, per_page=per_page)

    async def template(self, user_id: UUID, template_id: UUID) -> CaptionTemplate:
        """Raises `TemplateNotFound`."""
        found = await self._kept.find(CaptionTemplate, user_id, template_id)
        if found is None:
            raise TemplateNotFound
        return found

    async def add_template(self, user_id: UUID, values: dict[str, Any]) -> CaptionTemplate:
        return await self._kept.add(CaptionTemplate, user_id, values)

    async def change_template(self, user_id: UUID, template_id: UUID, values: dict[str, Any]) -> CaptionTemplate:
        """Change the fields given. Raises `TemplateNotFound`."""
        return await self._kept.change(await self.template(user_id, template_id), values)

    async def delete_template(self, user_id: UUID, template_id: UUID) -> None:
        """Raises `TemplateNotFound`."""
        if not await self._kept.delete(CaptionTemplate, user_id, template_id):
            raise TemplateNotFound

    async def hashtag_sets(self, user_id: UUID, *, page: int, per_page: int) -> tuple[list[HashtagSet], int]:
        return await self._kept.list_page(HashtagSet, user_id, page=page, per_page=per_page)

    async def hashtag_set(self, user_id: UUID, set_id: UUID) -> HashtagSet:
        """Raises `HashtagSetNotFound`."""
        found = await self._kept.find(HashtagSet, user_id, set_id)
        if found is None:
            raise HashtagSetNotFound
        return found

    async def add_hashtag_set(self, user_id: UUID, values: dict[str, Any]) -> HashtagSet:
        return await self._kept.add(HashtagSet, user_id, values)

    async def change_hashtag_set(self, user_id: UUID, set_id: UUID, values: dict[str, Any]) -> HashtagSet:
        """Change the fields given. Raises `HashtagSetNotFound`."""
        return await self._kept.change(await self.hashtag_set(user_id, set_id), values)

    async def delete_hashtag_set(self, user_id: UUID, set_id: UUID) -> None:
        """Raises `HashtagSetNotFound`."""
        if not await self._kept.delete(HashtagSet, user_id, set_id):
            raise HashtagSetNotFound
