"""What each platform allows, for whoever writes posts."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter

from app.api.deps import ContainerDep
from app.platforms.base import PlatformAdapter
from app.schemas.platforms import OptionRead, PlatformRulesRead, PostTypeRead

router = APIRouter(prefix="/platforms", tags=["platforms"])


@router.get("", operation_id="platforms_list")
async def list_platforms(container: ContainerDep) -> list[PlatformRulesRead]:
    """List post types, limits and options of every platform. The same data check posts."""
    return [rules_of(adapter) for adapter in container.adapters.values()]


def rules_of(adapter: PlatformAdapter) -> PlatformRulesRead:
    """Return an adapter's rules as they are sent."""
    rules = adapter.publisher.rules
    return PlatformRulesRead(
        platform=adapter.name,
        title=rules.title,
        text_unit=rules.text_unit,
        hashtags_max=rules.hashtags_max,
        mentions_max=rules.mentions_max,
        logins=list(adapter.connector.logins),
        post_types=[PostTypeRead.model_validate(asdict(kind)) for kind in rules.post_types.values()],
        options=[
            OptionRead(
                name=option.name,
                kind=option.kind,
                summary=option.summary,
                post_types=list(option.post_types),
                choices=list(option.choices),
                max_chars=option.max_chars,
                max_items=option.max_items,
            )
            for option in rules.options.values()
        ],
    )
