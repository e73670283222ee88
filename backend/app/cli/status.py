"""`postpilot status`: what is due, late, held, failed; and whether everything works."""

from __future__ import annotations

import asyncio
from typing import Any

import typer
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.composition import Container, build_container
from app.db.unit_of_work import unit_of_work
from app.settings import get_settings
from app.tasks.celery_app import send

_NUMBERS = text("""
SELECT
    count(*) FILTER (WHERE p.due_at <= clock_timestamp() AND lane.lease_until > clock_timestamp()) AS in_hand,
    count(*) FILTER (WHERE p.due_at <= clock_timestamp()
                     AND (lane.lease_until IS NULL OR lane.lease_until <= clock_timestamp())) AS due,
    count(*) FILTER (WHERE p.due_at < clock_timestamp() - interval '2 minutes') AS late,
    count(*) FILTER (WHERE p.started_at IS NOT NULL AND p.due_at > clock_timestamp()) AS waiting,
    count(*) FILTER (WHERE p.started_at IS NULL AND p.due_at > clock_timestamp()) AS scheduled,
    min(p.due_at) FILTER (WHERE p.due_at > clock_timestamp()) AS next_at
FROM publications p LEFT JOIN publishing_lanes lane ON lane.account_id = p.account_id
WHERE p.finished_at IS NULL
""")

_TROUBLED = text("""
SELECT status, platform, error_code, count(*) AS posts, max(error_message) AS sentence
FROM posts WHERE status IN ('on_hold', 'failed') GROUP BY 1, 2, 3 ORDER BY 1, 4 DESC LIMIT 20
""")


def status() -> None:
    """Show what is due, late, on hold and failed, and whether every part does its work."""
    raise typer.Exit(asyncio.run(_status()))


async def _status() -> int:
    container = build_container(get_settings(), worker="cli", send=send)
    try:
        healthy = await _show_health(container)
        async with unit_of_work(container.sessions) as uow:
            numbers = (await uow.session.execute(_NUMBERS)).one()
            troubled = (await uow.session.execute(_TROUBLED)).all()
    except (SQLAlchemyError, OSError):
        typer.secho("The database does not answer. Start PostPilot: make start", fg="red", err=True)
        return 1
    finally:
        await container.aclose()
    _show_numbers(numbers)
    for row in troubled:
        typer.secho(f"  {row.status:<10} {row.posts:>6}  {row.platform:<10} {row.error_code or ''}", fg="yellow")
        typer.echo(f"                     {row.sentence or ''}")
    return 0 if healthy else 1


async def _show_health(container: Container) -> bool:
    checks = await container.health.check()
    for check in checks:
        typer.secho(f"  {'ok' if check.ok else 'NO':<4}", fg="green" if check.ok else "red", nl=False)
        typer.echo(f"{check.name:<12} {check.detail}")
    typer.echo("")
    return all(check.ok for check in checks)


def _show_numbers(numbers: Any) -> None:
    for name, value, meaning in (
        ("scheduled", numbers.scheduled, f"next at {numbers.next_at:%Y-%m-%d %H:%M:%S %Z}" if numbers.next_at else ""),
        ("in hand", numbers.in_hand, "a worker is on them"),
        ("waiting", numbers.waiting, "begun; the platform processes them, or they are tried again later"),
        ("due", numbers.due, "will be taken up at once"),
        ("late", numbers.late, "overdue by more than two minutes"),
    ):
        typer.echo(f"  {name:<10} {value:>6}  {meaning if value else ''}")
