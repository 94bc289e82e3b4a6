"""Stored answers to SHOW WARNINGS are told as of another moment."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dbmux.backend.connection import Answer
from dbmux.frontend.diagnostics import added, message_column, translated, with_status
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


def test_the_rows_of_another_reply_come_behind_those_of_the_first() -> None:
    def reply(*rows: bytes) -> bytes:
        payloads = [b"\3", b"a", b"b", b"c", *rows, Eof().build()]
        return b"".join(packet.encode(payload, number) for number, payload in enumerate(payloads, 1))

    told = added(reply(b"\x07Warning 1"), reply(b"\x05Error 2", b"\x04Note 3"))

    assert told == reply(b"\x07Warning 1", b"\x05Error 2", b"\x04Note 3")
    assert message_column(told) == b"c"


UTF8, LATIN1, ASCII, NAMELESS = 45, 8, 11, 999


def warnings(charset: int, *texts: bytes) -> Answer:
    """An answer to SHOW WARNINGS in a character set."""
    definition = Column(name=b"a", type=FieldType.VAR_STRING, charset=charset).build(0)
    rows = tuple((b"Warning", b"1292", text) for text in texts)
    payloads = [b"\3", definition, definition, definition, *map(build_text_row, rows), Eof().build()]
    return Answer(rows, b"".join(packet.encode(payload, number) for number, payload in enumerate(payloads, 1)))


@pytest.mark.parametrize(
    "charset, text, other, told",
    [
        (LATIN1, b"\xe9", UTF8, "é".encode()),
        (UTF8, "é".encode(), LATIN1, b"\xe9"),
        (UTF8, "é ж".encode(), LATIN1, b"\xe9 \\0436"),
        (UTF8, "é".encode(), ASCII, b"\\00E9"),
        (NAMELESS, b"\xe9", UTF8, b"\xe9"),
        (UTF8, b"\xe9", NAMELESS, b"\xe9"),
    ],
)
def test_texts_are_told_in_another_character_set(charset: int, text: bytes, other: int, told: bytes) -> None:
    stored = warnings(charset, text, b"plain")

    assert translated(stored, warnings(other).raw, 0) == warnings(other, told, b"plain")
