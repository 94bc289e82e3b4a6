"""What a prepared statement was executed with."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.events import KEPT, NOBODY, QueryFinished
from dbmux.feed.arguments import arguments_of
from dbmux.routes import ONLY
from dbmux.sql.bind import Argument, NotBound
from dbmux.wire import packet
from dbmux.wire.capabilities import Capability
from dbmux.wire.columns import FieldType
from dbmux.wire.commands import Command
from dbmux.wire.statements import BulkExecute, BulkFlag, Execute, ExecuteFlag, Indicator, ParameterType
from tests.wire.test_rows import parameters

ATTRIBUTES = int(Capability.QUERY_ATTRIBUTES)
NUMBER, TEXT = ParameterType(FieldType.LONG), ParameterType(FieldType.VAR_STRING)


def executed(text: str, body: bytes, *, types: bytes = b"", capabilities: int = 0, bulk: bool = False) -> QueryFinished:
    command = Command.MARIADB_STMT_BULK_EXECUTE if bulk else Command.STMT_EXECUTE
    return QueryFinished(
        0.0,
        1,
        "db",
        command,
        0.001,
        10,
        0,
        ONLY,
        who=NOBODY._replace(capabilities=capabilities),
        sent=packet.encode(bytes((command,)) + body, 0)[:KEPT],
        statement=text.encode()[:KEPT],
        types=types,
    )


def marks(count: int) -> str:
    return "SELECT '?'" + ", ?" * count


@given(parameters())
def test_arguments_are_what_was_sent(found: tuple[tuple[ParameterType, ...], tuple[Any, ...]]) -> None:
    types, values = found
    first = Execute(statement=1, types=types, values=values)
    told = b"".join(kind.build() for kind in types)
    again = Execute(statement=1, types=None, values=values)
    expected = (tuple(Argument(value, kind.type) for value, kind in zip(values, types, strict=True)),)

    if len(first.build(0)) < KEPT - 10:
        assert arguments_of(executed(marks(len(types)), first.build(0))) == expected
        assert arguments_of(executed(marks(len(types)), again.build(0, types), types=told)) == expected


def test_query_attributes_are_no_arguments() -> None:
    types = (NUMBER, ParameterType(FieldType.VAR_STRING, name=b"trace"))
    execution = Execute(statement=1, flags=ExecuteFlag.PARAMETER_COUNT, types=types, values=(5, b"x"))

    told = arguments_of(executed(marks(1), execution.build(ATTRIBUTES), capabilities=ATTRIBUTES))

    assert told == ((Argument(5, FieldType.LONG),),)


def test_a_statement_without_placeholders_has_none() -> None:
    assert arguments_of(executed("SELECT 1", Execute(statement=1).build(0))) == ((),)


def test_a_bulk_execution_has_as_many_as_it_has_rows() -> None:
    rows = ((1, b"a"), (2, Indicator.NULL))
    bulk = BulkExecute(statement=1, flags=BulkFlag.TYPES, types=(NUMBER, TEXT), rows=rows)

    told = arguments_of(executed("INSERT INTO t VALUES (?, ?)", bulk.build(), bulk=True))

    assert told == (
        (Argument(1, FieldType.LONG), Argument(b"a", FieldType.VAR_STRING)),
        (Argument(2, FieldType.LONG), Argument(Indicator.NULL, FieldType.VAR_STRING)),
    )


NUMBERS = Execute(statement=1, types=(NUMBER, NUMBER), values=(5, 6))


@pytest.mark.parametrize(
    ("event", "why"),
    [
        pytest.param(
            executed("SELECT ?", Execute(statement=1, types=(TEXT,), values=(b"x" * KEPT,)).build(0)),
            "4096 bytes",
            id="a long argument",
        ),
        pytest.param(executed("SELECT ? " + "x" * KEPT, NUMBERS.build(0)), "4096 bytes", id="a long statement"),
        pytest.param(
            executed("SELECT ?, ?", Execute(statement=1, values=(5, 6)).build(0, (NUMBER, NUMBER))),
            "not kept",
            id="types that are not known",
        ),
        pytest.param(executed("SELECT ?, ?", NUMBERS.build(0)[:-4]), "not kept", id="sent ahead"),
        pytest.param(executed("SELECT ?", NUMBERS.build(0)), "not kept", id="another statement"),
    ],
)
def test_what_is_not_there_is_not_guessed(event: QueryFinished, why: str) -> None:
    with pytest.raises(NotBound, match=why):
        arguments_of(event)


@given(st.binary(max_size=60), st.binary(max_size=8), st.sampled_from([0, ATTRIBUTES]), st.booleans())
def test_any_bytes_give_arguments_or_an_error(body: bytes, types: bytes, capabilities: int, bulk: bool) -> None:
    event = executed("SELECT ?, ?", body, types=types, capabilities=capabilities, bulk=bulk)

    try:
        told = arguments_of(event)
    except NotBound:
        return
    assert all(len(row) <= 2 for row in told)
