"""Short links: a user's own, and the public address that leads on."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse

from app.api.deps import ContainerDep, CurrentUser, LinkBookDep, Page, PerPage
from app.api.problems import problems
from app.domain.errors import InvalidToken, LinkNotFound, NotAuthenticated
from app.models import ShortLink
from app.schemas.links import LinkDayRead, LinkDetailsRead, LinkPage, LinkRead
from app.services.link_service import Visit

router = APIRouter(prefix="/links", tags=["links"])
public = APIRouter(include_in_schema=False)
SIGNED_IN = (NotAuthenticated, InvalidToken)
PURPOSE_HEADERS = ("sec-purpose", "purpose", "x-purpose", "x-moz")


@router.get("", operation_id="links_list", responses=problems(*SIGNED_IN))
async def list_links(
    user: CurrentUser,
    links: LinkBookDep,
    container: ContainerDep,
    post_id: UUID | None = None,
    page: Page = 1,
    per_page: PerPage = 20,
) -> LinkPage:
    """List short links, newest first."""
    items, total = await links.list_page(user.id, post_id=post_id, page=page, per_page=per_page)
    read = [LinkRead(**_fields(item, container.links.address_of(item.code))) for item in items]
    return LinkPage(items=read, total=total, page=page, per_page=per_page)


@router.get("/{link_id}", operation_id="links_get", responses=problems(*SIGNED_IN, LinkNotFound))
async def get_link(link_id: UUID, user: CurrentUser, links: LinkBookDep, container: ContainerDep) -> LinkDetailsRead:
    """Return one short link with its clicks by day (UTC)."""
    found = await links.get(user.id, link_id)
    days = [LinkDayRead(date=day.day, clicks=day.clicks) for day in found.days]
    return LinkDetailsRead(**_fields(found.link, container.links.address_of(found.link.code)), days=days)


@public.api_route("/l/{code}", methods=["GET", "HEAD"])
async def follow(code: str, request: Request, container: ContainerDep) -> RedirectResponse:
    """Lead on to the shop, and count the visit."""
    visit = Visit(
        method=request.method,
        user_agent=request.headers.get("user-agent", ""),
        address=request.client.host if request.client else "",
        purpose=" ".join(request.headers.get(name, "") for name in PURPOSE_HEADERS),
    )
    target = await container.links.follow(code, visit)
    return RedirectResponse(target, 302, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer-when-downgrade"})


def _fields(link: ShortLink, address: str) -> dict[str, Any]:
    return {
        "id": link.id,
        "post_id": link.post_id,
        "short_url": address,
        "target_url": link.target_url,
        "clicks": link.clicks,
        "bot_hits": link.bot_hits,
        "last_clicked_at": link.last_clicked_at,
        "created_at": link.created_at,
    }
