"""The models there are. Source: claude.md §3."""

from __future__ import annotations

from typing import Any

from sandbox.claude.errors import refuse
from sandbox.wire import Answer, Call, ok

MODELS: dict[str, dict[str, Any]] = {
    "claude-haiku-5-5": {"effort": True, "max_tokens": 128_000, "cache_min": 512},
    "claude-sonnet-5-5": {"effort": True, "max_tokens": 128_000, "cache_min": 512},
    "claude-opus-5-5": {"effort": True, "max_tokens": 128_000, "cache_min": 512},
    "claude-haiku-4-5": {"effort": False, "max_tokens": 64_000, "cache_min": 4_096},
    "claude-sonnet-3-7": {"effort": False, "max_tokens": 8_192, "cache_min": 1_024, "is_retired": True},
}


def model_of(name: Any) -> dict[str, Any]:
    """Return a model by its id; raises the answer to an unknown or retired one."""
    found = MODELS.get(name) if isinstance(name, str) else None
    if found is None or found.get("is_retired"):
        raise refuse(f"model: {name}", 404)
    return found


async def retrieve(call: Call) -> Answer:
    """`GET /v1/models/{id}`."""
    name = call.segments[2]
    found = MODELS.get(name)
    if found is None:
        raise refuse(f"model: {name}", 404)
    yes = {"supported": True}
    effort = {level: {"supported": found["effort"]} for level in ("low", "medium", "high", "xhigh", "max")}
    return ok(
        {
            "type": "model",
            "id": name,
            "display_name": name,
            "created_at": "2026-10-07T00:00:00Z",
            "deprecated_at": None,
            "lifecycle": "retired" if found.get("is_retired") else "active",
            "retires_at": None,
            "max_input_tokens": 1_000_000,
            "max_tokens": found["max_tokens"],
            "capabilities": {
                "structured_outputs": yes,
                "image_input": yes,
                "batch": yes,
                "effort": {"supported": found["effort"], **effort},
            },
        }
    )
