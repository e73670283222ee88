"""API keys."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, status

from app.api.deps import ApiKeyServiceDep, SignedInUser
from app.api.problems import problems
from app.domain.errors import ApiKeyNotFound, InvalidToken, NotAuthenticated, TooManyKeys
from app.schemas.api_keys import ApiKeyMade, ApiKeyRead, NewApiKey

router = APIRouter(prefix="/api-keys", tags=["api-keys"])
SIGNED_IN = (NotAuthenticated, InvalidToken)


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    operation_id="api_keys_create",
    responses=problems(*SIGNED_IN, TooManyKeys),
)
async def create_key(body: NewApiKey, user: SignedInUser, keys: ApiKeyServiceDep) -> ApiKeyMade:
    """Make a key. It is shown this once."""
    made = await keys.create(user.id, name=body.name, scopes=body.scopes, expires_at=body.expires_at)
    return ApiKeyMade(**ApiKeyRead.model_validate(made.row).model_dump(), key=made.key)


@router.get("", operation_id="api_keys_list", responses=problems(*SIGNED_IN))
async def list_keys(user: SignedInUser, keys: ApiKeyServiceDep) -> list[ApiKeyRead]:
    """List keys, the newest first, those that were taken back included."""
    return [ApiKeyRead.model_validate(key) for key in await keys.list_of(user.id)]


@router.delete(
    "/{key_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    operation_id="api_keys_revoke",
    responses=problems(*SIGNED_IN, ApiKeyNotFound),
)
async def revoke_key(key_id: UUID, user: SignedInUser, keys: ApiKeyServiceDep) -> None:
    """Take a key back: it stops working at once, and stays in the list."""
    await keys.revoke(user.id, key_id)
