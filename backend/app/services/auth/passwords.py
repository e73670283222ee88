"""Passwords: hashed with Argon2 in a thread, so that other requests go on meanwhile."""

from __future__ import annotations

import asyncio

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

_hasher = PasswordHash((Argon2Hasher(),))
_DUMMY_HASH = _hasher.hash("the password of nobody")
"""Verified against when an address is unknown, so that both answers take the same time."""


async def hash_password(password: str) -> str:
    return await asyncio.to_thread(_hasher.hash, password)


async def is_password(password: str, known: str | None) -> bool:
    """Whether a password is the one that a hash was made of; as slowly for somebody who has none."""
    good = await asyncio.to_thread(_hasher.verify, password, known or _DUMMY_HASH)
    return good and known is not None
