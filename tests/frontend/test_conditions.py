"""What GET DIAGNOSTICS would set is told by a SET, from what is known of a statement; nothing is made up."""

from __future__ import annotations

import pytest

from dbmux.backend.connection import Answer
from dbmux.frontend.conditions import Known
from dbmux.sql.diagnostics import read_get_diagnostics
from dbmux.wire import packet
from dbmux.wire.columns import Column, FieldType
from dbmux.wire.replies import Eof, Err
from dbmux.wire.rows import TextRow

UTF8MB4, LATIN1, UTF16, NAMELESS = 45, 8, 54, 72
TRUNCATED: TextRow = (b"Warning", b"1292", b"Truncated")
DUPLICATE: TextRow = (b"Error", b"1062", b"Duplicate")


def known(*rows: TextRow, failure: bytes = b"", charset: int = UTF8MB4, is_mariadb: bool = False) -> Known:
    """What is known of a statement with these conditions."""
    columns = [
        Column(name=name, type=FieldType.VAR_STRING, charset=charset) for name in (b"Level", b"Code", b"Message")
    ]
    payloads = [b"\3", *(column.build(0) for column in columns), Eof().build()]
    raw = b"".join(packet.encode(payload, number) for number, payload in enumerate(payloads, 1))
    return Known(row_count=-1, stored=Answer(rows, raw), failure=failure, capabilities=0, is_mariadb=is_mariadb)


def assignment(of: Known, what: str) -> bytes | None:
    asked = read_get_diagnostics(b"GET DIAGNOSTICS " + what.encode(), 0, 0)
    assert asked is not None
    return of.assignment(asked)


def text(value: bytes) -> bytes:
    return b"SET @a=_utf8mb3 x'%b'" % value.hex().encode()


def text_of_mariadb(value: bytes) -> bytes:
    # There the collation by default is another one.
    return text(value) + b" COLLATE utf8mb3_general_ci"


def test_the_counts_of_a_statement() -> None:
    told = assignment(known(TRUNCATED, DUPLICATE), "@a = NUMBER, @b = ROW_COUNT")

    assert told == b"SET @a=CAST(2 AS UNSIGNED),@b=-1"


@pytest.mark.parametrize(
    ("item", "value"),
    [
        ("MESSAGE_TEXT", b"Truncated"),
        ("RETURNED_SQLSTATE", b"22007"),
        ("CLASS_ORIGIN", b"ISO 9075"),
        ("SUBCLASS_ORIGIN", b"ISO 9075"),
    ],
)
def test_a_usual_warning(item: str, value: bytes) -> None:
    assert assignment(known(TRUNCATED), f"CONDITION 1 @a = {item}") == text(value)


def test_mariadb_tells_no_origin() -> None:
    assert assignment(known(TRUNCATED, is_mariadb=True), "CONDITION 1 @a = CLASS_ORIGIN") == text_of_mariadb(b"")


@pytest.mark.parametrize(("is_mariadb", "told"), [(True, text_of_mariadb(b"22007")), (False, text(b"HY000"))])
def test_an_invalid_value_has_a_state_of_its_own_on_mariadb(is_mariadb: bool, told: bytes) -> None:
    invalid = known((b"Warning", b"1366", b"Incorrect"), is_mariadb=is_mariadb)

    assert assignment(invalid, "CONDITION 1 @a = RETURNED_SQLSTATE") == told


def test_an_error_has_the_state_that_the_client_was_told() -> None:
    failure = Err(number=1644, sqlstate=b"45001", message=b"by hand").build()
    of = known(TRUNCATED, (b"Error", b"1644", b"by hand"), failure=failure)

    assert assignment(of, "CONDITION 2 @a = RETURNED_SQLSTATE") == text(b"45001")


@pytest.mark.parametrize(
    ("condition", "what"),
    [
        ((b"Warning", b"5001", b"mine"), "CONDITION 1 @a = RETURNED_SQLSTATE"),
        ((b"Warning", b"5001", b"mine"), "CONDITION 1 @a = CLASS_ORIGIN"),
        (TRUNCATED, "CONDITION 1 @a = TABLE_NAME"),
        (TRUNCATED, "CONDITION 1 @a = MYSQL_ERRNO, @b = SCHEMA_NAME"),
        (TRUNCATED, "CONDITION @n @a = MYSQL_ERRNO"),
    ],
    ids=["an unusual number", "its origin", "an item that SHOW does not tell", "one of several", "a variable"],
)
def test_what_is_not_known_is_not_told(condition: TextRow, what: str) -> None:
    assert assignment(known(condition), what) is None


def test_the_origin_of_a_users_own_error_is_not_told() -> None:
    failure = Err(number=1644, sqlstate=b"45000", message=b"by hand").build()

    assert assignment(known((b"Error", b"1644", b""), failure=failure), "CONDITION 1 @a = CLASS_ORIGIN") is None


@pytest.mark.parametrize(
    ("message", "charset"),
    [
        ("Müller".encode(), UTF8MB4),
        ("Müller".encode("utf-16-be"), UTF16),
        ("Müller".encode("cp1252"), LATIN1),
        ("Müller?".encode(), UTF8MB4),
    ],
    ids=["utf8", "utf16", "latin1", "a question in utf8"],
)
def test_a_message_is_told_in_whichever_set_it_was_fetched(message: bytes, charset: int) -> None:
    told = assignment(known((b"Note", b"1003", message), charset=charset), "CONDITION 1 @a = MESSAGE_TEXT")

    assert told == text("Müller?".encode() if message.endswith(b"?") else "Müller".encode())


@pytest.mark.parametrize(
    ("message", "charset"),
    [(b"M?ller", LATIN1), (b"M\\0436ller", LATIN1), (b"M\xfcller", UTF8MB4), (b"M\xfcller", NAMELESS)],
    ids=["lost on MySQL", "lost on MariaDB", "cut short", "a set that Python does not have"],
)
def test_a_message_with_a_letter_that_may_be_lost_is_not_told(message: bytes, charset: int) -> None:
    note = known((b"Note", b"1003", message), charset=charset)

    assert assignment(note, "CONDITION 1 @a = MESSAGE_TEXT") is None
