"""What happens, as it happens: server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.api.deps import ContainerDep, CurrentUser, read_claims
from app.api.problems import problems
from app.domain.errors import FieldError, InvalidRequest, InvalidToken, NotAuthenticated, TooManyStreams
from app.schemas.live import LiveEvent
from app.services.onward.live import Stream

router = APIRouter(prefix="/events", tags=["events"])
RETRY_MILLISECONDS = 3000
POSITION_MAX = 2**63 - 1
KEY_LIFE = timedelta(minutes=15)
"""How long a stream that was opened with an API key lasts: then the key is looked at again."""


async def open_stream(
    user: CurrentUser,
    container: ContainerDep,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=40)] = None,
) -> AsyncIterator[Stream]:
    """A stream that is open as long as its answer."""
    stream = await container.live.open(user.id, after=_position(last_event_id))
    try:
        yield stream
    finally:
        container.live.close(stream)


async def ends_at(request: Request, container: ContainerDep, user: CurrentUser) -> datetime:
    """When what the stream was opened with is to be shown again."""
    if "authorization" not in request.headers:
        return datetime.now(UTC) + KEY_LIFE
    return datetime.fromtimestamp(int((await read_claims(request, container))["exp"]), UTC)


EndsAt = Annotated[datetime, Depends(ends_at)]
OpenStream = Annotated[Stream, Depends(open_stream)]


def _position(last_event_id: str | None) -> int | None:
    if not last_event_id:
        return None
    if not (last_event_id.isascii() and last_event_id.isdigit()) or int(last_event_id) > POSITION_MAX:
        sentence = "Last-Event-ID is not an id of this stream. Leave it out to begin with what happens now."
        raise InvalidRequest([FieldError(("header", "last-event-id"), sentence, "unknown_event_id")])
    return int(last_event_id)


@router.get(
    "/stream",
    operation_id="events_stream",
    response_class=EventSourceResponse,
    responses=problems(NotAuthenticated, InvalidToken, TooManyStreams),
)
async def stream(
    opened: OpenStream, expires_at: Annotated[datetime, Depends(ends_at)]
) -> AsyncIterator[ServerSentEvent]:
    """Tell what happens to posts, accounts, the queue and the subscription as server-sent events.

    The first event is `stream.open`. Reconnect with the header `Last-Event-ID` and nothing is lost or repeated; events
    are kept for 14 days, and `stream.reset` says that what was asked for is older: load everything anew. A comment
    comes every 15 seconds. The stream ends with `stream.expired` when the access token does, with an API key after 15
    minutes: reconnect with what is valid then.
    """
    yield _about_the_stream("stream.reset" if opened.is_reset else "stream.open", opened.begins_after)
    position = opened.begins_after
    while True:
        remaining = (expires_at - datetime.now(UTC)).total_seconds()
        try:
            async with asyncio.timeout(max(remaining, 0)):
                told = await opened.next()
        except TimeoutError:
            yield _about_the_stream("stream.expired", position)
            return
        position = told.position
        event = LiveEvent(kind=told.kind, subject_id=told.subject_id, facts=told.facts, created_at=told.created_at)
        yield ServerSentEvent(event=told.kind, id=str(position), data=event)


def _about_the_stream(name: str, position: int) -> ServerSentEvent:
    data: dict[str, Any] = {"position": position}
    return ServerSentEvent(event=name, id=str(position), data=data, retry=RETRY_MILLISECONDS)
