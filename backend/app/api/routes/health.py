"""Whether PostPilot lives, and whether it does its work."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Response

from app.api.deps import ContainerDep
from app.api.problems import problems
from app.domain.errors import NotReady
from app.schemas.common import Read

router = APIRouter(prefix="/health", tags=["health"])


class Liveness(Read):
    status: Literal["ok"]
    service: Literal["PostPilot"]
    timestamp: datetime


class CheckRead(Read):
    name: str
    ok: bool
    detail: str


class Readiness(Read):
    status: Literal["ok"]
    checks: list[CheckRead]


@router.get("", operation_id="health_live")
async def live(container: ContainerDep) -> Liveness:
    """Say that the API process answers."""
    return Liveness(status="ok", service="PostPilot", timestamp=container.clock())


@router.get("/ready", operation_id="health_ready", responses=problems(NotReady))
async def ready(container: ContainerDep, response: Response) -> Readiness:
    """Say whether posts are getting out: database, broker, worker, beat and lateness. 503 names what is not."""
    checks = await container.health.check()
    response.headers["Cache-Control"] = "no-store"
    if any(not check.ok for check in checks):
        sentences = " ".join(f"{check.name}: {check.detail}" for check in checks if not check.ok)
        listed = [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in checks]
        raise NotReady(sentences, checks=listed)
    return Readiness(status="ok", checks=[CheckRead.model_validate(check) for check in checks])
