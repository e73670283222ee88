"""Shops that speak real HTTP: what our clients are tried against."""

from factories.shops.feed import FeedHost
from factories.shops.shopify import ShopifyShop
from factories.shops.woocommerce import WooCommerceShop

__all__ = ["FeedHost", "ShopifyShop", "WooCommerceShop"]
