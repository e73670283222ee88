"""Stories, comments, choices, Instagram on graph.facebook.com, uploads, and what the platforms tell by themselves."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from sandbox.tests.clients import (
    APP,
    REDIRECT,
    Control,
    FacebookPage,
    InstagramAccount,
    TikTokCreator,
    graph_error,
    wait,
)
from sandbox.tests.hosts import MediaHost

DAY = 86_400
SECRET = APP["client_secret"].encode()
SCOPES = (
    "instagram_basic,instagram_content_publish,pages_show_list,pages_read_engagement,instagram_manage_comments,"
    "instagram_manage_insights,instagram_manage_contents,business_management"
)


@dataclass
class Linked:
    """An Instagram account that is linked to a Page."""

    control: Control
    user_token: str
    token: str
    account_id: str

    def call(self, method: str, path: str, token: str = "", **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {token or self.token}"}
        url = f"{self.control.url}/facebook/graph/v25.0/{path}"
        return self.control.http.request(method, url, headers=headers, **options)


@pytest.fixture
def linked(control: Control) -> Linked:
    url = FacebookPage.authorization_url(control, scope=SCOPES)
    code = control.consent(url, "Corner Bakery")["code"]
    graph = f"{control.url}/facebook/graph/v25.0"
    short = control.http.get(
        f"{graph}/oauth/access_token", params={**APP, "redirect_uri": REDIRECT, "code": code}
    ).json()
    query = {**APP, "grant_type": "fb_exchange_token", "fb_exchange_token": short["access_token"]}
    user_token = control.http.get(f"{graph}/oauth/access_token", params=query).json()["access_token"]
    fields = "access_token,instagram_business_account{id,username}"
    headers = {"authorization": f"Bearer {user_token}"}
    [page] = control.http.get(f"{graph}/me/accounts", params={"fields": fields}, headers=headers).json()["data"]
    return Linked(control, user_token, page["access_token"], page["instagram_business_account"]["id"])


class TestStories:
    def test_they_are_listed_apart_and_for_a_day(
        self, instagram: InstagramAccount, media_host: MediaHost, control: Control
    ) -> None:
        container = instagram.ready(media_type="STORIES", image_url=f"{media_host.url}/square.jpg")
        media_id = instagram.publish(container).json()["id"]
        fields = {"fields": "id,media_type,media_product_type"}
        listed = instagram.call("GET", f"{instagram.user_id}/stories", params=fields).json()["data"]
        assert listed == [{"id": media_id, "media_type": "IMAGE", "media_product_type": "STORY"}]
        assert instagram.call("GET", f"{instagram.user_id}/media").json()["data"] == []
        assert graph_error(instagram.call("POST", f"{media_id}/comments", json={"message": "x"})) == (100, 0)
        control.advance(DAY)
        assert instagram.call("GET", f"{instagram.user_id}/stories").json()["data"] == []
        assert graph_error(instagram.call("GET", media_id)) == (100, 33)
        assert len(control.published()) == 1

    def test_a_video(self, instagram: InstagramAccount, media_host: MediaHost) -> None:
        container = instagram.ready(media_type="STORIES", video_url=f"{media_host.url}/vertical.mp4")
        media_id = instagram.publish(container).json()["id"]
        node = instagram.call("GET", media_id, params={"fields": "media_type,media_product_type"}).json()
        assert (node["media_type"], node["media_product_type"]) == ("VIDEO", "STORY")


def test_choices_are_shown(instagram: InstagramAccount, media_host: MediaHost, control: Control) -> None:
    url = f"{media_host.url}/square.jpg"
    choices = {
        "location_id": "7640348500",
        "collaborators": ["a"],
        "user_tags": [{"username": "b", "x": 0.5, "y": 0.5}],
    }
    instagram.publish(instagram.ready(image_url=url, alt_text="A loaf", **choices))
    [post] = control.published()
    assert post["choices"] == choices
    assert post["alt_texts"] == ["A loaf"]


def test_private_people_and_trials(instagram: InstagramAccount, media_host: MediaHost, control: Control) -> None:
    shy = InstagramAccount.connect(control, "Shy")
    path = f"{control.url}/_sandbox/accounts/instagram"
    assert control.http.patch(f"{path}/{shy.user_id}", json={"private": True}).is_success
    tags = [{"username": "shy", "x": 0.5, "y": 0.5}]
    assert graph_error(instagram.create(image_url=f"{media_host.url}/square.jpg", user_tags=tags)) == (100, 0)
    reel = {"media_type": "REELS", "video_url": f"{media_host.url}/vertical.mp4"}
    trial = {"trial_params": {"graduation_strategy": "MANUAL"}}
    assert instagram.create(**reel, **trial).is_success
    control.http.patch(f"{path}/{instagram.user_id}", json={"trial_reels": False})
    assert graph_error(instagram.create(**reel, **trial)) == (100, 2207081)


def test_comments(instagram: InstagramAccount, media_host: MediaHost, control: Control) -> None:
    media_id = instagram.publish(instagram.ready(image_url=f"{media_host.url}/square.jpg")).json()["id"]
    assert instagram.call("POST", f"{media_id}/comments", json={"message": "First"}).json()["id"]
    answer = instagram.call("POST", f"{media_id}/comments?fields=id", json={"message": "Second"})
    assert graph_error(answer) == (20, 1772107)
    rows = instagram.call("GET", f"{media_id}/comments", params={"fields": "text,username,from{id}"}).json()["data"]
    assert [row["text"] for row in rows] == ["Second", "First"]
    shown = control.get("comments", platform="instagram", post_id=media_id)["items"]
    assert [comment["text"] for comment in shown] == ["First", "Second"]
    assert graph_error(instagram.call("DELETE", media_id)) == (100, 33)


class TestLinked:
    def test_publishes_with_either_token(self, linked: Linked, media_host: MediaHost, control: Control) -> None:
        for token in (linked.token, linked.user_token):
            body = {"image_url": f"{media_host.url}/square.jpg", "caption": "Hello"}
            container = linked.call("POST", f"{linked.account_id}/media", token, json=body).json()["id"]
            wait(
                lambda container=container: (  # type: ignore[misc]
                    linked.call("GET", container, params={"fields": "status_code"}).json()["status_code"] == "FINISHED"
                )
            )
            body = {"creation_id": container}
            assert linked.call("POST", f"{linked.account_id}/media_publish", token, json=body).json()["id"]
        assert len(control.published(platform="instagram")) == 2
        assert control.get("calls", operation="instagram.publish")["total"] == 2

    def test_sees_nothing_of_others(self, linked: Linked, instagram: InstagramAccount, control: Control) -> None:
        other = InstagramAccount.connect(control, "Somebody else")
        assert graph_error(linked.call("GET", other.user_id)) == (100, 33)
        assert graph_error(instagram.call("GET", linked.account_id + "0")) == (100, 33)

    def test_deletes(self, linked: Linked, media_host: MediaHost, control: Control) -> None:
        body = {"image_url": f"{media_host.url}/square.jpg"}
        container = linked.call("POST", f"{linked.account_id}/media", json=body).json()["id"]
        ready = {"fields": "status_code"}
        wait(lambda: linked.call("GET", container, params=ready).json()["status_code"] == "FINISHED")
        publish = linked.call("POST", f"{linked.account_id}/media_publish", json={"creation_id": container})
        assert linked.call("DELETE", publish.json()["id"]).json() == {"success": True}
        assert control.published() == []

    def test_bytes_arrive_in_parts(self, linked: Linked, control: Control) -> None:
        data = (Path(__file__).parent / "data" / "vertical.mp4").read_bytes()
        body = {"media_type": "REELS", "upload_type": "resumable"}
        answer = linked.call("POST", f"{linked.account_id}/media", json=body).json()
        container, uri = answer["id"], answer["uri"]

        def send(offset: int, end: int, size: int = len(data)) -> httpx.Response:
            headers = {"authorization": f"OAuth {linked.token}", "offset": str(offset), "file_size": str(size)}
            return control.http.post(uri, content=data[offset:end], headers=headers)

        assert send(5, len(data)).json()["debug_info"]["type"] == "OffsetInvalidError"
        assert send(0, len(data) - 7).json()["debug_info"]["type"] == "InvalidHeaderError"
        control.post("faults", kind="drop_inside")
        with pytest.raises(httpx.TransportError):
            send(0, len(data))
        fields = {"fields": "status_code,video_status"}
        phase = linked.call("GET", container, params=fields).json()["video_status"]["uploading_phase"]
        received = phase["bytes_transferred"]
        assert 0 < received <= len(data)
        if received < len(data):
            assert send(received, len(data)).json()["success"] is True
            wait(lambda: linked.call("GET", container, params=fields).json()["status_code"] == "FINISHED")


@dataclass
class Listener:
    """The webhooks of an app."""

    url: str = ""
    heard: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def events(self, path: str) -> list[dict[str, Any]]:
        return [json.loads(body) for where, _, body in self.heard if where.endswith(path)]


@pytest.fixture
def listener(control: Control) -> Iterator[Listener]:
    found = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.heard.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"new": 1}')

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    control.knobs(webhook_target=found.url)
    threading.Event().wait(0.3)
    yield found
    control.knobs(webhook_target="")
    server.shutdown()
    server.server_close()


class TestWebhooks:
    def test_comments_are_told_to_who_asked(
        self, instagram: InstagramAccount, media_host: MediaHost, listener: Listener
    ) -> None:
        query = {"subscribed_fields": "comments"}
        assert instagram.call("POST", "me/subscribed_apps", params=query).json() == {"success": True}
        assert graph_error(instagram.call("POST", "me/subscribed_apps", params={"subscribed_fields": "feed"})) == (
            100,
            0,
        )
        media_id = instagram.publish(instagram.ready(image_url=f"{media_host.url}/square.jpg")).json()["id"]
        instagram.call("POST", f"{media_id}/comments", json={"message": "Hello"})
        wait(lambda: bool(listener.heard))
        path, headers, body = listener.heard[0]
        assert path == "/api/v1/webhooks/meta"
        assert headers["x-hub-signature-256"] == f"sha256={hmac.new(SECRET, body, hashlib.sha256).hexdigest()}"
        [entry] = json.loads(body)["entry"]
        assert entry["id"] == instagram.user_id
        assert entry["changes"][0]["field"] == "comments"
        assert entry["changes"][0]["value"]["media"]["id"] == media_id

    def test_tiktok(self, tiktok: TikTokCreator, listener: Listener) -> None:
        data = (Path(__file__).parent / "data" / "vertical.mp4").read_bytes()
        publish_id = tiktok.post_video(data)
        wait(lambda: len(listener.events("/tiktok")) == 2)
        _, headers, body = listener.heard[0]
        moment, signature = (part.partition("=")[2] for part in headers["tiktok-signature"].split(","))
        assert signature == hmac.new(SECRET, f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
        events = {event["event"]: event for event in listener.events("/tiktok")}
        assert events.keys() == {"post.publish.complete", "post.publish.publicly_available"}
        assert {event["user_openid"] for event in events.values()} == {tiktok.open_id}
        assert json.loads(events["post.publish.complete"]["content"])["publish_id"] == publish_id
        listener.heard.clear()
        app = {"client_key": APP["client_id"], "client_secret": APP["client_secret"]}
        form = {**app, "token": str(tiktok.tokens["access_token"])}
        tiktok.control.http.post(f"{tiktok.control.url}/tiktok/api/v2/oauth/revoke/", data=form)
        wait(lambda: bool(listener.heard))
        assert listener.events("/tiktok")[0]["event"] == "authorization.removed"

    @pytest.mark.parametrize("path", ["deauthorize", "data-deletion"])
    def test_signed_requests(self, listener: Listener, control: Control, path: str) -> None:
        assert control.post(f"meta/{path}", user_id="218471") == {"status": 200, "answer": {"new": 1}}
        where, _, body = listener.heard[0]
        assert where == f"/api/v1/webhooks/meta/{path}"
        signature, _, payload = parse_qs(body.decode())["signed_request"][0].partition(".")
        expected = base64.urlsafe_b64encode(hmac.new(SECRET, payload.encode(), hashlib.sha256).digest()).decode()
        assert signature == expected.rstrip("=")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        assert (claims["user_id"], claims["algorithm"]) == ("218471", "HMAC-SHA256")

    def test_without_a_target(self, control: Control) -> None:
        response = control.http.post(f"{control.url}/_sandbox/meta/deauthorize", json={"user_id": "1"})
        assert response.status_code == 400
