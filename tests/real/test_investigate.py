"""Real servers explain, answer again and are compared, with the arguments of prepared statements."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dbmux.feed.feed import Refused
from dbmux.playground.node import Node
from dbmux.wire.columns import FieldType as T
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err
from dbmux.wire.rows import Moment, Value
from dbmux.wire.statements import Execute, ParameterType, Prepared
from tests.config.serving import Serving, run, serving
from tests.fakes import TestClient, connect
from tests.real.conftest import ACCOUNT, PASSWORD, SERVERS

pytestmark = pytest.mark.real

MARIADB, MYSQL = "mariadb:11", "mysql:9"
SCHEMA = """
CREATE DATABASE IF NOT EXISTS looked_into;
CREATE TABLE IF NOT EXISTS looked_into.items (
  id INT PRIMARY KEY, name VARCHAR(40) CHARACTER SET utf8mb4, price DECIMAL(10,2), made DATETIME(3), raw VARBINARY(9)
);
REPLACE INTO looked_into.items VALUES
  (1, 'tea', 1.50, '2026-01-02 03:04:05.678', x'00ff'), (2, 'señal', -7.00, NULL, NULL), (3, 'salt', 0.10, NULL, '');
ANALYZE TABLE looked_into.items;
"""


@pytest.fixture(scope="module", autouse=True)
def _items(nodes: dict[str, Node]) -> None:
    for node in nodes.values():
        node.run(SCHEMA)


@asynccontextmanager
async def looking(folder: Path, nodes: dict[str, Node], first: str) -> AsyncIterator[Serving]:
    """DbMux in front of all servers; clients come to this one."""
    backends = {name: f"127.0.0.1:{node.port}" for name, node in nodes.items()}
    config = {"backends": backends, "groups": {"main": {"primary": first}}, "users": {ACCOUNT: PASSWORD}}
    async with serving(folder / "appconfig.json", config) as served:
        yield served


@asynccontextmanager
async def application(served: Serving) -> AsyncIterator[TestClient]:
    """A client that is logged in, in the schema."""
    client = await connect(served.port(), PASSWORD.encode(), user=ACCOUNT.encode())
    assert isinstance(client, TestClient)
    await client.ask(Command.INIT_DB, b"looked_into")
    yield client
    client.close()


async def execute(client: TestClient, text: str, *values: tuple[Value, T]) -> None:
    """Prepare and execute, as drivers do."""
    (prepared, *_) = await client.ask(Command.STMT_PREPARE, text.encode())
    assert isinstance(prepared, Prepared)
    execution = Execute(
        statement=prepared.statement,
        types=tuple(ParameterType(kind) for _, kind in values),
        values=tuple(value for value, _ in values),
    )
    reply = await client.ask(Command.STMT_EXECUTE, execution.build(client.protocol.capabilities))
    assert not isinstance(reply[-1], Err)


def look(folder: Path, nodes: dict[str, Node], first: str, test: Callable[[Serving], Awaitable[None]]) -> None:
    async def scenario() -> None:
        async with looking(folder, nodes, first) as served:
            await test(served)

    run(scenario)


async def newest(served: Serving, wanted: str) -> int:
    """The number of the last statement of that command."""
    taken = (await served.feed.subscribe(f"cmd:{wanted}", 0)).take()
    return taken.rows[-1].seq


async def asked(served: Serving, question: str, /, **given: Any) -> Any:
    return json.loads(json.dumps(await served.feed.ask(question, given)))


@pytest.fixture(params=SERVERS)
def name(request: pytest.FixtureRequest) -> str:
    value = request.param
    assert isinstance(value, str)
    return value


def test_an_execution_is_run_again_with_its_arguments(tmp_path: Path, nodes: dict[str, Node], name: str) -> None:
    async def test(served: Serving) -> None:
        async with application(served) as client:
            made = Moment(2026, 1, 2, 3, 4, 5, 678000)
            text = "SELECT *, ? AS told FROM items WHERE made = ? OR name = ? ORDER BY id"
            await execute(client, text, (None, T.NULL), (made, T.DATETIME), ("señal".encode(), T.VAR_STRING))
            seq = await newest(served, "execute")

            told = await asked(served, "run", seq=seq)

            assert [row[:5] for row in told["rows"]] == [
                [1, "tea", "1.50", "2026-01-02 03:04:05.678", "0x00ff"],
                [2, "señal", "-7.00", None, None],
            ]
            assert told["sql"] == text
            assert [one["type"] for one in told["columns"]][:5] == [
                "int",
                "varchar",
                "decimal",
                "datetime",
                "varbinary",
            ]

    look(tmp_path, nodes, name, test)


def test_rows_of_texts_and_of_executions_are_told_alike(tmp_path: Path, nodes: dict[str, Node], name: str) -> None:
    async def test(served: Serving) -> None:
        async with application(served) as client:
            await client.ask(Command.QUERY, b"SELECT * FROM items WHERE id < 4 ORDER BY id")
            await execute(client, "SELECT * FROM items WHERE id < ? ORDER BY id", (4, T.LONGLONG))

            text = await asked(served, "run", seq=await newest(served, "query"))
            execution = await asked(served, "run", seq=await newest(served, "execute"))

            assert text["rows"] == execution["rows"]
            assert text["columns"] == execution["columns"]

    look(tmp_path, nodes, name, test)


@pytest.mark.parametrize("form", ["tree", "json", "table"])
def test_servers_explain_executions_and_texts(tmp_path: Path, nodes: dict[str, Node], name: str, form: str) -> None:
    async def test(served: Serving) -> None:
        async with application(served) as client:
            await client.ask(Command.QUERY, b"SELECT * FROM items WHERE name = 'tea'")
            await execute(client, "SELECT * FROM items WHERE name = ?", (b"tea", T.VAR_STRING))
            for command in ("query", "execute"):
                seq = await newest(served, command)

                told = await asked(served, "explain", seq=seq, form=form)

                assert "items" in (told["text"] or json.dumps(told["rows"]))
                assert told["estimated_rows"] >= 1
                assert (told["plan"] is not None) == (told["form"] == "json")
                assert told["server"].startswith("MySQL" if name == MYSQL else "MariaDB")

    look(tmp_path, nodes, name, test)


def test_servers_analyze_when_told_to(tmp_path: Path, nodes: dict[str, Node], name: str) -> None:
    async def test(served: Serving) -> None:
        async with application(served) as client:
            await execute(client, "SELECT * FROM items WHERE name = ?", (b"tea", T.VAR_STRING))
            seq = await newest(served, "execute")

            told = await asked(served, "explain", seq=seq, analyze=True)

            assert ("actual time=" if name == MYSQL else "r_rows") in told["text"]

    look(tmp_path, nodes, name, test)


def test_what_takes_too_long_is_stopped(tmp_path: Path, nodes: dict[str, Node], name: str) -> None:
    async def test(served: Serving) -> None:
        given = {"user": ACCOUNT, "schema": "looked_into", "seconds": 0.3}
        busy = "SELECT COUNT(*) FROM items a, items b, items c WHERE SLEEP(0.05) = 0"
        with pytest.raises(Refused, match="says, with the rights of|did not answer"):
            await served.feed.ask("run", {"sql": busy, **given})

    look(tmp_path, nodes, name, test)


def test_two_servers_are_compared(tmp_path: Path, nodes: dict[str, Node]) -> None:
    async def test(served: Serving) -> None:
        async with application(served) as client:
            await execute(client, "SELECT id, name, made, raw FROM items WHERE id <> ?", (9, T.LONG))
            seq = await newest(served, "execute")

            same = await asked(served, "compare", seq=seq, backends=[MARIADB, MYSQL])
            other = await asked(
                served, "compare", sql="SELECT VERSION() AS v, 1/0", user=ACCOUNT, backends=[MARIADB, MYSQL]
            )

            assert (same["equal"], len(same["sides"][0]["rows"])) == (True, 3)
            assert all(side["plan"] for side in same["sides"])
            assert not other["equal"]
            assert [one["first"] is None for one in other["rows"]] == [False, True]
            assert [len(side["warnings"]) for side in other["sides"]] == [1, 1]

    look(tmp_path, nodes, MYSQL, test)


def test_a_session_in_another_character_set_is_read_as_it_wrote(
    tmp_path: Path, nodes: dict[str, Node], name: str
) -> None:
    async def test(served: Serving) -> None:
        async with application(served) as client:
            await client.ask(Command.QUERY, b"SET NAMES latin1")
            await client.ask(Command.QUERY, "SELECT name FROM items WHERE name = 'señal'".encode("latin-1"))

            told = await asked(served, "run", seq=await newest(served, "query"))

            assert told["rows"] == [["señal"]]

    look(tmp_path, nodes, name, test)
