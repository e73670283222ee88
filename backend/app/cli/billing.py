"""`postpilot billing-setup`: make in the Stripe account what selling plans needs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from app.composition import build_payments
from app.payments.base import Misconfigured, PaymentError
from app.payments.stripe_setup import SetUp, StripeSetup
from app.settings import Settings, get_settings

SECRET = "STRIPE_WEBHOOK_SECRET"  # noqa: S105 - its name
STRIPES_OWN = "https://api.stripe.com"
LOCAL = ("localhost", "127.0.0.1", "::1")


def billing_setup(
    webhook_url: Annotated[
        str, typer.Option(help="Where Stripe reaches this installation; PUBLIC_URL says it by default.")
    ] = "",
) -> None:
    """Make products, prices, portal and webhook endpoint in the Stripe account. Run again, it changes what differs."""
    settings = get_settings()
    url = webhook_url or webhook_address(settings)
    try:
        done = asyncio.run(set_up(settings, url))
    except PaymentError as error:
        what = (
            "The key is not accepted. Look at STRIPE_SECRET_KEY." if isinstance(error, Misconfigured) else error.detail
        )
        typer.secho(f"Stripe does not do it: {what}", fg="red", err=True)
        raise typer.Exit(1) from error
    if done is None:
        typer.secho("STRIPE_SECRET_KEY is not set: put it into .env first.", fg="red", err=True)
        raise typer.Exit(1)
    for line in done.done:
        typer.echo(f"  made: {line}")
    typer.echo("Everything is there." if not done.done else "Done.")
    if done.webhook_secret is not None:
        path = keep_secret(settings.data_dir, done.webhook_secret)
        typer.echo(f"The webhook secret is in {path}. Restart PostPilot, so that it is read: make stop && make start")
    if url is None:
        typer.echo(
            "No webhook endpoint was made: Stripe cannot reach this machine. Set PUBLIC_URL to a public https address, "
            f"or forward events with Stripe's own command line and set {SECRET} to what it prints."
        )


def webhook_address(settings: Settings) -> str | None:
    """Return where events are to be sent; `None` where Stripe's own servers could not reach it."""
    is_local = urlsplit(settings.public_base).hostname in LOCAL
    if is_local and settings.stripe_api_base.rstrip("/") == STRIPES_OWN:
        return None
    return f"{settings.public_base}/api/v1/webhooks/stripe"


async def set_up(settings: Settings, webhook_url: str | None) -> SetUp | None:
    """Return what was made; `None` without a key. Raises `PaymentError`."""
    payments = build_payments(settings)
    if payments is None:
        return None
    try:
        return await StripeSetup(payments).run(
            webhook_url=webhook_url,
            return_url=f"{settings.dashboard_base}/billing",
            has_secret=bool(settings.stripe_webhook_secret.get_secret_value()),
        )
    finally:
        await payments.aclose()


def keep_secret(data_dir: Path, secret: str) -> Path:
    """Write the webhook secret where the other secrets are, in the place of an older one."""
    path = data_dir / "secrets.env"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if line.partition("=")[0].strip() != SECRET]
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in [*kept, f"{SECRET}={secret}"]))
    fresh.replace(path)
    return path
