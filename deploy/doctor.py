"""Say what is wrong with a setup, in plain words, and what to do about it."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from app.composition import modes
from app.domain.vocabulary import AccountMode
from app.kit.crypto import KeyRing, KeyRingError
from app.settings import Settings, get_settings
from app.storage.public_address import find_trouble
from app.storage.remote import parse_networks
from deploy.programs import processes, servers
from deploy.stack import connect, is_taken, probe

LOW_DISK_BYTES = 1_000_000_000
Finding = tuple[bool, str]


def main() -> None:
    try:
        settings = get_settings()
    except ValidationError as error:
        for entry in error.errors():
            name = "_".join(str(part) for part in entry["loc"]).upper()
            print(f"  NO  setting {name}: {entry['msg']} (it is {entry['input']!r})")
        sys.exit(1)
    findings = [*look_at_machine(settings), *look_at_settings(settings), *look_at_processes(settings)]
    for fine, sentence in findings:
        print(f"  {'ok' if fine else 'NO'}  {sentence}")
    if not all(fine for fine, _ in findings):
        sys.exit(1)


def look_at_machine(settings: Settings) -> Iterator[Finding]:
    version = sys.version.split()[0]
    yield sys.version_info >= (3, 11), f"Python {version}"
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.data_dir).free
    enough = free > LOW_DISK_BYTES
    yield enough, f"{free // 10**9} GB free in {settings.data_dir}" + ("" if enough else ": make room, 1 GB is needed")


def look_at_settings(settings: Settings) -> Iterator[Finding]:
    secrets = settings.data_dir / "secrets.env"
    yield (
        secrets.exists(),
        "secrets are generated" if secrets.exists() else "there are no secrets yet. Run: make install",
    )
    try:
        KeyRing.parse(settings.token_encryption_keys.get_secret_value())
    except KeyRingError as error:
        yield False, str(error)
    try:
        parse_networks(settings.media_allowed_networks)
    except ValueError as error:
        yield False, f"MEDIA_ALLOWED_NETWORKS: {error}. Write networks such as 10.0.0.0/8, separated by commas."
    live = {
        "Instagram": (settings.instagram_app_id, settings.instagram_app_secret.get_secret_value()),
        "Facebook": (settings.facebook_app_id, settings.facebook_app_secret.get_secret_value()),
        "TikTok": (settings.tiktok_client_key, settings.tiktok_client_secret.get_secret_value()),
    }
    for name, (identity, secret) in live.items():
        if bool(identity) != bool(secret):
            yield False, f"{name}: id and secret belong together, one of them is missing"
        else:
            yield True, f"{name} is {'live' if identity else 'on the sandbox (no app credentials are set)'}"
    if any(identity for identity, _ in live.values()) and not settings.public_base.startswith("https://"):
        yield False, f"PUBLIC_URL is {settings.public_base}: platforms fetch media only from a public https address"
    key, secret = settings.stripe_secret_key.get_secret_value(), settings.stripe_webhook_secret.get_secret_value()
    if key and not secret:
        yield False, "STRIPE_SECRET_KEY is set, STRIPE_WEBHOOK_SECRET is not. Run: ./postpilot billing-setup"
    elif key:
        yield True, "plans are paid for through Stripe"
    else:
        in_production = settings.environment == "production"
        note = "anybody may take any plan, unpaid. Set STRIPE_SECRET_KEY." if in_production else "no Stripe key is set"
        yield not in_production, f"plans are in test mode: {note}"
    if settings.environment == "production" and not settings.smtp_host:
        yield False, "SMTP_HOST is not set: mail goes to the sandbox's mailbox, and nobody gets it"
    kept = f"the bucket {settings.s3_bucket}" if settings.media_store == "s3" else "the data folder"
    yield True, f"uploaded files are kept in {kept}"


def look_at_processes(settings: Settings) -> Iterator[Finding]:
    control = connect(settings)
    if control is None:
        yield False, "PostPilot is not running. Start it: make start"
        ports = {"API_PORT": settings.api_port, "SANDBOX_PORT": settings.sandbox_port}
        ports["SANDBOX_SMTP_PORT"] = settings.sandbox_smtp_port
        ports |= {} if settings.database_url else {"POSTGRES_PORT": settings.postgres_port}
        ports |= {} if settings.redis_url else {"REDIS_PORT": settings.redis_port}
        for name, port in ports.items():
            if is_taken(port):
                yield False, f"another program uses port {port}: set {name} in .env, or stop that program"
        return
    titles = {program.name: program.title for program in [*servers(settings), *processes(settings)]}
    for info in control.supervisor.getAllProcessInfo():
        title = titles.get(info["group"], info["name"])
        log = settings.data_dir / "logs" / f"{info['group']}.log"
        if info["statename"] == "RUNNING":
            restarts = deaths(settings.data_dir, info["name"])
            note = f"; it died and was restarted {restarts} times, see {log}" if restarts else ""
            yield True, f"{title} runs ({info['description']}){note}"
        else:
            yield False, f"{title} is {info['statename'].lower()}: {info['spawnerr'] or last_line(log)} (log: {log})"
    ready, reason = probe(f"http://127.0.0.1:{settings.api_port}/api/v1/health/ready")
    yield ready, "posts are getting out" if ready else reason
    is_live = AccountMode.live in modes(settings).values()
    trouble = asyncio.run(find_trouble(settings.public_base, is_live=is_live))
    yield trouble is None, trouble or f"files can be fetched from {settings.public_base}"
    sandbox, reason = probe(f"{settings.sandbox_base}/_sandbox/health")
    yield sandbox, "the sandbox answers" if sandbox else reason


def deaths(data_dir: Path, name: str) -> int:
    """Return how often the supervisor saw a child die without being told to."""
    log = data_dir / "logs" / "supervisord.log"
    if not log.exists():
        return 0
    return len(
        re.findall(rf"exited: {re.escape(name)} .*not expected", log.read_text(encoding="utf-8", errors="replace"))
    )


def last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1][:300] if lines else "its log is empty"


if __name__ == "__main__":
    main()
