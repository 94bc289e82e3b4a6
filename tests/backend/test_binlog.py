"""A server's log is followed: what it says is told, and whatever breaks it off, with what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from random import Random
from time import perf_counter
from uuid import UUID

import pytest

from dbmux.address import TcpAddress
from dbmux.backend.binlog.follow import Binlog
from dbmux.backend.binlog.listener import Broken, Cause, Pace
from dbmux.backend.server import Backend
from dbmux.config.model import Account, BackendConfig
from dbmux.lexer import ANSI_QUOTES, NO_BACKSLASH_ESCAPES
from dbmux.net.dial import dial
from dbmux.wire.binlog.events import EventType, Position
from dbmux.wire.capabilities import Capability
from dbmux.wire.commands import Command
from dbmux.wire.replies import Eof, Err, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.fakes import COLUMN, PASSWORD, FakeBackend, row, run
from tests.wire.binlog import building as b

SOURCE = UUID("3e11fa47-71ca-11e1-9e33-c80aa9429562")
START = Position("binlog.000009", 400)
STATUS = b.variables(0, 45)
PACE = Pace(unseen=0.0, asked_when_pending=0.001, first_pause=0.001, longest_pause=0.002)
DENIED = Err(number=1227, sqlstate=b"42000", message=b"Access denied; you need (at least one of) the ... privilege(s)")


class Logging(FakeBackend):
    """A MySQL server with a binary log: it sends what it is told to, to the one who asked for it last."""

    def __init__(self) -> None:
        super().__init__(answer=self._tell)
        self.end: Position | None = START
        self.executed = b""
        self.filter = b""
        self.gtid_mode = b"ON"
        # What is in flight, at one question after the other.
        self.owned: list[bytes] = []
        self.refusals: dict[int | bytes, Err] = {}
        self.begins = [b.rotate(START), b.format_description()]
        self.dumps: list[Position] = []
        self._writer: asyncio.StreamWriter
        self._dump: tuple[ServerProtocol, asyncio.StreamWriter]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        await super().serve(reader, writer)

    def log(self, *events: bytes) -> None:
        """Something was written."""
        protocol, writer = self._dump
        writer.write(b"".join(protocol.send(b"\0" + event) for event in events))

    def say(self, payload: bytes) -> None:
        """Anything else that is sent where events are expected."""
        protocol, writer = self._dump
        writer.write(protocol.send(payload))

    def hang_up(self) -> None:
        self._dump[1].close()

    def _tell(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        kind, body = command.command, command.body
        for asked, refusal in self.refusals.items():
            if asked == kind or isinstance(asked, bytes) and body.startswith(asked):
                return protocol.send_err(refusal)
        match kind:
            case Command.QUERY if body.startswith(b"SHOW MASTER"):
                rows = [] if self.end is None else [self._status(self.end)]
                return protocol.send_rows([COLUMN] * 5, rows, Status.AUTOCOMMIT)
            case Command.QUERY if body == b"SELECT CURRENT_USER()":
                return protocol.send_rows([COLUMN], [row(b"o'brien@10.%")], Status.AUTOCOMMIT)
            case Command.QUERY if body.startswith(b"SELECT @@global.gtid_mode"):
                owned = self.owned.pop(0) if self.owned else b""
                return protocol.send_rows([COLUMN] * 2, [row(self.gtid_mode, owned)], Status.AUTOCOMMIT)
            case Command.BINLOG_DUMP:
                self._dump = protocol, self._writer
                self.dumps.append(Position(body[10:].decode(), int.from_bytes(body[:4], "little")))
                return b"".join(protocol.send(b"\0" + event) for event in self.begins)
            case _:
                return protocol.send_ok(Ok(status=Status.AUTOCOMMIT))

    def _status(self, end: Position) -> bytes:
        return row(end.file.encode(), b"%d" % end.offset, self.filter, b"", self.executed)


class Heard:
    """A listener that remembers, in order."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.reasons: list[Broken] = []

    def began(self) -> None:
        self.told.append("began")

    def touched(self, schema: str, table: str) -> None:
        self.told.append(f"{schema}.{table}")

    def statement(self, schema: str, text: bytes, flags: int) -> None:
        self.told.append((schema, text, flags))

    def broke(self, reason: Broken) -> None:
        self.told.append(reason.cause)
        self.reasons.append(reason)


class Following:
    """A server's log that is followed."""

    def __init__(self, server: Logging, heard: Heard, binlog: Binlog) -> None:
        self.server = server
        self.heard = heard
        self.binlog = binlog

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Let the loop run until something holds; the test's time limit bounds it."""
        while not is_so():  # noqa: ASYNC110 - there is no event for what tests wait for
            await asyncio.sleep(0)

    async def until_told(self, *told: object) -> None:
        """Returns when all this was told, and fails when something else was."""
        await self.until(lambda: len(self.heard.told) >= len(told))
        assert tuple(self.heard.told) == told


@asynccontextmanager
async def following(
    server: Logging | None = None, pace: Pace = PACE, password: str = PASSWORD.decode()
) -> AsyncIterator[Following]:
    server = server or Logging()
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listener:
        address = TcpAddress("127.0.0.1", listener.sockets[0].getsockname()[1])
        backend = Backend("db", BackendConfig(address=address), dial=dial, tls=None, connect_timeout_s=1.0)
        heard = Heard()
        account = Account(user="dbmux", password=password)
        binlog = Binlog(backend, account, heard, randomness=Random(1), pace=pace)
        task = asyncio.create_task(binlog.follow())
        try:
            yield Following(server, heard, binlog)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


Scenario = Callable[[Following], Awaitable[None]]


def follow(scenario: Scenario, server: Logging | None = None, pace: Pace = PACE, **account: str) -> None:
    async def bounded() -> None:
        async with following(server, pace, **account) as found:
            await scenario(found)

    run(bounded)


def transaction(number: int, *events: bytes, end: int = 500) -> list[bytes]:
    return [b.gtid(SOURCE, number, 0), b.query("", b"BEGIN"), *events, b.xid(end)]


ROWS = (b.table_map(3, "shop", "t"), b.rows(3))


def test_it_begins_where_the_log_ends_and_tells_of_each_write() -> None:
    async def scenario(found: Following) -> None:
        await found.until_told("began")

        found.server.log(*transaction(1, *ROWS), b.gtid(SOURCE, 2, 0), b.query("shop", b"DROP TABLE t", STATUS))

        await found.until_told("began", "shop.t", ("shop", b"DROP TABLE t", 0))
        assert found.server.dumps == [START]

    follow(scenario)


def test_it_begins_when_all_that_was_in_flight_is_seen() -> None:
    server = Logging()
    several = b"%b:7#12:9#13,\n%b:blue:1#14"
    server.owned = [several % ((str(SOURCE).encode(),) * 2), b"%b:9#13:10#12" % str(SOURCE).encode(), b"%b:10#12"]

    async def scenario(found: Following) -> None:
        await found.until_told("began")

        assert server.owned == []
        assert [body for _, body in server.commands].count(b"SELECT @@global.gtid_mode, @@global.gtid_owned") == 3

    follow(scenario, server)


def test_where_a_server_has_no_gtids_it_begins_after_a_moment() -> None:
    server = Logging()
    server.gtid_mode = b"OFF"

    async def scenario(found: Following) -> None:
        begun = perf_counter()

        await found.until_told("began")

        assert perf_counter() - begun >= 0.05

    follow(scenario, server, pace=replace(PACE, unseen=0.05))


def test_what_a_transaction_wrote_is_told_once_and_again_when_it_is_seen() -> None:
    async def scenario(found: Following) -> None:
        found.server.executed = b"%b:1-6" % str(SOURCE).encode()
        await found.until_told("began")
        found.server.log(*transaction(7, *ROWS, *ROWS, b.table_map(4, "shop", "u"), b.rows(4)))
        await found.until_told("began", "shop.t", "shop.u")

        found.server.executed = b"%b:1-7" % str(SOURCE).encode()

        await found.until_told("began", "shop.t", "shop.u", "shop.t", "shop.u")

    follow(scenario)


def test_a_statement_is_told_in_utf8_with_the_flags_of_its_mode() -> None:
    async def scenario(found: Following) -> None:
        await found.until_told("began")

        found.server.log(b.query("shop", "DROP TABLE é".encode("latin-1"), b.variables(1 << 20 | 1 << 2, 8)))

        await found.until_told("began", ("shop", "DROP TABLE é".encode(), ANSI_QUOTES | NO_BACKSLASH_ESCAPES))

    follow(scenario)


def test_what_writes_nothing_is_not_told() -> None:
    async def scenario(found: Following) -> None:
        await found.until_told("began")

        texts = (b"XA START X'78',X'',1", b"SAVEPOINT `s`", b"ROLLBACK TO `s`", b"XA END X'78',X'',1")
        found.server.log(*(b.query("", text) for text in texts), *ROWS)

        await found.until_told("began", "shop.t")

    follow(scenario)


def test_after_a_statement_that_cannot_be_read_nothing_is_known() -> None:
    async def scenario(found: Following) -> None:
        await found.until_told("began")

        found.server.log(b.query("shop", b"DROP TABLE \xe9", b.variables(0, 9999)))

        await found.until_told("began", "began")

    follow(scenario)


XID = b"X'78',X'',1"
PREPARED = [b.gtid(SOURCE, 1, 0), b.query("", b"XA START " + XID), *ROWS, b.xa_prepare(b"x", b"", 1)]


def test_what_was_prepared_is_told_again_when_it_is_committed() -> None:
    async def scenario(found: Following) -> None:
        await found.until_told("began")
        found.server.executed = b"%b:1" % str(SOURCE).encode()
        found.server.log(*PREPARED)
        await found.until_told("began", "shop.t", "shop.t")

        found.server.log(b.gtid(SOURCE, 2, 0), b.query("", b"XA COMMIT " + XID), b.table_map(4, "shop", "u"))

        await found.until_told("began", "shop.t", "shop.t", "shop.t", "shop.u")

    follow(scenario)


def test_what_is_committed_in_one_phase_is_like_any_other_write() -> None:
    async def scenario(found: Following) -> None:
        await found.until_told("began")

        one_phase = [b.gtid(SOURCE, 1, 0), *PREPARED[1:-1], b.xa_prepare(b"x", b"", 1, one_phase=True)]
        found.server.log(*one_phase, b.gtid(SOURCE, 2, 0), b.table_map(4, "shop", "u"))

        await found.until(lambda: "shop.u" in found.heard.told)
        assert found.heard.told.count("began") == 1

    follow(scenario)


@pytest.mark.parametrize("before", [[], [*PREPARED, b.query("", b"XA ROLLBACK " + XID)]], ids=["unseen", "ended"])
def test_after_a_commit_of_what_was_prepared_unseen_nothing_is_known(before: list[bytes]) -> None:
    async def scenario(found: Following) -> None:
        await found.until_told("began")
        found.server.log(*before)

        found.server.log(b.gtid(SOURCE, 9, 0), b.query("", b"XA COMMIT " + XID), b.table_map(4, "shop", "u"))

        await found.until(lambda: "shop.u" in found.heard.told)
        assert [told for told in found.heard.told if told != "shop.t"] == ["began", "began", "shop.u"]

    follow(scenario)


@pytest.mark.parametrize(
    ("ends", "cause"),
    [
        (Logging.hang_up, Cause.ENDED),
        (lambda server: server.say(Eof().build()), Cause.ENDED),
        (lambda server: server.say(Err(number=1236, message=b"log purged").build()), Cause.CANNOT_SEND),
        (lambda server: server.say(b"\7nonsense"), Cause.UNREADABLE),
        (lambda server: server.log(b.event(99, b"rows?")), Cause.UNREADABLE),
        (lambda server: server.log(b.rows(3)), Cause.UNREADABLE),
        (lambda server: server.log(b.xid()[:-1] + b"!"), Cause.UNREADABLE),
        (lambda server: server.log(b.event(EventType.INCIDENT, b"\1\0\0")), Cause.UNREADABLE),
    ],
    ids=["hangs up", "ends", "refuses", "nonsense", "unknown kind", "unknown table", "wrong checksum", "gap"],
)
def test_when_it_breaks_off_that_is_told_and_it_begins_anew_at_the_end(
    ends: Callable[[Logging], None], cause: Cause
) -> None:
    async def scenario(found: Following) -> None:
        await found.until_told("began")
        found.server.end = Position("binlog.000010", 4)

        ends(found.server)

        await found.until_told("began", cause, "began")
        assert found.server.dumps == [START, Position("binlog.000010", 4)]

    follow(scenario)


def test_a_server_that_says_nothing_any_more_is_left() -> None:
    async def scenario(found: Following) -> None:
        await found.until(lambda: len(found.heard.told) >= 3)

        assert found.heard.told[:3] == ["began", Cause.SILENT, "began"]

    follow(scenario, pace=Pace(unseen=0.0, silence=0.02, first_pause=0.001))


def test_a_heartbeat_is_enough() -> None:
    async def scenario(found: Following) -> None:
        await found.until_told("began")
        begun = perf_counter()

        while perf_counter() - begun < 0.4:
            found.server.log(b.heartbeat(START))
            await asyncio.sleep(0)

        assert found.heard.told == ["began"]

    follow(scenario, pace=Pace(unseen=0.0, silence=0.3))


def refusing(**refusals: Err) -> Logging:
    server = Logging()
    kinds: dict[str, int | bytes] = {"status": b"SHOW MASTER", "register": Command.REGISTER_SLAVE}
    server.refusals = {kinds[name]: refusal for name, refusal in refusals.items()}
    return server


@pytest.mark.parametrize(
    "server",
    [refusing(status=DENIED), refusing(register=Err(number=1045, sqlstate=b"28000", message=b"Access denied"))],
    ids=["status", "register"],
)
def test_a_missing_right_is_told_once_with_the_grant_for_the_account_as_the_server_knows_it(server: Logging) -> None:
    async def scenario(found: Following) -> None:
        await found.until(lambda: server.logins >= 6)

        (reason,) = found.heard.reasons
        assert reason.cause is Cause.NO_RIGHT
        assert reason.remedy == "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'o''brien'@'10.%'"
        assert str(reason).endswith(f"run there: {reason.remedy}")

    follow(scenario, server)


def logless() -> Logging:
    server = Logging()
    server.end = None
    return server


def filtering() -> Logging:
    server = Logging()
    server.filter = b"shop"
    return server


def far() -> Logging:
    server = Logging()
    server.end = Position("binlog.000001", 1 << 32)
    return server


def unable_to_send() -> Logging:
    server = Logging()
    server.begins = [b.rotate(START)]
    server.refusals = {Command.BINLOG_DUMP: Err(number=1236, message=b"Could not find first log file name")}
    return server


@pytest.mark.parametrize(
    ("server", "cause", "told"),
    [
        (logless(), Cause.NO_LOG, "log_bin"),
        (filtering(), Cause.FILTERED, "binlog_do_db"),
        (far(), Cause.UNREADABLE, "FLUSH BINARY LOGS"),
        (unable_to_send(), Cause.CANNOT_SEND, "Could not find first log file name"),
        (refusing(status=Err(number=1064, message=b"syntax")), Cause.REFUSED, "syntax"),
    ],
    ids=["no log", "filters", "far end", "cannot send", "not understood"],
)
def test_what_keeps_it_from_beginning_is_told_once(server: Logging, cause: Cause, told: str) -> None:
    async def scenario(found: Following) -> None:
        await found.until(lambda: server.logins >= 6)

        assert found.heard.told == [cause]
        assert told in str(found.heard.reasons[0])
        assert found.binlog.stream is None

    follow(scenario, server)


def test_a_password_that_is_refused_is_told() -> None:
    async def scenario(found: Following) -> None:
        await found.until_told(Cause.REFUSED)

        assert "1045" in str(found.heard.reasons[0])

    follow(scenario, password="wrong")


def test_a_server_that_cannot_be_reached_is_told_until_it_is_back() -> None:
    async def scenario() -> None:
        async with following() as found:
            await found.until_told("began")
            address = found.binlog.backend.config.address
            assert isinstance(address, TcpAddress)
            found.binlog.backend.config = BackendConfig(address=TcpAddress("127.0.0.1", 1))

            found.server.hang_up()

            await found.until_told("began", Cause.ENDED, Cause.UNREACHABLE)
            found.binlog.backend.config = BackendConfig(address=address)
            await found.until_told("began", Cause.ENDED, Cause.UNREACHABLE, "began")

    run(scenario)


class MariaDb(Logging):
    """A MariaDB, which says where in its log a snapshot was taken."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities &= ~Capability.LONG_PASSWORD
        self.snapshot = Position("binlog.000009", 300)

    def _tell(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if not command.body.startswith(b"SHOW STATUS LIKE 'Binlog_snapshot"):
            return super()._tell(protocol, command)
        names = (b"Binlog_snapshot_file", b"Binlog_snapshot_position")
        values = (self.snapshot.file.encode(), b"%d" % self.snapshot.offset)
        rows = [row(*told) for told in zip(names, values, strict=True)]
        return protocol.send_rows([COLUMN] * 2, rows, Status.AUTOCOMMIT)


def test_mariadb_begins_where_a_snapshot_was_taken_and_tells_by_one_what_is_seen() -> None:
    server = MariaDb()

    async def scenario(found: Following) -> None:
        await found.until_told("began")
        assert server.dumps == [server.snapshot]
        server.log(b.mariadb_gtid(0, 1, 1), *ROWS, b.xid(700))
        await found.until_told("began", "shop.t")

        server.snapshot = Position("binlog.000009", 700)

        await found.until_told("began", "shop.t", "shop.t")

    follow(scenario, server)


def test_the_delay_is_measured_by_asking_where_the_server_is() -> None:
    async def scenario(found: Following) -> None:
        await found.until_told("began")
        stream = found.binlog.stream
        assert stream is not None
        await found.until(lambda: 0 < stream.delay_s < 0.1)

        found.server.end = Position(START.file, 900)
        found.server.log(*transaction(1, *ROWS, end=800))

        await found.until(lambda: stream.delay_s > 0.1)
        found.server.log(b.heartbeat(Position(START.file, 900)))
        await found.until(lambda: stream.delay_s < 0.1)

    follow(scenario, pace=Pace(unseen=0.0, asked_when_pending=0.001, asked=0.001))


def test_a_flood_of_events_does_not_keep_others_from_their_turn() -> None:
    async def scenario(found: Following) -> None:
        await found.until_told("began")
        found.server.log(*(b.table_map(3, "shop", f"t{number}") for number in range(5_000)))

        turns = set()
        while len(found.heard.told) <= 5_000:
            turns.add(len(found.heard.told))
            await asyncio.sleep(0)

        assert len(turns) > 10
        assert found.heard.told[1:] == [f"shop.t{number}" for number in range(5_000)]

    follow(scenario)


def test_who_is_cancelled_leaves_no_connection() -> None:
    async def scenario() -> None:
        server = Logging()
        async with following(server) as found:
            await found.until_told("began")
            assert server.open == 2
        while server.open:  # noqa: ASYNC110 - there is no event for what tests wait for
            await asyncio.sleep(0)

    run(scenario)


def test_what_the_listener_raises_is_not_lost() -> None:
    class Failing(Heard):
        def began(self) -> None:
            raise ValueError("a defect")

    async def scenario() -> None:
        server = Logging()
        async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listener:
            address = TcpAddress("127.0.0.1", listener.sockets[0].getsockname()[1])
            backend = Backend("db", BackendConfig(address=address), dial=dial, tls=None, connect_timeout_s=1.0)
            account = Account(user="dbmux", password=PASSWORD.decode())

            with pytest.raises(ExceptionGroup, match="unhandled") as raised:
                await Binlog(backend, account, Failing(), randomness=Random(1), pace=PACE).follow()

            assert raised.group_contains(ValueError)

    run(scenario)
