"""`postpilot tour`: from a catalogue of a thousand products to four weeks of posts, on the sandbox."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.client import Api
from app.cli.plan import grant
from app.settings import PROJECT_ROOT, get_settings

CATALOGUE = PROJECT_ROOT / "samples" / "products-1000.csv"
PLATFORMS = ("instagram", "facebook", "tiktok")
BRANCHES = ("tour_north", "tour_south", "tour_east", "tour_west")
"""Accounts on each platform: a thousand products in four weeks are more than one account should post."""
HOURS = range(8, 20)
DAILY_MAX = 10
SPACING_MINUTES = 60
TIKTOK = {"privacy_level": "PUBLIC_TO_EVERYONE"}
CHUNK = 100


def tour(
    csv: Annotated[Path, typer.Option(help="A catalogue as CSV.", exists=True, dir_okay=False)] = CATALOGUE,
    weeks: Annotated[int, typer.Option(min=1, max=12, help="Over how many weeks posts are spread.")] = 4,
) -> None:
    """Import a catalogue, write captions for three platforms, approve them all, and fill the calendar."""
    settings = get_settings()
    api = Api(settings)
    api.sign_in(settings.demo_email, settings.demo_password.get_secret_value())
    asyncio.run(grant(settings.demo_email, "enterprise"))
    began = time.monotonic()
    with _step("Accounts"):
        accounts = [_account(api, platform, name) for platform in PLATFORMS for name in BRANCHES]
        typer.echo(f"{len(accounts)} on the sandbox, each with up to {DAILY_MAX} posts a day from 8 to 20 o'clock")
    with _step("Products"):
        report = api.upload("/products/import", csv, "text/csv")
        typer.echo(
            f"{report['rows']} rows: {report['created']} new, {report['updated']} changed, "
            f"{report['unchanged']} as before, {len(report['problems'])} problems"
        )
    with _step("Captions"):
        queued = api.post("/products/queue", {"filter": {}, "platforms": list(PLATFORMS), "generate": True})
        ids = [item["id"] for item in queued["items"]]
        model = _wait_for_captions(api)
        typer.echo(f"{len(ids)} products × {len(PLATFORMS)} platforms, written by: {model}")
    with _step("Posts"):
        until = datetime.now(UTC) + timedelta(weeks=weeks)
        results = [one for part in _chunks(ids) for one in _approve(api, part, accounts, until)]
        refused = Counter(result["error"]["code"] for result in results if not result["ok"])
        posts = sum(len(result["post_ids"]) for result in results)
        typer.echo(f"{posts} scheduled from {len(ids) - sum(refused.values())} products" + _tail(refused))
    typer.echo(f"\n{time.monotonic() - began:.1f} s in all. The calendar now:\n")
    _show_calendar(api, weeks)


@contextmanager
def _step(name: str) -> Iterator[None]:
    began = time.monotonic()
    typer.echo(f"  {name:<10} ", nl=False)
    yield
    typer.echo(f"  {'':<10} {time.monotonic() - began:.1f} s")


def _account(api: Api, platform: str, name: str) -> str:
    known = [one for one in api.get("/accounts") if (one["platform"], one["account_name"]) == (platform, name)]
    account = known[0] if known else api.post("/accounts", {"platform": platform, "account_name": name})
    slots = [{"weekday": day, "time": f"{hour:02d}:00"} for day in range(7) for hour in HOURS]
    schedule = {"slots": slots, "daily_max": DAILY_MAX, "min_spacing_minutes": SPACING_MINUTES}
    api.put(f"/accounts/{account['id']}/schedule", schedule)
    return str(account["id"])


def _wait_for_captions(api: Api) -> str:
    while api.get("/queue", is_generating=True, per_page=1)["total"]:
        time.sleep(0.3)
    newest = api.get("/queue", status="generated", per_page=1)["items"]
    models = {caption["model"] for item in newest for caption in item["captions"].values()}
    return ", ".join(sorted(models)) or "nobody"


def _approve(api: Api, ids: list[str], accounts: list[str], until: datetime) -> list[dict[str, Any]]:
    wanted = {
        "account_ids": accounts,
        "auto_schedule": True,
        "spread": True,
        "schedule_until": until.isoformat(),
        "options": {"tiktok": TIKTOK},
    }
    answer = api.post("/queue/bulk", {"action": "approve", "item_ids": ids, "approve": wanted})
    return list(answer["results"])


def _tail(refused: Counter[str]) -> str:
    return "".join(f", {count} not: {code}" for code, count in refused.items())


def _chunks(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


def _show_calendar(api: Api, weeks: int) -> None:
    today = datetime.now(UTC).date()
    last = today + timedelta(weeks=weeks)
    calendar = api.get("/posts/calendar", start_date=today.isoformat(), end_date=last.isoformat())
    days = calendar["days"]
    for start in range(0, len(days), 7):
        week = days[start : start + 7]
        counts = "  ".join(f"{len(day['posts']):>4}" for day in week)
        typer.echo(f"  {week[0]['date']}  {counts}   {sum(len(day['posts']) for day in week):>5} posts")
    typer.echo(f"\n  {calendar['total_posts']} posts from today to {last}.")
    first = next((post for day in days for post in day["posts"] if post["queue_item_id"]), None)
    if first is not None:
        typer.echo(f"  The next one, on {first['platform']} at {first['scheduled_for']}:\n")
        for line in first["content"].splitlines():
            typer.echo(f"    {line}")
        typer.echo(f"    {' '.join('#' + tag for tag in first['hashtags'])}")
