"""State in memory, written through to SQLite before a call is answered, so that a killed process forgets nothing."""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Generic, TypeVar

from sandbox.records import (
    Code,
    Comment,
    Container,
    Grant,
    Mail,
    Person,
    Persona,
    Photo,
    Platform,
    Post,
    Publish,
    StripeThing,
    Token,
    Video,
)

RecordT = TypeVar("RecordT")


class Store:
    """One SQLite table of JSON documents; changed documents are collected and written by `flush`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        # A killed process loses nothing that was written; only a power cut could lose the last pages.
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS documents"
            " (kind TEXT, id TEXT, json TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID"
        )
        self._dirty: dict[tuple[str, str], Callable[[], str] | None] = {}

    def load(self, kind: str) -> Iterator[tuple[str, Any]]:
        """Yield id and decoded document of everything stored under a kind."""
        for key, text in self._db.execute("SELECT id, json FROM documents WHERE kind = ?", (kind,)):
            yield key, json.loads(text)

    def mark(self, kind: str, key: str, dump: Callable[[], str] | None) -> None:
        """Remember that a document changed; `None` deletes it."""
        self._dirty[kind, key] = dump

    def flush(self) -> None:
        """Write every changed document in one transaction."""
        if not self._dirty:
            return
        dirty, self._dirty = self._dirty, {}
        self._db.execute("BEGIN")
        for (kind, key), dump in dirty.items():
            if dump is None:
                self._db.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, key))
            else:
                self._db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (kind, key, dump()))
        self._db.execute("COMMIT")

    def wipe(self) -> None:
        """Delete every document."""
        self._dirty.clear()
        self._db.execute("DELETE FROM documents")

    def close(self) -> None:
        """Write what is left and close the file."""
        self.flush()
        self._db.close()


class Collection(Generic[RecordT]):
    """Records of one kind by key; `put` after every change."""

    def __init__(self, store: Store, kind: str, record: type[RecordT], key: Callable[[RecordT], str]) -> None:
        self._store, self._kind, self._key = store, kind, key
        self._names = [f.name for f in fields(record)]  # type: ignore[arg-type]  # every record is a dataclass
        self._items: dict[str, RecordT] = {k: record(**document) for k, document in store.load(kind)}

    def __iter__(self) -> Iterator[RecordT]:
        return iter(self._items.values())

    def __contains__(self, key: str) -> bool:
        return key in self._items

    def get(self, key: str) -> RecordT | None:
        """Return the record, or None."""
        return self._items.get(key)

    def put(self, record: RecordT) -> None:
        """Add a record, or note that it changed."""
        key = self._key(record)
        self._items[key] = record
        self._store.mark(self._kind, key, lambda: json.dumps({name: getattr(record, name) for name in self._names}))

    def remove(self, key: str) -> None:
        """Forget a record."""
        if self._items.pop(key, None) is not None:
            self._store.mark(self._kind, key, None)


class State:
    """Everything the sandbox remembers."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.reload()

    def reload(self) -> None:
        """Read every collection from the store and build the indexes."""
        store = self.store
        self.personas = Collection(store, "persona", Persona, lambda r: r.key)
        self.people = Collection(store, "person", Person, lambda r: r.id)
        self.grants = Collection(store, "grant", Grant, lambda r: r.id)
        self.codes = Collection(store, "code", Code, lambda r: r.value)
        self.tokens = Collection(store, "token", Token, lambda r: r.value)
        self.containers = Collection(store, "container", Container, lambda r: r.id)
        self.photos = Collection(store, "photo", Photo, lambda r: r.id)
        self.videos = Collection(store, "video", Video, lambda r: r.id)
        self.publishes = Collection(store, "publish", Publish, lambda r: r.id)
        self.posts = Collection(store, "post", Post, lambda r: r.key)
        self.comments = Collection(store, "comment", Comment, lambda r: r.id)
        self.mails = Collection(store, "mail", Mail, lambda r: r.id)
        self.stripe = Collection(store, "stripe", StripeThing, lambda r: r.id)
        self._timelines: dict[str, list[Post]] = {}
        for post in sorted(self.posts, key=lambda p: p.published_at):
            self._timelines.setdefault(f"{post.platform}:{post.account_id}", []).append(post)
        self.by_shortcode = {post.shortcode: post for post in self.posts}
        self.page_tokens = {
            f"{token.parent}:{token.account_id}": token for token in self.tokens if token.kind == "page"
        }
        self.by_session = {video.session_id: video for video in self.videos if video.session_id}
        self.by_upload = {publish.upload_id: publish for publish in self.publishes if publish.upload_id}

    def persona(self, platform: Platform, account_id: str) -> Persona | None:
        """Return the account with this id on a platform."""
        return self.personas.get(f"{platform}:{account_id}")

    def post(self, platform: Platform, post_id: str) -> Post | None:
        """Return a post by the platform's id."""
        return self.posts.get(f"{platform}:{post_id}")

    def add_post(self, post: Post) -> None:
        """Publish a post; `published_at` may lie a little in the future, while the platform processes it."""
        self.posts.put(post)
        self.by_shortcode[post.shortcode] = post
        timeline = self._timelines.setdefault(f"{post.platform}:{post.account_id}", [])
        timeline.insert(bisect_right(timeline, post.published_at, key=lambda p: p.published_at), post)

    def remove_post(self, post: Post) -> None:
        """Take a post down."""
        self.posts.remove(post.key)
        self.by_shortcode.pop(post.shortcode, None)
        self._timelines[f"{post.platform}:{post.account_id}"].remove(post)

    def timeline(self, platform: Platform, account_id: str) -> list[Post]:
        """Return the posts of an account, oldest first, including those about to appear."""
        return self._timelines.get(f"{platform}:{account_id}", [])

    def comments_of(self, post: Post) -> list[Comment]:
        """Return what was written under a post, oldest first."""
        return [comment for comment in self.comments if comment.post_key == post.key]

    def count_since(self, platform: Platform, account_id: str, start: float, kind: str = "") -> int:
        """Return how many posts of an account, of one kind if given, are younger than `start`."""
        count = 0
        for post in reversed(self.timeline(platform, account_id)):
            if post.published_at <= start:
                break
            count += not kind or post.kind == kind
        return count

    def wipe(self) -> None:
        """Forget everything."""
        self.store.wipe()
        self.reload()
