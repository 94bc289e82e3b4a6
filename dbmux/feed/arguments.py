"""The arguments with which a prepared statement was executed.

A finished execution comes in, as far as it was kept; its arguments go out, with their types. What was cut, or sent in
pieces ahead, is not there any more: then `NotBound` says so. Nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dbmux.errors import ProtocolError
from dbmux.events import KEPT, QueryFinished
from dbmux.lexer import Token, tokens
from dbmux.sql.bind import Argument, NotBound
from dbmux.wire import packet
from dbmux.wire.commands import Command
from dbmux.wire.rows import Value
from dbmux.wire.statements import Execute, Indicator, ParameterType, parse_bulk_execute, parse_execute, parse_types

_BEHIND_COMMAND = packet.HEADER + 1
_ELSEWHERE = "the arguments were sent in another way than with the execution, and are not kept"


def arguments_of(event: QueryFinished, flags: int = 0) -> tuple[tuple[Argument, ...], ...]:
    """For each time that the statement ran, its arguments: once, but for bulk executions. Raises NotBound.

    `flags` are the lexer's for the sql_mode.
    """
    if event.command != Command.MARIADB_STMT_BULK_EXECUTE:
        execution = execution_of(event, flags)
        return (_with_types(execution.values, execution.types or ()),)
    count = _places(event, flags)
    try:
        # Its types never have names.
        known = parse_types(event.types, 0)
        bulk = parse_bulk_execute(event.sent[_BEHIND_COMMAND:], count, known)
    except ProtocolError as error:
        raise NotBound(_ELSEWHERE) from error
    return tuple(_with_types(row, bulk.types or known) for row in bulk.rows)


def execution_of(event: QueryFinished, flags: int = 0) -> Execute:
    """The execution as it was sent, with its types and without query attributes. Raises NotBound."""
    count = _places(event, flags)
    capabilities = event.who.capabilities
    try:
        known = parse_types(event.types, capabilities)
        execution = parse_execute(event.sent[_BEHIND_COMMAND:], capabilities, count, known)
    except ProtocolError as error:
        raise NotBound(_ELSEWHERE) from error
    # Behind the arguments stand query attributes.
    types = (execution.types or known)[: len(execution.values)][:count]
    return replace(execution, types=types, values=execution.values[:count])


def _places(event: QueryFinished, flags: int) -> int:
    if len(event.sent) >= KEPT or len(event.statement) >= KEPT:
        raise NotBound(f"of a statement and its arguments only {KEPT} bytes each are kept, and these are longer")
    return sum(kind == Token.PLACEHOLDER for kind, _, _ in tokens(event.statement, 0, flags))


def _with_types(values: Sequence[Value | Indicator], types: Sequence[ParameterType]) -> tuple[Argument, ...]:
    return tuple(Argument(value, kind.type) for value, kind in zip(values, types, strict=True))
