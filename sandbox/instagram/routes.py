"""Which call of the Instagram API is which."""

from __future__ import annotations

from sandbox.instagram import comments, containers, insights, oauth, publishing, subscriptions
from sandbox.instagram.access import owner_of
from sandbox.meta.auth import sent_token
from sandbox.meta.errors import missing_object, unknown_path
from sandbox.meta.versions import strip_version
from sandbox.wire import Call, Endpoint

_EXCHANGE = Endpoint("instagram.exchange", oauth.exchange, is_oauth=True)
_LONG_LIVED = Endpoint("instagram.long_lived", oauth.long_lived, is_oauth=True)
_REFRESH = Endpoint("instagram.refresh", oauth.refresh, is_oauth=True)
_REVOKE = Endpoint("instagram.revoke", oauth.revoke, is_oauth=True)
_ME = Endpoint("instagram.me", insights.me)
_CONTAINER = Endpoint("instagram.container_status", containers.read)
_MEDIA = Endpoint("instagram.media", publishing.media)
_DELETE = Endpoint("instagram.delete", publishing.delete)
_MEDIA_INSIGHTS = Endpoint("instagram.insights", insights.media_insights)

_MEDIA_EDGES = {
    ("GET", "insights"): _MEDIA_INSIGHTS,
    ("GET", "comments"): Endpoint("instagram.comments", comments.read),
    ("POST", "comments"): Endpoint("instagram.comment", comments.create),
}
_ACCOUNT_EDGES = {
    ("POST", "media"): Endpoint("instagram.create_container", containers.create),
    ("GET", "media"): Endpoint("instagram.media_list", publishing.media_list),
    ("POST", "media_publish"): Endpoint("instagram.publish", publishing.publish),
    ("GET", "stories"): Endpoint("instagram.stories", publishing.stories),
    ("POST", "subscribed_apps"): Endpoint("instagram.subscribe", subscriptions.create),
    ("GET", "content_publishing_limit"): Endpoint("instagram.limit", publishing.limit),
    ("GET", "insights"): Endpoint("instagram.account_insights", insights.account_insights),
}


def resolve(call: Call) -> Endpoint:
    """Find the endpoint of a call and whose account it concerns."""
    match (call.method, *call.segments):
        case ("POST", "api", "oauth", "access_token"):
            return _EXCHANGE
        case (_, "graph", *rest):
            return _resolve_graph(call, rest)
    raise unknown_path("/".join(call.segments[1:]))


def _resolve_graph(call: Call, segments: list[str]) -> Endpoint:
    token = call.sandbox.state.tokens.get(sent_token(call))
    if token is not None and token.platform == "instagram":
        call.token, call.account_id = token, token.account_id
    rest = strip_version(call, segments)
    match (call.method, *rest):
        case ("GET", "access_token"):
            return _LONG_LIVED
        case ("GET", "refresh_access_token"):
            return _REFRESH
        case ("DELETE", "me", "permissions"):
            return _REVOKE
        case (method, node):
            return _resolve_node(call, method, node)
        case (method, node, edge):
            return _resolve_edge(call, method, node, edge)
    raise unknown_path("/".join(rest))


def resolve_linked(call: Call, segments: list[str]) -> Endpoint | None:
    """Find the endpoint of a call to graph.facebook.com about something of Instagram; `None` when it is not."""
    account_id = owner_of(call.sandbox, segments[0]) if segments else ""
    if not account_id:
        return None
    call.account_id = account_id
    match (call.method, *segments):
        case (method, node):
            return _resolve_node(call, method, node)
        case (method, node, edge):
            return _resolve_edge(call, method, node, edge)
    return None


def _resolve_node(call: Call, method: str, node: str) -> Endpoint:
    call.node = node
    state = call.sandbox.state
    if method == "GET" and _is_own_account(call, node):
        return _ME
    if method == "GET" and node in state.containers:
        return _CONTAINER
    if state.post("instagram", node) and method in ("GET", "DELETE"):
        return _MEDIA if method == "GET" else _DELETE
    raise missing_object(node) if node.isdecimal() else unknown_path(node)


def _resolve_edge(call: Call, method: str, node: str, edge: str) -> Endpoint:
    call.node = node
    if _is_own_account(call, node):
        endpoint = _ACCOUNT_EDGES.get((method, edge))
        if endpoint is not None:
            return endpoint
    elif call.sandbox.state.post("instagram", node) and (method, edge) in _MEDIA_EDGES:
        return _MEDIA_EDGES[method, edge]
    elif (method, edge) in _ACCOUNT_EDGES or (method, edge) in _MEDIA_EDGES:
        raise missing_object(node)
    raise unknown_path(f"{node}/{edge}")


def _is_own_account(call: Call, node: str) -> bool:
    if node == "me":
        return True
    persona = call.sandbox.state.persona("instagram", call.account_id) if call.account_id else None
    if persona is None:
        # Without a usable token the path alone says what is meant; authentication then refuses it.
        return call.sandbox.state.persona("instagram", node) is not None
    return node in (persona.account_id, persona.user_id)
