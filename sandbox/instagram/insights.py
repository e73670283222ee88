"""Profile and insights. Source: IG User; IG Media Insights; IG User Insights; Changelog (to 2026-06-22)."""

from __future__ import annotations

from typing import Any

from sandbox.clock import graph_time
from sandbox.core import Sandbox
from sandbox.growth import Totals, totals
from sandbox.instagram.access import BASIC, INSIGHTS, account_of, persona_of
from sandbox.instagram.publishing import find
from sandbox.meta import params
from sandbox.meta.errors import bad_parameter, refuse
from sandbox.meta.fields import ABSENT, Field, parse, render
from sandbox.records import Persona
from sandbox.wire import Answer, Call, ok

_USER_FIELDS = frozenset(
    {
        "account_type",
        "biography",
        "followers_count",
        "follows_count",
        "id",
        "media_count",
        "name",
        "profile_picture_url",
        "user_id",
        "username",
        "website",
    }
)
_SHARED = ("views", "reach", "likes", "comments", "shares", "saved", "total_interactions", "reposts")
_FEED_METRICS = (*_SHARED, "follows", "profile_visits", "profile_activity")
_REEL_METRICS = (*_SHARED, "ig_reels_avg_watch_time", "ig_reels_video_view_total_time", "reels_skip_rate")
_STORY_METRICS = ("views", "reach", "shares", "replies", "total_interactions", "follows", "profile_visits", "reposts")
_STORY_VIEWERS = 5
"""Fewer viewers of a story are not told. Source: IG Media Insights."""
_ACCOUNT_METRICS = (
    "reach",
    "views",
    "total_interactions",
    "accounts_engaged",
    "likes",
    "comments",
    "shares",
    "saves",
    "profile_links_taps",
    "follows_and_unfollows",
    "follower_count",
)
_SERIES_METRICS = ("reach", "follower_count")
_FEW_FOLLOWERS = 100
"""Below this many followers some account metrics are missing. Source: IG User Insights."""
_DAY = 86_400


async def me(call: Call) -> Answer:
    """`GET /me` and `GET /{ig}`."""
    account_id = account_of(call)
    params.read(call.params, {})
    sandbox = call.sandbox
    persona = persona_of(sandbox, account_id)

    def value(field: Field) -> Any:
        match field.name:
            case "user_id":
                return persona.account_id
            case "username":
                return persona.username
            case "name":
                return persona.name
            case "account_type":
                return "Business"
            case "followers_count":
                return sandbox.followers(persona)
            case "follows_count":
                return 40
            case "media_count":
                return len(sandbox.state.timeline("instagram", persona.account_id))
            case "profile_picture_url":
                return f"{call.base_url}/avatar/instagram/{persona.account_id}.svg"
            case "biography" | "website":
                return ABSENT
        return persona.user_id if call.node == "me" else persona.account_id

    node = render(parse(call.params.get("fields") or "id"), "IGUser", _USER_FIELDS, value)
    node.setdefault("id", persona.user_id if call.node == "me" else persona.account_id)
    if sandbox.knobs.envelope == "data" and call.node == "me":
        return ok({"data": [node]})
    return ok(node)


async def media_insights(call: Call) -> Answer:
    """`GET /{media}/insights`: one metric that does not fit fails the whole call."""
    account_id = account_of(call, BASIC, INSIGHTS)
    values = params.read(call.params, {"metric": params.text, "period": params.text}, ("metric",))
    sandbox = call.sandbox
    post = find(call, account_id)
    known = {"reel": _REEL_METRICS, "story": _STORY_METRICS}.get(post.kind, _FEED_METRICS)
    if post.kind == "story" and call.token is not None and call.token.platform == "facebook":
        known = (*known, "link_clicks")
    metrics = _metrics(values["metric"], known)
    if sandbox.clock.now() - post.published_at < sandbox.knobs.insights_delay_seconds:
        return ok({"data": []})
    counts = sandbox.totals(post, persona_of(sandbox, account_id))
    if post.kind == "story" and counts.reach < _STORY_VIEWERS:
        raise refuse("(#10) Not enough viewers for the media to show insights", 10)
    seconds = post.media[0]["duration"]
    data = [
        {
            "name": name,
            "period": "lifetime",
            "values": [{"value": _media_value(name, counts, seconds)}],
            "title": _title(name),
            "description": f"{_title(name)} of this media.",
            "id": f"{post.id}/insights/{name}/lifetime",
        }
        for name in metrics
    ]
    return ok({"data": data})


async def account_insights(call: Call) -> Answer:
    """`GET /{ig}/insights` for whole days; without a range, the last 24 hours."""
    account_id = account_of(call, BASIC, INSIGHTS)
    checks: dict[str, params.Check] = {
        "metric": params.text,
        "period": params.choice("day"),
        "metric_type": params.choice("total_value", "time_series"),
        "since": params.number,
        "until": params.number,
    }
    values = params.read(call.params, checks, ("metric", "period"))
    sandbox = call.sandbox
    now = sandbox.clock.now()
    since, until = values.get("since", now - _DAY), values.get("until", now)
    if until <= since:
        raise bad_parameter("Param until must be later than since")
    metrics = _metrics(values["metric"], _ACCOUNT_METRICS)
    is_series = values.get("metric_type") == "time_series" or metrics == ["follower_count"]
    if is_series and any(name not in _SERIES_METRICS for name in metrics):
        raise bad_parameter("metric_type time_series is supported for reach only")
    persona = persona_of(sandbox, account_id)
    if sandbox.followers(persona) < _FEW_FOLLOWERS:
        metrics = [name for name in metrics if name not in ("follower_count", "follows_and_unfollows")]
    data = []
    for name in metrics:
        item: dict[str, Any] = {
            "name": name,
            "period": "day",
            "title": _title(name),
            "description": f"{_title(name)} per day.",
        }
        if is_series:
            item["values"] = [
                {"value": _account_value(sandbox, persona, name, end - _DAY, end), "end_time": graph_time(end)}
                for end in _ends(since, until)
            ]
        else:
            item["total_value"] = {"value": _account_value(sandbox, persona, name, since, until)}
        data.append({**item, "id": f"{persona.account_id}/insights/{name}/day"})
    return ok({"data": data})


def _ends(since: float, until: float) -> list[float]:
    days = max(1, int((until - since) // _DAY))
    return [since + _DAY * (day + 1) for day in range(min(days, 90))]


def _metrics(text: str, known: tuple[str, ...]) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    for index, name in enumerate(names):
        if name not in known:
            raise bad_parameter(f"metric[{index}] must be one of the following values: {', '.join(known)}")
    return list(dict.fromkeys(names))


def _media_value(name: str, counts: Totals, seconds: float) -> int | float:
    match name:
        case "total_interactions":
            return counts.likes + counts.comments + counts.shares + counts.saved
        case "replies":
            return counts.comments
        case "profile_activity" | "link_clicks":
            return counts.clicks
        case "reposts":
            return counts.shares // 3
        case "ig_reels_avg_watch_time":
            return int(seconds * 600)
        case "ig_reels_video_view_total_time":
            return int(seconds * 600) * counts.views
        case "reels_skip_rate":
            return 31.5 if counts.views else 0
    return int(getattr(counts, name))


def _account_value(sandbox: Sandbox, persona: Persona, name: str, since: float, until: float) -> int:
    if name in ("follower_count", "follows_and_unfollows"):
        return int(persona.followers * 0.002 * (until - since) / _DAY)
    field = {"saves": "saved", "profile_links_taps": "clicks", "accounts_engaged": "likes"}.get(name, name)
    total = 0
    for post in sandbox.state.timeline("instagram", persona.account_id):
        counts = [totals(post.key, persona.followers, at - post.published_at) for at in (since, until)]
        parts = ("likes", "comments", "shares", "saved") if field == "total_interactions" else (field,)
        total += sum(int(getattr(counts[1], part)) - int(getattr(counts[0], part)) for part in parts)
    return total


def _title(name: str) -> str:
    return {"reach": "Accounts reached", "saved": "Saved"}.get(name, name.replace("_", " ").capitalize())
