"""Facebook Pages: login and tokens, posts, photos, videos, reels, insights."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from sandbox.tests.clients import APP, REDIRECT, Control, FacebookPage, graph_error, wait
from sandbox.tests.hosts import MediaHost, picture

DAY = 86_400
STATUS = "status,published,post_id,permalink_url"


class TestTokens:
    def test_a_code_is_used_once_with_the_same_redirect(self, control: Control) -> None:
        def exchange(code: str, redirect: str = REDIRECT) -> Any:
            return FacebookPage.graph(control, "oauth/access_token", **APP, redirect_uri=redirect, code=code)

        url = FacebookPage.authorization_url(control)
        code = control.consent(url, "A")["code"]
        assert graph_error(exchange(code, REDIRECT + "/")) == (100, 36008)
        assert exchange(code).json()["token_type"] == "bearer"
        assert graph_error(exchange(code)) == (100, 36009)
        late = control.consent(url, "A")["code"]
        control.advance(3_601)
        assert graph_error(exchange(late)) == (100, 36007)

    def test_page_tokens_live_as_long_as_their_parent_allows(self, control: Control) -> None:
        code = control.consent(FacebookPage.authorization_url(control), "A")["code"]
        short = FacebookPage.graph(control, "oauth/access_token", **APP, redirect_uri=REDIRECT, code=code).json()
        query = {**APP, "grant_type": "fb_exchange_token", "fb_exchange_token": short["access_token"]}
        long = FacebookPage.graph(control, "oauth/access_token", **query).json()

        def page_token(user_token: str) -> str:
            [page] = FacebookPage.graph(control, "me/accounts", access_token=user_token).json()["data"]
            return str(page["access_token"])

        from_short, from_long = page_token(short["access_token"]), page_token(long["access_token"])
        assert page_token(long["access_token"]) == from_long
        control.advance(61 * DAY)
        assert graph_error(FacebookPage.graph(control, "me", access_token=from_short)) == (190, 463)
        assert graph_error(FacebookPage.graph(control, "me", access_token=long["access_token"])) == (190, 463)
        assert FacebookPage.graph(control, "me", access_token=from_long).status_code == 200

    def test_accounts_are_paged_and_portfolio_pages_hidden(self, control: Control) -> None:
        names = [f"Page {number}" for number in range(27)]
        changes = {"scope": "pages_show_list"}
        url = FacebookPage.authorization_url(control, **changes)
        code = control.consent(url, "First", more_accounts=names)["code"]
        token = FacebookPage.graph(control, "oauth/access_token", **APP, redirect_uri=REDIRECT, code=code).json()
        first = FacebookPage.graph(control, "me/accounts", access_token=token["access_token"]).json()
        assert len(first["data"]) == 25
        second = control.http.get(first["paging"]["next"]).json()
        assert len(second["data"]) == 3
        assert "next" not in second["paging"]
        for page in first["data"]:
            control.http.patch(f"{control.url}/_sandbox/accounts/facebook/{page['id']}", json={"in_portfolio": True})
        hidden = FacebookPage.graph(control, "me/accounts", access_token=token["access_token"]).json()
        assert hidden["data"] == []
        assert "next" in hidden["paging"]

    def test_debug_token_and_permissions(self, control: Control) -> None:
        page = FacebookPage.connect(control, "A", declined_scopes=["read_insights"])
        app_token = f"{APP['client_id']}|{APP['client_secret']}"

        def debug() -> dict[str, Any]:
            answer = FacebookPage.graph(control, "debug_token", input_token=page.token, access_token=app_token)
            return dict(answer.json()["data"])

        assert debug()["is_valid"] is True
        assert (debug()["type"], debug()["expires_at"], debug()["profile_id"]) == ("PAGE", 0, page.page_id)
        statuses = FacebookPage.graph(control, "me/permissions", access_token=page.user_token).json()["data"]
        assert {"permission": "read_insights", "status": "declined"} in statuses
        assert graph_error(page.call("GET", f"{page.page_id}/insights", params={"metric": "page_follows"})) == (200, 0)
        control.post(f"accounts/facebook/{page.page_id}/expire-tokens", subcode=460)
        assert graph_error(page.call("GET", page.page_id)) == (190, 460)
        assert (debug()["is_valid"], debug()["error"]["subcode"]) == (False, 460)

    def test_revoking_ends_every_token(self, facebook: FacebookPage, control: Control) -> None:
        url = f"{control.url}/facebook/graph/v25.0/me/permissions"
        answer = control.http.delete(url, params={"access_token": facebook.user_token})
        assert answer.json() == {"success": True}
        assert graph_error(facebook.post("feed", message="x")) == (190, 458)

    def test_appsecret_proof(self, facebook: FacebookPage, control: Control) -> None:
        control.knobs(require_appsecret_proof=True)
        proof = hmac.new(APP["client_secret"].encode(), facebook.token.encode(), hashlib.sha256).hexdigest()
        path = facebook.page_id
        assert graph_error(facebook.call("GET", path)) == (100, 0)
        assert graph_error(facebook.call("GET", path, params={"appsecret_proof": "0" * 64})) == (104, 0)
        assert facebook.call("GET", path, params={"appsecret_proof": proof}).status_code == 200

    def test_task_needed(self, facebook: FacebookPage, control: Control) -> None:
        account = f"{control.url}/_sandbox/accounts/facebook/{facebook.page_id}"
        control.http.patch(account, json={"tasks": ["PROFILE_PLUS_ANALYZE"]})
        assert graph_error(facebook.post("feed", message="x")) == (200, 0)
        control.http.patch(account, json={"tasks": ["PROFILE_PLUS_CREATE_CONTENT"]})
        assert facebook.post("feed", message="x").status_code == 200


class TestPosts:
    def test_text_and_its_duplicate(self, facebook: FacebookPage, control: Control) -> None:
        first = facebook.call(
            "POST",
            f"{facebook.page_id}/feed",
            params={"fields": "id,permalink_url"},
            json={"message": "New opening hours", "published": True},
        ).json()
        assert first["id"].startswith(f"{facebook.page_id}_")
        assert control.http.get(first["permalink_url"]).status_code == 200
        assert graph_error(facebook.post("feed", message="New opening hours")) == (506, 0)
        assert facebook.post("feed", message="Something else").status_code == 200
        assert facebook.post("feed", message="New opening hours").status_code == 200
        assert control.get("published", contains="New opening hours")["total"] == 2

    def test_link(self, facebook: FacebookPage, media_host: MediaHost, control: Control) -> None:
        link = f"{media_host.url}/text.html"
        post_id = facebook.post("feed", message="Look", link=link).json()["id"]
        [item] = facebook.call("GET", post_id, params={"fields": "attachments{media_type,url,title}"}).json()[
            "attachments"
        ]["data"]
        assert item == {"media_type": "link", "url": link, "title": "Our shop"}
        assert graph_error(facebook.post("feed", link=f"{media_host.url}/gone.html")) == (1609005, 0)
        assert graph_error(facebook.post("feed", link="https://shop.invalid/")) == (1609005, 0)
        assert graph_error(facebook.post("feed", link="https://www.facebook.com/x")) == (1609008, 0)
        assert graph_error(facebook.post("feed", link="no link")) == (100, 2061006)
        assert facebook.post("feed", link="https://acme.example/hours").status_code == 200
        assert control.get("published")["total"] == 2

    @pytest.mark.parametrize(
        "values",
        [
            {},
            {"message": "x" * 63_207},
            {"message": 5},
            {"message": "x", "published": "maybe"},
            {"message": "x", "picture": "https://example.com/a.jpg"},
            {"message": "x", "attached_media": [{"id": "1"}]},
        ],
    )
    def test_parameters_are_strict(self, facebook: FacebookPage, values: dict[str, Any]) -> None:
        assert graph_error(facebook.post("feed", **values)) == (100, 0)
        assert facebook.control.get("published")["total"] == 0

    def test_photos_are_invisible_until_attached(self, facebook: FacebookPage, control: Control) -> None:
        ids = [
            facebook.photo(picture(color=color), alt_text_custom=color).json()["id"]
            for color in ("red", "green", "blue")
        ]
        assert control.get("published")["total"] == 0
        assert "page_story_id" not in facebook.call("GET", ids[0], params={"fields": "page_story_id"}).json()
        form = {"message": "Three"} | {f"attached_media[{i}]": json.dumps({"media_fbid": x}) for i, x in enumerate(ids)}
        post_id = facebook.call("POST", f"{facebook.page_id}/feed", data=form).json()["id"]
        story = facebook.call("GET", ids[0], params={"fields": "page_story_id"}).json()
        assert story == {"page_story_id": post_id, "id": ids[0]}
        fields = "message,application{id},attachments{media_type,subattachments{target{id}}}"
        [post] = facebook.call("GET", f"{facebook.page_id}/published_posts", params={"fields": fields}).json()["data"]
        album = post["attachments"]["data"][0]
        assert [item["target"]["id"] for item in album["subattachments"]["data"]] == ids
        assert post["application"]["id"] == APP["client_id"]
        assert graph_error(facebook.post("feed", attached_media=[{"media_fbid": ids[0]}])) == (100, 1366051)
        [seen] = control.published()
        assert (seen["kind"], seen["alt_texts"]) == ("photos", ["red", "green", "blue"])

    def test_staged_photos_go_after_a_day(self, facebook: FacebookPage, control: Control) -> None:
        photo = facebook.photo(picture()).json()["id"]
        control.advance(DAY + 1)
        assert graph_error(facebook.post("feed", attached_media=[{"media_fbid": photo}])) == (100, 33)

    def test_photo_can_be_deleted(self, facebook: FacebookPage) -> None:
        photo = facebook.photo(picture()).json()["id"]
        assert facebook.call("DELETE", photo).json() == {"success": True}
        assert graph_error(facebook.call("GET", photo)) == (100, 33)

    def test_bad_photos(self, facebook: FacebookPage) -> None:
        assert graph_error(facebook.photo(b"nothing")) == (324, 2069019)
        assert graph_error(facebook.photo(picture("WEBP"))) == (324, 2069019)
        assert graph_error(facebook.photo(picture() + b"\0" * 10_000_000)) == (324, 1366046)
        assert graph_error(facebook.post("photos", published=False)) == (324, 0)
        assert graph_error(facebook.photo(picture(), message="x")) == (100, 0)

    def test_list_may_lag(self, facebook: FacebookPage, control: Control) -> None:
        control.knobs(visibility_seconds=30)
        facebook.post("feed", message="x")
        path = f"{facebook.page_id}/published_posts"
        assert facebook.call("GET", path).json()["data"] == []
        control.advance(31)
        assert [post["message"] for post in facebook.call("GET", path).json()["data"]] == ["x"]


class TestVideos:
    def test_chunks_offsets_and_repeated_finish(
        self, facebook: FacebookPage, media_host: MediaHost, control: Control
    ) -> None:
        data = media_host.reel + b"\0" * 2_000_000
        start = facebook.post("videos", upload_phase="start", file_size=len(data)).json()
        assert (start["start_offset"], start["end_offset"]) == ("0", "1048576")
        session = start["upload_session_id"]

        def transfer(first: int, chunk: bytes) -> Any:
            form = {"upload_phase": "transfer", "upload_session_id": session, "start_offset": str(first)}
            files = {"video_file_chunk": ("chunk", chunk, "application/octet-stream")}
            return facebook.call("POST", f"{facebook.page_id}/videos", data=form, files=files)

        assert graph_error(facebook.post("videos", upload_phase="finish", upload_session_id=session)) == (6000, 0)
        wrong = transfer(7, data[7:100])
        assert graph_error(wrong) == (6001, 1363037)
        assert wrong.json()["error"]["error_data"] == {"start_offset": "0", "end_offset": "1048576"}
        offsets = start
        while offsets["start_offset"] != offsets["end_offset"]:
            first, last = int(offsets["start_offset"]), int(offsets["end_offset"])
            offsets = transfer(first, data[first:last]).json()
        for _ in range(3):
            answer = facebook.post("videos", upload_phase="finish", upload_session_id=session, description="Film")
            assert answer.json() == {"success": True}
        status = facebook.call("GET", start["video_id"], params={"fields": STATUS}).json()
        assert status["status"]["publishing_phase"]["publish_status"] == "published"
        assert [post["id"] for post in control.published()] == [f"{facebook.page_id}_{status['post_id']}"]

    def test_reel_in_three_calls(self, facebook: FacebookPage, media_host: MediaHost, control: Control) -> None:
        control.knobs(processing_seconds=30)
        start = facebook.post("video_reels", upload_phase="start").json()
        video_id, data = start["video_id"], media_host.reel

        def status() -> dict[str, Any]:
            return dict(facebook.call("GET", video_id, params={"fields": STATUS}).json())

        assert status()["status"]["video_status"] == "uploading"
        refused = facebook.upload(start["upload_url"], data, offset="5").json()["debug_info"]
        assert refused == {
            "retriable": True,
            "type": "OffsetInvalidError",
            "message": "Request starting offset is invalid, expected 0",
        }
        half = len(data) // 2
        partial = facebook.upload(start["upload_url"], data[:half], file_size=str(len(data)))
        assert partial.json()["debug_info"]["type"] == "PartialRequestError"
        assert status()["status"]["uploading_phase"]["bytes_transferred"] == half
        rest = facebook.upload(start["upload_url"], data[half:], offset=str(half), file_size=str(len(data)))
        assert rest.json() == {"success": True}
        assert status()["status"]["video_status"] == "upload_complete"
        finish = {"upload_phase": "finish", "video_id": video_id, "video_state": "PUBLISHED", "description": "Hello"}
        assert [facebook.post("video_reels", **finish).json() for _ in range(2)] == [{"success": True}] * 2
        assert (status()["published"], status()["status"]["video_status"]) == (False, "processing")
        assert control.published() == []
        control.advance(31)
        assert status()["published"] is True
        assert status()["status"]["video_status"] == "ready"
        [post] = control.published()
        assert (post["kind"], post["text"], post["source_id"]) == ("reel", "Hello", video_id)
        assert control.http.get(status()["permalink_url"]).status_code == 200

    def test_the_other_spelling(self, facebook: FacebookPage, media_host: MediaHost, control: Control) -> None:
        control.knobs(facebook_status_spelling="completed")
        start = facebook.post("video_reels", upload_phase="start").json()
        facebook.upload(start["upload_url"], media_host.vertical)
        finish = {"upload_phase": "finish", "video_id": start["video_id"], "video_state": "PUBLISHED"}
        assert facebook.post("video_reels", **finish).status_code == 200
        status = facebook.call("GET", start["video_id"], params={"fields": "status"}).json()["status"]
        assert status["uploading_phase"] == {"status": "completed", "bytes_transfered": len(media_host.vertical)}
        assert status["video_status"] == "processing"
        assert "540 by 960" in status["processing_phase"]["error"]["message"]
        assert control.published() == []

    def test_reel_by_url(self, facebook: FacebookPage, media_host: MediaHost) -> None:
        media_host.files["reel.mp4"] = ("video/mp4", media_host.reel)
        start = facebook.post("video_reels", upload_phase="start").json()
        headers = {"authorization": f"OAuth {facebook.token}", "file_url": f"{media_host.url}/reel.mp4"}
        assert facebook.control.http.post(start["upload_url"], headers=headers).json() == {"success": True}
        assert media_host.requests[0][2] == "facebookexternalhit/1.1"

    def test_thirty_reels_a_day(self, facebook: FacebookPage, media_host: MediaHost) -> None:
        def reel() -> Any:
            start = facebook.post("video_reels", upload_phase="start").json()
            facebook.upload(start["upload_url"], media_host.reel)
            finish = {"upload_phase": "finish", "video_id": start["video_id"], "video_state": "PUBLISHED"}
            return facebook.post("video_reels", **finish)

        assert all(reel().is_success for _ in range(30))
        assert graph_error(reel()) == (613, 0)


class TestInsights:
    def test_post(self, facebook: FacebookPage, control: Control) -> None:
        post_id = facebook.post("feed", message="x").json()["id"]
        fields = "shares,comments.limit(0).summary(true),reactions.limit(0).summary(true)"
        fresh = facebook.call("GET", post_id, params={"fields": fields}).json()
        assert "shares" not in fresh
        assert fresh["reactions"]["summary"]["total_count"] == 0
        control.advance(3 * DAY)
        names = "post_media_view,post_total_media_view_unique,post_clicks,post_reactions_by_type_total"
        data = facebook.call("GET", f"{post_id}/insights", params={"metric": names}).json()["data"]
        values = {item["name"]: item["values"][0]["value"] for item in data}
        assert 0 < values["post_total_media_view_unique"] < values["post_media_view"]
        reactions = facebook.call("GET", post_id, params={"fields": fields}).json()["reactions"]["summary"]
        assert sum(values["post_reactions_by_type_total"].values()) == reactions["total_count"]
        for dead in ("post_impressions", "post_impressions_unique", "post_comments"):
            answer = facebook.call("GET", f"{post_id}/insights", params={"metric": f"post_clicks,{dead}"})
            assert graph_error(answer) == (100, 0)
        assert graph_error(facebook.call("GET", f"{post_id}/insights")) == (3001, 1504028)

    def test_small_pages_have_none(self, facebook: FacebookPage, control: Control) -> None:
        post_id = facebook.post("feed", message="x").json()["id"]
        control.http.patch(f"{control.url}/_sandbox/accounts/facebook/{facebook.page_id}", json={"likes": 99})
        control.advance(DAY)
        answer = facebook.call("GET", f"{post_id}/insights", params={"metric": "post_clicks"})
        assert answer.json() == {"data": []}

    def test_page(self, facebook: FacebookPage, control: Control) -> None:
        facebook.post("feed", message="x")
        control.advance(2 * DAY)
        query = {"metric": "page_media_view,page_follows", "period": "day"}
        data = facebook.call("GET", f"{facebook.page_id}/insights", params=query).json()["data"]
        assert [item["name"] for item in data] == ["page_media_view", "page_follows"]
        assert all(value["end_time"].endswith(("T08:00:00+0000", "T07:00:00+0000")) for value in data[0]["values"])


def test_throttling_and_its_headers(facebook: FacebookPage, control: Control) -> None:
    control.knobs(meta_calls_per_day=20)
    answers = [facebook.call("GET", facebook.page_id) for _ in range(25)]
    usage = json.loads(answers[5].headers["x-business-use-case-usage"])[facebook.page_id][0]
    assert (usage["type"], usage["call_count"], usage["estimated_time_to_regain_access"]) == ("pages", 30, 0)
    assert graph_error(answers[-1]) == (80001, 0)
    usage = json.loads(answers[-1].headers["x-business-use-case-usage"])[facebook.page_id][0]
    assert usage["estimated_time_to_regain_access"] > 1_400
    wait(lambda: not control.advance(DAY) and facebook.call("GET", facebook.page_id).is_success)


def test_unknown_paths(facebook: FacebookPage) -> None:
    assert graph_error(facebook.call("GET", f"{facebook.page_id}/events")) == (2500, 0)
    assert graph_error(facebook.post("offers", photo_id="1")) == (2500, 0)
    assert graph_error(facebook.call("GET", "123456789012345")) == (100, 33)
