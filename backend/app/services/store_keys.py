"""The keys of shops: encrypted with their connection's id as context, opened only to speak with the shop."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.kit.crypto import KeyRing
from app.stores.base import StoreAccess


class StoreKeys:
    def __init__(self, keyring: KeyRing) -> None:
        self._keyring = keyring

    def seal(self, connection_id: UUID, api_key: str, api_secret: str) -> dict[str, Any]:
        """Return the columns that hold the keys; both are null where there is none."""
        if not api_key and not api_secret:
            return {"ciphertext": None, "key_version": None}
        plain = json.dumps({"api_key": api_key, "api_secret": api_secret}).encode()
        ciphertext, version = self._keyring.encrypt(plain, context=f"store:{connection_id}")
        return {"ciphertext": ciphertext, "key_version": version}

    def open(self, connection_id: UUID, ciphertext: bytes | None, key_version: str | None) -> tuple[str, str]:
        """Return key and secret, empty where there is none. Raises `KeyRingError`."""
        if ciphertext is None or key_version is None:
            return "", ""
        plain = self._keyring.decrypt(ciphertext, version=key_version, context=f"store:{connection_id}")
        value = json.loads(plain)
        return value["api_key"], value["api_secret"]

    def access(self, row: Any, options: Mapping[str, Any] | None = None) -> StoreAccess:
        """Return what opens the shop of a connection's row. Raises `KeyRingError`."""
        key, secret = self.open(row.id, row.ciphertext, row.key_version)
        return StoreAccess(row.store_url, key, secret, {**row.options, **(options or {})})
