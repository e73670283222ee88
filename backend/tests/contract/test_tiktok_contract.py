"""The TikTok adapter against the sandbox, over HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from contract_harness import Driver, MediaHost, Sandbox, connect, with_token

from app.platforms.base import (
    AccountFacts,
    ConnectedProfile,
    Draft,
    FixContent,
    MediaItem,
    Outcome,
    Permanent,
    Phase,
    PlatformAdapter,
    PostRef,
    Progress,
    QuotaUsedUp,
    ReconnectAccount,
    RefreshToken,
)
from app.platforms.registry import Adapters

PUBLIC = {"privacy_level": "PUBLIC_TO_EVERYONE"}
ONLY_ME = {"privacy_level": "SELF_ONLY"}
BROKEN = {"error": {"code": "internal_error", "message": "x", "log_id": "1"}}


@pytest.fixture
def adapter(adapters: Adapters) -> PlatformAdapter:
    return adapters["tiktok"]


@pytest.fixture
async def profile(adapter: PlatformAdapter, sandbox: Sandbox) -> ConnectedProfile:
    return (await connect(adapter, sandbox, "Bakery"))[0]


@pytest.fixture
def driver(adapter: PlatformAdapter, profile: ConnectedProfile, host: MediaHost) -> Driver:
    return Driver(adapter, profile, host)


@pytest.fixture(scope="session")
def long_clip(host: MediaHost, clip: bytes, video: MediaItem) -> MediaItem:
    """The clip with an empty box behind it: a valid file that needs three chunks."""
    size = 35_000_123 - len(clip)
    content = clip + size.to_bytes(4, "big") + b"free" + bytes(size - 8)
    return replace(video, url=host.add("long.mp4", content, "video/mp4"), size_bytes=len(content))


def published(sandbox: Sandbox, profile: ConnectedProfile) -> list[dict]:
    return sandbox.published("tiktok", profile.account_id_external)


class TestConnect:
    async def test_profile_and_lifetimes(self, adapter, sandbox):
        [profile] = await connect(adapter, sandbox, "Bakery")
        now = datetime.now(UTC)
        assert profile.grant.refresh_token
        assert timedelta(minutes=119) < profile.grant.expires_at - now <= timedelta(hours=2)
        assert profile.grant.refresh_due_at - now <= timedelta(minutes=90)
        assert profile.grant.refresh_expires_at - now > timedelta(days=179)
        assert "video.publish" in profile.grant.scopes

    async def test_names_the_missing_permission(self, adapter, sandbox):
        with pytest.raises(ReconnectAccount, match=r"video\.publish"):
            await connect(adapter, sandbox, "Bakery", declined_scopes=["video.publish"])

    async def test_a_used_code(self, adapter, sandbox):
        request = adapter.connector.authorize(state="s", redirect_uri="https://app.example.com/oauth")
        code = sandbox.consent(request.url, "Bakery")["code"]
        words = {
            "redirect_uri": "https://app.example.com/oauth",
            "code_verifier": request.code_verifier,
            "now": datetime.now(UTC),
        }
        await adapter.connector.exchange(code=code, **words)
        with pytest.raises(ReconnectAccount) as caught:
            await adapter.connector.exchange(code=code, **words)
        assert caught.value.code == "sign_in_failed"

    @pytest.mark.parametrize("status", [200, 400])
    async def test_a_refresh_token_works_once(self, adapter, driver, sandbox, profile, status):
        sandbox.knobs(tiktok_oauth_error_status=status)
        words = {"account_id_external": profile.account_id_external, "now": datetime.now(UTC)}
        fresh = await adapter.connector.refresh(profile.grant, **words)
        assert fresh.refresh_token != profile.grant.refresh_token
        assert fresh.access_token != profile.grant.access_token
        with pytest.raises(ReconnectAccount) as caught:
            await adapter.connector.refresh(profile.grant, **words)
        assert caught.value.platform_code == "invalid_grant"
        again = await adapter.connector.refresh(fresh, **words)
        driver.grant = again
        assert await adapter.connector.check(driver.auth) is True

    async def test_check_and_revoke(self, adapter, driver):
        await adapter.connector.revoke(driver.grant)
        assert await adapter.connector.check(driver.auth) is False


class TestPublish:
    async def test_video(self, driver, sandbox, profile, video):
        done = await driver.publish(Draft("Fresh bread", ("bakery",), (video,), options=PUBLIC))
        [post] = published(sandbox, profile)
        assert (post["text"], post["privacy"]) == ("Fresh bread\n\n#bakery", "PUBLIC_TO_EVERYONE")
        assert done.data["publish_id"]
        assert "upload_url" not in done.data
        assert done.platform_post_id in (None, post["id"])
        seen = await driver.adapter.publisher.look(driver.auth, Draft("x", media=(video,)), done, driver.attempts[-1])
        assert (seen.phase, seen.platform_post_id) == (Phase.published, post["id"])
        assert seen.permalink == post["permalink"]

    async def test_a_link_that_tiktok_does_not_tell_has_the_usual_form(self, driver, sandbox, profile, video):
        done = await driver.publish(Draft("Fresh bread", media=(video,), options=PUBLIC))
        [post] = published(sandbox, profile)
        sandbox.fault("tiktok.video_query", "error_before", status=500)
        seen = await driver.adapter.publisher.look(driver.auth, Draft("x", media=(video,)), done, driver.attempts[-1])
        assert seen.permalink.endswith(f"/video/{post['id']}")

    async def test_the_id_can_be_asked_for_later(self, driver, sandbox, profile, video):
        sandbox.send("PATCH", "/knobs", tiktok_moderation_seconds=60)
        done = await driver.publish(Draft("Fresh bread", media=(video,), options=PUBLIC))
        metrics = driver.adapter.metrics
        assert done.platform_post_id is None
        assert await metrics.public_id(driver.auth, "video", done.data) is None
        sandbox.send("POST", "/clock", advance_seconds=61)
        [post] = published(sandbox, profile)
        found = await metrics.public_id(driver.auth, "video", done.data)
        assert (found.platform_post_id, found.permalink) == (post["id"], post["permalink"])

    async def test_private_video_has_no_id(self, driver, sandbox, profile, video):
        done = await driver.publish(Draft("Fresh bread", media=(video,), options=ONLY_ME))
        assert len(published(sandbox, profile)) == 1
        assert (done.platform_post_id, done.permalink) == (None, None)

    async def test_photos(self, driver, sandbox, profile, image):
        done = await driver.publish(Draft("Three", media=(image, image, image), options=PUBLIC))
        [post] = published(sandbox, profile)
        assert (post["text"], post["media_count"]) == ("Three", 3)
        assert "urls" not in done.data

    async def test_chunks(self, driver, sandbox, profile, long_clip):
        await driver.publish(Draft("Long", media=(long_clip,), options=PUBLIC), until=60)
        assert len(published(sandbox, profile)) == 1
        assert sandbox.calls("tiktok.upload") == 3

    async def test_no_token_goes_to_the_upload_address(self, driver, video):
        await driver.publish(Draft("x", media=(video,), options=PUBLIC))
        text = repr(driver.records)
        assert "upload_token" not in text
        assert driver.grant.access_token not in text

    async def test_a_wrong_size_is_found_out(self, driver, sandbox, profile, long_clip):
        wrong = replace(long_clip, size_bytes=40_000_000)
        await driver.publish(Draft("Long", media=(wrong,), options=PUBLIC), until=60)
        assert len(published(sandbox, profile)) == 1


class TestLostAnswers:
    @pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
    async def test_video_init(self, driver, sandbox, profile, video, kind):
        sandbox.fault("tiktok.video_init", kind)
        await driver.publish(Draft("Once", media=(video,), options=PUBLIC))
        assert len(published(sandbox, profile)) == 1
        assert driver.errors == ["platform_silent"]

    @pytest.mark.parametrize("options", [PUBLIC, ONLY_ME])
    @pytest.mark.parametrize("fault", ["drop_before", "drop_after", "error_after"])
    async def test_only_chunk(self, driver, sandbox, profile, video, fault, options):
        sandbox.fault("tiktok.upload", fault, status=500)
        await driver.publish(Draft("Once", media=(video,), options=options))
        assert len(published(sandbox, profile)) == 1
        assert driver.errors == ["outcome_unknown"]
        assert driver.outcomes[-1] is (Outcome.not_published if fault == "drop_before" else Outcome.published)
        assert sandbox.calls("tiktok.video_init") == 1

    @pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
    async def test_last_chunk_of_many(self, driver, sandbox, profile, long_clip, fault):
        draft = Draft("Once", media=(long_clip,), options=PUBLIC)
        media = driver._attempt()
        progress = Progress()
        while progress.phase is Phase.preparing:
            progress = await driver.adapter.publisher.prepare(driver.auth, draft, progress, media)
        assert sandbox.calls("tiktok.upload") == 2
        assert published(sandbox, profile) == []
        sandbox.fault("tiktok.upload", fault)
        await driver.publish(draft, start=progress)
        assert len(published(sandbox, profile)) == 1
        assert sandbox.calls("tiktok.upload") == (4 if fault == "drop_before" else 3)

    @pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
    async def test_middle_chunk(self, driver, sandbox, profile, long_clip, fault):
        sandbox.fault("tiktok.upload", fault)
        await driver.publish(Draft("Once", media=(long_clip,), options=PUBLIC), until=60)
        assert len(published(sandbox, profile)) == 1
        assert sandbox.calls("tiktok.video_init") == 1

    async def test_photo_init_lost_before_acting(self, driver, sandbox, profile, image):
        sandbox.fault("tiktok.photo_init", "drop_before")
        await driver.publish(Draft("Once", media=(image,), options=PUBLIC))
        assert len(published(sandbox, profile)) == 1
        assert driver.attempts[0].is_revoked
        assert Outcome.not_published in driver.outcomes

    async def test_photo_init_lost_after_the_download(self, driver, sandbox, profile, image, host):
        sandbox.fault("tiktok.photo_init", "drop_after")
        driver.before_reconcile = 0.5  # TikTok fetches meanwhile
        done = await driver.publish(Draft("Once", media=(image, image), options=PUBLIC))
        [post] = published(sandbox, profile)
        assert done.platform_post_id == post["id"]
        assert sandbox.calls("tiktok.photo_init") == 1

    async def test_photo_init_lost_before_the_download(self, driver, sandbox, profile, image, host):
        """The fence goes up before TikTok has fetched anything: the first post never happens, the second does."""
        host.is_slow = True
        sandbox.fault("tiktok.photo_init", "drop_after")
        try:
            publishing = driver.publish(Draft("Once", media=(image,), options=PUBLIC), on_lost=host.hurry)
            await publishing
        finally:
            host.is_slow = False
        assert len(published(sandbox, profile)) == 1
        assert sandbox.calls("tiktok.photo_init") == 2

    async def test_private_photos_whose_fate_cannot_be_known(self, driver, sandbox, profile, image):
        sandbox.fault("tiktok.photo_init", "drop_after")
        driver.before_reconcile = 0.5
        with pytest.raises(AssertionError, match="unknown"):
            await driver.publish(Draft("Once", media=(image,), options=ONLY_ME))
        assert driver.outcomes[-1] is Outcome.unknown
        assert len(published(sandbox, profile)) == 1


class TestRefusals:
    async def test_an_expired_token_is_renewed_and_nothing_is_sent_twice(self, driver, sandbox, profile, video):
        sandbox.send("POST", f"/accounts/tiktok/{profile.account_id_external}/expire-tokens")
        await driver.publish(Draft("x", media=(video,), options=PUBLIC))
        assert driver.errors == ["token_expired"]
        assert len(published(sandbox, profile)) == 1

    async def test_a_token_that_dies_while_waiting(self, driver, sandbox, profile, video):
        sandbox.knobs(processing_seconds=0.5)
        draft = Draft("x", media=(video,), options=PUBLIC)
        media, publisher = driver._attempt(), driver.adapter.publisher
        done = await publisher.prepare(driver.auth, draft, Progress(), media)
        done = await publisher.submit(driver.auth, draft, done, media)
        sandbox.send("POST", f"/accounts/tiktok/{profile.account_id_external}/expire-tokens")
        with pytest.raises(RefreshToken):
            await publisher.look(driver.auth, draft, done, media)
        await driver.publish(draft, start=done)
        assert len(published(sandbox, profile)) == 1
        assert sandbox.calls("tiktok.video_init") == 1

    async def test_unknown_token(self, adapter, profile, host, video):
        driver = Driver(adapter, with_token(profile, "act.nonsense"), host)
        with pytest.raises(RefreshToken):
            await adapter.publisher.prepare(
                driver.auth, Draft("x", media=(video,), options=PUBLIC), Progress(), driver._attempt()
            )

    @pytest.mark.parametrize(
        ("code", "error"),
        [
            ("spam_risk_too_many_posts", QuotaUsedUp),
            ("spam_risk_user_banned_from_posting", Permanent),
            ("reached_active_user_cap", QuotaUsedUp),
        ],
    )
    async def test_blocked_creators_answer_with_status_200(self, driver, sandbox, profile, video, code, error):
        sandbox.send("PATCH", f"/accounts/tiktok/{profile.account_id_external}", creator_blocked=code)
        with pytest.raises(error) as caught:
            await driver.publish(Draft("x", media=(video,), options=PUBLIC))
        assert caught.value.platform_code == code
        assert driver.records[-1].status == 200
        assert sandbox.calls("tiktok.video_init") == 0

    async def test_a_choice_that_is_no_longer_offered(self, driver, sandbox, profile, video):
        sandbox.send("PATCH", f"/accounts/tiktok/{profile.account_id_external}", private=True)
        with pytest.raises(FixContent) as caught:
            await driver.publish(Draft("x", media=(video,), options=PUBLIC))
        assert (caught.value.field, caught.value.code) == ("options.privacy_level", "privacy_not_offered")

    async def test_longer_than_the_account_may(self, driver, sandbox, profile, video):
        sandbox.send("PATCH", f"/accounts/tiktok/{profile.account_id_external}", max_duration_seconds=3)
        with pytest.raises(FixContent) as caught:
            await driver.publish(Draft("x", media=(video,), options=PUBLIC))
        assert caught.value.code == "video_too_long"

    async def test_unaudited_app(self, driver, sandbox, profile, video):
        sandbox.knobs(unaudited_tiktok=True)
        with pytest.raises(FixContent) as caught:
            await driver.publish(Draft("x", media=(video,), options=ONLY_ME))
        assert caught.value.code == "account_must_be_private"

    @pytest.mark.parametrize(("reason", "error"), [("frame_rate_check_failed", FixContent), ("spam_risk", Permanent)])
    async def test_failed(self, driver, sandbox, profile, video, reason, error):
        sandbox.send("POST", "/faults", kind="publish_failed", fail_reason=reason)
        with pytest.raises(error) as caught:
            await driver.publish(Draft("x", media=(video,), options=PUBLIC))
        assert caught.value.platform_code == reason
        assert published(sandbox, profile) == []

    @pytest.mark.parametrize("kind", ["video", "photo"])
    async def test_failed_inside_tiktok_is_tried_again(self, driver, sandbox, profile, video, image, kind):
        sandbox.send("POST", "/faults", kind="publish_failed", fail_reason="internal")
        item = video if kind == "video" else image
        await driver.publish(Draft("x", media=(item,), options=PUBLIC))
        assert driver.errors == []
        assert len(published(sandbox, profile)) == 1

    async def test_failed_again_and_again(self, driver, sandbox, profile, video):
        sandbox.send("POST", "/faults", kind="publish_failed", fail_reason="internal", times=6)
        sandbox.knobs(tiktok_daily_posts=50)
        with pytest.raises(Permanent) as caught:
            await driver.publish(Draft("x", media=(video,), options=PUBLIC))
        assert caught.value.code == "tiktok_failed"
        assert sandbox.calls("tiktok.video_init") == 6
        assert published(sandbox, profile) == []

    async def test_an_upload_address_that_expired(self, driver, sandbox, profile, video):
        draft = Draft("x", media=(video,), options=PUBLIC)
        done = await driver.adapter.publisher.prepare(driver.auth, draft, Progress(), driver._attempt())
        sandbox.advance(3_700)
        await driver.publish(draft, start=done)
        assert driver.errors == ["upload_expired"]
        assert len(published(sandbox, profile)) == 1

    def test_privacy_is_never_guessed(self, adapter, video):
        [finding] = adapter.publisher.validate(Draft("x", media=(video,)), AccountFacts())
        assert (finding.field, finding.code) == ("options.privacy_level", "privacy_level_required")


class TestMetrics:
    async def test_values(self, adapter, driver, sandbox, profile, video):
        done = await driver.publish(Draft("x", media=(video,), options=PUBLIC))
        done = await adapter.publisher.look(driver.auth, Draft("x", media=(video,)), done, driver.attempts[-1])
        sandbox.advance(3_600)
        refs = [PostRef(str(done.platform_post_id), "video"), PostRef("7000000000000000001", "video")]
        values = await adapter.metrics.read(driver.auth, refs)
        assert set(values) == {done.platform_post_id}
        value = values[str(done.platform_post_id)]
        assert None not in (value.impressions, value.likes, value.comments, value.shares)
        assert (value.reach, value.clicks) == (None, None)
