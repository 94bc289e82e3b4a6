"""Binary JSON is printed as the server prints it, and changes of parts of it are made."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.errors import ProtocolError
from dbmux.wire.binlog import jsondiff
from dbmux.wire.binlog.jsonb import double, text_of
from dbmux.wire.buffer import lenenc_bytes
from tests.wire.binlog.encoding import decimal

SMALL_LIMIT = 60_000
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def ordered(value: Any) -> Any:
    """Keys as servers keep them: by length, then by bytes."""
    match value:
        case dict():
            keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
            return {key: ordered(value[key]) for key in keys}
        case list():
            return [ordered(inner) for inner in value]
        case _:
            return value


def encoded(value: Any) -> bytes:
    """A value with its type before it."""
    type_, data = _encoded(value)
    return bytes((type_,)) + data


def _encoded(value: Any) -> tuple[int, bytes]:
    match value:
        case None | bool():
            return 4, bytes(((None, True, False).index(value),))
        case int():
            for type_, form in ((5, "<h"), (6, "<H"), (7, "<i"), (8, "<I"), (9, "<q"), (10, "<Q")):
                with suppress(struct.error):
                    return type_, struct.pack(form, value)
            raise AssertionError(value)
        case float():
            return 11, struct.pack("<d", value)
        case str():
            return 12, _length(len(value.encode())) + value.encode()
        case bytes():
            return 15, value
        case _:
            return _container(value, 2) or _container(value, 4) or pytest.fail("too large")


def _length(length: int) -> bytes:
    more = length >> 7
    return bytes((length & 0x7F | 0x80,)) + _length(more) if more else bytes((length,))


def _container(value: dict[str, Any] | list[Any], width: int) -> tuple[int, bytes] | None:
    is_object = isinstance(value, dict)
    keys = [key.encode() for key in value] if isinstance(value, dict) else []
    values = [_encoded(inner) for inner in (value.values() if isinstance(value, dict) else value)]
    at = 2 * width + len(keys) * (width + 2) + len(values) * (1 + width)
    if width == 2 and at + sum(map(len, keys)) + sum(len(data) for _, data in values) > SMALL_LIMIT:
        return None
    head, tail = b"", b""
    for key in keys:
        head += (at + len(tail)).to_bytes(width, "little") + struct.pack("<H", len(key))
        tail += key
    for type_, data in values:
        if type_ in (4, 5, 6) or (width == 4 and type_ in (7, 8)):
            head += bytes((type_,)) + data.ljust(width, b"\0")
        else:
            head += bytes((type_,)) + (at + len(tail)).to_bytes(width, "little")
            tail += data
    counts = len(values).to_bytes(width, "little") + (at + len(tail)).to_bytes(width, "little")
    return (0 if is_object else 2) + (width == 4), counts + head + tail


def printed(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": ")).encode()


@given(documents)
def test_documents_are_printed_with_their_keys_in_the_servers_order(value: Any) -> None:
    value = ordered(value)

    assert text_of(encoded(value)) == printed(value)


def test_large_documents_have_another_form() -> None:
    value = {"a": ["z" * 70_000, 1, -1, 70_000, True], "bb": {"c": "y" * 70_000, "dd": None}}

    assert text_of(encoded(value)) == printed(value)


# As printed by MySQL 9.
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e15, "1e15"), (1e14, "100000000000000.0"), (1.0, "1.0"), (0.1, "0.1"), (1e-14, "0.00000000000001"),
        (1e-15, "0.000000000000001"), (1e-16, "1e-16"), (1.5e300, "1.5e300"), (5e-324, "5e-324"),
        (123456789012345678e0, "1.2345678901234568e17"), (-0.0, "-0.0"), (999999999999999e0, "999999999999999.0"),
        (1234567890123456e0, "1.234567890123456e15"), (0.001234, "0.001234"), (100e0, "100.0"), (-2.5, "-2.5"),
        (1251505099984239.5, "1251505099984239.5"),
        (1.7976931348623157e308, "1.7976931348623157e308"), (12345.678e-20, "1.2345678e-16"), (0.0, "0.0"),
    ],
)  # fmt: skip
def test_doubles_have_the_servers_digits(value: float, text: str) -> None:
    assert double(value) == text.encode()
    assert text_of(encoded([value])) == f"[{text}]".encode()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_are_exact(value: float) -> None:
    assert repr(float(double(value))) == repr(value)


@pytest.mark.parametrize(("text", "digits"), [("1.50", 5), ("-1.500", 5), ("0", 1), ("12345678901234567890.5", 30)])
def test_decimals_keep_their_digits(text: str, digits: int) -> None:
    decimals = len(text.partition(".")[2])
    data = bytes((digits, decimals)) + decimal(Decimal(text), digits, decimals)

    assert text_of(b"\x0f\xf6" + _length(len(data)) + data) == text.encode()


@pytest.mark.parametrize(
    ("type_", "bits", "text"),
    [
        (12, f"1{2024 * 13 + 2:017b}{29:05b}{1:05b}{2:06b}{3:06b}{500_000:024b}", "2024-02-29 01:02:03.500000"),
        (10, f"1{2024 * 13 + 2:017b}{29:05b}{0:017b}{0:024b}", "2024-02-29"),
        (11, f"{838:012b}{59:06b}{58:06b}{1:024b}", "838:59:58.000001"),
    ],
)
def test_dates_and_times_are_strings(type_: int, bits: str, text: str) -> None:
    # The highest bit of a stored date is that of its sign.
    packed = int(bits[1:] if type_ != 11 else bits, 2)

    assert text_of(b"\x0f" + bytes((type_, 8)) + struct.pack("<q", packed)) == f'"{text}"'.encode()
    if type_ == 11:
        assert text_of(b"\x0f" + bytes((type_, 8)) + struct.pack("<q", -packed)) == f'"-{text}"'.encode()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xff\x00", '"base64:type15:/wA="'),
        (b"", '"base64:type15:"'),
        (b"x" * 58, '"base64:type15:' + "eHh4" * 19 + '\\neA=="'),
    ],
)
def test_what_json_has_no_type_for_is_base64(data: bytes, text: str) -> None:
    assert text_of(b"\x0f\x0f" + _length(len(data)) + data) == text.encode()


def test_nothing_at_all_is_null() -> None:
    assert text_of(b"") == b"null"


def test_characters_are_escaped_as_the_server_does() -> None:
    text = '"\\/\b\f\n\r\t\0\x1f\x7fé😀'

    assert text_of(encoded(text)) == '"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7fé😀"'.encode()


@given(documents, st.data())
def test_changed_bytes_are_refused_or_mean_something_else(value: Any, data: st.DataObject) -> None:
    whole = bytearray(encoded(ordered([value, value])))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))

    with suppress(ProtocolError):
        text_of(bytes(whole))
    for length in range(len(whole)):
        with suppress(ProtocolError):
            text_of(bytes(whole[:length]))


def test_parts_that_are_used_again_and_again_are_refused() -> None:
    # Each array has itself twice.
    array = b"\2\0\x0a\0" + b"\2\0\0" * 2

    with pytest.raises(ProtocolError):
        text_of(b"\2" + array)


def test_nesting_is_bounded() -> None:
    value: list[Any] = []
    for _ in range(99):
        value = [value]
    assert text_of(encoded(value)) == b"[" * 100 + b"]" * 100

    with pytest.raises(ProtocolError, match="deep"):
        text_of(encoded([value]))


def diff(operation: int, path: str, value: Any = None) -> bytes:
    change = bytes((operation,)) + lenenc_bytes(path.encode())
    return change if operation == REMOVE else change + lenenc_bytes(encoded(value))


REPLACE, INSERT, REMOVE = 0, 1, 2
BEFORE = {"x": 1, "arr": [1, 2, 3], "obj": {"k": "v"}}


@pytest.mark.parametrize(
    ("diffs", "after"),
    [
        (diff(REPLACE, "$.x", [2]), {**BEFORE, "x": [2]}),
        (diff(INSERT, "$.y", 2), {"x": 1, "y": 2, "arr": [1, 2, 3], "obj": {"k": "v"}}),
        (diff(INSERT, '$."a b\\"é"', 2), {**BEFORE, 'a b"é': 2}),
        (diff(REMOVE, "$.obj.k"), {**BEFORE, "obj": {}}),
        (diff(REPLACE, "$.arr[1]", "z"), {**BEFORE, "arr": [1, "z", 3]}),
        (diff(INSERT, "$.arr[3]", 4), {**BEFORE, "arr": [1, 2, 3, 4]}),
        (diff(INSERT, "$.arr[0]", 0), {**BEFORE, "arr": [0, 1, 2, 3]}),
        (diff(REMOVE, "$.arr[0]") + diff(REMOVE, "$.arr[0]"), {**BEFORE, "arr": [3]}),
        (b"", BEFORE),
    ],
)
def test_changes_of_parts_are_made(diffs: bytes, after: Any) -> None:
    assert jsondiff.apply(encoded(BEFORE), diffs) == printed(after)


@pytest.mark.parametrize(
    "diffs",
    [
        diff(REPLACE, "$.y", 1), diff(INSERT, "$.x", 1), diff(REMOVE, "$.y"), diff(REPLACE, "$.arr[3]", 1),
        diff(INSERT, "$.arr[4]", 1), diff(REPLACE, "$.x.y", 1), diff(REPLACE, "$.x[0]", 1), diff(REPLACE, "$", 1),
        diff(REPLACE, "$.", 1), diff(REPLACE, '$."\\q"', 1), diff(3, "$.x", 1), diff(REPLACE, "$.arr.x", 1),
        diff(REPLACE, "$.x", 1)[:-1],
    ],
)  # fmt: skip
def test_changes_that_do_not_fit_are_refused(diffs: bytes) -> None:
    with pytest.raises(ProtocolError):
        jsondiff.apply(encoded(BEFORE), diffs)
