"""Short links: made from the shop's links in a caption, followed by people, fetched by programs."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from factories.answers import field_errors, ok, problem
from factories.clock import SteerableClock
from factories.make import Factory, MadeUser

from app.composition import Container
from app.domain.links import LinkPreferences
from app.kit.ids import new_id
from app.models import ShortLink

PERSON = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"}
IN_APP = {"User-Agent": f"{PERSON['User-Agent']} Instagram 339.0.3.12.91 (iPhone14,5; iOS 18_1)"}
PROGRAMS = (
    {"User-Agent": "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"},
    {"User-Agent": "TikTokBot/1.0"},
    {"User-Agent": "curl/8.5.0"},
    {"User-Agent": ""},
    {**PERSON, "Sec-Purpose": "prefetch;prerender"},
    {**PERSON, "X-Moz": "prefetch"},
)
TARGET = "https://shop.example/mug?color=blue&utm_source=facebook"


@pytest.fixture
async def link(factory: Factory, signed_in: MadeUser) -> ShortLink:
    return await factory.link(signed_in, code="k7mpq2xz", target_url=TARGET)


@pytest.fixture
def visitor(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """Somebody at the public address, signed in nowhere."""
    return httpx.AsyncClient(transport=client._transport, base_url="http://api.test", headers=PERSON)


async def counts(factory: Factory, link: ShortLink) -> tuple[int, int, int]:
    """Return clicks, hits of programs, and the sum over the days."""
    row = (await factory.execute("SELECT clicks, bot_hits FROM short_links WHERE id = :id", id=link.id))[0]
    days = await factory.scalar("SELECT COALESCE(sum(clicks), 0) FROM link_days WHERE link_id = :id", id=link.id)
    return row.clicks, row.bot_hits, int(days)


class TestFollow:
    async def test_leads_on_and_counts_a_person_once_in_a_while(
        self, visitor: httpx.AsyncClient, factory: Factory, link: ShortLink, api_clock: SteerableClock
    ) -> None:
        for _ in range(3):
            response = await visitor.get("/l/k7mpq2xz")
            assert (response.status_code, response.headers["location"]) == (302, TARGET)
            assert response.headers["cache-control"] == "no-store"
        assert await counts(factory, link) == (1, 0, 1)
        await visitor.get("/l/k7mpq2xz", headers=IN_APP)  # somebody else
        assert await counts(factory, link) == (2, 0, 2)
        api_clock.move(timedelta(minutes=31))
        await visitor.get("/l/k7mpq2xz")
        assert await counts(factory, link) == (3, 0, 3)

    @pytest.mark.parametrize("headers", PROGRAMS)
    async def test_does_not_count_programs(
        self, visitor: httpx.AsyncClient, factory: Factory, link: ShortLink, headers: dict[str, str]
    ) -> None:
        response = await visitor.get("/l/k7mpq2xz", headers=headers)
        assert response.status_code == 302
        assert await counts(factory, link) == (0, 1, 0)

    async def test_does_not_count_a_look_at_the_headers(
        self, visitor: httpx.AsyncClient, factory: Factory, link: ShortLink
    ) -> None:
        assert (await visitor.head("/l/k7mpq2xz")).status_code == 302
        assert await counts(factory, link) == (0, 1, 0)

    async def test_does_not_know_other_codes(self, visitor: httpx.AsyncClient) -> None:
        assert problem(await visitor.get("/l/nothere1")) == (404, "link_not_found")


class TestRead:
    async def test_shows_a_link_with_its_days(
        self, client: httpx.AsyncClient, visitor: httpx.AsyncClient, container: Container, link: ShortLink
    ) -> None:
        await visitor.get("/l/k7mpq2xz")
        body = ok(await client.get(f"/links/{link.id}"))
        assert body["short_url"] == f"{container.settings.public_base}/l/k7mpq2xz"
        assert (body["target_url"], body["clicks"], body["bot_hits"]) == (TARGET, 1, 0)
        assert body["days"] == [{"date": container.clock().date().isoformat(), "clicks": 1}]
        page = ok(await client.get("/links"))
        assert [one["id"] for one in page["items"]] == [str(link.id)]
        assert ok(await client.get("/links", params={"post_id": str(new_id())}))["total"] == 0

    async def test_is_its_owners(self, client: httpx.AsyncClient, factory: Factory) -> None:
        other = await factory.link(await factory.user(), code="aaaa2222")
        assert problem(await client.get(f"/links/{other.id}")) == (401, "not_authenticated")
        client.headers.update((await factory.user()).headers)
        assert problem(await client.get(f"/links/{other.id}")) == (404, "link_not_found")
        assert ok(await client.get("/links"))["items"] == []


class TestDecorate:
    def decorated(self, container: Container, text: str, **wanted: object) -> tuple[str, list[str]]:
        found = container.links.decorate(
            text,
            wanted=LinkPreferences(**wanted),  # type: ignore[arg-type]
            product_url="https://www.shop.example/mug",
            values={"platform": "facebook", "account": "Shop 1", "product": "Blue mug", "date": "2026-11-24"},
        )
        return found.text, [link.target_url for link in found.links]

    def test_leaves_links_alone_unless_asked(self, container: Container) -> None:
        text = "Here: https://shop.example/mug."
        assert self.decorated(container, text) == (text, [])

    def test_tags_the_shops_links_only(self, container: Container) -> None:
        text = "https://shop.example/mug?a=1#top, https://blog.shop.example and https://other.example/x"
        tags = "utm_source=facebook&utm_medium=social&utm_campaign=blue-mug"
        assert self.decorated(container, text, add_utm=True) == (
            f"https://shop.example/mug?a=1&{tags}#top, https://blog.shop.example?{tags} and https://other.example/x",
            [],
        )

    def test_keeps_tags_that_are_there(self, container: Container) -> None:
        text = "https://shop.example/?utm_source=mail"
        found, _ = self.decorated(container, text, add_utm=True, utm={"utm_source": "{platform}"})
        assert found == text

    def test_shortens_every_link_once(self, container: Container) -> None:
        text = "https://shop.example/mug or https://shop.example/mug2, again https://shop.example/mug"
        found, targets = self.decorated(container, text, shorten=True)
        assert targets == ["https://shop.example/mug", "https://shop.example/mug2"]
        base = f"{container.settings.public_base}/l/"
        first, _, second, _, third = found.split(" ")
        assert first == third != second.rstrip(",")
        assert first.startswith(base)
        assert len(first) == len(base) + 8


class TestPreferences:
    async def test_start_with_defaults_and_change_by_field(
        self, client: httpx.AsyncClient, signed_in: MadeUser
    ) -> None:
        body = ok(await client.get("/publishing-preferences"))
        assert body["links"] == {
            "add_utm": False,
            "shorten": False,
            "utm": {"utm_source": "{platform}", "utm_medium": "social", "utm_campaign": "{product}"},
            "domains": [],
        }
        assert body["products"] == {"on_sold_out": "hold", "on_price_change": "hold"}
        changed = ok(
            await client.put(
                "/publishing-preferences",
                json={
                    "links": {"shorten": True, "domains": ["WWW.Shop.example"]},
                    "products": {"on_sold_out": "ignore"},
                },
            )
        )
        assert changed["links"] == {**body["links"], "shorten": True, "domains": ["shop.example"]}
        again = ok(await client.put("/publishing-preferences", json={"products": {"on_price_change": "rewrite"}}))
        assert again["products"] == {"on_sold_out": "ignore", "on_price_change": "rewrite"}
        assert again["links"] == changed["links"]
        assert ok(await client.get("/publishing-preferences")) == again

    @pytest.mark.parametrize(
        ("links", "field"),
        [
            ({"utm": {"utm_source": "{shop}"}}, "body.links.utm.utm_source"),
            ({"utm": {"source": "x"}}, "body.links.utm"),
            ({"domains": ["https://shop.example/"]}, "body.links.domains.0"),
        ],
    )
    async def test_name_the_field_that_is_wrong(
        self, client: httpx.AsyncClient, signed_in: MadeUser, links: dict[str, object], field: str
    ) -> None:
        response = await client.put("/publishing-preferences", json={"links": links})
        assert problem(response) == (422, "invalid_request")
        assert field_errors(response) == [(field, "value_error")]
        assert ok(await client.get("/publishing-preferences"))["links"]["domains"] == []
