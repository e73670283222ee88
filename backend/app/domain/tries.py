"""How often somebody may try: the numbers behind "too many tries", in one place."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True)
class TryLimit:
    """At most `count` tries in any `seconds`, for one account or one place."""

    name: str
    count: int
    seconds: int


SIGN_IN_BY_ACCOUNT = TryLimit("sign_in_account", 10, 900)
"""Guesses at one person's password that are looked at, from wherever they come; a right one sets it back to zero."""
SIGN_IN_BY_PLACE = TryLimit("sign_in_place", 50, 900)
"""Guesses from one network address (IPv6: one /64) at whomever's password."""
CODE_BY_ACCOUNT = TryLimit("code_account", 5, 900)
"""Guesses at one person's second factor: six digits, three of which are right at a time, make 1 in 66,000 a quarter
of an hour."""
PASSWORD_BY_ACCOUNT = TryLimit("password_account", 10, 900)
"""Confirmations of one's own password while signed in."""
REGISTER_BY_PLACE = TryLimit("register_place", 30, 3600)
LETTERS_BY_EMAIL = TryLimit("letters_email", 3, 3600)
"""Letters asked for to one address. Beyond it the answer is the same, and nothing is sent."""
LETTERS_BY_PLACE = TryLimit("letters_place", 30, 3600)
LINK_BY_PLACE = TryLimit("link_place", 60, 3600)
"""Links from letters that are tried from one place."""


def place_of(address: str) -> str:
    """Return what counts as one place: an IPv4 address, or the /64 of an IPv6 one, which one customer has whole."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
