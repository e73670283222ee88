"""What preference endpoints take and return."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, field_validator

from app.domain.links import PLACEHOLDERS, UTM_NAMES, unknown_placeholders
from app.domain.preferences import OnPriceChange, OnSoldOut
from app.schemas.common import Body, Read, Storable

_DOMAIN = re.compile(r"^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$")


def _domain(value: str) -> str:
    name = value.strip().casefold().removeprefix("www.")
    if not _DOMAIN.match(name):
        raise ValueError(f"'{value}' is not a domain. Write it without https://, such as shop.example")
    return name


def _tag(value: str) -> str:
    unknown = unknown_placeholders(value)
    if unknown:
        names = ", ".join("{" + name + "}" for name in PLACEHOLDERS)
        raise ValueError(f"There is no {{{unknown[0]}}}. Use {names}, or plain words")
    return value.strip()


Domain = Annotated[str, StringConstraints(max_length=300), AfterValidator(_domain)]
Tag = Annotated[str, StringConstraints(max_length=200), Storable, AfterValidator(_tag)]


class LinkPreferencesBody(Body):
    """Fields left out stay as they are."""

    add_utm: bool | None = None
    shorten: bool | None = None
    utm: dict[str, Tag] | None = None
    domains: Annotated[list[Domain], Field(max_length=20)] | None = None

    @field_validator("utm")
    @classmethod
    def _known_tags(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        for name in value or {}:
            if name not in UTM_NAMES:
                raise ValueError(f"'{name}' is no tag. Use {', '.join(UTM_NAMES)}")
        return value


class ProductPreferencesBody(Body):
    """Fields left out stay as they are."""

    on_sold_out: OnSoldOut | None = None
    on_price_change: OnPriceChange | None = None


class ChangePreferences(Body):
    """Parts and fields left out stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"links": {"shorten": True}}]})
    links: LinkPreferencesBody | None = None
    products: ProductPreferencesBody | None = None


class LinkPreferencesRead(Read):
    add_utm: bool
    shorten: bool
    utm: dict[str, str]
    domains: list[str]


class ProductPreferencesRead(Read):
    on_sold_out: OnSoldOut
    on_price_change: OnPriceChange


class PreferencesRead(Read):
    links: LinkPreferencesRead
    products: ProductPreferencesRead
