"""The control API under `/_sandbox/`: what a person, a clock or bad luck would do. No part of any platform."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from sandbox.authorization import read_authorization
from sandbox.clock import iso_time
from sandbox.consent import ConsentError, allow
from sandbox.core import Sandbox
from sandbox.faults import Fault
from sandbox.mailbox import Mailbox
from sandbox.personas import create_persona
from sandbox.published import published
from sandbox.records import PLATFORMS, Persona, Platform
from sandbox.stripe.control import StripeControl
from sandbox.stripe.life import tick
from sandbox.webhooks import Webhooks
from sandbox.wire import Answer, ok, read_body, send_answer

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_CHANGEABLE = {
    "name": str,
    "username": str,
    "followers": int,
    "likes": int,
    "tasks": list,
    "in_portfolio": bool,
    "private": bool,
    "instagram_id": str,
    "trial_reels": bool,
    "creator_blocked": str,
    "max_duration_seconds": int,
    "comment_disabled": bool,
    "duet_disabled": bool,
    "stitch_disabled": bool,
}


class ControlError(Exception):
    """The request makes no sense; the message says why."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Control:
    """Routes and answers control calls."""

    def __init__(self, sandbox: Sandbox, webhooks: Webhooks, mailbox: Mailbox, stripe: StripeControl) -> None:
        self.sandbox = sandbox
        self.webhooks = webhooks
        self.mailbox = mailbox
        self.stripe = stripe
        self._routes: dict[tuple[str, str], Callable[[dict[str, Any], str], Awaitable[Answer]]] = {
            ("GET", "health"): self._health,
            ("POST", "consent"): self._consent,
            ("GET", "knobs"): self._knobs,
            ("PATCH", "knobs"): self._change_knobs,
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "published"): self._published,
            ("GET", "comments"): self._comments,
            ("POST", "meta/deauthorize"): self._deauthorize,
            ("POST", "meta/data-deletion"): self._data_deletion,
            ("GET", "calls"): self._calls,
            ("GET", "clock"): self._clock,
            ("POST", "clock"): self._advance,
            ("GET", "accounts"): self._accounts,
            ("GET", "mail"): self._mail,
            ("DELETE", "mail"): self._clear_mail,
            ("POST", "reset"): self._reset,
            **stripe.routes,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = dict(scope["headers"]).get(b"host", b"localhost").decode("latin-1")
        parts = [part for part in scope["path"].split("/")[2:] if part]
        try:
            values: dict[str, Any] = dict(parse_qsl(scope["query_string"].decode("latin-1")))
            body = await read_body(receive)
            if body:
                document = json.loads(body)
                if not isinstance(document, dict):
                    raise ControlError("the body must be a JSON object")
                values |= document
            if parts[:1] == ["accounts"] and len(parts) in (3, 4):
                answer = self._account(scope["method"], parts[1], parts[2], parts[3] if len(parts) == 4 else "", values)
            else:
                handler = self._routes.get((scope["method"], "/".join(parts)))
                if handler is None:
                    raise ControlError("no such control call", 404)
                answer = await handler(values, f"{scope['scheme']}://{host}")
        except (ControlError, ConsentError, ValueError, TypeError) as error:
            status = error.status if isinstance(error, ControlError) else 400
            answer = ok({"detail": str(error)}, status)
        self.sandbox.store.flush()
        await send_answer(send, answer)

    async def _health(self, _values: dict[str, Any], _base_url: str) -> Answer:
        return ok({"status": "ok"})

    async def _consent(self, values: dict[str, Any], _base_url: str) -> Answer:
        """Approve an authorization URL as a person would, creating the account if it is new."""
        url, name = values.get("authorization_url"), values.get("account_name")
        if not isinstance(url, str) or not isinstance(name, str) or not name:
            raise ControlError("authorization_url and account_name are required")
        parts = urlsplit(url)
        platform = _platform_of(parts.path)
        request = read_authorization(platform, dict(parse_qsl(parts.query, keep_blank_values=True)))
        external = str(values.get("account_id_external") or "")
        is_for_instagram = platform == "facebook" and "instagram_basic" in request.scopes
        persona = self._linked_page(name, external) if is_for_instagram else self._persona(platform, name, external)
        personas = [persona]
        for more in values.get("more_accounts", []):
            found = self._persona(platform, more, "", persona.user_id)
            personas.append(self._linked_page(more, "") if is_for_instagram else found)
        personas += [self._persona(platform, more, "", persona.user_id) for more in values.get("unlinked_pages", [])]
        declined = values.get("declined_scopes", [])
        redirect_url = allow(self.sandbox, request, personas, [s for s in request.scopes if s not in declined])
        linked = {"instagram_id": persona.instagram_id} if is_for_instagram else {}
        shown = {"account_id": persona.account_id, "username": persona.username, **linked}
        return ok({"redirect_url": redirect_url, **shown})

    def _linked_page(self, name: str, instagram_id: str) -> Persona:
        """Return a Page with a professional Instagram account linked to it, making what is missing."""
        known = (page for page in self.sandbox.state.personas if instagram_id and page.instagram_id == instagram_id)
        page = next(known, None) or self._persona("facebook", name, "")
        if not page.instagram_id:
            page.instagram_id = self._persona("instagram", name, instagram_id).account_id
            self.sandbox.state.personas.put(page)
        return page

    def _persona(self, platform: Platform, name: str, account_id: str, user_id: str = "") -> Persona:
        if account_id:
            found = self.sandbox.state.persona(platform, account_id)
        else:
            found = next((p for p in self.sandbox.state.personas if p.platform == platform and p.name == name), None)
        return found or create_persona(self.sandbox, platform, name, account_id, user_id)

    async def _knobs(self, _values: dict[str, Any], _base_url: str) -> Answer:
        return ok(self.sandbox.knobs.as_json())

    async def _change_knobs(self, values: dict[str, Any], _base_url: str) -> Answer:
        self.sandbox.knobs.change(values)
        self.sandbox.save_meta()
        return ok(self.sandbox.knobs.as_json())

    async def _faults(self, _values: dict[str, Any], _base_url: str) -> Answer:
        pending = self.sandbox.faults.pending
        return ok({"items": [{"operation": f.operation, "kind": f.kind, "times": f.times} for f in pending]})

    async def _add_fault(self, values: dict[str, Any], _base_url: str) -> Answer:
        self.sandbox.faults.pending.append(Fault.read(values))
        return ok({"pending": len(self.sandbox.faults.pending)}, 201)

    async def _clear_faults(self, _values: dict[str, Any], _base_url: str) -> Answer:
        self.sandbox.faults.pending.clear()
        return ok({"pending": 0})

    async def _published(self, values: dict[str, Any], base_url: str) -> Answer:
        return ok(published(self.sandbox, base_url, values))

    async def _comments(self, values: dict[str, Any], _base_url: str) -> Answer:
        """What was written under a post, oldest first."""
        platform = values.get("platform")
        post = self.sandbox.state.posts.get(f"{platform}:{values.get('post_id')}")
        if post is None:
            raise ControlError("platform and post_id must name a post", 404)
        comments = self.sandbox.state.comments_of(post)
        return ok({"items": [{"id": c.id, "text": c.text, "author_id": c.author_id} for c in comments]})

    async def _deauthorize(self, values: dict[str, Any], _base_url: str) -> Answer:
        return await self._signed_request("deauthorize", values)

    async def _data_deletion(self, values: dict[str, Any], _base_url: str) -> Answer:
        return await self._signed_request("data-deletion", values)

    async def _signed_request(self, path: str, values: dict[str, Any]) -> Answer:
        """Call the app as Meta does when a person removes it, and show what it answers."""
        user_id = values.get("user_id")
        if not isinstance(user_id, str) or not user_id:
            raise ControlError("user_id is required")
        if not self.sandbox.knobs.webhook_target:
            raise ControlError("set the knob webhook_target first")
        status, answer = await self.webhooks.signed_request(path, user_id)
        return ok({"status": status, "answer": answer})

    async def _calls(self, values: dict[str, Any], _base_url: str) -> Answer:
        counts: dict[str, int] = {}
        for (platform, account_id, operation), count in self.sandbox.faults.calls.items():
            if (
                values.get("platform", platform) == platform
                and values.get("account_id", account_id) == account_id
                and values.get("operation", operation) == operation
            ):
                counts[operation] = counts.get(operation, 0) + count
        return ok({"total": sum(counts.values()), "operations": dict(sorted(counts.items()))})

    async def _clock(self, _values: dict[str, Any], _base_url: str) -> Answer:
        return ok({"now": iso_time(self.sandbox.clock.now()), "offset_seconds": self.sandbox.clock.offset})

    async def _advance(self, values: dict[str, Any], base_url: str) -> Answer:
        seconds = values.get("advance_seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
            raise ControlError("advance_seconds must be a number, 0 or more")
        self.sandbox.clock.offset += seconds
        self.sandbox.save_meta()
        tick(self.stripe.book)
        return await self._clock({}, base_url)

    async def _accounts(self, _values: dict[str, Any], _base_url: str) -> Answer:
        return ok({"items": [_persona_json(self.sandbox, persona) for persona in self.sandbox.state.personas]})

    async def _mail(self, values: dict[str, Any], _base_url: str) -> Answer:
        """Letters to an address, or all of them, the newest first."""
        found = self.mailbox.newest(str(values.get("to") or ""))
        items = [self.mailbox.as_json(mail) for mail in found]
        return ok({"port": self.mailbox.port, "total": len(items), "items": items})

    async def _clear_mail(self, _values: dict[str, Any], _base_url: str) -> Answer:
        for mail in [*self.sandbox.state.mails]:
            self.sandbox.state.mails.remove(mail.id)
        return ok({"total": 0})

    async def _reset(self, _values: dict[str, Any], _base_url: str) -> Answer:
        self.sandbox.reset()
        return ok({"status": "ok"})

    def _account(self, method: str, platform: str, account_id: str, action: str, values: dict[str, Any]) -> Answer:
        if platform not in PLATFORMS:
            raise ControlError("no such platform", 404)
        persona = self.sandbox.state.persona(platform, account_id)
        if persona is None:
            raise ControlError("no such account", 404)
        match method, action:
            case "GET", "":
                pass
            case "PATCH", "":
                self._change_persona(persona, values)
            case "POST", "expire-tokens":
                self._expire_tokens(persona, int(values.get("subcode") or 463))
            case "POST", "revoke":
                self._revoke(persona)
            case _:
                raise ControlError("no such control call", 404)
        return ok(_persona_json(self.sandbox, persona))

    def _change_persona(self, persona: Persona, values: dict[str, Any]) -> None:
        for name, value in values.items():
            kind = _CHANGEABLE.get(name)
            if kind is None or not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
                raise ControlError(f"{name} cannot be set to this")
        for name, value in values.items():
            setattr(persona, name, value)
        self.sandbox.state.personas.put(persona)

    def _expire_tokens(self, persona: Persona, subcode: int) -> None:
        """End the access tokens; TikTok refresh tokens live on."""
        state = self.sandbox.state
        grants = {grant.id for grant in state.grants if _concerns(grant.platform, grant.account_ids, persona)}
        for token in [*state.tokens]:
            if token.grant_id in grants and token.kind != "refresh" and token.account_id in ("", persona.account_id):
                token.dead = subcode
                state.tokens.put(token)

    def _revoke(self, persona: Persona) -> None:
        """End every grant that covers the account."""
        for grant in [*self.sandbox.state.grants]:
            if _concerns(grant.platform, grant.account_ids, persona):
                grant.revoked = True
                self.sandbox.state.grants.put(grant)


def _concerns(platform: str, account_ids: list[str], persona: Persona) -> bool:
    return platform == persona.platform and persona.account_id in account_ids


def _platform_of(path: str) -> Platform:
    first = path.strip("/").partition("/")[0]
    for platform in PLATFORMS:
        if platform == first:
            return platform
    raise ControlError("authorization_url must be one of this sandbox")


def _persona_json(sandbox: Sandbox, persona: Persona) -> dict[str, Any]:
    return {
        "platform": persona.platform,
        "account_id": persona.account_id,
        "user_id": persona.user_id,
        "name": persona.name,
        "username": persona.username,
        "followers": sandbox.followers(persona),
        **{name: getattr(persona, name) for name in _CHANGEABLE if name not in ("name", "username", "followers")},
        "feed": f"/feed/{persona.platform}/{persona.account_id}",
    }
