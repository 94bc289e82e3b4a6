"""Where a mirror stands: kept on the target itself, in the transactions that bring it there.

A name comes in with what was applied; SQL goes out, to run in the transaction with the changes. So the place is never
ahead of the data nor behind it, whenever anything is killed. Beside it stands what is prepared on the source and not
yet committed (XA), and the definition that is under way: definitions are in no transaction.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b

from dbmux.sync.table import SYSTEM, TableName
from dbmux.sync.target import Change, Target
from dbmux.wire.binlog.events import Position

SCHEMA = "dbmux_mirror"
# What of the source's binary log is never applied: DbMux's own, and what each server keeps for itself.
OWN_SCHEMAS = SYSTEM | {SCHEMA}

_TABLES = (
    b"CREATE DATABASE IF NOT EXISTS dbmux_mirror CHARACTER SET utf8mb4",
    b"CREATE TABLE IF NOT EXISTS dbmux_mirror.places ("
    b"name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,"
    b" source VARCHAR(64) NOT NULL, file VARCHAR(255) CHARACTER SET binary NOT NULL, position BIGINT UNSIGNED NOT NULL,"
    b" gtid VARCHAR(255) NOT NULL, committed_at DOUBLE NOT NULL, transactions BIGINT UNSIGNED NOT NULL,"
    b" changed_rows BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB",
    b"CREATE TABLE IF NOT EXISTS dbmux_mirror.prepared ("
    b"name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,"
    b" xid VARCHAR(300) CHARACTER SET ascii NOT NULL, part INT UNSIGNED NOT NULL, must_find BIGINT NOT NULL,"
    b" statement LONGBLOB NOT NULL, PRIMARY KEY (name, xid, part)) ENGINE=InnoDB",
    b"CREATE TABLE IF NOT EXISTS dbmux_mirror.definitions ("
    b"name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,"
    b" statement LONGBLOB NOT NULL, tables LONGTEXT NOT NULL, before_it VARCHAR(64) CHARACTER SET ascii NOT NULL)"
    b" ENGINE=InnoDB",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a target is: `position` in the log of the server `source`, behind the transaction `gtid`, which was
    committed at `committed_at` (seconds since the epoch); so many transactions and rows were applied to get there."""

    source: str
    position: Position
    gtid: str = ""
    committed_at: float = 0.0
    transactions: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Definition:
    """One that is under way: the statement, the tables that it is about, and how those looked before it."""

    statement: bytes
    tables: tuple[TableName, ...] | None
    before: str


async def prepare(target: Target) -> None:
    """Make the tables, where they are not there; raises BackendRefused."""
    for sql in _TABLES:
        await target.ask(sql)


async def place_of(target: Target, name: str) -> Place | None:
    """How far the target is; None where nothing was ever begun under this name."""
    rows = await target.ask(
        b"SELECT source, file, position, gtid, committed_at, transactions, changed_rows FROM dbmux_mirror.places"
        b" WHERE name = " + text(name)
    )
    if not rows:
        return None
    source, file, position, gtid, committed_at, transactions, changed = (value or b"" for value in rows[0])
    return Place(
        source=source.decode(),
        position=Position(file.decode(errors="surrogateescape"), int(position)),
        gtid=gtid.decode(),
        committed_at=float(committed_at),
        transactions=int(transactions),
        rows=int(changed),
    )


def begun(name: str, place: Place) -> Change:
    """Says for the first time how far the target is."""
    values = (
        text(name),
        text(place.source),
        _file(place),
        b"%d" % place.position.offset,
        text(place.gtid),
        b"%.6f" % place.committed_at,
        b"%d" % place.transactions,
        b"%d" % place.rows,
    )
    return Change(b"REPLACE INTO dbmux_mirror.places VALUES (%b)" % b",".join(values))


def moved(name: str, before: Place, place: Place) -> Change:
    """Says how far the target is, with the transaction in which it runs; finds nothing, and so fails, where somebody
    else has moved it meanwhile."""
    return Change(
        b"UPDATE dbmux_mirror.places SET file=%b, position=%d, gtid=%b, committed_at=%.6f, transactions=%d,"
        b" changed_rows=%d WHERE name=%b AND file=%b AND position=%d"
        % (
            _file(place),
            place.position.offset,
            text(place.gtid),
            place.committed_at,
            place.transactions,
            place.rows,
            text(name),
            _file(before),
            before.position.offset,
        ),
        1,
    )


def _file(place: Place) -> bytes:
    return data(place.position.file.encode(errors="surrogateescape"))


async def claim(target: Target, name: str) -> bool:
    """Whether nobody else feeds the target under this name, for as long as the connection lasts."""
    lock = b"dbmux_mirror.%b" % blake2b(name.encode(), digest_size=16).hexdigest().encode()
    ((got,),) = await target.ask(b"SELECT GET_LOCK('%b', 0)" % lock)
    return got == b"1"


def forgotten(name: str) -> tuple[Change, ...]:
    """Forgets all of a mirror."""
    return tuple(
        Change(b"DELETE FROM dbmux_mirror.%b WHERE name = %b" % (table, text(name)))
        for table in (b"places", b"prepared", b"definitions")
    )


# What is prepared on the source.


def kept(name: str, xid: str, part: int, change: Change) -> Change:
    """Keeps a change until the transaction that it belongs to is committed."""
    values = (text(name), text(xid), b"%d" % part, b"%d" % change.rows, data(change.sql))
    return Change(b"REPLACE INTO dbmux_mirror.prepared VALUES (%b)" % b",".join(values))


async def kept_of(target: Target, name: str, xid: str) -> list[Change]:
    """What was kept of such a transaction, in its order."""
    rows = await target.ask(
        b"SELECT statement, must_find FROM dbmux_mirror.prepared WHERE name = %b AND xid = %b ORDER BY part"
        % (text(name), text(xid))
    )
    return [Change(statement or b"", int(must_find or b"0")) for statement, must_find in rows]


def let_go(name: str, xid: str) -> Change:
    """Forgets what was kept."""
    return Change(b"DELETE FROM dbmux_mirror.prepared WHERE name = %b AND xid = %b" % (text(name), text(xid)))


# Definitions.


async def definition_of(target: Target, name: str) -> Definition | None:
    """The one that was under way when something ended."""
    rows = await target.ask(
        b"SELECT statement, tables, before_it FROM dbmux_mirror.definitions WHERE name = " + text(name)
    )
    if not rows:
        return None
    statement, tables, before = (value or b"" for value in rows[0])
    named = json.loads(tables)
    return Definition(statement, None if named is None else tuple(TableName(*one) for one in named), before.decode())


def intended(name: str, definition: Definition) -> Change:
    """Says that a definition is going to run."""
    values = text(name), data(definition.statement), text(json.dumps(definition.tables)), text(definition.before)
    return Change(b"REPLACE INTO dbmux_mirror.definitions VALUES (%b)" % b",".join(values))


def done(name: str) -> Change:
    """Says that it has run."""
    return Change(b"DELETE FROM dbmux_mirror.definitions WHERE name = " + text(name))


def text(value: str) -> bytes:
    """A string as SQL."""
    return b"_utf8mb4 " + data(value.encode())


def data(value: bytes) -> bytes:
    """Bytes as SQL."""
    return b"x'%b'" % value.hex().encode()
