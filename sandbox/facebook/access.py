"""Who may do what on which Page. Source: Pages API › Posts; Page Insights (tasks and permissions)."""

from __future__ import annotations

from sandbox.meta.auth import grant_of, require_token
from sandbox.meta.errors import missing_object, refuse, token_refused
from sandbox.records import Persona, Token
from sandbox.wire import Call

CREATE_TASKS = frozenset({"CREATE_CONTENT", "MANAGE", "PROFILE_PLUS_CREATE_CONTENT", "PROFILE_PLUS_FULL_CONTROL"})
"""Tasks that allow publishing, in both spellings."""
ANALYZE_TASKS = frozenset({"ANALYZE", "MANAGE", "PROFILE_PLUS_ANALYZE", "PROFILE_PLUS_FULL_CONTROL"})
"""Tasks that allow reading insights, in both spellings."""


def publishing_page(call: Call) -> Persona:
    """Return the Page that a call publishes on: a Page token with the permissions and the task for it."""
    page = page_of(call)
    _require(call, page, CREATE_TASKS, "pages_read_engagement", "pages_manage_posts")
    return page


def analysed_page(call: Call) -> Persona:
    """Return the Page whose insights a call may read."""
    page = page_of(call)
    _require(call, page, ANALYZE_TASKS, "pages_read_engagement", "read_insights")
    return page


def page_of(call: Call) -> Persona:
    """Return the Page behind a Page token; a user token is refused with code 200."""
    token = require_token(call)
    if token.kind != "page":
        raise refuse("(#200) This method must be called with a Page Access Token", 200, status=403)
    page = call.sandbox.state.persona("facebook", token.account_id)
    if page is None:
        raise missing_object(token.account_id)
    if not page.tasks:
        raise token_refused(492)
    return page


def user_token(call: Call) -> Token:
    """Return the user token of a call."""
    token = require_token(call)
    if token.kind == "page":
        raise refuse("(#100) Tried accessing nonexisting field (accounts) on node type (Page)", 100)
    return token


def _require(call: Call, page: Persona, tasks: frozenset[str], *scopes: str) -> None:
    granted = grant_of(call, require_token(call)).scopes
    for scope in scopes:
        if scope not in granted:
            raise refuse(f"(#200) Requires {scope} permission to manage the object", 200, status=403)
    if not tasks.intersection(page.tasks):
        raise refuse("(#200) The user does not have sufficient administrative permission on this Page", 200, status=403)
