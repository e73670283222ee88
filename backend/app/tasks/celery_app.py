"""The Celery application. Light to import: beat needs nothing else."""

from __future__ import annotations

import logging

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_shutdown, worker_shutting_down

from app.domain.vocabulary import MAKE_MEDIA
from app.settings import get_settings

settings = get_settings()

DISPATCH = "publishing.dispatch"
MAINTAIN = "publishing.maintain"
COLLECT = "metrics.collect"
REFRESH = "accounts.refresh"
SWEEP_MEDIA = "media.sweep"
CHECK = "accounts.check"
FOLLOW_UP = "publishing.follow_up"
EVENTS = "events.work"
READ_AHEAD = "stores.read_ahead"
TEND_BILLING = "billing.tend"
RECONCILE_BILLING = "billing.reconcile"

app = Celery("postpilot", broker=settings.broker_url, set_as_current=True)
app.conf.update(
    include=[
        "app.tasks.publishing",
        "app.tasks.metrics",
        "app.tasks.accounts",
        "app.tasks.media",
        "app.tasks.stores",
        "app.tasks.captions",
        "app.tasks.people",
        "app.tasks.onward",
        "app.tasks.billing",
    ],
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_serializer="json",
    accept_content=["json"],
    task_default_queue="default",
    task_routes={"publishing.*": {"queue": "publishing"}, "media.*": {"queue": "media"}},
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": 600,
        "socket_connect_timeout": 3,
        "socket_timeout": 10,
        "socket_keepalive": True,
        "retry_on_timeout": True,
    },
    # A message is only a hint: one that waited longer than this says nothing new.
    beat_schedule={
        "dispatch": {
            "task": DISPATCH,
            "schedule": settings.dispatch_seconds,
            "options": {"expires": 5, "queue": "publishing"},
        },
        "read_ahead": {"task": READ_AHEAD, "schedule": 60.0, "options": {"expires": 60, "queue": "default"}},
        "media": {"task": MAKE_MEDIA, "schedule": 10.0, "options": {"expires": 10, "queue": "media"}},
        "media_sweep": {"task": SWEEP_MEDIA, "schedule": 900.0, "options": {"expires": 900, "queue": "media"}},
        "billing": {"task": TEND_BILLING, "schedule": 300.0, "options": {"expires": 300, "queue": "default"}},
        # Every subscription once a day, in the hour in which it is due: nothing is missed when beat is away at night.
        "reconcile": {"task": RECONCILE_BILLING, "schedule": 3600.0, "options": {"expires": 3600, "queue": "default"}},
        "maintain": {"task": MAINTAIN, "schedule": 60.0, "options": {"expires": 60, "queue": "publishing"}},
    },
    beat_max_loop_interval=60,
    timezone="UTC",
)


def send(task_name: str) -> None:
    """Send a hint. Blocks for a few seconds at most and may fail: the periodic sweep finds what it was about."""
    app.send_task(task_name, expires=60, retry=False)


@setup_logging.connect
def _configure_logging(**_: object) -> None:
    from app.kit.logs import configure

    configure()
    logging.getLogger("celery").setLevel(logging.WARNING)
    logging.getLogger("kombu").setLevel(logging.WARNING)


@worker_init.connect
def _start_runtime(**_: object) -> None:
    from app.tasks.runtime import runtime

    runtime().start()


@worker_shutting_down.connect
def _hand_back(**_: object) -> None:
    from app.tasks.runtime import runtime

    runtime().stop_soon()


@worker_shutdown.connect
def _close_runtime(**_: object) -> None:
    from app.tasks.runtime import runtime

    runtime().close()
