"""What happens to links and products when posts go out."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.deps import CurrentUser, PreferencesServiceDep
from app.api.problems import problems
from app.domain.errors import InvalidRequest, InvalidToken, NotAuthenticated
from app.schemas.preferences import ChangePreferences, LinkPreferencesRead, PreferencesRead, ProductPreferencesRead

router = APIRouter(prefix="/publishing-preferences", tags=["preferences"])
SIGNED_IN = (NotAuthenticated, InvalidToken)


@router.get("", operation_id="preferences_get", responses=problems(*SIGNED_IN))
async def get_preferences(user: CurrentUser, preferences: PreferencesServiceDep) -> PreferencesRead:
    """Return what is done to links of the shop, and to posts whose product has changed."""
    return PreferencesRead(
        links=LinkPreferencesRead.model_validate(await preferences.links(user.id)),
        products=ProductPreferencesRead.model_validate(await preferences.products(user.id)),
    )


@router.put("", operation_id="preferences_put", responses=problems(*SIGNED_IN, InvalidRequest))
async def put_preferences(
    body: ChangePreferences, user: CurrentUser, preferences: PreferencesServiceDep
) -> PreferencesRead:
    """Change the given fields. Posts that exist already keep their links."""
    await preferences.change(user.id, body.model_dump(mode="json", exclude_none=True))
    return await get_preferences(user, preferences)
