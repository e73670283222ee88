"""The Graph API's way of routing, throttling and failing. Source: Graph API › Rate Limits; Handle Errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from sandbox.meta.errors import error_answer, token_refused
from sandbox.meta.usage import count_call, usage_headers
from sandbox.wire import Answer, Call, Endpoint

_THROTTLED = {
    "instagram": (80002, "instagram", "(#80002) There have been too many calls to this Instagram account."),
    "facebook": (80001, "pages", "(#80001) There have been too many calls to this Page account."),
}


class GraphDialect:
    """The dialect of one of Meta's platforms."""

    def __init__(self, name: Literal["instagram", "facebook"], resolve: Callable[[Call], Endpoint]) -> None:
        self.name: Literal["instagram", "facebook"] = name
        self.resolve = resolve

    def admit(self, call: Call, endpoint: Endpoint) -> Answer | None:
        """Count a call of a known account; over its budget it is throttled."""
        if not call.account_id or endpoint.is_oauth:
            return None
        percent, minutes = count_call(call.sandbox, self.name, call.account_id)
        call.usage = usage_headers(_THROTTLED[self.name][1], call.account_id, percent, minutes)
        if percent >= 100 and call.sandbox.knobs.enforce_rate_limits:
            return self._throttle_error()
        return None

    def finish(self, call: Call, answer: Answer) -> Answer:
        """Name the version used and, once enough calls were made, the usage."""
        if call.version:
            return answer.with_headers(("facebook-api-version", call.version), *call.usage)
        return answer

    def throttled(self, call: Call) -> Answer:
        """Code 80002 or 80001, with one minute to wait in the usage header."""
        call.usage = usage_headers(_THROTTLED[self.name][1], call.account_id, 100, 1)
        return self._throttle_error()

    def token_refused(self, call: Call) -> Answer:
        """Code 190/463."""
        return token_refused(463).answer

    def broken(self) -> Answer:
        """Code 1 with status 500."""
        return error_answer("An unknown error has occurred.", 1, status=500)

    def unreadable(self, reason: str) -> Answer:
        """Code 100."""
        return error_answer(f"(#100) Invalid parameter: {reason}", 100)

    def _throttle_error(self) -> Answer:
        code, _, message = _THROTTLED[self.name]
        return error_answer(f"{message} Wait a bit and try again.", code)
