"""Passwords are proved, and told from their hashes, as servers do it."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.wire import auth

SCRAMBLE = b"abcdefghijklmnopqrst"
# What MySQL 9.7 keeps of the password "right", and what every version with native passwords does.
SHA2_HASH = "$A$00A$t?p\x19\x07t#F/\x17i&=c&[\x1f1]/f71e9WQ53qrhWNN9yuUkwRyfoVJEnRQMnnw9sOErfh4"
NATIVE_HASH = "*" + hashlib.sha1(hashlib.sha1(b"right").digest()).hexdigest().upper()


def test_sha256_crypt_is_that_of_the_c_library() -> None:
    made = auth.sha256_crypt(b"Hello world!", b"saltstring", 5000)

    assert made == b"5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"


@pytest.mark.parametrize("stored", [NATIVE_HASH, NATIVE_HASH.lower(), SHA2_HASH], ids=["native", "lower", "sha2"])
@pytest.mark.parametrize(
    ("password", "is_it"), [(b"right", True), (b"wrong", False), (b"", False), (b"r" * 257, False)]
)
def test_a_hash_is_that_of_one_password(stored: str, password: bytes, is_it: bool) -> None:
    assert auth.is_hash_of(stored, password) is is_it


@pytest.mark.parametrize("text", ["", "right", "*", NATIVE_HASH[:-1], NATIVE_HASH + "0", SHA2_HASH[:-1], "$A$zzz$"])
def test_what_is_no_hash_is_that_of_no_password(text: str) -> None:
    assert not auth.is_native_hash(text)
    assert not auth.is_hash_of(text, b"right")


@given(st.binary(min_size=1, max_size=60), st.binary(min_size=20, max_size=20), st.binary(min_size=20, max_size=20))
def test_an_answer_reveals_to_the_owner_of_the_hash_what_answers_every_other_scramble(
    password: bytes, scramble: bytes, other: bytes
) -> None:
    stored = "*" + hashlib.sha1(hashlib.sha1(password).digest()).hexdigest()

    key = auth.native_key(stored, scramble, auth.native_answer(password, scramble))

    assert key is not None
    assert auth.native_answer(key, other) == auth.native_answer(password, other)
    assert auth.certificate_proof(key, other, b"print") == auth.certificate_proof(password, other, b"print")


@pytest.mark.parametrize("answer", [b"", b"x", b"x" * 20, b"x" * 21, auth.native_answer(b"wrong", SCRAMBLE)])
def test_a_wrong_answer_reveals_nothing(answer: bytes) -> None:
    assert auth.native_key(NATIVE_HASH, SCRAMBLE, answer) is None


def test_what_a_native_answer_reveals_answers_no_other_plugin_and_is_never_shown() -> None:
    key = auth.NativeKey(hashlib.sha1(b"right").digest())

    assert auth.answer_to(auth.CACHING_SHA2, key, SCRAMBLE) is None
    assert repr(key) == "NativeKey()"
