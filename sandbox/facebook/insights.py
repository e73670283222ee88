"""Insights of posts, videos and Pages. Source: Page Insights; Get Page Insights; Pages API changelog."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.clock import graph_time
from sandbox.core import Sandbox
from sandbox.facebook.access import analysed_page
from sandbox.facebook.posts import find_post
from sandbox.growth import Totals, totals
from sandbox.meta import params
from sandbox.meta.errors import missing_object, refuse
from sandbox.records import Persona, Post
from sandbox.wire import Answer, Call, ok

FEW_LIKES = 100
"""A Page with fewer likes has no insights. Source: Page Insights."""
RANGE_SECONDS = 90 * 86_400
"""Longest range of one call, seconds. Source: Page Insights."""

_POST_METRICS = ("post_media_view", "post_total_media_view_unique", "post_clicks", "post_reactions_by_type_total")
_VIDEO_METRICS = (
    "blue_reels_play_count",
    "fb_reels_total_plays",
    "post_video_social_actions",
    "post_video_likes_by_reaction_type",
)
_PAGE_METRICS = (
    "page_media_view",
    "page_total_media_view_unique",
    "page_post_engagements",
    "page_follows",
    "page_daily_follows_unique",
    "page_daily_unfollows_unique",
    "page_views_total",
)
_PERIODS = {"day": 1, "week": 7, "days_28": 28}
_PACIFIC = ZoneInfo("America/Los_Angeles")


async def post_insights(call: Call) -> Answer:
    """`GET /{post}/insights`."""
    owner = analysed_page(call)
    metrics = _metrics(call, _POST_METRICS, {"period": params.choice("lifetime")})
    post = find_post(call, owner)
    return ok({"data": _lifetime(call.sandbox, owner, post, post.id, metrics, "insights")})


async def video_insights(call: Call) -> Answer:
    """`GET /{video}/video_insights`."""
    owner = analysed_page(call)
    metrics = _metrics(call, _VIDEO_METRICS, {"period": params.choice("lifetime")})
    video = call.sandbox.state.videos.get(call.node)
    if video is None or video.account_id != owner.account_id:
        raise missing_object(call.node)
    post = call.sandbox.state.post("facebook", video.post_id)
    data = _lifetime(call.sandbox, owner, post, video.id, metrics, "video_insights") if post else []
    return ok({"data": data})


async def page_insights(call: Call) -> Answer:
    """`GET /{page}/insights`: one value per day, ending at midnight Pacific."""
    owner = analysed_page(call)
    checks: dict[str, params.Check] = {
        "period": params.choice(*_PERIODS),
        "since": params.number,
        "until": params.number,
    }
    metrics = _metrics(call, _PAGE_METRICS, checks)
    now = call.sandbox.clock.now()
    until = float(params.number("until", call.params.get("until", int(now))))
    since = float(params.number("since", call.params.get("since", int(until - 2 * 86_400))))
    if not 0 < until - since <= RANGE_SECONDS:
        raise refuse("(#100) There cannot be more than 90 days between since and until", 100)
    if owner.likes < FEW_LIKES:
        return ok({"data": []})
    periods = [call.params["period"]] if "period" in call.params else list(_PERIODS)
    data = [
        {
            "name": name,
            "period": period,
            "values": [
                {"value": _page_value(call.sandbox, owner, name, end, _PERIODS[period]), "end_time": graph_time(end)}
                for end in _midnights(since, min(until, now))
            ],
            "title": _title(name),
            "description": _title(name),
            "id": f"{owner.account_id}/insights/{name}/{period}",
        }
        for name in metrics
        for period in periods
    ]
    return ok({"data": data})


def _metrics(call: Call, known: tuple[str, ...], checks: dict[str, params.Check]) -> list[str]:
    values = params.read(call.params, {"metric": params.text, **checks})
    if not values.get("metric"):
        raise refuse("(#100) The metric parameter is required", 3001, 1504028)
    names = list(dict.fromkeys(name.strip() for name in values["metric"].split(",")))
    if any(name not in known for name in names):
        raise refuse("(#100) The value must be a valid insights metric", 100)
    return names


def _lifetime(
    sandbox: Sandbox, owner: Persona, post: Post, object_id: str, metrics: list[str], edge: str
) -> list[dict[str, Any]]:
    age = sandbox.clock.now() - post.published_at
    if owner.likes < FEW_LIKES or age < max(0.0, sandbox.knobs.insights_delay_seconds):
        return []
    counts = sandbox.totals(post, owner)
    return [
        {
            "name": name,
            "period": "lifetime",
            "values": [{"value": _post_value(name, counts)}],
            "title": _title(name),
            "description": _title(name),
            "id": f"{object_id}/{edge}/{name}/lifetime",
        }
        for name in metrics
    ]


def _post_value(name: str, counts: Totals) -> int | dict[str, int]:
    love = counts.likes // 12
    match name:
        case "post_total_media_view_unique":
            return counts.reach
        case "post_clicks":
            return counts.clicks
        case "post_reactions_by_type_total" | "post_video_likes_by_reaction_type":
            parts = {"like": counts.likes - love, "love": love}
            return {kind: count for kind, count in parts.items() if count}
        case "post_video_social_actions":
            return {"COMMENT": counts.comments, "SHARE": counts.shares}
    return counts.views


def _page_value(sandbox: Sandbox, owner: Persona, name: str, end: float, days: int) -> int:
    start = end - days * 86_400
    if name == "page_follows":
        return sandbox.followers(owner)
    if name == "page_daily_follows_unique":
        return int(owner.followers * 0.002 * days)
    if name == "page_daily_unfollows_unique":
        return int(owner.followers * 0.0004 * days)
    result = 0
    for post in sandbox.state.timeline("facebook", owner.account_id):
        if post.published_at > end or (name == "page_post_engagements" and post.kind == "reel"):
            continue
        before, after = (totals(post.key, owner.followers, at - post.published_at) for at in (start, end))
        result += _engagement(name, after) - _engagement(name, before)
    return result


def _engagement(name: str, counts: Totals) -> int:
    match name:
        case "page_total_media_view_unique":
            return counts.reach
        case "page_post_engagements":
            return counts.likes + counts.comments + counts.shares + counts.clicks
        case "page_views_total":
            return counts.profile_visits
    return counts.views


def _midnights(since: float, until: float) -> list[float]:
    day = datetime.fromtimestamp(since, UTC).astimezone(_PACIFIC).date() + timedelta(days=1)
    ends: list[float] = []
    while True:
        end = datetime(day.year, day.month, day.day, tzinfo=_PACIFIC).timestamp()
        if end > until + 86_400:
            return ends
        ends.append(end)
        day += timedelta(days=1)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()
