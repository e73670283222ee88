"""TikTok: authorization and rotation, chunked upload, photos, status, limits, lists."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from sandbox.tests.clients import REDIRECT, VERIFIER, Control, TikTokCreator, tiktok_error, wait
from sandbox.tests.hosts import MediaHost

CHUNK = 5_300_000


def status_is(tiktok: TikTokCreator, publish_id: str, status: str) -> bool:
    return bool(tiktok.status(publish_id)["status"] == status)


class TestTokens:
    @pytest.mark.parametrize(
        "changes",
        [
            {"scope": "user.info.basic video.publish"},
            {
                "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest())
                .decode()
                .rstrip("=")
            },
            {"code_challenge_method": "plain"},
            {"redirect_uri": REDIRECT + "?a=1"},
            {"redirect_uri": "http://example.com/callback"},
            {"client_key": "other"},
            {"response_type": "token"},
        ],
    )
    def test_bad_authorization_urls(self, control: Control, changes: dict[str, str]) -> None:
        url = TikTokCreator.authorization_url(control, **changes)
        assert control.http.get(url).status_code == 400
        body = {"authorization_url": url, "account_name": "A"}
        assert control.http.post(f"{control.url}/_sandbox/consent", json=body).status_code == 400

    def test_subset_of_scopes(self, control: Control) -> None:
        found = control.consent(TikTokCreator.authorization_url(control), "A", declined_scopes=["video.list"])
        assert found["scopes"] == "user.info.basic,user.info.profile,video.publish,video.upload"
        tiktok = TikTokCreator(control, TikTokCreator.exchange(control, found["code"]).json())
        answer = tiktok.call("video/list/", {"max_count": 1}, fields="id")
        assert tiktok_error(answer) == (401, "scope_not_authorized")

    def test_exchange_is_strict(self, control: Control) -> None:
        code = control.consent(TikTokCreator.authorization_url(control), "A")["code"]
        for changes, error in (
            ({"code_verifier": "w" * 64}, "invalid_request"),
            ({"redirect_uri": REDIRECT + "/"}, "invalid_request"),
            ({"client_secret": "wrong"}, "invalid_client"),
            ({"code": "made-up"}, "invalid_grant"),
            ({"grant_type": "password"}, "unsupported_grant_type"),
        ):
            answer = TikTokCreator.exchange(control, code, **changes)
            assert (answer.status_code, answer.json()["error"]) == (400, error)
        good = TikTokCreator.exchange(control, code).json()
        assert (good["expires_in"], good["refresh_expires_in"], good["token_type"]) == (7_200, 15_552_000, "Bearer")
        control.knobs(tiktok_oauth_error_status=200)
        assert TikTokCreator.exchange(control, code).status_code == 200

    def test_rotation_kills_the_old_refresh_token(self, tiktok: TikTokCreator, control: Control) -> None:
        def refresh(token: str) -> dict[str, Any]:
            return dict(TikTokCreator.token_call(control, grant_type="refresh_token", refresh_token=token).json())

        old = tiktok.tokens["refresh_token"]
        fresh = refresh(old)
        assert refresh(old)["error"] == "invalid_grant"
        assert refresh(fresh["refresh_token"])["open_id"] == tiktok.open_id

    def test_access_ends_after_two_hours(self, tiktok: TikTokCreator, control: Control) -> None:
        control.advance(7_201)
        answer = tiktok.call("post/publish/creator_info/query/", {})
        assert tiktok_error(answer) == (401, "access_token_invalid")
        fresh = TikTokCreator.token_call(
            control, grant_type="refresh_token", refresh_token=tiktok.tokens["refresh_token"]
        ).json()
        control.post(f"accounts/tiktok/{tiktok.open_id}/revoke")
        again = TikTokCreator.token_call(control, grant_type="refresh_token", refresh_token=fresh["refresh_token"])
        assert again.json()["error"] == "invalid_grant"


class TestVideo:
    def test_chunks_in_order(self, tiktok: TikTokCreator, media_host: MediaHost, control: Control) -> None:
        data = media_host.vertical + b"\0" * (3 * CHUNK - len(media_host.vertical) + 123)
        size = len(data)
        for chunk, count in ((CHUNK, 4), (CHUNK, 2), (4_000_000, 3), (size + 1, 1), (0, 1)):
            assert tiktok_error(tiktok.video_init(size, chunk, count)) == (400, "invalid_params")
        control.advance(60)
        found = tiktok.video_init(size, CHUNK, 3).json()["data"]
        url, publish_id = found["upload_url"], found["publish_id"]
        assert tiktok.put(url, data[CHUNK : 2 * CHUNK], CHUNK, size).status_code == 416
        assert tiktok.put(url, data[:100], 0, size).status_code == 416
        assert tiktok.put(url, data[:CHUNK], 0, size, authorization="Bearer x").status_code == 400
        first = tiktok.put(url, data[:CHUNK], 0, size)
        assert (first.status_code, first.headers["content-range"]) == (206, f"bytes 0-{CHUNK}/{size}")
        again = tiktok.put(url, data[:CHUNK], 0, size)
        assert (again.status_code, again.headers["content-range"]) == (416, f"bytes 0-{CHUNK}/{size}")
        assert tiktok.status(publish_id)["uploaded_bytes"] == CHUNK
        assert tiktok.put(url, data[CHUNK : 2 * CHUNK], CHUNK, size).status_code == 206
        assert control.published() == []
        assert tiktok.put(url, data[2 * CHUNK :], 2 * CHUNK, size).status_code == 201
        assert tiktok.put(url, data[2 * CHUNK :], 2 * CHUNK, size).status_code == 416
        assert control.get("published", contains="Fresh #bread")["total"] == 1

    def test_id_comes_late_and_is_large(self, tiktok: TikTokCreator, media_host: MediaHost, control: Control) -> None:
        control.knobs(processing_seconds=10, tiktok_moderation_seconds=60)
        publish_id = tiktok.post_video(media_host.vertical)
        assert tiktok.status(publish_id)["status"] == "PROCESSING_UPLOAD"
        assert control.published() == []
        control.advance(11)
        done = tiktok.status(publish_id)
        assert (done["status"], done["publicaly_available_post_id"]) == ("PUBLISH_COMPLETE", [])
        control.advance(60)
        [post_id] = tiktok.status(publish_id)["publicaly_available_post_id"]
        assert post_id > 2**53
        assert [post["id"] for post in control.published()] == [str(post_id)]

    def test_private_posts_never_get_an_id(
        self, tiktok: TikTokCreator, media_host: MediaHost, control: Control
    ) -> None:
        publish_id = tiktok.post_video(media_host.vertical, privacy_level="SELF_ONLY")
        control.advance(86_400)
        tiktok = TikTokCreator.connect(control, "Corner Bakery")
        assert tiktok.status(publish_id)["publicaly_available_post_id"] == []
        assert tiktok.call("video/list/", {}, fields="id").json()["data"]["videos"] == []
        assert [post["privacy"] for post in control.published()] == ["SELF_ONLY"]

    def test_upload_url_lives_an_hour(self, tiktok: TikTokCreator, media_host: MediaHost, control: Control) -> None:
        data = media_host.vertical
        url = tiktok.video_init(len(data), len(data), 1).json()["data"]["upload_url"]
        assert tiktok.put(url.replace("upload_token=", "upload_token=x"), data, 0, len(data)).status_code == 404
        control.advance(3_601)
        assert tiktok.put(url, data, 0, len(data)).status_code == 403
        assert control.published() == []

    @pytest.mark.parametrize(
        "changes",
        [
            {"title": "😀" * 1_101},
            {"privacy_level": "PUBLIC"},
            {"brand_content_toggle": "no"},
            {"video_cover_timestamp_ms": 1.5},
            {"description": "no"},
            {"brand_content_toggle": True, "privacy_level": "SELF_ONLY"},
        ],
    )
    def test_post_info_is_strict(self, tiktok: TikTokCreator, changes: dict[str, Any]) -> None:
        status, code = tiktok_error(tiktok.video_init(100, 100, 1, **changes))
        assert (status, code) in ((400, "invalid_params"), (403, "privacy_level_option_mismatch"))

    def test_failures(self, tiktok: TikTokCreator, media_host: MediaHost, control: Control) -> None:
        publish_id = tiktok.post_video(b"\0" * 1_000)
        assert tiktok.status(publish_id)["fail_reason"] == "file_format_check_failed"
        account = f"{control.url}/_sandbox/accounts/tiktok/{tiktok.open_id}"
        control.http.patch(account, json={"max_duration_seconds": 3})
        assert tiktok.status(tiktok.post_video(media_host.vertical))["fail_reason"] == "duration_check_failed"
        control.http.patch(account, json={"max_duration_seconds": 60})
        control.post("faults", kind="publish_failed", fail_reason="spam_risk_text")
        assert tiktok.status(tiktok.post_video(media_host.vertical))["fail_reason"] == "spam_risk_text"
        assert control.published() == []

    def test_creator_state(self, tiktok: TikTokCreator, control: Control) -> None:
        account = f"{control.url}/_sandbox/accounts/tiktok/{tiktok.open_id}"
        query = "post/publish/creator_info/query/"
        assert tiktok.call(query, {}).json()["data"]["privacy_level_options"][0] == "PUBLIC_TO_EVERYONE"
        control.http.patch(account, json={"private": True})
        info = tiktok.call(query, {}).json()["data"]
        assert (info["privacy_level_options"][0], info["duet_disabled"]) == ("FOLLOWER_OF_CREATOR", True)
        assert tiktok_error(tiktok.video_init(9, 9, 1)) == (403, "privacy_level_option_mismatch")
        control.http.patch(account, json={"creator_blocked": "spam_risk_user_banned_from_posting"})
        assert tiktok_error(tiktok.call(query, {})) == (200, "spam_risk_user_banned_from_posting")
        assert tiktok_error(tiktok.video_init(9, 9, 1)) == (403, "spam_risk_user_banned_from_posting")

    def test_unaudited(self, tiktok: TikTokCreator, control: Control) -> None:
        control.knobs(unaudited_tiktok=True)
        code = "unaudited_client_can_only_post_to_private_accounts"
        assert tiktok_error(tiktok.video_init(9, 9, 1, privacy_level="SELF_ONLY")) == (403, code)
        account = f"{control.url}/_sandbox/accounts/tiktok/{tiktok.open_id}"
        control.http.patch(account, json={"private": True})
        assert tiktok.video_init(9, 9, 1, privacy_level="SELF_ONLY").status_code == 200

    def test_limits(self, tiktok: TikTokCreator, media_host: MediaHost, control: Control) -> None:
        assert [tiktok.video_init(9, 9, 1).status_code for _ in range(7)] == [200] * 6 + [429]
        assert tiktok_error(tiktok.video_init(9, 9, 1)) == (429, "rate_limit_exceeded")
        control.advance(60)
        control.knobs(tiktok_daily_posts=2)
        for _ in range(2):
            tiktok.post_video(media_host.vertical)
        assert tiktok_error(tiktok.video_init(9, 9, 1)) == (403, "spam_risk_too_many_posts")
        control.knobs(enforce_rate_limits=False)
        assert all(tiktok.video_init(9, 9, 1).is_success for _ in range(10))


class TestPhotos:
    def test_pulled_and_posted(self, tiktok: TikTokCreator, media_host: MediaHost, control: Control) -> None:
        urls = [f"{media_host.url}/square.jpg", f"{media_host.url}/nine16.jpg"]
        publish_id = tiktok.photo_init(*urls).json()["data"]["publish_id"]
        assert publish_id.startswith("p_pub_url~")
        wait(lambda: status_is(tiktok, publish_id, "PUBLISH_COMPLETE"))
        [post] = control.published()
        assert (post["kind"], post["text"], post["title"], post["media_count"]) == ("photo", "Fresh #bread", "Bread", 2)

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("square.png", "file_format_check_failed"),
            ("tall.jpg", ""),
            ("missing.jpg", "photo_pull_failed"),
            ("moved.jpg", "photo_pull_failed"),
            ("vertical.mp4", "file_format_check_failed"),
        ],
    )
    def test_media_rules(self, tiktok: TikTokCreator, media_host: MediaHost, name: str, reason: str) -> None:
        publish_id = tiktok.photo_init(f"{media_host.url}/{name}").json()["data"]["publish_id"]
        wait(lambda: tiktok.status(publish_id)["status"] in ("FAILED", "PUBLISH_COMPLETE"))
        assert tiktok.status(publish_id).get("fail_reason", "") == reason

    def test_urls_must_be_verified(self, tiktok: TikTokCreator, media_host: MediaHost, control: Control) -> None:
        control.knobs(tiktok_verified_prefixes=["https://shop.example/m/"])
        answer = tiktok.photo_init(f"{media_host.url}/square.jpg")
        assert tiktok_error(answer) == (403, "url_ownership_unverified")
        assert tiktok_error(tiktok.photo_init("http://shop.example/m/1.jpg")) == (400, "invalid_params")
        assert tiktok_error(tiktok.photo_init(*["https://shop.example/m/1.jpg"] * 36)) == (400, "invalid_params")


class TestReading:
    def test_user_info_by_scope(self, tiktok: TikTokCreator) -> None:
        user = tiktok.call("user/info/", fields="open_id,display_name,username").json()["data"]["user"]
        assert user == {"open_id": tiktok.open_id, "display_name": "Corner Bakery", "username": "corner_bakery"}
        answer = tiktok.call("user/info/", fields="open_id,follower_count")
        assert tiktok_error(answer) == (401, "scope_not_authorized")
        assert tiktok_error(tiktok.call("user/info/", fields="shoe_size")) == (400, "invalid_params")

    def test_list_and_query(self, tiktok: TikTokCreator, media_host: MediaHost, control: Control) -> None:
        for number in range(3):
            tiktok.post_video(media_host.vertical, title=f"Video {number}")
            control.advance(1)
        control.advance(3_600)
        fields = "id,title,create_time,duration,view_count,like_count"
        first = tiktok.call("video/list/", {"max_count": 2}, fields=fields).json()["data"]
        assert [video["title"] for video in first["videos"]] == ["Video 2", "Video 1"]
        assert first["has_more"] is True
        second = tiktok.call("video/list/", {"max_count": 2, "cursor": first["cursor"]}, fields=fields).json()["data"]
        assert [video["title"] for video in second["videos"]] == ["Video 0"]
        assert second["has_more"] is False
        wanted = [first["videos"][0]["id"], "7000000000000000000"]
        videos = tiktok.call("video/query/", {"filters": {"video_ids": wanted}}, fields=fields).json()["data"]["videos"]
        assert [video["id"] for video in videos] == wanted[:1]
        assert videos[0]["view_count"] > videos[0]["like_count"] > 0
        assert videos[0]["duration"] == 4
        assert tiktok_error(tiktok.call("video/list/", {"max_count": 21}, fields="id")) == (400, "invalid_params")

    def test_other_peoples_publish_ids(self, tiktok: TikTokCreator, media_host: MediaHost, control: Control) -> None:
        publish_id = tiktok.post_video(media_host.vertical)
        other = TikTokCreator.connect(control, "Other")
        path = "post/publish/status/fetch/"
        answer = other.call(path, {"publish_id": publish_id})
        assert tiktok_error(answer) == (400, "token_not_authorized_for_specified_publish_id")
        assert tiktok_error(other.call(path, {"publish_id": "v_pub_file~none"})) == (400, "invalid_publish_id")


def test_unknown_paths_need_their_slash(tiktok: TikTokCreator) -> None:
    assert tiktok_error(tiktok.call("post/publish/inbox/photo/init/", {})) == (404, "unsupported_path")
    assert tiktok_error(tiktok.call("user/info", fields="open_id")) == (404, "unsupported_path")
