"""Decides what is done with each command.

A command's number and, for statements that may need it, the statement come in; a plan goes out. Plans of commands are
made once, at import. Never sees a connection.
"""

from __future__ import annotations

from dbmux.errors import ErrorCode, MySQLError
from dbmux.plan import ChangeUser, Kill, KillByNumber, Plan, Quit, Refuse, Relay
from dbmux.sql.kill import parse_kill
from dbmux.wire.commands import REFUSED, SHAPES, Command, Shape

RELAY_QUERY = Relay(Shape.RESULT)


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


# The plan of each command byte. COM_QUERY's holds for every statement that `may_need_plan` does not name.
COMMAND_PLANS = _command_plans()

_FIRST_BYTES = frozenset(b" \t\r\n\f\v/-#(kK")


def may_need_plan(first: int) -> bool:
    """Whether a statement that begins with this byte has to be looked at: it may be KILL, or a comment before it."""
    return first in _FIRST_BYTES


def plan_query(statement: bytes, start: int) -> Plan:
    """The plan for the statement that begins at `start` of `statement`."""
    kill = parse_kill(statement, start)
    return RELAY_QUERY if kill is None else Kill(kill.target, kill.start, kill.end)
