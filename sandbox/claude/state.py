"""What the simulator of the Messages API remembers: cached prefixes and batches. Forgotten at a restart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Batch:
    """A batch and what each of its requests will answer."""

    id: str
    created_at: float
    ready_at: float
    results: list[dict[str, Any]]
    is_canceled: bool = False


@dataclass(slots=True)
class ClaudeState:
    prefixes: set[str] = field(default_factory=set)
    """Digests of what was marked for the cache."""
    batches: dict[str, Batch] = field(default_factory=dict)

    def clear(self) -> None:
        self.prefixes.clear()
        self.batches.clear()
