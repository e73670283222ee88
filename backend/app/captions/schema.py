"""The answer we ask for, and our own check of what came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

ANSWER_CHARS_MAX = 20_000


class PlatformAnswer(BaseModel):
    """One platform's caption."""

    model_config = ConfigDict(extra="forbid", strict=True)

    caption: str = Field(min_length=1, max_length=ANSWER_CHARS_MAX)
    hashtags: list[str]
    call_to_action: str


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    captions: dict[str, PlatformAnswer]


def answer_format(platforms: Sequence[str]) -> dict[str, Any]:
    """Return the format for `output_config`: exactly these platforms. Lengths cannot be asked for in it."""
    one = _object(
        {
            "caption": {"type": "string", "description": "The caption without hashtags"},
            "hashtags": {"type": "array", "items": {"type": "string"}, "description": "Without '#'"},
            "call_to_action": {"type": "string", "description": "The caption's closing line, or empty"},
        }
    )
    schema = _object({"captions": _object(dict.fromkeys(platforms, one))})
    return {"type": "json_schema", "schema": schema}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def read_answer(text: str, platforms: Sequence[str]) -> dict[str, PlatformAnswer] | None:
    """Return the captions of an answer by platform; None unless it holds exactly what was asked for."""
    try:
        answer = _Answer.model_validate_json(text)
    except ValidationError:
        return None
    is_complete = set(answer.captions) == set(platforms)
    return answer.captions if is_complete and all(one.caption.strip() for one in answer.captions.values()) else None
