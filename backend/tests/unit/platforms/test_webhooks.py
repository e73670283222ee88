"""Deliveries of platforms: proven to be theirs, and read in our words."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from app.platforms import webhooks
from app.platforms.webhooks import EventKind

BODY = b'{"object":"page"}'


def sign(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def signed_request(secret: str, payload: Any) -> str:
    encoded = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=")
    signature = base64.urlsafe_b64encode(hmac.new(secret.encode(), encoded, hashlib.sha256).digest()).rstrip(b"=")
    return f"{signature.decode()}.{encoded.decode()}"


class TestMetaSignature:
    @pytest.mark.parametrize("secret", ["instagram-app", "facebook-app"])
    def test_either_app_may_sign(self, secret: str) -> None:
        header = "sha256=" + sign(secret, BODY)
        assert webhooks.is_signed_by_meta(BODY, header, ["instagram-app", "facebook-app"])

    @pytest.mark.parametrize(
        "header", ["", "sha256=", "sha256=00", "sha1=" + sign("app", BODY), "sha256=" + sign("other", BODY), "sha256=é"]
    )
    def test_anything_else_is_refused(self, header: str) -> None:
        assert not webhooks.is_signed_by_meta(BODY, header, ["app", ""])

    def test_an_empty_secret_signs_nothing(self) -> None:
        assert not webhooks.is_signed_by_meta(BODY, "sha256=" + sign("", BODY), ["", ""])

    def test_the_body_counts_byte_by_byte(self) -> None:
        header = "sha256=" + sign("app", BODY)
        assert not webhooks.is_signed_by_meta(BODY.replace(b":", b": "), header, ["app"])


class TestSignedRequest:
    def test_is_read(self) -> None:
        text = signed_request("app", {"algorithm": "HMAC-SHA256", "user_id": "218471", "issued_at": 1291836800})
        assert webhooks.read_signed_request(text, ["other", "app"]) == {
            "algorithm": "HMAC-SHA256",
            "user_id": "218471",
            "issued_at": 1291836800,
        }

    @pytest.mark.parametrize(
        "text",
        [
            "",
            ".",
            "abc",
            "ü.ü",
            signed_request("other", {"user_id": "1"}),
            signed_request("app", ["user_id"]),
            signed_request("app", {"algorithm": "none", "user_id": "1"}),
            signed_request("app", {"user_id": "1"})[:-2],
        ],
    )
    def test_anything_else_is_nothing(self, text: str) -> None:
        assert webhooks.read_signed_request(text, ["app"]) is None


class TestTikTokSignature:
    def header(self, key: str = "app", moment: str = "1633174587") -> str:
        return f"t={moment},s=" + sign(key, moment.encode() + b"." + BODY)

    def test_fits(self) -> None:
        assert webhooks.is_signed_by_tiktok(BODY, self.header(), "app")

    @pytest.mark.parametrize("change", ["t=1633174588", "t=", "t=abc"])
    def test_the_moment_is_signed_too(self, change: str) -> None:
        header = self.header().replace("t=1633174587", change)
        assert not webhooks.is_signed_by_tiktok(BODY, header, "app")

    @pytest.mark.parametrize("header", ["", "t=1", "s=ab", "t=1,s=", "t=1,s=é"])
    def test_half_a_header_is_refused(self, header: str) -> None:
        assert not webhooks.is_signed_by_tiktok(BODY, header, "app")

    def test_an_empty_secret_signs_nothing(self) -> None:
        assert not webhooks.is_signed_by_tiktok(BODY, self.header(key=""), "")


def delivery(**change: Any) -> dict[str, Any]:
    return {"object": "page", "entry": [{"id": "1755", "time": 1763888404, "changes": [change]}]}


class TestReadMeta:
    @pytest.mark.parametrize(
        ("value", "kind"),
        [
            ({"item": "status", "verb": "add", "post_id": "1755_1"}, EventKind.progress),
            ({"item": "post", "verb": "remove", "post_id": "1755_1"}, EventKind.gone),
            ({"item": "comment", "verb": "add", "post_id": "1755_1"}, EventKind.activity),
            ({"item": "comment", "verb": "remove", "post_id": "1755_1"}, EventKind.activity),
            ({"item": "reaction", "verb": "add", "post_id": "1755_1"}, EventKind.activity),
            ({"item": "status", "verb": "edited", "post_id": "1755_1"}, EventKind.ignored),
        ],
    )
    def test_feed(self, value: dict[str, str], kind: EventKind) -> None:
        [event] = webhooks.read_meta(delivery(field="feed", value=value))
        assert (event.platform, event.account_id_external, event.platform_post_id) == ("facebook", "1755", "1755_1")
        assert event.kind is kind

    def test_a_comment_on_instagram_in_both_documented_shapes(self) -> None:
        value = {"id": "9", "text": "Nice", "media": {"id": "1792"}}
        wrapped = {"object": "instagram", "entry": [{"id": "178", "changes": [{"field": "comments", "value": value}]}]}
        bare = {"object": "instagram", "entry": [{"id": "178", "field": "comments", "value": value}]}
        for payload in (wrapped, bare):
            [event] = webhooks.read_meta(payload)
            assert (event.platform, event.kind, event.platform_post_id) == ("instagram", EventKind.activity, "1792")

    def test_the_same_delivered_again_has_the_same_id_and_another_has_not(self) -> None:
        value = {"item": "comment", "verb": "add", "post_id": "1755_1", "comment_id": "1"}
        [first] = webhooks.read_meta(delivery(field="feed", value=value))
        [again] = webhooks.read_meta(delivery(value=dict(reversed(value.items())), field="feed"))
        [other] = webhooks.read_meta(delivery(field="feed", value={**value, "comment_id": "2"}))
        assert first.external_id == again.external_id != other.external_id

    @pytest.mark.parametrize(
        "payload",
        [{}, {"object": "user", "entry": []}, {"object": "page", "entry": [1, {"id": "1"}, {"changes": [2]}]}],
    )
    def test_what_has_no_form_is_left_out(self, payload: dict[str, Any]) -> None:
        assert webhooks.read_meta(payload) == []


class TestReadTikTok:
    def payload(self, event: str, **content: Any) -> dict[str, Any]:
        return {
            "client_key": "awx",
            "event": event,
            "create_time": 1770210873,
            "user_openid": "-000YSS",
            "content": json.dumps(content),
        }

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("post.publish.complete", EventKind.progress),
            ("post.publish.completed", EventKind.progress),
            ("post.publish.failed", EventKind.progress),
            ("post.publish.inbox_delivered", EventKind.progress),
            ("post.publish.publicly_available", EventKind.public),
            ("post.publish.publicaly_available", EventKind.public),
            ("post.publish.no_longer_publicaly_available", EventKind.gone),
            ("post.publish.no_longer_publicly_available", EventKind.gone),
            ("authorization.removed", EventKind.access_removed),
            ("video.upload.failed", EventKind.ignored),
        ],
    )
    def test_names(self, name: str, kind: EventKind) -> None:
        publish_id, post_id = "v_pub_file~v2-1.7602", "7602997517160123666"
        event = webhooks.read_tiktok(self.payload(name, publish_id=publish_id, post_id=post_id))
        assert event is not None
        assert (event.kind, event.publish_id, event.platform_post_id) == (kind, publish_id, post_id)

    @pytest.mark.parametrize("content", ["", "{", "[]", None])
    def test_content_that_cannot_be_read_names_no_post(self, content: str | None) -> None:
        event = webhooks.read_tiktok({**self.payload("authorization.removed"), "content": content})
        assert event is not None
        assert (event.publish_id, event.platform_post_id) == (None, None)

    @pytest.mark.parametrize("payload", [{}, {"event": 1, "user_openid": "x"}, {"event": "x"}])
    def test_what_has_no_form_is_nothing(self, payload: dict[str, Any]) -> None:
        assert webhooks.read_tiktok(payload) is None
