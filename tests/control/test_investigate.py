"""Doing things from a statement: explaining it, running it again, comparing two servers, and what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dbmux.backend.login import Credentials
from dbmux.feed.feed import Refused
from dbmux.wire.columns import Column, FieldType
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.config.serving import Serving, run, servers, serving
from tests.fakes import PASSWORD, FakeBackend, client, row

USERS = {"app": PASSWORD.decode()}
READ = "SELECT a, b FROM shop.items"
COLUMNS = [
    Column(name=b"a", type=FieldType.LONG, flags=1).build(0),
    Column(name=b"b", type=FieldType.VAR_STRING, charset=45).build(0),
]
TREE = b"-> Table scan on items  (cost=0.35 rows=1200)"


class Shop:
    """A server that has items, explains, and refuses every other table."""

    def __init__(self, *items: tuple[bytes, bytes], never_answers: bool = False) -> None:
        self.items = items
        self.asked: list[bytes] = []
        self._is_silent = never_answers

    def __call__(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        self.asked.append(command.body)
        words = command.body
        if command.command == Command.QUIT:
            return None
        if command.command == Command.QUERY and words.startswith(b"SHOW WARNINGS"):
            told = [row(b"Note", b"1003", b"as it was rewritten")]
            return protocol.send_rows([Column(name=b"w", type=253, charset=45).build(0)] * 3, told, Status.AUTOCOMMIT)
        if command.command == Command.QUERY and words.startswith(b"EXPLAIN"):
            plan = Column(name=b"EXPLAIN", type=253, charset=45).build(0)
            return protocol.send_rows([plan], [row(TREE)], Status.AUTOCOMMIT)
        if command.command == Command.QUERY and b"shop.items" in words:
            return b"" if self._is_silent else protocol.send_rows(COLUMNS, self._rows(), Status.AUTOCOMMIT)
        if command.command == Command.QUERY and words.startswith(b"SELECT"):
            return protocol.send_err(Err(number=1146, sqlstate=b"42S02", message=b"no such table"))
        return protocol.send_ok(Ok(status=Status.AUTOCOMMIT))

    def _rows(self) -> list[bytes]:
        return [row(*item) for item in self.items]


@asynccontextmanager
async def shops(folder: Path, *sides: Shop, **config: Any) -> AsyncIterator[Serving]:
    """DbMux in front of these servers, which are called one, two, …"""
    fakes = [FakeBackend(answer=side) for side in sides]
    async with servers(*fakes) as addresses:
        backends = dict(zip(("one", "two"), addresses, strict=False))
        groups = {"main": {"primary": "one"}}
        async with serving(folder / "a.json", {"backends": backends, "groups": groups, **config}) as served:
            yield served


async def asked(served: Serving, question: str, /, **given: Any) -> Any:
    """The answer, as it comes out of JSON."""
    return json.loads(json.dumps(await served.feed.ask(question, given)))


def test_a_read_is_run_again_in_a_read_only_transaction_with_the_rights_of_its_user(tmp_path: Path) -> None:
    shop = Shop((b"1", b"tea"), (b"2", b"salt"))

    async def scenario() -> None:
        async with shops(tmp_path, shop, users=USERS) as served:
            one = await client(served.port())
            await one.ask(Command.QUERY, READ.encode())
            shop.asked.clear()

            told = await asked(served, "run", seq=0)

            assert told["rows"] == [[1, "tea"], [2, "salt"]]
            assert told["columns"] == [{"name": "a", "type": "int"}, {"name": "b", "type": "varchar"}]
            assert (told["backend"], told["user"], told["rights"]) == ("one", "app", "the rights of app")
            assert told["warnings"] == [{"level": "Note", "code": 1003, "message": "as it was rewritten"}]
            assert shop.asked[:3] == [
                b"SET SESSION max_execution_time=10000",
                b"START TRANSACTION READ ONLY",
                READ.encode(),
            ]
            one.close()

    run(scenario)


def test_what_somebody_made_of_a_statement_is_run_as_that_one_ran(tmp_path: Path) -> None:
    shop = Shop((b"1", b"tea"))

    async def scenario() -> None:
        async with shops(tmp_path, shop, users=USERS) as served:
            one = await client(served.port())
            await one.ask(Command.QUERY, b"DELETE FROM shop.items")

            told = await asked(served, "run", seq=0, sql=READ)

            assert (told["sql"], told["user"], told["backend"]) == (READ, "app", "one")
            with pytest.raises(Refused, match="this is a write"):
                await served.feed.ask("run", {"seq": 0})
            one.close()

    run(scenario)


def test_no_more_rows_are_read_than_were_asked_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with shops(tmp_path, Shop((b"1", b"a"), (b"2", b"b"), (b"3", b"c")), users=USERS) as served:
            told = await asked(served, "run", sql=READ, user="app", rows=2)

            assert (told["cut"], told["rows"]) == (True, [[1, "a"], [2, "b"]])
            assert told["warnings"] == []

    run(scenario)


def test_a_server_that_does_not_answer_in_time_is_told_to_stop(tmp_path: Path) -> None:
    shop = Shop(never_answers=True)

    async def scenario() -> None:
        async with shops(tmp_path, shop, users=USERS) as served:
            with pytest.raises(Refused, match="one did not answer in 0.001 s, and was told to stop"):
                await served.feed.ask("run", {"sql": READ, "user": "app", "seconds": 0.001})

            assert b"KILL CONNECTION 7" in shop.asked

    run(scenario)


def test_the_estimate_of_a_plan_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with shops(tmp_path, Shop(), users=USERS) as served:
            told = await asked(served, "explain", sql=READ, user="app")
            analyzed = await asked(served, "explain", sql=READ, user="app", analyze=True)

            assert (told["form"], told["text"], told["estimated_rows"]) == ("tree", TREE.decode(), 1200.0)
            assert (told["analyze"], analyzed["analyze"]) == (False, True)

    run(scenario)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("DELETE FROM shop.items", "only reads are run from here; this is a write"),
        ("SELECT * FROM shop.items FOR UPDATE", "a read that locks"),
        ("SELECT 1; DROP TABLE t", "only reads"),
        ("SELECT LAST_INSERT_ID()", "asks about the statements before it"),
        ("SELECT * FROM shop.items INTO OUTFILE '/tmp/x'", "only reads"),
        ("SET GLOBAL read_only=0", "only reads"),
        ("EXPLAIN ANALYZE DELETE FROM t", "only reads"),
        ("COMMIT", "only reads"),
        ("SELECT @a := 1", "not surely a read"),
        ("SELECT * FROM gone", "one says, with the rights of app: .*no such table"),
    ],
)
def test_what_is_no_plain_read_is_not_run(tmp_path: Path, sql: str, why: str) -> None:
    shop = Shop()

    async def scenario() -> None:
        async with shops(tmp_path, shop, users=USERS) as served:
            with pytest.raises(Refused, match=why):
                await served.feed.ask("run", {"sql": sql, "user": "app"})

            assert ("gone" in sql) == (sql.encode() in shop.asked)

    run(scenario)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "say which statement is meant"),
        ({"sql": READ, "backend": "three"}, "no backend is called 'three'; there are one"),
        ({"sql": READ, "user": "nobody"}, "does not know the password of 'nobody'; name the account in `users`"),
        ({"sql": READ}, "say as which user, or give DbMux a `service` account"),
        ({"sql": READ, "user": "app", "rows": 1_000_000}, "at most 10000 rows"),
        ({"sql": READ, "user": "app", "seconds": "soon"}, "are numbers"),
        ({"seq": 5}, "statement 5 is not kept any more"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_to_do(tmp_path: Path, given: dict[str, Any], why: str) -> None:
    async def scenario() -> None:
        async with shops(tmp_path, Shop(), users=USERS) as served:
            with pytest.raises(Refused, match=why):
                await served.feed.ask("run", given)

    run(scenario)


def test_without_the_users_password_the_service_account_reads(tmp_path: Path) -> None:
    async def scenario() -> None:
        service = {"user": "service", "password": PASSWORD.decode()}
        async with shops(tmp_path, Shop((b"1", b"a")), users=USERS, service=service) as served:
            told = await asked(served, "run", sql=READ, user="somebody else")

            assert (told["user"], told["rights"]) == ("service", "the rights of the service account")

    run(scenario)


def test_a_learnt_password_is_good_for_reading(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with shops(tmp_path, Shop((b"1", b"a")), login="learn") as served:
            served.engine.frontend.learnt.remember("one", Credentials(user=b"app", password=PASSWORD), 0.0)

            assert (await asked(served, "run", sql=READ, user="app"))["rights"] == "the rights of app"

    run(scenario)


def test_two_servers_are_compared_as_sets_unless_there_is_an_order(tmp_path: Path) -> None:
    first, second = Shop((b"1", b"a"), (b"2", b"b")), Shop((b"2", b"b"), (b"1", b"a"))

    async def scenario() -> None:
        async with shops(tmp_path, first, second, users=USERS) as served:
            loose = await asked(served, "compare", sql=READ, user="app", backends=["one", "two"])
            strict = await asked(served, "compare", sql=READ + " ORDER BY a", user="app", backends=["one", "two"])

            assert (loose["equal"], loose["ordered"], loose["rows"]) == (True, False, [])
            assert [side["backend"] for side in loose["sides"]] == ["one", "two"]
            assert loose["sides"][0]["plan"] == TREE.decode()
            assert (strict["equal"], strict["ordered"]) == (False, True)
            assert strict["rows"][0] == {"row": 1, "first": [1, "a"], "second": [2, "b"]}

    run(scenario)


def test_only_so_many_are_looked_into_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with shops(tmp_path, Shop(never_answers=True), users=USERS) as served:
            given = {"sql": READ, "user": "app"}
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(served.feed.ask("run", given)) for _ in range(4)]
                await asyncio.sleep(0)

                with pytest.raises(Refused, match="4 statements are being looked into already"):
                    await served.feed.ask("run", given)
                for one in running:
                    one.cancel()

    run(scenario)


def test_a_statement_is_copied_by_the_engine_in_any_form(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with shops(tmp_path, Shop(), users=USERS) as served:
            one = await client(served.port())
            await one.ask(Command.QUERY, b"SELECT 'it''s'")

            told = await asked(served, "copy", seq=[0], form="mysql")

            assert "--user=app" in told["text"] and "SELECT" in told["text"]
            with pytest.raises(Refused, match="'morse' is no form; there are sql"):
                await served.feed.ask("copy", {"seq": 0, "form": "morse"})
            one.close()

    run(scenario)


def test_a_relayed_login_keeps_its_connection_by_the_plan_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with shops(tmp_path, Shop()) as served:
            told = {step["about"]: step["told"] for step in await asked(served, "plan", sql="SELECT 1")}

            assert told["connection"] == "the session keeps its own: its login is relayed"

    run(scenario)


def test_the_plan_of_dbmux_is_told_without_traffic(tmp_path: Path) -> None:
    first, second = Shop(), Shop()
    config = {
        "users": USERS,
        "groups": {"main": {"primary": "one", "replicas": ["two"]}},
        "rules": {"no-secrets": {"table": "shop.secrets", "reject": "ask the owner"}},
    }

    async def scenario() -> None:
        async with shops(tmp_path, first, second, **config) as served:
            await served.until(lambda: served.engine.frontend.topology.backends["two"].greeting is not None)
            before = list(first.asked), list(second.asked)

            read = {step["about"]: step for step in await asked(served, "plan", sql=READ, schema="shop")}
            write = {step["about"]: step for step in await asked(served, "plan", sql="DELETE FROM shop.items")}
            locked = {step["about"]: step for step in await asked(served, "plan", sql="SELECT GET_LOCK('a', 1)")}
            refused = {step["about"]: step for step in await asked(served, "plan", sql="SELECT * FROM shop.secrets")}

            assert read["meaning"]["told"] == "select shop.items: surely only reads"
            assert read["route"]["told"] == "to two, replica of main: read"
            assert read["cache"]["told"] == "there is none"
            assert "in a transaction" in read["unknown"]["told"]
            assert write["route"]["told"] == "to one, primary of main: write"
            assert "GET_LOCK" in locked["connection"]["told"]
            assert "ask the owner" in refused["refused"]["told"]
            assert served.engine.frontend.rules_matched["no-secrets"] == 0
            assert (first.asked, second.asked) == before

    run(scenario)
