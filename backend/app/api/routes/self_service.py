"""What people do with their own sign-in."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response, status
from fastapi.responses import StreamingResponse

from app.api.deps import AuditLogDep, ContainerDep, Page, PerPage, SelfServiceDep, SessionId, SignedInUser
from app.api.problems import problems
from app.api.refresh_cookie import clear_cookie
from app.domain.errors import (
    EmailTaken,
    InvalidToken,
    LinkUsedUp,
    NotAuthenticated,
    SecondFactorState,
    SessionNotFound,
    TooManyTries,
    WrongCode,
    WrongPassword,
)
from app.schemas.auth import (
    AuditEventRead,
    AuditPage,
    ChangePassword,
    ChangeProfile,
    Confirm,
    Done,
    Email,
    EmailConfirmed,
    NewEmail,
    NewPassword,
    OwnCode,
    OwnPassword,
    RecoveryCodes,
    SecondFactorRead,
    SecondFactorSetup,
    SessionRead,
    SessionsEnded,
    Token,
)

router = APIRouter(prefix="/auth", tags=["auth"])
SIGNED_IN = (NotAuthenticated, InvalidToken)
CONFIRMED = (*SIGNED_IN, WrongPassword, WrongCode, TooManyTries)


@router.post("/forgot-password", operation_id="auth_forgot_password", responses=problems(TooManyTries))
async def forgot_password(body: Email, mine: SelfServiceDep) -> Done:
    """Have a link sent that sets a new password; it works for an hour, once. The answer is the same whether anybody
    has this address."""
    await mine.forgot_password(body.email)
    return Done(status="ok")


@router.post("/reset-password", operation_id="auth_reset_password", responses=problems(LinkUsedUp, TooManyTries))
async def reset_password(body: NewPassword, mine: SelfServiceDep) -> Done:
    """Set a new password with the token of a link. Signs out everywhere."""
    await mine.reset_password(body.token, body.password)
    return Done(status="ok")


@router.post(
    "/verify-email", operation_id="auth_verify_email", responses=problems(LinkUsedUp, EmailTaken, TooManyTries)
)
async def verify_email(body: Token, mine: SelfServiceDep) -> EmailConfirmed:
    """Confirm an e-mail address, or a change to it, with the token of a link."""
    return EmailConfirmed(status="ok", email=await mine.confirm_email(body.token))


@router.post(
    "/verify-email/resend",
    status_code=status.HTTP_202_ACCEPTED,
    operation_id="auth_resend_verification",
    responses=problems(*SIGNED_IN, TooManyTries),
)
async def resend_verification(user: SignedInUser, mine: SelfServiceDep) -> Done:
    """Send the link that confirms one's address again."""
    await mine.resend_verification(user)
    return Done(status="ok")


@router.patch("/me", operation_id="auth_change_profile", responses=problems(*SIGNED_IN))
async def change_profile(body: ChangeProfile, user: SignedInUser, mine: SelfServiceDep) -> Done:
    """Change one's time zone. A field left out is unchanged."""
    await mine.change_profile(user, {k: v for k, v in body.model_dump(exclude_unset=True).items() if v is not None})
    return Done(status="ok")


@router.post(
    "/change-password",
    operation_id="auth_change_password",
    responses=problems(*SIGNED_IN, WrongPassword, TooManyTries),
)
async def change_password(
    body: ChangePassword, user: SignedInUser, session_id: SessionId, mine: SelfServiceDep
) -> Done:
    """Change the password. Signs out everywhere else."""
    await mine.change_password(user, session_id, present=body.current_password, password=body.password)
    return Done(status="ok")


@router.post(
    "/change-email",
    status_code=status.HTTP_202_ACCEPTED,
    operation_id="auth_change_email",
    responses=problems(*SIGNED_IN, WrongPassword, TooManyTries),
)
async def change_email(body: NewEmail, user: SignedInUser, mine: SelfServiceDep) -> Done:
    """Have a link sent to a new address. Until it is followed, the present one stays."""
    await mine.change_email(user, email=body.email, password=body.password)
    return Done(status="ok")


@router.get("/sessions", operation_id="auth_list_sessions", responses=problems(*SIGNED_IN))
async def list_sessions(user: SignedInUser, session_id: SessionId, mine: SelfServiceDep) -> list[SessionRead]:
    """List where one is signed in, the place used last first."""
    return [
        SessionRead(
            id=row.id,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            expires_at=row.expires_at,
            ip_address=row.ip_address,
            user_agent=row.user_agent,
            is_current=row.id == session_id,
        )
        for row in await mine.sessions(user.id)
    ]


@router.delete(
    "/sessions/{session_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    operation_id="auth_end_session",
    responses=problems(*SIGNED_IN, SessionNotFound),
)
async def end_session(session_id: UUID, user: SignedInUser, mine: SelfServiceDep) -> None:
    """Sign out in one place."""
    await mine.end_session(user.id, session_id)


@router.delete("/sessions", operation_id="auth_end_sessions", responses=problems(*SIGNED_IN))
async def end_sessions(
    user: SignedInUser, session_id: SessionId, mine: SelfServiceDep, keep_current: bool = False
) -> SessionsEnded:
    """Sign out everywhere, or with `keep_current=true` everywhere else. Access tokens stop working at once."""
    return SessionsEnded(ended=await mine.end_sessions(user.id, but=session_id if keep_current else None))


@router.get("/second-factor", operation_id="auth_read_second_factor", responses=problems(*SIGNED_IN))
async def read_second_factor(user: SignedInUser, mine: SelfServiceDep) -> SecondFactorRead:
    """Say whether the second factor is on, and how many recovery codes are left."""
    left = await mine.recovery_codes_left(user.id)
    return SecondFactorRead(is_enabled=user.has_second_factor, recovery_codes_left=left)


@router.post(
    "/second-factor/setup",
    operation_id="auth_begin_second_factor",
    responses=problems(*SIGNED_IN, WrongPassword, SecondFactorState, TooManyTries),
)
async def begin_second_factor(body: OwnPassword, user: SignedInUser, mine: SelfServiceDep) -> SecondFactorSetup:
    """Make a secret for an authenticator app. It counts once a code of it was sent to `enable`."""
    return SecondFactorSetup.model_validate(await mine.begin_second_factor(user, body.password))


@router.post(
    "/second-factor/enable",
    operation_id="auth_enable_second_factor",
    responses=problems(*SIGNED_IN, WrongCode, SecondFactorState, TooManyTries),
)
async def enable_second_factor(body: OwnCode, user: SignedInUser, mine: SelfServiceDep) -> RecoveryCodes:
    """Switch the second factor on with a code of the app, and get the recovery codes."""
    return RecoveryCodes(recovery_codes=await mine.enable_second_factor(user, body.code))


@router.post(
    "/second-factor/disable",
    operation_id="auth_disable_second_factor",
    responses=problems(*CONFIRMED, SecondFactorState),
)
async def disable_second_factor(body: Confirm, user: SignedInUser, mine: SelfServiceDep) -> Done:
    """Switch the second factor off."""
    await mine.disable_second_factor(user, password=body.password, code=body.code)
    return Done(status="ok")


@router.post(
    "/second-factor/recovery-codes",
    operation_id="auth_renew_recovery_codes",
    responses=problems(*CONFIRMED, SecondFactorState),
)
async def renew_recovery_codes(body: Confirm, user: SignedInUser, mine: SelfServiceDep) -> RecoveryCodes:
    """Get new recovery codes. The old ones stop working."""
    return RecoveryCodes(recovery_codes=await mine.renew_recovery_codes(user, password=body.password, code=body.code))


@router.get("/audit", operation_id="auth_list_audit", responses=problems(*SIGNED_IN))
async def list_audit(user: SignedInUser, audit: AuditLogDep, page: Page = 1, per_page: PerPage = 20) -> AuditPage:
    """List what mattered for security, the newest first."""
    rows, total = await audit.list_page(user.id, page=page, per_page=per_page)
    items = [AuditEventRead.model_validate(row) for row in rows]
    return AuditPage(items=items, total=total, page=page, per_page=per_page)


@router.delete(
    "/me",
    status_code=status.HTTP_202_ACCEPTED,
    operation_id="auth_erase",
    responses=problems(*CONFIRMED),
)
async def erase(
    body: Confirm, user: SignedInUser, mine: SelfServiceDep, container: ContainerDep, response: Response
) -> Done:
    """Delete one's account for good: nobody signs in with it from now on, access to the connected accounts is given
    back, and everything is erased within minutes. Posts that are out stay out."""
    await mine.erase(user, password=body.password, code=body.code)
    clear_cookie(response, public_base=container.settings.public_base)
    return Done(status="ok")


@router.get(
    "/export",
    operation_id="auth_export",
    response_class=StreamingResponse,
    responses={
        **problems(*SIGNED_IN),
        200: {"description": "The archive", "content": {"application/zip": {}}},
    },
)
async def export(user: SignedInUser, container: ContainerDep) -> StreamingResponse:
    """Download everything that is kept of one: a zip with a JSON file for each kind of thing, and the uploaded
    files."""
    name = f"postpilot-{container.clock():%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(container.export.stream(user.id), media_type="application/zip", headers=headers)
