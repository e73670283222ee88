"""Connected profiles and Pages."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, status
from fastapi.responses import RedirectResponse

from app.api.deps import AccountServiceDep, ConnectionServiceDep, ContainerDep, CurrentUser, zone_of
from app.api.problems import problems
from app.api.routes.platforms import rules_of
from app.domain.errors import (
    AccountNotConnected,
    AccountNotFound,
    AppError,
    ChoiceNotFound,
    ConnectRefused,
    InvalidRequest,
    InvalidToken,
    NotAuthenticated,
    PlatformUnavailable,
)
from app.domain.vocabulary import Platform
from app.schemas.accounts import (
    AccountRead,
    AuthorizationStart,
    Capabilities,
    ChooseProfiles,
    ConnectAccount,
    ConnectionChoiceRead,
    OfferedProfileRead,
)
from app.services.account_service import AccountView

router = APIRouter(prefix="/accounts", tags=["accounts"])
SIGNED_IN = (NotAuthenticated, InvalidToken)


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    operation_id="accounts_connect",
    responses=problems(*SIGNED_IN, ConnectRefused, PlatformUnavailable),
)
async def connect(body: ConnectAccount, user: CurrentUser, connections: ConnectionServiceDep) -> AccountRead:
    """Connect an account: at once on the sandbox; otherwise send the user to `authorization_url`."""
    account, url = await connections.connect(
        user.id,
        platform=body.platform,
        account_name=body.account_name,
        account_id_external=body.account_id_external,
        login=body.login,
    )
    return read(AccountView(account, authorization_url=url))


@router.get("", operation_id="accounts_list", responses=problems(*SIGNED_IN))
async def list_accounts(user: CurrentUser, accounts: AccountServiceDep) -> list[AccountRead]:
    """List every account, disconnected ones included, oldest first."""
    return [read(view) for view in await accounts.list_of(user.id, zone=zone_of(user))]


@router.get(
    "/oauth/{platform}/start", operation_id="accounts_oauth_start", responses=problems(*SIGNED_IN, InvalidRequest)
)
async def oauth_start(
    platform: Platform,
    user: CurrentUser,
    connections: ConnectionServiceDep,
    login: str | None = Query(None, max_length=32, description="How to sign in, where there are several ways."),
) -> AuthorizationStart:
    """Return where to send the user to consent. Valid for ten minutes, once."""
    return AuthorizationStart(authorization_url=await connections.start(user.id, platform, login=login))


@router.get(
    "/oauth/{platform}/callback",
    operation_id="accounts_oauth_callback",
    status_code=status.HTTP_303_SEE_OTHER,
    response_class=RedirectResponse,
    responses=problems(),
)
async def oauth_callback(
    platform: Platform,
    connections: ConnectionServiceDep,
    container: ContainerDep,
    state: str = Query("", max_length=512),
    code: str | None = Query(None, max_length=4096),
    error: str | None = Query(None, max_length=512),
) -> RedirectResponse:
    """Receive the platform's answer and send the user back to the dashboard, which shows what came of it."""
    page = f"{container.dashboard_base}/accounts"
    try:
        finished = await connections.finish(platform, state=state, code=code, refusal=error)
    except AppError as problem:
        result = {"platform": platform, "error": problem.code, "detail": problem.detail}
    else:
        result = {"platform": platform, "connected": ",".join(str(account.id) for account in finished.accounts)}
        if finished.choice_id is not None:
            result = {"platform": platform, "choose": str(finished.choice_id)}
    return RedirectResponse(f"{page}?{urlencode(result)}", status.HTTP_303_SEE_OTHER)


@router.get("/choices/{choice_id}", operation_id="accounts_get_choice", responses=problems(*SIGNED_IN, ChoiceNotFound))
async def get_choice(choice_id: UUID, user: CurrentUser, connections: ConnectionServiceDep) -> ConnectionChoiceRead:
    """Return the profiles or Pages that a sign-in opened, unusable ones with the reason. Open for 30 minutes."""
    choice = await connections.choice(user.id, choice_id)
    return ConnectionChoiceRead(
        id=choice.id,
        platform=Platform(choice.platform),
        login=choice.login,
        expires_at=choice.expires_at,
        profiles=[OfferedProfileRead.model_validate(vars(profile)) for profile in choice.profiles],
    )


@router.post(
    "/choices/{choice_id}",
    status_code=status.HTTP_201_CREATED,
    operation_id="accounts_choose",
    responses=problems(*SIGNED_IN, ChoiceNotFound, InvalidRequest),
)
async def choose(
    choice_id: UUID, body: ChooseProfiles, user: CurrentUser, connections: ConnectionServiceDep
) -> list[AccountRead]:
    """Connect the chosen profiles; the others are forgotten."""
    accounts = await connections.choose(user.id, choice_id, body.account_ids_external)
    return [read(AccountView(account)) for account in accounts]


@router.get("/{account_id}", operation_id="accounts_get", responses=problems(*SIGNED_IN, AccountNotFound))
async def get_account(account_id: UUID, user: CurrentUser, accounts: AccountServiceDep) -> AccountRead:
    """Return one account."""
    return read(await accounts.view(user.id, account_id, zone=zone_of(user)))


@router.get(
    "/{account_id}/capabilities",
    operation_id="accounts_capabilities",
    responses=problems(*SIGNED_IN, AccountNotFound, AccountNotConnected, PlatformUnavailable),
)
async def capabilities(
    account_id: UUID, user: CurrentUser, accounts: AccountServiceDep, container: ContainerDep
) -> Capabilities:
    """Ask the platform what the account may post now: TikTok's creator info, Instagram's quota. Never cached."""
    found = await accounts.capabilities(user.id, account_id)
    return Capabilities(
        account_id=found.account.id,
        platform=Platform(found.account.platform),
        as_of=found.as_of,
        facts=dict(found.facts),
        rules=rules_of(container.adapters[found.account.platform]),
    )


@router.post(
    "/{account_id}/reconnect", operation_id="accounts_reconnect", responses=problems(*SIGNED_IN, AccountNotFound)
)
async def reconnect(account_id: UUID, user: CurrentUser, connections: ConnectionServiceDep) -> AuthorizationStart:
    """Return where to send the user to connect the same account again. Its history and posts are kept."""
    return AuthorizationStart(authorization_url=await connections.reconnect(user.id, account_id))


@router.delete("/{account_id}", operation_id="accounts_disconnect", responses=problems(*SIGNED_IN, AccountNotFound))
async def disconnect(account_id: UUID, user: CurrentUser, accounts: AccountServiceDep) -> AccountRead:
    """Disconnect: tokens are revoked and erased, history stays, scheduled posts go on hold with the reason."""
    return read(AccountView(await accounts.disconnect(user.id, account_id)))


def read(view: AccountView) -> AccountRead:
    of_view = ("posts_at_risk", "forecast", "authorization_url")
    fields = {name: getattr(view.account, name) for name in AccountRead.model_fields if name not in of_view}
    return AccountRead(**fields, **{name: getattr(view, name) for name in of_view})
