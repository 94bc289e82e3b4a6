"""The protocol's integers and strings: what is written is read, and what is not there is never waited for."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.errors import ErrorCode, ProtocolError
from dbmux.wire.buffer import Reader, lenenc, lenenc_bytes


@given(st.integers(0, (1 << 64) - 1))
def test_a_length_is_read_as_it_was_written(value: int) -> None:
    reader = Reader(lenenc(value))

    assert reader.lenenc() == value
    assert reader.remaining == 0


@pytest.mark.parametrize(
    "value, written",
    [(0, 1), (250, 1), (251, 3), (0xFFFF, 3), (0x10000, 4), (0xFFFFFF, 4), (0x1000000, 9)],
)
def test_a_length_takes_the_fewest_bytes(value: int, written: int) -> None:
    assert len(lenenc(value)) == written


@given(st.binary(max_size=400))
def test_a_string_is_read_as_it_was_written(value: bytes) -> None:
    assert Reader(lenenc_bytes(value)).lenenc_bytes() == value


def test_a_length_of_one_gigabyte_allocates_nothing() -> None:
    reader = Reader(b"\xfe" + (1 << 30).to_bytes(8, "little") + b"short")
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            reader.lenenc_bytes()
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("start", [b"\xfb", b"\xff"], ids=["NULL", "ERR"])
def test_null_and_err_are_no_lengths(start: bytes) -> None:
    with pytest.raises(ProtocolError, match="does not start a length"):
        Reader(start + bytes(9)).lenenc()


def test_a_string_without_an_end_is_an_error_with_the_readers_blame() -> None:
    with pytest.raises(ProtocolError, match="no end") as caught:
        Reader(b"abc", ErrorCode.HANDSHAKE).until_nul()

    assert caught.value.code is ErrorCode.HANDSHAKE


@given(st.binary(max_size=20), st.integers(0, 40))
def test_nothing_is_read_past_the_end(data: bytes, length: int) -> None:
    reader = Reader(data)
    if length <= len(data):
        assert reader.take(length) == data[:length]
    else:
        with pytest.raises(ProtocolError):
            reader.take(length)
        assert reader.position == 0
