"""What Instagram and Facebook share: reading refusals, usage headers, proofs and pages."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from app.platforms import meta
from app.platforms.base import FixContent, OutcomeUnknown, Permanent, Progress, RetryLater
from app.platforms.http import Answer, Purpose
from app.platforms.instagram.errors import DECIDER
from app.platforms.waiting import StageAgain, stage_again


def answer(status: int, data: object, headers: dict[str, str] | None = None) -> Answer:
    made = Answer(status, headers or {}, data)
    made.fault = meta.fault_of(made)
    return made


class TestFault:
    def test_envelope(self):
        error = {"message": "m", "code": 36000, "error_subcode": 2207004, "is_transient": True, "fbtrace_id": "A6"}
        fault = answer(400, {"error": error}).fault
        assert (fault.code, fault.number, fault.sub, fault.transient) == ("36000/2207004", 36000, 2207004, True)
        assert fault.trace_id == "A6"

    def test_success(self):
        assert answer(200, {"id": "1"}).fault is None

    def test_flat_oauth_error(self):
        flat = {"error_type": "OAuthException", "code": 400, "error_message": "used"}
        assert answer(400, flat).fault.code == "OAuthException"

    def test_upload_error(self):
        data = {"debug_info": {"retriable": False, "type": "ProcessingFailedError", "message": "m"}}
        assert answer(400, data).fault.code == "ProcessingFailedError"

    @pytest.mark.parametrize(("status", "data"), [(200, None), (200, [1]), (502, None), (404, {"x": 1})])
    def test_something_in_between(self, status, data):
        fault = answer(status, data).fault
        assert (fault.code, fault.parsed) == (f"http_{status}", False)


class TestUnknownRefusals:
    @pytest.mark.parametrize(
        ("status", "data", "purpose", "error"),
        [
            (400, {"error": {"code": 987654, "message": "?"}}, Purpose.submit, Permanent),
            (400, {"error": {"code": 987654, "message": "?"}}, Purpose.stage, Permanent),
            (400, {"error": {"code": 987654, "is_transient": True}}, Purpose.submit, OutcomeUnknown),
            (400, {"error": {"code": 987654, "is_transient": True}}, Purpose.stage, RetryLater),
            (503, {"error": {"code": 987654}}, Purpose.submit, OutcomeUnknown),
            (503, None, Purpose.submit, OutcomeUnknown),
            (503, None, Purpose.stage, RetryLater),
            (403, None, Purpose.submit, OutcomeUnknown),
            (403, None, Purpose.read, Permanent),
            (429, None, Purpose.read, RetryLater),
            (200, None, Purpose.submit, OutcomeUnknown),
            (200, None, Purpose.read, RetryLater),
            (302, None, Purpose.submit, OutcomeUnknown),
        ],
    )
    def test_class(self, status, data, purpose, error):
        made = DECIDER.error(answer(status, data), purpose)
        assert type(made) is error

    def test_the_code_is_kept_and_the_text_is_ours(self):
        made = DECIDER.error(answer(400, {"error": {"code": 987654, "message": "their words"}}), Purpose.stage)
        assert made.platform_code == "987654"
        assert "their words" not in made.sentence


def usage(**values: int) -> str:
    entry = {"call_count": 1, "total_time": 1, "total_cputime": 1, **values}
    return json.dumps({"11": [{"type": "pages", **entry}], "22": [{"type": "x", "call_count": 2}]})


class TestUsage:
    @pytest.mark.parametrize(
        ("headers", "wait"),
        [
            ({}, None),
            ({"x-business-use-case-usage": usage(call_count=94)}, None),
            ({"x-business-use-case-usage": usage(call_count=95)}, meta.THROTTLE_WAIT),
            (
                {"x-business-use-case-usage": usage(total_time=97, estimated_time_to_regain_access=19)},
                timedelta(minutes=19),
            ),
            ({"x-app-usage": '{"call_count":96,"total_time":1,"total_cputime":1}'}, meta.THROTTLE_WAIT),
            ({"x-app-usage": "nonsense"}, None),
            ({"x-app-usage": "[]"}, None),
        ],
    )
    def test_wait(self, headers, wait):
        assert meta.usage_wait(headers) == wait

    def test_throttle_error_waits_as_long_as_the_header_says(self):
        headers = {"x-business-use-case-usage": usage(call_count=100, estimated_time_to_regain_access=7)}
        made = DECIDER.error(answer(400, {"error": {"code": 80002}}, headers), Purpose.submit)
        assert isinstance(made, RetryLater)
        assert made.after == timedelta(minutes=7)


def test_secret_proof():
    expected = hmac.new(b"secret", b"token", hashlib.sha256).hexdigest()
    assert meta.secret_proof("secret", "token") == expected


def test_next_page_takes_the_cursor_only():
    foreign = "https://evil.example/v25.0/me/accounts?access_token=x&after=MTI2"
    assert meta.next_page({"paging": {"next": foreign}}) == "after=MTI2"
    assert meta.next_page({"paging": {"next": foreign, "cursors": {"after": "a b"}}}) == "after=a+b"
    assert meta.next_page({"paging": {"cursors": {"after": "x"}}}) is None
    assert meta.next_page({}) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T09:00:03+0000", datetime(2026, 11, 23, 9, 0, 3, tzinfo=UTC)),
        (1763888403, datetime(2025, 11, 23, 9, 0, 3, tzinfo=UTC)),
        ("never", None),
        (None, None),
    ],
)
def test_graph_time(text, moment):
    assert meta.graph_time(text) == moment


def test_staging_anew_is_counted_and_ends():
    made = DECIDER.error(answer(400, {"error": {"code": 9004, "error_subcode": 2207052}}), Purpose.stage)
    assert isinstance(made, StageAgain)
    progress = Progress(data={"container": "1"})
    waits = []
    for _ in range(3):
        progress = Progress.from_json(stage_again(progress, made).to_json())
        waits.append(progress.look_after)
        assert "container" not in progress.data
    assert waits == [30, 60, 90]
    with pytest.raises(FixContent):
        stage_again(progress, made)
