"""The Instagram adapter against the sandbox, over HTTP."""

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
    Phase,
    PlatformAdapter,
    PostRef,
    QuotaUsedUp,
    ReconnectAccount,
)
from app.platforms.registry import Adapters

BLOCKED = {"error": {"message": "blocked", "type": "OAuthException", "code": 4, "error_subcode": 2207051}}


@pytest.fixture
def adapter(adapters: Adapters) -> PlatformAdapter:
    return adapters["instagram"]


@pytest.fixture
async def profile(adapter: PlatformAdapter, sandbox: Sandbox) -> ConnectedProfile:
    return (await connect(adapter, sandbox, "Bakery"))[0]


@pytest.fixture
def driver(adapter: PlatformAdapter, profile: ConnectedProfile, host: MediaHost) -> Driver:
    return Driver(adapter, profile, host)


def published(sandbox: Sandbox, profile: ConnectedProfile) -> list[dict]:
    return sandbox.published("instagram", profile.account_id_external)


class TestConnect:
    @pytest.mark.parametrize("envelope", ["flat", "data"])
    async def test_reads_both_envelopes(self, adapter, sandbox, envelope):
        sandbox.knobs(envelope=envelope)
        [profile] = await connect(adapter, sandbox, "Bakery")
        assert profile.usable
        assert profile.account_id_external.isdigit()
        assert profile.grant.expires_at - datetime.now(UTC) > timedelta(days=59)
        assert profile.grant.refresh_due_at - datetime.now(UTC) < timedelta(days=7, seconds=1)
        assert "instagram_business_content_publish" in profile.grant.scopes
        assert profile.grant.extra["app_scoped_id"]

    async def test_names_the_missing_permission(self, adapter, sandbox):
        with pytest.raises(ReconnectAccount, match="instagram_business_content_publish"):
            await connect(adapter, sandbox, "Bakery", declined_scopes=["instagram_business_content_publish"])

    async def test_a_code_works_once(self, adapter, sandbox):
        request = adapter.connector.authorize(
            state="s", redirect_uri="https://app.example.com/oauth", login="instagram"
        )
        code = sandbox.consent(request.url, "Bakery")["code"]
        words = {
            "redirect_uri": "https://app.example.com/oauth",
            "code_verifier": None,
            "login": "instagram",
            "now": datetime.now(UTC),
        }
        await adapter.connector.exchange(code=code, **words)
        with pytest.raises(ReconnectAccount) as caught:
            await adapter.connector.exchange(code=code, **words)
        assert caught.value.code == "sign_in_failed"

    async def test_refreshes_a_day_later_and_never_sooner(self, adapter, sandbox, profile):
        same = await adapter.connector.refresh(
            profile.grant, account_id_external=profile.account_id_external, now=datetime.now(UTC)
        )
        assert same is profile.grant
        sandbox.advance(8 * 86_400)
        later = datetime.now(UTC) + timedelta(days=8)
        fresh = await adapter.connector.refresh(
            profile.grant, account_id_external=profile.account_id_external, now=later
        )
        assert fresh.access_token != profile.grant.access_token
        assert fresh.expires_at > profile.grant.expires_at
        assert fresh.scopes == profile.grant.scopes

    async def test_check_and_revoke(self, adapter, driver):
        assert await adapter.connector.check(driver.auth) is True
        await adapter.connector.revoke(driver.grant)
        assert await adapter.connector.check(driver.auth) is False


class TestPublish:
    async def test_image(self, driver, sandbox, profile, image):
        done = await driver.publish(Draft("New in store", ("autumn",), (image,), options={"alt_text": "A coat"}))
        [post] = published(sandbox, profile)
        assert (done.platform_post_id, done.permalink) == (post["id"], post["permalink"])
        assert post["text"] == "New in store\n\n#autumn"
        assert post["alt_texts"] == ["A coat"]
        assert driver.errors == []

    async def test_reel(self, driver, sandbox, profile, video):
        done = await driver.publish(Draft("Clip", media=(video,), options={"thumb_offset_ms": 500}))
        [post] = published(sandbox, profile)
        assert (done.platform_post_id, post["kind"]) == (post["id"], "reel")

    async def test_carousel_keeps_its_order(self, driver, sandbox, profile, image, video):
        await driver.publish(Draft("Look book", media=(image, video, image)))
        [post] = published(sandbox, profile)
        assert (post["kind"], post["media_count"]) == ("carousel", 3)
        assert ["mp4" in url for url in post["media_urls"]] == [False, True, False]

    async def test_a_carousel_keeps_the_children_it_has(self, driver, sandbox, profile, image):
        sandbox.fault("instagram.create_container", "drop_after", times=1)
        await driver.publish(Draft("Look book", media=(image, image, image)))
        assert len(published(sandbox, profile)) == 1
        assert sandbox.calls("instagram.create_container") == 5  # three, the lost one again, the parent

    async def test_permalink_is_not_worth_a_post(self, driver, sandbox, profile, image):
        sandbox.knobs(fresh_hidden_seconds=0.4)
        done = await driver.publish(Draft("Hidden", media=(image,)))
        [post] = published(sandbox, profile)
        assert (done.platform_post_id, done.permalink) == (post["id"], None)

    async def test_journal_holds_no_secrets(self, driver, image):
        await driver.publish(Draft("Secret caption", media=(image,)))
        assert {record.outcome for record in driver.records} == {"ok"}
        text = repr(driver.records)
        assert driver.grant.access_token not in text
        assert "Secret caption" not in text
        assert "?" not in "".join(record.path for record in driver.records)


class TestLostAnswers:
    @pytest.mark.parametrize("republish", ["error", "same_id"])
    @pytest.mark.parametrize("visibility", [0.0, 0.4])
    async def test_dropped_after_acting(self, driver, sandbox, profile, image, republish, visibility):
        sandbox.knobs(republish=republish, visibility_seconds=visibility)
        sandbox.fault("instagram.publish", "drop_after")
        done = await driver.publish(Draft("Once", media=(image,)))
        [post] = published(sandbox, profile)
        assert (done.platform_post_id, done.permalink) == (post["id"], post["permalink"])
        assert sandbox.calls("instagram.publish") == 1

    async def test_dropped_before_acting(self, driver, sandbox, profile, image):
        sandbox.fault("instagram.publish", "drop_before")
        done = await driver.publish(Draft("Once", media=(image,)))
        [post] = published(sandbox, profile)
        assert done.platform_post_id == post["id"]
        assert driver.outcomes[-1] is Outcome.not_published
        assert driver.outcomes.count(Outcome.look_again) >= 2

    async def test_server_error_after_acting(self, driver, sandbox, profile, video):
        sandbox.fault("instagram.publish", "error_after", status=500, body={"error": {"code": 2, "message": "x"}})
        done = await driver.publish(Draft("Once @partner", media=(video,)))
        [post] = published(sandbox, profile)
        assert done.platform_post_id == post["id"]

    async def test_unreadable_answer_after_acting(self, driver, sandbox, profile, image):
        sandbox.fault("instagram.publish", "error_after", status=502, body="<html>bad gateway</html>")
        done = await driver.publish(Draft("Once", media=(image, image)))
        [post] = published(sandbox, profile)
        assert done.platform_post_id == post["id"]

    async def test_blocked_as_spam_but_live(self, driver, sandbox, profile, image):
        sandbox.fault("instagram.publish", "error_after", status=400, body=BLOCKED)
        done = await driver.publish(Draft("Once", media=(image,)))
        [post] = published(sandbox, profile)
        assert done.platform_post_id == post["id"]
        assert driver.pauses == [timedelta(hours=1)]

    @pytest.mark.parametrize("republish", ["error", "same_id"])
    async def test_published_in_the_background_after_two_losses(self, driver, sandbox, profile, image, republish):
        """The first answer is lost before, the second after acting."""
        sandbox.knobs(republish=republish, visibility_seconds=0.3)
        sandbox.fault("instagram.publish", "drop_before")
        sandbox.fault("instagram.publish", "drop_after")
        done = await driver.publish(Draft("Once", media=(image,)))
        [post] = published(sandbox, profile)
        assert done.platform_post_id == post["id"]

    async def test_an_id_that_stayed_unknown_is_found_later(self, adapter, driver, sandbox, profile, image):
        """The container says that it is out before the list shows it."""
        sandbox.knobs(visibility_seconds=30)
        sandbox.fault("instagram.publish", "drop_after")
        done = await driver.publish(Draft("Once", media=(image,)))
        assert (done.phase, done.platform_post_id) == (Phase.published, None)
        assert await adapter.metrics.public_id(driver.auth, "image", done.data) is None
        sandbox.advance(31)
        found = await adapter.metrics.public_id(driver.auth, "image", done.data)
        [post] = published(sandbox, profile)
        assert (found.platform_post_id, found.permalink) == (post["id"], post["permalink"])

    async def test_a_post_by_hand_is_not_taken_for_ours(self, driver, sandbox, profile, image, adapter, host):
        other = Driver(adapter, profile, host)
        await other.publish(Draft("Same text", media=(image,)))
        sandbox.advance(120)
        driver.offset = timedelta(seconds=120)
        sandbox.fault("instagram.publish", "drop_before")
        done = await driver.publish(Draft("Same text", media=(image,)))
        first, second = sorted(published(sandbox, profile), key=lambda post: post["published_at"])
        assert done.platform_post_id == second["id"] != first["id"]


class TestRefusals:
    async def test_expired_token(self, adapter, driver, sandbox, profile, image):
        sandbox.send("POST", f"/accounts/instagram/{profile.account_id_external}/expire-tokens")
        with pytest.raises(ReconnectAccount) as caught:
            await driver.publish(Draft("x", media=(image,)))
        assert caught.value.platform_code == "190/463"
        assert driver.records[-1].outcome == "refused"
        assert await adapter.connector.check(driver.auth) is False
        assert published(sandbox, profile) == []

    async def test_unknown_token(self, adapter, profile, host, image):
        driver = Driver(adapter, with_token(profile, "IGAAnonsense"), host)
        with pytest.raises(ReconnectAccount):
            await driver.publish(Draft("x", media=(image,)))

    async def test_quota(self, driver, sandbox, profile, image):
        sandbox.knobs(instagram_quota_total=0)
        with pytest.raises(QuotaUsedUp) as caught:
            await driver.publish(Draft("x", media=(image,)))
        assert caught.value.until > datetime.now(UTC) + timedelta(minutes=50)
        assert published(sandbox, profile) == []

    async def test_media_that_cannot_be_fetched_is_tried_three_times_more(self, driver, sandbox, host, image):
        lost = replace(image, url=f"{host.url}/f/missing.jpg")
        with pytest.raises(FixContent) as caught:
            await driver.publish(Draft("x", media=(lost,)))
        assert (caught.value.field, caught.value.code) == ("media_urls", "media_not_fetched")
        assert sandbox.calls("instagram.create_container") == 4

    async def test_rejected_video_is_staged_once_more(self, driver, sandbox, profile, video):
        sandbox.send("POST", "/faults", kind="container_error", subcode=2207026)
        await driver.publish(Draft("x", media=(video,)))
        assert len(published(sandbox, profile)) == 1
        assert sandbox.calls("instagram.create_container") == 2

    async def test_rejected_video_twice(self, driver, sandbox, profile, video):
        sandbox.send("POST", "/faults", kind="container_error", subcode=2207026, times=2)
        with pytest.raises(FixContent) as caught:
            await driver.publish(Draft("x", media=(video,)))
        assert caught.value.code == "video_unsupported"
        assert published(sandbox, profile) == []

    async def test_throttled(self, driver, sandbox, profile, image):
        body = {"error": {"message": "limit", "code": 80002}}
        headers = {
            "x-business-use-case-usage": '{"1":[{"type":"instagram","call_count":100,"total_time":1,'
            '"total_cputime":1,"estimated_time_to_regain_access":19}]}'
        }
        sandbox.fault("instagram.create_container", "error_before", status=400, body=body, headers=headers)
        await driver.publish(Draft("x", media=(image,)))
        assert driver.errors == ["platform_throttled"]
        assert driver.pauses[0] == timedelta(minutes=19)
        assert len(published(sandbox, profile)) == 1


class TestMetrics:
    async def test_values_and_missing_ones(self, adapter, driver, sandbox, image, video):
        picture = await driver.publish(Draft("picture", media=(image,)))
        reel = await driver.publish(Draft("reel", media=(video,)))
        sandbox.advance(3 * 86_400)
        refs = [
            PostRef(str(picture.platform_post_id), "image"),
            PostRef(str(reel.platform_post_id), "reel"),
            PostRef("17900000000000009", "image"),
        ]
        values = await adapter.metrics.read(driver.auth, refs)
        assert set(values) == {picture.platform_post_id, reel.platform_post_id}
        for value in values.values():
            assert value.clicks is None
            assert None not in (value.impressions, value.reach, value.likes, value.comments, value.shares)

    async def test_not_yet_available_is_not_zero(self, adapter, driver, sandbox, image):
        sandbox.knobs(insights_delay_seconds=3600)
        done = await driver.publish(Draft("picture", media=(image,)))
        values = await adapter.metrics.read(driver.auth, [PostRef(str(done.platform_post_id), "image")])
        assert values[str(done.platform_post_id)] == MetricValues()
