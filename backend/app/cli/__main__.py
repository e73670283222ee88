"""`python -m app.cli`, and the `postpilot` command."""

from app.cli.app import app

app(prog_name="postpilot")
