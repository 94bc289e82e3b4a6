"""JSON is compared by what it means."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.sync.verify.documents import Meaning, is_same

canonical = Meaning().of

SAME = {
    "order of keys": (b'{"a":1,"b":2}', b'{"b": 2, "a": 1}'),
    "white space": (b"[1,2]", b" [ 1 ,\n2 ] "),
    "escapes": (b'"\\u00e9\\/"', '"é/"'.encode()),
    "whole fraction": (b"1", b"1.0"),
    "exponent": (b"1e2", b"100"),
    "zeros": (b"2.50", b"2.5"),
    "digits beyond a double": (b"0.12345678901234567890", b"0.12345678901234568"),
    "large": (b"18446744073709551615", b"18446744073709551615"),
    "larger than any integer": (b"18446744073709551616", b"1.8446744073709552e19"),
}
OTHER = {
    "order of an array": (b"[1,2]", b"[2,1]"),
    "a number and its text": (b"1", b'"1"'),
    "true and 1": (b"true", b"1"),
    "null and nothing": (b'{"a":null}', b"{}"),
    "letter case": (b'"a"', b'"A"'),
    "last digit": (b"9223372036854775807", b"9223372036854775806"),
    "an integer that no double is": (b"9007199254740993", b"9007199254740992"),
    "integers with one nearest double": (b'{"id":1234567890123456789}', b'{"id":1234567890123456800}'),
    "an integer and its nearest double": (b"1234567890123456789", b"1.2345678901234568e18"),
    "last bit": (b"1.5", b"1.5000000000000002"),
    "last digit of a decimal": (b"0.12345678901234567891", b"0.12345678901234567892"),
    "no JSON": (b"{", b"{ "),
    "empty array and object": (b"[]", b"{}"),
    "too large for a double": (b"1e400", b"1e401"),
}


@pytest.mark.parametrize("name", SAME)
def test_other_text_of_the_same_json_is_the_same(name: str) -> None:
    first, second = SAME[name]

    assert is_same(first, second)
    assert is_same(second, first)
    assert canonical(first) == canonical(second) or None in (canonical(first), canonical(second))


@pytest.mark.parametrize("name", OTHER)
def test_other_json_is_another(name: str) -> None:
    first, second = OTHER[name]

    assert not is_same(first, second)
    assert not is_same(second, first)
    assert canonical(first) != canonical(second) or canonical(first) is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip


@given(value=VALUES, spaced=st.booleans(), escaped=st.booleans())
def test_any_value_is_itself_however_it_is_written(value: Any, spaced: bool, escaped: bool) -> None:
    plain = json.dumps(value, ensure_ascii=False, sort_keys=True)
    written = json.dumps(value, ensure_ascii=escaped, indent=1 if spaced else None)

    assert is_same(plain.encode(), written.encode())
    assert canonical(plain.encode()) == canonical(written.encode())


@given(first=VALUES, second=VALUES)
def test_two_values_have_one_form_only_when_they_are_the_same(first: Any, second: Any) -> None:
    one, other = (json.dumps(value).encode() for value in (first, second))

    told = canonical(one), canonical(other)

    assert None in told or (told[0] == told[1]) == is_same(one, other)
