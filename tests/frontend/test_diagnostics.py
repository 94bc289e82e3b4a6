"""Stored answers to SHOW WARNINGS are told as of another moment."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dbmux.backend.connection import Answer
from dbmux.frontend.diagnostics import (
    added,
    codec,
    legible,
    limited,
    noted,
    only_errors,
    translated,
    with_status,
)
from dbmux.wire import packet
from dbmux.wire.columns import Column, FieldType
from dbmux.wire.replies import Eof, Ok, Status
from dbmux.wire.rows import build_text_row


@pytest.mark.parametrize(
    "end",
    [lambda status: Eof(status=status).build(), lambda status: Ok(status=status, header=0xFE).build(0)],
    ids=["EOF", "OK"],
)
def test_a_stored_reply_tells_the_flags_of_now_and_keeps_its_own(end: Callable[[int], bytes]) -> None:
    row = packet.encode(b"\x04Note", 1)
    before = Status.AUTOCOMMIT | Status.MORE_RESULTS | Status.ANSI_QUOTES
    # A client that is not told of NO_BACKSLASH_ESCAPES escapes strings wrongly.
    lasting = Status.IN_TRANSACTION | Status.AUTOCOMMIT | Status.NO_BACKSLASH_ESCAPES

    told = with_status(row + packet.encode(end(before), 2), lasting | Status.SLOW_QUERY)

    assert told == row + packet.encode(end(lasting | Status.MORE_RESULTS), 2)


UTF8, LATIN1, ASCII, UTF16, UTF32, NAMELESS = 45, 8, 11, 54, 60, 999
WIDE = {UTF16: "utf-16-be", UTF32: "utf-32-be"}


def told_in(charset: int, *conditions: tuple[bytes, bytes], end: bytes = b"") -> Answer:
    """An answer to SHOW WARNINGS in a character set: levels and texts."""
    definition = Column(name=b"a", type=FieldType.VAR_STRING, charset=charset).build(0)
    codec = WIDE.get(charset, "ascii")
    rows = tuple((level.decode().encode(codec), "1292".encode(codec), text) for level, text in conditions)
    columns = [b"\3", definition, definition, definition, *([] if end else [Eof().build()])]
    payloads = [*columns, *map(build_text_row, rows), end or Eof().build()]
    return Answer(rows, b"".join(packet.encode(payload, number) for number, payload in enumerate(payloads, 1)))


def warnings(charset: int, *texts: bytes) -> Answer:
    """The same, of warnings."""
    return told_in(charset, *((b"Warning", text) for text in texts))


@pytest.mark.parametrize("end", [b"", Ok(header=0xFE).build(0)], ids=["EOF", "OK"])
@pytest.mark.parametrize("charset", [UTF8, UTF16, UTF32])
def test_a_limit_and_show_errors_find_their_rows_in_every_character_set(charset: int, end: bytes) -> None:
    conditions = ((b"Warning", b"a"), (b"Error", b"b"), (b"Note", b"c"), (b"Error", b"d"))
    stored = told_in(charset, *conditions, end=end)

    assert limited(stored.raw, 1, 2) == told_in(charset, *conditions[1:3], end=end).raw
    assert limited(stored.raw, 0, 0) == told_in(charset, end=end).raw
    assert only_errors(legible(stored)) == told_in(charset, conditions[1], conditions[3], end=end).raw


@pytest.mark.parametrize(
    "charset, text",
    [(UTF8, "é".encode()), (LATIN1, b"\xe9"), (UTF16, b"\0\xe9"), (NAMELESS, "é".encode())],
    ids=["utf8", "latin1", "utf16", "a set that Python does not have"],
)
def test_a_note_is_told_in_the_character_set_of_the_others(charset: int, text: bytes) -> None:
    told = noted(legible(warnings(charset, b"1")), 1292, "é".encode(), 0, is_mysql=False)

    assert told == legible(told_in(charset, (b"Warning", b"1"), (b"Note", text)))


def test_mysql_tells_numbers_in_ascii() -> None:
    told = noted(legible(warnings(UTF16)), 1292, b"a", 0, is_mysql=True)

    assert build_text_row((b"\0N\0o\0t\0e", b"1292", b"\0a")) in told.raw


@pytest.mark.parametrize("charset", [UTF8, UTF16, UTF32])
def test_the_rows_of_another_reply_come_behind_those_of_the_first(charset: int) -> None:
    told = added(warnings(charset, b"1"), told_in(charset, (b"Error", b"2"), (b"Note", b"3")), 64)

    assert told == told_in(charset, (b"Warning", b"1"), (b"Error", b"2"), (b"Note", b"3"))


@pytest.mark.parametrize("most, kept", [(3, 2), (2, 1), (1, 0), (0, 0)])
def test_no_more_rows_come_behind_the_first_than_a_server_keeps(most: int, kept: int) -> None:
    more = ((b"Error", b"2"), (b"Note", b"3"))

    told = added(warnings(UTF8, b"1"), told_in(UTF8, *more), most)

    assert told == told_in(UTF8, (b"Warning", b"1"), *more[:kept])


@pytest.mark.parametrize(
    "charset, told", [(LATIN1, "cp1252"), (UTF8, "utf-8"), (UTF16, "utf-16-be"), (ASCII, "ascii"), (NAMELESS, None)]
)
def test_the_character_set_of_the_texts(charset: int, told: str | None) -> None:
    assert codec(warnings(charset).raw, 0) == told


@pytest.mark.parametrize(
    "charset, text, other, told",
    [
        (LATIN1, b"\xe9", UTF8, "é".encode()),
        (UTF8, "é".encode(), LATIN1, b"\xe9"),
        (UTF8, "é ж".encode(), LATIN1, b"\xe9 \\0436"),
        (UTF8, "é".encode(), ASCII, b"\\00E9"),
        (NAMELESS, b"\xe9", UTF8, b"\xe9"),
        (UTF8, b"\xe9", NAMELESS, b"\xe9"),
        (UTF8, "é".encode(), UTF16, b"\0\xe9"),
        (UTF16, b"\0\xe9", UTF8, "é".encode()),
        (UTF16, b"\0\xe9", UTF32, b"\0\0\0\xe9"),
    ],
)
def test_texts_are_told_in_another_character_set(charset: int, text: bytes, other: int, told: bytes) -> None:
    assert translated(legible(warnings(charset, text)), warnings(other).raw, 0) == legible(warnings(other, told))
