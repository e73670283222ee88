"""Secrets are generated once, at install, into `DATA_DIR/secrets.env`, which only its owner can read."""

import base64
import os
import secrets as random
from collections.abc import Callable
from pathlib import Path

GENERATORS: dict[str, Callable[[], str]] = {
    "JWT_SECRET_KEY": lambda: random.token_urlsafe(48),
    "TOKEN_ENCRYPTION_KEYS": lambda: "v1:" + base64.urlsafe_b64encode(random.token_bytes(32)).decode(),
    "PLATFORM_API_KEY": lambda: "po_platform_" + random.token_urlsafe(32),
    "PLATFORM_WEBHOOK_SECRET": lambda: random.token_urlsafe(32),
    "META_WEBHOOK_VERIFY_TOKEN": lambda: random.token_urlsafe(24),
    "SANDBOX_APP_SECRET": lambda: random.token_urlsafe(24),
    "POSTGRES_PASSWORD": lambda: random.token_urlsafe(24),
    "DEMO_PASSWORD": lambda: random.token_urlsafe(9),
}


def ensure_secrets(data_dir: Path) -> list[str]:
    """Write the secrets that are missing and return their names; existing ones are never changed."""
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / "secrets.env"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    present = {line.partition("=")[0].strip() for line in text.splitlines()}
    missing = [name for name in GENERATORS if name not in present]
    if missing:
        text += "".join(f"{name}={GENERATORS[name]()}\n" for name in missing)
        fresh = path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(path)
    return missing
