"""The `postpilot` command line."""

from __future__ import annotations

import typer

from app.cli import billing, demo, keys, plan, status, tour

app = typer.Typer(
    help="Social media automation for small shops. Every command talks to a running PostPilot (`make start`).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.command("demo")(demo.demo)
app.command("tour")(tour.tour)
app.command("plan")(plan.plan)
app.command("billing-setup")(billing.billing_setup)
app.command("status")(status.status)
app.add_typer(keys.app, name="keys")
