"""Whether the outside can fetch from our public address: tried by fetching from it ourselves."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx

from app.storage.own import SAMPLES_PATH

SECONDS = 5.0
SAMPLE = "coffee.jpg"


async def find_trouble(public_base: str, *, is_live: bool) -> str | None:
    """Return what is wrong with the public address, as a sentence with the next step; `None` when it serves files.

    `is_live` says that real platforms fetch from it: they take nothing but https under a name."""
    if is_live and urlsplit(public_base).scheme != "https":
        return f"PUBLIC_URL is {public_base}: platforms fetch pictures and videos only from a public https address."
    url = f"{public_base}{SAMPLES_PATH}{SAMPLE}"
    try:
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False, follow_redirects=False) as client:
            response = await client.get(url, headers={"Range": "bytes=0-99"})
    except httpx.HTTPError as error:
        return _say(url, f"there was no answer ({type(error).__name__})")
    if response.is_redirect:
        return _say(url, f"it redirects to {response.headers.get('location', 'elsewhere')}, which platforms refuse")
    if response.status_code not in (200, 206):
        return _say(url, f"it answered {response.status_code}")
    mime = response.headers.get("content-type", "nothing")
    return None if mime == "image/jpeg" else _say(url, f"a picture came as {mime}: another server answers there")


def _say(url: str, what: str) -> str:
    return (
        f"Pictures and videos cannot be fetched from {url}: {what}. Set PUBLIC_URL to where PostPilot can be reached."
    )
