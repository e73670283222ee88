"""Encryption of secrets at rest: AES-256-GCM with a key ring, so that keys can be rotated."""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class KeyRingError(ValueError):
    """The key ring cannot be read, or holds no key that fits."""


@dataclass(frozen=True)
class KeyRing:
    """Keys by version. New secrets use `current`; old ones open with the version they name."""

    current: str
    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Read `v2:<base64 of 32 bytes>,v1:<…>`: the first key encrypts, all of them decrypt."""
        keys: dict[str, bytes] = {}
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            version, _, encoded = part.partition(":")
            try:
                key = base64.urlsafe_b64decode(encoded)
            except (binascii.Error, ValueError) as error:
                raise KeyRingError(f"TOKEN_ENCRYPTION_KEYS: key '{version}' is not base64") from error
            if len(key) != 32:
                raise KeyRingError(f"TOKEN_ENCRYPTION_KEYS: key '{version}' has {len(key)} bytes, 32 are needed")
            keys[version] = key
        if not keys:
            raise KeyRingError("TOKEN_ENCRYPTION_KEYS is empty; `make install` generates it in DATA_DIR/secrets.env")
        return cls(current=next(iter(keys)), keys=keys)

    def encrypt(self, plain: bytes, *, context: str) -> tuple[bytes, str]:
        """Return the ciphertext and the key version; it opens only under the same `context`."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self.keys[self.current]).encrypt(nonce, plain, context.encode()), self.current

    def decrypt(self, cipher: bytes, *, version: str, context: str) -> bytes:
        """Open a ciphertext. Raises `KeyRingError` for an unknown version, another context or a changed text."""
        key = self.keys.get(version)
        if key is None:
            raise KeyRingError(f"No key of version '{version}' in TOKEN_ENCRYPTION_KEYS")
        try:
            return AESGCM(key).decrypt(cipher[:_NONCE_BYTES], cipher[_NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: too short to hold anything
            raise KeyRingError("The secret does not open with this key and context") from error
