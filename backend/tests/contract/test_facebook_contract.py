"""The Facebook adapter against the sandbox, over HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from contract_harness import Driver, MediaHost, Sandbox, connect, with_token

from app.platforms.base import (
    ConnectedProfile,
    Draft,
    FixContent,
    MetricValues,
    Outcome,
    PlatformAdapter,
    PostRef,
    ReconnectAccount,
)
from app.platforms.registry import Adapters

BROKEN = {"error": {"message": "An unknown error has occurred.", "type": "OAuthException", "code": 1}}


@pytest.fixture
def adapter(adapters: Adapters) -> PlatformAdapter:
    return adapters["facebook"]


@pytest.fixture
async def profile(adapter: PlatformAdapter, sandbox: Sandbox) -> ConnectedProfile:
    return (await connect(adapter, sandbox, "Bakery"))[0]


@pytest.fixture
def driver(adapter: PlatformAdapter, profile: ConnectedProfile, host: MediaHost) -> Driver:
    return Driver(adapter, profile, host)


def published(sandbox: Sandbox, profile: ConnectedProfile) -> list[dict]:
    return sandbox.published("facebook", profile.account_id_external)


def draft_of(kind: str, image, video) -> Draft:
    match kind:
        case "text":
            return Draft("New opening hours", ("bakery",))
        case "link":
            return Draft("Read this", options={"link": "https://acme.example/hours"})
        case "photo":
            return Draft("One picture", media=(image,))
        case "photos":
            return Draft("Three pictures", media=(image, image, image))
        case "reel":
            return Draft("A reel", media=(video,))
        case _:
            return Draft("A video", media=(replace(video, duration_seconds=None),))


KINDS = ["text", "link", "photo", "photos", "video", "reel"]
SUBMITS = {"video": "facebook.video_finish", "reel": "facebook.reel_finish"}


class TestConnect:
    async def test_every_page_on_every_result_page(self, adapter, sandbox):
        names = [f"Branch {number:02}" for number in range(30)]
        profiles = await connect(adapter, sandbox, "Bakery", more_accounts=names)
        assert sorted(profile.account_name for profile in profiles) == ["Bakery", *names]
        assert len({profile.account_id_external for profile in profiles}) == 31
        assert len({profile.grant.access_token for profile in profiles}) == 31
        for profile in profiles:
            assert (profile.grant.expires_at, profile.grant.refresh_due_at) == (None, None)
            assert profile.grant.extra["user_token"]
            assert profile.usable

    async def test_names_the_missing_permission(self, adapter, sandbox):
        with pytest.raises(ReconnectAccount, match="pages_manage_posts"):
            await connect(adapter, sandbox, "Bakery", declined_scopes=["pages_manage_posts"])

    async def test_pages_of_a_portfolio(self, adapter, sandbox, profile):
        sandbox.send("PATCH", f"/accounts/facebook/{profile.account_id_external}", in_portfolio=True)
        [again] = await connect(adapter, sandbox, "Bakery")
        assert again.account_id_external == profile.account_id_external

    @pytest.mark.parametrize(
        ("tasks", "usable"),
        [
            (["PROFILE_PLUS_CREATE_CONTENT"], True),
            (["PROFILE_PLUS_FULL_CONTROL"], True),
            (["CREATE_CONTENT"], True),
            (["ANALYZE", "PROFILE_PLUS_ANALYZE"], False),
        ],
    )
    async def test_both_spellings_of_the_tasks(self, adapter, sandbox, profile, tasks, usable):
        sandbox.send("PATCH", f"/accounts/facebook/{profile.account_id_external}", tasks=tasks)
        [again] = await connect(adapter, sandbox, "Bakery")
        assert again.usable is usable
        assert (again.problem is None) is usable

    async def test_a_used_code(self, adapter, sandbox):
        request = adapter.connector.authorize(state="s", redirect_uri="https://app.example.com/oauth")
        code = sandbox.consent(request.url, "Bakery")["code"]
        words = {"redirect_uri": "https://app.example.com/oauth", "code_verifier": None, "now": datetime.now(UTC)}
        await adapter.connector.exchange(code=code, **words)
        with pytest.raises(ReconnectAccount) as caught:
            await adapter.connector.exchange(code=code, **words)
        assert caught.value.code == "sign_in_failed"

    async def test_check_refresh_and_revoke(self, adapter, driver):
        assert await adapter.connector.check(driver.auth) is True
        fresh = await adapter.connector.refresh(
            driver.grant, account_id_external=driver.profile.account_id_external, now=datetime.now(UTC)
        )
        assert fresh.access_token == driver.grant.access_token
        await adapter.connector.revoke(fresh)
        assert await adapter.connector.check(driver.auth) is False


class TestPublish:
    @pytest.mark.parametrize("kind", KINDS)
    async def test_once(self, driver, sandbox, profile, image, video, kind):
        done = await driver.publish(draft_of(kind, image, video))
        [post] = published(sandbox, profile)
        assert done.platform_post_id == post["id"]
        assert done.permalink
        assert driver.errors == []

    @pytest.mark.parametrize("kind", ["text", "link", "photo", "photos", "video"])
    async def test_with_proofs_required(self, driver, sandbox, profile, image, video, kind):
        sandbox.knobs(require_appsecret_proof=True)
        await driver.publish(draft_of(kind, image, video))
        assert len(published(sandbox, profile)) == 1

    @pytest.mark.parametrize("spelling", ["complete", "completed"])
    async def test_both_spellings_of_a_status(self, driver, sandbox, profile, image, video, spelling):
        sandbox.knobs(facebook_status_spelling=spelling)
        await driver.publish(draft_of("reel", image, video))
        await driver.publish(draft_of("video", image, video))
        assert len(published(sandbox, profile)) == 2

    async def test_what_is_posted(self, driver, sandbox, profile, image, video):
        for kind in KINDS:
            await driver.publish(draft_of(kind, image, video))
        posts = {post["text"]: post for post in published(sandbox, profile)}
        assert posts["New opening hours\n\n#bakery"]["media_count"] == 0
        assert posts["Read this"]["link"] == "https://acme.example/hours"
        assert posts["One picture"]["media_count"] == 1
        assert posts["Three pictures"]["media_count"] == 3
        assert posts["A reel"]["kind"] != posts["A video"]["kind"]

    async def test_a_lost_upload_is_repeated_alone(self, driver, sandbox, profile, image):
        sandbox.fault("facebook.stage_photo", "drop_after")
        await driver.publish(Draft("Three", media=(image, image, image)))
        [post] = published(sandbox, profile)
        assert post["media_count"] == 3

    async def test_an_interrupted_reel_goes_on(self, driver, sandbox, profile, image, video):
        for kind in ("drop_before", "drop_after"):
            sandbox.fault("facebook.reel_upload", kind)
            await driver.publish(Draft(f"Reel {kind}", media=(video,)))
        assert len(published(sandbox, profile)) == 2

    async def test_an_interrupted_video_goes_on(self, driver, sandbox, profile, image, video):
        for kind in ("drop_before", "drop_after"):
            sandbox.fault("facebook.video_transfer", kind)
            item = replace(video, duration_seconds=None)
            await driver.publish(Draft(f"Video {kind}", media=(item,)))
        assert len(published(sandbox, profile)) == 2

    async def test_a_wrong_size_is_found_out(self, driver, sandbox, profile, video):
        item = replace(video, duration_seconds=None, size_bytes=12_345)
        await driver.publish(Draft("Video", media=(item,)))
        assert len(published(sandbox, profile)) == 1


class TestLostAnswers:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("visibility", [0.0, 0.4])
    async def test_dropped_after_acting(self, driver, sandbox, profile, image, video, kind, visibility):
        sandbox.knobs(visibility_seconds=visibility)
        sandbox.fault(SUBMITS.get(kind, "facebook.feed"), "drop_after")
        done = await driver.publish(draft_of(kind, image, video))
        [post] = published(sandbox, profile)
        assert done.platform_post_id == post["id"]
        assert done.permalink
        assert sandbox.calls(SUBMITS.get(kind, "facebook.feed")) == 1

    @pytest.mark.parametrize("kind", KINDS)
    async def test_dropped_before_acting(self, driver, sandbox, profile, image, video, kind):
        sandbox.fault(SUBMITS.get(kind, "facebook.feed"), "drop_before")
        done = await driver.publish(draft_of(kind, image, video))
        [post] = published(sandbox, profile)
        assert done.platform_post_id == post["id"]
        assert Outcome.not_published in driver.outcomes
        assert driver.outcomes.count(Outcome.look_again) >= 2

    @pytest.mark.parametrize("kind", KINDS)
    async def test_server_error_after_acting(self, driver, sandbox, profile, image, video, kind):
        sandbox.fault(SUBMITS.get(kind, "facebook.feed"), "error_after", status=500, body=BROKEN)
        done = await driver.publish(draft_of(kind, image, video))
        [post] = published(sandbox, profile)
        assert done.platform_post_id == post["id"]

    async def test_text_that_surfaces_after_it_was_submitted_again(self, driver, sandbox, profile):
        """The list lags longer than we wait; the duplicate refusal (506) then says that it went out."""
        sandbox.knobs(visibility_seconds=1.5)
        sandbox.fault("facebook.feed", "drop_after")
        done = await driver.publish(Draft("Slow list"))
        [post] = published(sandbox, profile)
        assert done.platform_post_id == post["id"]
        assert len(driver.errors) >= 2
        assert set(driver.errors) == {"outcome_unknown"}

    async def test_an_older_equal_text_is_not_taken_for_ours(self, driver, sandbox, profile, image):
        await driver.publish(Draft("Fresh bread"))
        await driver.publish(Draft("In between"))
        sandbox.advance(120)
        driver.offset = timedelta(seconds=120)
        sandbox.fault("facebook.feed", "drop_before")
        done = await driver.publish(Draft("Fresh bread"))
        posts = sorted(published(sandbox, profile), key=lambda post: post["published_at"])
        assert len(posts) == 3
        assert done.platform_post_id == posts[-1]["id"]


class TestRefusals:
    async def test_dead_token(self, adapter, driver, sandbox, profile, image):
        url = f"/accounts/facebook/{profile.account_id_external}/expire-tokens"
        sandbox.send("POST", url, subcode=459)
        with pytest.raises(ReconnectAccount, match=r"facebook\.com") as caught:
            await driver.publish(Draft("x"))
        assert (caught.value.code, caught.value.platform_code) == ("account_checkpoint", "190/459")
        assert await adapter.connector.check(driver.auth) is False
        assert published(sandbox, profile) == []

    async def test_unknown_token(self, adapter, profile, host):
        with pytest.raises(ReconnectAccount):
            await Driver(adapter, with_token(profile, "EAAnonsense"), host).publish(Draft("x"))

    async def test_duplicate_text(self, driver, sandbox, profile):
        await driver.publish(Draft("Same"))
        with pytest.raises(FixContent) as caught:
            await driver.publish(Draft("Same"))
        assert caught.value.code == "duplicate_post"
        assert len(published(sandbox, profile)) == 1

    async def test_throttled(self, driver, sandbox, profile):
        body = {"error": {"message": "(#80001) limit", "type": "OAuthException", "code": 80001}}
        sandbox.fault("facebook.feed", "error_before", status=400, body=body)
        await driver.publish(Draft("x"))
        assert driver.errors == ["platform_throttled"]
        assert len(published(sandbox, profile)) == 1


class TestMetrics:
    async def test_values(self, adapter, driver, sandbox, profile, image, video):
        sandbox.send("PATCH", f"/accounts/facebook/{profile.account_id_external}", likes=5_000)
        refs = []
        for kind in ("text", "photo", "video"):
            done = await driver.publish(draft_of(kind, image, video))
            refs.append(PostRef(str(done.platform_post_id), kind, done.data))
        sandbox.advance(3 * 86_400)
        values = await adapter.metrics.read(driver.auth, [*refs, PostRef("1_2", "text")])
        assert set(values) == {ref.platform_post_id for ref in refs}
        for value in values.values():
            assert None not in (value.impressions, value.reach, value.likes, value.comments, value.shares, value.clicks)

    async def test_a_small_page_has_no_insights(self, adapter, driver, sandbox, profile):
        sandbox.send("PATCH", f"/accounts/facebook/{profile.account_id_external}", likes=20)
        done = await driver.publish(Draft("x"))
        values = await adapter.metrics.read(driver.auth, [PostRef(str(done.platform_post_id), "text")])
        value = values[str(done.platform_post_id)]
        assert (value.impressions, value.reach, value.clicks) == (None, None, None)
        assert value != MetricValues()
        assert value.likes is not None
