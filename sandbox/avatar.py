"""A profile picture for an account: its initials on a colour of its own."""

from __future__ import annotations

import hashlib
from xml.sax.saxutils import escape

from sandbox.records import Persona


def avatar_svg(persona: Persona) -> str:
    """Return the picture as SVG."""
    hue = hashlib.blake2b(persona.name.encode(), digest_size=2).digest()
    angle = int.from_bytes(hue, "big") % 360
    words = [word for word in persona.name.split() if word[:1].isalnum()] or ["?"]
    initials = escape("".join(word[0] for word in words[:2]).upper())
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96">'
        f'<defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1"><stop stop-color="hsl({angle} 62% 52%)"/>'
        f'<stop offset="1" stop-color="hsl({(angle + 40) % 360} 66% 38%)"/></linearGradient></defs>'
        '<rect width="96" height="96" fill="url(#g)"/>'
        '<text x="48" y="49" fill="#fff" font-family="system-ui,sans-serif" font-size="38" font-weight="600"'
        f' text-anchor="middle" dominant-baseline="central">{initials}</text></svg>'
    )
