"""OK, ERR and EOF packets are read as they were written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.errors import ErrorCode, MySQLError, ProtocolError
from dbmux.wire.buffer import lenenc_bytes
from dbmux.wire.capabilities import Capability
from dbmux.wire.replies import (
    Eof,
    Err,
    Ok,
    Status,
    Track,
    changes,
    err_from,
    parse_eof,
    parse_err,
    parse_ok,
    with_schema,
    without,
)

numbers = st.integers(0, (1 << 64) - 1)
shorts = st.integers(0, 0xFFFF)

oks = st.builds(
    lambda header, affected, insert_id, status, warnings, info, state: Ok(
        header=header,
        affected_rows=affected,
        last_insert_id=insert_id,
        status=status & ~Status.SESSION_STATE_CHANGED | (Status.SESSION_STATE_CHANGED if state else 0),
        warnings=warnings,
        info=info,
        state=state,
    ),
    st.sampled_from([0x00, 0xFE]),
    numbers,
    numbers,
    shorts,
    shorts,
    st.binary(max_size=300),
    st.binary(max_size=300),
)


@given(oks)
def test_an_ok_is_read_as_it_was_written(ok: Ok) -> None:
    assert parse_ok(ok.build(Capability.SESSION_TRACK)) == ok


@given(oks)
def test_a_client_that_did_not_ask_is_told_no_state(ok: Ok) -> None:
    read = parse_ok(ok.build(0))

    assert read.state == b""
    assert not read.status & Status.SESSION_STATE_CHANGED
    assert (read.affected_rows, read.info) == (ok.affected_rows, ok.info)


@given(shorts, st.binary(min_size=5, max_size=5), st.binary(max_size=300))
def test_an_error_is_read_as_it_was_written(number: int, sqlstate: bytes, message: bytes) -> None:
    err = Err(number=number, sqlstate=sqlstate, message=message)
    assert parse_err(err.build()) == err


def test_an_error_before_the_login_has_no_sqlstate() -> None:
    assert parse_err(b"\xff\x10\x04Too many connections").message == b"Too many connections"


@given(shorts, shorts)
def test_an_eof_is_read_as_it_was_written(warnings: int, status: int) -> None:
    eof = Eof(warnings=warnings, status=status)
    assert parse_eof(eof.build()) == eof


def test_session_state_is_read_piece_by_piece() -> None:
    state = bytes((Track.SCHEMA,)) + lenenc_bytes(b"\x04shop") + bytes((Track.STATE_CHANGE,)) + lenenc_bytes(b"\x011")
    assert list(changes(state)) == [(Track.SCHEMA, b"\x04shop"), (Track.STATE_CHANGE, b"\x011")]


def test_what_is_told_of_the_schema_late_stands_where_servers_tell_it() -> None:
    autocommit, schema, transaction = b"\0\3\1a\0", b"\1\3\2db", b"\5\2\1T"
    ok = Ok(status=Status.SESSION_STATE_CHANGED, state=autocommit + transaction)

    told = with_schema(ok, b"\2db")

    assert told.state == autocommit + schema + transaction
    assert with_schema(told, b"\5other") is told
    assert without(told, Track.SCHEMA) == ok


def test_an_error_of_dbmux_says_so() -> None:
    err = err_from(MySQLError(ErrorCode.TOO_MANY_CLIENTS, "10 clients are connected already"))
    assert err == Err(number=1040, sqlstate=b"08004", message=b"DbMux: 10 clients are connected already")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_reply_or_a_protocol_error(data: bytes) -> None:
    for read in (parse_ok, parse_err, parse_eof, lambda state: list(changes(state))):
        try:
            read(data)
        except ProtocolError as error:
            assert error.code is ErrorCode.MALFORMED_REPLY


def test_an_ok_is_not_an_error() -> None:
    with pytest.raises(ProtocolError):
        parse_err(Ok().build(0))
