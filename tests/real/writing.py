"""The tables of a tortured mirror, and all that can be done to them: transactions of every shape, rows, definitions.

A session comes in, a deed is done in it, or raises. Whoever looks at `rows_` in one SELECT, here or on a server that
follows, finds each row, its `v` never smaller than before, and always the same sum of `balance`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pymysql
from pymysql.constants import CLIENT

from dbmux.playground.node import Node
from dbmux.playground.packages import Kind
from tests.real.column_types import CASES, Case
from tests.real.mirroring import ACCOUNT

ROWS, BALANCE = 60, 100
LONG_ROW_BYTES = 20_000_000
TYPES_A_TABLE = 16

_TABLES = (
    "CREATE TABLE rows_ (id INT PRIMARY KEY, v BIGINT NOT NULL, balance BIGINT NOT NULL, t VARCHAR(999))",
    "CREATE TABLE noted (id INT PRIMARY KEY AUTO_INCREMENT, row_ INT, v BIGINT)",
    "CREATE TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, t VARCHAR(999))",
    "CREATE TABLE long_rows (id INT PRIMARY KEY AUTO_INCREMENT, n INT, b LONGBLOB)",
    "CREATE TABLE widened (id INT PRIMARY KEY AUTO_INCREMENT, a INT)",
    "CREATE TABLE emptied (id INT PRIMARY KEY AUTO_INCREMENT, a INT)",
    "CREATE TABLE parents (id INT PRIMARY KEY AUTO_INCREMENT)",
    "CREATE TABLE children (id INT PRIMARY KEY AUTO_INCREMENT, parent INT,"
    " FOREIGN KEY (parent) REFERENCES parents (id) ON DELETE CASCADE ON UPDATE SET NULL)",
    "CREATE TABLE grandchildren (id INT PRIMARY KEY AUTO_INCREMENT, child INT,"
    " FOREIGN KEY (child) REFERENCES children (id) ON DELETE CASCADE ON UPDATE CASCADE)",
    f"INSERT INTO rows_ VALUES {', '.join(f'({row}, 0, {BALANCE}, NULL)' for row in range(ROWS))}",
)
_TRIGGER = "CREATE TRIGGER note AFTER UPDATE ON rows_ FOR EACH ROW INSERT INTO noted (row_, v) VALUES (NEW.id, NEW.v)"
# Tables whose rows foreign keys change.
CASCADED = ("children", "grandchildren")

_DEADLOCK = 1213
# What happens to a session whose server is killed, whose tables are redefined, or who meets others: the connection is
# refused or lost, a lock is not to be had, a key is there, a row that is referred to is gone, the table or its columns
# have changed, the branch is somebody else's or was rolled back, a crash has left a file of a table behind.
_EXPECTED = frozenset(
    (0, 1040, 1053, 1317, 1927, 2003, 2006, 2013, 2014, 1020, 1205, _DEADLOCK, 1062, 1452, 1054, 1060, 1091, 1146, 1412)
    + (1397, 1402, 1440, 1613, 1614, 3058, 1005, 1813)
)


def is_expected(error: Exception) -> bool:
    """Whether a deed may end so in a torture."""
    return isinstance(error, OSError) or (isinstance(error, pymysql.Error) and error.args[0] in _EXPECTED)


@dataclass(frozen=True, slots=True)
class Scene:
    """A schema of two servers, the first of which is written to."""

    schema: str
    source: Node
    target: Node
    # MariaDB that is killed inside a TRUNCATE may have emptied the table and not logged it: nobody could follow that.
    source_stays: threading.Lock = field(default_factory=threading.Lock)

    def build(self) -> None:
        """Make its tables on both, with the same rows; what triggers and foreign keys do is done on the source."""
        for node in (self.source, self.target):
            with closing(connect(node)) as connection, connection.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {self.schema} CHARACTER SET utf8mb4")
                cursor.execute(f"USE {self.schema}")
                for statement in _TABLES:
                    cursor.execute(statement)
                for number, cases in enumerate(self.types()):
                    columns = ", ".join(f"`{case.name}` {case.type_on(node)}" for case in cases)
                    cursor.execute(f"CREATE TABLE types_{number} (id INT PRIMARY KEY AUTO_INCREMENT, {columns})")
                if node is self.source:
                    cursor.execute(_TRIGGER)
                connection.commit()

    def types(self) -> list[list[Case]]:
        """All types of columns that both have room for, as many as go into a table."""
        cases = [case for case in CASES if case.on.has(self.source) and case.type_on(self.target)]
        return [cases[at : at + TYPES_A_TABLE] for at in range(0, len(cases), TYPES_A_TABLE)]


def connect(node: Node, **options: Any) -> Any:
    """Whoever writes goes past DbMux."""
    return pymysql.connect(
        host="127.0.0.1", port=node.port, user=ACCOUNT.user, password=ACCOUNT.password, charset="utf8mb4",
        read_timeout=60, **options,
    )  # fmt: skip


class Session:
    """One connection of somebody who writes; `noted` is called for what has happened besides."""

    def __init__(self, scene: Scene, random: Random, noted: Callable[[Deed], None]) -> None:
        node = scene.source
        self.scene = scene
        self.random = random
        self.noted = noted
        self._connection = connect(
            node, database=scene.schema, autocommit=True, client_flag=CLIENT.MULTI_STATEMENTS,
            init_command="SET SESSION innodb_lock_wait_timeout = 2, lock_wait_timeout = 2, time_zone = '+00:00',"
            " sql_mode = 'ALLOW_INVALID_DATES'",
        )  # fmt: skip
        self._cursor = self._connection.cursor()
        compresses = random.randrange(2)
        if node.software.kind is Kind.MYSQL:
            self.run(f"SET SESSION binlog_transaction_compression = {compresses}")
        else:
            self.run(f"SET GLOBAL log_bin_compress = {compresses}")

    def close(self) -> None:
        """End it, whatever is open."""
        self._connection.close()

    def run(self, *statements: str) -> None:
        """One after the other."""
        for statement in statements:
            self._cursor.execute(statement)
            while self._cursor.nextset():
                pass

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """The rows of an answer."""
        self._cursor.execute(question)
        return list(self._cursor.fetchall())

    def name(self) -> str:
        """One that nobody else has: not even in a torture before this one."""
        return f"{self.scene.schema}-{self.random.getrandbits(60)}"


Deed = Callable[[Session], None]


# Transactions of every shape.


def one_statement(session: Session) -> None:
    session.run(_update(session))


def several_statements(session: Session) -> None:
    session.run("BEGIN", *_changes(session), "COMMIT")


def statements_in_one_packet(session: Session) -> None:
    session.run("; ".join(("BEGIN", *_changes(session), "COMMIT", _update(session))))


def prepared_statements(session: Session) -> None:
    row = session.random.randrange(ROWS)
    session.run(
        "PREPARE change_it FROM 'UPDATE rows_ SET v = v + 1, t = ? WHERE id = ?'",
        f"SET @t = 'it''s', @row = {row}",
        "EXECUTE change_it USING @t, @row",
        "DEALLOCATE PREPARE change_it",
    )


def rolled_back(session: Session) -> None:
    session.run("BEGIN", *_changes(session), "ROLLBACK")


def back_to_a_savepoint(session: Session) -> None:
    changes = _changes(session)
    session.run("BEGIN", *_changes(session), "SAVEPOINT s", *changes, "ROLLBACK TO s", *_changes(session), "COMMIT")


def in_two_phases(session: Session) -> None:
    name = session.name()
    session.run(f"XA START '{name}'", *_changes(session), f"XA END '{name}'")
    if session.random.random() < 0.2:
        with _uncrashed(session):
            session.run(f"XA COMMIT '{name}' ONE PHASE")
        return
    with _uncrashed(session):
        session.run(f"XA PREPARE '{name}'")
    with _uncrashed(session):
        session.run(f"XA {session.random.choice(('COMMIT', 'COMMIT', 'ROLLBACK'))} '{name}'")


def what_others_prepared(session: Session) -> None:
    for name in _prepared(session.ask("XA RECOVER")):
        with _uncrashed(session):
            session.run(f"XA {session.random.choice(('COMMIT', 'ROLLBACK'))} {name}")


def _commit(session: Session) -> None:
    # A large transaction: MariaDB may have logged half of it when it is killed, and sends nothing of its log any more.
    with _uncrashed(session):
        session.run("COMMIT")


def _uncrashed(session: Session) -> AbstractContextManager[object]:
    # MariaDB may log how a transaction in two phases ended, crash, and have it still prepared afterwards (MDEV-21469);
    # so one that was being committed in one phase, of which the log knows no preparation.
    is_safe = session.scene.source.software.kind is Kind.MYSQL
    return nullcontext() if is_safe else session.scene.source_stays


def a_large_transaction(session: Session) -> None:
    session.run("BEGIN", *_a_thousand(session))
    _commit(session)


def cut_inside_a_large_transaction(session: Session) -> None:
    session.run("BEGIN", *_a_thousand(session))
    with suppress(pymysql.Error):
        session.run("KILL CONNECTION_ID()")


def gaps_in_a_count(session: Session) -> None:
    session.run(
        "BEGIN", "INSERT INTO log (t) VALUES ('never seen')", "ROLLBACK",
        "INSERT INTO log (t) VALUES ('é'), ('😀')",
        "INSERT INTO log SELECT MAX(id) + 7, 'further on' FROM log",
        "DELETE FROM log ORDER BY id DESC LIMIT 1",
    )  # fmt: skip


def foreign_keys_that_cascade(session: Session) -> None:
    session.run(
        "BEGIN",
        "INSERT INTO parents VALUES (NULL)", "SET @parent = LAST_INSERT_ID()",
        "INSERT INTO children (parent) VALUES (@parent)", "SET @child = LAST_INSERT_ID()",
        "INSERT INTO children (parent) VALUES (@parent)",
        "INSERT INTO grandchildren (child) VALUES (@child), (@child)",
        "COMMIT",
        "UPDATE children SET id = -id WHERE id = @child",
    )  # fmt: skip
    session.run(
        session.random.choice(
            ("UPDATE parents SET id = -id WHERE id = @parent", "DELETE FROM parents WHERE id = @parent")
        )
    )


def in_the_opposite_order(session: Session, first: int, second: int) -> None:
    """Half of a deadlock; who loses tries again."""
    while True:
        try:
            session.run("BEGIN", f"UPDATE rows_ SET v = v + 1, balance = balance - 1 WHERE id = {first}")
            session.run("DO SLEEP(0.03)")
            session.run(f"UPDATE rows_ SET v = v + 1, balance = balance + 1 WHERE id = {second}", "COMMIT")
            return
        except pymysql.err.OperationalError as error:
            if error.args[0] != _DEADLOCK:
                raise
            session.noted(a_deadlock)


def a_deadlock(session: Session) -> None:
    """What comes of that; nobody does it alone."""


# What takes longer.


def columns_of_every_type(session: Session) -> None:
    session.run("BEGIN")
    for number, cases in enumerate(session.scene.types()):
        table, names = f"types_{number}", ", ".join(f"`{case.name}`" for case in cases)
        values = [", ".join(_literal(case, session.random) for case in cases) for _ in range(2)]
        session.run(f"INSERT INTO {table} ({names}) VALUES {', '.join(f'({row})' for row in values)}")
        changed = ", ".join(f"`{case.name}` = {_literal(case, session.random)}" for case in cases)
        session.run(f"UPDATE {table} SET {changed} ORDER BY id DESC LIMIT 1")
        if session.random.randrange(2):
            session.run(f"DELETE FROM {table} ORDER BY id LIMIT 1")
    _commit(session)


def a_long_row(session: Session) -> None:
    session.run(
        "BEGIN",
        session.random.choice(
            (
                f"INSERT INTO long_rows (n, b) VALUES (1, REPEAT('x', {LONG_ROW_BYTES}))",
                f"REPLACE INTO long_rows VALUES (1, 2, REPEAT(x'00', {LONG_ROW_BYTES}))",
                "UPDATE long_rows SET n = n + 1, b = CONCAT(b, 'y') ORDER BY id LIMIT 1",
            )
        ),
    )
    _commit(session)


# Definitions.


def a_column_more_or_less(session: Session) -> None:
    table = f"TABLE_SCHEMA = '{session.scene.schema}' AND TABLE_NAME = 'widened'"
    columns = [name for (name,) in session.ask(f"SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE {table}")]
    number = session.random.randrange(3)
    if f"c{number}" in columns:
        session.run(f"ALTER TABLE widened DROP COLUMN c{number}")
    else:
        place = session.random.choice(("", "FIRST", "AFTER id"))
        session.run(f"ALTER TABLE widened ADD COLUMN c{number} INT NOT NULL DEFAULT {number} {place}")
    session.run("INSERT INTO widened (a) VALUES (1)")


def a_table_that_comes_and_goes(session: Session) -> None:
    table = f"made_{session.random.randrange(3)}"
    like = session.random.choice(("(id INT PRIMARY KEY AUTO_INCREMENT, a INT)", "LIKE widened"))
    session.run(
        f"DROP TABLE IF EXISTS {table}",
        f"CREATE TABLE {table} {like}",
        f"INSERT INTO {table} (a) VALUES (1), (2)",
        f"ALTER TABLE {table} ADD COLUMN b VARCHAR(9) DEFAULT 'x', ADD INDEX (a)",
        f"INSERT INTO {table} (a) VALUES (3)",
    )


def a_table_is_emptied(session: Session) -> None:
    session.run("INSERT INTO emptied (a) VALUES (1), (2)")
    with session.scene.source_stays:
        session.run("TRUNCATE TABLE emptied")
    session.run("INSERT INTO emptied (a) VALUES (3)")


# Parts of them.


def _changes(session: Session) -> Iterator[str]:
    for _ in range(session.random.randrange(1, 8)):
        yield from session.random.choice((_updated, _upserted, _replaced, _gone_and_back, _logged, _wide))(session)


def _update(session: Session) -> str:
    return f"UPDATE rows_ SET v = v + 1, t = LEFT(CONCAT('x', COALESCE(t, '')), 99) WHERE id = {_row(session)}"


def _updated(session: Session) -> Iterator[str]:
    yield _update(session)


def _upserted(session: Session) -> Iterator[str]:
    yield f"INSERT INTO rows_ VALUES ({_row(session)}, 1, 0, '') ON DUPLICATE KEY UPDATE v = rows_.v + 1"


def _replaced(session: Session) -> Iterator[str]:
    yield f"REPLACE INTO rows_ SELECT id, v + 1, balance, NULL FROM rows_ WHERE id = {_row(session)} FOR UPDATE"


def _gone_and_back(session: Session) -> Iterator[str]:
    row = _row(session)
    yield f"SELECT v + 1, balance INTO @v, @balance FROM rows_ WHERE id = {row} FOR UPDATE"
    yield f"DELETE FROM rows_ WHERE id = {row}"
    yield f"INSERT INTO rows_ VALUES ({row}, @v, @balance, 'back')"


def _logged(session: Session) -> Iterator[str]:
    yield "INSERT INTO log (t) VALUES ('é')"


def _wide(session: Session) -> Iterator[str]:
    yield "INSERT INTO widened (a) VALUES (0)"
    yield "UPDATE widened SET a = a + 1 ORDER BY id DESC LIMIT 1"


def _a_thousand(session: Session) -> Iterator[str]:
    for _ in range(2):
        yield f"INSERT INTO log (t) VALUES {', '.join(['(REPEAT(UUID(), 10))'] * 500)}"


def _row(session: Session) -> int:
    return session.random.randrange(ROWS)


def _literal(case: Case, random: Random) -> str:
    return random.choice(("NULL", *case.literals))


def finish_prepared(node: Node) -> None:
    """Roll back what its session could not end any more."""
    with closing(connect(node, autocommit=True)) as connection, connection.cursor() as cursor:
        cursor.execute("XA RECOVER")
        for name in _prepared(cursor.fetchall()):
            cursor.execute(f"XA ROLLBACK {name}")


def _prepared(rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    for _, length, _, name in rows:
        # Of what a server has found after a crash, it gives the name as bytes.
        data = name if isinstance(name, bytes) else name.encode()
        yield f"X'{data[:length].hex()}'"
