"""The shop's links in posts: tagged, shortened, and counted when a person follows one."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import crawleruseragents

from app.db.engine import Sessions
from app.db.unit_of_work import UnitOfWork, unit_of_work
from app.domain.errors import LinkNotFound
from app.domain.links import LinkPreferences, filled, host_of, rewritten, with_tags
from app.kit.clock import Clock
from app.models import LinkDay, ShortLink
from app.repositories.link_repository import LinkRepository, NewLink

CODE_CHARS = "23456789abcdefghjkmnpqrstuvwxyz"
"""Without letters and digits that look alike."""
CODE_LENGTH = 8
BOTS_NOT_LISTED = ("tiktokbot", "linkpreview", "headless")
"""Words in user agents of programs that the kept list does not know."""
LOOKING_AHEAD = ("prefetch", "preview", "prerender")


@dataclass(frozen=True)
class Decorated:
    """A text as it will go out, and the short links in it that are still to be kept."""

    text: str
    links: tuple[NewLink, ...] = ()


@dataclass(frozen=True)
class Visit:
    """What a request for a short link tells about who sent it."""

    method: str
    user_agent: str
    address: str
    purpose: str = ""
    """`Sec-Purpose`, `Purpose` or `X-Moz`: browsers say there that they only look ahead."""


@dataclass(frozen=True)
class LinkDetails:
    link: ShortLink
    days: list[LinkDay]


class LinkService:
    def __init__(self, *, sessions: Sessions, public_base: str, secret: str, clock: Clock) -> None:
        self._sessions = sessions
        self._base = public_base
        self._secret = secret.encode()
        self._clock = clock

    def address_of(self, code: str) -> str:
        return f"{self._base}/l/{code}"

    def decorate(
        self, text: str, *, wanted: LinkPreferences, product_url: str | None, values: Mapping[str, str]
    ) -> Decorated:
        """Return a text with the shop's links tagged and shortened as wanted. `values` fill the tags' placeholders."""
        domains = tuple(domain for domain in (host_of(product_url), *wanted.domains) if domain)
        if not domains or not (wanted.add_utm or wanted.shorten):
            return Decorated(text)
        links: list[NewLink] = []

        def change(url: str) -> str:
            target = url
            if wanted.add_utm:
                target = with_tags(url, {name: filled(value, values) for name, value in wanted.utm.items()})
            if not wanted.shorten:
                return target
            links.append(NewLink("".join(secrets.choice(CODE_CHARS) for _ in range(CODE_LENGTH)), target))
            return self.address_of(links[-1].code)

        return Decorated(rewritten(text, domains, change), tuple(links))

    async def follow(self, code: str, visit: Visit) -> str:
        """Return where a link leads, and count who followed it. Raises `LinkNotFound`."""
        async with unit_of_work(self._sessions) as uow:
            links = LinkRepository(uow.session)
            link = await links.by_code(code)
            if link is None:
                raise LinkNotFound
            if is_program(visit):
                await links.count_bot(link.id)
            else:
                await links.count_click(link.id, self._visitor(visit, self._clock()), at=self._clock())
            return link.target_url

    def _visitor(self, visit: Visit, at: datetime) -> str:
        """Return a visitor's mark: keyed and different every day, so that nobody can be followed by it."""
        words = f"{at.date()}|{visit.address}|{visit.user_agent}"
        return hmac.new(self._secret, words.encode(), hashlib.sha256).hexdigest()


class LinkBook:
    """A user's links, within one unit of work."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._links = LinkRepository(uow.session)

    async def list_page(
        self, user_id: UUID, *, post_id: UUID | None, page: int, per_page: int
    ) -> tuple[list[ShortLink], int]:
        return await self._links.list_page(user_id, post_id=post_id, page=page, per_page=per_page)

    async def get(self, user_id: UUID, link_id: UUID) -> LinkDetails:
        """Raises `LinkNotFound`."""
        link = await self._links.find(user_id, link_id)
        if link is None:
            raise LinkNotFound
        return LinkDetails(link, await self._links.days(link.id))


def is_program(visit: Visit) -> bool:
    """Whether a request was hardly sent by a person: a crawler, a link preview, a browser that looks ahead."""
    agent = visit.user_agent.casefold()
    return (
        visit.method != "GET"
        or not agent
        or any(word in visit.purpose.casefold() for word in LOOKING_AHEAD)
        or any(word in agent for word in BOTS_NOT_LISTED)
        or bool(crawleruseragents.is_crawler(visit.user_agent))
    )
