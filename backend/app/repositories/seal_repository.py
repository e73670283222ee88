"""SQL of everything that is kept encrypted, for changing the key. A row's secret opens under its own context only."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import LargeBinary, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Base


@dataclass(frozen=True)
class Sealed:
    """A column with secrets, the one that names their key, and what their context is made of."""

    table: str
    id_column: str
    ciphertext: str
    key_version: str
    context: str

    def context_of(self, row_id: UUID) -> str:
        return self.context.format(id=row_id)


SEALED = (
    Sealed("account_credentials", "account_id", "ciphertext", "key_version", "{id}"),
    Sealed("connection_choices", "id", "ciphertext", "key_version", "{id}"),
    Sealed("store_connections", "id", "ciphertext", "key_version", "store:{id}"),
    Sealed("users", "id", "totp_ciphertext", "totp_key_version", "totp:{id}"),
    Sealed("webhook_endpoints", "id", "secret_ciphertext", "key_version", "webhook:{id}"),
)


def unsealed_columns() -> list[str]:
    """Return columns with bytes that are not in the list above."""
    known = {(one.table, one.ciphertext) for one in SEALED}
    return [
        f"{name}.{column.name}"
        for name, table in Base.metadata.tables.items()
        for column in table.c
        if isinstance(column.type, LargeBinary) and (name, column.name) not in known
    ]


@dataclass(frozen=True)
class SealedRow:
    id: UUID
    ciphertext: bytes
    key_version: str


class SealRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def other_versions(self, kind: Sealed, current: str, *, after: UUID, limit: int) -> list[SealedRow]:
        """Return rows encrypted with another key than `current`, in the order of their ids, locked; rows that somebody
        is writing are waited for."""
        rows = await self._session.execute(
            text(
                f"SELECT {kind.id_column}, {kind.ciphertext}, {kind.key_version} FROM {kind.table} "  # noqa: S608
                f"WHERE {kind.key_version} <> :current AND {kind.id_column} > :after "
                f"ORDER BY {kind.id_column} LIMIT :limit FOR NO KEY UPDATE"
            ),
            {"current": current, "after": after, "limit": limit},
        )
        return [SealedRow(row[0], bytes(row[1]), row[2]) for row in rows]

    async def reencrypt(self, kind: Sealed, row_id: UUID, *, ciphertext: bytes, key_version: str) -> None:
        await self._session.execute(
            text(
                f"UPDATE {kind.table} SET {kind.ciphertext} = :c, {kind.key_version} = :v "  # noqa: S608
                f"WHERE {kind.id_column} = :id"
            ),
            {"c": ciphertext, "v": key_version, "id": row_id},
        )
