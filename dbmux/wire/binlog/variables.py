"""What a statement in the log is run with: numbers, seeds and user variables.

The body of an event that precedes a statement comes in, its value goes out. (Manual pages "Intvar Event", "Rand Event",
"User_var Event".)
"""

from __future__ import annotations

from dbmux.errors import ErrorCode
from dbmux.wire.binlog.events import Counter, CounterSet, SeedsSet, UserVariableSet
from dbmux.wire.buffer import Reader


def parse_counter(body: bytes) -> CounterSet:
    """Of LAST_INSERT_ID() or the next generated id; raises ProtocolError."""
    reader = Reader(body, ErrorCode.MALFORMED_REPLY)
    counter = reader.integer(1)
    if counter not in (Counter.LAST_INSERT_ID, Counter.INSERT_ID):
        raise reader.error(f"a statement depends on number {counter}, which is not known")
    return CounterSet(Counter(counter), reader.integer(8))


def parse_seeds(body: bytes) -> SeedsSet:
    """Of RAND(); raises ProtocolError."""
    reader = Reader(body, ErrorCode.MALFORMED_REPLY)
    return SeedsSet(reader.integer(8), reader.integer(8))


def parse_user_variable(body: bytes) -> UserVariableSet:
    """Of a user variable; raises ProtocolError."""
    reader = Reader(body, ErrorCode.MALFORMED_REPLY)
    name = reader.take(reader.integer(4)).decode(errors="surrogateescape")
    if reader.integer(1):
        return UserVariableSet(name, None)
    kind, charset = reader.integer(1), reader.integer(4)
    value = reader.take(reader.integer(4))
    # Old servers end before the flags.
    return UserVariableSet(name, value, kind, charset, reader.integer(1) if reader.remaining else 0)
