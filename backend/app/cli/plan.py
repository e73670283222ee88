"""`postpilot plan`: give a user a plan, for whoever runs this installation."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated

import typer

from app.composition import build_container
from app.db.unit_of_work import unit_of_work
from app.domain.plans import PLANS
from app.services.plan_service import PlanService, UnknownUser
from app.settings import get_settings
from app.tasks.celery_app import send


def plan(
    email: Annotated[str, typer.Argument(help="Address of the user.")],
    tier: Annotated[str, typer.Argument(help=f"One of {', '.join(PLANS)}.")],
) -> None:
    """Give a user a plan, free of charge."""
    if tier not in PLANS:
        typer.secho(f"There is no plan '{tier}'. Choose one of {', '.join(PLANS)}.", fg="red", err=True)
        raise typer.Exit(1)
    try:
        asyncio.run(grant(email, tier))
    except UnknownUser as error:
        typer.secho(f"There is no user with the address {email}.", fg="red", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{email} has the plan {PLANS[tier].name}.")


async def grant(email: str, tier: str) -> None:
    """Raises `UnknownUser`."""
    container = build_container(get_settings(), worker="cli", send=send)
    try:
        grace = timedelta(hours=container.settings.late_post_grace_hours)
        async with unit_of_work(container.sessions, container.send) as uow:
            await PlanService(uow, container.clock, late_grace=grace).grant(email, tier)
    finally:
        await container.aclose()
