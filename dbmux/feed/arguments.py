"""The arguments with which a prepared statement was executed.

A finished execution comes in, as far as it was kept; its arguments go out, with their types. What was cut, or sent in
pieces ahead, is not there any more: then `NotBound` says so. Nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence

from dbmux.errors import ProtocolError
from dbmux.events import KEPT, QueryFinished
from dbmux.lexer import Token, tokens
from dbmux.sql.bind import Argument, NotBound
from dbmux.wire import packet
from dbmux.wire.commands import Command
from dbmux.wire.rows import Value
from dbmux.wire.statements import Indicator, ParameterType, parse_bulk_execute, parse_execute, parse_types

_BEHIND_COMMAND = packet.HEADER + 1


def arguments_of(event: QueryFinished, flags: int = 0) -> tuple[tuple[Argument, ...], ...]:
    """For each time that the statement ran, its arguments: once, but for bulk executions. Raises NotBound.

    `flags` are the lexer's for the sql_mode.
    """
    if len(event.sent) >= KEPT or len(event.statement) >= KEPT:
        raise NotBound(f"of a statement and its arguments only {KEPT} bytes each are kept, and these are longer")
    count = sum(kind == Token.PLACEHOLDER for kind, _, _ in tokens(event.statement, 0, flags))
    body, capabilities = event.sent[_BEHIND_COMMAND:], event.who.capabilities
    try:
        if event.command == Command.MARIADB_STMT_BULK_EXECUTE:
            # Its types never have names.
            known = parse_types(event.types, 0)
            bulk = parse_bulk_execute(body, count, known)
            return tuple(_with_types(row, bulk.types or known) for row in bulk.rows)
        known = parse_types(event.types, capabilities)
        execution = parse_execute(body, capabilities, count, known)
    except ProtocolError as error:
        raise NotBound("the arguments were sent in another way than with the execution, and are not kept") from error
    # Behind the arguments stand query attributes.
    return (_with_types(execution.values, execution.types or known)[:count],)


def _with_types(values: Sequence[Value | Indicator], types: Sequence[ParameterType]) -> tuple[Argument, ...]:
    return tuple(Argument(value, kind.type) for value, kind in zip(values, types, strict=True))
