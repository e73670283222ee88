"""The person, the Pages and their tokens. Source: Pages API › Manage a Page."""

from __future__ import annotations

from typing import Any

from sandbox.facebook.access import page_of, user_token
from sandbox.facebook.oauth import page_token
from sandbox.meta import params
from sandbox.meta.auth import grant_of, require_scope, require_token
from sandbox.meta.errors import missing_object, refuse
from sandbox.meta.fields import ABSENT, Field, parse, render
from sandbox.meta.paging import page
from sandbox.records import Persona, Token
from sandbox.wire import Answer, Call, ok

_PAGE_FIELDS = frozenset(
    {
        "access_token",
        "category",
        "fan_count",
        "followers_count",
        "id",
        "instagram_business_account",
        "link",
        "name",
        "picture",
        "tasks",
        "username",
    }
)
_USER_FIELDS = frozenset({"id", "name"})


async def accounts(call: Call) -> Answer:
    """`GET /me/accounts`: the Pages ticked in the dialog; those of a portfolio only with `business_management`."""
    token = user_token(call)
    require_scope(call, token, "pages_show_list")
    params.read(call.params, params.PAGING)
    grant = grant_of(call, token)
    state = call.sandbox.state
    pages = [found for page_id in grant.account_ids if (found := state.persona("facebook", page_id))]
    wanted = parse(call.params.get("fields") or "access_token,category,name,id,tasks")

    def show(item: Persona) -> dict[str, Any] | None:
        if item.in_portfolio and "business_management" not in grant.scopes:
            return None
        return {**page_node(call, item, token, wanted), "id": item.account_id}

    return ok(page(call, pages, key=lambda item: item.account_id, show=show))


async def me(call: Call) -> Answer:
    """`GET /me`: the person, or with a Page token the Page."""
    token = require_token(call)
    params.read(call.params, {})
    if token.kind == "page":
        call.node = token.account_id
        return await read_page(call)
    person = call.sandbox.state.people.get(grant_of(call, token).user_id)
    if person is None:
        raise missing_object("me")
    wanted = parse(call.params.get("fields") or "id,name")
    known = {"id": person.id, "name": person.name}
    return ok({**render(wanted, "User", _USER_FIELDS, lambda field: known[field.name]), "id": person.id})


async def subscribe(call: Call) -> Answer:
    """`POST /{page}/subscribed_apps`: the list of fields replaces the previous one."""
    owner = page_of(call)
    require_scope(call, require_token(call), "pages_manage_metadata")
    fields = params.read(call.params, {"subscribed_fields": params.text}, ("subscribed_fields",))["subscribed_fields"]
    unknown = sorted(set(fields.split(",")) - {"feed"})
    if unknown:
        raise refuse(f"(#100) Param subscribed_fields[0] must be one of {{feed}}, not {unknown[0]}", 100)
    owner.subscribed = fields.split(",")
    call.sandbox.state.personas.put(owner)
    return ok({"success": True})


async def read_page(call: Call) -> Answer:
    """`GET /{page}`."""
    token = require_token(call)
    params.read(call.params, {})
    found = call.sandbox.state.persona("facebook", call.node)
    allowed = [token.account_id] if token.kind == "page" else grant_of(call, token).account_ids
    if found is None or found.account_id not in allowed:
        raise missing_object(call.node)
    wanted = parse(call.params.get("fields") or "id,name")
    return ok({**page_node(call, found, token, wanted), "id": found.account_id})


def _linked_account(call: Call, found: Persona, token: Token, field: Field) -> Any:
    linked = call.sandbox.state.persona("instagram", found.instagram_id) if found.instagram_id else None
    if linked is None or "instagram_basic" not in grant_of(call, token).scopes:
        return ABSENT
    known = {
        "followers_count": call.sandbox.followers(linked),
        "id": linked.account_id,
        "name": linked.name,
        "profile_picture_url": f"{call.base_url}/avatar/instagram/{linked.account_id}.svg",
        "username": linked.username,
    }
    wanted = field.below or (Field("id"),)
    return {**render(wanted, "IGUser", frozenset(known), lambda item: known[item.name]), "id": linked.account_id}


def page_node(call: Call, found: Persona, token: Token, wanted: tuple[Field, ...]) -> dict[str, Any]:
    """Show a Page with the wanted fields."""

    def value(field: Field) -> Any:
        match field.name:
            case "access_token":
                if token.kind == "page":
                    return token.value
                return page_token(call, token, found.account_id).value
            case "category" | "name" | "username":
                return getattr(found, field.name)
            case "tasks":
                if token.kind == "page":
                    raise refuse("(#100) Tried accessing nonexisting field (tasks) on node type (Page)", 100)
                return found.tasks
            case "followers_count":
                return call.sandbox.followers(found)
            case "fan_count":
                return found.likes
            case "link":
                return f"{call.base_url}/feed/facebook/{found.account_id}"
            case "picture":
                url = f"{call.base_url}/avatar/facebook/{found.account_id}.svg"
                return {"data": {"url": url, "width": 96, "height": 96, "is_silhouette": False}}
            case "instagram_business_account":
                return _linked_account(call, found, token, field)
        return found.account_id

    return render(wanted, "Page", _PAGE_FIELDS, value)
