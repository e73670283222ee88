"""Fixtures of the back-end tests: one PostgreSQL for the run, one database per worker, built by the migrations.

`client`, `factory` and `container` work inside one transaction that is rolled back after the test. Tests that need
several connections use `committed` (the same, really committed, emptied afterwards) and `make_worker`.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from app.settings import Settings

for _name in Settings.model_fields:  # no test reads the settings of whoever runs it
    os.environ.pop(_name.upper(), None)
os.environ["DATA_DIR"] = _SCRATCH = tempfile.mkdtemp(prefix="postpilot-tests-data-")

from factories.clock import SteerableClock  # noqa: E402
from factories.databases import create_database, upgrade  # noqa: E402
from factories.keys import KEY_1  # noqa: E402
from factories.make import Factory, MadeUser  # noqa: E402
from factories.servers import (  # noqa: E402
    MediaHost,
    Sandbox,
    SharedPostgres,
    free_port,
    running_app,
    running_sandbox,
    smtp_port_of,
)
from factories.stage import MakeWorker, Stage, impatient  # noqa: E402
from factories.till import KEY, Till, set_up  # noqa: E402
from fastapi import FastAPI  # noqa: E402
from pydantic import SecretStr  # noqa: E402

from app.composition import Container, build_container  # noqa: E402
from app.main import create_app  # noqa: E402

SANDBOX_SECRET = "sandbox-secret"
TABLES = "users, ai_spend, post_count_deltas, heartbeats, billing_events, billing_prices"


# -- one PostgreSQL for the run


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[_FOLDER] = Path(tempfile.mkdtemp(prefix="postpilot-tests-"))


def pytest_configure_node(node: Any) -> None:
    node.workerinput["postgres_folder"] = str(node.config.stash[_FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    if _FOLDER in config.stash:
        SharedPostgres(config.stash[_FOLDER]).stop()
    Path(_SCRATCH).rmdir()


_FOLDER = pytest.StashKey[Path]()


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> str:
    """Return `host:port` of the server that the whole run shares."""
    worker_input = getattr(request.config, "workerinput", None)
    folder = Path(worker_input["postgres_folder"]) if worker_input else request.config.stash[_FOLDER]
    return SharedPostgres(folder).address()


@pytest.fixture(scope="session")
def make_database(postgres: str) -> Callable[[str], str]:
    """Return a function that makes an empty database and returns its address."""

    def make(name: str) -> str:
        return create_database(postgres, name)

    return make


@pytest.fixture(scope="session")
def dsn(make_database: Callable[[str], str], request: pytest.FixtureRequest) -> str:
    """Address of this worker's database, built by the migrations."""
    worker_input = getattr(request.config, "workerinput", {"workerid": "alone"})
    address = make_database(f"tests_{worker_input['workerid']}")
    upgrade(address)
    return address


# -- the parts under test


@pytest.fixture(scope="session")
def settings(dsn: str, sandbox_address: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        environment="test",
        data_dir=tmp_path_factory.mktemp("data"),
        database_url=dsn,
        redis_url="redis://127.0.0.1:1/0",
        public_url=f"http://127.0.0.1:{free_port()}",
        dashboard_url="http://dashboard.test",
        sandbox_url=sandbox_address(),
        sandbox_smtp_port=smtp_port_of(sandbox_address()),
        jwt_secret_key="a secret of the tests, at least 32 bytes long",
        token_encryption_keys=KEY_1,
        sandbox_app_secret=SANDBOX_SECRET,
        platform_api_key="po_platform_of_the_tests",
        platform_webhook_secret="a webhook secret of the tests",
        meta_webhook_verify_token="a verify token of the tests",
        media_allowed_networks="127.0.0.2/32",
        webhook_allowed_networks="127.0.0.3/32",
        visibility_seconds=1,
        publish_lease_seconds=30,
    )


@pytest.fixture(scope="session")
def sandbox_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """Return a function that starts the sandbox when it is first called."""
    with running_sandbox(tmp_path_factory.mktemp("platforms"), SANDBOX_SECRET) as url:
        yield lambda: url


@pytest.fixture
def sandbox(settings: Settings) -> Iterator[Sandbox]:
    """The platform sandbox, emptied."""
    control = Sandbox(settings.sandbox_base)
    control.reset()
    yield control
    control.close()


@pytest.fixture(scope="session")
def app(settings: Settings) -> FastAPI:
    """The application. Its lifespan is not run: tests put a container of theirs into its state."""
    built = create_app(settings)
    _keep_events()
    return built


def _keep_events() -> None:
    """Keep what is logged, at every level, instead of writing it: `create_app` has set up writing."""
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.format_exc_info, _keep],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )


_events: list[dict[str, Any]] = []


def _keep(_logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    _events.append({"log_level": method, **event})
    raise structlog.DropEvent


@pytest.fixture
def logged(app: FastAPI) -> list[dict[str, Any]]:
    """Every event that is logged during the test."""
    _events.clear()
    return _events


@pytest.fixture(scope="session")
def public_api(settings: Settings, app: FastAPI) -> Iterator[str]:
    """The API under its public address, where the sandbox fetches media; on the committed data."""
    served = create_app(settings)
    _keep_events()
    with running_app(served, int(settings.public_base.rpartition(":")[2])) as url:
        yield url


ServeApi = Callable[..., str]


@pytest.fixture
def serve_api(settings: Settings, app: FastAPI) -> Iterator[ServeApi]:
    """Return a function that serves one more API, on the committed data, with some settings of its own."""
    with ExitStack() as stack:

        def serve(port: int, **changes: Any) -> str:
            served = create_app(settings.model_copy(update=changes))
            _keep_events()
            return stack.enter_context(running_app(served, port))

        yield serve


@pytest.fixture
def clock() -> SteerableClock:
    return SteerableClock()


@pytest.fixture
def sent() -> list[str]:
    """Names of the tasks that were sent."""
    return []


@pytest.fixture(scope="session")
async def shared_container(settings: Settings, app: FastAPI) -> AsyncIterator[tuple[Container, SteerableClock, list]]:
    """Making one takes a while, so API tests share it; each gives it its own connection."""
    shared_clock, messages = SteerableClock(), []
    built = build_container(settings, worker="api", send=messages.append, clock=shared_clock)
    yield built, shared_clock, messages
    await built.aclose()


@pytest.fixture
async def container(
    shared_container: tuple[Container, SteerableClock, list[str]], app: FastAPI
) -> AsyncIterator[Container]:
    """The parts of an API process, in one transaction that is rolled back: their commits are savepoints."""
    shared, shared_clock, messages = shared_container
    shared_clock.reset()
    messages.clear()
    await shared.tries.forget_own()
    app.state.container = shared
    async with shared.engine.connect() as connection:
        outer = await connection.begin()
        makers = (shared.sessions, shared.reading)
        before = [dict(maker.kw) for maker in makers]
        for maker in makers:
            maker.configure(bind=connection, join_transaction_mode="create_savepoint")
        try:
            yield shared
        finally:
            for maker, kept in zip(makers, before, strict=True):
                maker.kw = kept
            await outer.rollback()


@pytest.fixture
async def committed(
    shared_container: tuple[Container, SteerableClock, list[str]], app: FastAPI
) -> AsyncIterator[Container]:
    """The parts of an API process on the real pool: what is committed stays until the end of the test."""
    shared, shared_clock, messages = shared_container
    shared_clock.reset()
    messages.clear()
    await shared.tries.forget_own()
    app.state.container = shared
    yield shared
    await Factory(shared).execute(f"TRUNCATE {TABLES} CASCADE")


@pytest.fixture
def api_clock(shared_container: tuple[Container, SteerableClock, list[str]]) -> SteerableClock:
    """The clock of the API; put back after the test."""
    return shared_container[1]


@pytest.fixture
def api_sent(shared_container: tuple[Container, SteerableClock, list[str]]) -> list[str]:
    """Names of the tasks that the API sent."""
    return shared_container[2]


@pytest.fixture
def factory(container: Container) -> Factory:
    return Factory(container)


@pytest.fixture
def rows(committed: Container) -> Factory:
    """The factory on committed data."""
    return Factory(committed)


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test/api/v1")


@pytest.fixture
async def client(container: Container, app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(app) as http:
        yield http


@pytest.fixture
async def real_client(committed: Container, app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API on committed data: several requests may run at once."""
    async with _client(app) as http:
        yield http


@pytest.fixture
async def signed_in(factory: Factory, client: httpx.AsyncClient) -> MadeUser:
    """A user as whom `client` is signed in."""
    user = await factory.user()
    client.headers.update(user.headers)
    return user


@pytest.fixture
async def owner(rows: Factory, real_client: httpx.AsyncClient) -> MadeUser:
    """A user as whom `real_client` is signed in."""
    user = await rows.user()
    real_client.headers.update(user.headers)
    return user


@pytest.fixture(scope="session")
def media_host() -> Iterator[MediaHost]:
    """A shop's media host, on the one local address that media may be fetched from here."""
    host = MediaHost()
    yield host
    host.close()


@pytest.fixture
async def make_worker(committed: Container, settings: Settings, clock: SteerableClock) -> AsyncIterator[MakeWorker]:
    """Return a function that builds the parts of one more worker process; all share one clock."""
    built: list[Container] = []

    def make(name: str = "worker-a", sent: list[str] | None = None, **changes: Any) -> Container:
        send = sent.append if sent is not None else _nowhere
        container = build_container(settings.model_copy(update=changes), worker=name, send=send, clock=clock)
        built.append(impatient(container, name))
        return built[-1]

    yield make
    for container in built:
        await container.aclose()


def _nowhere(_task: str) -> None:
    pass


@pytest.fixture
async def stage(
    rows: Factory, sandbox: Sandbox, clock: SteerableClock, settings: Settings, make_worker: MakeWorker
) -> AsyncIterator[Stage]:
    """Accounts, posts and time for tests of the publishing engine."""
    built = Stage(rows, sandbox, clock, settings)
    yield built
    await built.close()


@pytest.fixture
async def till(
    rows: Factory,
    sandbox: Sandbox,
    settings: Settings,
    make_worker: MakeWorker,
    app: FastAPI,
    real_client: httpx.AsyncClient,
) -> AsyncIterator[Till]:
    """The sandbox's Stripe, set up; the API sells there. Its events wait for the test to deliver them."""
    base = f"{settings.sandbox_base}/stripe"
    sandbox.knobs(stripe_webhook_hold=True)
    done = await set_up(base, "http://127.0.0.1:9/api/v1/webhooks/stripe")
    assert done.webhook_secret is not None
    container = make_worker(
        "seller",
        stripe_secret_key=SecretStr(KEY),
        stripe_webhook_secret=SecretStr(done.webhook_secret),
        stripe_api_base=base,
    )
    app.state.container = container
    built = Till(container, real_client, sandbox, rows, done.webhook_secret)
    yield built
    built.close()


@pytest.fixture
def worker(make_worker: MakeWorker) -> Container:
    """The parts of one worker process."""
    return make_worker()
