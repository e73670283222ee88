"""Failures on demand, restarts, the control API, pages."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.tests.clients import (
    Control,
    FacebookPage,
    InstagramAccount,
    TikTokCreator,
    graph_error,
    tiktok_error,
    wait,
)
from sandbox.tests.hosts import MediaHost, free_port


class TestOneShotFaults:
    def test_answer_lost_after_publishing(
        self, instagram: InstagramAccount, media_host: MediaHost, control: Control
    ) -> None:
        container = instagram.ready(image_url=f"{media_host.url}/square.jpg")
        control.fault("instagram.publish", "drop_after", account_id=instagram.user_id)
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            instagram.publish(container)
        assert instagram.status(container)["status_code"] == "PUBLISHED"
        assert control.get("published")["total"] == 1
        assert control.get("calls", operation="instagram.publish")["total"] == 1

    def test_connection_lost_before_anything_happened(
        self, instagram: InstagramAccount, media_host: MediaHost, control: Control
    ) -> None:
        container = instagram.ready(image_url=f"{media_host.url}/square.jpg")
        control.fault("instagram.publish", "drop_before")
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            instagram.publish(container)
        assert instagram.status(container)["status_code"] == "FINISHED"
        assert instagram.publish(container).status_code == 200
        assert control.get("published")["total"] == 1

    def test_spam_error_although_live(
        self, instagram: InstagramAccount, media_host: MediaHost, control: Control
    ) -> None:
        body = {"error": {"message": "Application request limit reached", "code": 4, "error_subcode": 2207051}}
        control.fault("instagram.publish", "error_after", status=400, body=body, headers={"x-test": "1"})
        answer = instagram.publish(instagram.ready(image_url=f"{media_host.url}/square.jpg"))
        assert (answer.status_code, answer.json(), answer.headers["x-test"]) == (400, body, "1")
        assert control.get("published")["total"] == 1

    def test_error_before_and_times(self, facebook: FacebookPage, control: Control) -> None:
        control.fault("facebook.feed", "error_before", times=2, status=500, body={"error": {"code": 1}})
        assert [facebook.post("feed", message="x").status_code for _ in range(3)] == [500, 500, 200]
        assert control.get("published")["total"] == 1

    def test_last_chunk_acted_on_but_lost(self, tiktok: TikTokCreator, media_host: MediaHost, control: Control) -> None:
        data = media_host.vertical
        found = tiktok.video_init(len(data), len(data), 1).json()["data"]
        control.fault("tiktok.upload", "drop_after")
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)):
            tiktok.put(found["upload_url"], data, 0, len(data))
        assert tiktok.status(found["publish_id"])["status"] == "PUBLISH_COMPLETE"
        assert control.get("published")["total"] == 1

    def test_photo_init_lost_still_posts(self, tiktok: TikTokCreator, media_host: MediaHost, control: Control) -> None:
        control.fault("tiktok.photo_init", "drop_after")
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            tiktok.photo_init(f"{media_host.url}/square.jpg")
        wait(lambda: control.get("published")["total"] == 1)

    @pytest.mark.parametrize(
        "body", [{"kind": "explode", "operation": "x"}, {"kind": "delay"}, {"kind": "delay", "a": 1}]
    )
    def test_nonsense_is_refused(self, control: Control, body: dict[str, Any]) -> None:
        assert control.http.post(f"{control.url}/_sandbox/faults", json=body).status_code == 400


class TestRates:
    def outcomes(self, control: Control, page: FacebookPage, count: int) -> list[str]:
        found = []
        for _ in range(count):
            try:
                found.append(str(page.call("GET", page.page_id).status_code))
            except httpx.TransportError:
                found.append("lost")
        return found

    def test_seeded_rates_repeat(self, control: Control) -> None:
        rows = []
        for _ in range(2):
            control.post("reset")
            page = FacebookPage.connect(control, "A", account_id_external="1755847768034402")
            control.knobs(seed=7, drop_rate=0.2, error_500_rate=0.2, rate_limit_rate=0.1, spurious_token_rate=0.1)
            rows.append(self.outcomes(control, page, 80))
            control.knobs(drop_rate=0, error_500_rate=0, rate_limit_rate=0, spurious_token_rate=0)
        assert rows[0] == rows[1]
        assert set(rows[0]) == {"200", "400", "500", "lost"}

    def test_each_kind(self, facebook: FacebookPage, tiktok: TikTokCreator, control: Control) -> None:
        control.knobs(rate_limit_rate=1)
        limited = facebook.call("GET", facebook.page_id)
        assert graph_error(limited) == (80001, 0)
        assert '"estimated_time_to_regain_access": 1' in limited.headers["x-business-use-case-usage"]
        assert tiktok_error(tiktok.call("user/info/", fields="open_id")) == (429, "rate_limit_exceeded")
        control.knobs(rate_limit_rate=0, spurious_token_rate=1)
        assert graph_error(facebook.call("GET", facebook.page_id)) == (190, 463)
        assert tiktok_error(tiktok.call("user/info/", fields="open_id")) == (401, "access_token_invalid")
        control.knobs(spurious_token_rate=0)
        assert tiktok.call("user/info/", fields="open_id").status_code == 200

    def test_half_of_the_500s_acted(self, facebook: FacebookPage, control: Control) -> None:
        control.knobs(error_500_rate=1, seed=1)
        answers = [facebook.post("feed", message=f"Post {number}").status_code for number in range(40)]
        control.knobs(error_500_rate=0)
        assert set(answers) == {500}
        assert 10 < control.get("published")["total"] < 30

    def test_pages_and_control_are_spared(self, control: Control) -> None:
        control.knobs(drop_rate=1, error_500_rate=1)
        assert control.get("health") == {"status": "ok"}
        assert control.http.get(control.url).status_code == 200

    @pytest.mark.parametrize("values", [{"drop_rate": 1.5}, {"envelope": "square"}, {"no_such": 1}, {"seed": "x"}])
    def test_bad_knobs_change_nothing(self, control: Control, values: dict[str, Any]) -> None:
        before = control.get("knobs")
        body = {"latency_ms": 9} | values
        assert control.http.patch(f"{control.url}/_sandbox/knobs", json=body).status_code == 400
        assert control.get("knobs") == before


class TestRestart:
    def start(self, folder: Path, port: int) -> subprocess.Popen[bytes]:
        env = {**os.environ, "DATA_DIR": str(folder), "SANDBOX_PORT": str(port), "SANDBOX_SMTP_PORT": "0"}
        process = subprocess.Popen([sys.executable, "-m", "sandbox"], env=env, stderr=subprocess.DEVNULL)

        def is_up() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/_sandbox/health", trust_env=False).is_success
            except httpx.TransportError:
                return False

        wait(is_up, 20)
        return process

    def test_sigkill_loses_nothing(self, tmp_path: Path, media_host: MediaHost) -> None:
        port = free_port()
        process = self.start(tmp_path, port)
        try:
            with httpx.Client(trust_env=False, timeout=20) as http:
                control = Control(http, f"http://127.0.0.1:{port}")
                control.knobs(processing_seconds=0, tiktok_moderation_seconds=0)
                control.advance(100)
                instagram = InstagramAccount.connect(control, "A")
                tiktok = TikTokCreator.connect(control, "A")
                facebook = FacebookPage.connect(control, "A")
                published = instagram.publish(instagram.ready(image_url=f"{media_host.url}/square.jpg")).json()["id"]
                waiting = instagram.ready(image_url=f"{media_host.url}/square.jpg")
                video = media_host.reel + b"\0" * 2_000_000
                begun = facebook.post("videos", upload_phase="start", file_size=len(video)).json()
                publish_id = tiktok.post_video(media_host.vertical)
                fresh = TikTokCreator.token_call(
                    control, grant_type="refresh_token", refresh_token=tiktok.tokens["refresh_token"]
                ).json()
                process.send_signal(signal.SIGKILL)
                process.wait()
                process = self.start(tmp_path, port)
                assert control.get("clock")["offset_seconds"] == 100
                assert control.get("knobs")["processing_seconds"] == 0
                assert {post["platform"] for post in control.published()} == {"instagram", "tiktok"}
                assert instagram.call("GET", published).status_code == 200
                assert instagram.publish(waiting).status_code == 200
                assert tiktok.status(publish_id)["status"] == "PUBLISH_COMPLETE"
                dead = tiktok.tokens["refresh_token"]
                assert TikTokCreator.token_call(control, grant_type="refresh_token", refresh_token=dead).json()["error"]
                again = TikTokCreator.token_call(
                    control, grant_type="refresh_token", refresh_token=fresh["refresh_token"]
                )
                assert again.json()["open_id"] == tiktok.open_id
                form = {
                    "upload_phase": "transfer",
                    "upload_session_id": begun["upload_session_id"],
                    "start_offset": "0",
                }
                files = {"video_file_chunk": ("chunk", video[:1_048_576], "video/mp4")}
                path = f"{facebook.page_id}/videos"
                assert facebook.call("POST", path, data=form, files=files).json()["start_offset"] == "1048576"
        finally:
            process.kill()
            process.wait()


class TestPages:
    def test_feeds_show_posts_and_media(
        self,
        instagram: InstagramAccount,
        facebook: FacebookPage,
        tiktok: TikTokCreator,
        media_host: MediaHost,
        control: Control,
    ) -> None:
        instagram.publish(instagram.ready(image_url=f"{media_host.url}/square.jpg", caption="<b>New</b> #autumn"))
        facebook.post("feed", message="Open on Sunday #bread")
        tiktok.post_video(media_host.vertical)
        home = control.http.get(control.url).text
        feeds = re.findall(r'href="(/feed/[^"]+)"', home)
        assert len(feeds) == 3
        pages = {path.split("/")[2]: control.http.get(control.url + path).text for path in feeds}
        assert '&lt;b&gt;New&lt;/b&gt; <span class="tag">#autumn</span>' in pages["instagram"]
        assert '<span class="tag">#bread</span>' in pages["facebook"]
        [file] = set(re.findall(r'<video[^>]*src="(/media/[^"]+)"', pages["tiktok"]))
        part = control.http.get(control.url + file, headers={"range": "bytes=0-99"})
        assert (part.status_code, part.content) == (206, media_host.vertical[:100])
        for page in [home, *pages.values()]:
            assert not re.search(r'(src|href)="(https?:)?//', page)

    def test_a_person_consents(self, control: Control) -> None:
        url = InstagramAccount.authorization_url(control)
        assert "PostPilot would like to use your Instagram account" in control.http.get(url).text
        allowed = control.http.post(url, data={"name": "Flower Shop", "decision": "allow"})
        assert allowed.status_code == 302
        assert allowed.headers["location"].startswith("https://app.example.com/callback?code=")
        denied = control.http.post(url, data={"decision": "cancel"}).headers["location"]
        assert "error=access_denied" in denied
        assert "state=s1" in denied
        assert "Flower Shop" in control.http.get(url).text

    def test_a_person_unticks_a_permission(self, control: Control) -> None:
        url = TikTokCreator.authorization_url(control)
        form = {"name": "Flower Shop", "decision": "allow", "scope": "user.info.basic"}
        assert "scopes=user.info.basic&state" in control.http.post(url, data=form).headers["location"]

    def test_missing_things(self, control: Control) -> None:
        for path in ("/feed/instagram/1", "/p/none", "/media/x.jpg", "/media/../state.sqlite3", "/nothing"):
            assert control.http.get(control.url + path).status_code == 404
