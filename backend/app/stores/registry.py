"""The product sources by the platform that a connection names."""

from __future__ import annotations

from collections.abc import Mapping

from app.stores.base import ProductSource
from app.stores.google_feed import FeedSource
from app.stores.http import StoreHttp
from app.stores.shopify import ShopifySource
from app.stores.woocommerce import WooCommerceSource


def build_sources(http: StoreHttp) -> Mapping[str, ProductSource]:
    """Return what can be read; `platform` connections are not among them: those send us what they have."""
    return {"shopify": ShopifySource(http), "woocommerce": WooCommerceSource(http), "feed": FeedSource(http)}
