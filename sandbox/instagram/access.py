"""For which Instagram account a token speaks, and what it may do there.

Tokens of Instagram Login belong to one account. On graph.facebook.com a person's or a Page's token speaks for the
accounts linked to their Pages. Source: Instagram Platform › Overview (permissions of both logins).
"""

from __future__ import annotations

from sandbox.core import Sandbox
from sandbox.meta.auth import grant_of, require_scope, require_token
from sandbox.meta.errors import missing_object, refuse
from sandbox.records import Persona, Token
from sandbox.wire import Call

BASIC, PUBLISH = "instagram_business_basic", "instagram_business_content_publish"
COMMENTS, INSIGHTS = "instagram_business_manage_comments", "instagram_business_manage_insights"
CONTENTS = "instagram_manage_contents"
_CREATE_TASKS = frozenset({"CREATE_CONTENT", "MANAGE", "PROFILE_PLUS_CREATE_CONTENT", "PROFILE_PLUS_FULL_CONTROL"})
_FACEBOOK_NAMES = {
    BASIC: ("instagram_basic", "pages_read_engagement"),
    PUBLISH: ("instagram_content_publish",),
    COMMENTS: ("instagram_manage_comments",),
    INSIGHTS: ("instagram_manage_insights",),
}


def account_of(call: Call, *scopes: str) -> str:
    """Return the id of the account that a call works for; scopes are named as on Instagram Login."""
    token = require_token(call)
    if token.platform == "instagram":
        require_scope(call, token, *scopes)
        return token.account_id
    if call.account_id not in linked_accounts(call, token):
        raise missing_object(call.node)
    require_scope(call, token, *(name for scope in scopes for name in _FACEBOOK_NAMES[scope]))
    if PUBLISH in scopes and not any(_CREATE_TASKS & set(page.tasks) for page in _pages_of(call, call.account_id)):
        raise refuse("(#200) The user does not have sufficient administrative permission on this Page", 200, status=403)
    return call.account_id


def _pages_of(call: Call, account_id: str) -> list[Persona]:
    return [page for page in call.sandbox.state.personas if page.instagram_id == account_id]


def linked_accounts(call: Call, token: Token) -> list[str]:
    """Return the accounts linked to the Pages that a token of Facebook Login covers."""
    state = call.sandbox.state
    page_ids = [token.account_id] if token.kind == "page" else grant_of(call, token).account_ids
    pages = [page for page_id in page_ids if (page := state.persona("facebook", page_id))]
    return [page.instagram_id for page in pages if page.instagram_id]


def owner_of(sandbox: Sandbox, node: str) -> str:
    """Return the account that a container, a media or its own id belongs to; empty when there is none."""
    state = sandbox.state
    if state.persona("instagram", node):
        return node
    owned = state.containers.get(node) or state.post("instagram", node)
    return owned.account_id if owned else ""


def persona_of(sandbox: Sandbox, account_id: str) -> Persona:
    """Return an account that exists."""
    persona = sandbox.state.persona("instagram", account_id)
    if persona is None:
        raise missing_object(account_id)
    return persona
