"""Registration and sign-in."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, status

from app.api.deps import AuthServiceDep, Claims, ContainerDep, CurrentUser
from app.api.problems import problems
from app.db.unit_of_work import unit_of_work
from app.domain.errors import EmailTaken, InvalidToken, NotAuthenticated, WrongCredentials
from app.schemas.auth import Login, Refresh, Register, TokenPair, UserRead
from app.services.auth_service import AuthService, Pair

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post(
    "/register", status_code=status.HTTP_201_CREATED, operation_id="auth_register", responses=problems(EmailTaken)
)
async def register(body: Register, auth: AuthServiceDep) -> TokenPair:
    """Create a user and sign in."""
    return _read(await auth.register(email=body.email, password=body.password, timezone=body.timezone))


@router.post("/login", operation_id="auth_login", responses=problems(WrongCredentials))
async def login(body: Login, auth: AuthServiceDep) -> TokenPair:
    """Sign in with e-mail address and password."""
    return _read(await auth.login(email=body.email, password=body.password))


@router.post("/refresh", operation_id="auth_refresh", responses=problems(InvalidToken))
async def refresh(body: Refresh, container: ContainerDep) -> TokenPair:
    """Exchange a refresh token for a new pair. A token works once; using it again ends the whole session."""
    async with unit_of_work(container.sessions) as uow:
        pair = await AuthService(uow, container.token_rules, container.clock).refresh(body.refresh_token)
    if pair is None:
        raise InvalidToken
    return _read(pair)


@router.post(
    "/logout", status_code=status.HTTP_204_NO_CONTENT, operation_id="auth_logout", responses=problems(NotAuthenticated)
)
async def logout(claims: Claims, auth: AuthServiceDep) -> None:
    """End the session: its refresh token stops working."""
    session_id = claims.get("sid")
    await auth.logout(UUID(session_id) if session_id else None)


@router.get("/me", operation_id="auth_me", responses=problems(NotAuthenticated, InvalidToken))
async def me(user: CurrentUser) -> UserRead:
    """Return who is signed in."""
    return UserRead.model_validate(user)


def _read(pair: Pair) -> TokenPair:
    return TokenPair(
        access_token=pair.access_token,
        refresh_token=pair.refresh_token,
        token_type="bearer",  # noqa: S106 - the name of the scheme
        expires_in=pair.expires_in,
        user=UserRead.model_validate(pair.user),
    )
