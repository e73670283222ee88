"""Holds what followers see against what owners are told, post by post."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from benchmarks.people import Planned, database
from benchmarks.variety import ON_PLATFORM, WITHOUT_TEXT
from deploy.scratch import Scratch

ASKED = "outcome_unknown"
"""The owner is told that the platform cannot tell, and to look."""
COLUMNS = ("planned", "out_once", "out_twice", "missing", "told_unknown", "told_unknown_and_out", "told_failed")
TROUBLES = (
    "out_twice",
    "posted_but_not_seen",
    "seen_but_not_posted",
    "out_without_a_post",
    "wrong_kind",
    "stuck",
    "comments_twice",
    "comments_posted_but_not_seen",
    "comments_not_posted_but_seen",
    "comments_stuck",
    "called_missing_but_out",
)
"""What must not be: each is a list of posts."""


@dataclass
class Told:
    """One post: what was planned, what its owner is told, and what the platform shows."""

    id: UUID
    planned: Planned
    status: str
    error_code: str | None
    comment: str | None
    live: str | None
    sources: set[str] = field(default_factory=set)
    shown: list[dict[str, Any]] = field(default_factory=list)

    @property
    def platform(self) -> str:
        return self.planned.account.platform

    @property
    def is_asked(self) -> bool:
        return self.status == "failed" and self.error_code == ASKED


async def tally(scratch: Scratch, control: httpx.AsyncClient, ids: Sequence[UUID], plan: Sequence[Planned]) -> Any:
    """Return numbers for every post type, and for each trouble the posts that have it."""
    posts = await _told(scratch, ids, plan)
    items = await _items(control, plan)
    leftover = _assign(posts, items)
    troubles: dict[str, list[UUID]] = {name: [] for name in TROUBLES}
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for post in posts:
        row = table[f"{post.platform} {post.planned.post_type}"]
        row.update(dict.fromkeys(COLUMNS, 0))
        for name in _columns(post):
            row[name] += 1
        for name in _troubles(post):
            troubles[name].append(post.id)
    comments = await _comments(control, posts, troubles)
    others = Counter(
        f"{post.platform} {post.planned.post_type}: {post.status} {post.error_code}"
        for post in posts
        if post.status != "posted" and not post.is_asked
    )
    numbers = {name: len(troubled) for name, troubled in troubles.items()}
    odd = [post.id for post in posts if post.status != "posted" or post.comment in ("failed", "unknown")]
    return {
        "by_type": {name: {column: row[column] for column in COLUMNS} for name, row in sorted(table.items())},
        "all_types": {column: sum(row[column] for row in table.values()) for column in COLUMNS},
        "told_something_else": dict(others),
        "live_status": dict(Counter(str(post.live) for post in posts if post.status == "posted")),
        "comments": comments,
        **numbers,
        "out_without_a_post": len(leftover),
    }, {
        "posts": [post for name in troubles for post in troubles[name]] + odd,
        "by_trouble": {name: [str(post) for post in troubled] for name, troubled in troubles.items() if troubled},
        "leftover": leftover,
    }


def _columns(post: Told) -> list[str]:
    """Return the columns of the table that a post counts in."""
    found = ["planned"]
    if post.shown:
        found.append("out_once" if len(post.shown) == 1 else "out_twice")
    elif post.status == "posted":
        found.append("missing")
    if post.is_asked:
        found += ["told_unknown", *(["told_unknown_and_out"] if post.shown else [])]
    elif post.status != "posted":
        found.append("told_failed")
    return found


def _troubles(post: Told) -> list[str]:
    found = []
    kind = ON_PLATFORM.get(post.planned.post_type, post.planned.post_type)
    if len(post.shown) > 1:
        found.append("out_twice")
    if post.status == "posted" and not post.shown:
        found.append("posted_but_not_seen")
    if post.status not in ("posted", "scheduled", "publishing") and post.shown and not post.is_asked:
        found.append("seen_but_not_posted")
    if post.status in ("scheduled", "publishing"):
        found.append("stuck")
    if any(item["kind"] != kind for item in post.shown):
        found.append("wrong_kind")
    if post.live == "missing" and post.shown:
        found.append("called_missing_but_out")
    return found


async def _told(scratch: Scratch, ids: Sequence[UUID], plan: Sequence[Planned]) -> list[Told]:
    connection = await database(scratch)
    rows = await connection.fetch(
        """SELECT p.id, p.status, p.error_code, p.first_comment_status, p.live_status, array_agg(r.progress) AS runs
           FROM posts p JOIN publications r ON r.post_id = p.id WHERE p.id = ANY($1) GROUP BY p.id""",
        list(ids),
    )
    await connection.close()
    by_id = {row["id"]: row for row in rows}
    return [
        Told(
            post,
            planned,
            by_id[post]["status"],
            by_id[post]["error_code"],
            by_id[post]["first_comment_status"],
            by_id[post]["live_status"],
            set().union(*(_sources(json.loads(run)) for run in by_id[post]["runs"])),
        )
        for post, planned in zip(ids, plan, strict=True)
    ]


def _sources(progress: dict[str, Any]) -> set[str]:
    """Return the platform's ids of what a publication staged or began."""
    data = progress.get("data") or {}
    names = ("container", "video_id", "photo_id", "publish_id")
    return {str(data[name]) for name in names if data.get(name)} | set((data.get("photos") or {}).values())


async def _items(control: httpx.AsyncClient, plan: Sequence[Planned]) -> list[dict[str, Any]]:
    answer = await control.get("/_sandbox/published", params={"limit": 1_000_000})
    answer.raise_for_status()
    accounts = {(planned.account.platform, planned.account.external) for planned in plan}
    return [item for item in answer.json()["items"] if (item["platform"], item["account_id"]) in accounts]


def _assign(posts: list[Told], items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give every post what is shown of it, and return what belongs to no post: one that is out twice, say."""
    by_text = {
        (post.platform, post.planned.account.external, post.planned.text): post
        for post in posts
        if post.planned.post_type not in WITHOUT_TEXT
    }
    by_source = {
        (post.platform, post.planned.account.external, source): post
        for post in posts
        if post.planned.post_type in WITHOUT_TEXT
        for source in post.sources
    }
    leftover = []
    for item in items:
        place = item["platform"], item["account_id"]
        text = item["text"].strip()
        post = by_text.get((*place, text)) if text else by_source.get((*place, item["source_id"]))
        if post is None:
            leftover.append(item)
        else:
            post.shown.append(item)
    return leftover


async def _comments(
    control: httpx.AsyncClient, posts: list[Told], troubles: dict[str, list[UUID]]
) -> dict[str, int | dict[str, int]]:
    """Count the first comments under the posts themselves."""
    numbers: Counter[str] = Counter()
    told: Counter[str] = Counter()
    for post in posts:
        text = post.planned.options.get("first_comment")
        if not text:
            continue
        numbers["wanted"] += 1
        seen = 0
        for item in post.shown:
            answer = await control.get("/_sandbox/comments", params={"platform": post.platform, "post_id": item["id"]})
            answer.raise_for_status()
            seen += sum(1 for comment in answer.json()["items"] if comment["text"].strip() == text)
        told[str(post.comment) if post.status == "posted" else f"post {post.status}"] += 1
        numbers["written_once"] += seen == 1
        numbers["written_twice"] += seen > 1
        numbers["not_written"] += seen == 0
        if seen > 1:
            troubles["comments_twice"].append(post.id)
        if post.comment == "posted" and not seen:
            troubles["comments_posted_but_not_seen"].append(post.id)
        if post.comment == "failed" and seen:
            troubles["comments_not_posted_but_seen"].append(post.id)
        if post.status == "posted" and post.comment not in ("posted", "failed", "unknown"):
            troubles["comments_stuck"].append(post.id)
    return {
        **{name: numbers[name] for name in ("wanted", "written_once", "written_twice", "not_written")},
        "told": dict(told),
    }


async def journal(scratch: Scratch, posts: Sequence[UUID]) -> dict[str, Any]:
    """Return everything that is known about some posts: for whoever has to find out what happened."""
    connection = await database(scratch)
    known = {}
    for post in posts:
        known[str(post)] = {
            "post": await connection.fetchrow("SELECT * FROM posts WHERE id = $1", post),
            "runs": await connection.fetch("SELECT * FROM publications WHERE post_id = $1 ORDER BY run", post),
            "follow_ups": await connection.fetch("SELECT * FROM follow_ups WHERE post_id = $1", post),
            "attempts": await connection.fetch(
                """SELECT a.started_at, a.step, a.operation, a.outcome, a.status, a.code, a.detail, a.path,
                          a.duration_ms, a.worker
                   FROM publication_attempts a JOIN publications p ON p.id = a.publication_id
                   WHERE p.post_id = $1 ORDER BY a.started_at""",
                post,
            ),
        }
    await connection.close()
    document: dict[str, Any] = json.loads(json.dumps(known, default=lambda value: _plain(value)))
    return document


def _plain(value: Any) -> Any:
    return dict(value) if hasattr(value, "keys") else str(value)


DEFECT = re.compile(r"\b[a-z_]+\.defect\b")
LAST_LINE = re.compile(r"^(?:[\w.]+(?:Error|Exception|Exit|Interrupt))\b.{0,100}", re.MULTILINE)


def defects(log: Path) -> dict[str, int]:
    """Return what the workers reported as defects of their own, and how their tracebacks ended."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    found = Counter(DEFECT.findall(text))
    found.update(line[:100] for line in LAST_LINE.findall(text.replace("\\n", "\n")))
    return dict(found.most_common(20))
