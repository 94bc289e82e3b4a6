"""The count of a CALL of which MySQL tells that of the statement before: that of a procedure that counts nothing.

The server's counters of commands come in, as they are before such a CALL and after it; whether the procedure has run
any that is counted comes out. Until that is known, the OK is kept from the client. Never asks and never decides.
"""

from __future__ import annotations

from dbmux.backend.connection import Answer
from dbmux.cache.fill import Write
from dbmux.wire import packet
from dbmux.wire.buffer import lenenc
from dbmux.wire.replies import OK

# The counters of commands, also of those that a procedure runs, and what comes behind them in the server's order. It is
# refused where `max_join_size` is low, and cut short by `sql_select_limit`.
COUNTERS = b"SHOW SESSION STATUS LIKE 'Com%'"
_COUNTER = b"Com_"
# These leave the count as it is; of the others of the binary protocol those of DbMux's own are known.
_UNCOUNTED = frozenset(
    (b"Com_call_procedure", b"Com_get_diagnostics", b"Com_stmt_close", b"Com_stmt_execute", b"Com_stmt_reprepare")
)
_NO_ROWS = bytes((OK, 0))


def count_commands(counters: Answer) -> int:
    """How many commands were run that set the count of rows, or 0 where not all are known."""
    if not counters.rows or (counters.rows[-1][0] or _COUNTER).startswith(_COUNTER):
        return 0
    return sum(
        int(row[1])
        for row in counters.rows
        if row[0] is not None and row[1] is not None and row[0] not in _UNCOUNTED and row[1].isdigit()
    )


class CallReply:
    """Stands in for a client's channel while a CALL is answered: keeps an OK that tells of no rows and is alone."""

    __slots__ = ("_kept", "_write", "_wrote")

    def __init__(self, write: Write) -> None:
        self._write = write
        self._kept = b""
        self._wrote = False

    def write(self, data: bytes | memoryview) -> None:
        """A piece of the reply."""
        if self._wrote:
            self._write(data)
            return
        self._kept += data
        kept = self._kept
        # No result has such a beginning. What is kept is one packet at most.
        is_ok = kept[packet.HEADER : packet.HEADER + 2] == _NO_ROWS
        if not is_ok or len(kept) > packet.HEADER + int.from_bytes(kept[:3], "little"):
            self._wrote, self._kept = True, b""
            self._write(kept)

    def release(self, rows: int) -> None:
        """Pass on what was kept, as an OK that tells of so many rows."""
        kept, self._kept = self._kept, b""
        if kept:
            told = kept[packet.HEADER : packet.HEADER + 1] + lenenc(rows) + kept[packet.HEADER + 2 :]
            self._write(packet.encode(told, kept[3]))
