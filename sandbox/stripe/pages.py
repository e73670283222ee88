"""The hosted pages: checkout, portal and invoice, as a payer would see them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.responses import RedirectResponse, Response

from sandbox.pages import Pages
from sandbox.stripe.book import Body, Book
from sandbox.stripe.checkout import DECLINED, complete, needs_card
from sandbox.stripe.errors import CardDeclinedError
from sandbox.stripe.life import tick
from sandbox.stripe.portal import LIFE_SECONDS, act, prices_shown, subscriptions_shown
from sandbox.stripe.subscriptions import DAY, pay
from sandbox.wire import PlatformError, read_body

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

CARDS = (
    ("4242424242424242", "4242 4242 4242 4242", "pays"),
    (DECLINED, "4000 0000 0000 0002", "is declined"),
    ("4000000000000341", "4000 0000 0000 0341", "is taken, and fails when it is charged"),
)
DECLINED_SENTENCE = "Your card was declined. Try another one."


class StripePages:
    """Routes and renders the three pages."""

    def __init__(self, book: Book, pages: Pages) -> None:
        self.book = book
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tick(self.book)
        parts = [part for part in scope["path"].split("/") if part][1:]
        form: dict[str, str] = {}
        if scope["method"] == "POST":
            form = dict(parse_qsl((await read_body(receive)).decode(), keep_blank_values=True))
        response = self._page(parts, form, is_post=scope["method"] == "POST")
        await response(scope, receive, send)

    def _page(self, parts: list[str], form: dict[str, str], *, is_post: bool) -> Response:
        match parts:
            case ["checkout", session_id]:
                return self._checkout(session_id, form, is_post=is_post)
            case ["portal", session_id]:
                return self._portal(session_id, form, is_post=is_post)
            case ["invoice", invoice_id]:
                return self._invoice(invoice_id, is_post=is_post)
        return self._problem("Not found", "Nothing lives at this address.", 404)

    def _checkout(self, session_id: str, form: dict[str, str], *, is_post: bool) -> Response:
        session = self.book.find("checkout.session", session_id)
        if session is None or session["status"] != "open":
            return self._problem("This page has been closed", "The purchase is complete, or took too long.", 404)
        failure = ""
        if is_post:
            try:
                complete(self.book, session, form.get("card", ""))
            except CardDeclinedError:
                failure = DECLINED_SENTENCE
            else:
                return RedirectResponse(success_url(session), status_code=303)
        price = self.book.get("price", session["_price"])
        trial_days = session["_data"].get("trial_period_days", 0)
        return self._render(
            "stripe_checkout.html",
            session=session,
            product=self.book.get("product", price["product"]),
            price=money(price),
            today=money({**price, "unit_amount": 0 if trial_days else price["unit_amount"], "recurring": None}),
            trial_days=trial_days,
            first_charge=day(self.book.now + trial_days * DAY),
            cards=CARDS,
            needs_card=needs_card(session),
            failure=failure,
        )

    def _portal(self, session_id: str, form: dict[str, str], *, is_post: bool) -> Response:
        session = self.book.find("billing_portal.session", session_id)
        if session is None or session["created"] < self.book.now - LIFE_SECONDS:
            return self._problem("This link has expired", "Open the portal from PostPilot again.", 404)
        customer = self.book.find("customer", session["customer"])
        if customer is None:
            return self._problem("Not found", "This customer is not there any more.", 404)
        failure = ""
        if is_post:
            try:
                act(self.book, session, form)
            except CardDeclinedError:
                failure = DECLINED_SENTENCE
            except PlatformError as error:
                failure = str(json.loads(error.answer.body)["error"]["message"])
            else:
                return RedirectResponse(session["url"], status_code=303)
        return self._render(
            "stripe_portal.html",
            session=session,
            customer=customer,
            subscriptions=[self._subscription(one) for one in subscriptions_shown(self.book, customer["id"])],
            prices=[(price["id"], self._title(price), money(price)) for price in prices_shown(self.book, session)],
            invoices=[
                (one["number"], day(one["created"]), money({**one, "unit_amount": one["total"]}), one["status"])
                for one in self.book.all("invoice")
                if one["customer"] == customer["id"]
            ],
            cards=CARDS,
            failure=failure,
        )

    def _subscription(self, one: Body) -> dict[str, Any]:
        item = one["items"]["data"][0]
        price = self.book.get("price", item["price"])
        following = self.book.find("price", one["_next_price"] or "")
        return {
            "id": one["id"],
            "price_id": price["id"],
            "title": self._title(price),
            "price": money(price),
            "status": one["status"].replace("_", " "),
            "is_unpaid": one["status"] in ("past_due", "unpaid"),
            "renews": day(item["current_period_end"]),
            "ends": day(one["cancel_at"]) if one["cancel_at"] else "",
            "next": self._title(following) if following else "",
        }

    def _title(self, price: Body) -> str:
        return str(self.book.get("product", price["product"])["name"])

    def _invoice(self, invoice_id: str, *, is_post: bool) -> Response:
        invoice = self.book.find("invoice", invoice_id)
        if invoice is None:
            return self._problem("Not found", "There is no such invoice.", 404)
        failure = ""
        if is_post:
            try:
                pay(self.book, invoice)
            except CardDeclinedError:
                failure = DECLINED_SENTENCE
            except PlatformError:
                failure = "There is nothing to pay any more."
        shown = money({**invoice, "unit_amount": invoice["total"]})
        return self._render(
            "stripe_invoice.html", invoice=invoice, amount=shown, at=day(invoice["created"]), failure=failure
        )

    def _problem(self, heading: str, detail: str, status: int) -> Response:
        return self._render("problem.html", status=status, heading=heading, detail=detail)

    def _render(self, name: str, *, status: int = 200, **values: Any) -> Response:
        return self._pages.render(name, status=status, **values)


def success_url(session: Body) -> str:
    """Return where the browser goes after a purchase, with the session's id filled in."""
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def money(price: Body) -> str:
    """Return `$29.00 a month`."""
    sign = {"usd": "$", "eur": "€", "gbp": "£"}.get(price["currency"], price["currency"].upper() + " ")
    recurring = price.get("recurring")
    every = f" a {recurring['interval']}" if recurring else ""
    return f"{sign}{price['unit_amount'] / 100:,.2f}{every}"


def day(at: float) -> str:
    """Return `28 November 2026`."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment.day} {moment:%B %Y}"
