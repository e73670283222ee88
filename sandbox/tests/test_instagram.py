"""Instagram: consent and tokens, containers, publishing, limits, insights."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox.tests.clients import Control, InstagramAccount, graph_error, wait
from sandbox.tests.hosts import MediaHost

DAY = 86_400


class TestTokens:
    def test_the_redirect_carries_code_state_and_noise(self, control: Control) -> None:
        url = InstagramAccount.authorization_url(control)
        redirect = control.post(
            "consent", authorization_url=url, account_name="A", account_id_external="17841400000000001"
        )
        parts = urlsplit(redirect["redirect_url"])
        assert parts.fragment == "_"
        assert parse_qs(parts.query)["state"] == ["s1"]
        answer = InstagramAccount.exchange(control, parse_qs(parts.query)["code"][0])
        assert answer.json()["user_id"] == 17841400000000001
        assert answer.json()["permissions"] == InstagramAccount.SCOPES.split(",")

    def test_the_documented_envelope(self, control: Control) -> None:
        control.knobs(envelope="data")
        account_code = control.consent(InstagramAccount.authorization_url(control), "A")["code"]
        [wrapped] = InstagramAccount.exchange(control, account_code).json()["data"]
        assert wrapped["permissions"] == InstagramAccount.SCOPES
        assert isinstance(wrapped["user_id"], str)

    @pytest.mark.parametrize(
        "changes",
        [{"client_secret": "wrong"}, {"redirect_uri": "https://app.example.com/callback/"}, {"extra": "1"}],
    )
    def test_a_wrong_exchange_is_refused_and_the_code_lives(self, control: Control, changes: dict[str, str]) -> None:
        code = control.consent(InstagramAccount.authorization_url(control), "A")["code"]
        refused = InstagramAccount.exchange(control, code, **changes)
        assert (refused.status_code, refused.json()["error_type"]) == (400, "OAuthException")
        assert InstagramAccount.exchange(control, code).status_code == 200

    def test_a_code_works_once_and_for_an_hour(self, control: Control) -> None:
        url = InstagramAccount.authorization_url(control)
        used = control.consent(url, "A")["code"]
        assert InstagramAccount.exchange(control, used).status_code == 200
        again = InstagramAccount.exchange(control, used)
        assert again.json()["error_message"] == "Matching code was not found or was already used"
        old = control.consent(url, "A")["code"]
        control.advance(3_601)
        assert InstagramAccount.exchange(control, old).status_code == 400

    def test_refresh_needs_a_day_and_renews_for_sixty(self, instagram: InstagramAccount, control: Control) -> None:
        def refresh() -> tuple[int, dict[str, object]]:
            query = {"grant_type": "ig_refresh_token", "access_token": instagram.token}
            answer = control.http.get(f"{control.url}/instagram/graph/refresh_access_token", params=query)
            return answer.status_code, answer.json()

        assert refresh()[0] == 400
        control.advance(DAY)
        status, fresh = refresh()
        assert status == 200
        assert fresh["access_token"] != instagram.token
        assert abs(int(str(fresh["expires_in"])) - 60 * DAY) < 5
        control.advance(60 * DAY - 3_600)
        assert graph_error(instagram.call("GET", "me")) == (190, 463)
        assert refresh()[0] == 400
        instagram.token = str(fresh["access_token"])
        assert instagram.call("GET", "me").status_code == 200

    def test_revoked_and_expired(self, instagram: InstagramAccount, control: Control) -> None:
        control.post(f"accounts/instagram/{instagram.user_id}/expire-tokens")
        assert graph_error(instagram.call("GET", "me")) == (190, 463)
        other = InstagramAccount.connect(control, "Other")
        assert other.call("DELETE", "me/permissions").json() == {"success": True}
        assert graph_error(other.call("GET", "me")) == (190, 458)

    def test_tokens_that_are_missing_or_made_up(self, control: Control) -> None:
        me = f"{control.url}/instagram/graph/v25.0/me"
        assert graph_error(control.http.get(me)) == (104, 0)
        assert graph_error(control.http.get(me, params={"access_token": "IGAAno"})) == (190, 0)


class TestContainers:
    def test_image_is_fetched_as_meta_does(self, instagram: InstagramAccount, media_host: MediaHost) -> None:
        container = instagram.ready(image_url=f"{media_host.url}/square.jpg", caption="New #autumn @partner")
        assert instagram.status(container) == {
            "id": container,
            "status_code": "FINISHED",
            "status": "Finished: Media has been uploaded and it is ready to be published.",
        }
        agent = "facebookexternalhit/1.1"
        assert media_host.requests == [("HEAD", "square.jpg", agent, ""), ("GET", "square.jpg", agent, "bytes=0-")]

    def test_an_unchanged_url_is_confirmed_by_head_only(
        self, instagram: InstagramAccount, media_host: MediaHost
    ) -> None:
        for _ in range(3):
            instagram.ready(image_url=f"{media_host.url}/square.jpg")
        assert [method for method, *_ in media_host.requests] == ["HEAD", "GET", "HEAD", "HEAD"]

    @pytest.mark.parametrize(
        ("name", "error"),
        [
            ("square.png", (36001, 2207005)),
            ("nine16.jpg", (36003, 2207009)),
            ("huge.jpg", (36000, 2207004)),
            ("liar.jpg", (36001, 2207005)),
            ("missing.jpg", (9004, 2207052)),
            ("text.html", (9004, 2207052)),
            ("vertical.mp4", (9004, 2207052)),
        ],
    )
    def test_unsuitable_images(
        self, instagram: InstagramAccount, media_host: MediaHost, name: str, error: tuple[int, int]
    ) -> None:
        assert graph_error(instagram.create(image_url=f"{media_host.url}/{name}")) == error

    def test_parameters_are_strict(self, instagram: InstagramAccount, media_host: MediaHost) -> None:
        image, video = f"{media_host.url}/square.jpg", f"{media_host.url}/vertical.mp4"
        cases: list[tuple[dict[str, object], tuple[int, int]]] = [
            ({"image_url": image, "caption": "x" * 2_201}, (36004, 2207010)),
            ({"image_url": image, "caption": "#a " * 31}, (36004, 2207010)),
            ({"image_url": image, "caption": "@a " * 21}, (100, 2207040)),
            ({"image_url": image, "alt_text": "x" * 1_001}, (100, 0)),
            ({"image_url": image, "share_to_feed": True}, (100, 0)),
            ({"image_url": image, "user_tags": [{"username": "a"}]}, (100, 0)),
            ({"caption": "nothing else"}, (100, 0)),
            ({"media_type": "VIDEO", "video_url": video}, (100, 2207023)),
            ({"video_url": video}, (100, 2207023)),
            ({"media_type": "REELS", "video_url": video, "alt_text": "no"}, (100, 0)),
            ({"is_carousel_item": True, "image_url": image, "caption": "no"}, (100, 0)),
            ({"is_carousel_item": True, "media_type": "REELS", "video_url": video}, (100, 2207023)),
            ({"media_type": "CAROUSEL", "children": "1"}, (100, 2207028)),
            ({"media_type": "STORIES", "image_url": image, "caption": "no"}, (100, 0)),
            ({"media_type": "STORIES", "image_url": image, "alt_text": "no"}, (100, 0)),
            ({"media_type": "STORIES", "image_url": image, "collaborators": ["a"]}, (100, 0)),
            ({"image_url": image, "collaborators": ["a", "b", "c", "d"]}, (100, 0)),
            ({"image_url": image, "location_id": "123"}, (100, 0)),
            ({"media_type": "REELS", "video_url": video, "user_tags": [{"username": "a", "x": 0, "y": 0}]}, (100, 0)),
            ({"media_type": "REELS", "video_url": video, "trial_params": {"graduation_strategy": "NO"}}, (100, 0)),
            ({"media_type": "REELS", "upload_type": "resumable"}, (100, 0)),
            ({"is_carousel_item": True, "image_url": image, "is_ai_generated": True}, (100, 0)),
            ({"image_url": "http://example.com/a.jpg"}, (9004, 2207052)),
        ]
        for values, error in cases:
            assert graph_error(instagram.create(**values)) == error, values
        assert instagram.control.published() == []

    @pytest.mark.parametrize(
        ("name", "subcode"),
        [("missing.mp4", "2207052"), ("norange.mp4", "2207077"), ("broken.mp4", "2207026"), ("text.html", "2207052")],
    )
    def test_videos_fail_in_processing(
        self, instagram: InstagramAccount, media_host: MediaHost, name: str, subcode: str
    ) -> None:
        container = instagram.create(media_type="REELS", video_url=f"{media_host.url}/{name}").json()["id"]
        wait(lambda: instagram.status(container)["status_code"] == "ERROR")
        assert instagram.status(container)["status"].endswith(f"error code {subcode}")
        assert graph_error(instagram.publish(container)) == (24, 2207008)

    def test_thumb_offset_beyond_the_end(self, instagram: InstagramAccount, media_host: MediaHost) -> None:
        url = f"{media_host.url}/vertical.mp4"
        container = instagram.create(media_type="REELS", video_url=url, thumb_offset=4_000).json()["id"]
        wait(lambda: instagram.status(container)["status"].endswith("2207057"))

    def test_processing_takes_time(self, instagram: InstagramAccount, media_host: MediaHost, control: Control) -> None:
        control.knobs(processing_seconds=60)
        container = instagram.create(media_type="REELS", video_url=f"{media_host.url}/vertical.mp4").json()["id"]
        assert instagram.status(container)["status_code"] == "IN_PROGRESS"
        assert graph_error(instagram.publish(container)) == (9007, 2207027)
        wait(lambda: ("GET", "vertical.mp4") in [r[:2] for r in media_host.requests])
        wait(lambda: not control.advance(61) and instagram.status(container)["status_code"] == "FINISHED")

    def test_containers_expire(self, instagram: InstagramAccount, media_host: MediaHost, control: Control) -> None:
        container = instagram.ready(image_url=f"{media_host.url}/square.jpg")
        control.advance(DAY + 1)
        assert instagram.status(container)["status_code"] == "EXPIRED"
        assert graph_error(instagram.publish(container)) == (-2, 2207020)

    def test_somebody_elses_container(
        self, instagram: InstagramAccount, media_host: MediaHost, control: Control
    ) -> None:
        container = instagram.ready(image_url=f"{media_host.url}/square.jpg")
        other = InstagramAccount.connect(control, "Other")
        assert graph_error(other.call("GET", container)) == (100, 33)
        assert graph_error(other.publish(container)) == (24, 2207006)
        assert graph_error(other.call("POST", f"{instagram.user_id}/media", json={"image_url": "x"})) == (100, 33)

    def test_four_hundred_containers_a_day(self, instagram: InstagramAccount, media_host: MediaHost) -> None:
        url = f"{media_host.url}/square.jpg"
        assert all(instagram.create(image_url=url).is_success for _ in range(400))
        assert graph_error(instagram.create(image_url=url)) == (4, 0)


class TestPublishing:
    def test_image(self, instagram: InstagramAccount, media_host: MediaHost, control: Control) -> None:
        container = instagram.ready(
            image_url=f"{media_host.url}/square.jpg", caption="New #autumn @partner", alt_text="A red coat"
        )
        media_id = instagram.publish(container).json()["id"]
        assert media_id != container
        assert instagram.status(container)["status_code"] == "PUBLISHED"
        fields = "id,caption,media_type,media_product_type,permalink,shortcode,alt_text,like_count"
        media = instagram.call("GET", media_id, params={"fields": fields}).json()
        assert media["caption"] == "New #autumn partner"
        assert (media["media_type"], media["media_product_type"]) == ("IMAGE", "FEED")
        assert media["permalink"] == f"{control.url}/p/{media['shortcode']}"
        assert media["alt_text"] == "A red coat"
        [post] = control.published()
        assert (post["id"], post["text"], post["media_count"]) == (media_id, "New #autumn @partner", 1)
        assert control.http.get(post["media_urls"][0]).content == media_host.files["square.jpg"][1]
        assert control.http.get(media["permalink"]).status_code == 200

    def test_reel(self, instagram: InstagramAccount, media_host: MediaHost) -> None:
        container = instagram.ready(media_type="REELS", video_url=f"{media_host.url}/vertical.mp4", caption="Reel")
        media_id = instagram.publish(container).json()["id"]
        media = instagram.call("GET", media_id, params={"fields": "media_type,media_product_type"}).json()
        assert media == {"media_type": "VIDEO", "media_product_type": "REELS", "id": media_id}

    def test_carousel_counts_once(self, instagram: InstagramAccount, media_host: MediaHost, control: Control) -> None:
        children = [
            instagram.ready(is_carousel_item=True, image_url=f"{media_host.url}/tall.jpg"),
            instagram.ready(is_carousel_item=True, media_type="VIDEO", video_url=f"{media_host.url}/vertical.mp4"),
        ]
        assert graph_error(instagram.publish(children[0])) == (100, 0)
        parent = instagram.ready(media_type="CAROUSEL", children=",".join(children), caption="Look book")
        media_id = instagram.publish(parent).json()["id"]
        media = instagram.call("GET", media_id, params={"fields": "media_type,children{media_type}"}).json()
        assert media["media_type"] == "CAROUSEL_ALBUM"
        assert [child["media_type"] for child in media["children"]["data"]] == ["IMAGE", "VIDEO"]
        limit = instagram.call(
            "GET", f"{instagram.user_id}/content_publishing_limit", params={"fields": "quota_usage,config"}
        )
        assert limit.json()["data"] == [{"quota_usage": 1, "config": {"quota_total": 50, "quota_duration": DAY}}]
        assert control.get("published")["total"] == 1

    def test_parent_waits_for_its_children(
        self, instagram: InstagramAccount, media_host: MediaHost, control: Control
    ) -> None:
        image = instagram.ready(is_carousel_item=True, image_url=f"{media_host.url}/tall.jpg")
        control.post("faults", kind="container_error", subcode=2207082)
        broken = instagram.create(is_carousel_item=True, image_url=f"{media_host.url}/tall.jpg").json()["id"]
        parent = instagram.create(media_type="CAROUSEL", children=[image, broken]).json()["id"]
        assert instagram.status(parent)["status"].endswith("2207082")

    @pytest.mark.parametrize("mode", ["error", "same_id"])
    def test_a_second_publish_never_posts_twice(
        self, instagram: InstagramAccount, media_host: MediaHost, control: Control, mode: str
    ) -> None:
        control.knobs(republish=mode)
        container = instagram.ready(image_url=f"{media_host.url}/square.jpg")
        media_id = instagram.publish(container).json()["id"]
        again = instagram.publish(container)
        if mode == "error":
            assert graph_error(again) == (24, 2207006)
        else:
            assert again.json() == {"id": media_id}
        assert control.get("published")["total"] == 1

    def test_quota_is_enforced_on_publish(
        self, instagram: InstagramAccount, media_host: MediaHost, control: Control
    ) -> None:
        control.knobs(instagram_quota_total=2)
        url = f"{media_host.url}/square.jpg"
        containers = [instagram.ready(image_url=url) for _ in range(3)]
        assert [instagram.publish(c).status_code for c in containers] == [200, 200, 400]
        assert graph_error(instagram.publish(containers[2])) == (9, 2207042)
        assert control.get("published")["total"] == 2
        control.advance(DAY)
        assert instagram.publish(instagram.ready(image_url=url)).status_code == 200

    def test_list_is_newest_first_paged_and_may_lag(
        self, instagram: InstagramAccount, media_host: MediaHost, control: Control
    ) -> None:
        url = f"{media_host.url}/square.jpg"
        ids = [instagram.publish(instagram.ready(image_url=url)).json()["id"] for _ in range(3)]
        control.knobs(visibility_seconds=60)
        late = instagram.publish(instagram.ready(image_url=url)).json()["id"]
        first = instagram.call("GET", f"{instagram.user_id}/media", params={"limit": 2}).json()
        assert [item["id"] for item in first["data"]] == [ids[2], ids[1]]
        assert "access_token" not in first["paging"]["next"]
        headers = {"authorization": f"Bearer {instagram.token}"}
        second = control.http.get(first["paging"]["next"], headers=headers).json()
        assert [item["id"] for item in second["data"]] == [ids[0]]
        assert "next" not in second["paging"]
        assert instagram.call("GET", late).status_code == 200
        control.advance(61)
        assert instagram.call("GET", "me/media").json()["data"][0]["id"] == late


class TestInsights:
    def test_grow_and_stay_consistent(
        self, instagram: InstagramAccount, media_host: MediaHost, control: Control
    ) -> None:
        container = instagram.ready(image_url=f"{media_host.url}/square.jpg")
        media_id = instagram.publish(container).json()["id"]

        def read() -> dict[str, int]:
            metrics = "views,reach,likes,comments,shares,saved,total_interactions"
            data = instagram.call("GET", f"{media_id}/insights", params={"metric": metrics}).json()["data"]
            return {item["name"]: item["values"][0]["value"] for item in data}

        control.advance(3_600)
        early = read()
        control.advance(2 * DAY)
        late = read()
        assert 0 < early["reach"] < early["views"] < late["views"]
        assert late["reach"] < late["views"]
        assert all(late[name] >= early[name] for name in early)
        parts = ("likes", "comments", "shares", "saved")
        assert late["total_interactions"] == sum(late[name] for name in parts)

    @pytest.mark.parametrize("metric", ["impressions", "plays", "video_views", "engagement"])
    def test_a_dead_metric_fails_the_whole_call(
        self, instagram: InstagramAccount, media_host: MediaHost, metric: str
    ) -> None:
        media_id = instagram.publish(instagram.ready(image_url=f"{media_host.url}/square.jpg")).json()["id"]
        answer = instagram.call("GET", f"{media_id}/insights", params={"metric": f"views,{metric}"})
        assert graph_error(answer) == (100, 0)

    def test_late_insights_are_empty_not_zero(
        self, instagram: InstagramAccount, media_host: MediaHost, control: Control
    ) -> None:
        control.knobs(insights_delay_seconds=100)
        media_id = instagram.publish(instagram.ready(image_url=f"{media_host.url}/square.jpg")).json()["id"]
        assert instagram.call("GET", f"{media_id}/insights", params={"metric": "views"}).json() == {"data": []}

    def test_account_totals(self, instagram: InstagramAccount, media_host: MediaHost, control: Control) -> None:
        instagram.publish(instagram.ready(image_url=f"{media_host.url}/square.jpg"))
        control.advance(DAY / 2)
        query = {"metric": "reach,views", "period": "day", "metric_type": "total_value"}
        data = instagram.call("GET", f"{instagram.user_id}/insights", params=query).json()["data"]
        values = {item["name"]: item["total_value"]["value"] for item in data}
        assert 0 < values["reach"] < values["views"]


def test_unknown_paths_and_fields(instagram: InstagramAccount) -> None:
    assert graph_error(instagram.call("GET", f"{instagram.user_id}/highlights")) == (2500, 0)
    assert graph_error(instagram.call("GET", "999999999")) == (100, 33)
    assert graph_error(instagram.call("GET", "me", params={"fields": "id,shoe_size"})) == (100, 0)
    assert graph_error(instagram.call("GET", "me", params={"fields": "id,,"})) == (2500, 0)
    assert instagram.call("GET", "me").headers["facebook-api-version"] == "v25.0"
