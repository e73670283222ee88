"""Run one Celery worker process.

    python -m app.tasks.worker [name]

The same as `celery worker --pool threads`, without loading Celery's command line: that is 15 MB per process.
"""

from __future__ import annotations

import logging
import sys

from celery.concurrency.thread import TaskPool

from app.tasks.celery_app import app

THREADS = 10
"""Tasks at once in one process. Each only waits for the process's event loop, which does the work."""


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "worker"
    worker = app.Worker(
        hostname=f"{name}@%h",
        pool_cls=TaskPool,
        concurrency=THREADS,
        queues=["publishing", "default", "media"],
        loglevel=logging.WARNING,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    )
    worker.start()
    sys.exit(worker.exitcode)


if __name__ == "__main__":
    main()
