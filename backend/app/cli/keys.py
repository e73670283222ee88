"""`postpilot keys`: the encryption of accounts' tokens and of shops' keys."""

from __future__ import annotations

import asyncio
import base64
import secrets

import typer

from app.composition import build_container
from app.services.key_rotation import KeyRotation, Rotated
from app.settings import get_settings
from app.tasks.celery_app import send

app = typer.Typer(help="Keys that encrypt the tokens of connected accounts.", no_args_is_help=True)


@app.command("new")
def new() -> None:
    """Print a value for TOKEN_ENCRYPTION_KEYS with a new key after the present ones.

    Nothing stands still while keys change: set the value and restart every process, so that each knows the new key.
    Then move the new key to the front (`keys promote` prints that value) and restart again: from then on it encrypts.
    Then `keys rotate`. Now the old key can go.
    """
    present = get_settings().token_encryption_keys.get_secret_value()
    versions = [int(part.partition(":")[0].lstrip("v") or 0) for part in present.split(",") if part]
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    typer.echo(f"TOKEN_ENCRYPTION_KEYS={present},v{max(versions, default=0) + 1}:{key}".replace("=,", "="))


@app.command("promote")
def promote() -> None:
    """Print a value for TOKEN_ENCRYPTION_KEYS with the last key moved to the front: it encrypts from then on."""
    present = [part for part in get_settings().token_encryption_keys.get_secret_value().split(",") if part]
    typer.echo("TOKEN_ENCRYPTION_KEYS=" + ",".join([*present[-1:], *present[:-1]]))


@app.command("rotate")
def rotate() -> None:
    """Encrypt every stored secret with the first key of TOKEN_ENCRYPTION_KEYS. Old keys can be removed afterwards."""
    done = asyncio.run(_rotate())
    for table, count in done.changed.items():
        typer.echo(f"  {table}: {count} encrypted anew")
    if done.unreadable:
        typer.secho(f"  {done.unreadable} secrets open with none of the keys; the log names them.", fg="red", err=True)
        raise typer.Exit(1)


async def _rotate() -> Rotated:
    container = build_container(get_settings(), worker="cli", send=send)
    try:
        return await KeyRotation(container.sessions, container.keyring).run()
    finally:
        await container.aclose()
