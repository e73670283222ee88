"""Which call of the Graph API for Pages is which."""

from __future__ import annotations

from sandbox.facebook import accounts, comments, insights, oauth, photos, posts, stories, video_status, videos
from sandbox.instagram import uploads
from sandbox.instagram.access import owner_of
from sandbox.instagram.routes import resolve_linked
from sandbox.meta.auth import sent_token
from sandbox.meta.errors import bad_parameter, missing_object, unknown_path
from sandbox.meta.versions import strip_version
from sandbox.wire import Call, Endpoint

_EXCHANGE = Endpoint("facebook.exchange", oauth.access_token, is_oauth=True)
_LONG_LIVED = Endpoint("facebook.long_lived", oauth.access_token, is_oauth=True)
_DEBUG_TOKEN = Endpoint("facebook.debug_token", oauth.debug_token, is_oauth=True)
_REVOKE = Endpoint("facebook.revoke", oauth.revoke, is_oauth=True)
_PERMISSIONS = Endpoint("facebook.permissions", oauth.permissions)
_ACCOUNTS = Endpoint("facebook.accounts", accounts.accounts)
_ME = Endpoint("facebook.me", accounts.me)
_PAGE = Endpoint("facebook.page", accounts.read_page)
_REEL_UPLOAD = Endpoint("facebook.reel_upload", videos.reel_upload)
_INSTAGRAM_UPLOAD = Endpoint("instagram.upload", uploads.receive)

_PAGE_EDGES = {
    ("POST", "feed"): Endpoint("facebook.feed", posts.create),
    ("POST", "photos"): Endpoint("facebook.photo", photos.create),
    ("POST", "photo_stories"): Endpoint("facebook.photo_story", stories.photo),
    ("POST", "subscribed_apps"): Endpoint("facebook.subscribe", accounts.subscribe),
    ("GET", "stories"): Endpoint("facebook.stories", stories.listed),
    ("GET", "published_posts"): Endpoint("facebook.published_posts", posts.published_posts),
    ("GET", "insights"): Endpoint("facebook.page_insights", insights.page_insights),
}
_PHASES = {
    ("videos", "start"): Endpoint("facebook.video_start", videos.start),
    ("videos", "transfer"): Endpoint("facebook.video_transfer", videos.transfer),
    ("videos", "finish"): Endpoint("facebook.video_finish", videos.finish),
    ("video_reels", "start"): Endpoint("facebook.reel_start", videos.reel_start),
    ("video_stories", "start"): Endpoint("facebook.video_story_start", stories.video_start),
    ("video_stories", "finish"): Endpoint("facebook.video_story_finish", stories.video_finish),
    ("video_reels", "finish"): Endpoint("facebook.reel_finish", videos.reel_finish),
}
_COMMENTS = {
    "POST": Endpoint("facebook.comment", comments.create),
    "GET": Endpoint("facebook.comments", comments.read),
}
_PHOTO = {
    "GET": Endpoint("facebook.photo_read", photos.read),
    "DELETE": Endpoint("facebook.photo_delete", photos.delete),
}
_POST = {
    "GET": Endpoint("facebook.post", posts.read),
    "DELETE": Endpoint("facebook.post_delete", posts.delete),
}
_VIDEO = Endpoint("facebook.video_status", video_status.read)
_POST_INSIGHTS = Endpoint("facebook.insights", insights.post_insights)
_VIDEO_INSIGHTS = Endpoint("facebook.video_insights", insights.video_insights)


def resolve(call: Call) -> Endpoint:
    """Find the endpoint of a call and whose account it concerns."""
    token = call.sandbox.state.tokens.get(sent_token(call))
    if token is not None and token.platform == "facebook":
        call.token, call.account_id = token, token.account_id
    if call.segments[:1] == ["upload"]:
        return _resolve_upload(call)
    rest = strip_version(call, call.segments[1:])
    if call.segments[0] != "graph":
        raise unknown_path("/".join(rest))
    linked = resolve_linked(call, rest)
    if linked is not None:
        return linked
    match (call.method, *rest):
        case ("GET" | "POST", "oauth", "access_token"):
            return _LONG_LIVED if call.params.get("grant_type") == "fb_exchange_token" else _EXCHANGE
        case ("GET", "debug_token"):
            return _DEBUG_TOKEN
        case ("GET", "me", "permissions"):
            return _PERMISSIONS
        case ("DELETE", "me", "permissions", *name) if len(name) <= 1:
            call.node = name[0] if name else ""
            return _REVOKE
        case ("GET", "me", "accounts"):
            return _ACCOUNTS
        case ("GET", "me"):
            return _ME
        case (method, node):
            return _resolve_node(call, method, node)
        case (method, node, edge):
            return _resolve_edge(call, method, node, edge)
    raise unknown_path("/".join(rest))


def _resolve_upload(call: Call) -> Endpoint:
    rest = call.segments[1:]
    if call.method == "POST" and len(rest) == 3 and rest[0] == "video-upload":
        call.version, call.node = rest[1], rest[2]
        return _REEL_UPLOAD
    if call.method == "POST" and len(rest) == 3 and rest[0] == "ig-api-upload":
        call.version, call.node = rest[1], rest[2]
        call.account_id = owner_of(call.sandbox, call.node)
        return _INSTAGRAM_UPLOAD
    raise unknown_path("/".join(rest))


def _resolve_node(call: Call, method: str, node: str) -> Endpoint:
    call.node = node
    state = call.sandbox.state
    if node in state.photos and method in _PHOTO:
        return _PHOTO[method]
    if method == "GET" and node in state.videos:
        return _VIDEO
    if method == "GET" and state.persona("facebook", node):
        return _PAGE
    if _is_post(call, node) and method in _POST:
        return _POST[method]
    raise missing_object(node) if node.replace("_", "").isdecimal() else unknown_path(node)


def _resolve_edge(call: Call, method: str, node: str, edge: str) -> Endpoint:
    if node == "me" and call.account_id:
        node = call.account_id
    call.node = node
    state = call.sandbox.state
    if state.persona("facebook", node):
        if call.token is not None and call.token.kind == "page" and call.account_id != node:
            raise missing_object(node)
        call.account_id = node
        if method == "POST" and edge in ("videos", "video_reels", "video_stories"):
            phase = str(call.params.get("upload_phase", "")).lower()
            if (edge, phase) not in _PHASES:
                raise bad_parameter("Param upload_phase must be one of {start, transfer, finish}")
            return _PHASES[edge, phase]
        if (method, edge) in _PAGE_EDGES:
            return _PAGE_EDGES[method, edge]
    elif edge == "comments" and method in _COMMENTS and (_is_post(call, node) or node in state.videos):
        return _COMMENTS[method]
    elif method == "GET" and edge == "insights" and _is_post(call, node):
        return _POST_INSIGHTS
    elif method == "GET" and edge == "video_insights" and node in state.videos:
        return _VIDEO_INSIGHTS
    elif node.replace("_", "").isdecimal() and (method, edge) in _PAGE_EDGES:
        raise missing_object(node)
    raise unknown_path(f"{node}/{edge}")


def _is_post(call: Call, node: str) -> bool:
    post_id = node if "_" in node else f"{call.account_id}_{node}"
    return call.sandbox.state.post("facebook", post_id) is not None
