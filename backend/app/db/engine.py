"""The connection pool of one process."""

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

Sessions = async_sessionmaker[AsyncSession]


def make_engine(dsn: str, *, pool_size: int = 10, application_name: str = "postpilot") -> AsyncEngine:
    """Create the engine; connections are made when first needed and checked before use after an outage."""
    return create_async_engine(
        dsn,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=30,
        pool_pre_ping=False,
        pool_recycle=1800,
        hide_parameters=True,  # an error in the log must not quote captions or tokens
        connect_args={
            "timeout": 10,
            "command_timeout": 60,
            "server_settings": {"application_name": application_name, "timezone": "UTC", "jit": "off"},
        },
    )


def make_sessions(engine: AsyncEngine) -> Sessions:
    return async_sessionmaker(engine, expire_on_commit=False)


def make_reading_sessions(engine: AsyncEngine) -> Sessions:
    """Sessions that only read: every statement by itself, without the two round trips of a transaction."""
    return async_sessionmaker(engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False)
