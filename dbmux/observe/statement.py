"""The text of a finished command, as far as it was kept.

An event comes in, the bytes of the statement go out: nothing for commands that have none. Never raises.
"""

from __future__ import annotations

from dbmux.errors import ProtocolError
from dbmux.events import QueryFinished
from dbmux.wire import packet
from dbmux.wire.capabilities import Capability
from dbmux.wire.commands import Command
from dbmux.wire.statements import parse_query

_BEHIND_COMMAND = packet.HEADER + 1
# Of a text with query attributes: how many there are, and how many sets of them (manual page "COM_QUERY").
_NO_ATTRIBUTES = b"\0\1"
# As numbers: an enum's own arithmetic takes longer than all the rest, and this is asked of every statement.
_QUERY, _PREPARE = int(Command.QUERY), int(Command.STMT_PREPARE)
_HAS_ATTRIBUTES = int(Capability.QUERY_ATTRIBUTES)


def text_of(event: QueryFinished) -> bytes:
    """What was run, or prepared; of an execution, what was prepared before."""
    if event.statement:
        return event.statement
    sent = event.sent
    if event.command == _PREPARE:
        return sent[_BEHIND_COMMAND:]
    if event.command != _QUERY:
        return b""
    capabilities = event.who.capabilities
    if not capabilities & _HAS_ATTRIBUTES:
        return sent[_BEHIND_COMMAND:]
    if sent.startswith(_NO_ATTRIBUTES, _BEHIND_COMMAND):
        return sent[_BEHIND_COMMAND + len(_NO_ATTRIBUTES) :]
    try:
        return parse_query(sent[_BEHIND_COMMAND:], capabilities).text
    except ProtocolError:
        # It was cut within its attributes.
        return b""
