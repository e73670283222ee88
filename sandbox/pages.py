"""Pages for people: the list of accounts, feeds as followers see them, single posts, and the consent page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from sandbox.authorization import PATHS, SCOPES, read_authorization
from sandbox.avatar import avatar_svg
from sandbox.clock import iso_time
from sandbox.consent import ConsentError, ConsentRequest, allow, deny
from sandbox.core import Sandbox
from sandbox.mailbox import Mailbox
from sandbox.personas import create_persona, personas_of
from sandbox.published import feed_of
from sandbox.records import PLATFORMS, Persona, Platform
from sandbox.wire import read_body

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

NAMES: dict[Platform, str] = {"instagram": "Instagram", "facebook": "Facebook", "tiktok": "TikTok"}

_FEED_POSTS = 120
"""Most posts on one feed page."""
_ADDRESS = re.compile(r"https?://[^\s<>\"')]*[^\s<>\"').,;:!?]")
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
)
_TAG = re.compile(r"(?<![\w&])([#@][\w.]*\w)|(https?://[^\s<]+)")


class Pages:
    """Routes and renders pages."""

    def __init__(self, sandbox: Sandbox, mailbox: Mailbox) -> None:
        self.sandbox = sandbox
        self.mailbox = mailbox
        folder = Path(__file__).parent / "templates"
        self._templates = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
        self._templates.filters |= {
            "caption": caption_html,
            "linked": linked_html,
            "short": short_number,
            "age": self._age,
            "when": iso_time,
        }
        self._templates.globals |= {"platform_names": NAMES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._page(scope)(scope, receive, send)

    def _page(self, scope: Scope) -> Response:
        parts = [part for part in scope["path"].split("/") if part]
        match parts if scope["method"] in ("GET", "HEAD") else ["?"]:
            case []:
                return self._home()
            case ["feed", platform, account_id]:
                return self._feed(platform, account_id)
            case ["p", shortcode]:
                return self._post(shortcode)
            case ["media", name]:
                return self._media(name)
            case ["mailbox"]:
                return self._render("mailbox.html", mails=self.mailbox.newest(), port=self.mailbox.port)
            case ["mailbox", mail_id]:
                return self._mail(mail_id)
            case ["mailbox", mail_id, "html"]:
                return self._mail_html(mail_id)
            case ["avatar", platform, name]:
                return self._avatar(platform, name)
        return self._missing("Nothing lives at this address.")

    async def consent(self, platform: Platform, scope: Scope, receive: Receive, send: Send) -> None:
        """Show the consent page of a platform, or act on its form."""
        try:
            response = await self._consent(platform, scope, receive)
        except ConsentError as error:
            response = self._render("problem.html", status=400, heading="This link does not work", detail=str(error))
        await response(scope, receive, send)

    async def _consent(self, platform: Platform, scope: Scope, receive: Receive) -> Response:
        path = scope["path"].removeprefix(f"/{platform}/www/").strip("/")
        if re.sub(r"^v\d+\.0/", "", path) != PATHS[platform].strip("/") and path != PATHS[platform]:
            return self._missing("Nothing lives at this address.")
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        request = read_authorization(platform, query)
        if scope["method"] == "POST":
            form = parse_qsl((await read_body(receive)).decode(), keep_blank_values=True)
            return RedirectResponse(self._decide(request, form), status_code=302)
        return self._render(
            "consent.html",
            platform=platform,
            request=request,
            scopes=[(scope_name, SCOPES[platform][scope_name]) for scope_name in request.scopes],
            personas=personas_of(self.sandbox, platform),
        )

    def _decide(self, request: ConsentRequest, form: list[tuple[str, str]]) -> str:
        values = dict(form)
        if values.get("decision") != "allow":
            return deny(request)
        platform = request.platform
        chosen = [value for name, value in form if name == "account" and value]
        found = [persona for key in chosen if (persona := self.sandbox.state.persona(platform, key))]
        name = values.get("name", "").strip()
        if name:
            found.append(create_persona(self.sandbox, platform, name, "", found[0].user_id if found else ""))
        if not found:
            raise ConsentError("Choose an account, or type the name of a new one.")
        scopes = list(request.scopes)
        if platform != "instagram":
            scopes = [value for key, value in form if key == "scope"]
        return allow(self.sandbox, request, found, scopes)

    def _home(self) -> Response:
        groups = [
            (platform, [(persona, *self._numbers(persona)) for persona in personas_of(self.sandbox, platform)])
            for platform in PLATFORMS
        ]
        return self._render("home.html", groups=groups, mail_count=len(self.mailbox.newest()))

    def _mail(self, mail_id: str) -> Response:
        mail = self.sandbox.state.mails.get(mail_id)
        return self._render("mail.html", mail=mail) if mail else self._missing("This letter is not there any more.")

    def _mail_html(self, mail_id: str) -> Response:
        """The letter's own HTML, in which no script runs and from which nothing is fetched."""
        mail = self.sandbox.state.mails.get(mail_id)
        if mail is None or not mail.html:
            return self._missing("This letter has no HTML.")
        return HTMLResponse(mail.html, headers={"content-security-policy": MAIL_POLICY})

    def _feed(self, platform: str, account_id: str) -> Response:
        persona = self.sandbox.state.personas.get(f"{platform}:{account_id}")
        if persona is None:
            return self._missing("There is no such account.")
        followers, count = self._numbers(persona)
        posts, stories, drafts = feed_of(self.sandbox, persona.platform, account_id)
        views = [(post, self.sandbox.totals(post, persona)) for post in posts[:_FEED_POSTS]]
        return self._render(
            f"{platform}.html",
            persona=persona,
            posts=views,
            stories=stories[:_FEED_POSTS],
            drafts=drafts,
            followers=followers,
            count=count,
            single=False,
        )

    def _post(self, shortcode: str) -> Response:
        post = self.sandbox.state.by_shortcode.get(shortcode)
        persona = self.sandbox.state.persona(post.platform, post.account_id) if post else None
        if post is None or persona is None or post.published_at > self.sandbox.clock.now():
            return self._missing("This post is not there.")
        followers, count = self._numbers(persona)
        views = [(post, self.sandbox.totals(post, persona))]
        return self._render(
            f"{post.platform}.html",
            persona=persona,
            posts=views,
            stories=[],
            drafts=0,
            followers=followers,
            count=count,
            single=True,
        )

    def _media(self, name: str) -> Response:
        path = self.sandbox.library.path(name)
        if not re.fullmatch(r"[0-9a-f]{64}\.[a-z0-9]{2,4}", name) or not path.is_file():
            return self._missing("This file is not there.")
        return FileResponse(path, headers={"cache-control": "public, max-age=31536000, immutable"})

    def _avatar(self, platform: str, name: str) -> Response:
        persona = self.sandbox.state.personas.get(f"{platform}:{name.removesuffix('.svg')}")
        if persona is None:
            return self._missing("There is no such account.")
        return Response(avatar_svg(persona), media_type="image/svg+xml", headers={"cache-control": "max-age=3600"})

    def _numbers(self, persona: Persona) -> tuple[int, int]:
        posts, _, _ = feed_of(self.sandbox, persona.platform, persona.account_id)
        return self.sandbox.followers(persona), len(posts)

    def _missing(self, detail: str) -> Response:
        return self._render("problem.html", status=404, heading="Not found", detail=detail)

    def render(self, name: str, *, status: int = 200, **values: Any) -> Response:
        """Render a template of ours."""
        return self._render(name, status=status, **values)

    def _render(self, name: str, *, status: int = 200, **values: Any) -> Response:
        return HTMLResponse(self._templates.get_template(name).render(**values), status)

    def _age(self, at: float) -> str:
        seconds = max(0, int(self.sandbox.clock.now() - at))
        for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
            if seconds >= size:
                return f"{seconds // size} {unit}"
        return "just now"


def caption_html(text: str) -> Markup:
    """Return a caption with its line breaks, and with hashtags, mentions and links marked."""
    parts, at = [], 0
    for found in _TAG.finditer(text):
        parts.append(escape(text[at : found.start()]))
        parts.append(Markup('<span class="tag">{}</span>').format(found[0]))
        at = found.end()
    parts.append(escape(text[at:]))
    return Markup("").join(parts)


def linked_html(text: str) -> Markup:
    """Return a plain text whose addresses can be followed."""
    parts, at = [], 0
    for found in _ADDRESS.finditer(text):
        parts.append(escape(text[at : found.start()]))
        parts.append(Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(found[0]))
        at = found.end()
    parts.append(escape(text[at:]))
    return Markup("").join(parts)


def short_number(value: int) -> str:
    """Return 1234 as 1.2K and 3400000 as 3.4M, as the platforms write counters."""
    for size, unit in ((1_000_000, "M"), (1_000, "K")):
        if value >= size:
            return f"{value / size:.1f}".removesuffix(".0") + unit
    return str(value)
