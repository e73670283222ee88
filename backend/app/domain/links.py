"""Links in captions: tags that tell a shop's statistics where a visitor came from."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from app.domain.captions import links_in

PLACEHOLDERS = ("platform", "account", "product", "date")
"""What a tag's value may name: `{platform}`, `{account}`, `{product}`, `{date}` (of approval, YYYY-MM-DD)."""
_PLACEHOLDER = re.compile(r"\{(\w*)\}")
UTM_NAMES = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
DEFAULT_UTM = {"utm_source": "{platform}", "utm_medium": "social", "utm_campaign": "{product}"}


@dataclass(frozen=True)
class LinkPreferences:
    """What a user wants done to links of the shop when a post is made from the queue."""

    add_utm: bool = False
    shorten: bool = False
    utm: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_UTM))
    domains: tuple[str, ...] = ()
    """The shop's own domains, besides the product's: links to others stay as they are."""


def unknown_placeholders(template: str) -> list[str]:
    """Return the placeholders of a tag's value that do not exist."""
    return [name for name in _PLACEHOLDER.findall(template) if name not in PLACEHOLDERS]


def slug(text: str) -> str:
    """Return a text as statistics like it: lower case, words joined by '-'."""
    return "-".join(re.findall(r"\w+", text.casefold()))[:80]


def filled(template: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: slug(values.get(match[1], "")) or "none", template)


def with_tags(url: str, tags: Mapping[str, str]) -> str:
    """Return an address with tags added; tags that it has already stay as they are."""
    parts = urlsplit(url)
    known = parse_qsl(parts.query, keep_blank_values=True)
    names = {name for name, _ in known}
    added = [(name, value) for name, value in tags.items() if value and name not in names]
    if not added:
        return url
    query = "&".join(part for part in (parts.query, urlencode(added, quote_via=quote)) if part)
    return urlunsplit(parts._replace(query=query))


def is_of(url: str, domains: Collection[str]) -> bool:
    """Whether an address lies on one of the domains or below it."""
    host = (urlsplit(url).hostname or "").casefold()
    return any(host == domain or host.endswith("." + domain) for domain in map(str.casefold, domains) if domain)


def host_of(url: str | None) -> str:
    """Return the domain of an address without `www.`; empty when it has none."""
    return (urlsplit(url).hostname or "").casefold().removeprefix("www.") if url else ""


def rewritten(text: str, domains: Collection[str], change: Callable[[str], str]) -> str:
    """Return a text with the links to some domains changed, every occurrence of one link alike."""
    changed: dict[str, str] = {}
    for link in links_in(text):
        if link not in changed and is_of(link, domains):
            changed[link] = change(link)
    for link in sorted(changed, key=len, reverse=True):
        text = re.sub(re.escape(link) + r"(?![^\s.,;:!?)'\"<>])", lambda _, new=changed[link]: new, text)  # type: ignore[misc]
    return text
