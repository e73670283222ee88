"""What the simulator writes: answers that are true to the schema, made of the product in the request; and the count."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from sandbox.ids import token

if TYPE_CHECKING:
    from sandbox.claude.state import ClaudeState

CHARS_PER_TOKEN = 4
IMAGE_TOKENS = 1_600
THINKING_TOKENS = 40
_PRODUCT = re.compile(r"<product_data>\n(.*?)\n</product_data>", re.DOTALL)


def write_message(body: dict[str, Any], model: dict[str, Any], state: ClaudeState, wanted: Any) -> dict[str, Any]:
    """Return a message as the API sends it. `wanted` steers it: `text`, `stop_reason`, `stop_details`, `usage`."""
    asked: dict[str, Any] = wanted if isinstance(wanted, dict) else {}
    schema = body.get("output_config", {}).get("format", {}).get("schema")
    text = asked.get("text", json.dumps(_fill(schema, "", _product(body)), ensure_ascii=False) if schema else "Hello.")
    stop_reason = asked.get("stop_reason", "end_turn")
    thinking = THINKING_TOKENS if model["effort"] else 0
    room = (body["max_tokens"] - thinking) * CHARS_PER_TOKEN
    if "stop_reason" not in asked and len(text) > room:
        text, stop_reason = text[: max(room, 0)], "max_tokens"
    content: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    if thinking:
        content.insert(0, {"type": "thinking", "thinking": "", "signature": token("sig", 20)})
    return {
        "id": token("msg_", 24),
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "stop_details": asked.get("stop_details"),
        "usage": {**_usage(body, model, state, text, thinking), **asked.get("usage", {})},
    }


def count_tokens(body: dict[str, Any]) -> int:
    """Count what a request would cost to read."""
    prefix, rest = _split_at_cache(body)
    return _tokens(prefix) + _tokens(rest) + _images(body)


def _usage(body: dict[str, Any], model: dict[str, Any], state: ClaudeState, text: str, thinking: int) -> dict[str, Any]:
    prefix, rest = _split_at_cache(body)
    size, created, read = _tokens(prefix), 0, 0
    if size >= model["cache_min"]:
        digest = hashlib.sha256(f"{body['model']}\n{prefix}".encode()).hexdigest()
        if digest in state.prefixes:
            read = size
        else:
            created = size
            state.prefixes.add(digest)
    return {
        "input_tokens": _tokens(rest) + _images(body) + (0 if created or read else size),
        "output_tokens": _tokens(text) + thinking,
        "cache_creation_input_tokens": created,
        "cache_read_input_tokens": read,
        "output_tokens_details": {"thinking_tokens": thinking},
        "service_tier": "standard",
    }


def _split_at_cache(body: dict[str, Any]) -> tuple[str, str]:
    """Return the text up to the last block that is marked for the cache, and all other text."""
    system = body.get("system", [])
    blocks = [{"text": system}] if isinstance(system, str) else system
    marked = max((index + 1 for index, block in enumerate(blocks) if "cache_control" in block), default=0)
    texts = [block["text"] for block in blocks]
    for message in body["messages"]:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        texts += [part["text"] for part in parts if part["type"] == "text"]
    return "\n".join(texts[:marked]), "\n".join(texts[marked:])


def _images(body: dict[str, Any]) -> int:
    lists = [message["content"] for message in body["messages"] if isinstance(message["content"], list)]
    count: int = sum(part["type"] == "image" for parts in lists for part in parts)
    return IMAGE_TOKENS * count


def _tokens(text: str) -> int:
    return -(-len(text) // CHARS_PER_TOKEN)


def _product(body: dict[str, Any]) -> dict[str, Any]:
    content = body["messages"][0]["content"]
    texts = [content] if isinstance(content, str) else [part["text"] for part in content if part["type"] == "text"]
    found = _PRODUCT.search("\n".join(texts))
    try:
        product = json.loads(found.group(1)) if found else {}
    except ValueError:
        product = {}
    return product if isinstance(product, dict) else {}


def _fill(schema: dict[str, Any], name: str, product: dict[str, Any]) -> Any:
    """Return something that fits a schema: the product's own words where text is asked for."""
    if schema.get("type") == "object":
        return {
            key: _fill(inner, key if "type" in inner else name, product) for key, inner in schema["properties"].items()
        }
    title = str(product.get("title", "This"))
    if schema.get("type") == "array":
        return [re.sub(r"\W", "", word).lower() for word in title.split()[:3]]
    if schema.get("type") == "string":
        sentence = str(product.get("description", "")).split(". ")[0].rstrip(".")
        return f"{title}. {sentence}.\n\nFind it in our shop." if name == "caption" else "Find it in our shop."
    return {"integer": 1, "number": 1, "boolean": True}.get(str(schema.get("type")))
