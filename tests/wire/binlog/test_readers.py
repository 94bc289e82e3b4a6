"""Values are read as they were written, exactly, and nothing is read where they are cut off."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.errors import ProtocolError
from dbmux.wire.binlog import readers as r
from tests.wire.binlog import encoding as e

digits = st.integers(1, 65)
clocks = st.tuples(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999_999))
spans = st.tuples(st.integers(0, 838), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999_999))
fractions = st.integers(0, 6)


def read(reader: r.Reader, data: bytes) -> object:
    """The value of which these are all the bytes; with fewer there is none."""
    for length in range(len(data)):
        with pytest.raises(ProtocolError):
            reader.read(r.Cursor(data, 0, length))
    cursor = r.Cursor(b"before" + data + b"behind", 6, 6 + len(data))
    value = reader.read(cursor)
    assert cursor.at == cursor.end
    return value


def shown(clock: tuple[int, int, int, int], decimals: int) -> str:
    hours, minutes, seconds, microseconds = clock
    fraction = f".{microseconds:06d}"[: decimals + 1] if decimals else ""
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"


@pytest.mark.parametrize("width", [1, 2, 3, 4, 8])
@given(data=st.data())
def test_integers(width: int, data: st.DataObject) -> None:
    half = 1 << (8 * width - 1)
    signed = data.draw(st.integers(-half, half - 1))
    unsigned = data.draw(st.integers(0, 2 * half - 1))

    assert read(r.Signed(width), signed.to_bytes(width, "little", signed=True)) == signed
    assert read(r.Unsigned(width), unsigned.to_bytes(width, "little")) == unsigned
    assert read(r.Bits(width), unsigned.to_bytes(width, "big")) == unsigned


@pytest.mark.parametrize("width", [1, 2, 3, 4, 8])
def test_the_outermost_integers(width: int) -> None:
    half = 1 << (8 * width - 1)

    for value in (-half, -1, 0, half - 1):
        assert read(r.Signed(width), value.to_bytes(width, "little", signed=True)) == value
    assert read(r.Unsigned(width), b"\xff" * width) == 2 * half - 1


@given(st.floats(allow_nan=False), st.floats(width=32, allow_nan=False))
def test_floats_to_the_bit(double: float, single: float) -> None:
    assert repr(read(r.Double(), struct.pack("<d", double))) == repr(double)
    assert repr(read(r.Float(), struct.pack("<f", single))) == repr(single)


@given(st.data())
def test_decimals_with_all_their_digits(data: st.DataObject) -> None:
    size = data.draw(digits)
    decimals = data.draw(st.integers(0, min(size, 38)))
    number = data.draw(st.integers(-(10**size) + 1, 10**size - 1))
    sign, figures = "-" * (number < 0), str(abs(number)).rjust(decimals + 1, "0")
    whole, rest = figures[: len(figures) - decimals], figures[len(figures) - decimals :]
    text = f"{sign}{whole}.{rest}" if decimals else f"{sign}{whole}"

    value = read(r.Decimal(size, decimals), e.decimal(Decimal(text), size, decimals))

    assert value == text.encode()


def test_a_group_of_digits_that_has_more_is_refused() -> None:
    with pytest.raises(ProtocolError, match="9 digits"):
        r.Decimal(9, 0).read(r.Cursor(b"\xff\xff\xff\xff", 0, 4))


@given(st.integers(0, 9999), st.integers(0, 12), st.integers(0, 31), clocks, fractions)
def test_dates_and_times_also_those_of_no_calendar(
    year: int, month: int, day: int, clock: tuple[int, int, int, int], decimals: int
) -> None:
    day_text = f"{year:04d}-{month:02d}-{day:02d}"

    assert read(r.Date(), e.date(year, month, day)) == day_text.encode()
    assert (
        read(r.Datetime(decimals), e.datetime_(year, month, day, clock, decimals))
        == f"{day_text} {shown(clock, decimals)}".encode()
    )


@given(st.integers(0, 1), spans, fractions)
def test_times_also_negative_ones(negative: int, span: tuple[int, int, int, int], decimals: int) -> None:
    text = shown(span, decimals)
    sign = "-" if negative and text.strip("0:.") else ""

    assert read(r.Time(decimals), e.time(negative, span, decimals)) == f"{sign}{text}".encode()


@given(
    st.datetimes(datetime(1970, 1, 1, 0, 0, 1), datetime(2106, 2, 7, 6, 28, 14)),
    fractions,
)
def test_timestamps_are_told_in_utc(at: datetime, decimals: int) -> None:
    text = f"{at:%Y-%m-%d} {shown((at.hour, at.minute, at.second, at.microsecond), decimals)}"

    assert read(r.Timestamp(decimals), e.timestamp(at.replace(tzinfo=UTC), decimals)) == text.encode()


@pytest.mark.parametrize(
    ("reader", "data", "value"),
    [
        (r.Timestamp(0), bytes(4), b"0000-00-00 00:00:00"),
        (r.Timestamp(3), bytes(6), b"0000-00-00 00:00:00.000"),
        (r.OldTimestamp(), (1_700_000_000).to_bytes(4, "little"), b"2023-11-14 22:13:20"),
        (r.OldDatetime(), (20240229123456).to_bytes(8, "little"), b"2024-02-29 12:34:56"),
        (r.OldDatetime(), bytes(8), b"0000-00-00 00:00:00"),
        (r.OldTime(), (8385959).to_bytes(3, "little"), b"838:59:59"),
        (r.OldTime(), (-8385959).to_bytes(3, "little", signed=True), b"-838:59:59"),
        (r.OldTime(), (-1).to_bytes(3, "little", signed=True), b"-00:00:01"),
        (r.Year(), b"\0", 0),
        (r.Year(), b"\1", 1901),
        (r.Year(), b"\xff", 2155),
        (r.Padded(1, 4), b"\2ab", b"ab\0\0"),
        (r.Padded(1, 2), b"\2ab", b"ab"),
        (r.Choice(1, (b"a", b"b")), b"\2", b"b"),
        (r.Choice(2, (b"a",) * 299 + (b"z",)), b"\x2c\1", b"z"),
        (r.Choice(1, (b"a", b"b")), b"\0", 0),
        (r.Choice(1, (b"", b"b")), b"\1", b""),
        (r.Choices(1, (b"a", b"b"), b","), b"\3", b"a,b"),
        (r.Choices(1, (b"a", b"b"), b","), b"\0", b""),
        (r.Choices(8, (b"x",) * 64, b""), b"\xff" * 8, b"x" * 64),
        (r.Compressed(1), b"\0", b""),
        (r.Compressed(1), b"\3\0ab", b"ab"),
        (r.Inet4(), b"\4\x0a\0\0\1", b"10.0.0.1"),
        (r.Inet4(), b"\0", b"0.0.0.0"),
        (r.Inet6(), b"\0", b"::"),
        (r.Inet6(), b"\x10" + bytes(15) + b"\1", b"::1"),
        (r.Inet6(), b"\x10" + bytes(10) + b"\xff\xff\x0a\0\0\1", b"::ffff:10.0.0.1"),
        (r.Inet6(), b"\x10" + bytes(12) + b"\x0a\0\0\1", b"::10.0.0.1"),
        (r.Uuid(), b"\0", b"00000000-0000-0000-0000-000000000000"),
        (r.Uuid(), b"\x10" + bytes.fromhex("426655440000a45612d3e89b123e4567"),
         b"123e4567-e89b-12d3-a456-426655440000"),
        (r.Uuid(), b"\x10" + bytes.fromhex("018f3e2a7c1b7def8abc0123456789ab"),
         b"018f3e2a-7c1b-7def-8abc-0123456789ab"),
    ],
)  # fmt: skip
def test_values_that_look_otherwise_than_they_are_stored(reader: r.Reader, data: bytes, value: object) -> None:
    assert read(reader, data) == value


@pytest.mark.parametrize(
    ("reader", "data"),
    [
        (r.Choice(1, (b"a",)), b"\2"), (r.Choices(1, (b"a",), b","), b"\2"), (r.Datetime(0), bytes(5)),
        (r.OldDatetime(), b"\xff" * 8), (r.OldDatetime(), (20241301000000).to_bytes(8, "little")),
        (r.OldDatetime(), (20240101246060).to_bytes(8, "little")), (r.Compressed(1), b"\2\x81\5"),
        (r.Compressed(1), b"\1\x11"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_refused(reader: r.Reader, data: bytes) -> None:
    with pytest.raises(ProtocolError):
        reader.read(r.Cursor(data, 0, len(data)))


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@given(st.binary(max_size=300))
def test_strings_are_the_bytes_that_they_were(width: int, text: bytes) -> None:
    if width == 1:
        text = text[:255]

    assert read(r.String(width), len(text).to_bytes(width, "little") + text) == text
