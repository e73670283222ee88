"""The WooCommerce client against a server that checks signatures, pages, limits, fails and changes between pages."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator

import pytest
from factories.shops import WooCommerceShop
from factories.shops.server import Reply
from store_harness import read_all, sources

from app.stores.base import ProductSource, SourceBusy, SourceRefused, SourceUnreadable, StoreAccess, Variant
from app.stores.woocommerce import root_of, sign

PRODUCTS = "/wp-json/wc/v3/products"


@pytest.fixture
def shop() -> Iterator[WooCommerceShop]:
    with WooCommerceShop() as server:
        yield server


@pytest.fixture
async def woocommerce() -> AsyncIterator[ProductSource]:
    async with sources() as found:
        yield found["woocommerce"]


def access(shop: WooCommerceShop, **options: object) -> StoreAccess:
    return StoreAccess(shop.url, "ck_good", "cs_good", options)


class TestWhatIsRead:
    async def test_a_product_on_sale(self, shop: WooCommerceShop, woocommerce: ProductSource) -> None:
        shop.add(7, price="9.00", regular_price="12.50", sale_price="9.00", on_sale=True, brands=[{"name": "Clay"}])
        (product,) = (await read_all(woocommerce, access(shop))).products
        assert (product.external_id, product.title, product.description) == ("7", "Cup 7", "A hand-thrown cup.")
        assert (product.price_minor, product.compare_at_price_minor, product.currency) == (900, 1250, "EUR")
        assert (product.is_available, product.stock_count) == (True, 5)
        assert (product.brand, product.category, product.tags) == ("Clay", "Cups", ("ceramic",))
        assert product.url == "https://shop.example/product/cup-7/"
        assert product.image_urls == ("https://shop.example/7.jpg",)
        assert product.source_updated_at is not None
        assert product.source_updated_at.isoformat() == "2026-01-02T10:00:00+00:00"

    @pytest.mark.parametrize(
        ("status", "available"), [("instock", True), ("onbackorder", True), ("outofstock", False), ("odd", None)]
    )
    async def test_stock(
        self, shop: WooCommerceShop, woocommerce: ProductSource, status: str, available: bool | None
    ) -> None:
        shop.add(1, stock_status=status)
        (product,) = (await read_all(woocommerce, access(shop))).products
        assert product.is_available is available

    async def test_variations(self, shop: WooCommerceShop, woocommerce: ProductSource) -> None:
        colors = [{"attributes": [{"id": 1, "name": "Color", "option": color}]} for color in ("Blue", "Red")]
        colors[0] |= {"price": "8.00", "stock_status": "outofstock", "stock_quantity": 0}
        colors[1] |= {"price": "11.00", "regular_price": "14.00", "on_sale": True, "stock_quantity": 4}
        shop.add_variable(7, colors, price="8.00")
        (product,) = (await read_all(woocommerce, access(shop))).products
        assert (product.price_minor, product.is_available, product.stock_count) == (800, True, 4)
        assert product.variants == (
            Variant("7000", "Blue", 800, None, False, 0, "SKU-7-7000"),
            Variant("7001", "Red", 1100, 1400, True, 4, "SKU-7-7001"),
        )

    async def test_variations_on_several_pages(self, shop: WooCommerceShop, woocommerce: ProductSource) -> None:
        shop.add_variable(7, [{} for _ in range(230)])
        (product,) = (await read_all(woocommerce, access(shop))).products
        assert len({variant.external_id for variant in product.variants}) == 230
        assert shop.count("/variations") == 3

    async def test_what_is_not_in_the_catalogue(self, shop: WooCommerceShop, woocommerce: ProductSource) -> None:
        shop.add(1, status="draft")
        shop.add(2, catalog_visibility="hidden")
        shop.add(3)
        assert (await read_all(woocommerce, access(shop))).ids == {"3"}
        assert await woocommerce.one(access(shop), "1") is None
        assert await woocommerce.one(access(shop), "2") is None
        assert await woocommerce.one(access(shop), "9") is None

    async def test_one_is_what_the_list_says(self, shop: WooCommerceShop, woocommerce: ProductSource) -> None:
        shop.add_variable(7, [{"price": "8.00"}])
        (listed,) = (await read_all(woocommerce, access(shop))).products
        assert await woocommerce.one(access(shop), "7") == listed

    async def test_a_broken_product_does_not_stop_the_others(
        self, shop: WooCommerceShop, woocommerce: ProductSource
    ) -> None:
        shop.fill(3)
        shop.products[2]["name"] = None
        result = await read_all(woocommerce, access(shop))
        assert result.ids == {"1", "3"}
        assert [(problem.code, problem.external_id) for problem in result.problems] == [("product_unreadable", "2")]


class TestPages:
    @pytest.mark.parametrize("count", [0, 1, 19, 20, 21, 39, 40, 133])
    async def test_every_product_once(self, shop: WooCommerceShop, woocommerce: ProductSource, count: int) -> None:
        shop.fill(count)
        result = await read_all(woocommerce, access(shop))
        assert [product.external_id for product in result.products] == [str(n) for n in range(1, count + 1)]

    @pytest.mark.parametrize("gone", [[1], [20], [5, 6, 7], list(range(1, 20)), list(range(1, 21)), list(range(3, 45))])
    async def test_removed_between_pages_take_no_other_with_them(
        self, shop: WooCommerceShop, woocommerce: ProductSource, gone: list[int]
    ) -> None:
        shop.fill(100)
        for number in gone:
            shop.before(PRODUCTS, 3, lambda number=number: shop.products.pop(number) and None)
        result = await read_all(woocommerce, access(shop))
        assert {str(n) for n in range(1, 101) if n not in gone} - result.ids == set()
        assert len(result.products) == len(result.ids)

    async def test_added_between_pages(self, shop: WooCommerceShop, woocommerce: ProductSource) -> None:
        shop.fill(50)
        shop.before(PRODUCTS, 2, lambda: shop.add(51) and None)
        result = await read_all(woocommerce, access(shop))
        assert result.ids == {str(n) for n in range(1, 52)}
        assert len(result.products) == 51

    async def test_only_what_changed_since(self, shop: WooCommerceShop, woocommerce: ProductSource) -> None:
        shop.fill(3)
        shop.add(4, date_modified_gmt="2026-02-01T10:00:00")
        result = await read_all(woocommerce, access(shop, modified_after="2026-01-31T00:00:00"))
        assert result.ids == {"4"}


class TestKeys:
    async def test_a_wrong_secret_names_its_field(self, shop: WooCommerceShop, woocommerce: ProductSource) -> None:
        with pytest.raises(SourceRefused) as caught:
            await woocommerce.page(StoreAccess(shop.url, "ck_good", "cs_wrong"), None)
        assert (caught.value.code, caught.value.field) == ("key_refused", "api_key")

    @pytest.mark.parametrize(("key", "secret", "field"), [("", "", "api_key"), ("ck_good", "", "api_secret")])
    async def test_a_missing_key_asks_nobody(
        self, shop: WooCommerceShop, woocommerce: ProductSource, key: str, secret: str, field: str
    ) -> None:
        with pytest.raises(SourceRefused) as caught:
            await woocommerce.page(StoreAccess(shop.url, key, secret), None)
        assert (caught.value.code, caught.value.field, shop.asked) == ("key_missing", field, [])

    async def test_the_secret_never_travels_over_http(self, shop: WooCommerceShop, woocommerce: ProductSource) -> None:
        shop.fill(1)
        await read_all(woocommerce, access(shop))
        assert "cs_good" not in str(shop.asked)
        assert "authorization" not in shop.asked[0].headers

    def test_over_https_it_is_basic(self) -> None:
        headers, query = sign("https://shop.example/wp-json/wc/v3/products", {"page": 1}, "ck_a", "cs_b")
        assert headers == {"Authorization": f"Basic {base64.b64encode(b'ck_a:cs_b').decode()}"}
        assert query == {"page": 1}

    @pytest.mark.parametrize(
        ("given", "root"),
        [
            ("https://shop.example", "https://shop.example"),
            ("https://shop.example/", "https://shop.example"),
            ("https://shop.example/store/", "https://shop.example/store"),
            ("https://shop.example/wp-json/wc/v3/", "https://shop.example"),
        ],
    )
    def test_the_root_of_an_address(self, given: str, root: str) -> None:
        assert root_of(given) == root


class TestTrouble:
    async def test_429(self, shop: WooCommerceShop, woocommerce: ProductSource) -> None:
        shop.instead("/products", Reply(429, {"code": "too_many"}, {"Retry-After": "7"}))
        with pytest.raises(SourceBusy) as caught:
            await woocommerce.page(access(shop), None)
        assert caught.value.after_seconds == 7.0

    @pytest.mark.parametrize(
        ("reply", "kind", "code"),
        [
            (Reply(403, {"code": "woocommerce_rest_cannot_view"}), SourceRefused, "right_missing"),
            (Reply(404, {"code": "rest_no_route"}), SourceRefused, "not_a_shop"),
            (Reply(404, b"<html>"), SourceRefused, "not_a_shop"),
            (Reply(200, b"<html>"), SourceUnreadable, "source_unreadable"),
            (Reply(200, {"not": "a list"}), SourceUnreadable, "source_unreadable"),
            (Reply(503, b""), SourceBusy, "source_busy"),
        ],
    )
    async def test_each_answer_has_its_name(
        self, shop: WooCommerceShop, woocommerce: ProductSource, reply: Reply, kind: type[Exception], code: str
    ) -> None:
        shop.instead("/products", reply)
        with pytest.raises(kind) as caught:
            await woocommerce.page(access(shop), None)
        assert getattr(caught.value, "code", "") == code

    async def test_busy_in_the_middle_of_variations_loses_nothing(
        self, shop: WooCommerceShop, woocommerce: ProductSource
    ) -> None:
        shop.add_variable(1, [{}])
        shop.instead("/variations", Reply(429, {}, {"Retry-After": "1"}))
        with pytest.raises(SourceBusy):
            await woocommerce.page(access(shop), None)
        assert (await read_all(woocommerce, access(shop))).ids == {"1"}
