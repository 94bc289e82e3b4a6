"""Decides what is done with each command, and remembers what statements mean.

A command's number and, for statements, the text come in; a plan and a query go out. Plans of commands are made once, at
import; queries once per digest, as far as the digest tells all. Never sees a connection.
"""

from __future__ import annotations

from dataclasses import replace

from dbmux.errors import ErrorCode, MySQLError
from dbmux.lexer import digest
from dbmux.plan import ChangeUser, Kill, KillByNumber, Plan, Quit, Refuse, Relay
from dbmux.query import Access, ChangeSchema, Kind, Pin, PinReason, Query, SetOption
from dbmux.sql.classify import classify
from dbmux.sql.kill import parse_kill
from dbmux.wire.commands import REFUSED, SHAPES, Command, Shape

RELAY_QUERY = Relay(Shape.RESULT)
# Digests remembered for each way of reading SQL; more are forgotten all at once. Long ones are seldom seen again, and
# memory must not grow with what clients send.
REMEMBERED = 10_000
LONGEST_REMEMBERED = 4096

# What is not looked into, because it cannot be read or is too much.
OPAQUE = Query(
    kind=Kind.OTHER, access=Access.UNSURE, effects=(Pin(PinReason.UNKNOWN),), moves_insert_id=True, is_digest_wide=False
)
PLAIN = Query(kind=Kind.OTHER, access=Access.WRITE)
# A command of which the warnings of the statement before take no notice.
_KEEPS_WARNINGS = Query(kind=Kind.DIAGNOSTICS, access=Access.UNSURE, is_digest_wide=False)


def _command_plans() -> tuple[Plan, ...]:
    plans: list[Plan] = []
    for number in range(256):
        if shape := SHAPES.get(number):
            plans.append(Relay(shape))
        elif number == Command.STMT_SEND_LONG_DATA or number == Command.STMT_CLOSE:
            plans.append(Relay(Shape.NONE))
        else:
            why = REFUSED.get(number, "is not known")
            name = Command(number).name if number in REFUSED else "0x" + format(number, "02X")
            plans.append(Refuse(MySQLError(ErrorCode.UNKNOWN_COMMAND, f"command {name} {why}")))
    plans[Command.QUIT] = Quit()
    plans[Command.CHANGE_USER] = ChangeUser()
    plans[Command.PROCESS_KILL] = KillByNumber()
    return tuple(plans)


# The plan of each command byte; COM_QUERY's holds for every statement but KILL.
COMMAND_PLANS = _command_plans()

_STREAMS = (Command.BINLOG_DUMP, Command.BINLOG_DUMP_GTID, Command.REGISTER_SLAVE)


def command_query(command: int, body: bytes) -> Query:
    """What a command that is not a statement does to the session."""
    if command == Command.INIT_DB:
        return Query(kind=Kind.USE, access=Access.UNSURE, effects=(ChangeSchema(body),), is_statement=False)
    if command == Command.SET_OPTION:
        return replace(_KEEPS_WARNINGS, effects=(SetOption(body),))
    if command in (Command.PING, Command.STATISTICS):
        return _KEEPS_WARNINGS
    if command in _STREAMS:
        return Query(kind=Kind.ADMIN, access=Access.UNSURE, effects=(Pin(PinReason.UNKNOWN, "replication"),))
    return PLAIN


class Planner:
    """What statements mean. `plain` has, for each way of reading SQL, those that leave nothing behind, by digest."""

    def __init__(self) -> None:
        self.plain: tuple[dict[bytes, Query], ...] = ({}, {}, {}, {})
        self._others: tuple[dict[bytes, Query], ...] = ({}, {}, {}, {})

    def query(self, statement: bytes, start: int, flags: int) -> Query:
        """The meaning of the statement that begins at `start`; `flags` say how its sql_mode has it read."""
        key = digest(statement, start, flags)
        plain, others = self.plain[flags], self._others[flags]
        known = plain.get(key) or others.get(key)
        if known is not None:
            return known
        query = classify(statement, start, flags)
        if len(key) > LONGEST_REMEMBERED or not query.is_digest_wide:
            return query
        table = plain if query.is_plain and query.kind is not Kind.KILL else others
        if len(table) >= REMEMBERED:
            table.clear()
        table[key] = query
        return query


def plan_query(query: Query, statement: bytes, start: int) -> Plan:
    """The plan for a statement that is not plain."""
    if query.kind is Kind.KILL and (kill := parse_kill(statement, start)) is not None:
        return Kill(kill.target, kill.start, kill.end, kill.scope)
    return RELAY_QUERY
