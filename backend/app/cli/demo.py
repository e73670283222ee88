"""`postpilot demo`: the whole product in a minute, on the sandbox."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import typer

from app.cli.client import Api
from app.cli.plan import grant
from app.settings import get_settings
from app.storage.own import SAMPLES_PATH

PLATFORMS = ("instagram", "facebook", "tiktok")
DONE = ("posted", "failed", "on_hold")
TEXT = "Fresh from the roaster this morning. Come by and smell it before it is gone."
TAGS = ["coffee", "cornercafe", "freshlyroasted"]


def demo(
    wait: int = typer.Option(120, help="Longest time to wait for posts and for their first numbers, in seconds."),
    delay: int = typer.Option(3, min=1, help="Seconds from now for which the posts are scheduled."),
) -> None:
    """Connect three accounts on the sandbox, schedule a post for each, and show what came of it."""
    settings = get_settings()
    api = Api(settings)
    api.sign_in(settings.demo_email, settings.demo_password.get_secret_value())
    asyncio.run(grant(settings.demo_email, "enterprise"))
    accounts = {platform: _connect(api, platform) for platform in PLATFORMS}
    at = datetime.now(UTC) + timedelta(seconds=delay)
    posts = [api.post("/posts", _draft(accounts[p], p, at, settings.public_base)) for p in PLATFORMS]
    typer.echo(f"\nScheduled three posts for {at.astimezone():%H:%M:%S}. Waiting until they are out …\n")
    posts = _wait_until_out(api, posts, deadline=time.monotonic() + wait)
    for post in posts:
        _show(post)
    out = [post for post in posts if post["status"] == "posted"]
    _show_numbers(api, out, deadline=time.monotonic() + wait)
    typer.echo("\nThe feeds, as followers see them:")
    for platform in PLATFORMS:
        account = accounts[platform]
        typer.echo(f"  {settings.sandbox_base}/feed/{platform}/{account['account_id_external']}")
    if len(out) < len(posts):
        raise typer.Exit(1)


def _connect(api: Api, platform: str) -> dict[str, Any]:
    name = "corner_cafe"
    for account in api.get("/accounts"):
        if account["platform"] == platform and account["account_name"] == name and account["is_connected"]:
            typer.echo(f"  {platform:<10} already connected as {name}")
            return dict(account)
    account = api.post("/accounts", {"platform": platform, "account_name": name})
    typer.echo(f"  {platform:<10} connected as {name}, through the sandbox's consent page and token exchange")
    return dict(account)


def _draft(account: dict[str, Any], platform: str, at: datetime, public_base: str) -> dict[str, Any]:
    picture = f"{public_base}{SAMPLES_PATH}coffee.jpg"
    video = f"{public_base}{SAMPLES_PATH}coffee.mp4"
    body: dict[str, Any] = {
        "account_id": account["id"],
        "platform": platform,
        "content": f"{TEXT} ({at:%d %b, %H:%M:%S} UTC)",
        "hashtags": TAGS,
        "media_urls": [video if platform == "tiktok" else picture],
        "scheduled_for": at.isoformat(),
    }
    if platform == "tiktok":
        body["options"] = {"privacy_level": "PUBLIC_TO_EVERYONE"}
    return body


def _wait_until_out(api: Api, posts: list[dict[str, Any]], *, deadline: float) -> list[dict[str, Any]]:
    while True:
        posts = [dict(api.get(f"/posts/{post['id']}")) for post in posts]
        if all(post["status"] in DONE for post in posts) or time.monotonic() > deadline:
            return posts
        time.sleep(0.5)


def _show(post: dict[str, Any]) -> None:
    colours = {"posted": "green", "failed": "red", "on_hold": "yellow"}
    typer.secho(f"  {post['platform']:<10} {post['status']:<10}", fg=colours.get(post["status"]), nl=False)
    if post["status"] == "posted":
        late = datetime.fromisoformat(post["posted_at"]) - datetime.fromisoformat(post["scheduled_for"])
        typer.echo(f" {late.total_seconds():.1f} s after its time   {post['permalink'] or ''}")
    else:
        typer.echo(f" {post['error_message'] or 'not out yet: see `postpilot status`'}")


def _show_numbers(api: Api, posts: list[dict[str, Any]], *, deadline: float) -> None:
    if not posts:
        return
    typer.echo("\nWaiting for the first numbers (half a minute after publishing) …")
    waiting = list(posts)
    while waiting and time.monotonic() < deadline:
        for post in list(waiting):
            numbers = api.find(f"/analytics/posts/{post['id']}")
            if numbers is not None:
                waiting.remove(post)
                shown = [f"{name} {_number(value)}" for name, value in numbers["available"].items()]
                typer.echo(f"  {post['platform']:<10} {'  '.join(shown)}")
        time.sleep(1 if waiting else 0)
    for post in waiting:
        typer.echo(f"  {post['platform']:<10} no numbers yet")


def _number(value: int | None) -> str:
    return "–" if value is None else str(value)
