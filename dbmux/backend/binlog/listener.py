"""Who is told what a server's binary log says, what breaks it off, and how often things happen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from dbmux.errors import DbMuxError


class Cause(StrEnum):
    """Why a server's log is not read."""

    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    NO_RIGHT = "no_right"
    NO_LOG = "no_log"
    FILTERED = "filtered"
    ENDED = "ended"
    SILENT = "silent"
    UNREADABLE = "unreadable"
    CANNOT_SEND = "cannot_send"
    """The server cannot read its own log from there on: it is deleted, or damaged."""


class Broken(DbMuxError):
    """Why a server's log is not read; `remedy` is the SQL that an administrator would run there, or nothing."""

    def __init__(self, cause: Cause, message: str, remedy: str = "") -> None:
        super().__init__(f"{message}; run there: {remedy}" if remedy else message)
        self.cause = cause
        self.remedy = remedy


class Listener(Protocol):
    """Who is told what a server's log says, in its order; nothing here may wait."""

    def began(self) -> None:
        """From here on everything is told, and nothing of before: what is known of the server's tables is out of date.

        Also told without a `broke` before it, where the log does not say which tables were written.
        """

    def touched(self, schema: str, table: str) -> None:
        """Rows of the table have changed; told again when everybody sees them."""

    def statement(self, schema: str, text: bytes, flags: int) -> None:
        """A definition, or a write that is not logged by rows, ran with this default schema; told again like `touched`.

        The text is UTF-8; `flags` are the lexer's, of the sql_mode under which it ran.
        """

    def broke(self, reason: Broken) -> None:
        """Nothing is told until `began`. Told once as long as the reason is the same, and also where nothing began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often things happen, in seconds."""

    heartbeat: float = 1.0
    """The server, which has nothing to say, says so."""
    silence: float = 2.5
    """So long after its last word it is taken for dead: two heartbeats are missing."""
    asked: float = 1.0
    """It is asked how far it is."""
    asked_when_pending: float = 0.02
    """The same, while something was read that may not be seen yet."""
    unseen: float = 1.0
    """What a server without GTIDs has logged is taken to be seen after so long, before anything is read."""
    answer: float = 5.0
    """A login or an answer may take as long."""
    first_pause: float = 0.1
    """Before it is tried again; doubled each time."""
    longest_pause: float = 10.0
