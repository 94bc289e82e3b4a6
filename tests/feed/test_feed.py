"""The contract of the feed, on both transports."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest

from dbmux.address import UnixAddress
from dbmux.control.socket import ControlSocket
from dbmux.events import Warned
from dbmux.feed.feed import PROTOCOL, Access, Batch, Hello, Lost, Refused, Silent, Subscription
from dbmux.feed.remote import Patience, RemoteFeed
from tests.fakes import run
from tests.feed.engine import TRANSPORTS, Transport, direct, over_the_socket, ran

both = pytest.mark.parametrize("transport", TRANSPORTS, ids=["direct", "socket"])


async def taken(subscription: Subscription, looked_at: int) -> list[Batch]:
    """Batches until so many statements were looked at or missed."""
    batches: list[Batch] = []
    while sum(batch.looked_at + batch.missed for batch in batches) < looked_at:
        batches.append(subscription.take())
        await asyncio.sleep(0.005)
    return batches


@both
def test_hello_tells_who_answers(transport: Transport, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with transport(tmp_path) as engine:
            hello = engine.feed.hello

            assert (hello.version, hello.source, hello.pid) == ("1.2.3", "app.json", 42)

    run(scenario)


@both
def test_rows_come_as_they_ran_and_what_ran_before_is_there(transport: Transport, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with transport(tmp_path) as engine:
            engine.observer.emit(ran("SELECT 1"))
            subscription = await engine.feed.subscribe("", 0)
            engine.observer.emit(ran("SELECT 2", rows=3, error=b"\xff\x10\x04#HY000no", schema=b"shop"))

            rows = [row for batch in await taken(subscription, 2) for row in batch.rows]

            assert [(row.seq, row.sql) for row in rows] == [(0, "SELECT 1"), (1, "SELECT 2")]
            told = rows[1]
            assert (told.user, told.client, told.app, told.group) == ("app", "10.0.0.9:5000", "web", "main")
            assert (told.kind, told.command, told.schema, told.rows, told.error) == ("select", "query", "shop", 3, "no")

    run(scenario)


@both
def test_a_subscription_may_begin_later(transport: Transport, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with transport(tmp_path) as engine:
            for number in range(5):
                engine.observer.emit(ran(f"SELECT {number}"))

            subscription = await engine.feed.subscribe("", 3)

            assert [row.sql for batch in await taken(subscription, 2) for row in batch.rows] == ["SELECT 3", "SELECT 4"]

    run(scenario)


@both
def test_what_did_not_rush_by_is_told_whole_however_much_of_it_is_remembered(
    transport: Transport, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with transport(tmp_path, kept=10_000) as engine:
            for number in range(3500):
                engine.observer.emit(ran(f"SELECT {number}", at=number / 100))

            batches = await taken(await engine.feed.subscribe("", 0), 3500)

            assert [row.seq for batch in batches for row in batch.rows] == list(range(3500))
            assert {batch.every for batch in batches} == {1}
            assert sum(batch.looked_at for batch in batches) == sum(batch.matched for batch in batches) == 3500

    run(scenario)


@both
def test_a_filter_is_applied_where_the_engine_is(transport: Transport, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with transport(tmp_path) as engine:
            subscription = await engine.feed.subscribe("orders", 0)
            engine.observer.emit(ran("SELECT 1"))
            engine.observer.emit(ran("SELECT * FROM orders"))

            batches = await taken(subscription, 2)

            assert [row.sql for batch in batches for row in batch.rows] == ["SELECT * FROM orders"]
            assert (sum(each.looked_at for each in batches), sum(each.matched for each in batches)) == (2, 1)

    run(scenario)


@both
def test_a_bad_filter_is_refused(transport: Transport, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with transport(tmp_path) as engine:
            with pytest.raises(Refused, match="not closed"):
                await engine.feed.subscribe("(a", 0)

    run(scenario)


@both
def test_a_filter_that_takes_too_long_on_a_statement_ends_and_says_so(transport: Transport, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with transport(tmp_path) as engine:
            subscription = await engine.feed.subscribe("/[ab]+c/", 0)
            engine.observer.emit(ran("ab" * 2048, at=5.0))
            first = await taken(subscription, 1)
            engine.observer.emit(ran("abc"))

            batches = [*first, *await taken(subscription, 1)]

            assert [row for batch in batches for row in batch.rows] == []
            told = [one for batch in batches for one in batch.happenings]
            assert [(one.at, one.kind) for one in told] == [(5.0, "Warned")]
            assert told[0].text.startswith("the filter was ended: /[ab]+c/ takes too long")

    run(scenario)


@both
def test_who_is_slow_is_told_how_much_it_missed(transport: Transport, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with transport(tmp_path, kept=10) as engine:
            for number in range(25):
                engine.observer.emit(ran(f"SELECT {number}"))
            subscription = await engine.feed.subscribe("", 0)

            batches = await taken(subscription, 25)

            assert sum(batch.missed for batch in batches) == 15
            assert [row.seq for batch in batches for row in batch.rows] == list(range(15, 25))

    run(scenario)


@both
def test_of_too_many_rows_some_are_shown_and_that_is_said(transport: Transport, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with transport(tmp_path, kept=5000) as engine:
            for number in range(4000):
                engine.observer.emit(ran(f"SELECT {number}"))
            subscription = await engine.feed.subscribe("", 0)

            batches = await taken(subscription, 4000)

            assert max(batch.every for batch in batches) == 4
            assert sum(batch.matched for batch in batches) == 4000
            assert sum(len(batch.rows) for batch in batches) == 1000

    run(scenario)


@both
def test_other_events_come_as_sentences(transport: Transport, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with transport(tmp_path) as engine:
            engine.observer.emit(Warned(2.0, "the disk is full"))
            engine.observer.emit(ran("SELECT 1"))
            subscription = await engine.feed.subscribe("", 0)

            happenings = [one for batch in await taken(subscription, 1) for one in batch.happenings]

            assert [(one.at, one.kind, one.text) for one in happenings] == [(2.0, "Warned", "the disk is full")]

    run(scenario)


@both
def test_questions_are_answered_or_refused(transport: Transport, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with transport(tmp_path) as engine:
            assert await engine.feed.ask("twice", {"number": 21}) == 42
            with pytest.raises(Refused, match="not today"):
                await engine.feed.ask("refuse")
            with pytest.raises(Refused, match="'nonsense' cannot be asked; there are refuse, status, stumble, twice"):
                await engine.feed.ask("nonsense")

    run(scenario)


def test_the_socket_is_its_owners_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with over_the_socket(tmp_path):
            assert stat.S_IMODE((tmp_path / "control.sock").stat().st_mode) == 0o600

    run(scenario)


def test_an_engine_that_goes_away_is_noticed(tmp_path: Path) -> None:
    async def scenario() -> None:
        address = UnixAddress(str(tmp_path / "control.sock"))
        async with direct(tmp_path) as engine:
            async with ControlSocket(address, engine.feed):
                remote = await RemoteFeed.connect(address, "test")
            await remote.lost

        with pytest.raises(Lost):
            await remote.ask("twice", {"number": 1})
        with pytest.raises(Lost, match="no DbMux answers"):
            await RemoteFeed.connect(address, "test")

    run(scenario)


def test_a_hello_of_another_version_is_said_to_be_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        gone = asyncio.Event()

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b'{"hello": {"protocol": 99}}\n')
            await reader.read()
            writer.close()
            await writer.wait_closed()
            gone.set()

        path = str(tmp_path / "control.sock")
        server = await asyncio.start_unix_server(greet, path)
        with pytest.raises(Lost, match="no DbMux of this version"):
            await RemoteFeed.connect(UnixAddress(path), "test")
        await gone.wait()
        server.close()
        await server.wait_closed()

    run(scenario)


def test_who_says_nothing_is_waited_for_and_that_is_said_once_it_takes_long(tmp_path: Path) -> None:
    async def scenario() -> None:
        gone, told = asyncio.Event(), list[str]()

        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            gone.set()

        path = str(tmp_path / "control.sock")
        async with await asyncio.start_unix_server(say_nothing, path):
            with pytest.raises(Silent, match="control.sock does not answer: is its process stopped"):
                patience = Patience(most_s=0.05, late_s=0.01, late=lambda: told.append("late"))
                await RemoteFeed.connect(UnixAddress(path), "test", patience=patience)
            await gone.wait()

        assert told == ["late"]

    run(scenario)


def test_nothing_is_said_of_who_answers_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        told: list[str] = []
        async with over_the_socket(tmp_path):
            patience = Patience(late_s=0.01, late=lambda: told.append("late"))
            feed = await RemoteFeed.connect(UnixAddress(str(tmp_path / "control.sock")), "test", patience=patience)
            later = asyncio.Event()
            asyncio.get_running_loop().call_later(patience.late_s, later.set)
            await later.wait()
            feed.close()

        assert told == []

    run(scenario)


def test_an_engine_of_another_contract_is_asked_and_given_no_orders(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with over_the_socket(tmp_path, hello=Hello("9.0.0", PROTOCOL + 1, "app.json", 0, 42)) as engine:
            with pytest.raises(Refused, match="process 42 is DbMux 9.0.0: give it orders with that version"):
                await engine.feed.ask("twice", {"number": 2})

            assert await engine.feed.ask("status") == "fine"

    run(scenario)


def test_who_only_looks_is_refused_orders_and_told_how_to_give_some(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with over_the_socket(tmp_path, access=Access.LOOKING) as engine:
            with pytest.raises(Refused, match="this view only looks; orders need `dbmux attach`"):
                await engine.feed.ask("twice", {"number": 2})

            assert await engine.feed.ask("status") == "fine"

    run(scenario)


@pytest.mark.parametrize(
    "hellos",
    [
        [b'{"hello": {"protocol": 1, "read_only": true}}\n'],
        [b'{"hello": {"protocol": 1, "read_only": true}}\n', b'{"hello": {"protocol": 1, "read_only": false}}\n'],
    ],
    ids=["said", "taken back"],
)
def test_the_engine_itself_takes_no_orders_from_who_only_looks(hellos: list[bytes], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with over_the_socket(tmp_path):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "control.sock"))
            for hello in hellos:
                writer.write(hello)
                assert b'"read_only": true' in await reader.readline()
            writer.write(b'{"ask": {"id": 5, "what": "twice", "given": {"number": 2}}}\n')
            assert b'{"refusal": {"id": 5, "message": "this view only looks' in await reader.readline()
            writer.close()

    run(scenario)


@pytest.mark.parametrize(
    "line",
    [
        b"hello\n",
        b"[]\n",
        b'{"ask": 3}\n',
        b'{"a": {}, "b": {}}\n',
        b'{"dance": {}}\n',
        b'{"ask": {"id": 1, "what": "twice", "given": [2]}}\n',
        b'{"ask": {"id": 1, "what": "twice", "given": {"number": 1e999}}}\n',
        b'{"subscribe": {"id": 1, "since": 1e999}}\n',
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_stands(line: bytes, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with over_the_socket(tmp_path):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "control.sock"))
            writer.write(line)
            assert b"refusal" in await reader.readline()
            writer.write(b'{"ask": {"id": 5, "what": "twice", "given": {"number": 2}}}\n')
            assert await reader.readline() == b'{"answer": {"id": 5, "value": 4}}\n'
            writer.close()

    run(scenario)


def test_a_mistake_in_an_answer_is_told_and_ends_that_request_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        async with over_the_socket(tmp_path) as engine:
            with pytest.raises(Refused, match=r"nobody foresaw \(AttributeError\('a mistake'\)\)"):
                await engine.feed.ask("stumble")
            assert await engine.feed.ask("twice", {"number": 2}) == 4

        assert [str(context["exception"]) for context in told] == ["a mistake"]

    run(scenario)


def test_a_reader_that_stops_is_not_written_to(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with over_the_socket(tmp_path, kept=500) as engine:
            _, writer = await asyncio.open_unix_connection(str(tmp_path / "control.sock"), limit=1)
            writer.write(b'{"subscribe": {"id": 1, "since": 0, "filter": ""}}\n')
            other = await engine.feed.subscribe("", 0)
            for _ in range(10):
                for number in range(300):
                    engine.observer.emit(ran(f"SELECT {number} /* {'x' * 3000} */"))
                await taken(other, 300)

            assert await engine.feed.ask("twice", {"number": 1}) == 2
            writer.close()

    run(scenario)


def test_who_asks_and_does_not_read_is_not_heard_until_it_does(tmp_path: Path) -> None:
    requests = 20_000

    async def scenario() -> None:
        address = UnixAddress(str(tmp_path / "control.sock"))
        async with direct(tmp_path) as engine, ControlSocket(address, engine.feed) as control:
            # asyncio's streams read ahead no more than twice their limit.
            reader, writer = await asyncio.open_unix_connection(address.path, limit=1024)
            writer.write(b'{"hello": {}}\n' * requests)
            while not control._readers:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)
            (asker,) = control._readers
            while asker.channel.transport.is_reading():  # noqa: ASYNC110
                await asyncio.sleep(0)

            for _ in range(requests):
                assert (await reader.readline()).startswith(b'{"hello"')
            writer.close()

    run(scenario)
