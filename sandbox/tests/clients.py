"""Small clients that connect an account and make the calls of a happy flow."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

REDIRECT = "https://app.example.com/callback"
APP = {"client_id": "postpilot-sandbox", "client_secret": "sandbox-secret"}
VERIFIER = "v" * 64


@dataclass
class Control:
    """The control API."""

    http: httpx.Client
    url: str

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        response = self.http.post(f"{self.url}/_sandbox/{path}", json=body)
        assert response.is_success, response.text
        return dict(response.json())

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        response = self.http.get(f"{self.url}/_sandbox/{path}", params=query)
        assert response.is_success, response.text
        return dict(response.json())

    def knobs(self, **values: Any) -> None:
        response = self.http.patch(f"{self.url}/_sandbox/knobs", json=values)
        assert response.is_success, response.text

    def fault(self, operation: str, kind: str, **more: Any) -> None:
        self.post("faults", operation=operation, kind=kind, **more)

    def advance(self, seconds: float) -> None:
        self.post("clock", advance_seconds=seconds)

    def consent(self, url: str, name: str, **more: Any) -> dict[str, str]:
        """Allow; return the parameters of the redirect."""
        redirect = self.post("consent", authorization_url=url, account_name=name, **more)["redirect_url"]
        return {key: values[0] for key, values in parse_qs(urlsplit(redirect).query).items()}

    def published(self, **query: Any) -> list[dict[str, Any]]:
        return list(self.get("published", **query)["items"])


@dataclass
class InstagramAccount:
    """A connected Instagram account."""

    control: Control
    token: str
    user_id: str

    SCOPES = (
        "instagram_business_basic,instagram_business_content_publish,"
        "instagram_business_manage_comments,instagram_business_manage_insights"
    )

    @staticmethod
    def authorization_url(control: Control, **changes: str) -> str:
        query = {
            "client_id": APP["client_id"],
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": InstagramAccount.SCOPES,
            "state": "s1",
        } | changes
        return f"{control.url}/instagram/www/oauth/authorize?{urlencode(query)}"

    @staticmethod
    def exchange(control: Control, code: str, **changes: str) -> httpx.Response:
        form = {**APP, "grant_type": "authorization_code", "redirect_uri": REDIRECT, "code": code} | changes
        return control.http.post(f"{control.url}/instagram/api/oauth/access_token", data=form)

    @classmethod
    def connect(cls, control: Control, name: str, **more: Any) -> InstagramAccount:
        code = control.consent(cls.authorization_url(control), name, **more)["code"]
        short = cls.exchange(control, code).json()
        query = {
            "grant_type": "ig_exchange_token",
            "client_secret": APP["client_secret"],
            "access_token": short["access_token"],
        }
        long = control.http.get(f"{control.url}/instagram/graph/access_token", params=query).json()
        return cls(control, long["access_token"], str(short["user_id"]))

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"}
        url = f"{self.control.url}/instagram/graph/v25.0/{path}"
        return self.control.http.request(method, url, headers=headers, **options)

    def create(self, **values: Any) -> httpx.Response:
        return self.call("POST", f"{self.user_id}/media", json=values)

    def status(self, container: str) -> dict[str, Any]:
        return dict(self.call("GET", container, params={"fields": "id,status_code,status"}).json())

    def ready(self, **values: Any) -> str:
        """Create a container and wait until it is finished."""
        response = self.create(**values)
        assert response.is_success, response.text
        container = str(response.json()["id"])
        wait(lambda: self.status(container)["status_code"] == "FINISHED")
        return container

    def publish(self, container: str) -> httpx.Response:
        return self.call("POST", f"{self.user_id}/media_publish", json={"creation_id": container})


@dataclass
class FacebookPage:
    """A connected Page."""

    control: Control
    user_token: str
    token: str
    page_id: str

    SCOPES = (
        "pages_show_list,pages_read_engagement,pages_manage_posts,"
        "pages_manage_engagement,read_insights,business_management"
    )

    @staticmethod
    def authorization_url(control: Control, **changes: str) -> str:
        query = {
            "client_id": APP["client_id"],
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": FacebookPage.SCOPES,
            "state": "s1",
        } | changes
        return f"{control.url}/facebook/www/v25.0/dialog/oauth?{urlencode(query)}"

    @staticmethod
    def graph(control: Control, path: str, **query: Any) -> httpx.Response:
        return control.http.get(f"{control.url}/facebook/graph/v25.0/{path}", params=query)

    @classmethod
    def log_in(cls, control: Control, name: str, **more: Any) -> str:
        """Return a long-lived user token."""
        code = control.consent(cls.authorization_url(control), name, **more)["code"]
        short = cls.graph(control, "oauth/access_token", **APP, redirect_uri=REDIRECT, code=code).json()
        query = {**APP, "grant_type": "fb_exchange_token", "fb_exchange_token": short["access_token"]}
        return str(cls.graph(control, "oauth/access_token", **query).json()["access_token"])

    @classmethod
    def connect(cls, control: Control, name: str, **more: Any) -> FacebookPage:
        user_token = cls.log_in(control, name, **more)
        page = cls.graph(control, "me/accounts", access_token=user_token, fields="id,access_token").json()["data"][0]
        return cls(control, user_token, page["access_token"], page["id"])

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"}
        url = f"{self.control.url}/facebook/graph/v25.0/{path}"
        return self.control.http.request(method, url, headers=headers, **options)

    def post(self, edge: str, **values: Any) -> httpx.Response:
        return self.call("POST", f"{self.page_id}/{edge}", json=values)

    def photo(self, data: bytes, **values: str) -> httpx.Response:
        form = {"published": "false"} | values
        return self.call("POST", f"{self.page_id}/photos", data=form, files={"source": ("p.jpg", data, "image/jpeg")})

    def upload(self, url: str, data: bytes, **headers: str) -> httpx.Response:
        sent = {"authorization": f"OAuth {self.token}", "offset": "0", "file_size": str(len(data))} | headers
        return self.control.http.post(url, content=data, headers=sent)


@dataclass
class TikTokCreator:
    """A connected creator."""

    control: Control
    tokens: dict[str, Any]

    SCOPES = "user.info.basic,user.info.profile,video.publish,video.upload,video.list"

    @staticmethod
    def authorization_url(control: Control, **changes: str) -> str:
        query = {
            "client_key": APP["client_id"],
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": TikTokCreator.SCOPES,
            "state": "s1",
            "code_challenge": hashlib.sha256(VERIFIER.encode()).hexdigest(),
            "code_challenge_method": "S256",
        } | changes
        return f"{control.url}/tiktok/www/v2/auth/authorize/?{urlencode(query)}"

    @staticmethod
    def token_call(control: Control, **form: str) -> httpx.Response:
        app = {"client_key": APP["client_id"], "client_secret": APP["client_secret"]}
        return control.http.post(f"{control.url}/tiktok/api/v2/oauth/token/", data=app | form)

    @classmethod
    def exchange(cls, control: Control, code: str, /, **changes: str) -> httpx.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
        return cls.token_call(control, **(form | changes))

    @classmethod
    def connect(cls, control: Control, name: str, **more: Any) -> TikTokCreator:
        code = control.consent(cls.authorization_url(control), name, **more)["code"]
        return cls(control, dict(cls.exchange(control, code).json()))

    @property
    def open_id(self) -> str:
        return str(self.tokens["open_id"])

    def call(self, path: str, body: Any = None, **query: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.tokens['access_token']}"}
        url = f"{self.control.url}/tiktok/api/v2/{path}"
        if body is None:
            return self.control.http.get(url, headers=headers, params=query)
        return self.control.http.post(url, headers=headers, params=query, json=body)

    def video_init(self, size: int, chunk: int, count: int, **changes: Any) -> httpx.Response:
        info = {
            "privacy_level": "PUBLIC_TO_EVERYONE",
            "title": "Fresh #bread",
            "brand_content_toggle": False,
            "brand_organic_toggle": False,
        } | changes
        source = {"source": "FILE_UPLOAD", "video_size": size, "chunk_size": chunk, "total_chunk_count": count}
        return self.call("post/publish/video/init/", {"post_info": info, "source_info": source})

    def photo_init(self, *urls: str, **changes: Any) -> httpx.Response:
        info = {"title": "Bread", "description": "Fresh #bread", "privacy_level": "PUBLIC_TO_EVERYONE"} | changes
        source = {"source": "PULL_FROM_URL", "photo_cover_index": 0, "photo_images": list(urls)}
        body = {"media_type": "PHOTO", "post_mode": "DIRECT_POST", "post_info": info, "source_info": source}
        return self.call("post/publish/content/init/", body)

    def put(self, url: str, data: bytes, first: int, total: int, **headers: str) -> httpx.Response:
        content_range = f"bytes {first}-{first + len(data) - 1}/{total}"
        sent = {"content-type": "video/mp4", "content-range": content_range} | headers
        return self.control.http.put(url, content=data, headers=sent)

    def status(self, publish_id: str) -> dict[str, Any]:
        return dict(self.call("post/publish/status/fetch/", {"publish_id": publish_id}).json()["data"])

    def post_video(self, data: bytes, **changes: Any) -> str:
        """Post a small video; return the publish_id."""
        response = self.video_init(len(data), len(data), 1, **changes)
        assert response.is_success, response.text
        found = response.json()["data"]
        assert self.put(found["upload_url"], data, 0, len(data)).status_code == 201
        return str(found["publish_id"])


def graph_error(response: httpx.Response) -> tuple[int, int]:
    """Return code and subcode of a Graph error."""
    error = response.json()["error"]
    assert error["fbtrace_id"]
    return error["code"], error.get("error_subcode", 0)


def tiktok_error(response: httpx.Response) -> tuple[int, str]:
    """Return status and code of a TikTok answer."""
    return response.status_code, response.json()["error"]["code"]


def wait(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
