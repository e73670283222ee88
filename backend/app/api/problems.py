"""Every failure leaves the API as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from app.domain.errors import AppError, FieldError, InvalidRequest, MethodNotAllowed, RouteNotFound

log = structlog.get_logger()


class FieldProblem(BaseModel):
    """One wrong field of a request."""

    loc: list[str | int]
    msg: str
    type: str


class Problem(BaseModel):
    """A failure, as RFC 9457 describes it. Branch on `code`; show `detail`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None = None
    errors: list[FieldProblem] | None = None


def problems(*errors: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses=` of a route that may fail in these ways."""
    by_status: dict[int | str, list[type[AppError]]] = {}
    every: tuple[type[AppError], ...] = (*errors, InvalidRequest)
    for error in every:
        by_status.setdefault(error.status, []).append(error)
    return {
        status: {
            "description": " · ".join(f"`{error.code}`: {error.detail}" for error in found),
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, found in by_status.items()
    }


def problem_body(request: Request, error: AppError) -> dict[str, Any]:
    """Return a failure as its answer holds it."""
    body: dict[str, Any] = {
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": request.scope.get("request_id"),
        **error.extra,
    }
    if isinstance(error, InvalidRequest):
        body["errors"] = [{"loc": list(e.loc), "msg": e.msg, "type": e.type} for e in error.errors]
    return body


def answer(request: Request, error: AppError) -> Response:
    """Turn a failure into its answer."""
    headers = dict(error.headers or {})
    if error.status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    return Response(json.dumps(problem_body(request, error)), error.status, headers, "application/problem+json")


def _clean(loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """Return the path of a field as it was sent: without union tags, validator names and model names."""
    where, *path = loc
    if where == "header":
        return (where, *(part.lower() if isinstance(part, str) else part for part in path))
    kept = [part for part in path if isinstance(part, int) or not _is_internal(part)]
    return (where, *kept)


def _is_internal(part: str) -> bool:
    return "[" in part or part[:1].isupper() or part in ("str", "int", "float", "bool", "none")


def install(app: FastAPI) -> None:
    """Register one handler per family of failures."""

    @app.exception_handler(AppError)
    async def _app_error(request: Request, error: AppError) -> Response:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [FieldError(_clean(e["loc"]), _sentence(e), e["type"]) for e in error.errors()]
        return answer(request, InvalidRequest(errors))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        known: AppError = MethodNotAllowed() if error.status_code == 405 else RouteNotFound()
        if error.status_code not in (404, 405):
            known = InvalidRequest([FieldError(("body",), str(error.detail), "unreadable_body")])
        known.headers = dict(error.headers or {})
        return answer(request, known)

    @app.exception_handler(OperationalError)
    @app.exception_handler(InterfaceError)
    @app.exception_handler(PoolTimeout)
    @app.exception_handler(OSError)
    async def _away(request: Request, error: Exception) -> Response:
        log.error("dependency.away", error=type(error).__name__, request_id=request.scope.get("request_id"))
        return answer(request, DependencyAway(headers={"Retry-After": "5"}))

    @app.exception_handler(DBAPIError)
    async def _database(request: Request, error: DBAPIError) -> Response:
        if error.connection_invalidated:
            return await _away(request, error)
        raise error

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        log.error("request.failed", exc_info=error, request_id=request.scope.get("request_id"))
        return answer(request, AppError())


class DependencyAway(AppError):
    code, status, title = "dependency_away", 503, "A part is not available"
    detail = "The database did not answer. Look whether your change was saved before you send it again."


def _sentence(error: dict[str, Any]) -> str:
    """Return Pydantic's words for one error, without its internal prefix."""
    message = str(error["msg"]).removeprefix("Value error, ")
    return message if message.endswith((".", "!", "?")) else message + "."
