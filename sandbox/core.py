"""The pieces of a running sandbox, wired together."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Coroutine
from typing import Any

from sandbox.claude.state import ClaudeState
from sandbox.clock import Clock
from sandbox.faults import Faults, Knobs
from sandbox.growth import Totals, followers_at, totals
from sandbox.library import Library
from sandbox.limits import Usage, Windows
from sandbox.records import Persona, Post
from sandbox.settings import Settings
from sandbox.state import State, Store


class Sandbox:
    """State, clock, knobs, faults and media of one server."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.root / "state.sqlite3")
        self.state = State(self.store)
        self.clock = Clock()
        self.knobs = Knobs()
        self._restore()
        self.faults = Faults(self.knobs)
        self.library = Library(settings.root / "media", self.store)
        self.windows = Windows()
        self.usage = Usage()
        self.claude = ClaudeState()
        self._tasks: set[asyncio.Task[None]] = set()

    def _restore(self) -> None:
        saved = dict(self.store.load("meta"))
        self.clock.offset = saved.get("clock", 0.0)
        self.knobs.change(saved.get("knobs", {}))

    def save_meta(self) -> None:
        """Keep the clock and the knobs across a restart."""
        offset, knobs = self.clock.offset, self.knobs.as_json()
        self.store.mark("meta", "clock", lambda: json.dumps(offset))
        self.store.mark("meta", "knobs", lambda: json.dumps(knobs))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work in the background and store what it changed."""

        async def run() -> None:
            await work
            self.store.flush()

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def reset(self) -> None:
        """Forget everything: accounts, tokens, posts, media, faults; knobs and clock go back to their defaults."""
        for task in self._tasks:
            task.cancel()
        self.state.wipe()
        shutil.rmtree(self.library.folder, ignore_errors=True)
        self.library.folder.mkdir(parents=True)
        self.library.clear()
        self.clock.offset = 0.0
        self.knobs.change(Knobs().as_json())
        self.faults.pending.clear()
        self.faults.calls.clear()
        self.windows.clear()
        self.usage.clear()
        self.claude.clear()

    async def close(self) -> None:
        """Stop background work, store everything and close."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.library.close()
        self.store.close()

    def processing_seconds(self, *, video: bool) -> float:
        """How long the platform works on a medium after it has it."""
        knobs = self.knobs
        return knobs.processing_seconds if video else min(knobs.image_processing_seconds, knobs.processing_seconds)

    def followers(self, persona: Persona) -> int:
        """How many follow an account now."""
        return followers_at(persona.key, persona.followers, self.clock.now() - persona.created_at)

    def totals(self, post: Post, persona: Persona) -> Totals:
        """Return the counters of a post now."""
        return totals(post.key, persona.followers, self.clock.now() - post.published_at)
