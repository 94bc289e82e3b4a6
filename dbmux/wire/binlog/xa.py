"""Transactions in two phases, put where they are committed.

A server logs the rows of an XA transaction when it is prepared, and only its name when that is committed, by whatever
connection and however much later. Events of a decoder come in; they go out as they came, but for those of a prepared
transaction, which are held by its name until XA COMMIT stands in the log, and then stand there in the place of the
name. What was rolled back is never told. Held is what was received; how much may be is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dbmux.errors import DbMuxError
from dbmux.wire.binlog.events import (
    Committed,
    Event,
    Position,
    RowsChanged,
    Statement,
    TransactionBegan,
    XaCommitted,
    XaPrepared,
    XaRolledBack,
)
from dbmux.wire.binlog.gtid import GroupFlag

_XA_START, _XA_END = b"XA START ", b"XA END "
# What an event that is held takes beside its bytes.
_EVENT_BYTES = 200


class TooMuchHeld(DbMuxError):
    """More was prepared and not yet committed than may be held."""


class Held:
    """The prepared transactions of one log; `limit` is for all of them together, in bytes."""

    __slots__ = ("_began_at", "_bytes", "_holding", "_limit", "_prepared", "_xid")

    def __init__(self, limit: int, begin: Position) -> None:
        self._limit = limit
        self._bytes = 0
        # The open transaction, where it is one in two phases, and its name once it is prepared.
        self._holding: list[Event] | None = None
        self._xid = ""
        self._began_at = begin
        self._prepared: dict[str, tuple[Position, list[Event]]] = {}

    @property
    def oldest(self) -> Position | None:
        """Where the log must be read again from, so that nothing that is held is lost; None where nothing is."""
        # They were prepared in this order.
        return next((begin for begin, _ in self._prepared.values()), None)

    def take(self, event: Event) -> Iterable[Event]:
        """What is told now; raises TooMuchHeld."""
        match event:
            case TransactionBegan(flags=flags):
                self._holding, self._xid = None, ""
                if _is_of_mariadb(event) and flags & GroupFlag.PREPARED_XA:
                    self._holding = []
                return (event,)
            case Statement(text=text) if self._holding is None and text.startswith(_XA_START):
                self._holding = []
                return ()
            case XaPrepared(xid=xid):
                self._xid = xid
                return ()
            case XaCommitted(xid=xid) if xid in self._prepared:
                return self._release(xid)
            case XaRolledBack(xid=xid) if xid in self._prepared:
                for _ in self._release(xid):
                    pass
                return ()
            case Committed(position=position):
                return self._end(event, position)
            case _ if self._holding is not None:
                self._hold(event)
                return ()
            case _:
                return (event,)

    def _hold(self, event: Event) -> None:
        assert self._holding is not None
        if isinstance(event, Statement) and event.text.startswith(_XA_END):
            return
        self._holding.append(event)
        self._bytes += _size(event)
        if self._bytes > self._limit:
            raise TooMuchHeld(
                f"transactions of more than {self._limit} bytes were prepared with XA PREPARE and not yet committed"
            )

    def _end(self, event: Committed, position: Position) -> Iterator[Event]:
        held, self._holding = self._holding, None
        if held is not None and self._xid:
            self._prepared[self._xid] = (self._began_at, held)
        elif held is not None:
            # It was committed in one phase.
            self._bytes -= sum(map(_size, held))
            yield from held
        self._began_at = position
        yield event

    def _release(self, xid: str) -> Iterator[Event]:
        _, held = self._prepared.pop(xid)
        self._bytes -= sum(map(_size, held))
        yield from held


def _is_of_mariadb(event: TransactionBegan) -> bool:
    return event.gtid.count("-") == 2


def _size(event: Event) -> int:
    return _EVENT_BYTES + (len(event.body) if isinstance(event, RowsChanged) else 0)
