"""What is read and written: tables of every kind that a write reaches in its own way.

Schemas' names come in, SQL goes out: the tables, and for each family the statements by which a register's next version
is written and read. Every read tells versions first, and then whose row it is: id, schema, a letter, a moment.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

HOMES = ("checker_a", "checker_b")
# Only one of the users may read what is here.
VAULT = "checker_vault"
# Tables that are written only by clients that go away in the middle: nothing is stored of them for a while after.
FRAGILE = 24
# So many pairs of rows are looked at by a read that is to take some time.
FILLER = 250
IDENTITY = ("CONCAT(t.id)", "t.home", "t.label", "CONCAT(t.at)")


class Mode(Enum):
    """Whether what is written must or may be a transaction."""

    EITHER = auto()
    TRANSACTION = auto()
    ALONE = auto()


@dataclass(frozen=True, slots=True)
class Way:
    """How a version gets written; of what is done `ahead`, nothing is to be seen."""

    statements: tuple[str, ...]
    ahead: tuple[str, ...] = ()
    mode: Mode = Mode.EITHER


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Registers of the same tables. In each text `{id}` and `{ver}` stand for the register and its next version."""

    name: str
    tables: tuple[str, ...]
    ways: tuple[Way, ...]
    reads: tuple[str, ...]
    ids: int = 2
    weight: int = 4


@dataclass(slots=True, eq=False)
class Register:
    """One register: `home` is its schema, and `is_qualified` says that statements name it."""

    family: Family
    home: str
    id: int
    is_qualified: bool = False
    version: int = 1
    writing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """By it the history knows the register."""
        return f"{self.home}.{self.family.name}#{self.id}"

    def next(self) -> int:
        """A new version; only for who holds `writing`."""
        self.version += 1
        return self.version


def _columns(more: str) -> str:
    return f"(id INT, ver BIGINT, home VARCHAR(20), label VARCHAR(9), at TIMESTAMP NULL, {more}) CHARSET=utf8mb4"


def _table(name: str, more: str = "PRIMARY KEY (id)") -> tuple[str, str]:
    return f"CREATE TABLE {name} {_columns(more)}", f"INSERT INTO {name} SELECT * FROM seed"


def _select(source: str, *versions: str) -> str:
    columns = [f"CONCAT({version})" for version in versions or ("t.ver",)]
    return f"SELECT {', '.join((*columns, *IDENTITY))} FROM {source} WHERE t.id = {{id}}"


def _update(table: str) -> Way:
    return Way((f"UPDATE {table} SET ver = {{ver}} WHERE id = {{id}}",))


_ROW = "SELECT id, {ver}, home, label, at FROM seed WHERE id = {id}"
_LONG = f"(SELECT COUNT(*) FROM filler a, filler b WHERE a.n * b.n = {FILLER}) > 0"

FAMILIES = (
    Family(
        name="plain",
        tables=(
            *_table("plain"),
            "CREATE VIEW looked AS SELECT * FROM plain",
        ),
        ways=(
            _update("plain"),
            _update("looked"),
            Way((f"INSERT INTO plain {_ROW} ON DUPLICATE KEY UPDATE ver = {{ver}}",)),
            Way((f"REPLACE INTO plain {_ROW}",)),
            Way(("DELETE FROM plain WHERE id = {id}", f"INSERT INTO plain {_ROW}"), mode=Mode.TRANSACTION),
        ),
        reads=(
            _select("plain t"),
            _select("looked t"),
            _select("(SELECT * FROM plain) t"),
        ),
        weight=8,
    ),
    # A CALL binds the session to its connection: not too many.
    Family(
        name="routine",
        tables=(
            *_table("counted"),
            "CREATE PROCEDURE bump(number INT, version BIGINT) UPDATE counted SET ver = version WHERE id = number",
        ),
        ways=(Way(("CALL bump({id}, {ver})",)),),
        reads=(_select("counted t"),),
        ids=1,
        weight=1,
    ),
    # It takes some time to read, so that a write overtakes it, and others ask for the same meanwhile.
    Family(
        name="slow", tables=_table("slow"), ways=(_update("slow"),), reads=(f"{_select('slow t')} AND {_LONG}",), ids=1
    ),
    Family(
        name="pair",
        tables=(*_table("lefts"), *_table("rights")),
        ways=(
            Way((*_update("lefts").statements, *_update("rights").statements), mode=Mode.TRANSACTION),
            Way(("UPDATE lefts l JOIN rights r ON r.id = l.id SET l.ver = {ver}, r.ver = {ver} WHERE l.id = {id}",)),
        ),
        reads=(
            _select("lefts t JOIN rights r ON r.id = t.id", "t.ver", "r.ver"),
            _select("lefts t"),
            _select("rights t"),
        ),
        weight=8,
    ),
    Family(
        name="trigger",
        tables=(
            *_table("journaled"),
            *_table("audit"),
            "CREATE TRIGGER audits AFTER UPDATE ON journaled FOR EACH ROW "
            "UPDATE audit SET ver = NEW.ver WHERE id = NEW.id",
        ),
        ways=(_update("journaled"),),
        reads=(
            _select("audit t"),
            _select("journaled t JOIN audit r ON r.id = t.id", "t.ver", "r.ver"),
        ),
    ),
    Family(
        name="cascade",
        tables=(
            *_table("parent", "PRIMARY KEY (id), UNIQUE KEY (id, ver)"),
            *_table(
                "child",
                "PRIMARY KEY (id), KEY (id, ver), FOREIGN KEY (id, ver) REFERENCES parent (id, ver) ON UPDATE CASCADE",
            ),
        ),
        ways=(_update("parent"),),
        reads=(_select("child t"), _select("parent t JOIN child r ON r.id = t.id", "t.ver", "r.ver")),
    ),
    # The oldest file counts, and goes with its folder.
    Family(
        name="deletion",
        tables=(
            "CREATE TABLE folder (id INT, ver BIGINT, PRIMARY KEY (id, ver))",
            "INSERT INTO folder SELECT id, ver FROM seed",
            *_table(
                "file", "PRIMARY KEY (id, ver), FOREIGN KEY (id, ver) REFERENCES folder (id, ver) ON DELETE CASCADE"
            ),
        ),
        ways=(
            Way(
                ("DELETE FROM folder WHERE id = {id} AND ver < {ver}",),
                ahead=("INSERT INTO folder VALUES ({id}, {ver})", f"INSERT INTO file {_ROW}"),
            ),
        ),
        reads=(
            "SELECT CONCAT(MIN(t.ver)), CONCAT(t.id), MIN(t.home), MIN(t.label), CONCAT(MIN(t.at)) "
            "FROM file t WHERE t.id = {id} GROUP BY t.id",
        ),
    ),
    # What is in the shed counts, until it is emptied.
    Family(
        name="emptied",
        tables=(*_table("base"), f"CREATE TABLE shed {_columns('KEY (ver)')}"),
        ways=(
            Way(
                ("TRUNCATE TABLE shed",),
                ahead=(
                    "INSERT INTO shed SELECT * FROM base WHERE id = {id}",
                    "UPDATE base SET ver = {ver} WHERE id = {id}",
                ),
                mode=Mode.ALONE,
            ),
        ),
        reads=(_select("base t", "LEAST(t.ver, IFNULL((SELECT MIN(s.ver) FROM shed s), t.ver))"),),
        ids=1,
        weight=1,
    ),
)


def _qualified(schema: str, name: str) -> Family:
    # Late writes of a client that is gone must not undo newer ones.
    write = f"UPDATE {schema}.{name} SET ver = {{ver}} WHERE id = {{id}} AND ver < {{ver}}"
    ways = (Way((write,)), Way((f"{write} AND (SELECT COUNT(*) FROM {schema}.filler a, {schema}.filler b) > 0",)))
    reads = (_select(f"{schema}.{name} t"), _select(f"(SELECT * FROM {schema}.{name}) t"))
    return Family(name=name, tables=_table(name), ways=ways, reads=reads, ids=1, weight=1)


VAULTED = _qualified(VAULT, "vault")
BROKEN = tuple(_qualified(HOMES[0], f"fragile_{number}") for number in range(FRAGILE))


def registers() -> list[Register]:
    """All registers, at version 1, but for the fragile ones."""
    usual = [
        Register(family, home, number) for home in HOMES for family in FAMILIES for number in range(1, family.ids + 1)
    ]
    return [*usual, Register(VAULTED, VAULT, 1, is_qualified=True)]


def fragile_registers() -> list[Register]:
    """Those that are for clients that go away in the middle of a write."""
    return [Register(family, HOMES[0], 1, is_qualified=True) for family in BROKEN]


def definitions() -> Iterator[str]:
    """The statements that make everything anew."""
    yield "SET NAMES utf8mb4"
    yield "SET time_zone = '+00:00'"
    for schema in (*HOMES, VAULT):
        yield f"DROP DATABASE IF EXISTS {schema}"
        yield f"CREATE DATABASE {schema} CHARACTER SET utf8mb4"
        yield f"USE {schema}"
        yield f"CREATE TABLE seed {_columns('PRIMARY KEY (id)')}"
        rows = (f"({number}, 1, '{schema}', 'é', '2020-01-01 00:00:00')" for number in (1, 2))
        yield f"INSERT INTO seed VALUES {', '.join(rows)}"
        yield "CREATE TABLE scratch (id INT)"
        yield "CREATE TABLE filler (n INT PRIMARY KEY)"
        yield f"INSERT INTO filler VALUES {', '.join(f'({number})' for number in range(1, FILLER + 1))}"
        for family in _families(schema):
            yield from family.tables


def _families(schema: str) -> tuple[Family, ...]:
    if schema == VAULT:
        return (VAULTED,)
    return (*FAMILIES, *BROKEN) if schema == HOMES[0] else FAMILIES
