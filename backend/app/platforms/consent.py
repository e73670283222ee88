"""Does on the sandbox's consent page what a person would do in a browser."""

from __future__ import annotations

import httpx

from app.platforms.base import RetryLater


class HttpSandboxConsent:
    """Approves through the sandbox's control address. Not part of any platform's protocol."""

    def __init__(self, sandbox_base: str) -> None:
        self._url = f"{sandbox_base}/_sandbox/consent"

    async def approve(self, authorization_url: str, *, account_name: str, account_id_external: str | None) -> str:
        body = {"authorization_url": authorization_url, "account_name": account_name}
        if account_id_external is not None:
            body["account_id_external"] = account_id_external
        try:
            async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
                answer = await client.post(self._url, json=body)
        except httpx.HTTPError as error:
            raise RetryLater("The platform sandbox does not answer. Start it with `make start`.") from error
        if answer.status_code != httpx.codes.OK:
            raise RetryLater(f"The platform sandbox refused the connection ({answer.status_code}).")
        return str(answer.json()["redirect_url"])
