"""Registration and sign-in."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response, status

from app.api.deps import AuthServiceDep, Claims, ClientDep, ContainerDep, CurrentUser, ProvisionServiceDep
from app.api.problems import problems
from app.api.refresh_cookie import COOKIE, clear_cookie, is_asked, put_cookie
from app.composition import Container
from app.db.unit_of_work import unit_of_work
from app.domain.errors import (
    EmailTaken,
    InvalidToken,
    NotAuthenticated,
    SecondFactorRequired,
    TooManyTries,
    WrongCode,
    WrongCredentials,
)
from app.kit.tokens import is_same
from app.schemas.auth import (
    ConfirmationSent,
    Login,
    Provision,
    ProvisionRead,
    Refresh,
    Register,
    SecondStep,
    TokenPair,
    UserRead,
)
from app.services.auth_service import AuthService, Pair
from app.services.provision_service import NewUser

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post(
    "/register",
    status_code=status.HTTP_201_CREATED,
    operation_id="auth_register",
    responses={
        **problems(EmailTaken, TooManyTries),
        202: {"model": ConfirmationSent, "description": "Where SIGN_UP_CONFIRMS_EMAIL is set: a letter was sent"},
    },
)
async def register(
    body: Register, auth: AuthServiceDep, container: ContainerDep, request: Request, response: Response
) -> TokenPair | ConfirmationSent:
    """Create a user and sign in. Where addresses are confirmed first, a letter is sent instead, and the answer is the
    same for an address that is taken."""
    pair = await auth.register(email=body.email, password=body.password, timezone=body.timezone)
    if pair is None:
        response.status_code = status.HTTP_202_ACCEPTED
        return ConfirmationSent(status="confirmation_sent")
    return _answer(pair, container, request, response)


@router.post(
    "/login",
    operation_id="auth_login",
    responses=problems(WrongCredentials, SecondFactorRequired, TooManyTries),
)
async def login(
    body: Login, auth: AuthServiceDep, container: ContainerDep, request: Request, response: Response
) -> TokenPair:
    """Sign in with e-mail address and password.

    Somebody with a second factor gets `second_factor_required` with a `challenge_token` for the second step.
    With the header `X-Session: cookie` the refresh token comes in an httpOnly cookie instead of the body.
    """
    return _answer(await auth.login(email=body.email, password=body.password), container, request, response)


@router.post(
    "/login/second-factor",
    operation_id="auth_second_factor",
    responses=problems(InvalidToken, WrongCode, TooManyTries),
)
async def second_factor(
    body: SecondStep, auth: AuthServiceDep, container: ContainerDep, request: Request, response: Response
) -> TokenPair:
    """Finish signing in: with a code of the authenticator app, or with a recovery code, which works once."""
    pair = await auth.second_step(challenge_token=body.challenge_token, code=body.code)
    return _answer(pair, container, request, response)


@router.post("/refresh", operation_id="auth_refresh", responses=problems(InvalidToken))
async def refresh(
    container: ContainerDep, client: ClientDep, request: Request, response: Response, body: Refresh | None = None
) -> TokenPair:
    """Exchange a refresh token for a new pair. A token works once; using it again ends the whole session.

    The token comes in the body, or in the cookie with the header `X-Session: cookie`, which no other site can send.
    """
    token = body.refresh_token if body is not None and body.refresh_token is not None else None
    if token is None and is_asked(request):
        token = request.cookies.get(COOKIE)
    if token is None:
        raise InvalidToken
    async with unit_of_work(container.sessions) as uow:
        auth = AuthService(uow, container.sign_in, container.tries, container.keyring, client, container.clock)
        pair = await auth.refresh(token)
    if pair is None:
        raise InvalidToken
    return _answer(pair, container, request, response)


@router.post(
    "/logout", status_code=status.HTTP_204_NO_CONTENT, operation_id="auth_logout", responses=problems(NotAuthenticated)
)
async def logout(claims: Claims, auth: AuthServiceDep, container: ContainerDep, response: Response) -> None:
    """End the session: its tokens stop working."""
    session_id = claims.get("sid")
    await auth.logout(UUID(session_id) if session_id else None)
    clear_cookie(response, public_base=container.settings.public_base)


@router.get("/me", operation_id="auth_me", responses=problems(NotAuthenticated, InvalidToken))
async def me(user: CurrentUser) -> UserRead:
    """Return who is signed in, or whose key is used."""
    return UserRead.model_validate(user)


@router.post(
    "/provision",
    status_code=status.HTTP_201_CREATED,
    operation_id="auth_provision",
    responses=problems(NotAuthenticated, InvalidToken, EmailTaken),
)
async def provision(
    body: Provision,
    provisioning: ProvisionServiceDep,
    container: ContainerDep,
    x_api_key: Annotated[str, Header(max_length=512)] = "",
) -> ProvisionRead:
    """Make a user for an integrating shop platform, whose own key (PLATFORM_API_KEY) goes in X-API-Key.

    The same `external_platform_id` again returns the same user with a fresh key, and the one before stops working.
    """
    if not x_api_key:
        raise NotAuthenticated
    if not is_same(x_api_key, container.settings.platform_api_key.get_secret_value()):
        raise InvalidToken
    made = await provisioning.provision(
        NewUser(
            email=body.email,
            password=body.password,
            plan=body.plan,
            external_platform_id=body.external_platform_id,
            external_store_id=body.external_store_id,
        )
    )
    return ProvisionRead(user_id=made.user_id, api_key=made.api_key)


def _answer(pair: Pair, container: Container, request: Request, response: Response) -> TokenPair:
    in_cookie = is_asked(request)
    if in_cookie:
        life = int(container.sign_in.tokens.refresh_life.total_seconds())
        put_cookie(response, pair.refresh_token, public_base=container.settings.public_base, max_age=life)
    return TokenPair(
        access_token=pair.access_token,
        refresh_token=None if in_cookie else pair.refresh_token,
        token_type="bearer",  # noqa: S106 - the name of the scheme
        expires_in=pair.expires_in,
        user=UserRead.model_validate(pair.user),
    )
