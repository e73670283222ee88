"""Making accounts that look like real ones."""

from __future__ import annotations

import hashlib
import re

from sandbox import ids
from sandbox.core import Sandbox
from sandbox.records import Person, Persona, Platform

FACEBOOK_TASKS = ["ANALYZE", "ADVERTISE", "MESSAGING", "MODERATE", "CREATE_CONTENT", "MANAGE"]
"""Tasks of a person with full control of a Page. Source: Pages API, Instagram Platform › Overview."""


def create_persona(sandbox: Sandbox, platform: Platform, name: str, account_id: str = "", user_id: str = "") -> Persona:
    """Create an account; ids left out are made up in the platform's own form. On Facebook `user_id` owns the Page."""
    seed = int.from_bytes(hashlib.blake2b(f"{platform}:{name}".encode(), digest_size=4).digest(), "big")
    if not account_id:
        account_id = {
            "instagram": lambda: ids.digits("17841", 17),
            "facebook": lambda: ids.digits("1", 15),
            "tiktok": ids.open_id,
        }[platform]()
    if not user_id:
        user_id = {
            "instagram": lambda: ids.digits("61", 16),
            "facebook": lambda: ids.digits("102", 17),
            "tiktok": ids.open_id,
        }[platform]()
    followers = 1_050 + seed % 7_000
    persona = Persona(
        platform=platform,
        account_id=account_id,
        name=name,
        username=_username(sandbox, platform, name),
        user_id=user_id,
        created_at=sandbox.clock.now(),
        followers=followers,
        likes=followers - 30,
        tasks=list(FACEBOOK_TASKS) if platform == "facebook" else [],
    )
    sandbox.state.personas.put(persona)
    if platform == "facebook" and user_id not in sandbox.state.people:
        sandbox.state.people.put(Person(id=user_id, name=f"{name} (owner)"))
    return persona


def personas_of(sandbox: Sandbox, platform: Platform) -> list[Persona]:
    """Return the accounts of a platform in the order of their names."""
    found = [persona for persona in sandbox.state.personas if persona.platform == platform]
    return sorted(found, key=lambda persona: persona.name.casefold())


def _username(sandbox: Sandbox, platform: Platform, name: str) -> str:
    base = re.sub(r"[^a-z0-9]+", "_" if platform != "facebook" else "", name.casefold()).strip("_")[:24] or "shop"
    taken = {persona.username for persona in sandbox.state.personas if persona.platform == platform}
    username, number = base, 2
    while username in taken:
        username, number = f"{base}{number}", number + 1
    return username
