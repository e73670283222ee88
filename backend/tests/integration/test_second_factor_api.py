"""The second factor: on, asked for, used once, replaced by recovery codes, off."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pyotp
import pytest
from factories.answers import ok, problem
from factories.clock import SteerableClock
from factories.make import Factory

from app.composition import Container
from app.services.auth.second_factor import STEP_SECONDS, matching_step

MIA = {"email": "mia@example.com", "password": "a good long one"}
OWN = {"password": MIA["password"]}


class Phone:
    """An authenticator app whose clock is the API's."""

    def __init__(self, secret: str, clock: SteerableClock) -> None:
        self._totp = pyotp.TOTP(secret)
        self._clock = clock

    def code(self, *, steps: int = 0) -> str:
        return self._totp.at(int(self._clock().timestamp()) + steps * STEP_SECONDS)


class Mia:
    def __init__(self, client: httpx.AsyncClient, clock: SteerableClock, headers: dict[str, str]) -> None:
        self.client = client
        self.clock = clock
        self.headers = headers
        self.phone = Phone("A" * 32, clock)
        self.codes: list[str] = []

    async def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return await self.client.post(f"/auth/second-factor/{path}", json=body, headers=self.headers)

    async def switch_on(self) -> None:
        setup = ok(await self.post("setup", OWN))
        self.phone = Phone(setup["secret"], self.clock)
        self.codes = ok(await self.post("enable", {"code": self.phone.code()}))["recovery_codes"]
        self.clock.move(timedelta(seconds=STEP_SECONDS))

    async def challenge(self) -> str:
        response = await self.client.post("/auth/login", json=MIA)
        assert problem(response) == (401, "second_factor_required")
        return str(response.json()["challenge_token"])

    async def second_step(self, code: str, challenge: str | None = None) -> httpx.Response:
        body = {"challenge_token": challenge or await self.challenge(), "code": code}
        return await self.client.post("/auth/login/second-factor", json=body)


@pytest.fixture
async def mia(client: httpx.AsyncClient, api_clock: SteerableClock) -> Mia:
    pair = ok(await client.post("/auth/register", json=MIA), 201)
    return Mia(client, api_clock, {"Authorization": f"Bearer {pair['access_token']}"})


class TestSetup:
    async def test_shows_the_secret_once_and_counts_only_after_a_code(self, mia: Mia, factory: Factory) -> None:
        setup = ok(await mia.post("setup", OWN))
        assert setup["otpauth_uri"].startswith("otpauth://totp/PostPilot:mia%40example.com?secret=")
        assert setup["qr_svg"].startswith("<svg")
        ok(await mia.client.post("/auth/login", json=MIA))  # not asked for yet
        stored = await factory.scalar("SELECT totp_ciphertext FROM users")
        assert setup["secret"].encode() not in bytes(stored)
        mia.phone = Phone(setup["secret"], mia.clock)
        assert problem(await mia.post("enable", {"code": "000000"})) == (401, "wrong_code")
        codes = ok(await mia.post("enable", {"code": mia.phone.code()}))["recovery_codes"]
        assert len(set(codes)) == 10
        me = ok(await mia.client.get("/auth/me", headers=mia.headers))
        assert me["has_second_factor"] is True

    async def test_needs_the_password(self, mia: Mia, factory: Factory) -> None:
        assert problem(await mia.post("setup", {"password": "not this one"})) == (400, "wrong_password")
        assert await factory.scalar("SELECT totp_ciphertext FROM users") is None

    async def test_is_not_begun_anew_while_it_is_on(self, mia: Mia, factory: Factory) -> None:
        await mia.switch_on()
        before = await factory.scalar("SELECT totp_ciphertext FROM users")
        assert problem(await mia.post("setup", OWN)) == (400, "second_factor_state")
        assert await factory.scalar("SELECT totp_ciphertext FROM users") == before

    async def test_is_not_switched_on_without_a_secret(self, mia: Mia) -> None:
        assert problem(await mia.post("enable", {"code": "123456"})) == (400, "second_factor_state")


class TestSignIn:
    async def test_asks_for_a_code_and_takes_it(self, mia: Mia) -> None:
        await mia.switch_on()
        pair = ok(await mia.second_step(mia.phone.code()))
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        assert ok(await mia.client.get("/auth/me", headers=headers))["email"] == MIA["email"]

    async def test_a_wrong_password_does_not_tell_that_there_is_one(self, mia: Mia) -> None:
        await mia.switch_on()
        response = await mia.client.post("/auth/login", json={**MIA, "password": "a bad long one"})
        assert problem(response) == (401, "wrong_credentials")

    @pytest.mark.parametrize("steps", [-2, 2])
    async def test_refuses_a_code_of_another_time(self, mia: Mia, steps: int) -> None:
        await mia.switch_on()
        mia.clock.move(timedelta(minutes=5))
        assert problem(await mia.second_step(mia.phone.code(steps=steps))) == (401, "wrong_code")

    @pytest.mark.parametrize("steps", [-1, 1])
    async def test_forgives_a_clock_that_is_half_a_minute_off(self, mia: Mia, steps: int) -> None:
        await mia.switch_on()
        mia.clock.move(timedelta(minutes=5))
        ok(await mia.second_step(mia.phone.code(steps=steps)))

    async def test_takes_no_code_twice(self, mia: Mia) -> None:
        await mia.switch_on()
        code = mia.phone.code()
        ok(await mia.second_step(code))
        assert problem(await mia.second_step(code)) == (401, "wrong_code")
        assert problem(await mia.second_step(mia.phone.code(steps=-1))) == (401, "wrong_code")

    async def test_takes_a_recovery_code_once_however_it_is_written(self, mia: Mia) -> None:
        await mia.switch_on()
        code = mia.codes[3]
        ok(await mia.second_step(code.upper().replace("-", " ")))
        assert problem(await mia.second_step(code)) == (401, "wrong_code")
        left = ok(await mia.client.get("/auth/second-factor", headers=mia.headers))
        assert left == {"is_enabled": True, "recovery_codes_left": 9}

    async def test_a_challenge_ends_and_is_no_access_token(self, mia: Mia) -> None:
        await mia.switch_on()
        challenge = await mia.challenge()
        response = await mia.client.get("/auth/me", headers={"Authorization": f"Bearer {challenge}"})
        assert problem(response) == (401, "invalid_token")
        mia.clock.move(timedelta(minutes=5, seconds=1))
        # the token's end is compared with the true time, so one is made that has ended
        mia.clock.move(-timedelta(hours=1))
        ended = await mia.challenge()
        mia.clock.move(timedelta(hours=1))
        assert problem(await mia.second_step(mia.phone.code(), ended)) == (401, "invalid_token")

    async def test_five_wrong_codes_are_enough_for_a_quarter_of_an_hour(self, mia: Mia) -> None:
        await mia.switch_on()
        challenge = await mia.challenge()
        answers = [await mia.second_step(f"00000{n}", challenge) for n in range(5)]
        assert [problem(answer) for answer in answers] == [(401, "wrong_code")] * 5
        late = await mia.second_step(mia.phone.code(), challenge)
        assert problem(late) == (429, "too_many_tries")
        assert 1 <= int(late.headers["Retry-After"]) <= 900

    async def test_ten_at_once_with_one_code_sign_in_once(
        self, real_client: httpx.AsyncClient, committed: Container, api_clock: SteerableClock
    ) -> None:
        pair = ok(await real_client.post("/auth/register", json=MIA), 201)
        mia = Mia(real_client, api_clock, {"Authorization": f"Bearer {pair['access_token']}"})
        await mia.switch_on()
        code, challenge = mia.phone.code(), await mia.challenge()
        answers = await asyncio.gather(*(mia.second_step(code, challenge) for _ in range(5)))
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]


class TestSwitchOff:
    async def test_needs_password_and_code(self, mia: Mia, factory: Factory) -> None:
        await mia.switch_on()
        right = {**OWN, "code": mia.phone.code()}
        assert problem(await mia.post("disable", {**right, "password": "not this one"})) == (400, "wrong_password")
        assert problem(await mia.post("disable", {**right, "code": ""})) == (401, "wrong_code")
        assert await factory.scalar("SELECT totp_enabled_at FROM users") is not None
        ok(await mia.post("disable", right))
        ok(await mia.client.post("/auth/login", json=MIA))
        assert await factory.count("recovery_codes") == 0

    async def test_new_recovery_codes_replace_the_old_ones(self, mia: Mia) -> None:
        await mia.switch_on()
        fresh = ok(await mia.post("recovery-codes", {**OWN, "code": mia.phone.code()}))["recovery_codes"]
        assert set(fresh).isdisjoint(mia.codes)
        assert problem(await mia.second_step(mia.codes[0])) == (401, "wrong_code")
        ok(await mia.second_step(fresh[0]))


class TestMatchingStep:
    async def test_takes_only_steps_after_the_last_one_used(self, api_clock: SteerableClock) -> None:
        secret = pyotp.random_base32()
        now = api_clock()
        step = int(now.timestamp()) // STEP_SECONDS
        code = pyotp.TOTP(secret).at(int(now.timestamp()))
        assert matching_step(secret, code, now, after=None) == step
        assert matching_step(secret, f" {code[:3]} {code[3:]} ", now, after=step - 1) == step
        assert matching_step(secret, code, now, after=step) is None
