"""What a session is doing, as one of a few words."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """What a session is doing."""

    LOGIN = 0
    IDLE = 1
    REPLYING = 2
    STATEMENT_UPLOAD = 3
    FILE_UPLOAD = 4
    # A command waits for a connection, or for one to be made ready.
    WAITING = 5
    # Nothing may run until a question of DbMux's own is answered.
    SETTLING = 6
    CLOSED = 7


IDLE, REPLYING, WAITING = int(State.IDLE), int(State.REPLYING), int(State.WAITING)
