"""The Facebook adapter against the sandbox, over HTTP."""

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
    MetricValues,
    Outcome,
    OutcomeUnknown,
    Permanent,
    Phase,
    PlatformAdapter,
    PlatformError,
    PostRef,
    Progress,
    QuotaUsedUp,
    ReconnectAccount,
    RetryLater,
    Sight,
)
from app.platforms.facebook import errors
from app.platforms.facebook import publish as facebook_publish
from app.platforms.limits import first_comment_of
from app.platforms.meta import TELLING_SUBCODE, Kind
from app.platforms.registry import Adapters

WORDS = {
    Kind.later: RetryLater,
    Kind.throttled: RetryLater,
    Kind.quota: QuotaUsedUp,
    Kind.reconnect: ReconnectAccount,
    Kind.act: ReconnectAccount,
    Kind.fix: FixContent,
    Kind.permanent: Permanent,
}

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
            return Draft("A reel", media=(video,), post_type="reel")
        case "upright":
            return Draft("An upright video", media=(video,))
        case "photo_story":
            return Draft("not sent", media=(image,), post_type=kind)
        case "video_story":
            return Draft("not sent", media=(video,), post_type=kind)
        case _:
            return Draft("A video", media=(replace(video, duration_seconds=None),))


STORIES = ["photo_story", "video_story"]
KINDS = ["text", "link", "photo", "photos", "video", "reel", "upright", *STORIES]
SUBMITS = {
    "video": "facebook.video_finish",
    "reel": "facebook.reel_finish",
    "upright": "facebook.reel_finish",
    "photo_story": "facebook.photo_story",
    "video_story": "facebook.video_story_finish",
}


def plain(kind: str):
    """A test of the post type itself."""
    marks = [] if kind == "upright" else [pytest.mark.covers("facebook", kind, "-")]
    return pytest.param(kind, marks=marks, id=kind)


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
        request = adapter.connector.authorize(state="s", redirect_uri="https://app.example.com/oauth", login="facebook")
        code = sandbox.consent(request.url, "Bakery")["code"]
        words = {
            "redirect_uri": "https://app.example.com/oauth",
            "code_verifier": None,
            "login": "facebook",
            "now": datetime.now(UTC),
        }
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
    @pytest.mark.parametrize("kind", [plain(kind) for kind in KINDS])
    async def test_once(self, driver, sandbox, profile, image, video, kind):
        done = await driver.publish(draft_of(kind, image, video))
        [post] = published(sandbox, profile)
        assert done.platform_post_id == post["id"]
        assert bool(done.permalink) is (kind not in STORIES)  # a story's address is in the list of stories
        assert driver.errors == []

    @pytest.mark.parametrize("kind", KINDS)
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
        kinds = sorted(post["kind"] for post in published(sandbox, profile))
        assert kinds == ["link", "photo", "photo_story", "photos", "reel", "reel", "text", "video", "video_story"]
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


class TestOptions:
    @pytest.mark.parametrize(
        "kind",
        [pytest.param(kind, marks=pytest.mark.covers("facebook", kind, "link"), id=kind) for kind in ("text", "link")],
    )
    async def test_link(self, driver, sandbox, profile, kind):
        draft = Draft("Read this", post_type=kind, options={"link": "https://acme.example/hours"})
        await driver.publish(draft)
        [post] = published(sandbox, profile)
        assert post["link"] == "https://acme.example/hours"

    @pytest.mark.covers("facebook", "photo", "alt_text")
    async def test_alt_text(self, driver, sandbox, profile, image):
        await driver.publish(Draft("x", media=(image,), options={"alt_text": "A loaf"}))
        [post] = published(sandbox, profile)
        assert post["alt_texts"] == ["A loaf"]

    @pytest.mark.covers("facebook", "photos", "alt_texts")
    async def test_alt_texts_by_position_and_those_of_the_files(self, driver, sandbox, profile, image):
        described = replace(image, alt_text="From the file")
        draft = Draft("x", media=(image, described, described), options={"alt_texts": ["First", None]})
        await driver.publish(draft)
        [post] = published(sandbox, profile)
        assert post["alt_texts"] == ["First", "From the file", "From the file"]

    @pytest.mark.parametrize(
        "kind",
        [
            pytest.param(kind, marks=pytest.mark.covers("facebook", kind, "title"), id=kind)
            for kind in ("video", "reel")
        ],
    )
    async def test_title(self, driver, sandbox, profile, image, video, kind):
        draft = draft_of(kind, image, video)
        await driver.publish(replace(draft, options={"title": "Baking"}))
        [post] = published(sandbox, profile)
        assert post["title"] == "Baking"

    @pytest.mark.parametrize(
        "kind",
        [
            pytest.param(
                kind,
                marks=[
                    pytest.mark.covers("facebook", kind, "first_comment"),
                    pytest.mark.covers("facebook", kind, "hashtag_placement"),
                ],
                id=kind,
            )
            for kind in ("text", "link", "photo", "photos", "video", "reel")
        ],
    )
    async def test_first_comment_with_the_hashtags(self, adapter, driver, sandbox, profile, image, video, kind):
        options = {"first_comment": "Order here", "hashtag_placement": "first_comment"}
        draft = draft_of(kind, image, video)
        draft = replace(draft, hashtags=("bakery",), options={**draft.options, **options})
        done = await driver.publish(draft)
        [post] = published(sandbox, profile)
        assert "#bakery" not in post["text"]
        ref = PostRef(str(done.platform_post_id), adapter.publisher.post_type(draft), done.data, draft.options)
        text = first_comment_of(draft.options, draft.hashtags)
        assert text == "Order here\n\n#bakery"
        assert adapter.aftercare.can_comment(driver.auth, ref)
        assert await adapter.aftercare.find_comment(driver.auth, ref, text) is None
        comment_id = await adapter.aftercare.comment(driver.auth, ref, text)
        assert await adapter.aftercare.find_comment(driver.auth, ref, text) == comment_id
        assert await adapter.aftercare.find_comment(driver.auth, ref, "Another one") is None

    def test_stories_take_no_text_and_no_options(self, adapter, image, video):
        for kind, item in (("photo_story", image), ("video_story", video)):
            draft = Draft("x", media=(item,), post_type=kind, options={"first_comment": "no"})
            [finding] = adapter.publisher.validate(draft, AccountFacts())
            assert finding.code == "unknown_option"

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"duration_seconds": 61.0}, "video_too_long"),
            ({"duration_seconds": 2.0}, "video_too_short"),
            ({"width_px": 400, "height_px": 700}, "picture_size"),
            ({"frame_rate": 15.0}, "frame_rate"),
            ({"mime_type": "video/quicktime"}, "unsupported_media_type"),
        ],
    )
    def test_limits_of_a_video_story(self, adapter, video, change, code):
        draft = Draft("x", media=(replace(video, **change),), post_type="video_story")
        assert [finding.code for finding in adapter.publisher.validate(draft, AccountFacts())] == [code]


class TestAftercare:
    async def test_a_post_is_seen_until_it_is_deleted(self, adapter, driver, sandbox, profile, image):
        done = await driver.publish(Draft("x", media=(image,)))
        ref = PostRef(str(done.platform_post_id), "photo", done.data)
        seen = await adapter.aftercare.find(driver.auth, ref)
        assert seen.sight is Sight.seen
        assert seen.permalink
        assert adapter.aftercare.can_delete(driver.auth, ref)
        await adapter.aftercare.delete(driver.auth, ref)
        assert published(sandbox, profile) == []
        assert (await adapter.aftercare.find(driver.auth, ref)).sight is Sight.missing
        await adapter.aftercare.delete(driver.auth, ref)  # gone already: as wanted

    @pytest.mark.parametrize("kind", STORIES)
    async def test_a_story_is_seen_while_it_shows_and_unknown_afterwards(
        self, adapter, driver, sandbox, image, video, kind
    ):
        done = await driver.publish(draft_of(kind, image, video))
        ref = PostRef(str(done.platform_post_id), kind, done.data)
        assert (await adapter.aftercare.find(driver.auth, ref)).sight is Sight.seen
        assert not adapter.aftercare.can_comment(driver.auth, ref)
        sandbox.advance(25 * 3_600)
        assert (await adapter.aftercare.find(driver.auth, ref)).sight is Sight.unknown

    async def test_a_question_that_fails_says_nothing(self, adapter, driver, sandbox):
        done = await driver.publish(Draft("x"))
        sandbox.fault("facebook.post", "error_before", status=500, body=BROKEN)
        with pytest.raises(RetryLater):
            await adapter.aftercare.find(driver.auth, PostRef(str(done.platform_post_id), "text", done.data))

    @pytest.mark.parametrize("fault", ["drop_before", "drop_after", "error_after"])
    async def test_a_lost_comment_is_unknown_and_can_be_looked_up(self, adapter, driver, sandbox, fault):
        done = await driver.publish(Draft("x"))
        ref = PostRef(str(done.platform_post_id), "text", done.data)
        sandbox.fault("facebook.comment", fault, status=500, body=BROKEN)
        with pytest.raises(OutcomeUnknown):
            await adapter.aftercare.comment(driver.auth, ref, "First")
        found = await adapter.aftercare.find_comment(driver.auth, ref, "First")
        assert (found is None) is (fault == "drop_before")

    async def test_events_are_asked_for_and_a_refusal_does_not_matter(self, adapter, driver, sandbox, profile):
        await adapter.connector.subscribe(driver.auth)
        sandbox.fault("facebook.subscribe", "error_before", status=500, body=BROKEN)
        await adapter.connector.subscribe(driver.auth)
        assert sandbox.calls("facebook.subscribe") == 2


class TestDoubt:
    async def test_a_complaint_about_the_question_is_not_an_absence(self, adapter, driver, sandbox, profile):
        done = await driver.publish(Draft("x"))
        ref = PostRef(str(done.platform_post_id), "text")
        for operation, ask in (
            ("facebook.post", adapter.aftercare.find),
            ("facebook.post_delete", adapter.aftercare.delete),
        ):
            sandbox.fault(operation, "error_before", status=400, body={"error": {"message": "x", "code": 100}})
            with pytest.raises(FixContent):
                await ask(driver.auth, ref)
        assert len(published(sandbox, profile)) == 1

    async def test_an_answer_that_says_nothing_disconnects_nobody(self, adapter, driver, sandbox):
        sandbox.fault("facebook.debug_token", "error_before", status=200, body={"data": {}})
        with pytest.raises(RetryLater):
            await adapter.connector.check(driver.auth)


class TestResume:
    @pytest.fixture
    def long_clip(self, host: MediaHost, clip: bytes, video: MediaItem) -> MediaItem:
        """The clip with an empty box behind it: a valid file of several pieces."""
        size = 6_000_123 - len(clip)
        content = clip + size.to_bytes(4, "big") + b"free" + bytes(size - 8)
        return replace(video, url=host.add("long-fb.mp4", content, "video/mp4"), size_bytes=len(content))

    @pytest.mark.parametrize("kind", ["reel", "video_story"])
    async def test_bytes_that_arrived_are_not_sent_again(self, driver, sandbox, profile, long_clip, kind):
        """The connection breaks inside the body: Facebook says how much it has, and the rest follows."""
        sandbox.send("POST", "/faults", kind="drop_inside")
        await driver.publish(Draft("Once", media=(long_clip,), post_type=kind), until=60)
        assert len(published(sandbox, profile)) == 1
        assert sandbox.calls("facebook.reel_upload") == 2
        assert driver.attempts[0].streamed_from == [0, driver.attempts[0].streamed_from[1]]
        assert 0 < driver.attempts[0].streamed_from[1] < long_clip.size_bytes

    async def test_a_chunked_upload_goes_on_after_a_crash(self, adapter, driver, sandbox, profile, long_clip):
        """What was written down is older than what arrived: Facebook's own count decides."""
        item = replace(long_clip, duration_seconds=None)
        draft, media = Draft("Once", media=(item,)), driver._attempt()
        opened = await adapter.publisher.prepare(driver.auth, draft, Progress(), media)
        assert opened.data["start"] == 0
        ahead = await adapter.publisher.prepare(driver.auth, draft, opened, media)
        assert ahead.phase is Phase.ready
        calls = sandbox.calls("facebook.video_transfer")
        again = await adapter.publisher.prepare(driver.auth, draft, opened, driver._attempt())
        assert again.phase is Phase.ready
        assert sandbox.calls("facebook.video_transfer") == calls + 1
        await driver.publish(draft, start=again)
        assert len(published(sandbox, profile)) == 1

    async def test_a_chunked_upload_goes_on_in_the_middle(
        self, adapter, driver, sandbox, profile, long_clip, monkeypatch
    ):
        """One chunk arrived and was not written down: it goes on behind it, and every other byte is sent once."""
        item = replace(long_clip, duration_seconds=None)
        draft = Draft("Once", media=(item,))
        opened = await adapter.publisher.prepare(driver.auth, draft, Progress(), driver._attempt())
        monkeypatch.setattr(facebook_publish, "COMMIT_AFTER_SECONDS", 0.0)
        one = await adapter.publisher.prepare(driver.auth, draft, opened, driver._attempt())
        assert 0 < one.data["start"] < one.data["size"]
        monkeypatch.undo()
        calls = sandbox.calls("facebook.video_transfer")
        again = await adapter.publisher.prepare(driver.auth, draft, opened, driver._attempt())
        assert again.phase is Phase.ready
        assert sandbox.calls("facebook.video_transfer") - calls == 6  # one refused, then the other five
        await driver.publish(draft, start=again)
        assert len(published(sandbox, profile)) == 1

    async def test_an_offset_that_is_refused_again_means_a_new_session(self, adapter, driver, sandbox, long_clip):
        item = replace(long_clip, duration_seconds=None)
        draft = Draft("Once", media=(item,))
        opened = await adapter.publisher.prepare(driver.auth, draft, Progress(), driver._attempt())
        body = {"error": {"message": "x", "code": 6001, "error_subcode": 1363037, "is_transient": True}}
        sandbox.fault("facebook.video_transfer", "error_before", status=400, body=body, times=50)
        waiting = await adapter.publisher.prepare(driver.auth, draft, opened, driver._attempt())
        assert (waiting.phase, waiting.data["reason"]) == (Phase.processing, "upload_failed")
        assert sandbox.calls("facebook.video_transfer") <= 2

    async def test_pictures_that_are_too_old_are_not_submitted(self, adapter, driver, sandbox, profile, image):
        draft = Draft("x", media=(image,))
        staged = await adapter.publisher.prepare(driver.auth, draft, Progress(), driver._attempt())
        old = (datetime.now(UTC) - timedelta(hours=21)).isoformat()
        await driver.publish(draft, start=staged.but(data={"staged_at": old}))
        assert len(published(sandbox, profile)) == 1
        assert (driver.errors, sandbox.calls("facebook.feed")) == (["photos_too_old"], 1)

    async def test_pictures_staged_too_long_ago_are_staged_anew(self, adapter, driver, sandbox, profile, image):
        draft, media = Draft("x", media=(image, image)), driver._attempt()
        staged = await adapter.publisher.prepare(driver.auth, draft, Progress(), media)
        old = (datetime.now(UTC) - timedelta(hours=21)).isoformat()
        stale = staged.but(phase=Phase.preparing, data={"staged_at": old})
        fresh = await adapter.publisher.prepare(driver.auth, draft, stale, media)
        assert set(fresh.data["photos"].values()).isdisjoint(staged.data["photos"].values())
        await driver.publish(draft, start=fresh)
        assert len(published(sandbox, profile)) == 1


class TestErrorRows:
    """Every row of the tables, over the wire."""

    @pytest.mark.parametrize("key", sorted(errors.TABLE, key=str), ids=str)
    async def test_a_code_becomes_its_word(self, adapter, driver, sandbox, profile, key):
        row = errors.TABLE[key]
        code, sub = key if key[0] < TELLING_SUBCODE else (100, key[0])
        body = {
            "error": {
                "message": "words of the platform",
                "type": "OAuthException",
                "code": code,
                "error_subcode": sub,
                "fbtrace_id": "TRACE1",
            }
        }
        sandbox.fault("facebook.feed", "error_before", status=400, body=body)
        with pytest.raises(PlatformError) as caught:
            await adapter.publisher.submit(driver.auth, Draft("x"), Progress(Phase.ready), driver._attempt())
        error = caught.value
        if row.kind in (Kind.check, Kind.restage):
            assert type(error) is OutcomeUnknown
        else:
            assert (error.code, error.sentence, error.trace_id) == (row.code, row.sentence, "TRACE1")
            assert type(error) is WORDS[row.kind]
        assert bool(driver.pauses) is (row.pause is not None)
        assert published(sandbox, profile) == []

    @pytest.mark.parametrize("key", sorted(errors.TABLE, key=str), ids=str)
    async def test_while_staging_nothing_is_unknown(self, adapter, driver, sandbox, image, key):
        row = errors.TABLE[key]
        code, sub = key if key[0] < TELLING_SUBCODE else (100, key[0])
        body = {"error": {"message": "x", "type": "OAuthException", "code": code, "error_subcode": sub}}
        sandbox.fault("facebook.photo", "error_before", status=400, body=body)
        draft = Draft("x", media=(image,))
        if row.kind is Kind.restage:
            waiting = await adapter.publisher.prepare(driver.auth, draft, Progress(), driver._attempt())
            assert (waiting.phase, waiting.data["reason"]) == (Phase.processing, row.code)
            return
        with pytest.raises(PlatformError) as caught:
            await adapter.publisher.prepare(driver.auth, draft, Progress(), driver._attempt())
        assert not isinstance(caught.value, OutcomeUnknown)
        assert caught.value.code == row.code

    @pytest.mark.parametrize("name", sorted(errors.UPLOADS))
    async def test_an_upload_error_becomes_its_word(self, driver, sandbox, profile, video, name):
        body = {"debug_info": {"retriable": True, "type": name, "message": "x"}}
        sandbox.fault("facebook.reel_upload", "error_before", status=400, body=body)
        await driver.publish(Draft("x", media=(video,), post_type="reel"))
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
