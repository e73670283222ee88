"""TikTok's way of routing, throttling and failing. Source: tiktok-api-v2-rate-limit; tiktok-api-v2-error-handling."""

from __future__ import annotations

from typing import Literal

from sandbox.tiktok import display, oauth, publishing, upload
from sandbox.tiktok.access import find_token
from sandbox.tiktok.errors import error_answer, refuse
from sandbox.wire import Answer, Call, Endpoint

_POST = {
    "oauth/token": Endpoint("tiktok.token", oauth.token, is_oauth=True),
    "oauth/revoke": Endpoint("tiktok.revoke", oauth.revoke, is_oauth=True),
    "post/publish/creator_info/query": Endpoint("tiktok.creator_info", publishing.creator_info),
    "post/publish/video/init": Endpoint("tiktok.video_init", publishing.video_init),
    "post/publish/inbox/video/init": Endpoint("tiktok.inbox_init", publishing.inbox_init),
    "post/publish/content/init": Endpoint("tiktok.photo_init", publishing.photo_init),
    "post/publish/status/fetch": Endpoint("tiktok.status", publishing.status),
    "video/list": Endpoint("tiktok.video_list", display.video_list),
    "video/query": Endpoint("tiktok.video_query", display.video_query),
}
_GET = {"user/info": Endpoint("tiktok.user_info", display.user_info)}
_UPLOAD = Endpoint("tiktok.upload", upload.put_chunk)

PER_MINUTE = {
    "tiktok.video_init": 6,
    "tiktok.inbox_init": 6,
    "tiktok.photo_init": 6,
    "tiktok.creator_info": 20,
    "tiktok.status": 30,
    "tiktok.user_info": 600,
    "tiktok.video_list": 600,
    "tiktok.video_query": 600,
}
"""Calls per user and moving minute. Source: the reference of each call; tiktok-api-v2-rate-limit."""


class TikTokDialect:
    """The dialect of TikTok."""

    name: Literal["tiktok"] = "tiktok"

    def resolve(self, call: Call) -> Endpoint:
        """Find the endpoint of a call; every path ends with a slash."""
        if call.segments == ["upload", "video"] and call.method == "PUT":
            publish = call.sandbox.state.by_upload.get(call.query.get("upload_id", ""))
            call.account_id = publish.account_id if publish else ""
            return _UPLOAD
        if call.segments[:2] == ["api", "v2"] and call.path.endswith("/"):
            endpoint = {"POST": _POST, "GET": _GET}.get(call.method, {}).get("/".join(call.segments[2:]))
            if endpoint is not None:
                call.token = None if endpoint.is_oauth else find_token(call)
                call.account_id = call.token.account_id if call.token else self._oauth_account(call)
                return endpoint
        raise refuse("unsupported_path")

    def admit(self, call: Call, endpoint: Endpoint) -> Answer | None:
        """Refuse a call beyond the limit of its moving minute."""
        limit = PER_MINUTE.get(endpoint.operation)
        sandbox = call.sandbox
        if limit is None or not call.account_id or not sandbox.knobs.enforce_rate_limits:
            return None
        key = f"{endpoint.operation}:{call.account_id}"
        return None if sandbox.windows.admit(key, sandbox.clock.now(), 60, limit) else self.throttled(call)

    def finish(self, call: Call, answer: Answer) -> Answer:
        """TikTok adds nothing."""
        return answer

    def throttled(self, call: Call) -> Answer:
        """`rate_limit_exceeded` with status 429; no Retry-After is documented."""
        return error_answer("rate_limit_exceeded")

    def token_refused(self, call: Call) -> Answer:
        """`access_token_invalid`."""
        return error_answer("access_token_invalid")

    def broken(self) -> Answer:
        """`internal_error`."""
        return error_answer("internal_error")

    def unreadable(self, reason: str) -> Answer:
        """`invalid_params`."""
        return error_answer("invalid_params", f"The request body is {reason}.")

    def _oauth_account(self, call: Call) -> str:
        token = call.sandbox.state.tokens.get(str(call.params.get("refresh_token") or call.params.get("token") or ""))
        return token.account_id if token else ""
