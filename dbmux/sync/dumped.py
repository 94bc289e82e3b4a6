"""A dump as it lies in a file: its lines, whether all of it is there, and where in a server's log it was made.

A path comes in, of plain or gzipped SQL; lines and a position go out. Raises BadDump, which says what to do. Never runs
anything. The lines that are looked for are those that mysqldump and mariadb-dump write.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from dbmux.errors import DbMuxError
from dbmux.wire.binlog.events import Position

_GZIP = b"\x1f\x8b"
_PACKED = {b"\x28\xb5\x2f\xfd": "unzstd", b"\xfd7zXZ": "unxz", b"BZh": "bunzip2", b"PK\x03\x04": "unzip"}
_TOOL, _END = re.compile(rb"-- (MySQL|MariaDB) dump "), b"-- Dump completed"

_PLACE = re.compile(
    rb"(?:-- *)?CHANGE (?:MASTER|REPLICATION SOURCE) (?:'[^']*' )?TO .*?"
    rb"(?:MASTER|SOURCE)_LOG_FILE='(?P<file>[^']+)', *(?:MASTER|SOURCE)_LOG_POS=(?P<offset>\d+)",
    re.IGNORECASE,
)
_GTIDS = re.compile(rb"(?:-- *|/\* *)?SET (?:GLOBAL *gtid_slave_pos|@@GLOBAL\.GTID_PURGED) *=", re.IGNORECASE)
# Written with --dump-slave and --dump-replica: a place in another server's log than that of the server it was made of.
_OF_REPLICA = re.compile(rb"-- .*(SHOW SLAVE STATUS|of this (slave|replica)|for this replica)", re.IGNORECASE)
# The place stands before all data.
_DATA = re.compile(rb"(DROP|CREATE) TABLE |INSERT INTO |LOCK TABLES ")
# What tells a server that it is a replica, or has somebody's transactions, or is not to log what follows.
_REPLICATION = re.compile(
    rb"(?:CHANGE (?:MASTER|REPLICATION SOURCE)\b.*\bTO\b.*;"
    rb"|(?:STOP|START) (?:ALL )?(?:SLAVES?|REPLICA)\b.*;"
    rb"|SET GLOBAL gtid_slave_pos *=.*;"
    rb"|SET @@SESSION\.SQL_LOG_BIN *= *0;)\s*",
    re.IGNORECASE,
)
_PURGED = re.compile(rb"SET @@GLOBAL\.GTID_PURGED *=", re.IGNORECASE)
ASK_FOR_PLACE = "mariadb-dump --master-data=2 --single-transaction, or mysqldump --source-data=2 --single-transaction"


class BadDump(DbMuxError):
    """A file that no server takes, or that does not tell what it should; the message says what to do with it."""


def lines(dump: Path) -> Iterator[bytes]:
    """All of it, unpacked; raises BadDump."""
    try:
        with dump.open("rb") as file:
            start = file.read(8)
            file.seek(0)
            for magic, program in _PACKED.items():
                if start.startswith(magic):
                    raise BadDump(f"{dump} is compressed; unpack it first: {program} {dump.name}")
            yield from gzip.GzipFile(fileobj=file) if start.startswith(_GZIP) else file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadDump(f"{dump} is damaged, or not all of it is there ({error}); copy it again") from error
    except OSError as error:
        raise BadDump(f"{dump} cannot be read: {error.strerror or error}") from error


def check_whole(dump: Path, given: Iterable[bytes]) -> Iterator[bytes]:
    """Pass lines on; raises BadDump at the end, where a tool began the dump and did not end it."""
    is_begun, is_ended = False, False
    for number, line in enumerate(given):
        is_begun = is_begun or (number < 5 and _TOOL.match(line) is not None)
        is_ended = is_ended or line.startswith(_END)
        yield line
    if is_begun and not is_ended:
        raise BadDump(f"{dump} ends before its dump does: there is no line {_END.decode()!r}; make it again")


def without_replication(given: Iterable[bytes]) -> Iterator[bytes]:
    """Lines as one server after the other takes them, with their numbers: those about the log of where they come from
    are left empty."""
    in_purged = False
    for line in given:
        in_purged = in_purged or _PURGED.match(line) is not None
        if in_purged or _REPLICATION.fullmatch(line):
            # A set of transactions may take several lines.
            in_purged = in_purged and b";" not in line
            yield b"\n"
        else:
            yield line


def place_in(dump: Path) -> Position:
    """Where in its server's log a dump was made; raises BadDump."""
    found: list[Position] = []
    is_of_replica = has_gtids = False
    for line in lines(dump):
        if _DATA.match(line):
            break
        if match := _PLACE.match(line):
            found.append(Position(match["file"].decode(errors="surrogateescape"), int(match["offset"])))
        is_of_replica = is_of_replica or _OF_REPLICA.match(line) is not None
        has_gtids = has_gtids or _GTIDS.match(line) is not None
    if is_of_replica and found:
        told = ", ".join(f"{one.file}:{one.offset}" for one in found)
        raise BadDump(
            f"{dump} was made of a replica, and tells a place in the log of that one's primary ({told}); where the "
            "mirror's source is that primary, give the place itself instead of the file"
        )
    if len(found) > 1:
        raise BadDump(f"{dump} tells several places in logs; give the one that is meant instead of the file")
    if not found:
        what = "GTIDs alone, and no place in the log" if has_gtids else "no place in its server's log"
        raise BadDump(f"{dump} tells {what}; make it again with {ASK_FOR_PLACE}")
    return found[0]
