"""Secrets at rest."""

from __future__ import annotations

import base64

import pytest
from factories.keys import KEY_1, KEY_2
from hypothesis import given
from hypothesis import strategies as st

from app.kit.crypto import KeyRing, KeyRingError

RING = KeyRing.parse(KEY_1)


class TestEncrypt:
    @given(plain=st.binary(max_size=500), context=st.text(max_size=40))
    def test_opens_again_under_the_same_context(self, plain: bytes, context: str) -> None:
        cipher, version = RING.encrypt(plain, context=context)
        assert RING.decrypt(cipher, version=version, context=context) == plain

    @given(plain=st.binary(min_size=8, max_size=100), context=st.text(max_size=10), other=st.text(max_size=10))
    def test_does_not_open_under_another_context(self, plain: bytes, context: str, other: str) -> None:
        cipher, version = RING.encrypt(plain, context=context)
        assert plain not in cipher
        if other != context:
            with pytest.raises(KeyRingError):
                RING.decrypt(cipher, version=version, context=other)

    @given(plain=st.binary(max_size=50), place=st.integers(0, 10**6), bit=st.integers(0, 7))
    def test_does_not_open_when_one_bit_was_changed(self, plain: bytes, place: int, bit: int) -> None:
        cipher, version = RING.encrypt(plain, context="a")
        changed = bytearray(cipher)
        changed[place % len(changed)] ^= 1 << bit
        with pytest.raises(KeyRingError):
            RING.decrypt(bytes(changed), version=version, context="a")

    @given(length=st.integers(0, 27))
    def test_does_not_open_when_it_was_cut(self, length: int) -> None:
        cipher, version = RING.encrypt(b"", context="a")
        with pytest.raises(KeyRingError):
            RING.decrypt(cipher[:length], version=version, context="a")

    def test_is_different_every_time(self) -> None:
        assert len({RING.encrypt(b"same", context="a")[0] for _ in range(100)}) == 100


class TestKeyRing:
    def test_encrypts_with_its_first_key_and_opens_with_all(self) -> None:
        both = KeyRing.parse(f" {KEY_2} , {KEY_1} ,")
        old, old_version = RING.encrypt(b"secret", context="a")
        new, new_version = both.encrypt(b"secret", context="a")
        assert (old_version, new_version, both.current) == ("v1", "v2", "v2")
        assert both.decrypt(old, version="v1", context="a") == both.decrypt(new, version="v2", context="a") == b"secret"
        with pytest.raises(KeyRingError, match="v2"):
            RING.decrypt(new, version="v2", context="a")
        with pytest.raises(KeyRingError):
            both.decrypt(old, version="v2", context="a")

    @pytest.mark.parametrize(
        "text",
        ["", " , ", "v1", "v1:", "v1:abc", "v1:" + base64.urlsafe_b64encode(b"1" * 31).decode(), f"v0:short,{KEY_1}"],
    )
    def test_refuses_what_is_no_key(self, text: str) -> None:
        with pytest.raises(KeyRingError):
            KeyRing.parse(text)

    def test_does_not_show_its_keys(self) -> None:
        key = KEY_1.partition(":")[2]
        with pytest.raises(KeyRingError) as refusal:
            KeyRing.parse(f"v9:{key[:20]}")
        assert key[:20] not in str(refusal.value)
        assert repr(b"1" * 32) not in repr(RING)
