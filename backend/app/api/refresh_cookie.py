"""The refresh token in a cookie, for browsers: no script can read it, and no other site can make it be used.

It is sent to the sign-in addresses only, never across sites (SameSite=Strict), and counts only together with a header
that a page of another origin may not send.
"""

from __future__ import annotations

from fastapi import Request, Response

COOKIE = "postpilot_refresh"
PATH = "/api/v1/auth"
HEADER, WANTED = "x-session", "cookie"


def is_asked(request: Request) -> bool:
    """Whether the caller wants its refresh token in the cookie: `X-Session: cookie`."""
    return request.headers.get(HEADER, "").lower() == WANTED


def put_cookie(response: Response, token: str, *, public_base: str, max_age: int) -> None:
    response.set_cookie(
        COOKIE, token, max_age=max_age, path=PATH, secure=_is_secure(public_base), httponly=True, samesite="strict"
    )


def clear_cookie(response: Response, *, public_base: str) -> None:
    response.delete_cookie(COOKIE, path=PATH, secure=_is_secure(public_base), httponly=True, samesite="strict")


def _is_secure(public_base: str) -> bool:
    return public_base.startswith("https://")
