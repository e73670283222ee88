"""Claude's way of routing, authenticating, throttling and failing. Source: claude.md §2, §8."""

from __future__ import annotations

from typing import Literal

from sandbox.claude import batches, messages, models
from sandbox.claude.errors import error_answer, refuse
from sandbox.ids import token
from sandbox.wire import Answer, Call, Endpoint

_MESSAGES = Endpoint("claude.messages", messages.create)
_FIXED = {
    ("POST", "v1/messages"): _MESSAGES,
    ("POST", "v1/messages/count_tokens"): Endpoint("claude.count_tokens", messages.count),
    ("POST", "v1/messages/batches"): Endpoint("claude.batch_create", batches.create),
    ("GET", "v1/messages/batches"): Endpoint("claude.batch_list", batches.listed),
}
TAKES_WISHES = (_MESSAGES, _FIXED["POST", "v1/messages/batches"])
_MODEL = Endpoint("claude.model", models.retrieve)
_BATCH = Endpoint("claude.batch", batches.retrieve)
_BATCH_PARTS = {
    ("POST", "cancel"): Endpoint("claude.batch_cancel", batches.cancel),
    ("GET", "results"): Endpoint("claude.batch_results", batches.results),
}


class ClaudeDialect:
    """The dialect of the Messages API. Any key but an empty one opens it; `key-refused` does not."""

    name: Literal["claude"] = "claude"

    def resolve(self, call: Call) -> Endpoint:
        """Find the endpoint of a call with a key and a version."""
        bearer = call.headers.get("authorization", "").removeprefix("Bearer ").strip()
        key = bearer or call.headers.get("x-api-key", "")
        if not key or key == "key-refused":
            raise refuse("invalid x-api-key", 401)
        if "anthropic-version" not in call.headers:
            raise refuse("anthropic-version: header is required")
        parts = call.segments
        endpoint = _FIXED.get((call.method, "/".join(parts)))
        if endpoint is not None:
            if endpoint in TAKES_WISHES:  # before any delay: a call given up meanwhile takes none from the next
                fault = call.sandbox.faults.take("model_answer", "")
                call.wanted = fault.body if fault else None
            return endpoint
        if call.method == "GET" and parts[:2] == ["v1", "models"] and len(parts) == 3:
            return _MODEL
        if parts[:3] == ["v1", "messages", "batches"] and len(parts) in (4, 5):
            found = _BATCH_PARTS.get((call.method, parts[4])) if len(parts) == 5 else _BATCH
            if found is not None:
                return found
        raise refuse("Not found", 404)

    def admit(self, call: Call, endpoint: Endpoint) -> Answer | None:
        """Nothing is counted: limits come as faults."""
        del call, endpoint
        return None

    def finish(self, call: Call, answer: Answer) -> Answer:
        """Every answer names its request."""
        del call
        is_named = any(name == "request-id" for name, _ in answer.headers)
        return answer if is_named else answer.with_headers(("request-id", token("req_", 24)))

    def throttled(self, call: Call) -> Answer:
        """429, to be tried again in a second."""
        del call
        return error_answer(429, "Number of requests has exceeded your rate limit", retry_after="1")

    def token_refused(self, call: Call) -> Answer:
        """401."""
        del call
        return error_answer(401, "invalid x-api-key")

    def broken(self) -> Answer:
        """500."""
        return error_answer(500, "Internal server error")

    def unreadable(self, reason: str) -> Answer:
        """400."""
        return error_answer(400, f"The request body is {reason}")
