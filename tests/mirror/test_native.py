"""A mirror whose target is a replica already: how it stands, by what both servers say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from dbmux.address import TcpAddress
from dbmux.backend.server import Backend
from dbmux.config.model import Account, BackendConfig, BackendTls, BackendTlsMode
from dbmux.events import Event, MirrorChanged
from dbmux.mirror.mirror import MirrorState
from dbmux.mirror.native import NativeMirror
from dbmux.net.dial import dial
from dbmux.wire.replies import Err, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.config.serving import run, servers
from tests.fakes import COLUMN, PASSWORD, Answer, FakeBackend, row

UUID = b"3e11fa47-71ca-11e1-9e33-c80aa9429562"
NAMES = (
    *(b"Replica_IO_Running", b"Replica_SQL_Running", b"Last_IO_Error", b"Last_SQL_Error", b"Seconds_Behind_Source"),
    *(b"Source_Server_Id", b"Relay_Source_Log_File", b"Exec_Source_Log_Pos"),
)
RIGHTS = Err(number=1227, sqlstate=b"42000", message=b"Access denied")


def named(name: bytes) -> bytes:
    return COLUMN.replace(b"\x01a", bytes((len(name),)) + name)


def fine(protocol: ServerProtocol, command: CommandReceived) -> bytes:
    return protocol.send_ok(Ok(status=Status.AUTOCOMMIT))


@dataclass
class Server:
    """What a server says of itself: a source whose log ends at `offset`, and what a replica has of it. Whatever else it
    is asked, `answer` answers."""

    offset: int = 100
    gtids: bytes = b""
    server_id: int = 1
    threads: tuple[bytes, bytes] = (b"Yes", b"Yes")
    error: bytes = b""
    is_replica: bool = True
    refused: tuple[bytes, ...] = ()
    answer: Answer = fine
    fake: FakeBackend = field(default_factory=FakeBackend)

    def __post_init__(self) -> None:
        self.fake.answer = self._answer

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        body, status = command.body, Status.AUTOCOMMIT
        if command.command == 1:
            return None
        if body.startswith(self.refused):
            return protocol.send_err(RIGHTS)
        if body.startswith(b"SELECT @@global.server_id"):
            return protocol.send_rows([COLUMN], [row(b"%d" % self.server_id)], status)
        if body.startswith(b"SELECT @@global"):
            return protocol.send_rows([COLUMN] * 3, [row(b"0", self.gtids, self.gtids)], status)
        if body.startswith(b"SHOW MASTER"):
            return protocol.send_rows([COLUMN] * 2, [row(b"binlog.000007", b"%d" % self.offset)], status)
        if body.startswith(b"SHOW REPLICA"):
            told = (*self.threads, b"", self.error, b"4", b"1", b"binlog.000007", b"%d" % self.offset)
            return protocol.send_rows(list(map(named, NAMES)), [row(*told)] if self.is_replica else [], status)
        return self.answer(protocol, command)


@dataclass
class Watched:
    source: Server
    target: Server
    mirror: NativeMirror
    events: list[Event]

    @property
    def state(self) -> tuple[MirrorState, str]:
        return self.mirror.figures.state, self.mirror.figures.why


@asynccontextmanager
async def watched(source: Server | None = None, target: Server | None = None) -> AsyncIterator[Watched]:
    source, target = source or Server(), target or Server()
    events: list[Event] = []
    account = Account(user="app", password=PASSWORD.decode())
    async with servers(source.fake, target.fake) as addresses:
        old, new = (_backend(*one) for one in zip(("old", "new"), addresses, strict=True))
        mirror = NativeMirror("upgrade", old, new, account, account, emit=events.append)

        yield Watched(source, target, mirror, events)
        # It ends its connections with it.
        attending = asyncio.create_task(mirror.attend())
        await asyncio.sleep(0)
        attending.cancel()
        await asyncio.gather(attending, return_exceptions=True)


def _backend(name: str, address: str) -> Backend:
    port = int(address.rpartition(":")[2])
    config = BackendConfig(address=TcpAddress("127.0.0.1", port), tls=BackendTls(mode=BackendTlsMode.OFF))
    return Backend(name, config, dial=dial, tls=None, connect_timeout_s=5.0)


def with_gtids(number: int) -> Server:
    return Server(gtids=UUID + b":1-%d" % number)


def test_a_replica_that_has_all_is_told_with_its_place_and_no_delay() -> None:
    async def scenario() -> None:
        async with watched(with_gtids(5), with_gtids(5)) as found:
            await found.mirror.look()

            figures = found.mirror.figures
            assert (figures.state, figures.why, figures.delay_s) == (MirrorState.NATIVE, "", 0.0)
            assert figures.place is not None
            assert (figures.place.position.file, figures.place.position.offset) == ("binlog.000007", 100)
            assert figures.place.gtid == (UUID + b":1-5").decode()
            assert found.mirror.applied_until > 0

    run(scenario)


@pytest.mark.parametrize(
    ("reach", "fall_behind"),
    [
        (lambda server, at: setattr(server, "gtids", UUID + b":1-%d" % at), 6),
        (lambda server, at: setattr(server, "offset", at), 900),
    ],
    ids=["by GTIDs", "by places in the log"],
)
def test_one_that_misses_something_has_what_it_had(reach: Callable[[Server, int], None], fall_behind: int) -> None:
    async def scenario() -> None:
        async with watched() as found:
            for server in (found.source, found.target):
                reach(server, 5)
            await found.mirror.look()
            had_all = found.mirror.applied_until
            reach(found.source, fall_behind)

            await found.mirror.look()

            behind = found.mirror.figures
            assert (behind.state, found.mirror.applied_until) == (MirrorState.NATIVE, had_all)
            assert behind.delay_s is not None and behind.delay_s > 0
            reach(found.target, fall_behind)
            await found.mirror.look()
            assert found.mirror.applied_until > had_all

    run(scenario)


@pytest.mark.parametrize(
    ("more", "state", "why"),
    [
        ({"threads": (b"Yes", b"No"), "error": b"Error 'Duplicate entry'"}, "halted", "new: Error 'Duplicate entry'"),
        ({"threads": (b"No", b"No")}, "halted", "new: its replication is stopped"),
        ({"threads": (b"Connecting", b"Yes")}, "waiting", "new: it does not reach its primary yet"),
        ({"is_replica": False}, "halted", "new is no replica; have it follow old"),
    ],
)
def test_one_that_does_not_go_on_says_why(more: dict[str, Any], state: str, why: str) -> None:
    async def scenario() -> None:
        async with watched(with_gtids(5), Server(gtids=UUID + b":1-5", **more)) as found:
            await found.mirror.look()

            assert found.state == (state, why)
            assert [(event.state, event.why) for event in found.events if isinstance(event, MirrorChanged)] == [
                (state, why)
            ]

    run(scenario)


def test_without_the_right_to_ask_for_its_status_gtids_tell() -> None:
    async def scenario() -> None:
        async with watched(with_gtids(5), Server(gtids=UUID + b":1-5", refused=(b"SHOW",))) as found:
            await found.mirror.look()

            state, why = found.state
            assert (state, found.mirror.figures.delay_s) == (MirrorState.NATIVE, 0.0)
            assert why.startswith("new does not tell whether it replicates: ")
            assert found.mirror.applied_until > 0

    run(scenario)


@pytest.mark.parametrize("more", [{"refused": (b"SHOW",)}, {"server_id": 9}], ids=["no right", "another's log"])
def test_without_gtids_and_without_a_place_nothing_is_taken_for_good(more: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with watched(Server(**more)) as found:
            await found.mirror.look()

            state, why = found.state
            assert (state, found.mirror.figures.delay_s) == (MirrorState.NATIVE, 4.0)
            assert why.startswith("nothing is compared until it is known what new has")
            assert found.mirror.applied_until == 0.0

    run(scenario)


def test_a_server_that_does_not_answer_is_waited_for() -> None:
    async def scenario() -> None:
        async with watched(with_gtids(5), Server(refused=(b"SELECT",))) as found:
            await found.mirror.look()

            state, why = found.state
            assert state is MirrorState.WAITING
            assert why.startswith("new does not tell how far it is: ")

    run(scenario)
