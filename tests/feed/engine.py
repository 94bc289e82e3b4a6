"""An engine as the feed sees one: statements that ran, and a few questions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbmux.address import UnixAddress
from dbmux.control.socket import ControlSocket
from dbmux.events import QueryFinished, Who
from dbmux.feed.direct import DirectFeed
from dbmux.feed.feed import PROTOCOL, Access, Feed, Hello, Passes, Refused
from dbmux.feed.filter.language import parse
from dbmux.feed.filter.predicate import compile
from dbmux.feed.notes import EngineNotes
from dbmux.feed.remote import RemoteFeed
from dbmux.observe.observer import Observer
from dbmux.routes import ONLY
from dbmux.wire import packet
from dbmux.wire.commands import Command

HELLO = Hello("1.2.3", PROTOCOL, "app.json", 0, 42)
WHO = Who("app", "10.0.0.9:5000", "web", "main", 0)


@dataclass(frozen=True)
class NoOrigin:
    """Comments that say nothing."""

    app: str = ""
    trace: str = ""
    site: str = ""


def ran(text: str, at: float = 1.0, seconds: float = 0.001, **more: Any) -> QueryFinished:
    """A statement."""
    sent = packet.encode(b"\x03" + text.encode(), 0)
    return QueryFinished(at, 1, "db", Command.QUERY, seconds, 10, 0, ONLY, who=WHO, sent=sent, **more)


def notes() -> EngineNotes:
    """Notes without anything special."""
    return EngineNotes(lambda: 0.2, lambda text: NoOrigin(), lambda row: 0)


def compiled(wanted: str) -> Passes:
    """The filter of a text."""
    return compile(parse(wanted), lambda: 0.0)


async def _twice(given: Mapping[str, Any]) -> Any:
    return int(given["number"]) * 2


async def _status(given: Mapping[str, Any]) -> Any:
    return "fine"


async def _refuse(given: Mapping[str, Any]) -> Any:
    raise Refused("not today")


async def _stumble(given: Mapping[str, Any]) -> Any:
    raise AttributeError("a mistake")


@dataclass(frozen=True)
class Engine:
    """What happens in it, and a feed of it."""

    observer: Observer
    feed: Feed


@asynccontextmanager
async def direct(folder: Path, kept: int = 100, hello: Hello = HELLO) -> AsyncIterator[Engine]:
    """The feed within the process."""
    observer = Observer(None, kept)
    answers = {"twice": _twice, "refuse": _refuse, "status": _status, "stumble": _stumble}
    yield Engine(observer, DirectFeed(hello, observer, notes(), compiled, answers, asyncio.get_running_loop()))


@asynccontextmanager
async def over_the_socket(
    folder: Path, kept: int = 100, hello: Hello = HELLO, access: Access = Access.ALL
) -> AsyncIterator[Engine]:
    """The same through a control socket."""
    address = UnixAddress(str(folder / "control.sock"))
    async with direct(folder, kept, hello) as engine, ControlSocket(address, engine.feed):
        remote = await RemoteFeed.connect(address, "test", access)
        yield Engine(engine.observer, remote)
        remote.close()


Transport = Callable[..., AbstractAsyncContextManager[Engine]]
TRANSPORTS: tuple[Transport, ...] = (direct, over_the_socket)
