"""What the Messages API refuses before it writes anything. Source: claude.md §2, §4, §5."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from sandbox.claude.errors import refuse
from sandbox.claude.models import model_of

FIELDS = frozenset(
    {"model", "max_tokens", "messages", "system", "output_config", "metadata", "stream", "stop_sequences", "tools"}
    | {"tool_choice", "thinking", "service_tier", "cache_control", "speed", "inference_geo", "diagnostics"}
)
SAMPLING = ("temperature", "top_p", "top_k")
EFFORTS = ("low", "medium", "high", "xhigh", "max")
KEYWORDS = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "allOf", "$ref"}
    | {"$defs", "definitions", "description", "title", "default", "format", "minItems"}
)
IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
REQUEST_BYTES_MAX = 32_000_000


def check_body(body: dict[str, Any], *, is_count: bool = False) -> dict[str, Any]:
    """Return the model of a valid request; raises the answer to an invalid one."""
    for name in SAMPLING:
        if name in body:
            raise refuse(f"{name}: Extra inputs are not permitted")
    for name in body.keys() - FIELDS:
        raise refuse(f"{name}: Extra inputs are not permitted")
    for name in ("model", "messages") if is_count else ("model", "max_tokens", "messages"):
        if name not in body:
            raise refuse(f"{name}: Field required")
    model = model_of(body["model"])
    if not is_count:
        tokens = body["max_tokens"]
        if isinstance(tokens, bool) or not isinstance(tokens, int) or not 1 <= tokens <= model["max_tokens"]:
            raise refuse("max_tokens: Input should be a positive number within the model's limit")
    _check_messages(body["messages"])
    _check_output(body.get("output_config", {}), model)
    user = body.get("metadata", {}).get("user_id")
    if user is not None and (not isinstance(user, str) or "@" in user or len(user) > 256):
        raise refuse("metadata.user_id: should be an opaque identifier")
    return model


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise refuse("messages: at least one message is required")
    for index, message in enumerate(messages):
        if message.get("role") not in ("user", "assistant"):
            raise refuse(f"messages.{index}.role: Input should be 'user' or 'assistant'")
        content = message.get("content")
        for block_index, block in enumerate(content if isinstance(content, list) else []):
            _check_block(block, f"messages.{index}.content.{block_index}")
    if messages[-1]["role"] == "assistant":
        raise refuse("messages: prefilling the assistant's turn is not supported by this model")


def _check_block(block: dict[str, Any], where: str) -> None:
    kind = block.get("type")
    if kind == "text":
        if not block.get("text"):
            raise refuse(f"{where}: text content blocks must be non-empty")
        return
    if kind != "image":
        raise refuse(f"{where}.type: unexpected value")
    source = block.get("source", {})
    if source.get("type") != "base64" or source.get("media_type") not in IMAGE_TYPES:
        raise refuse(f"{where}.source: unsupported image source")
    try:
        content = base64.b64decode(source.get("data", ""), validate=True)
    except (binascii.Error, ValueError):
        raise refuse(f"{where}.source.data: not base64") from None
    if source["media_type"] == "image/jpeg" and not content.startswith(b"\xff\xd8\xff"):
        raise refuse(f"{where}.source: image could not be processed")


def _check_output(config: dict[str, Any], model: dict[str, Any]) -> None:
    for name in config.keys() - {"effort", "format"}:
        raise refuse(f"output_config.{name}: Extra inputs are not permitted")
    if "effort" in config and (config["effort"] not in EFFORTS or not model["effort"]):
        raise refuse("output_config.effort: not supported by this model")
    if "format" in config:
        if config["format"].get("type") != "json_schema":
            raise refuse("output_config.format.type: Input should be 'json_schema'")
        _check_schema(config["format"].get("schema"), "output_config.format.schema")


def _check_schema(schema: Any, where: str) -> None:
    if not isinstance(schema, dict):
        raise refuse(f"{where}: Input should be an object")
    for name in schema.keys() - KEYWORDS:
        raise refuse(f"{where}: For '{schema.get('type')}' type, property '{name}' is not supported")
    if schema.get("minItems", 0) not in (0, 1):
        raise refuse(f"{where}: minItems other than 0 or 1 is not supported")
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise refuse(f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    for name, inner in schema.get("properties", {}).items():
        _check_schema(inner, f"{where}.properties.{name}")
    if "items" in schema:
        _check_schema(schema["items"], f"{where}.items")
