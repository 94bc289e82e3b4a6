"""What is to be done with a command: the plan, a small frozen value.

A plan is made by dbmux.planner, run by the session, and says everything: a command that cannot be run is planned to be
refused. Plans are shared by all commands of a kind; what differs per command is read from the command when it runs.
"""

from __future__ import annotations

from dataclasses import dataclass

from dbmux.errors import MySQLError
from dbmux.sql.kill import KillScope
from dbmux.wire.commands import Shape


@dataclass(frozen=True, slots=True)
class Relay:
    """Send it to the session's backend and send back the reply, which begins as `shape` says."""

    shape: Shape


@dataclass(frozen=True, slots=True)
class Kill:
    """Relay it with the connection's number, text at `start` to `end` of the command, mapped to the server's."""

    target: int
    start: int
    end: int
    scope: KillScope


@dataclass(frozen=True, slots=True)
class KillByNumber:
    """COM_PROCESS_KILL: the same with a binary number."""


@dataclass(frozen=True, slots=True)
class ChangeUser:
    """Log in anew on this connection."""


@dataclass(frozen=True, slots=True)
class Quit:
    """The client says goodbye."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with an error."""

    error: MySQLError


Plan = Relay | Kill | KillByNumber | ChangeUser | Quit | Refuse
