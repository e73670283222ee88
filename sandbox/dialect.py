"""How each platform words what the sandbox does to every call: routing, throttling, refused tokens, broken bodies."""

from __future__ import annotations

from typing import Protocol

from sandbox.wire import Answer, Call, Endpoint


class Dialect(Protocol):
    """What the front of the sandbox needs to know about a platform."""

    @property
    def name(self) -> str:
        """The platform, as the first part of its paths."""
        ...

    def resolve(self, call: Call) -> Endpoint:
        """Find the endpoint of a call; raises `PlatformError` for an unknown path."""
        ...

    def admit(self, call: Call, endpoint: Endpoint) -> Answer | None:
        """Count a call against the limits; return the throttling answer when there are too many."""
        ...

    def finish(self, call: Call, answer: Answer) -> Answer:
        """Add the headers that every answer carries."""
        ...

    def throttled(self, call: Call) -> Answer:
        """The answer to a call over the limit."""
        ...

    def token_refused(self, call: Call) -> Answer:
        """The answer to a call whose token is not accepted."""
        ...

    def broken(self) -> Answer:
        """The answer of a platform that fails internally."""
        ...

    def unreadable(self, reason: str) -> Answer:
        """The answer to a body that cannot be parsed."""
        ...
