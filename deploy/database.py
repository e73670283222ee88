"""Create the database when it is missing and bring it to the newest revision."""

import asyncio
import time

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url

from app.settings import PROJECT_ROOT, Settings, get_settings


def alembic_config() -> Config:
    return Config(str(PROJECT_ROOT / "backend" / "alembic.ini"))


def wait_for_database(settings: Settings, *, seconds: float) -> None:
    """Return once the server answers; raises `TimeoutError` with its last word after `seconds`."""
    asyncio.run(_wait(settings, seconds))


async def _wait(settings: Settings, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    url = make_url(settings.database_dsn)
    while True:
        try:
            await _ensure_database(url.database or "postpilot", url)
        except (OSError, asyncpg.CannotConnectNowError, TimeoutError) as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"The database at {url.host}:{url.port} does not answer: {error}") from error
            await asyncio.sleep(0.1)
        else:
            return


async def _ensure_database(name: str, url) -> None:  # type: ignore[no-untyped-def]
    address = {"host": url.host, "port": url.port, "user": url.username, "password": url.password, "timeout": 3}
    try:
        connection = await asyncpg.connect(database=name, **address)
    except asyncpg.InvalidCatalogNameError:
        connection = await asyncpg.connect(database="postgres", **address)
        await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()


def migrate() -> None:
    """Upgrade to the newest revision. Safe to repeat."""
    command.upgrade(alembic_config(), "head")


def main() -> None:
    settings = get_settings()
    wait_for_database(settings, seconds=30)
    migrate()


if __name__ == "__main__":
    main()
