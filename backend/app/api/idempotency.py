"""`Idempotency-Key`: a request that is sent again within 24 hours gets the first answer, and does nothing twice."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated
from uuid import UUID

from fastapi import Header
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import IdempotencyKeyReused

IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$"),
]


def fingerprint(path: str, body: BaseModel) -> str:
    """Return what makes two requests the same."""
    content = json.dumps([path, body.model_dump(mode="json", exclude_unset=True)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


async def begin(session: AsyncSession, user_id: UUID, key: str, request: str) -> Response | None:
    """Take the key, or return the stored answer. Waits for a twin that is under way.

    Raises `IdempotencyKeyReused` when the key belongs to another request.
    """
    parameters = {"user_id": user_id, "key": key, "request": request}
    await session.execute(
        text("""
        DELETE FROM idempotency_keys
        WHERE user_id = :user_id AND key = :key AND created_at < now() - interval '24 hours'
        """),
        {"user_id": user_id, "key": key},
    )
    taken = await session.execute(
        text("""
        INSERT INTO idempotency_keys (user_id, key, request_hash) VALUES (:user_id, :key, :request)
        ON CONFLICT (user_id, key) DO NOTHING RETURNING 1
        """),
        parameters,
    )
    if taken.first() is not None:
        return None
    return await find(session, user_id, key, request)


async def find(session: AsyncSession, user_id: UUID, key: str, request: str) -> Response | None:
    """Return the stored answer of a key, if there is one. Raises `IdempotencyKeyReused`."""
    rows = await session.execute(
        text("""
        SELECT request_hash, status, body FROM idempotency_keys
        WHERE user_id = :user_id AND key = :key AND created_at >= now() - interval '24 hours'
        """),
        {"user_id": user_id, "key": key},
    )
    row = rows.first()
    if row is None:
        return None
    if row.request_hash != request:
        raise IdempotencyKeyReused
    return Response(row.body, row.status, {"Idempotency-Replayed": "true"}, "application/json")


async def finish(session: AsyncSession, user_id: UUID, key: str, *, status: int, body: str) -> None:
    """Store the answer in the same transaction as its effect."""
    await session.execute(
        text("UPDATE idempotency_keys SET status = :status, body = :body WHERE user_id = :user_id AND key = :key"),
        {"status": status, "body": body, "user_id": user_id, "key": key},
    )
