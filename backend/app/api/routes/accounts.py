"""Connected profiles and Pages."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, status
from fastapi.responses import RedirectResponse

from app.api.deps import AccountServiceDep, ContainerDep, CurrentUser
from app.api.problems import problems
from app.domain.errors import (
    AccountNotFound,
    AppError,
    ConnectRefused,
    InvalidToken,
    NotAuthenticated,
    PlatformUnavailable,
)
from app.domain.vocabulary import Platform
from app.models import SocialAccount
from app.schemas.accounts import AccountRead, AuthorizationStart, ConnectAccount

router = APIRouter(prefix="/accounts", tags=["accounts"])
SIGNED_IN = (NotAuthenticated, InvalidToken)


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    operation_id="accounts_connect",
    responses=problems(*SIGNED_IN, ConnectRefused, PlatformUnavailable),
)
async def connect(body: ConnectAccount, user: CurrentUser, accounts: AccountServiceDep) -> AccountRead:
    """Connect an account: at once on the sandbox; otherwise send the user to `authorization_url`."""
    view = await accounts.connect(
        user.id,
        platform=body.platform,
        account_name=body.account_name,
        account_id_external=body.account_id_external,
    )
    return read(view.account, authorization_url=view.authorization_url)


@router.get("", operation_id="accounts_list", responses=problems(*SIGNED_IN))
async def list_accounts(user: CurrentUser, accounts: AccountServiceDep) -> list[AccountRead]:
    """List every account, disconnected ones included, oldest first."""
    return [read(account) for account in await accounts.list_of(user.id)]


@router.get("/oauth/{platform}/start", operation_id="accounts_oauth_start", responses=problems(*SIGNED_IN))
async def oauth_start(platform: Platform, user: CurrentUser, accounts: AccountServiceDep) -> AuthorizationStart:
    """Return where to send the user to consent. Valid for ten minutes, once."""
    return AuthorizationStart(authorization_url=await accounts.start(user.id, platform))


@router.get(
    "/oauth/{platform}/callback",
    operation_id="accounts_oauth_callback",
    status_code=status.HTTP_303_SEE_OTHER,
    response_class=RedirectResponse,
)
async def oauth_callback(
    platform: Platform,
    accounts: AccountServiceDep,
    container: ContainerDep,
    state: str = Query("", max_length=512),
    code: str | None = Query(None, max_length=4096),
    error: str | None = Query(None, max_length=512),
) -> RedirectResponse:
    """Receive the platform's answer and send the user back to the dashboard, which shows what came of it."""
    page = f"{container.dashboard_base}/accounts"
    try:
        connected = await accounts.finish(platform, state=state, code=code, refusal=error)
    except AppError as problem:
        result = {"platform": platform, "error": problem.code, "detail": problem.detail}
    else:
        result = {"platform": platform, "connected": ",".join(str(account.id) for account in connected)}
    return RedirectResponse(f"{page}?{urlencode(result)}", status.HTTP_303_SEE_OTHER)


@router.get("/{account_id}", operation_id="accounts_get", responses=problems(*SIGNED_IN, AccountNotFound))
async def get_account(account_id: UUID, user: CurrentUser, accounts: AccountServiceDep) -> AccountRead:
    """Return one account."""
    return read(await accounts.get(user.id, account_id))


@router.post(
    "/{account_id}/reconnect", operation_id="accounts_reconnect", responses=problems(*SIGNED_IN, AccountNotFound)
)
async def reconnect(account_id: UUID, user: CurrentUser, accounts: AccountServiceDep) -> AuthorizationStart:
    """Return where to send the user to connect the same account again. Its history and posts are kept."""
    return AuthorizationStart(authorization_url=await accounts.reconnect(user.id, account_id))


@router.delete("/{account_id}", operation_id="accounts_disconnect", responses=problems(*SIGNED_IN, AccountNotFound))
async def disconnect(account_id: UUID, user: CurrentUser, accounts: AccountServiceDep) -> AccountRead:
    """Disconnect: tokens are revoked and erased, history stays, scheduled posts go on hold with the reason."""
    return read(await accounts.disconnect(user.id, account_id))


def read(account: SocialAccount, *, authorization_url: str | None = None) -> AccountRead:
    fields = {name: getattr(account, name) for name in AccountRead.model_fields if name != "authorization_url"}
    return AccountRead(**fields, authorization_url=authorization_url)
