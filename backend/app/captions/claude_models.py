"""What a model can do: asked of the provider once a day, from a table where it does not say."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import structlog

log = structlog.get_logger()

FRESH_SECONDS = 86_400.0
FALLBACK_SECONDS = 600.0
"""How long the table is used before the provider is asked again."""
LOOKUP_SECONDS = 5.0


@dataclass(frozen=True)
class Abilities:
    """What may be sent to a model."""

    has_effort: bool
    sees_images: bool
    has_structured_output: bool = True
    is_retired: bool = False
    max_tokens: int = 64_000


_OLDER = ("claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5")
_CURRENT = ("claude-haiku-5", "claude-sonnet-5", "claude-opus-5", "claude-fable-5", "claude-mythos-5", "claude-opus-4-")
"""Beginnings of names. Source: the provider's model pages and the SDK's list, read 2026-11-23."""


def known_abilities(model: str) -> Abilities:
    """Return what the table says; of an unknown name, as behind a gateway, only the plainest is expected."""
    if model.startswith(_OLDER):
        return Abilities(has_effort=False, sees_images=True)
    is_current = model.startswith(_CURRENT)
    return Abilities(has_effort=is_current, sees_images=is_current, max_tokens=128_000 if is_current else 8_192)


class ModelDirectory:
    """One per writer. Looking a model up is free and never fails: at worst the table answers."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Abilities]] = {}
        self._lock = asyncio.Lock()

    async def abilities(self, client: Any, model: str) -> Abilities:
        async with self._lock:
            until, found = self._known.get(model, (0.0, None))
            if found is not None and time.monotonic() < until:
                return found
            try:
                async with asyncio.timeout(LOOKUP_SECONDS):
                    found, life = _read(await client.models.retrieve(model)), FRESH_SECONDS
            except Exception as error:  # noqa: BLE001 - gateways answer this in many ways, none of them matters
                log.info("caption_model.not_looked_up", model=model, error=type(error).__name__)
                found, life = known_abilities(model), FALLBACK_SECONDS
            self._known[model] = (time.monotonic() + life, found)
            return found


def _read(info: Any) -> Abilities:
    """Read the provider's answer. Raises where it is another server's idea of one."""
    able = info.capabilities
    return Abilities(
        has_effort=bool(able.effort.supported),
        sees_images=bool(able.image_input.supported),
        has_structured_output=bool(able.structured_outputs.supported),
        is_retired=info.lifecycle == "retired",
        max_tokens=int(info.max_tokens or 8_192),
    )
