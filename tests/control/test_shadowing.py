"""The tap of shadow reads: which finished statements are offered, and what is said of the others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dbmux.config.model import Config
from dbmux.control.shadowing import CLOCKS_S, ELSEWHERE, IN_TRANSACTION, LARGE, LONGER, OWN_WAY, Shadows, Tap
from dbmux.events import KEPT, OWN, QueryFinished, Who
from dbmux.mirror.answer import Failure
from dbmux.mirror.catalogue import Catalogue
from dbmux.mirror.ledger import Entry, opened
from dbmux.mirror.read import Read
from dbmux.mirror.shadow import Shadow
from dbmux.mirror.write import Write
from dbmux.mirror.writes import Writes
from dbmux.observe.observer import Observer
from dbmux.observe.ring import Ring
from dbmux.proxy import Engine
from dbmux.routes import ONLY
from dbmux.session import SessionState
from dbmux.sql.classify import classify
from dbmux.sql.repeatable import READS
from dbmux.sync.table import TableName
from dbmux.wire.capabilities import Capability
from dbmux.wire.columns import FieldType
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from dbmux.wire.statements import Execute, ParameterType
from tests.config.serving import servers
from tests.fakes import COLUMN, PASSWORD, FakeBackend, client, row
from tests.mirror.test_native import UUID, Server
from tests.mirror.test_shadow import Stage
from tests.mirror.test_writes import WriteStage

WHO = Who("app", "127.0.0.1:1", "", "main", 0)
READ = b"SELECT a FROM t WHERE b = 1"


class Kept(Shadow):
    """Keeps what it is offered."""

    def __init__(self) -> None:
        stage = Stage([], [])
        super().__init__("upgrade", stage.source, stage.target, Catalogue(), stage.around, 1.0)
        self.reads: list[Read] = []

    def offer(self, read: Read) -> None:
        self.reads.append(read)


class KeptWrites(Writes):
    """The same of writes."""

    def __init__(self, share: float = 1.0) -> None:
        super().__init__(*WriteStage([]).parts, share)
        self.kept: list[Write] = []

    def offer(self, write: Write) -> None:
        self.kept.append(write)


def finished(text: bytes = READ, **more: Any) -> QueryFinished:
    sent = more.pop("sent", b"\0\0\0\0\x03" + text)
    command = more.pop("command", Command.QUERY)
    told: dict[str, Any] = {"who": WHO, "schema": b"shop", "query": classify(text, 0, 0)} | more
    return QueryFinished(1.0, 1, "db", command, 0.001, 10, 0, ONLY, sent=sent, **told)


def taken(*events: QueryFinished, ring: Ring[QueryFinished] | None = None) -> Kept:
    shadow, queries = Kept(), ring or Ring(1000, 1 << 20)
    _tap(queries, shadow, KeptWrites(0.0), *events)
    return shadow


def written(*events: QueryFinished, **variables: bytes) -> KeptWrites:
    writes = KeptWrites()
    _tap(Ring(1000, 1 << 20), Kept(), writes, *events, variables=tuple(variables.items()))
    return writes


def _tap(
    queries: Ring[QueryFinished],
    shadow: Shadow,
    writes: Writes,
    *events: QueryFinished,
    variables: tuple[tuple[str, bytes], ...] = (),
) -> None:
    def state_of(event: QueryFinished) -> tuple[SessionState, bytes]:
        return SessionState(schema=event.schema, variables=variables), b""

    tap = Tap(queries, frozenset(("main", "db")), shadow, writes, lambda table: table.schema != "left_out", state_of)
    for event in events:
        queries.append(event, 1)
    tap.take()


def test_a_plain_read_is_offered_with_the_state_of_its_session() -> None:
    (read,) = taken(finished()).reads

    assert (read.statement.text, read.user, read.state.schema) == (READ, "app", b"shop")
    assert (read.text, [name.table for name in read.footprint.reads]) == ("SELECT a FROM t WHERE b = ?", ["t"])


def test_an_execution_is_offered_with_its_arguments() -> None:
    text = b"SELECT a FROM t WHERE b = ?"
    execution = Execute(statement=7, types=(ParameterType(FieldType.LONG),), values=(5,))
    event = finished(text, command=Command.STMT_EXECUTE, statement=text, sent=b"\0\0\0\0\x17" + execution.build(0))

    (read,) = taken(event).reads

    assert read.statement.text == text
    assert read.statement.execution is not None
    assert read.statement.execution.values == (5,)


@pytest.mark.parametrize(
    ("event", "unfit"),
    [
        (finished(b"SELECT NOW() FROM t"), {"NOW": 1}),
        (finished(b"SELECT a FROM t FOR UPDATE"), {"locking read": 1}),
        (finished(b"SELECT 1"), {"it reads no table": 1}),
        (finished(b"SELECT @a FROM t"), {"user variable": 1}),
        (finished(b"SELECT a FROM t JOIN left_out.u"), {ELSEWHERE: 1}),
        (finished(b"SELECT a FROM t /*" + b"x" * KEPT + b"*/"), {LONGER: 1}),
        (finished(b"INSERT INTO t VALUES (1)"), {}),
        (finished(command=Command.STMT_PREPARE), {}),
        (finished(query=None), {}),
        (finished(who=WHO._replace(group="elsewhere")), {}),
        (finished()._replace(backend=OWN), {}),
    ],
)
def test_others_are_not_offered(event: QueryFinished, unfit: dict[str, int]) -> None:
    shadow = taken(event)

    assert shadow.reads == []
    assert shadow.tally.told()["unfit"] == unfit


WRITE = b"UPDATE t SET a = 1 WHERE b = 2"


def test_a_write_is_offered_with_what_its_client_was_told() -> None:
    event = finished(WRITE, rows=3, who=WHO._replace(capabilities=Capability.FOUND_ROWS | Capability.SSL))

    (write,) = written(event).kept

    assert (write.read.statement.text, write.tables) == (WRITE, (TableName("shop", "t"),))
    assert (write.answer.affected_rows, write.answer.failure) == (3, None)
    assert (write.capabilities, write.has_values) == (Capability.FOUND_ROWS, False)
    # When the statement began and ended, rather earlier and later.
    assert write.ended - write.begun == pytest.approx(0.001 + 2 * CLOCKS_S, abs=1e-6)


def test_a_write_that_failed_is_offered_with_its_error() -> None:
    error = b"\xff\x26\x04#23000Duplicate entry"

    (write,) = written(finished(b"INSERT INTO other.t VALUES (1)", error=error)._replace(code=1062)).kept

    assert write.answer.failure == Failure(1062, "23000", "Duplicate entry")
    assert (write.tables, write.has_values) == ((TableName("other", "t"),), True)


@pytest.mark.parametrize(
    ("event", "unfit"),
    [
        (finished(WRITE, transaction=7), {IN_TRANSACTION: 1}),
        (finished(b"INSERT INTO t VALUES (NOW())"), {"NOW": 1}),
        (finished(b"INSERT INTO t SELECT * FROM u"), {READS: 1}),
        (finished(WRITE + b"/*" + b"x" * KEPT + b"*/"), {LONGER: 1}),
        (finished(WRITE, rows=101), {LARGE: 1}),
        (finished(WRITE)._replace(seconds=0.3), {LARGE: 1}),
        (finished(WRITE, who=WHO._replace(group="elsewhere")), {}),
        (finished(b"INSERT INTO left_out.u VALUES (1)"), {ELSEWHERE: 1}),
        (finished(b"CREATE TABLE t (a INT)"), {}),
    ],
)
def test_writes_that_cannot_be_tried_are_counted_by_the_reason(event: QueryFinished, unfit: dict[str, int]) -> None:
    writes = written(event)

    assert writes.kept == []
    assert writes.tally.told()["unfit"] == unfit


def test_a_session_that_writes_in_its_own_way_is_left_alone() -> None:
    writes = written(finished(WRITE), foreign_key_checks=b"0")

    assert (writes.kept, writes.tally.told()["unfit"]) == ([], {OWN_WAY: 1})


def test_writes_are_looked_at_only_where_that_is_asked_for() -> None:
    writes = KeptWrites(0.0)

    _tap(Ring(1000, 1 << 20), Kept(), writes, finished(WRITE))

    assert (writes.kept, writes.tally.told()["offered"]) == ([], 0)


def test_what_was_forgotten_meanwhile_is_counted() -> None:
    shadow = taken(*[finished()] * 10, ring=Ring(4, 1 << 20))

    assert shadow.tally.told()["missed"] == 6
    assert len(shadow.reads) == 4


def one_row(value: bytes) -> FakeBackend:
    """A server with one row in each table."""

    def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.command == Command.QUIT:
            return None
        if command.body.startswith(b"SELECT a FROM t"):
            return protocol.send_rows([COLUMN], [row(value)], Status.AUTOCOMMIT)
        return protocol.send_ok(Ok(status=Status.AUTOCOMMIT))

    return Server(gtids=UUID + b":1-5", answer=answer).fake


def a_config(old: str, new: str, **mirror: Any) -> Config:
    return Config.model_validate(
        {
            "listen": "127.0.0.1:0",
            "tls": "off",
            "default": "old",
            "backends": {"old": old, "new": new},
            "users": {"app": PASSWORD.decode()},
            "service": {"user": "app", "password": PASSWORD.decode()},
            "mirrors": {"upgrade": {"from": "old", "to": "new", "feed": "native", "reads": 1.0, **mirror}},
        }
    )


def test_what_clients_read_is_compared_and_what_differs_is_in_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "differences.sqlite"

    async def scenario() -> None:
        async with servers(one_row(b"1"), one_row(b"2")) as (old, new):
            observer, config = Observer(None), a_config(old, new)
            async with Engine(config, emit=observer.emit, state_folder=None) as engine:
                shadows = Shadows(engine, observer.queries, path, Random(1), attend_s=0.01)
                running = asyncio.create_task(shadows.run())
                while shadows.find("upgrade") is None:  # noqa: ASYNC110 - there is no event for what tests wait for
                    await asyncio.sleep(0.001)
                (listener,) = engine.listeners.values()
                asking = await client(listener.address.port)  # type: ignore[union-attr]  # a TCP address
                await asking.ask(Command.QUERY, READ)
                shadow = shadows.find("upgrade")
                assert shadow is not None
                while not shadow.tally.outcomes.total():  # noqa: ASYNC110 - there is no event for what tests wait for
                    await asyncio.sleep(0.001)
                asking.close()

                known = {"kinds": ["value"], "digest": "SELECT a FROM t WHERE b = 1", "why": "known"}
                engine.config = a_config(old, new, expected=[known], reads=0.5)
                while shadow.sampler.share == 1.0:  # noqa: ASYNC110 - there is no event for what tests wait for
                    await asyncio.sleep(0.001)
                await shadow.look(taken(finished()).reads[0])
                assert shadow.tally.told()["expected"] == 1
                assert shadows.find("upgrade") is shadow

                engine.config = config.model_copy(update={"mirrors": {}})
                while shadows.find("upgrade") is not None:  # noqa: ASYNC110 - there is no event for what tests wait for
                    await asyncio.sleep(0.001)
                running.cancel()

    asyncio.run(asyncio.wait_for(scenario(), 20))

    with opened(path) as ledger:
        (entry,) = ledger.entries()
        assert (entry.mirror, entry.kind, entry.source, entry.target) == ("upgrade", "value", "1", "2")
        (sample,) = ledger.samples(entry.id)
        assert (sample.statement.encode(), sample.user) == (READ, "app")
        _, figures = ledger.figures("upgrade")
        assert (figures["source"], figures["chosen"]) == ("old (mysql 8.0.36)", 1)
        assert figures["standing"].keys() == {"state", "why", "delay_seconds"}


def test_what_clients_write_is_tried_out_where_that_is_asked_for_and_what_differs_is_in_the_ledger(
    tmp_path: Path,
) -> None:
    path = tmp_path / "differences.sqlite"

    def source(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        return protocol.send_ok(Ok(status=Status.AUTOCOMMIT, affected_rows=command.body.startswith(b"UPDATE")))

    def target(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.body.startswith(b"UPDATE"):
            return protocol.send_err(Err(number=1064, sqlstate=b"42000", message=b"no such word"))
        if command.body.startswith(b"SELECT (SELECT COUNT(*) FROM information_schema.TABLES"):
            return protocol.send_rows([COLUMN] * 3, [row(b"1", b"0", b"1")], Status.AUTOCOMMIT)
        return protocol.send_ok(Ok(status=Status.AUTOCOMMIT))

    old, new = (Server(gtids=UUID + b":1-5", answer=answer).fake for answer in (source, target))

    async def scenario() -> None:
        async with servers(old, new) as addresses:
            observer = Observer(None)
            config = a_config(*addresses, reads=0.0, shadow_writes=1.0)
            async with Engine(config, emit=observer.emit, state_folder=None) as engine:
                running = asyncio.create_task(Shadows(engine, observer.queries, path, Random(1), attend_s=0.01).run())
                await asyncio.sleep(0)
                while not path.exists():  # noqa: ASYNC110 - there is no event for what tests wait for
                    await asyncio.sleep(0.001)
                (listener,) = engine.listeners.values()
                asking = await client(listener.address.port)  # type: ignore[union-attr]  # a TCP address
                await asking.ask(Command.INIT_DB, b"shop")
                while not found(path):  # noqa: ASYNC110 - there is no event for what tests wait for
                    await asking.ask(Command.QUERY, WRITE)
                    await asyncio.sleep(0.05)
                asking.close()
                running.cancel()

    asyncio.run(asyncio.wait_for(scenario(), 20))

    (entry,) = found(path)
    assert (entry.kind, entry.source, entry.target) == ("error at target", "no error", "1064 (42000): no such word")
    bodies = [body for _, body in new.commands]
    began, wrote = bodies.index(b"START TRANSACTION READ WRITE"), bodies.index(WRITE)
    assert (began < wrote, bodies[wrote + 1]) == (True, b"ROLLBACK")


def found(path: Path) -> list[Entry]:
    with opened(path) as ledger:
        return ledger.entries("upgrade")
