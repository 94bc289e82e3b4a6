"""ProxySQL's tables are the same from its file, its database and its admin interface."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from dbmux.address import TcpAddress
from dbmux.errors import ConfigError
from dbmux.proxysql.admin import from_admin
from dbmux.proxysql.tables import Tables, from_database, from_file, from_text
from dbmux.wire.columns import Column, FieldType
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.rows import build_text_row
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.fakes import PASSWORD, FakeBackend, run

TABLES: Mapping[str, tuple[Sequence[str], Sequence[Sequence[str | None]]]] = {
    "mysql_servers": (("hostgroup_id", "hostname", "port"), [("10", "db1", "3306"), ("20", "db2", "3307")]),
    "mysql_users": (("username", "password", "default_schema"), [("app", "secret", None)]),
    "global_variables": (("variable_name", "variable_value"), [("mysql-interfaces", "0.0.0.0:6033")]),
}
FILE = """
mysql_servers = ( { address="db1" hostgroup=10 port=3306 }, { hostname="db2" hostgroup_id=20 port=3307 } )
mysql_users: ( { username="app" password="secret" } )
mysql_variables = { interfaces="0.0.0.0:6033" }
"""


def values(tables: Tables) -> dict[str, list[dict[str, str]]]:
    """The rows that there are, without their places and what the file takes for granted."""
    return {
        name: [{key: value for key, value in row.values.items() if key != "active"} for row in rows]
        for name, rows in tables.items()
        if rows
    }


MEANT = {
    name: [{key: value for key, value in zip(columns, row, strict=True) if value is not None} for row in rows]
    for name, (columns, rows) in TABLES.items()
}


@asynccontextmanager
async def served(backend: FakeBackend) -> AsyncIterator[int]:
    """The port of a server that is there meanwhile."""
    server = await asyncio.start_server(backend.serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def admin(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
    """Answers as the admin interface does, which has only some of the tables."""
    if command.command == 1:
        return None
    name = command.body.decode().removeprefix("SELECT * FROM ")
    if name not in TABLES:
        message = f"ProxySQL Admin Error: no such table: {name}".encode()
        return protocol.send_err(Err(number=1045, sqlstate=b"28000", message=message))
    columns, rows = TABLES[name]
    definitions = [
        Column(name=column.encode(), type=FieldType.VAR_STRING, charset=33).build(protocol.capabilities)
        for column in columns
    ]
    encoded = [build_text_row([None if value is None else value.encode() for value in row]) for row in rows]
    return protocol.send_rows(definitions, encoded, Status.AUTOCOMMIT)


def forbidden(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
    """Answers as an interface that shows nothing."""
    if command.command == 3:
        return protocol.send_err(Err(number=1045, sqlstate=b"28000", message=b"only statistics"))
    return protocol.send_ok(Ok(status=Status.AUTOCOMMIT))


def another(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
    """Answers as a MySQL server that is asked for a table without a schema."""
    if command.command == 3:
        return protocol.send_err(Err(number=1046, sqlstate=b"3D000", message=b"No database selected"))
    return protocol.send_ok(Ok(status=Status.AUTOCOMMIT))


def test_a_file_has_its_own_names_for_some_columns_and_variables() -> None:
    assert values(from_text(FILE, "proxysql.cnf")) == MEANT


def test_a_database_is_told_from_a_file_by_its_contents(tmp_path: Path) -> None:
    path = tmp_path / "any.name"
    with closing(sqlite3.connect(path)) as database, database:
        for name, (columns, rows) in TABLES.items():
            database.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
            database.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(columns))})", rows)

    tables = from_file(path)

    assert values(tables) == MEANT
    assert tables["mysql_servers"][1].place == f"{path}: mysql_servers hostgroup_id=20 hostname=db2 port=3307"


def test_a_file_that_is_not_there_is_told_without_more(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.cnf: there is no such file$"):
        from_file(tmp_path / "no.cnf")


def test_what_only_begins_like_a_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"SQLite format 3\0" + b"x" * 2000)

    with pytest.raises(ConfigError, match="cannot be read as ProxySQL's database"):
        from_database(tmp_path / "broken.db")


def test_the_admin_interface_is_asked_for_every_table_and_may_lack_some() -> None:
    async def scenario() -> None:
        async with served(FakeBackend(answer=admin)) as port:
            tables = await from_admin(TcpAddress("127.0.0.1", port), "admin", PASSWORD.decode())

        assert values(tables) == MEANT

    run(scenario)


@pytest.mark.parametrize(
    ("password", "answer", "words"),
    [
        ("wrong", admin, "1045 .28000.: Access denied"),
        (PASSWORD.decode(), forbidden, "1045 .28000.: only statistics"),
        (
            PASSWORD.decode(),
            another,
            "this is a MySQL server, not ProxySQL's admin interface, whose usual port is 6032",
        ),
    ],
)
def test_a_refusal_is_told_with_the_address(
    password: str, answer: Callable[[ServerProtocol, CommandReceived], bytes | None], words: str
) -> None:
    async def scenario() -> None:
        async with served(FakeBackend(answer=answer)) as port:
            with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port}: {words}"):
                await from_admin(TcpAddress("127.0.0.1", port), "admin", password)

    run(scenario)


def test_where_nobody_listens_is_told() -> None:
    async def scenario() -> None:
        async with served(FakeBackend()) as port:
            pass
        with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port}: "):
            await from_admin(TcpAddress("127.0.0.1", port), "admin", "admin")

    run(scenario)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("mysql_servers = ( 1 )", "p.cnf:1:19: mysql_servers: a group, in braces, is expected"),
        ("mysql_servers = (\n{ port = (1) } )", "p.cnf:2:3: a number, true, false or a string is expected"),
        ("mysql_variables = { a", 'p.cnf:1:22: "=" or ":" is expected after a'),
    ],
)
def test_what_has_the_wrong_form_is_told_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as found:
        from_text(text, "p.cnf")

    assert found.value.problems == (sentence,)


def test_no_password_shows_in_a_repr() -> None:
    assert "secret" not in repr(from_text(FILE, "proxysql.cnf"))
