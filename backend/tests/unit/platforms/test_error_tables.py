"""Every documented refusal becomes the right word of the engine, before and during the submit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.platforms import meta
from app.platforms.base import (
    Auth,
    FixContent,
    OutcomeUnknown,
    Permanent,
    PlatformError,
    QuotaUsedUp,
    ReconnectAccount,
    RefreshToken,
    RetryLater,
)
from app.platforms.facebook import errors as facebook
from app.platforms.http import Answer, Purpose
from app.platforms.instagram import errors as instagram
from app.platforms.tiktok import errors as tiktok
from app.platforms.waiting import StageAgain

LATER, AGAIN, UNKNOWN = RetryLater, StageAgain, OutcomeUnknown
RECON, FIX, PERM, QUOTA = ReconnectAccount, FixContent, Permanent, QuotaUsedUp


def graph(decider: meta.Decider, code: int, sub: int | None, purpose: Purpose, auth: Auth | None = None):
    answer = Answer(400, {}, {"error": {"code": code, "error_subcode": sub, "message": "their words"}})
    answer.fault = meta.fault_of(answer)
    return decider.error(answer, purpose, auth)


def check_words(error: PlatformError) -> None:
    assert "their words" not in error.sentence
    assert error.sentence.endswith((".", ")"))
    assert error.code == error.code.lower()


# code, subcode, while staging, on submit, our code
INSTAGRAM = [
    (-2, 2207003, AGAIN, UNKNOWN, "media_not_fetched"),
    (-2, 2207020, AGAIN, UNKNOWN, "container_expired"),
    (-1, 2207001, LATER, UNKNOWN, "platform_busy"),
    (-1, 2207032, AGAIN, UNKNOWN, "staging_failed"),
    (-1, 2207053, AGAIN, UNKNOWN, "staging_failed"),
    (1, None, LATER, UNKNOWN, "platform_busy"),
    (2, None, LATER, UNKNOWN, "platform_busy"),
    (1, 2207057, FIX, FIX, "thumbnail_outside_video"),
    (4, 2207051, LATER, UNKNOWN, "action_blocked"),
    (4, None, LATER, LATER, "platform_throttled"),
    (17, None, LATER, LATER, "platform_throttled"),
    (32, None, LATER, LATER, "platform_throttled"),
    (613, None, LATER, LATER, "platform_throttled"),
    (80002, None, LATER, LATER, "platform_throttled"),
    (9, 2207042, QUOTA, QUOTA, "quota_used_up"),
    (10, None, RECON, RECON, "permission_missing"),
    (20, 1772107, LATER, UNKNOWN, "platform_busy"),
    (24, 2207006, AGAIN, UNKNOWN, "media_not_found"),
    (24, 2207008, AGAIN, UNKNOWN, "container_expired"),
    (25, 2207050, RECON, RECON, "account_restricted"),
    (100, 33, LATER, UNKNOWN, "object_not_visible"),
    (100, 2207023, FIX, FIX, "unsupported_media_type"),
    (100, 2207028, FIX, FIX, "carousel_size"),
    (100, 2207040, FIX, FIX, "too_many_mentions"),
    (100, None, FIX, FIX, "content_refused"),
    (102, None, RECON, RECON, "account_needs_reconnect"),
    (190, None, RECON, RECON, "account_needs_reconnect"),
    *[(190, sub, RECON, RECON, "account_needs_reconnect") for sub in (458, 460, 463, 467, 492)],
    *[(190, sub, RECON, RECON, "account_checkpoint") for sub in (459, 464)],
    *[(code, None, RECON, RECON, "permission_missing") for code in (200, 210, 299)],
    (341, None, LATER, LATER, "platform_throttled"),
    (100, 2207081, FIX, FIX, "trial_not_available"),
    (2207081, None, FIX, FIX, "trial_not_available"),
    (352, 2207026, FIX, FIX, "video_unsupported"),
    (368, None, RECON, RECON, "account_blocked"),
    (9004, 2207052, AGAIN, UNKNOWN, "media_not_fetched"),
    (9007, 2207027, LATER, LATER, "media_not_ready"),
    (36000, 2207004, FIX, FIX, "image_too_large"),
    (36001, 2207005, FIX, FIX, "image_format"),
    (36003, 2207009, FIX, FIX, "image_ratio"),
    (36004, 2207010, FIX, FIX, "caption_too_long"),
]


@pytest.mark.parametrize(("code", "sub", "stage", "submit", "ours"), INSTAGRAM)
def test_instagram(code, sub, stage, submit, ours):
    staged = graph(instagram.DECIDER, code, sub, Purpose.stage)
    assert type(staged) is stage
    assert staged.code == ours
    check_words(staged)
    assert type(graph(instagram.DECIDER, code, sub, Purpose.submit)) is submit


def test_instagram_rows_are_all_tested():
    named = {(code, sub) for code, sub, *_ in INSTAGRAM}
    numbers = {code for code, _ in named}
    rows = {key for key in instagram.TABLE if key[0] != 0}
    assert {key for key in rows if key not in named and key[0] not in numbers} == set()


@pytest.mark.parametrize(
    ("code", "message", "kind", "ours"),
    [
        (100, "INSTAGRAM_PLATFORM_API__INVALID_LOCATION_ID", FIX, "invalid_location"),
        (100, "(#100) param collaborators is not allowed", FIX, "collaborators_not_allowed"),
        (100, "their words", FIX, "content_refused"),
        (200, "(#200) Requires ads_management permission", PERM, "ads_permission_missing"),
        (275, "Requires ads_management or ads_read", PERM, "ads_permission_missing"),
        (200, "their words", RECON, "permission_missing"),
    ],
)
def test_instagram_refusals_that_a_constant_tells_apart(code, message, kind, ours):
    answer = Answer(400, {}, {"error": {"code": code, "message": message}})
    answer.fault = meta.fault_of(answer)
    for purpose in (Purpose.stage, Purpose.submit):
        error = instagram.DECIDER.error(answer, purpose)
        assert (type(error), error.code) == (kind, ours)


@pytest.mark.parametrize(
    ("name", "kind", "ours"),
    [
        ("ProcessingFailedError", AGAIN, "upload_failed"),
        ("OffsetInvalidError", LATER, "platform_busy"),
        ("PartialRequestError", LATER, "platform_busy"),
    ],
)
def test_instagram_uploads(name, kind, ours):
    answer = Answer(400, {}, {"debug_info": {"retriable": False, "type": name, "message": "their words"}})
    answer.fault = meta.fault_of(answer)
    error = instagram.DECIDER.error(answer, Purpose.stage)
    assert (type(error), error.code) == (kind, ours)


def test_a_trial_that_an_account_may_not_have():
    error = instagram.container_error("Error: Media upload has failed with error code 2207081")
    assert (type(error), error.code, error.field) == (FIX, "trial_not_available", "options.trial")


@pytest.mark.parametrize(
    ("status", "error", "tries", "final"),
    [
        ("Error: Media upload has failed with error code 2207026", AGAIN, 1, FIX),
        ("Error: Media upload has failed with error code 2207076", AGAIN, 1, FIX),
        ("Error: Media upload has failed with error code 2207085", AGAIN, 1, FIX),
        ("Error: Media upload has failed with error code 2207077", AGAIN, 2, FIX),
        ("Error: Media upload has failed with error code 2207082", AGAIN, 2, FIX),
        ("Error: Media upload has failed with error code 2207052", AGAIN, 3, FIX),
        ("Error: Media upload has failed with error code 2207003", AGAIN, 3, FIX),
        ("Error: something else 2207999", AGAIN, 5, FIX),
        (None, AGAIN, 5, FIX),
    ],
)
def test_container_errors(status, error, tries, final):
    made = instagram.container_error(status)
    assert type(made) is error
    assert (made.tries, type(made.final)) == (tries, final)


@pytest.mark.parametrize(
    ("sub", "ours"),
    [
        (2207004, "image_too_large"),
        (2207005, "image_format"),
        (2207009, "image_ratio"),
        (2207010, "caption_too_long"),
        (2207057, "thumbnail_outside_video"),
    ],
)
def test_container_errors_of_content(sub, ours):
    made = instagram.container_error(f"Error: Media upload has failed with error code {sub}")
    assert (type(made), made.code) == (FixContent, ours)


def test_expired_container():
    assert type(instagram.container_expired()) is StageAgain


FACEBOOK = [
    (1, None, LATER, UNKNOWN, "platform_busy"),
    (2, None, LATER, UNKNOWN, "platform_busy"),
    (3, None, PERM, PERM, "app_misconfigured"),
    *[(code, None, LATER, LATER, "platform_throttled") for code in (4, 17, 32, 341, 613, 80001)],
    (613, 1996, LATER, LATER, "platform_throttled"),
    (10, None, RECON, RECON, "permission_missing"),
    *[(code, None, RECON, RECON, "permission_missing") for code in (200, 210, 299, 283)],
    (100, None, FIX, FIX, "content_refused"),
    (100, 36007, RECON, RECON, "sign_in_failed"),
    (100, 36009, RECON, RECON, "sign_in_failed"),
    (100, 33, LATER, UNKNOWN, "object_not_visible"),
    (102, None, RECON, RECON, "account_needs_reconnect"),
    (190, None, RECON, RECON, "account_needs_reconnect"),
    *[(190, sub, RECON, RECON, "account_needs_reconnect") for sub in (458, 460, 463, 467, 492)],
    *[(190, sub, RECON, RECON, "account_checkpoint") for sub in (459, 464)],
    (104, None, PERM, PERM, "app_misconfigured"),
    (324, None, FIX, FIX, "image_refused"),
    (100, 1366046, FIX, FIX, "image_too_large"),
    (1366046, None, FIX, FIX, "image_too_large"),
    (100, 2069019, FIX, FIX, "media_refused"),
    (368, None, RECON, RECON, "account_blocked"),
    (368, 1346003, FIX, FIX, "content_flagged"),
    (368, 1404102, FIX, FIX, "content_flagged"),
    (382, None, FIX, FIX, "video_too_small"),
    *[(code, None, AGAIN, UNKNOWN, "upload_failed") for code in (389, 6000, 6001, 1363047, 1363037)],
    (100, 1363127, FIX, FIX, "video_resolution"),
    (506, None, FIX, FIX, "duplicate_post"),
    (100, 1366051, FIX, FIX, "duplicate_post"),
    (1390008, None, LATER, LATER, "posting_too_fast"),
    (368, 1404078, RECON, RECON, "identity_confirmation"),
    (4854002, None, RECON, RECON, "identity_confirmation"),
    (368, 1404006, RECON, RECON, "account_checkpoint"),
    (368, 1404112, RECON, RECON, "account_limited"),
    (1609005, None, FIX, FIX, "link_unreadable"),
    (1609008, None, FIX, FIX, "link_refused"),
    (2061006, None, FIX, FIX, "link_invalid"),
    (2500, None, PERM, PERM, "app_misconfigured"),
    (3001, 1504028, PERM, PERM, "app_misconfigured"),
]


@pytest.mark.parametrize(("code", "sub", "stage", "submit", "ours"), FACEBOOK)
def test_facebook(code, sub, stage, submit, ours):
    staged = graph(facebook.DECIDER, code, sub, Purpose.stage)
    assert type(staged) is stage
    assert staged.code == ours
    check_words(staged)
    assert type(graph(facebook.DECIDER, code, sub, Purpose.submit)) is submit


def test_facebook_rows_are_all_tested():
    named = {code for code, *_ in FACEBOOK} | {sub for _, sub, *_ in FACEBOOK}
    assert {code for code, _ in facebook.TABLE} <= named


@pytest.mark.parametrize(
    ("name", "error"),
    [("OffsetInvalidError", LATER), ("PartialRequestError", LATER), ("ProcessingFailedError", AGAIN)],
)
def test_facebook_uploads(name, error):
    answer = Answer(400, {}, {"debug_info": {"retriable": False, "type": name, "message": "their words"}})
    answer.fault = meta.fault_of(answer)
    assert type(facebook.DECIDER.error(answer, Purpose.stage)) is error


@pytest.mark.parametrize(
    ("decider", "code", "sub", "pause"),
    [
        (instagram.DECIDER, 4, 2207051, timedelta(hours=1)),
        (instagram.DECIDER, 368, None, timedelta(hours=24)),
        (facebook.DECIDER, 368, None, timedelta(hours=24)),
        (facebook.DECIDER, 368, 1346003, timedelta(hours=24)),
    ],
)
def test_blocks_pause_the_account(decider, code, sub, pause):
    pauses: list[timedelta] = []
    graph(decider, code, sub, Purpose.submit, Auth("a", "b", "t", pause=pauses.append))
    assert pauses == [pause]


# error.code, HTTP status, while reading or staging, on submit, our code
TIKTOK = [
    ("invalid_param", 400, FIX, FIX, "content_refused"),
    ("invalid_params", 400, FIX, FIX, "content_refused"),
    ("invalid_file_upload", 400, FIX, FIX, "media_refused"),
    ("app_version_check_failed", 400, FIX, FIX, "app_too_old"),
    ("invalid_publish_id", 400, PERM, PERM, "publish_id_unknown"),
    ("token_not_authorized_for_specified_publish_id", 400, PERM, PERM, "publish_id_foreign"),
    ("scope_permission_missed", 400, RECON, RECON, "permission_missing"),
    ("access_token_invalid", 401, RefreshToken, RefreshToken, "token_expired"),
    ("scope_not_authorized", 401, RECON, RECON, "permission_missing"),
    ("spam_risk_too_many_posts", 403, QUOTA, QUOTA, "quota_used_up"),
    ("spam_risk_too_many_posts", 200, QUOTA, QUOTA, "quota_used_up"),
    ("spam_risk_too_many_pending_share", 403, QUOTA, QUOTA, "too_many_drafts"),
    ("reached_active_user_cap", 403, QUOTA, QUOTA, "app_quota_used_up"),
    ("reached_active_user_cap", 200, QUOTA, QUOTA, "app_quota_used_up"),
    ("spam_risk_user_banned_from_posting", 403, PERM, PERM, "account_banned"),
    ("spam_risk_user_banned_from_posting", 200, PERM, PERM, "account_banned"),
    ("spam_risk", 403, PERM, PERM, "account_blocked"),
    ("unaudited_client_can_only_post_to_private_accounts", 403, FIX, FIX, "account_must_be_private"),
    ("privacy_level_option_mismatch", 403, FIX, FIX, "privacy_not_offered"),
    ("url_ownership_unverified", 403, PERM, PERM, "media_address_unverified"),
    ("rate_limit_exceeded", 429, LATER, LATER, "platform_throttled"),
    ("internal_error", 500, LATER, UNKNOWN, "platform_busy"),
    ("", 500, LATER, UNKNOWN, "platform_busy"),
    ("never_heard_of", 400, PERM, PERM, "platform_refused"),
    ("never_heard_of", 503, LATER, UNKNOWN, "platform_busy"),
]


@pytest.mark.parametrize(("code", "status", "stage", "submit", "ours"), TIKTOK)
def test_tiktok(code, status, stage, submit, ours):
    answer = Answer(status, {}, {"error": {"code": code, "message": "their words", "log_id": "2026L"}})
    answer.fault = tiktok.fault_of(answer)
    staged = tiktok.error(answer, Purpose.stage)
    assert type(staged) is stage
    assert (staged.code, staged.trace_id) == (ours, "2026L")
    check_words(staged)
    assert type(tiktok.error(answer, Purpose.submit)) is submit


def test_tiktok_rows_are_all_tested():
    assert set(tiktok.TABLE) <= {code for code, *_ in TIKTOK}


@pytest.mark.parametrize(
    ("reason", "error", "restage"),
    [
        ("internal", AGAIN, True),
        ("video_pull_failed", AGAIN, True),
        ("photo_pull_failed", AGAIN, True),
        ("file_format_check_failed", FIX, None),
        ("duration_check_failed", FIX, None),
        ("frame_rate_check_failed", FIX, None),
        ("picture_size_check_failed", FIX, None),
        ("spam_risk_text", FIX, None),
        ("spam_risk_too_many_posts", AGAIN, True),
        ("auth_removed", RECON, None),
        ("spam_risk", PERM, None),
        ("spam_risk_user_banned_from_posting", PERM, None),
        ("publish_cancelled", PERM, None),
        ("something_new", PERM, None),
    ],
)
def test_tiktok_fail_reasons(reason, error, restage):
    made = tiktok.failed(reason)
    assert type(made) is error
    assert getattr(made, "restage", None) == restage
    assert made.platform_code == reason
    check_words(made)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("access_denied", RECON),
        ("invalid_grant", RECON),
        ("invalid_request", RECON),
        ("invalid_client", PERM),
        ("unauthorized_client", PERM),
        ("invalid_scope", PERM),
        ("unsupported_grant_type", PERM),
        ("unsupported_response_type", PERM),
        ("server_error", LATER),
        ("temporarily_unavailable", LATER),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_tiktok_oauth(name, error, status):
    answer = Answer(status, {}, {"error": name, "error_description": "their words", "log_id": "L"})
    answer.fault = tiktok.oauth_fault_of(answer)
    made = tiktok.error(answer, Purpose.stage, tiktok.OAUTH)
    assert type(made) is error
    check_words(made)


def test_tiktok_quota_says_until_when():
    answer = Answer(200, {}, {"error": {"code": "spam_risk_too_many_posts"}})
    answer.fault = tiktok.fault_of(answer)
    made = tiktok.error(answer, Purpose.read)
    assert isinstance(made, QuotaUsedUp)
    assert made.until > datetime.now(UTC) + tiktok.DAILY_WAIT - timedelta(minutes=1)
