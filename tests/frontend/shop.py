"""A shop behind an engine that stores what is read of it: the server, its dictionary, and how to watch both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from dbmux.cache.dictionary import Dictionary
from dbmux.config.model import CacheConfig
from dbmux.events import QueryFinished
from dbmux.wire import packet
from dbmux.wire.client import Row, ServerMessage
from dbmux.wire.commands import Command
from dbmux.wire.replies import Eof, Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.fakes import COLUMN, PASSWORD, FakeBackend, Running, TestClient, client, row, running

READ = b"SELECT a FROM shop.t"
WRITE = b"UPDATE shop.t SET a = 1"
PREPARED = b"\x00\x01\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00"
Odd = Callable[[ServerProtocol], bytes | None]


class Shop(FakeBackend):
    """A server whose every SELECT has another row, the number of the answer; it knows about transactions.

    `odd` are statements that it answers otherwise.
    """

    def __init__(self, odd: Mapping[bytes, Odd] | None = None) -> None:
        super().__init__(answer=self._answer)
        self.odd = dict(odd or {})
        self.autocommit = Status.AUTOCOMMIT
        self._answers = 0
        self._statuses: dict[int, int] = {}

    def _answer(self, protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        status = self._statuses.get(id(protocol), self.autocommit)
        match command.command, command.body.upper().split():
            case Command.QUIT, _:
                return None
            case Command.STMT_CLOSE, _:
                return b""
            case Command.STMT_PREPARE, _:
                head = packet.encode(PREPARED, 1) + packet.encode(COLUMN, 2)
                return head + packet.encode(b"\xfe\x00\x00\x02\x00", 3)
            case Command.RESET_CONNECTION, _:
                status = self.autocommit
            case Command.QUERY, [b"BEGIN"] | [b"START", *_]:
                status |= Status.IN_TRANSACTION
            case Command.QUERY, [b"COMMIT"] | [b"ROLLBACK"] | [b"CREATE" | b"ALTER" | b"TRUNCATE", *_]:
                status &= ~Status.IN_TRANSACTION
            case Command.QUERY, [b"SET", b"AUTOCOMMIT=0"]:
                status &= ~Status.AUTOCOMMIT
            case Command.QUERY, [b"SET", b"AUTOCOMMIT=1"]:
                status = Status.AUTOCOMMIT
            case Command.QUERY, [b"UPDATE" | b"SELECT", *_] if not status & Status.AUTOCOMMIT:
                status |= Status.IN_TRANSACTION
        self._statuses[id(protocol)] = status
        if command.body in self.odd:
            return self.odd[command.body](protocol)
        if command.command == Command.STMT_EXECUTE or command.body.lstrip(b"/ (").startswith((b"SELECT", b"*")):
            self._answers += 1
            return protocol.send_rows([COLUMN], [row(b"%d" % self._answers)], status)
        return protocol.send_ok(Ok(status=status))

    @property
    def statements(self) -> list[bytes]:
        """What clients asked it, without what DbMux itself sets and asks."""
        return [body for command, body in self.commands if command == Command.QUERY and not body.startswith(b"SET ")]


def rows(protocol: ServerProtocol, status: int, warnings: int = 0) -> bytes:
    """A result of one row that ends so, for clients that know EOF."""
    parts = (b"\x01", COLUMN, Eof(status=status).build(), row(b"odd"), Eof(status=status, warnings=warnings).build())
    return b"".join(protocol.send(part) for part in parts)


def ok(protocol: ServerProtocol, status: int) -> bytes:
    return protocol.send_ok(Ok(status=status))


TABLES = ("t", "u", "child", "audit")


def dictionary() -> Dictionary:
    """The shop: a view `v` upon `t`, a trigger from `t` to `audit`, rows of `child` that go with those of `t`."""
    known = Dictionary()
    for name in TABLES:
        known.add_table("shop", name, "BASE TABLE", "InnoDB")
    known.add_table("shop", "v", "VIEW", "")
    known.add_view("shop", "v", "select `shop`.`t`.`a` AS `a` from `shop`.`t`")
    known.add_trigger("shop", "t", b"INSERT INTO audit VALUES (NEW.a)")
    known.add_foreign_key(("shop", "child"), ("shop", "t"))
    known.add_routine("shop", "p", b"BEGIN UPDATE u SET a = 1; END")
    return known


@asynccontextmanager
async def shop(
    backend: FakeBackend | None = None, connections: int | None = None, **config: Any
) -> AsyncIterator[Running]:
    """An engine that stores what is read of the shop, whose dictionary it knows."""
    top = {"cache": {"tables": {"shop.*": "60s"}}, "users": {"app": PASSWORD.decode()}, **config}
    async with running(backend or Shop(), connections=connections, **top) as proxy:
        know(proxy)
        yield proxy


def know(proxy: Running) -> None:
    """The dictionary was read."""
    cache = proxy.engine.cache
    cache.know(cache.source("db"), dictionary(), "")


async def value(session: TestClient, sql: bytes = READ) -> str:
    """The only row of a result."""
    return only_row(await session.ask(Command.QUERY, sql))


def only_row(told: list[ServerMessage]) -> str:
    (found,) = [message for message in told if isinstance(message, Row)]
    return found.payload[1:].decode()


def asked(proxy: Running, sql: bytes = READ) -> int:
    """How often the server was asked that."""
    assert isinstance(proxy.backend, Shop)
    return proxy.backend.statements.count(sql)


def verdicts(proxy: Running) -> list[str]:
    return [event.cache for event in proxy.of(QueryFinished)]


def held(proxy: Running, sql: bytes) -> asyncio.Event:
    """Have the server's answers to a statement wait for this."""
    gate = proxy.backend.gates[sql] = asyncio.Event()
    return gate


async def arrived(proxy: Running, sql: bytes, times: int = 1) -> None:
    """Wait until the server has got a statement."""
    await proxy.until(lambda: asked(proxy, sql) == times)


def waiting(proxy: Running) -> int:
    """How many wait for another's reading."""
    return sum(len(fill.waiters) for fill in proxy.engine.cache.fills.values())


def age(proxy: Running) -> None:
    """What is stored is so old by now that it may be fetched anew."""
    for entry in proxy.engine.cache.store:
        entry.refresh_at = 0.0


def begin(session: TestClient, sql: bytes) -> asyncio.Future[list[ServerMessage]]:
    return asyncio.ensure_future(session.ask(Command.QUERY, sql))


async def clients(proxy: Running, count: int) -> list[TestClient]:
    return [await client(proxy.port) for _ in range(count)]


async def configure(proxy: Running, **cache: Any) -> None:
    """Reload with another `cache` section."""
    wanted = proxy.engine.config.model_copy(update={"cache": CacheConfig.model_validate(cache)})
    await proxy.engine.apply(wanted, "test", ())
    know(proxy)


ON = {"tables": {"shop.*": "60s"}}
OFF: dict[str, Any] = {"tables": {}}


async def told_ahead(session: TestClient) -> str:
    """The row of the next reply to what was sent ahead, or nothing of an OK."""
    session.protocol.command(Command.QUERY)
    rows = [message for message in await session.reply() if isinstance(message, Row)]
    return rows[0].payload[1:].decode() if rows else ""
