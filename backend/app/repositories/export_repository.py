"""SQL that reads everything of one person. What is read follows from the tables themselves, so that a new one is not
forgotten: each is either here or named among those that are left out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, LargeBinary, Table, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Base, MediaAsset

TABLES = Base.metadata.tables
OF_PARENTS = {"link_days": "short_links", "metric_snapshots": "posts", "publication_attempts": "publications"}
"""Tables without an owner's column, and the table whose rows theirs belong to."""
LEFT_OUT = {
    "account_credentials": "tokens",
    "ai_spend": "sums of this installation",
    "billing_events": "messages of the payment provider; what came of them is in subscriptions",
    "billing_prices": "prices of this installation",
    "connection_choices": "tokens of a sign-in under way",
    "deletion_requests": "names nobody",
    "follow_ups": "work still to be done",
    "heartbeats": "signs of life of processes",
    "idempotency_keys": "answers kept for a day to be repeated",
    "inbound_events": "messages of platforms, kept for 30 days",
    "letter_requests": "letters on their way",
    "link_visitors": "marks of visitors, kept for an hour",
    "media_discards": "files on their way out",
    "media_loans": "addresses of files that were lent to a platform",
    "media_uploads": "uploads under way",
    "oauth_states": "sign-ins under way",
    "one_time_tokens": "digests of links",
    "post_count_deltas": "sums on their way",
    "publishing_lanes": "leases of workers",
    "recovery_codes": "digests of codes",
    "sync_runs": "progress of readings",
}
_SECRET_ENDINGS = ("_hash", "_ciphertext", "key_version", "current_token_id", "lease_id", "lease_until")


def exported_tables() -> list[str]:
    """Return the tables that hold something of a person, sorted by name."""
    owned = {name for name, table in TABLES.items() if "user_id" in table.c} | {"users", *OF_PARENTS}
    return sorted(owned - LEFT_OUT.keys())


def exported_columns(table: Table) -> list[ColumnElement[Any]]:
    """Return what is read of a table: no secrets, no leases."""
    return [
        column
        for column in table.c
        if not isinstance(column.type, LargeBinary) and not column.name.endswith(_SECRET_ENDINGS)
    ]


class ExportRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def page(
        self, user_id: UUID, name: str, *, after: tuple[Any, ...] | None, limit: int
    ) -> tuple[list[dict[str, Any]], tuple[Any, ...] | None]:
        """Return rows in the order of their key, and the key of the last one."""
        table = TABLES[name]
        key = list(table.primary_key.columns)
        query = select(*exported_columns(table), *[column.label(f"_key_{column.name}") for column in key])
        if name in OF_PARENTS:
            parent = TABLES[OF_PARENTS[name]]
            query = query.join(parent).where(parent.c.user_id == user_id)
        else:
            query = query.where((table.c.id if name == "users" else table.c.user_id) == user_id)
        if after is not None:
            query = query.where(tuple_(*key) > tuple_(*after))
        found = (await self._session.execute(query.order_by(*key).limit(limit))).mappings().all()
        rows = [{column: value for column, value in row.items() if not column.startswith("_key_")} for row in found]
        last = tuple(found[-1][f"_key_{column.name}"] for column in key) if found else after
        return rows, last

    async def files(self, user_id: UUID, *, after: UUID | None, limit: int) -> list[tuple[UUID, str, str]]:
        """Return uploaded files in the order of their ids: id, name, and key in the store."""
        query = select(MediaAsset.id, MediaAsset.url_name, MediaAsset.storage_key).where(MediaAsset.user_id == user_id)
        if after is not None:
            query = query.where(MediaAsset.id > after)
        rows = await self._session.execute(query.order_by(MediaAsset.id).limit(limit))
        return [(row.id, row.url_name, row.storage_key) for row in rows]
