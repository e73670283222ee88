"""The TikTok adapter against the sandbox, over HTTP."""

from __future__ import annotations

import asyncio
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
    PlatformError,
    PostRef,
    Progress,
    QuotaUsedUp,
    ReconnectAccount,
    RefreshToken,
    RetryLater,
    Seen,
    Sight,
)
from app.platforms.registry import Adapters
from app.platforms.tiktok import errors
from app.platforms.tiktok.client import TikTokClient, TikTokConfig
from app.platforms.tiktok.publish import TikTokPublisher

WORDS = {
    errors.Kind.later: RetryLater,
    errors.Kind.check: RetryLater,
    errors.Kind.quota: QuotaUsedUp,
    errors.Kind.refresh: RefreshToken,
    errors.Kind.reconnect: ReconnectAccount,
    errors.Kind.fix: FixContent,
    errors.Kind.permanent: Permanent,
}
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
        request = adapter.connector.authorize(state="s", redirect_uri="https://app.example.com/oauth", login="tiktok")
        code = sandbox.consent(request.url, "Bakery")["code"]
        words = {
            "redirect_uri": "https://app.example.com/oauth",
            "code_verifier": request.code_verifier,
            "login": "tiktok",
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


def covers(*cells: tuple[str, str]):
    """Mark a test as covering (post type, option) cells; "-" is the plain post type."""

    def mark(test):
        for post_type, option in cells:
            test = pytest.mark.covers("tiktok", post_type, option)(test)
        return test

    return mark


class TestPublish:
    @covers(("video", "-"), ("video", "privacy_level"))
    async def test_video(self, driver, sandbox, profile, video):
        done = await driver.publish(Draft("Fresh bread", ("bakery",), (video,), options=PUBLIC))
        [post] = published(sandbox, profile)
        assert (post["text"], post["privacy"]) == ("Fresh bread #bakery", "PUBLIC_TO_EVERYONE")
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

    @covers(("photo", "-"), ("photo", "privacy_level"))
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


FLAGS = ("disable_comment", "disable_duet", "disable_stitch", "brand_content_toggle", "brand_organic_toggle", "is_aigc")


DEFAULTS = {
    "video": {name: name.startswith("disable_") for name in FLAGS},
    "photo": {
        "disable_comment": True,
        "auto_add_music": False,
        "brand_content_toggle": False,
        "brand_organic_toggle": False,
        "is_aigc": False,
        "photo_cover_index": 0,
    },
}


def cell(post_type: str, options: dict, expected: dict):
    name = next(iter(options))
    return pytest.param(
        post_type, options, expected, marks=pytest.mark.covers("tiktok", post_type, name), id=f"{post_type}-{name}"
    )


class TestOptions:
    """Every option reaches TikTok under its own name, and only where it is chosen."""

    @pytest.mark.parametrize(
        ("post_type", "options", "expected"),
        [
            *(cell("video", {name: False}, {name: False}) for name in FLAGS[:3]),
            *(cell("video", {name: True}, {name: True}) for name in FLAGS[3:]),
            cell("video", {"cover_timestamp_ms": 1500}, {"video_cover_timestamp_ms": 1500}),
            cell("video", {"consent": "music_usage"}, {}),
            cell("photo", {"disable_comment": False}, {"disable_comment": False}),
            cell("photo", {"brand_content_toggle": True}, {"brand_content_toggle": True}),
            cell("photo", {"brand_organic_toggle": True}, {"brand_organic_toggle": True}),
            cell("photo", {"is_aigc": True}, {"is_aigc": True}),
            cell("photo", {"auto_add_music": True}, {"auto_add_music": True}),
            cell("photo", {"cover_index": 1}, {"photo_cover_index": 1}),
            cell("photo", {"consent": "music_usage"}, {}),
        ],
    )
    async def test_reaches_the_platform(self, driver, sandbox, profile, video, image, post_type, options, expected):
        media = (video,) if post_type == "video" else (image, image)
        await driver.publish(Draft("x", media=media, post_type=post_type, options={**PUBLIC, **options}))
        [post] = published(sandbox, profile)
        assert post["choices"] == {**DEFAULTS[post_type], **expected}

    @covers(("photo", "title"))
    async def test_a_title(self, driver, sandbox, profile, image):
        await driver.publish(Draft("Long text", media=(image,), options={**PUBLIC, "title": "Heading"}))
        [post] = published(sandbox, profile)
        assert (post["title"], post["text"]) == ("Heading", "Long text")

    @pytest.mark.parametrize("level", ["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"])
    async def test_privacy(self, driver, sandbox, profile, video, level):
        await driver.publish(Draft("x", media=(video,), options={"privacy_level": level}))
        [post] = published(sandbox, profile)
        assert post["privacy"] == level

    async def test_thirty_five_pictures(self, driver, sandbox, profile, image):
        driver.longest_wait = 1.0
        await driver.publish(Draft("Many", media=(image,) * 35, options=PUBLIC))
        [post] = published(sandbox, profile)
        assert post["media_count"] == 35


class TestInbox:
    @covers(("inbox_video", "-"))
    async def test_video(self, driver, sandbox, profile, video):
        done = await driver.publish(Draft("is not sent", media=(video,), post_type="inbox_video"))
        [post] = published(sandbox, profile)
        assert (post["privacy"], post["kind"], post["text"]) == ("INBOX", "video", "")
        assert (done.platform_post_id, done.data["delivered_to"]) == (None, "inbox")
        assert sandbox.calls("tiktok.creator_info") == 0

    async def test_long_video_in_chunks(self, driver, sandbox, profile, long_clip):
        await driver.publish(Draft("x", media=(long_clip,), post_type="inbox_video"), until=60)
        assert len(published(sandbox, profile)) == 1
        assert sandbox.calls("tiktok.upload") == 3

    @covers(("inbox_photo", "-"), ("inbox_photo", "title"), ("inbox_photo", "cover_index"))
    async def test_photos(self, driver, sandbox, profile, image):
        options = {"title": "Heading", "cover_index": 1}
        await driver.publish(Draft("Text", media=(image, image), post_type="inbox_photo", options=options))
        [post] = published(sandbox, profile)
        assert (post["privacy"], post["title"], post["text"], post["media_count"]) == ("INBOX", "Heading", "Text", 2)
        assert post["choices"]["photo_cover_index"] == 1

    @pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
    async def test_a_lost_last_chunk_delivers_once(self, driver, sandbox, profile, video, fault):
        sandbox.fault("tiktok.upload", fault)
        await driver.publish(Draft("x", media=(video,), post_type="inbox_video"))
        assert len(published(sandbox, profile)) == 1
        assert sandbox.calls("tiktok.inbox_init") == 1

    async def test_a_full_inbox(self, driver, sandbox, profile, video):
        for _ in range(5):
            await driver.publish(Draft("x", media=(video,), post_type="inbox_video"))
        with pytest.raises(QuotaUsedUp) as caught:
            await driver.publish(Draft("x", media=(video,), post_type="inbox_video"))
        assert caught.value.code == "too_many_drafts"
        assert len(published(sandbox, profile)) == 5

    async def test_direct_options_are_unknown_there(self, adapter, video):
        draft = Draft("x", media=(video,), post_type="inbox_video", options=PUBLIC)
        [finding] = adapter.publisher.validate(draft, AccountFacts())
        assert (finding.field, finding.code) == ("options.privacy_level", "unknown_option")


class TestFacts:
    async def test_what_the_composer_shows(self, adapter, driver, sandbox, profile):
        facts = (await adapter.publisher.facts(driver.auth)).facts
        assert facts["can_post"] is True
        assert facts["creator_nickname"] == "Bakery"
        assert facts["privacy_level_options"] == ["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"]
        assert facts["max_video_post_duration_sec"] > 0
        assert facts["consents"]["music_usage"]["text"] == (
            "By posting, you agree to TikTok's Music Usage Confirmation"
        )
        assert set(facts["consents"]["branded_content_and_music_usage"]["links"]) == {
            "Branded Content Policy",
            "Music Usage Confirmation",
        }

    async def test_an_account_that_may_not_post_now_says_why(self, adapter, driver, sandbox, profile, video):
        path = f"/accounts/tiktok/{profile.account_id_external}"
        sandbox.send("PATCH", path, creator_blocked="spam_risk_too_many_posts")
        facts = await adapter.publisher.facts(driver.auth)
        assert (facts.facts["can_post"], "24 hours" in facts.facts["why_not"]) == (False, True)
        findings = adapter.publisher.validate(Draft("x", media=(video,), options=PUBLIC), facts)
        assert [finding.code for finding in findings] == ["account_cannot_post"]

    async def test_what_the_account_switched_off(self, adapter, driver, sandbox, profile, video):
        sandbox.send("PATCH", f"/accounts/tiktok/{profile.account_id_external}", duet_disabled=True)
        facts = await adapter.publisher.facts(driver.auth)
        draft = Draft("x", media=(video,), options={**PUBLIC, "disable_duet": False})
        [finding] = adapter.publisher.validate(draft, facts)
        assert (finding.field, finding.code) == ("options.disable_duet", "interaction_not_offered")
        with pytest.raises(FixContent) as caught:
            await driver.publish(draft)
        assert caught.value.code == "interaction_not_offered"
        assert published(sandbox, profile) == []

    async def test_before_the_audit_only_what_tiktok_lets_through(self, sandbox_url, video):
        config = TikTokConfig("key", "secret", is_audited=False)
        publisher = TikTokPublisher(TikTokClient(config))
        [finding] = publisher.validate(Draft("x", media=(video,), options=PUBLIC), AccountFacts())
        assert finding.code == "app_not_audited"
        assert publisher.validate(Draft("x", media=(video,), options=ONLY_ME), AccountFacts()) == []
        assert publisher.validate(Draft("x", media=(video,), post_type="inbox_video"), AccountFacts()) == []


class TestAftercare:
    async def ref(self, adapter, driver, video, **options):
        draft = Draft("x", media=(video,), options=options or PUBLIC)
        done = await driver.publish(draft)
        done = await adapter.publisher.look(driver.auth, draft, done, driver.attempts[-1])
        return PostRef(done.platform_post_id or "", "video", done.data, draft.options)

    async def test_a_public_post_is_seen_until_it_is_gone(self, adapter, driver, sandbox, profile, video):
        ref = await self.ref(adapter, driver, video)
        [post] = published(sandbox, profile)
        assert await adapter.aftercare.find(driver.auth, ref) == Seen(Sight.seen, post["permalink"])
        gone = replace(ref, platform_post_id="7000000000000000001")
        assert await adapter.aftercare.find(driver.auth, gone) == Seen(Sight.missing)

    async def test_a_private_post_cannot_be_looked_at(self, adapter, driver, video):
        ref = await self.ref(adapter, driver, video, **ONLY_ME)
        assert await adapter.aftercare.find(driver.auth, ref) == Seen(Sight.unknown)

    async def test_a_draft_waits(self, adapter, driver, video):
        done = await driver.publish(Draft("x", media=(video,), post_type="inbox_video"))
        ref = PostRef("", "inbox_video", done.data)
        assert await adapter.aftercare.find(driver.auth, ref) == Seen(Sight.waiting)

    async def test_comments_and_deleting_have_no_way(self, adapter, driver):
        ref = PostRef("7000000000000000001", "video")
        assert not adapter.aftercare.can_comment(driver.auth, ref)
        assert not adapter.aftercare.can_delete(driver.auth, ref)
        with pytest.raises(Permanent):
            await adapter.aftercare.comment(driver.auth, ref, "x")
        with pytest.raises(Permanent):
            await adapter.aftercare.delete(driver.auth, ref)


class TestErrorRows:
    """Every row of the tables, over the wire."""

    @pytest.mark.parametrize("code", sorted(errors.TABLE))
    async def test_a_code_becomes_its_word(self, adapter, driver, sandbox, video, code):
        row = errors.TABLE[code]
        body = {"data": {}, "error": {"code": code, "message": "words of the platform", "log_id": "LOG1"}}
        is_about_status = "publish_id" in code
        sandbox.fault(
            "tiktok.status" if is_about_status else "tiktok.video_init", "error_before", status=403, body=body
        )
        draft, media = Draft("x", media=(video,), options=PUBLIC), driver._attempt()
        submitted = Progress(Phase.submitted, {"publish_id": "v"})
        publisher = adapter.publisher
        with pytest.raises(PlatformError) as caught:
            await (
                publisher.look(driver.auth, draft, submitted, media)
                if is_about_status
                else publisher.prepare(driver.auth, draft, Progress(), media)
            )
        assert (caught.value.code, caught.value.sentence) == (row.code, row.sentence)
        assert (caught.value.platform_code, caught.value.trace_id) == (code, "LOG1")
        assert type(caught.value) is WORDS[row.kind]

    @pytest.mark.parametrize("reason", sorted(errors.FAIL_REASONS))
    async def test_a_fail_reason_becomes_its_word(self, adapter, driver, sandbox, profile, video, reason):
        row = errors.FAIL_REASONS[reason]
        draft = Draft("x", media=(video,), options=PUBLIC)
        media = driver._attempt()
        sandbox.send("POST", "/faults", kind="publish_failed", fail_reason=reason)
        done = await adapter.publisher.prepare(driver.auth, draft, Progress(), media)
        done = await adapter.publisher.submit(driver.auth, draft, done, media)
        await asyncio.sleep(0.3)
        if row.kind is errors.Kind.restage:
            again = await adapter.publisher.look(driver.auth, draft, done, media)
            assert (again.phase, again.data["reason"]) == (Phase.processing, row.code)
        else:
            with pytest.raises(PlatformError) as caught:
                await adapter.publisher.look(driver.auth, draft, done, media)
            assert (caught.value.code, caught.value.sentence, caught.value.proven) == (row.code, row.sentence, True)
        assert published(sandbox, profile) == []

    @pytest.mark.parametrize("name", sorted(errors.OAUTH))
    async def test_an_oauth_error_becomes_its_word(self, adapter, driver, sandbox, profile, name):
        row = errors.OAUTH[name]
        body = {"error": name, "error_description": "words of the platform", "log_id": "LOG1"}
        sandbox.fault("tiktok.token", "error_before", status=400, body=body)
        with pytest.raises(PlatformError) as caught:
            await adapter.connector.refresh(
                profile.grant, account_id_external=profile.account_id_external, now=datetime.now(UTC)
            )
        assert (caught.value.code, caught.value.sentence) == (row.code, row.sentence)


class TestResume:
    async def test_after_a_crash_it_goes_on_from_the_last_byte_that_tiktok_has(
        self, adapter, driver, sandbox, profile, long_clip
    ):
        """What was written down is older than what arrived: TikTok's own count decides."""
        draft, media = Draft("Once", media=(long_clip,), options=PUBLIC), driver._attempt()
        opened = await adapter.publisher.prepare(driver.auth, draft, Progress(), media)
        assert opened.data["sent"] == 0
        ahead = await adapter.publisher.prepare(driver.auth, draft, opened, media)
        assert ahead.data["sent"] == 20_000_000
        calls = sandbox.calls("tiktok.upload")
        again = await adapter.publisher.prepare(driver.auth, draft, opened, driver._attempt())
        assert again.data["sent"] == 20_000_000
        assert sandbox.calls("tiktok.upload") == calls + 1  # one refusal that names the progress, no byte twice
        await driver.publish(draft, start=again)
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
