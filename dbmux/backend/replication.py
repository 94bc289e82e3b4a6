"""How far a server is: positions in GTIDs, what a replica is missing of its primary, and since when.

What servers say of themselves comes in as text; positions, and how far one is behind another, go out. Never asks a
server, and never takes what is not known for good. (Manual pages "GTID Format and Storage", MariaDB's "Global
Transaction ID", "SHOW REPLICA STATUS", "SHOW ALL SLAVES STATUS".)
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from dbmux.wire.handshake import Greeting

# One sample of the primary a second, for so long: who is further behind is behind by at least that.
SAMPLES = 600

Intervals = tuple[tuple[int, int], ...]
_MARIADB = re.compile(rb"(\d+)-\d+-(\d+)")
_SOURCE = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Position:
    """Everything that a server has: of each source of transactions, which numbers, as sorted intervals."""

    done: Mapping[bytes, Intervals]

    def has(self, other: Position) -> bool:
        """Whether nothing of `other` is missing here."""
        return all(_covers(self.done.get(source, ()), wanted) for source, wanted in other.done.items())

    def __bool__(self) -> bool:
        return bool(self.done)


def parse_position(text: bytes) -> Position:
    """A GTID position or set as either family writes it; what cannot be read is no position, and empty.

    MariaDB's `0-1-270` stands for all of the domain up to 270, whichever servers they came from.
    """
    done: dict[bytes, list[tuple[int, int]]] = {}
    for part in filter(None, (piece.strip() for piece in text.split(b","))):
        if (found := _MARIADB.fullmatch(part)) is not None:
            done.setdefault(found[1], []).append((1, int(found[2])))
        elif not _read_set(part, done):
            return Position({})
    return Position({source: _joined(intervals) for source, intervals in done.items()})


def _read_set(part: bytes, done: dict[bytes, list[tuple[int, int]]]) -> bool:
    # uuid:1-5:7:tag:1-3, where a tag holds for the intervals behind it.
    source, *pieces = part.split(b":")
    if _SOURCE.fullmatch(source) is None or not pieces:
        return False
    key = source.lower()
    for piece in pieces:
        first, dash, last = piece.partition(b"-")
        if not first.strip().isdigit():
            key = source.lower() + b":" + piece.strip().lower()
        elif dash and not last.strip().isdigit():
            return False
        else:
            done.setdefault(key, []).append((int(first), int(last or first)))
    return True


def _joined(intervals: list[tuple[int, int]]) -> Intervals:
    told: list[tuple[int, int]] = []
    for first, last in sorted(intervals):
        if told and first <= told[-1][1] + 1:
            told[-1] = (told[-1][0], max(told[-1][1], last))
        else:
            told.append((first, last))
    return tuple(told)


def _covers(mine: Intervals, wanted: Intervals) -> bool:
    return all(any(first <= begin and end <= last for first, last in mine) for begin, end in wanted)


# How each family is asked whether it takes writes, what is written there, and what a replica has of its primary's. A
# MariaDB replica's own writes count in the same domain, so only gtid_slave_pos will do. What MySQL keeps from a time
# when it had GTIDs stands still, and every replica would seem to have all.
STANDING_MARIADB = b"SELECT @@global.read_only, @@global.gtid_binlog_pos, @@global.gtid_slave_pos"
_EXECUTED = b"IF(@@global.gtid_mode = 'ON', @@global.gtid_executed, '')"
STANDING_MYSQL = b"SELECT @@global.read_only OR @@global.super_read_only, %b, %b" % (_EXECUTED, _EXECUTED)
STATUS_MARIADB = b"SHOW ALL SLAVES STATUS"
# MySQL has the new words from this version on, and the old ones up to 8.4.
STATUS_MYSQL, STATUS_OLD_MYSQL, NEW_WORDS_SINCE = b"SHOW REPLICA STATUS", b"SHOW SLAVE STATUS", (8, 0, 22)
LOG_END, OLD_LOG_END, NEW_LOG_WORDS_SINCE = b"SHOW BINARY LOG STATUS", b"SHOW MASTER STATUS", (8, 2)


def standing_question(greeting: Greeting) -> bytes:
    """How a server is asked whether it takes writes, and for its position."""
    return STANDING_MARIADB if greeting.is_mariadb else STANDING_MYSQL


def status_question(greeting: Greeting) -> bytes:
    """How a server is asked what it says of its replication."""
    if greeting.is_mariadb:
        return STATUS_MARIADB
    return STATUS_MYSQL if greeting.numbers >= NEW_WORDS_SINCE else STATUS_OLD_MYSQL


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a server said of itself: whether it takes writes, and what it has, if it keeps account of that; `gtid` is
    that as the server wrote it."""

    is_read_only: bool
    position: Position
    gtid: str = ""


class History:
    """Where the primary was at which moments: the measure of its replicas.

    A moment is one before the question was sent, so that all which was written until then is part of the answer.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Position]] = deque(maxlen=SAMPLES)
        # When the primary was last known to go on, or not known to be down.
        self.until = 0.0

    def note(self, moment: float, position: Position) -> None:
        """The primary had this; one without GTIDs has no position, and old ones are no measure of it."""
        self.until = moment
        if position:
            self._samples.append((moment, position))
        else:
            self.forget()

    def miss(self, moment: float) -> None:
        """The primary went on and did not tell what it has: who has the newest sample may miss what came since."""
        self.until = moment

    def forget(self) -> None:
        """Another server is the primary now."""
        self._samples.clear()

    def reached(self, position: Position) -> float | None:
        """The latest moment of which this position has everything; None when that is before the first, or not known."""
        for moment, sample in reversed(self._samples):
            if position.has(sample):
                return moment
        return None


def lag(history: History, position: Position) -> tuple[float | None, float | None]:
    """How many seconds a replica is behind, and up to which moment it has everything; None for what is not known.

    While the primary is down a replica does not fall further behind.
    """
    reached = history.reached(position)
    return (None if reached is None else history.until - reached), reached


def lag_told(seconds: float | None) -> str:
    """How far a replica is behind, in words."""
    return "how far it is behind is not known" if seconds is None else f"it is {seconds:.1f} s behind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """What a replica says of how it follows a primary, the server with this number: it has everything up to `offset` in
    that one's log `file`.

    `why` says why it does not go on, or nothing; `is_stopped` tells that it does not try to. `behind_s` is None where
    that is not known.
    """

    server_id: int
    file: str
    offset: int
    behind_s: float | None
    why: str
    is_stopped: bool


def following(status: Mapping[bytes, bytes | None]) -> Following:
    """One row of a replica's status, by column names of either family."""
    row = {_new_name(name.lower()): value or b"" for name, value in status.items()}
    threads = (row.get(b"replica_io_running", b""), row.get(b"replica_sql_running", b""))
    errors = (row.get(b"last_io_error", b""), row.get(b"last_sql_error", b""))
    why = ""
    if threads != (b"Yes", b"Yes"):
        told = "; ".join(" ".join(error.decode("utf-8", "replace").split()) for error in errors if error)
        why = told or ("its replication is stopped" if b"No" in threads else "it does not reach its primary yet")
    behind = row.get(b"seconds_behind_source", b"")
    return Following(
        server_id=_number(row.get(b"source_server_id", b"")),
        file=row.get(b"relay_source_log_file", b"").decode(errors="surrogateescape"),
        offset=_number(row.get(b"exec_source_log_pos", b"")),
        behind_s=None if why or not behind.isdigit() else float(behind),
        why=why,
        is_stopped=b"No" in threads,
    )


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() else 0


def _new_name(name: bytes) -> bytes:
    return name.replace(b"slave", b"replica").replace(b"master", b"source")


def log_end_question(greeting: Greeting) -> bytes:
    """How a server is asked where its log ends: file and offset come first."""
    return LOG_END if not greeting.is_mariadb and greeting.numbers >= NEW_LOG_WORDS_SINCE else OLD_LOG_END
