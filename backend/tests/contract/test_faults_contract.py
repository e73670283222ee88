"""Many posts of every kind while answers get lost before and after acting: each is out exactly once."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from contract_harness import Driver, connect

from app.platforms.base import Draft

POSTS = 24
PUBLIC = {"privacy_level": "PUBLIC_TO_EVERYONE"}


def drafts(platform: str, image, video) -> list[Draft]:
    """Return one draft for each kind of post."""
    match platform:
        case "instagram":
            return [
                Draft("picture", media=(image,)),
                Draft("reel", media=(video,)),
                Draft("carousel", media=(image, image)),
            ]
        case "facebook":
            return [
                Draft("text"),
                Draft("link", options={"link": "https://acme.example/"}),
                Draft("photo", media=(image,)),
                Draft("photos", media=(image, image)),
                Draft("reel", media=(video,)),
                Draft("video", media=(replace(video, duration_seconds=None),)),
            ]
        case _:
            return [
                Draft("video", media=(video,), options=PUBLIC),
                Draft("photos", media=(image, image), options=PUBLIC),
            ]


@pytest.mark.parametrize("platform", ["instagram", "facebook", "tiktok"])
async def test_exactly_once(adapters, sandbox, host, image, video, platform):
    adapter = adapters[platform]
    kinds = drafts(platform, image, video)
    profiles = [(await connect(adapter, sandbox, f"Shop {number}"))[0] for number in range(4)]
    sandbox.knobs(
        seed=7,
        drop_rate=0.06,
        drop_before_rate=0.06,
        error_500_rate=0.06,
        rate_limit_rate=0.03,
        spurious_token_rate=0.0 if platform == "tiktok" else 0.03,
        visibility_seconds=0.2,
        tiktok_daily_posts=1000,
        enforce_rate_limits=False,
        rates_include_oauth=False,
    )
    drivers: list[Driver] = []

    async def publish_all(number: int) -> None:
        for turn in range(number, POSTS, len(profiles)):
            driver = Driver(adapter, profiles[number], host, is_forgiving=True, before_reconcile=0.3)
            drivers.append(driver)
            draft = kinds[turn % len(kinds)]
            await driver.publish(replace(draft, content=f"{draft.content} number {turn}"), until=60)

    await asyncio.gather(*(publish_all(number) for number in range(len(profiles))))
    sandbox.knobs(drop_rate=0, drop_before_rate=0, error_500_rate=0, rate_limit_rate=0, spurious_token_rate=0)
    texts = Counter(
        post["text"].rpartition(" ")[2]
        for profile in profiles
        for post in sandbox.published(platform, profile.account_id_external)
    )
    assert texts == {str(turn): 1 for turn in range(POSTS)}
    assert any("outcome_unknown" in driver.errors for driver in drivers)
