"""What Meta and TikTok send here by themselves. Answered at once: the work is done later."""

from __future__ import annotations

from html import escape
from typing import Annotated

from fastapi import APIRouter, Form, Header, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse

from app.api.deps import BillingEventsDep, ContainerDep, EventServiceDep
from app.api.problems import problems
from app.domain.errors import InvalidPayload, InvalidRequest, InvalidSignature, WebhookSignatureInvalid
from app.schemas.stores import PlatformEventAnswer
from app.schemas.webhooks import DeletionAnswer, Received

router = APIRouter(prefix="/webhooks", tags=["webhooks"])
pages = APIRouter(include_in_schema=False)
SignedRequest = Annotated[str, Form(max_length=10_000)]


@router.get(
    "/meta",
    operation_id="webhooks_verify_meta",
    response_class=PlainTextResponse,
    responses=problems(InvalidSignature),
)
async def verify_meta(
    events: EventServiceDep,
    mode: str = Query("", alias="hub.mode", max_length=64),
    verify_token: str = Query("", alias="hub.verify_token", max_length=512),
    challenge: str = Query("", alias="hub.challenge", max_length=512),
) -> PlainTextResponse:
    """Prove to Meta that this address is ours: its challenge comes back when the verify token is right."""
    return PlainTextResponse(events.challenge(mode=mode, verify_token=verify_token, challenge=challenge))


@router.post("/meta", operation_id="webhooks_receive_meta", responses=problems(InvalidSignature, InvalidRequest))
async def receive_meta(
    request: Request, events: EventServiceDep, x_hub_signature_256: str = Header("", max_length=256)
) -> Received:
    """Take events of Instagram accounts and Facebook Pages, signed by the app's secret."""
    return Received(new=await events.receive_meta(await request.body(), x_hub_signature_256))


@router.post("/tiktok", operation_id="webhooks_receive_tiktok", responses=problems(InvalidSignature, InvalidRequest))
async def receive_tiktok(
    request: Request, events: EventServiceDep, tiktok_signature: str = Header("", max_length=512)
) -> Received:
    """Take an event of a TikTok account, signed by the app's secret."""
    return Received(new=await events.receive_tiktok(await request.body(), tiktok_signature))


@router.post(
    "/platform-events", operation_id="webhooks_receive_platform", responses=problems(InvalidSignature, InvalidPayload)
)
async def receive_platform(
    request: Request, container: ContainerDep, x_platform_signature: str = Header("", max_length=256)
) -> PlatformEventAnswer:
    """Take an event of the integrating shop system, signed with PLATFORM_WEBHOOK_SECRET: `product.created` puts the
    product into its user's queue, `product.updated` and `product.deleted` keep it current. Sent twice, it
    counts once."""
    done = await container.platform_events.receive(await request.body(), x_platform_signature)
    return PlatformEventAnswer(status="ok", actions=done)


@router.post(
    "/stripe", operation_id="webhooks_receive_stripe", responses=problems(WebhookSignatureInvalid, InvalidPayload)
)
async def receive_stripe(
    request: Request, events: BillingEventsDep, stripe_signature: str = Header("", max_length=2000)
) -> Received:
    """Take an event of Stripe, signed with STRIPE_WEBHOOK_SECRET. It only says where to look: the subscription is read
    from Stripe afterwards. Sent twice, it counts once; kinds that are of no use are taken and dropped."""
    return Received(new=await events.receive(await request.body(), stripe_signature))


@router.post("/meta/deauthorize", operation_id="webhooks_meta_deauthorize", responses=problems(InvalidSignature))
async def deauthorize(signed_request: SignedRequest, events: EventServiceDep) -> Received:
    """Meta's deauthorize callback: a person removed the app; the accounts' tokens go, their posts wait."""
    return Received(new=await events.deauthorize(signed_request))


@router.post("/meta/data-deletion", operation_id="webhooks_meta_data_deletion", responses=problems(InvalidSignature))
async def delete_data(signed_request: SignedRequest, events: EventServiceDep) -> DeletionAnswer:
    """Meta's data deletion callback: delete what Meta told about a person, and say where that can be checked."""
    receipt = await events.delete_data(signed_request)
    return DeletionAnswer(url=receipt.url, confirmation_code=receipt.confirmation_code)


@pages.get("/data-deletion/{code}", response_class=HTMLResponse)
async def deletion_status(code: str, events: EventServiceDep) -> HTMLResponse:
    """Show what became of a deletion request, to whoever has its code."""
    request = await events.deletion(code)
    moment = request.completed_at or request.created_at
    page = _PAGE.format(
        heading="Your data has been deleted" if request.accounts else "There was nothing to delete",
        code=escape(request.code),
        summary=escape(request.summary),
        moment=f"{moment:%d %B %Y, %H:%M} UTC",
    )
    return HTMLResponse(page, headers={"Cache-Control": "no-store", "Content-Security-Policy": _POLICY})


_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>Data deletion · PostPilot</title>
<style>
:root {{ color-scheme: light dark; --ink: light-dark(#1c1b1f, #ece9f1); --soft: light-dark(#5f5b66, #aaa4b4);
  --page: light-dark(#faf9fb, #141317); --card: light-dark(#fff, #1e1c22); --line: light-dark(#e4e1e8, #34313a) }}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif }}
main {{ max-width: 34rem; margin: 1.5rem; padding: 2rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px }}
h1 {{ margin: 0 0 .75rem; font-size: 1.375rem; line-height: 1.25 }}
dl {{ margin: 1.5rem 0 0; display: grid; grid-template-columns: auto 1fr; gap: .35rem 1rem; font-size: .9375rem }}
@media (max-width: 30rem) {{ dl {{ grid-template-columns: 1fr; gap: 0 }} dd {{ margin-bottom: .6rem }} }}
dt {{ color: var(--soft) }} dd {{ margin: 0; overflow-wrap: anywhere }}
</style></head>
<body><main><h1>{heading}</h1><p>{summary}</p>
<dl><dt>Confirmation code</dt><dd>{code}</dd><dt>Completed</dt><dd>{moment}</dd></dl></main></body></html>
"""
