"""The Shopify client against a server that pages, limits, fails and changes between pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping

import pytest
from factories.shops import ShopifyShop
from factories.shops.server import Reply
from factories.shops.shopify import GRAPHQL
from store_harness import by_id, read_all, sources

from app.stores.base import (
    ProductSource,
    SourceBusy,
    SourceError,
    SourceRefused,
    SourceUnreadable,
    StoreAccess,
    Variant,
)


@pytest.fixture
def shop() -> Iterator[ShopifyShop]:
    with ShopifyShop() as server:
        yield server


@pytest.fixture
async def shopify() -> AsyncIterator[ProductSource]:
    async with sources() as found:
        yield found["shopify"]


def public(shop: ShopifyShop, **options: object) -> StoreAccess:
    return StoreAccess(shop.url, options=options)


def admin(shop: ShopifyShop, token: str = "shpat_good") -> StoreAccess:  # noqa: S107
    return StoreAccess(shop.url, token)


class TestWhatIsRead:
    async def test_a_product_of_the_public_list(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        item = shop.add(7, price="19.90", body_html="<p>For <b>tea</b> &amp; coffee.</p><script>x()</script>")
        item["variants"][0] |= {"title": "Blue", "compare_at_price": "25.00", "available": True}
        item["variants"].append(
            {**item["variants"][0], "id": 71, "title": "Red", "price": "18.00", "compare_at_price": None}
        )
        (product,) = (await read_all(shopify, public(shop))).products
        assert (product.external_id, product.title, product.description) == ("7", "Cup 7", "For tea & coffee.")
        assert (product.price_minor, product.compare_at_price_minor, product.currency) == (1800, None, "EUR")
        assert (product.brand, product.category, product.tags) == ("Clay & Co", "Cups", ("ceramic", "kitchen"))
        assert product.url == f"{shop.url}/products/cup-7"
        assert product.image_urls == ("https://cdn.shop.example/7.jpg",)
        assert (product.is_available, product.stock_count) == (True, None)
        assert product.variants == (
            Variant("70", "Blue", 1990, 2500, True, None, "SKU-7"),
            Variant("71", "Red", 1800, None, True, None, "SKU-7"),
        )

    async def test_the_same_product_through_the_admin_api(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        shop.add(7, price="19.90", available=False)
        (product,) = (await read_all(shopify, admin(shop))).products
        assert (product.external_id, product.price_minor, product.currency) == ("7", 1990, "EUR")
        assert (product.is_available, product.stock_count) == (False, 0)
        assert product.url == "https://shop.example/products/cup-7"
        assert shop.count("products.json") == 0

    @pytest.mark.parametrize(("currency", "minor"), [("JPY", 1250), ("EUR", 125000), ("KWD", 1250000)])
    async def test_prices_in_the_smallest_unit_of_the_shops_currency(
        self, shop: ShopifyShop, shopify: ProductSource, currency: str, minor: int
    ) -> None:
        shop.currency = currency
        shop.add(1, price="1250.00")
        (product,) = (await read_all(shopify, public(shop))).products
        again = await shopify.one(public(shop), "1", url=product.url)
        assert again is not None
        assert (product.price_minor, again.price_minor, product.currency) == (minor, minor, currency)

    async def test_the_owners_currency_wins(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        shop.add(1)
        (product,) = (await read_all(shopify, public(shop, currency="usd"))).products
        assert (product.currency, shop.count("cart.js")) == ("USD", 0)

    async def test_one_product_is_what_the_list_says(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        shop.fill(3)
        listed = by_id((await read_all(shopify, public(shop))).products)["2"]
        one = await shopify.one(public(shop), "2", url=listed.url)
        assert one is not None
        assert {**vars(one), "source_updated_at": None} == {**vars(listed), "source_updated_at": None}

    async def test_one_that_is_gone(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        shop.fill(2)
        assert await shopify.one(public(shop), "9", url=f"{shop.url}/products/cup-9") is None
        assert await shopify.one(public(shop), "9", url=f"{shop.url}/products/cup-2") is None
        assert await shopify.one(admin(shop), "9") is None

    async def test_a_broken_product_does_not_stop_the_others(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        shop.fill(3)
        shop.find(2)["variants"] = None
        result = await read_all(shopify, public(shop))
        assert result.ids == {"1", "3"}
        (problem,) = result.problems
        assert (problem.row, problem.code, problem.external_id) == ("Cup 2", "product_unreadable", "2")


class TestPages:
    @pytest.mark.parametrize("count", [0, 1, 249, 250, 251, 600])
    async def test_every_product_once(self, shop: ShopifyShop, shopify: ProductSource, count: int) -> None:
        shop.fill(count)
        result = await read_all(shopify, public(shop))
        assert (len(result.products), len(result.ids)) == (count, count)

    async def test_every_product_once_through_the_admin_api(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        shop.fill(61)
        result = await read_all(shopify, admin(shop))
        assert (len(result.products), len(result.ids), result.pages) == (61, 61, 7)

    async def test_one_removed_between_pages_takes_no_other_with_it(
        self, shop: ShopifyShop, shopify: ProductSource
    ) -> None:
        shop.fill(600)
        shop.before("/products.json", 2, lambda: shop.remove(580))
        result = await read_all(shopify, public(shop))
        assert {str(number) for number in range(1, 601)} - result.ids == set()

    async def test_removed_between_a_page_and_the_look_back(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        shop.fill(600)
        shop.before("/products.json", 3, lambda: shop.remove(580))
        result = await read_all(shopify, public(shop))
        assert {str(number) for number in range(1, 601)} - result.ids == set()

    async def test_many_removed_between_pages(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        shop.fill(900)
        shop.before("/products.json", 2, lambda: [shop.remove(number) for number in range(700, 900)] and None)
        result = await read_all(shopify, public(shop))
        assert {str(number) for number in range(1, 700)} - result.ids == set()

    async def test_one_added_between_pages_costs_nothing(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        shop.fill(300)
        shop.before("/products.json", 2, lambda: shop.add(301))
        result = await read_all(shopify, public(shop))
        assert {str(number) for number in range(1, 301)} - result.ids == set()
        assert shop.count("/products.json") == 2

    async def test_reordered_between_pages(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        shop.fill(600)
        shop.before("/products.json", 2, lambda: shop.products.reverse())
        result = await read_all(shopify, public(shop))
        assert {str(number) for number in range(1, 601)} - result.ids == set()

    async def test_a_list_that_never_stands_still_is_read_later(
        self, shop: ShopifyShop, shopify: ProductSource
    ) -> None:
        shop.fill(900)
        for number in range(2, 120):
            shop.before("/products.json", number, lambda: shop.products.pop(0) and None)
        with pytest.raises(SourceBusy) as caught:
            await read_all(shopify, public(shop))
        assert caught.value.sentence == "The shop's list changes while it is read. We read it again later."

    async def test_cursors_do_not_move(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        shop.fill(70)
        shop.before(GRAPHQL, 2, lambda: shop.remove(3))
        shop.before(GRAPHQL, 3, lambda: shop.add(71))
        result = await read_all(shopify, admin(shop))
        assert result.ids == {str(number) for number in range(1, 72)}
        assert len(result.products) == 71


class TestLimits:
    @pytest.mark.parametrize(
        ("header", "seconds"), [("4", 4.0), ("2.5", 2.5), ("", 60.0), ("soon", 60.0), ("nan", 60.0)]
    )
    async def test_429_says_how_long(
        self, shop: ShopifyShop, shopify: ProductSource, header: str, seconds: float
    ) -> None:
        shop.fill(1)
        shop.instead("/products.json", Reply(429, {"errors": "too many"}, {"Retry-After": header} if header else {}))
        with pytest.raises(SourceBusy) as caught:
            await read_all(shopify, public(shop))
        assert caught.value.after_seconds == seconds

    async def test_throttled_with_status_200(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        shop.available_points = 200.0
        with pytest.raises(SourceBusy) as caught:
            await shopify.page(admin(shop), None)
        assert caught.value.after_seconds == 10.0

    async def test_waits_until_the_next_query_fits(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        shop.fill(11)
        assert (await read_all(shopify, admin(shop))).waits == [8.0, 0.0]
        shop.page_cost = 100.0
        assert (await read_all(shopify, admin(shop))).waits == [0.0, 0.0]

    async def test_a_question_that_costs_too_much_is_made_smaller(
        self, shop: ShopifyShop, shopify: ProductSource
    ) -> None:
        shop.fill(7)
        shop.admin_first_max = 3
        result = await read_all(shopify, admin(shop))
        assert [product.external_id for product in result.products] == [str(number) for number in range(1, 8)]
        assert [asked.json()["variables"]["first"] for asked in shop.asked] == [10, 5, 2, 2, 2, 2]
        shop.admin_first_max = 0
        with pytest.raises(SourceUnreadable) as caught:
            await read_all(shopify, admin(shop))
        assert caught.value.code == "query_too_costly"

    @pytest.mark.parametrize("status", [500, 502, 503, 504, 530])
    async def test_away(self, shop: ShopifyShop, shopify: ProductSource, status: int) -> None:
        shop.instead("/cart.js", Reply(status, b"<html>"))
        with pytest.raises(SourceBusy):
            await read_all(shopify, public(shop))


class TestLongAnswers:
    async def test_a_slow_page_is_given_up(
        self, shop: ShopifyShop, shopify: ProductSource, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.stores.http.ANSWER_SECONDS", 0.2)
        shop.fill(1)
        shop.instead("/products.json", Reply(200, {"products": []}, pause_seconds=0.6))
        with pytest.raises(SourceBusy) as caught:
            await read_all(shopify, public(shop))
        assert caught.value.sentence == "127.0.0.2 cannot be reached at the moment. We try again."

    @pytest.mark.parametrize("platform", ["shopify", "feed"])
    async def test_an_endless_page_is_not_read_to_its_end(
        self, shop: ShopifyShop, platform: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.stores.http.ANSWER_MAX_BYTES", 2_000_000)
        monkeypatch.setattr("app.stores.http.FEED_MAX_BYTES", 2_000_000)
        shop.instead("/products.json", Reply(200, b" " * 2_000_001))
        async with sources() as found:
            with pytest.raises(SourceUnreadable) as caught:
                await found[platform].page(StoreAccess(f"{shop.url}/products.json"), None)
        assert caught.value.code == "source_too_large"

    async def test_no_cookie_goes_from_one_shop_to_another(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        shop.fill(1)
        shop.instead("/cart.js", Reply(200, {"currency": "EUR"}, {"Set-Cookie": "session=abc; Path=/"}))
        await read_all(shopify, public(shop))
        assert [asked.headers.get("cookie") for asked in shop.asked] == [None, None]


class TestRefused:
    @pytest.mark.parametrize(
        ("reply", "kind", "code"),
        [
            (Reply(404, b"<html>"), SourceRefused, "not_a_shop"),
            (Reply(401, b""), SourceRefused, "not_a_shop"),
            (Reply(402, b""), SourceRefused, "shop_closed"),
            (Reply(200, b"<html>a page</html>"), SourceUnreadable, "source_unreadable"),
            (Reply(200, {"hello": 1}), SourceUnreadable, "not_a_shop"),
            (Reply(200, [1, 2]), SourceUnreadable, "not_a_shop"),
            (Reply(200, b'{"products": ['), SourceUnreadable, "source_unreadable"),
            (Reply(200, b"[" * 100_000), SourceUnreadable, "source_unreadable"),
            (Reply(200, b"{}", {"Content-Encoding": "gzip"}), SourceUnreadable, "source_unreadable"),
        ],
    )
    async def test_what_is_no_list(
        self, shop: ShopifyShop, shopify: ProductSource, reply: Reply, kind: type[SourceError], code: str
    ) -> None:
        shop.instead("/products.json", reply)
        with pytest.raises(kind) as caught:
            await read_all(shopify, public(shop))
        assert caught.value.code == code

    async def test_a_wrong_token_names_its_field(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        with pytest.raises(SourceRefused) as caught:
            await shopify.page(admin(shop, "shpat_wrong"), None)
        assert (caught.value.code, caught.value.field) == ("key_refused", "api_key")

    async def test_a_missing_right_names_its_field(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        error = {"message": "Access denied for products field.", "extensions": {"code": "ACCESS_DENIED"}}
        shop.instead(GRAPHQL, Reply(200, {"errors": [error]}))
        with pytest.raises(SourceRefused) as caught:
            await shopify.page(admin(shop), None)
        assert (caught.value.code, caught.value.field) == ("right_missing", "api_key")

    async def test_a_shop_behind_a_password(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        shop.instead("/products.json", Reply(302, b"", {"Location": "/password"}))
        shop.instead("/password", Reply(200, b"<html>"))
        with pytest.raises(SourceRefused) as caught:
            await read_all(shopify, public(shop))
        assert caught.value.code == "shop_closed"

    async def test_no_currency_anywhere(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        shop.instead("/cart.js", Reply(404, b""))
        with pytest.raises(SourceRefused) as caught:
            await read_all(shopify, public(shop))
        assert (caught.value.code, caught.value.field) == ("currency_unknown", "options")

    async def test_a_token_is_not_taken_to_another_host(self, shop: ShopifyShop, shopify: ProductSource) -> None:
        with ShopifyShop() as other:
            elsewhere = other.url.replace("127.0.0.2", "localhost")
            shop.instead(GRAPHQL, Reply(307, b"", {"Location": f"{elsewhere}{GRAPHQL}"}))
            with pytest.raises(SourceRefused) as caught:
                await shopify.page(admin(shop), None)
            assert (caught.value.code, other.asked) == ("redirects_elsewhere", [])


HOSTILE: Mapping[str, str] = {
    "http://127.0.0.1:{port}": "address_not_public",
    "http://localhost:{port}": "address_not_public",
    "http://[::1]:{port}": "address_not_public",
    "http://0.0.0.0:{port}": "address_not_public",
    "http://127.1:{port}": "address_not_public",
    "http://2130706433:{port}": "address_not_public",
    "http://0x7f000001:{port}": "address_not_public",
    "http://0177.0.0.1:{port}": "address_invalid",
    "http://[::ffff:127.0.0.1]:{port}": "address_not_public",
    "http://[64:ff9b::7f00:1]": "address_not_public",
    "http://[2002:7f00:1::]": "address_not_public",
    "http://[fe80::1]": "address_not_public",
    "http://[fc00::1]": "address_not_public",
    "http://10.0.0.1": "address_not_public",
    "http://172.16.0.1": "address_not_public",
    "http://192.168.1.1": "address_not_public",
    "http://169.254.169.254/latest/meta-data": "address_not_public",
    "http://100.64.0.1": "address_not_public",
    "http://192.0.0.1": "address_not_public",
    "http://198.18.0.1": "address_not_public",
    "http://224.0.0.1": "address_not_public",
    "http://240.0.0.1": "address_not_public",
    "http://255.255.255.255": "address_not_public",
    "file:///etc/passwd": "address_invalid",
    "ftp://shop.example": "address_invalid",
    "gopher://127.0.0.1:{port}": "address_invalid",
    "http://user:pass@127.0.0.2:{port}": "address_invalid",
    "http://127.0.0.2:0": "address_invalid",
    "http://127.0.0.2:99999": "address_invalid",
    "http://": "address_invalid",
    "not an address": "address_invalid",
    "http://127.0.0.1\\@shop.example": "address_invalid",
}


class TestHostileAddresses:
    @pytest.mark.parametrize("address", HOSTILE)
    @pytest.mark.parametrize("platform", ["shopify", "woocommerce", "feed"])
    async def test_is_refused_by_name_and_asks_nobody(self, address: str, platform: str) -> None:
        with ShopifyShop() as listener:
            port = listener.url.rpartition(":")[2]
            access = StoreAccess(address.format(port=port), "ck_x", "cs_x")
            async with sources(allowed="") as found:
                with pytest.raises(SourceRefused) as caught:
                    await found[platform].page(access, None)
            assert (caught.value.code, listener.asked) == (HOSTILE[address], [])

    @pytest.mark.parametrize("target", ["http://127.0.0.1:{port}/x", "http://169.254.169.254/x", "file:///etc/passwd"])
    @pytest.mark.parametrize("platform", ["shopify", "feed"])
    async def test_nor_does_a_redirect_lead_there(self, target: str, platform: str) -> None:
        with ShopifyShop() as shop, ShopifyShop() as listener:
            port = listener.url.rpartition(":")[2]
            shop.instead("/", Reply(302, b"", {"Location": target.format(port=port)}))
            async with sources() as found:
                with pytest.raises(SourceRefused) as caught:
                    await found[platform].page(StoreAccess(f"{shop.url}/feed.xml"), None)
            expected = "address_invalid" if target.startswith("file") else "address_not_public"
            assert (caught.value.code, listener.asked) == (expected, [])
