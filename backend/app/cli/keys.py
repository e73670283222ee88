"""`postpilot keys`: the encryption of accounts' tokens and of shops' keys."""

from __future__ import annotations

import asyncio
import base64
import secrets

import typer

from app.composition import build_container
from app.settings import get_settings
from app.tasks.celery_app import send

app = typer.Typer(help="Keys that encrypt the tokens of connected accounts.", no_args_is_help=True)


@app.command("new")
def new() -> None:
    """Print a value for TOKEN_ENCRYPTION_KEYS with a new key in front of the present ones."""
    present = get_settings().token_encryption_keys.get_secret_value()
    versions = [int(part.partition(":")[0].lstrip("v") or 0) for part in present.split(",") if part]
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    typer.echo(f"TOKEN_ENCRYPTION_KEYS=v{max(versions, default=0) + 1}:{key},{present}".rstrip(","))


@app.command("rotate")
def rotate() -> None:
    """Encrypt every stored token with the first key of TOKEN_ENCRYPTION_KEYS. Old keys can be removed afterwards."""
    accounts, stores = asyncio.run(_rotate())
    typer.echo(f"{accounts} accounts and {stores} shops were encrypted anew.")


async def _rotate() -> tuple[int, int]:
    container = build_container(get_settings(), worker="cli", send=send)
    try:
        return await container.tokens.rotate_keys(), await container.store_keys.rotate(container.sessions)
    finally:
        await container.aclose()
