"""Every post type and option of Instagram, through both sign-ins, against the sandbox."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from contract_harness import Driver, MediaHost, Sandbox, connect
from PIL import Image

from app.platforms import limits
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
    Seen,
    Sight,
)
from app.platforms.instagram import errors, rules
from app.platforms.meta import Kind
from app.platforms.registry import Adapters
from app.platforms.waiting import StageAgain

LOGINS = ("instagram", "facebook")
TYPES = ("image", "carousel", "reel", "story", "story_video")
WORDS = {
    Kind.later: RetryLater,
    Kind.check: RetryLater,
    Kind.throttled: RetryLater,
    Kind.quota: QuotaUsedUp,
    Kind.reconnect: ReconnectAccount,
    Kind.act: ReconnectAccount,
    Kind.fix: FixContent,
    Kind.permanent: Permanent,
}
SHARED = {"share_to_feed": True}


@pytest.fixture
def adapter(adapters: Adapters) -> PlatformAdapter:
    return adapters["instagram"]


@pytest.fixture
def login(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "instagram")


@pytest.fixture
async def profile(adapter: PlatformAdapter, sandbox: Sandbox, login: str) -> ConnectedProfile:
    return (await connect(adapter, sandbox, "Bakery", login=login))[0]


@pytest.fixture
def driver(adapter: PlatformAdapter, profile: ConnectedProfile, host: MediaHost) -> Driver:
    return Driver(adapter, profile, host)


@pytest.fixture(scope="session")
def long_clip(host: MediaHost, clip: bytes, video: MediaItem) -> MediaItem:
    """The clip with an empty box behind it: a valid file that takes a while to send."""
    size = 3_000_000 - len(clip)
    content = clip + size.to_bytes(4, "big") + b"free" + bytes(size - 8)
    return replace(video, url=host.add("long-reel.mp4", content, "video/mp4"), size_bytes=len(content))


both_logins = pytest.mark.parametrize("login", LOGINS, indirect=True)


def published(sandbox: Sandbox, profile: ConnectedProfile) -> list[dict]:
    return sandbox.published("instagram", profile.account_id_external)


def comments(sandbox: Sandbox, post_id: str) -> list[str]:
    items = sandbox.send("GET", f"/comments?platform=instagram&post_id={post_id}")["items"]
    return [item["text"] for item in items]


def a_draft(kind: str, image: MediaItem, video: MediaItem, text: str = "Fresh bread", **options) -> Draft:
    media = {"image": (image,), "carousel": (image, video), "reel": (video,), "story": (image,)}.get(kind, (video,))
    return Draft(text, media=media, post_type=kind.partition("_")[0], options=options)


def cell(post_type: str, options: dict, expected: dict):
    name = next(iter(options))
    mark = pytest.mark.covers("instagram", post_type, name)
    return pytest.param(post_type, options, expected, marks=mark, id=f"{post_type}-{name}")


def plain(post_type: str):
    return pytest.param(post_type, marks=pytest.mark.covers("instagram", post_type.partition("_")[0], "-"))


class TestPlain:
    @both_logins
    @pytest.mark.parametrize("kind", [plain(kind) for kind in TYPES])
    async def test_goes_out_once(self, driver, sandbox, profile, image, video, kind, login):
        done = await driver.publish(a_draft(kind, image, video))
        [post] = published(sandbox, profile)
        assert post["kind"] == kind.partition("_")[0]
        assert (done.platform_post_id, done.permalink) == (post["id"], post["permalink"])
        assert post["text"] == ("" if kind.startswith("story") else "Fresh bread")
        assert post["choices"] == (SHARED if kind == "reel" else {})
        assert driver.errors == []
        videos = int(kind in ("carousel", "reel", "story_video"))
        assert sandbox.calls("instagram.upload") == (videos if login == "facebook" else 0)

    async def test_a_carousel_of_ten(self, driver, sandbox, profile, image, video):
        await driver.publish(Draft("Ten", media=(image, video) * 5))
        [post] = published(sandbox, profile)
        assert post["media_count"] == 10

    async def test_nothing_of_the_text_goes_into_a_story(self, driver, sandbox, profile, image):
        long = Draft("x" * 3000, ("tag",) * 40, (image,), post_type="story")
        await driver.publish(long)
        [post] = published(sandbox, profile)
        assert post["text"] == ""

    async def test_a_story_may_be_of_any_shape(self, adapter, driver, sandbox, profile, host, image):
        buffer = io.BytesIO()
        Image.new("RGB", (1080, 1920), (20, 90, 40)).save(buffer, "JPEG")
        tall = replace(image, url=host.add("tall.jpg", buffer.getvalue(), "image/jpeg"), height_px=1920)
        await driver.publish(Draft("", media=(tall,), post_type="story"))
        assert len(published(sandbox, profile)) == 1
        findings = adapter.publisher.validate(Draft("", media=(tall,), post_type="image"), AccountFacts())
        assert [finding.code for finding in findings] == ["image_ratio"]


TAG = {"username": "@partner", "x": 0.25, "y": 0.75}
PLACED = {"username": "partner", "x": 0.25, "y": 0.75}


class TestOptions:
    """Every option reaches Instagram under its own name, and only where it is chosen."""

    @both_logins
    @pytest.mark.parametrize(
        ("post_type", "options", "expected"),
        [
            *(cell(kind, {"location_id": "7640348500"}, {"location_id": "7640348500"}) for kind in rules.FEED),
            *(
                cell(kind, {"collaborators": ["@one", "two.3"]}, {"collaborators": ["one", "two.3"]})
                for kind in rules.FEED
            ),
            *(cell(kind, {"is_ai_generated": True}, {"is_ai_generated": True}) for kind in rules.FEED),
            cell("image", {"user_tags": [TAG]}, {"user_tags": [PLACED]}),
            cell("carousel", {"user_tags": [{**TAG, "item": 0}]}, {"items": [{"user_tags": [PLACED]}, {}]}),
            cell("reel", {"user_tags": [{"username": "partner"}]}, {"user_tags": [{"username": "partner"}]}),
            cell("story", {"user_tags": [{"username": "partner"}]}, {"user_tags": [{"username": "partner"}]}),
            cell("reel", {"share_to_feed": False}, {"share_to_feed": False}),
            cell("reel", {"thumb_offset_ms": 1500}, {"thumb_offset": 1500}),
            cell("reel", {"audio_name": "Oven song"}, {"audio_name": "Oven song"}),
            cell("reel", {"trial": "manual"}, {"trial_params": {"graduation_strategy": "MANUAL"}}),
            cell("reel", {"trial": "performance"}, {"trial_params": {"graduation_strategy": "SS_PERFORMANCE"}}),
        ],
    )
    async def test_reaches_the_platform(self, driver, sandbox, profile, image, video, post_type, options, expected):
        await driver.publish(a_draft(post_type, image, video, **options))
        [post] = published(sandbox, profile)
        assert post["choices"] == {**(SHARED if post_type == "reel" else {}), **expected}

    @pytest.mark.covers("instagram", "reel", "cover_url")
    async def test_a_cover_wins_over_a_moment(self, driver, sandbox, profile, image, video):
        await driver.publish(a_draft("reel", image, video, cover_url=image.url, thumb_offset_ms=1500))
        [post] = published(sandbox, profile)
        assert post["choices"] == {**SHARED, "cover_url": image.url}

    @pytest.mark.covers("instagram", "image", "alt_text")
    @pytest.mark.parametrize(("chosen", "kept", "expected"), [("A loaf", "Bread", "A loaf"), (None, "Bread", "Bread")])
    async def test_alternative_text_of_a_picture(self, driver, sandbox, profile, image, chosen, kept, expected):
        await driver.publish(Draft("x", media=(replace(image, alt_text=kept),), options={"alt_text": chosen}))
        [post] = published(sandbox, profile)
        assert post["alt_texts"] == [expected]

    @pytest.mark.covers("instagram", "carousel", "alt_texts")
    async def test_alternative_texts_of_a_carousel(self, driver, sandbox, profile, image, video):
        items = (image, replace(video, alt_text="never sent"), replace(image, alt_text="Kept"), image)
        await driver.publish(Draft("x", media=items, options={"alt_texts": ["First", None]}))
        [post] = published(sandbox, profile)
        assert post["alt_texts"] == ["First", "", "Kept", ""]

    async def test_two_people_in_two_items(self, driver, sandbox, profile, image, video):
        tags = [{**TAG, "item": 1}, {"username": "clipmaker", "item": 0}]
        await driver.publish(Draft("x", media=(video, image), options={"user_tags": tags}))
        [post] = published(sandbox, profile)
        assert post["choices"] == {"items": [{"user_tags": [{"username": "clipmaker"}]}, {"user_tags": [PLACED]}]}

    async def test_a_place_in_a_story_is_kept(self, driver, sandbox, profile, image, video):
        await driver.publish(a_draft("story", image, video, user_tags=[TAG]))
        [post] = published(sandbox, profile)
        assert post["choices"] == {"user_tags": [PLACED]}

    @both_logins
    @pytest.mark.parametrize(
        ("post_type", "option"),
        [
            pytest.param(kind, name, marks=pytest.mark.covers("instagram", kind, name))
            for kind in rules.FEED
            for name in ("first_comment", "hashtag_placement")
        ],
    )
    async def test_a_first_comment(self, adapter, driver, sandbox, profile, image, video, post_type, option):
        value = "What do you think?" if option == "first_comment" else "first_comment"
        draft = replace(a_draft(post_type, image, video, **{option: value}), hashtags=("bakery",))
        done = await driver.publish(draft)
        [post] = published(sandbox, profile)
        assert post["text"] == ("Fresh bread\n\n#bakery" if option == "first_comment" else "Fresh bread")
        ref = PostRef(str(done.platform_post_id), post_type, done.data, draft.options)
        text = limits.first_comment_of(draft.options, draft.hashtags)
        assert adapter.aftercare.can_comment(driver.auth, ref)
        comment_id = await adapter.aftercare.comment(driver.auth, ref, text)
        assert comments(sandbox, post["id"]) == ["What do you think?" if option == "first_comment" else "#bakery"]
        assert await adapter.aftercare.find_comment(driver.auth, ref, text) == comment_id

    def test_every_cell_is_covered(self):
        """The options of the rules are those tested above: a new one shows up here."""
        assert set(rules.RULES.options) == {
            *("alt_text", "alt_texts", "location_id", "user_tags", "collaborators", "share_to_feed"),
            *("thumb_offset_ms", "cover_url", "audio_name", "trial", "is_ai_generated"),
            *("first_comment", "hashtag_placement"),
        }


class TestRefusedChoices:
    """What only Instagram can know comes back as the option to change."""

    @pytest.mark.parametrize(
        ("post_type", "options", "code"),
        [
            ("image", {"location_id": "123"}, "invalid_location"),
            ("reel", {"trial": "manual"}, "trial_not_available"),
        ],
    )
    async def test_names_the_option(self, driver, sandbox, profile, image, video, post_type, options, code):
        path = f"/accounts/instagram/{profile.account_id_external}"
        sandbox.send("PATCH", path, trial_reels=False)
        with pytest.raises(FixContent) as caught:
            await driver.publish(a_draft(post_type, image, video, **options))
        assert (caught.value.code, caught.value.field) == (code, f"options.{next(iter(options))}")
        assert published(sandbox, profile) == []

    async def test_collaborators_that_are_not_allowed(self, driver, sandbox, profile, image, video):
        body = {"error": {"message": "(#100) param collaborators is not allowed", "code": 100}}
        sandbox.fault("instagram.create_container", "error_before", status=400, body=body)
        with pytest.raises(FixContent) as caught:
            await driver.publish(a_draft("image", image, video, collaborators=["one"]))
        assert caught.value.field == "options.collaborators"

    async def test_a_cover_that_cannot_be_fetched(self, driver, sandbox, profile, host, image, video):
        with pytest.raises(FixContent) as caught:
            await driver.publish(a_draft("reel", image, video, cover_url=f"{host.url}/f/no-cover.jpg"))
        assert caught.value.code == "media_not_fetched"
        assert published(sandbox, profile) == []


class TestLostAnswers:
    @both_logins
    @pytest.mark.parametrize("fault", ["drop_before", "drop_after", "error_after"])
    @pytest.mark.parametrize("kind", TYPES)
    async def test_exactly_one(self, driver, sandbox, profile, image, video, kind, fault):
        details = {"status": 500, "body": {"error": {"code": 2, "message": "x"}}} if fault == "error_after" else {}
        sandbox.fault("instagram.publish", fault, **details)
        done = await driver.publish(a_draft(kind, image, video))
        [post] = published(sandbox, profile)
        assert (done.platform_post_id, done.permalink) == (post["id"], post["permalink"])
        assert driver.errors == ["outcome_unknown"]

    @pytest.mark.parametrize("kind", TYPES)
    async def test_blocked_as_spam_but_live(self, driver, sandbox, profile, image, video, kind):
        body = {"error": {"message": "blocked", "type": "OAuthException", "code": 4, "error_subcode": 2207051}}
        sandbox.fault("instagram.publish", "error_after", status=400, body=body)
        done = await driver.publish(a_draft(kind, image, video))
        [post] = published(sandbox, profile)
        assert done.platform_post_id == post["id"]
        assert driver.pauses == [timedelta(hours=1)]

    @pytest.mark.parametrize("kind", ["image", "story"])
    @pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
    async def test_one_by_hand_meanwhile(self, adapter, driver, sandbox, profile, host, image, video, kind, fault):
        """A post without text that the owner makes by hand in between is not taken for ours."""
        draft = replace(a_draft(kind, image, video), content="")
        ready = await until_ready(driver, draft)
        by_hand = await Driver(adapter, profile, host).publish(draft)
        sandbox.fault("instagram.publish", fault)
        done = await driver.publish(draft, start=ready)
        posts = published(sandbox, profile)
        assert len(posts) == 2
        assert done.platform_post_id != by_hand.platform_post_id
        if fault == "drop_before":  # known by its own answer; after a loss two look alike, and the id stays unknown
            assert done.platform_post_id in {post["id"] for post in posts}
        else:
            assert done.platform_post_id is None

    @pytest.mark.parametrize("kind", TYPES)
    async def test_a_container_that_expired_is_staged_anew(self, driver, sandbox, profile, image, video, kind):
        draft = a_draft(kind, image, video)
        ready = await until_ready(driver, draft)
        sandbox.advance(25 * 3600)
        driver.offset = timedelta(hours=25)
        done = await driver.publish(draft, start=ready)
        [post] = published(sandbox, profile)
        assert done.platform_post_id == post["id"]

    async def test_a_container_that_expired_while_waiting(self, driver, sandbox, profile, image, video):
        draft = a_draft("image", image, video)
        waiting = await driver.adapter.publisher.prepare(driver.auth, draft, Progress(), driver._attempt())
        sandbox.advance(25 * 3600)
        done = await driver.publish(draft, start=waiting)
        [post] = published(sandbox, profile)
        assert done.platform_post_id == post["id"]

    async def test_containers_that_cannot_be_read_for_a_while(self, driver, sandbox, profile, image, video):
        sandbox.knobs(fresh_hidden_seconds=0.4)
        sandbox.fault("instagram.publish", "drop_after")
        done = await driver.publish(a_draft("story", image, video))
        [post] = published(sandbox, profile)
        assert done.platform_post_id == post["id"]
        assert "object_not_visible" in driver.errors

    @both_logins
    async def test_many_stories_while_answers_get_lost(self, adapter, sandbox, profile, host, image, video):
        """Nothing tells one story from another: each is out once, and none takes another one's id."""
        sandbox.knobs(
            seed=11,
            drop_rate=0.15,
            drop_before_rate=0.1,
            error_500_rate=0.1,
            visibility_seconds=0.2,
            rates_include_oauth=False,
        )
        ids, errors_met = [], []
        for turn in range(14):
            driver = Driver(adapter, profile, host, is_forgiving=True)
            done = await driver.publish(a_draft(("story", "story_video")[turn % 2], image, video), until=40)
            ids.append(done.platform_post_id)
            errors_met += driver.errors
        sandbox.knobs(drop_rate=0, drop_before_rate=0, error_500_rate=0)
        there = {post["id"] for post in published(sandbox, profile)}
        assert len(there) == 14
        known = [one for one in ids if one is not None]
        assert len(set(known)) == len(known)
        assert set(known) <= there
        assert "outcome_unknown" in errors_met


async def until_ready(driver: Driver, draft: Draft) -> Progress:
    """Drive a draft up to the call that would make it public."""
    publisher, media = driver.adapter.publisher, driver._attempt()
    progress = Progress()
    while progress.phase is not Phase.ready:
        step = publisher.prepare if progress.phase is Phase.preparing else publisher.look
        progress = await step(driver.auth, draft, progress, media)
        progress = Progress.from_json(json.loads(json.dumps(progress.to_json())))
    return progress


class TestQuota:
    @both_logins
    async def test_facts(self, adapter, driver, sandbox, image, video):
        sandbox.knobs(instagram_quota_total=7)
        await driver.publish(a_draft("image", image, video))
        facts = await adapter.publisher.facts(driver.auth)
        assert facts.facts == {"quota_usage": 1, "quota_total": 7, "quota_duration": 86_400}

    async def test_the_wait_fits_the_accounts_own_quota(self, driver, sandbox, profile, image, video):
        sandbox.knobs(instagram_quota_total=0, instagram_quota_seconds=48 * 3600)
        with pytest.raises(QuotaUsedUp) as caught:
            await driver.publish(a_draft("image", image, video))
        wait = caught.value.until - datetime.now(UTC)
        assert timedelta(minutes=119) < wait <= timedelta(hours=2)
        assert published(sandbox, profile) == []

    async def test_an_hour_when_the_quota_cannot_be_read(self, driver, sandbox, image, video):
        sandbox.knobs(instagram_quota_total=0)
        sandbox.fault("instagram.limit", "error_before", status=500, body={}, times=2)
        with pytest.raises(QuotaUsedUp) as caught:
            await driver.publish(a_draft("image", image, video))
        assert timedelta(minutes=59) < caught.value.until - datetime.now(UTC) <= timedelta(hours=1)


@pytest.mark.parametrize("login", ["facebook"], indirect=True)
class TestUpload:
    async def test_goes_on_where_it_broke_off(self, driver, sandbox, profile, long_clip):
        sandbox.send("POST", "/faults", kind="drop_inside")
        done = await driver.publish(Draft("Long", media=(long_clip,)))
        [post] = published(sandbox, profile)
        assert done.platform_post_id == post["id"]
        starts = driver.attempts[-1].streamed_from
        assert len(starts) == 2
        assert starts[0] == 0 < starts[1] < long_clip.size_bytes
        assert sandbox.calls("instagram.create_container") == 1

    async def test_a_lost_answer_is_not_sent_twice(self, driver, sandbox, profile, long_clip):
        sandbox.fault("instagram.upload", "drop_after")
        await driver.publish(Draft("Long", media=(long_clip,)))
        assert len(published(sandbox, profile)) == 1
        assert driver.attempts[-1].streamed_from == [0]
        assert sandbox.calls("instagram.upload") == 1

    async def test_bytes_of_no_use_are_staged_anew(self, driver, sandbox, profile, video):
        body = {"debug_info": {"retriable": False, "type": "ProcessingFailedError", "message": "x"}}
        sandbox.fault("instagram.upload", "error_before", status=400, body=body)
        await driver.publish(Draft("Clip", media=(video,)))
        assert len(published(sandbox, profile)) == 1
        assert sandbox.calls("instagram.create_container") == 2

    async def test_every_video_of_a_carousel(self, driver, sandbox, profile, image, video, long_clip):
        sandbox.send("POST", "/faults", kind="drop_inside")
        await driver.publish(Draft("Book", media=(long_clip, image, video)))
        [post] = published(sandbox, profile)
        assert ["mp4" in url for url in post["media_urls"]] == [True, False, True]


class TestFacebookLogin:
    async def test_accounts_of_all_pages(self, adapter, sandbox):
        more = [f"Branch {number}" for number in range(110)]
        profiles = await connect(
            adapter, sandbox, "Bakery", login="facebook", more_accounts=more, unlinked_pages=["Side project"]
        )
        assert len(profiles) == 112
        usable = [profile for profile in profiles if profile.usable]
        assert len(usable) == 111
        [bare] = [profile for profile in profiles if not profile.usable]
        assert bare.account_name == "Side project"
        assert "Side project" in str(bare.problem)
        first = usable[0]
        assert first.grant.extra["login"] == "facebook"
        assert first.grant.access_token != first.grant.extra["user_token"]
        assert first.grant.expires_at is None
        ends = first.grant.ends_at - datetime.now(UTC)
        assert timedelta(days=89) < ends <= timedelta(days=90)
        assert first.owner_ids == (first.account_id_external, first.grant.extra["user_id"])
        assert {profile.owner_ids[1] for profile in usable} == {first.grant.extra["user_id"]}

    async def test_a_role_that_may_not_publish(self, adapter, sandbox, host, image, video):
        [before] = await connect(adapter, sandbox, "Bakery", login="facebook")
        page = before.grant.extra["page_id"]
        sandbox.send("PATCH", f"/accounts/facebook/{page}", tasks=["ANALYZE"])
        [after] = await connect(adapter, sandbox, "Bakery", login="facebook")
        assert not after.usable
        assert "Content" in str(after.problem)
        with pytest.raises(ReconnectAccount) as caught:
            await Driver(adapter, before, host).publish(a_draft("image", image, video))
        assert caught.value.platform_code == "200"
        assert published(sandbox, before) == []

    @pytest.mark.parametrize(
        "scope", ["instagram_basic", "instagram_content_publish", "pages_show_list", "pages_read_engagement"]
    )
    async def test_names_the_missing_permission(self, adapter, sandbox, scope):
        with pytest.raises(ReconnectAccount, match=scope) as caught:
            await connect(adapter, sandbox, "Bakery", login="facebook", declined_scopes=[scope])
        assert caught.value.code == "permission_missing"

    @pytest.mark.parametrize("login", ["facebook"], indirect=True)
    async def test_renews_the_persons_token_and_keeps_the_pages(self, adapter, driver, sandbox, profile):
        words = {"account_id_external": profile.account_id_external, "now": datetime.now(UTC)}
        fresh = await adapter.connector.refresh(profile.grant, **words)
        assert fresh.access_token == profile.grant.access_token
        assert fresh.extra["user_token"] != profile.grant.extra["user_token"]
        driver.grant = fresh
        assert await adapter.connector.check(driver.auth) is True

    @pytest.mark.parametrize("login", ["facebook"], indirect=True)
    async def test_a_page_outlives_its_persons_token(self, adapter, driver, sandbox, profile, image, video):
        sandbox.advance(61 * 86_400)
        words = {"account_id_external": profile.account_id_external, "now": datetime.now(UTC)}
        assert (await adapter.connector.refresh(profile.grant, **words)).access_token == profile.grant.access_token
        driver.offset = timedelta(days=61)
        await driver.publish(a_draft("image", image, video))
        assert len(published(sandbox, profile)) == 1

    @pytest.mark.parametrize("login", ["facebook"], indirect=True)
    async def test_revoked(self, adapter, driver, profile):
        await adapter.connector.revoke(profile.grant)
        assert await adapter.connector.check(driver.auth) is False
        words = {"account_id_external": profile.account_id_external, "now": datetime.now(UTC)}
        with pytest.raises(ReconnectAccount):
            await adapter.connector.refresh(profile.grant, **words)

    @pytest.mark.parametrize("login", ["facebook"], indirect=True)
    async def test_what_one_token_cannot_see_the_other_may(self, adapter, driver, sandbox, image, video):
        done = await driver.publish(a_draft("image", image, video))
        gone = {"error": {"message": "x", "code": 100, "error_subcode": 33}}
        sandbox.fault("instagram.media", "error_before", status=400, body=gone)
        ref = PostRef(str(done.platform_post_id), "image", done.data)
        assert (await adapter.aftercare.find(driver.auth, ref)).sight is Sight.seen

    async def test_the_usual_login_comes_first(self, adapter):
        assert adapter.connector.logins == LOGINS


class TestConnection:
    @both_logins
    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (400, {"error": {"code": 1, "message": "x"}}),
            (400, {"error": {"code": 2, "message": "x"}}),
            (500, {"error": {"code": 1, "message": "x"}}),
            (503, "<html>no</html>"),
            (400, {"error": {"code": 4, "message": "x"}}),
        ],
    )
    async def test_a_failure_is_no_verdict(self, adapter, driver, sandbox, login, status, body):
        operation = "facebook.debug_token" if login == "facebook" else "instagram.me"
        sandbox.fault(operation, "error_before", status=status, body=body)
        with pytest.raises(RetryLater):
            await adapter.connector.check(driver.auth)
        assert await adapter.connector.check(driver.auth) is True

    @both_logins
    async def test_subscribes(self, adapter, driver, sandbox, profile):
        await adapter.connector.subscribe(driver.auth)
        assert sandbox.calls("instagram.subscribe") == 1
        sandbox.fault("instagram.subscribe", "error_before", status=500, body={})
        await adapter.connector.subscribe(driver.auth)  # best effort

    async def test_owner_ids_are_both_ids(self, profile):
        assert profile.owner_ids == (profile.account_id_external, profile.grant.extra["app_scoped_id"])
        assert len(set(profile.owner_ids)) == 2


class TestAftercare:
    @both_logins
    async def test_seen_and_missing(self, adapter, driver, image, video):
        done = await driver.publish(a_draft("image", image, video))
        ref = PostRef(str(done.platform_post_id), "image", done.data)
        assert await adapter.aftercare.find(driver.auth, ref) == Seen(Sight.seen, done.permalink)
        other = replace(ref, platform_post_id="17900000000000009")
        assert (await adapter.aftercare.find(driver.auth, other)).sight is Sight.missing
        nameless = replace(ref, platform_post_id="")
        assert (await adapter.aftercare.find(driver.auth, nameless)).sight is Sight.unknown

    async def test_a_story_ends_after_a_day(self, adapter, driver, sandbox, image, video):
        done = await driver.publish(a_draft("story", image, video))
        ref = PostRef(str(done.platform_post_id), "story", done.data)
        assert (await adapter.aftercare.find(driver.auth, ref)).sight is Sight.seen
        assert not adapter.aftercare.can_comment(driver.auth, ref)
        sandbox.advance(25 * 3600)
        assert (await adapter.aftercare.find(driver.auth, ref)).sight is Sight.missing  # gone before its day is over
        yesterday = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
        old = replace(ref, data={**done.data, "out_at": yesterday})
        assert (await adapter.aftercare.find(driver.auth, old)).sight is Sight.unknown

    async def test_a_failure_says_nothing_about_the_post(self, adapter, driver, sandbox, image, video):
        done = await driver.publish(a_draft("image", image, video))
        sandbox.fault("instagram.media", "error_before", status=500, body={})
        with pytest.raises(RetryLater):
            await adapter.aftercare.find(driver.auth, PostRef(str(done.platform_post_id), "image", done.data))

    @pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
    async def test_a_lost_comment_is_looked_up(self, adapter, driver, sandbox, image, video, fault):
        done = await driver.publish(a_draft("image", image, video))
        ref = PostRef(str(done.platform_post_id), "image", done.data)
        sandbox.fault("instagram.comment", fault)
        with pytest.raises(OutcomeUnknown):
            await adapter.aftercare.comment(driver.auth, ref, "Hello @partner")
        found = await adapter.aftercare.find_comment(driver.auth, ref, "Hello @partner")
        assert (found is not None) == (fault == "drop_after")
        assert len(comments(sandbox, ref.platform_post_id)) == (1 if found else 0)

    async def test_an_answer_without_words_counts_as_written(self, adapter, driver, sandbox, image, video):
        done = await driver.publish(a_draft("image", image, video))
        ref = PostRef(str(done.platform_post_id), "image", done.data)
        body = {"error": {"message": "x", "code": 20, "error_subcode": 1772107}}
        sandbox.fault("instagram.comment", "error_after", status=400, body=body)
        assert await adapter.aftercare.comment(driver.auth, ref, "Hello")
        assert comments(sandbox, ref.platform_post_id) == ["Hello"]

    @both_logins
    async def test_deleting(self, adapter, driver, sandbox, profile, image, video, login):
        done = await driver.publish(a_draft("image", image, video))
        ref = PostRef(str(done.platform_post_id), "image", done.data)
        assert adapter.aftercare.can_delete(driver.auth, ref) is (login == "facebook")
        if login == "instagram":
            with pytest.raises(Permanent):
                await adapter.aftercare.delete(driver.auth, ref)
            assert len(published(sandbox, profile)) == 1
            return
        await adapter.aftercare.delete(driver.auth, ref)
        assert published(sandbox, profile) == []
        await adapter.aftercare.delete(driver.auth, ref)  # gone already

    async def test_deleting_needs_its_permission(self, adapter, sandbox, host, image, video):
        [profile] = await connect(
            adapter, sandbox, "Bakery", login="facebook", declined_scopes=["instagram_manage_contents"]
        )
        driver = Driver(adapter, profile, host)
        done = await driver.publish(a_draft("image", image, video))
        ref = PostRef(str(done.platform_post_id), "image", done.data)
        assert adapter.aftercare.can_delete(driver.auth, ref) is False
        with pytest.raises(Permanent):
            await adapter.aftercare.delete(driver.auth, ref)
        assert len(published(sandbox, profile)) == 1


class TestNumbers:
    @both_logins
    async def test_of_a_story(self, adapter, driver, sandbox, image, video, login):
        done = await driver.publish(a_draft("story", image, video))
        ref = PostRef(str(done.platform_post_id), "story", done.data)
        assert await adapter.metrics.read(driver.auth, [ref]) == {
            ref.platform_post_id: MetricValues()
        }  # no viewers yet
        sandbox.advance(20 * 3600)
        value = (await adapter.metrics.read(driver.auth, [ref]))[ref.platform_post_id]
        assert value.likes is None
        assert value.impressions > value.reach > 0
        assert None not in (value.comments, value.shares)
        assert (value.clicks is not None) == (login == "facebook")

    @pytest.mark.parametrize("login", ["facebook"], indirect=True)
    async def test_of_a_reel_through_facebook(self, adapter, driver, sandbox, image, video):
        done = await driver.publish(a_draft("reel", image, video))
        sandbox.advance(86_400)
        ref = PostRef(str(done.platform_post_id), "reel", done.data)
        value = (await adapter.metrics.read(driver.auth, [ref]))[ref.platform_post_id]
        assert None not in (value.impressions, value.reach, value.likes, value.comments, value.shares)


def numbered() -> list:
    return [pytest.param(code, sub, row, id=f"{code}-{sub}") for (code, sub), row in errors.TABLE.items() if code != 0]


class TestErrorRows:
    """Every row of the table, over the wire: while staging, on publishing, and in a container's status."""

    @staticmethod
    def body(code: int, sub: int | None) -> dict:
        if code >= errors.FIRST_SUBCODE:
            code, sub = 100, code
        error = {"message": "their words", "type": "OAuthException", "code": code}
        return {"error": {**error, "error_subcode": sub} if sub else error}

    @pytest.mark.parametrize(("code", "sub", "row"), numbered())
    async def test_while_staging(self, adapter, driver, sandbox, profile, image, video, code, sub, row):
        sandbox.fault("instagram.create_container", "error_before", status=400, body=self.body(code, sub))
        draft = a_draft("image", image, video)
        if row.kind is Kind.restage:
            again = await adapter.publisher.prepare(driver.auth, draft, Progress(), driver._attempt())
            assert (again.phase, again.data["reason"], again.data["tries"]) == (Phase.processing, row.code, 1)
            return
        with pytest.raises(PlatformError) as caught:
            await adapter.publisher.prepare(driver.auth, draft, Progress(), driver._attempt())
        assert type(caught.value) is WORDS[row.kind]
        assert caught.value.code == row.code
        assert "their words" not in caught.value.sentence
        assert published(sandbox, profile) == []

    @pytest.mark.parametrize(("code", "sub", "row"), numbered())
    async def test_on_publishing(self, adapter, driver, sandbox, profile, image, video, code, sub, row):
        draft = a_draft("image", image, video)
        ready = await until_ready(driver, draft)
        sandbox.fault("instagram.publish", "error_before", status=400, body=self.body(code, sub))
        with pytest.raises(PlatformError) as caught:
            await adapter.publisher.submit(driver.auth, draft, ready, driver._attempt())
        unknown = row.kind in (Kind.check, Kind.restage)
        assert type(caught.value) is (OutcomeUnknown if unknown else WORDS[row.kind])
        assert driver.pauses == ([row.pause] if row.pause else [])

    @pytest.mark.parametrize(
        "sub", sorted({key[1] for key in errors.TABLE if (key[1] or 0) >= errors.FIRST_SUBCODE} | {2207004, 2207081})
    )
    async def test_in_a_containers_status(self, adapter, driver, sandbox, image, video, sub):
        sandbox.send("POST", "/faults", kind="container_error", subcode=sub)
        draft = a_draft("image", image, video)
        staged = await adapter.publisher.prepare(driver.auth, draft, Progress(), driver._attempt())
        expected = errors.container_error(f"Error: {sub}")
        await asyncio.sleep(0.15)
        if isinstance(expected, StageAgain):
            again = await adapter.publisher.look(driver.auth, draft, staged, driver._attempt())
            assert (again.data["reason"], again.data["tries"]) == (expected.code, 1)
            return
        with pytest.raises(PlatformError) as caught:
            await adapter.publisher.look(driver.auth, draft, staged, driver._attempt())
        assert (type(caught.value), caught.value.code) == (type(expected), expected.code)

    async def test_a_role_through_business_manager_is_for_the_operator(self, driver, sandbox, image, video):
        body = {"error": {"message": "Requires ads_management permission", "code": 200}}
        sandbox.fault("instagram.create_container", "error_before", status=403, body=body)
        with pytest.raises(Permanent) as caught:
            await driver.publish(a_draft("image", image, video))
        assert caught.value.code == "ads_permission_missing"


class TestReconcileOnce:
    async def test_a_published_container_without_a_listed_post(self, adapter, driver, sandbox, image, video):
        """Visible late: out, with an id that stays unknown, and never published again."""
        draft = a_draft("story", image, video)
        ready = await until_ready(driver, draft)
        sandbox.knobs(visibility_seconds=3600)
        sandbox.fault("instagram.publish", "drop_after")
        done = await driver.publish(draft, start=ready)
        assert done.phase is Phase.published
        assert done.platform_post_id is None
        assert sandbox.calls("instagram.publish") == 1
        assert driver.outcomes[-1] is Outcome.published
