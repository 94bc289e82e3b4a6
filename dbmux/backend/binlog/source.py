"""A server as the source of its binary log: where that ends, what is seen, and how it is sent.

A backend and an account come in; positions go out, and a conversation in which events come. Whatever keeps that from
happening is raised as `Broken`, with the GRANT where a right is missing. (Manual pages "SHOW BINARY LOG STATUS",
MariaDB's "SHOW BINLOG STATUS" and "START TRANSACTION WITH CONSISTENT SNAPSHOT".)
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random
from uuid import UUID

from dbmux.backend.binlog.listener import Broken, Cause, Pace
from dbmux.backend.binlog.settling import LONGEST_TOLD_S, Seen
from dbmux.backend.inquiry import ask
from dbmux.backend.login import Credentials, log_in
from dbmux.backend.opening import MAX_PACKET
from dbmux.backend.replication import Position as Gtids
from dbmux.backend.replication import log_end_question, parse_position
from dbmux.backend.server import Backend, Wish
from dbmux.errors import BackendRefused, DbMuxError, ProtocolError
from dbmux.net.conversation import ConnectionClosed, Conversation
from dbmux.wire.binlog import dump
from dbmux.wire.binlog.events import Position
from dbmux.wire.capabilities import NEEDED, Capability
from dbmux.wire.client import ClientProtocol, ServerMessage
from dbmux.wire.commands import Command
from dbmux.wire.handshake import UTF8MB4
from dbmux.wire.replies import Eof, Err
from dbmux.wire.rows import TextRow

# Who asks, in the server's list of its replicas.
NAME = b"dbmux"
ACCESS_DENIED, PRIVILEGE_MISSING = 1045, 1227
# MariaDB has newer names for them, and takes these.
RIGHTS = "REPLICATION SLAVE, REPLICATION CLIENT"

# A snapshot says where in the log it was taken: what is in it is what everybody sees.
_SNAPSHOT = (
    b"START TRANSACTION WITH CONSISTENT SNAPSHOT",
    b"SHOW STATUS LIKE 'Binlog_snapshot_%'",
    b"COMMIT",
)
_SNAPSHOT_AT = (b"Binlog_snapshot_file", b"Binlog_snapshot_position")
# With whose they are: uuid:5#17.
_OWNED, _OWNER = b"SELECT @@global.gtid_mode, @@global.gtid_owned", re.compile(rb"#\d+")
# Under the names of all versions; which of them a server heeds is its own affair.
_SETTINGS = (
    "SET @master_binlog_checksum = @@global.binlog_checksum, @source_binlog_checksum = @@global.binlog_checksum,"
    " @master_heartbeat_period = {nanoseconds}, @source_heartbeat_period = {nanoseconds},"
    " @slave_uuid = '{uuid}', @replica_uuid = '{uuid}', @mariadb_slave_capability = 4"
)


class Source:
    """The connection on which a server is asked about its log."""

    def __init__(
        self, backend: Backend, who: Credentials, pace: Pace, conversation: Conversation[ServerMessage]
    ) -> None:
        self._backend = backend
        self._who = who
        self._pace = pace
        self._conversation = conversation
        # Several may ask, one after the other.
        self._turn = asyncio.Lock()
        greeting = _client(conversation).greeting
        assert greeting is not None
        self._is_mariadb = greeting.is_mariadb
        self._log_status = log_end_question(greeting)

    @classmethod
    async def connect(cls, backend: Backend, who: Credentials, pace: Pace) -> Source:
        """Log in; raises Broken."""
        return cls(backend, who, pace, await _connect(backend, who, pace))

    @property
    def name(self) -> str:
        """The server's name in the configuration."""
        return self._backend.name

    def close(self) -> None:
        """End it."""
        self._conversation.channel.close()

    async def place_to_begin(self) -> Position:
        """The end of the log, when all that stands before it is seen; raises Broken."""
        name, end = self._backend.name, await self._end()
        if end.is_filtered:
            raise Broken(
                Cause.FILTERED, f"{name} does not log every schema: binlog_do_db or binlog_ignore_db is set there"
            )
        if self._is_mariadb:
            place = await self._snapshot()
        else:
            place = end.position
            await self._none_in_flight()
        if place.offset > dump.LAST_OFFSET:
            raise Broken(Cause.UNREADABLE, f"the binary log file of {name} is over 4 GiB long", "FLUSH BINARY LOGS")
        return place

    async def ask(self, question: bytes) -> list[TextRow]:
        """Ask it anything whose answer is short; raises Broken."""
        async with self._turn:
            return await self._ask(question)

    async def identity(self) -> str:
        """Tells this server from all others, whatever its address: its UUID, or in MariaDB the number that it has."""
        ((identity,),) = await self.ask(b"SELECT @@server_id" if self._is_mariadb else b"SELECT @@server_uuid")
        return (identity or b"").decode()

    async def leaves_cascades_out(self) -> bool:
        """Whether the log does not tell what foreign keys do to the rows that refer to others: MySQL tells since 9.6,
        unless that is switched off (manual page "innodb_native_foreign_keys")."""
        rows = await self.ask(b"SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'")
        return not rows or rows[0][1] != b"OFF"

    async def seen(self) -> Seen:
        """How far the server is, and what of that is seen; raises Broken."""
        async with self._turn:
            if self._is_mariadb:
                return Seen(await self._snapshot(), tells_by_place=True)
            end = await self._end()
        return Seen(end.position, parse_position(end.gtids) if end.gtids else None)

    async def dump(self, start: Position, randomness: Random) -> Conversation[bytes | Err | Eof]:
        """Have the log sent from there on, over a connection of its own; raises Broken."""
        conversation = await _connect(self._backend, self._who, self._pace)
        try:
            # High, where people number no servers.
            server_id = randomness.getrandbits(31) | 1 << 31
            settings = _SETTINGS.format(
                nanoseconds=int(self._pace.heartbeat * 1e9), uuid=UUID(int=randomness.getrandbits(128), version=4)
            )
            async with self._understood():
                await ask(conversation, settings.encode())
                protocol = _client(conversation)
                conversation.send(protocol.command(Command.REGISTER_SLAVE, dump.registration(server_id, NAME)))
                match await conversation.next():
                    case Err() as err:
                        raise BackendRefused(err.number, err.sqlstate, err.message)
                conversation.send(protocol.command(Command.BINLOG_DUMP, dump.request(server_id, start)))
        except BaseException:
            conversation.channel.abort()
            raise
        told: Conversation[bytes | Err | Eof] = Conversation(conversation.channel, dump.Dump(protocol.unread()))
        conversation.channel.owner = told
        return told

    async def _none_in_flight(self) -> None:
        # Returns when what MySQL has logged by now is seen, as far as it tells: until then, somebody owns the GTID.
        waited_for: set[tuple[bytes, int]] | None = None
        for _ in range(int(LONGEST_TOLD_S / self._pace.asked_when_pending)):
            mode, text, *_ = await self._ask_one(_OWNED, 2)
            if mode != b"ON":
                await asyncio.sleep(self._pace.unseen)
                return
            owned = _single(parse_position(_OWNER.sub(b"", text)))
            waited_for = owned if waited_for is None else waited_for & owned
            if not waited_for:
                return
            await asyncio.sleep(self._pace.asked_when_pending)

    async def _end(self) -> _End:
        file, offset, only, but, *gtids = await self._ask_one(self._log_status, 4)
        return _End(self._position(file, offset), gtids[0] if gtids else b"", is_filtered=bool(only or but))

    async def _snapshot(self) -> Position:
        begin, status, end = _SNAPSHOT
        await self._ask(begin)
        told = {row[0]: row[-1] for row in await self._ask(status)}
        await self._ask(end)
        return self._position(*(told.get(name) or b"" for name in _SNAPSHOT_AT))

    def _position(self, file: bytes, offset: bytes) -> Position:
        if not offset.isdigit():
            raise self._unreadable("it does not say where that ends")
        return Position(file.decode(errors="surrogateescape"), int(offset))

    async def _ask_one(self, question: bytes, columns: int) -> list[bytes]:
        # The only row, of so many columns at least.
        rows = await self._ask(question)
        if not rows:
            raise Broken(
                Cause.NO_LOG, f"{self._backend.name} keeps no binary log: start it with log_bin (and a server_id)"
            )
        if len(rows) != 1 or len(rows[0]) < columns:
            raise self._unreadable("an answer has another form")
        return [value or b"" for value in rows[0]]

    async def _ask(self, question: bytes) -> list[TextRow]:
        async with self._understood():
            return await ask(self._conversation, question)

    def _unreadable(self, why: object) -> Broken:
        return Broken(Cause.UNREADABLE, f"what {self._backend.name} says of its binary log cannot be read: {why}")

    @asynccontextmanager
    async def _understood(self) -> AsyncIterator[None]:
        # What may go wrong in a conversation, as Broken.
        name = self._backend.name
        try:
            async with asyncio.timeout(self._pace.answer):
                yield
        except TimeoutError:
            raise Broken(Cause.SILENT, f"{name} did not answer in time how far its binary log is") from None
        except ConnectionClosed as error:
            raise Broken(Cause.ENDED, f"{name} closed the connection: {error}") from error
        except ProtocolError as error:
            raise self._unreadable(error) from error
        except BackendRefused as error:
            if error.number not in (ACCESS_DENIED, PRIVILEGE_MISSING):
                raise Broken(Cause.REFUSED, f"{name} does not tell about its binary log: {error}") from error
            grant = f"GRANT {RIGHTS} ON *.* TO {await self._account()}"
            raise Broken(Cause.NO_RIGHT, f"the service account may not read the binary log of {name}", grant) from error

    async def _account(self) -> str:
        # As the server knows it: the host is not what a client could know.
        user, _, host = (self._who.user + b"@%").decode().rpartition("@")
        with suppress(DbMuxError, TimeoutError):
            async with asyncio.timeout(self._pace.answer):
                ((told,),) = await ask(self._conversation, b"SELECT CURRENT_USER()")
                user, _, host = (told or b"").decode().rpartition("@")
        return "@".join("'{}'".format(part.replace("'", "''")) for part in (user, host))


@dataclass(frozen=True, slots=True)
class _End:
    """What a server says of the end of its log."""

    position: Position
    gtids: bytes
    is_filtered: bool


def _single(gtids: Gtids) -> set[tuple[bytes, int]]:
    return {
        (source, number)
        for source, intervals in gtids.done.items()
        for first, last in intervals
        for number in range(first, last + 1)
    }


async def _connect(backend: Backend, who: Credentials, pace: Pace) -> Conversation[ServerMessage]:
    wish = Wish(capabilities=NEEDED | Capability.LONG_PASSWORD, charset=UTF8MB4, max_packet=MAX_PACKET)
    try:
        async with asyncio.timeout(pace.answer):
            conversation = await backend.reach(wish)
            try:
                await log_in(backend, conversation, wish, who)
            except BaseException:
                conversation.channel.abort()
                raise
    except TimeoutError:
        raise Broken(Cause.UNREACHABLE, f"{backend.name} did not answer the service account's login in time") from None
    except BackendRefused as error:
        raise Broken(Cause.REFUSED, f"{backend.name} refuses the service account: {error}") from error
    except DbMuxError as error:
        raise Broken(Cause.UNREACHABLE, str(error)) from error
    return conversation


def _client(conversation: Conversation[ServerMessage]) -> ClientProtocol:
    protocol = conversation.protocol
    assert isinstance(protocol, ClientProtocol)
    return protocol
