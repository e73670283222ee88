"""What needs no platform: sign-in addresses, token lifetimes, the registry, waiting."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from app.platforms.base import Grant, Outcome, Permanent, Phase, Progress
from app.platforms.facebook.video import VideoState, bytes_received, error_code, state_of
from app.platforms.registry import FacebookConfig, InstagramConfig, TikTokConfig, build_adapters
from app.platforms.tiktok.client import TikTokClient
from app.platforms.tiktok.connect import _grant
from app.platforms.waiting import RESUBMITS_MAX, Search

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def adapters():
    return build_adapters(
        instagram=InstagramConfig("ig-app", "ig-secret"),
        facebook=FacebookConfig("fb-app", "fb-secret"),
        tiktok=TikTokConfig("tt-key", "tt-secret"),
    )


def authorize(adapter):
    connector = adapter.connector
    request = connector.authorize(state="s&1", redirect_uri="https://app.example.com/cb", login=connector.logins[0])
    parts = urlsplit(request.url)
    return request, f"{parts.scheme}://{parts.netloc}{parts.path}", {k: v[0] for k, v in parse_qs(parts.query).items()}


def test_instagram_sign_in(adapters):
    request, address, query = authorize(adapters["instagram"])
    assert address == "https://www.instagram.com/oauth/authorize"
    assert (query["client_id"], query["state"], query["force_reauth"]) == ("ig-app", "s&1", "true")
    assert query["scope"].split(",")[:2] == ["instagram_business_basic", "instagram_business_content_publish"]
    assert request.code_verifier is None


def test_instagram_through_facebook():
    config = InstagramConfig("ig-app", "ig-secret", facebook_app_id="fb-app", facebook_app_secret="fb-secret")
    connector = build_adapters(instagram=config)["instagram"].connector
    assert connector.logins == ("instagram", "facebook")
    request = connector.authorize(state="s", redirect_uri="https://app.example.com/cb", login="facebook")
    parts = urlsplit(request.url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert f"{parts.netloc}{parts.path}" == "www.facebook.com/v25.0/dialog/oauth"
    assert query["client_id"] == "fb-app"
    assert {"instagram_basic", "instagram_content_publish", "business_management"} <= set(query["scope"].split(","))
    assert "secret" not in repr(config)


def test_instagram_has_one_sign_in_without_a_facebook_app(adapters):
    assert adapters["instagram"].connector.logins == ("instagram",)


def test_facebook_sign_in(adapters):
    _, address, query = authorize(adapters["facebook"])
    assert address == "https://www.facebook.com/v25.0/dialog/oauth"
    assert "business_management" in query["scope"].split(",")


def test_facebook_login_for_business_sends_its_configuration_instead_of_scopes():
    adapters = build_adapters(facebook=FacebookConfig("a", "b", login_config_id="77"))
    _, _, query = authorize(adapters["facebook"])
    assert query["config_id"] == "77"
    assert "scope" not in query


def test_tiktok_sign_in_uses_a_hex_challenge(adapters):
    request, address, query = authorize(adapters["tiktok"])
    assert address == "https://www.tiktok.com/v2/auth/authorize/"
    assert (query["client_key"], query["disable_auto_auth"]) == ("tt-key", "1")
    assert "client_id" not in query
    assert 43 <= len(request.code_verifier) <= 128
    assert query["code_challenge"] == hashlib.sha256(request.code_verifier.encode()).hexdigest()


def test_secrets_are_not_shown(adapters):
    assert "secret" not in repr(adapters["tiktok"].connector.config)
    assert "secret" not in repr(adapters["instagram"].connector.config)
    assert "secret" not in repr(adapters["facebook"].connector.config)


def test_only_what_is_configured_is_built():
    assert set(build_adapters(tiktok=TikTokConfig("a", "b"))) == {"tiktok"}


class TestTikTokGrant:
    @pytest.mark.parametrize(
        ("life", "due"),
        [(7_200, 5_400), (86_400, 84_600), (3_600, 2_700), (600, 450)],
    )
    def test_refresh_is_due_in_time(self, life, due):
        grant = _grant({"access_token": "a", "expires_in": life, "refresh_token": "r"}, NOW, old=None)
        assert grant.expires_at == NOW + timedelta(seconds=life)
        assert grant.refresh_due_at == NOW + timedelta(seconds=due)

    def test_an_empty_refresh_token_replaces_nothing(self):
        old = Grant("old", NOW, refresh_token="kept", refresh_expires_at=NOW, scopes=("video.publish",))
        fresh = _grant({"access_token": "a", "expires_in": 7200, "refresh_token": ""}, NOW, old=old)
        assert (fresh.refresh_token, fresh.refresh_expires_at, fresh.scopes) == ("kept", NOW, ("video.publish",))

    def test_unknown_lifetimes_stay_unknown(self):
        grant = _grant({"access_token": "a"}, NOW, old=None)
        assert (grant.expires_at, grant.refresh_due_at, grant.refresh_expires_at) == (None, None, None)


@pytest.mark.parametrize(
    ("url", "hosts", "is_trusted"),
    [
        ("https://open-upload.tiktokapis.com/video/?x=1", (".tiktokapis.com",), True),
        ("https://upload.us.tiktokapis.com/video/", (".tiktokapis.com",), True),
        ("http://open-upload.tiktokapis.com/video/", (".tiktokapis.com",), False),
        ("https://eviltiktokapis.com/video/", (".tiktokapis.com",), False),
        ("https://x.tiktokapis.com.evil.example/video/", (".tiktokapis.com",), False),
        ("http://localhost:8206/upload", ("localhost:8206",), True),
        ("http://localhost:8207/upload", ("localhost:8206",), False),
    ],
)
def test_upload_hosts(url, hosts, is_trusted):
    client = TikTokClient(TikTokConfig("a", "b", upload_hosts=hosts))
    if is_trusted:
        client.check_upload_host(url)
    else:
        with pytest.raises(Permanent):
            client.check_upload_host(url)


class TestSearch:
    def test_absence_needs_looks_and_time(self):
        search = Search(180)
        done = search.begin(Progress(Phase.ready), NOW)
        for seconds, is_over in [(10, False), (70, False), (179, False), (180, True)]:
            done = search.count(done)
            assert search.is_over(done, NOW, NOW + timedelta(seconds=seconds)) is is_over

    def test_one_late_look_is_not_enough(self):
        search = Search(180)
        done = search.count(search.begin(Progress(Phase.ready), NOW))
        assert not search.is_over(done, NOW, NOW + timedelta(seconds=300))
        assert search.is_over(done, NOW, NOW + timedelta(seconds=360))

    def test_another_submission_counts_anew(self):
        search = Search(180)
        done = search.count(search.begin(Progress(Phase.ready), NOW))
        assert search.begin(done, NOW).data["checks"] == 1
        assert search.begin(done, NOW + timedelta(minutes=5)).data["checks"] == 0

    def test_submitting_again_ends(self):
        search = Search(180)
        done, outcomes = Progress(Phase.ready), []
        for turn in range(RESUBMITS_MAX + 1):
            verdict = search.again(done, done, NOW + timedelta(minutes=10 * turn))
            outcomes.append(verdict.outcome)
            done = verdict.progress
        assert outcomes == [Outcome.not_published] * RESUBMITS_MAX + [Outcome.unknown]
        assert search.first_submit(done, NOW + timedelta(days=1)) == NOW


class TestVideoStatus:
    @pytest.mark.parametrize("complete", ["complete", "completed"])
    def test_published(self, complete):
        data = {"status": {"publishing_phase": {"status": complete, "publish_status": "published"}}}
        assert state_of(data) is VideoState.published

    @pytest.mark.parametrize(
        ("data", "state"),
        [
            ({}, VideoState.waiting),
            ({"status": {"video_status": "upload_complete"}}, VideoState.waiting),
            ({"status": {"publishing_phase": {"status": "not_started"}}}, VideoState.waiting),
            ({"status": {"publishing_phase": {"status": "draft", "publish_status": "draft"}}}, VideoState.waiting),
            ({"status": {"publishing_phase": {"status": "in_progress"}}}, VideoState.accepted),
            ({"published": True, "status": {"video_status": "ready"}}, VideoState.published),
            ({"status": {"video_status": "error"}}, VideoState.failed),
            ({"status": {"video_status": "expired"}}, VideoState.failed),
            (
                {"status": {"video_status": "processing", "processing_phase": {"errors": [{"code": 1363127}]}}},
                VideoState.failed,
            ),
            ({"status": {"processing_phase": {"status": "error", "error": {"message": "x"}}}}, VideoState.failed),
        ],
    )
    def test_states(self, data, state):
        assert state_of(data) is state

    def test_details_in_either_spelling(self):
        assert bytes_received({"status": {"uploading_phase": {"bytes_transferred": 5}}}) == 5
        assert bytes_received({"status": {"uploading_phase": {"bytes_transfered": "7"}}}) == 7
        assert bytes_received({}) == 0
        assert error_code({"status": {"processing_phase": {"errors": [{"code": 1363127}]}}}) == 1363127
        assert error_code({}) is None
