"""A backend's health is asked at the right times, and only what changed is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dbmux.backend import health
from dbmux.backend.memory import GreetingMemory
from dbmux.backend.server import Backend, BackendState
from dbmux.config.model import BackendConfig
from dbmux.events import BackendDown, BackendUp, Event
from dbmux.net.dial import dial
from dbmux.wire import packet
from dbmux.wire.replies import Err
from tests.fakes import FakeBackend, run


class Refusing(FakeBackend):
    """A server that greets with an error."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(packet.encode(Err(number=1040, sqlstate=b"08004", message=b"Too many connections").build(), 0))
        writer.close()


class Babbling(FakeBackend):
    """No MySQL server at all."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n" * 10)
        writer.close()


@dataclass
class Watched:
    """A backend whose server can be exchanged, and what was told of it."""

    backend: Backend
    memory: GreetingMemory
    events: list[Event]
    port: int
    server: asyncio.Server | None = None

    async def serve(self, fake: FakeBackend | None) -> None:
        """Have another server at the address, or none."""
        if self.server is not None:
            self.server.close()
            await self.server.wait_closed()
        self.server = None
        if fake is not None:
            self.server = await asyncio.start_server(fake.serve, "127.0.0.1", self.port)

    async def probe(self) -> None:
        await health.probe(self.backend, self.memory, self.events.append)


@asynccontextmanager
async def watched(path: Path | None = None) -> AsyncIterator[Watched]:
    server = await asyncio.start_server(FakeBackend().serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = BackendConfig.model_validate(f"127.0.0.1:{port}")
    backend = Backend("db", config, dial=dial, tls=None, connect_timeout_s=5.0)
    found = Watched(backend, GreetingMemory(path), [], port, server)
    try:
        yield found
    finally:
        await found.serve(None)


def test_a_backend_that_answers_is_up_and_its_greeting_remembered(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with watched(tmp_path / "greetings.json") as found:
            await found.probe()
            await found.probe()

            address = f"127.0.0.1:{found.port}"
            assert [(event.backend, event.address, event.server_version) for event in _ups(found)] == [
                ("db", address, "8.0.36-fake")
            ]
            recalled = GreetingMemory(tmp_path / "greetings.json").recall(address)
            assert recalled is not None
            assert recalled.server_version == b"8.0.36-fake"

    run(scenario)


def test_going_down_and_coming_back_are_told_once_each() -> None:
    async def scenario() -> None:
        async with watched() as found:
            await found.probe()
            await found.serve(None)
            await found.probe()
            await found.probe()
            await found.serve(FakeBackend())
            await found.probe()
            await found.probe()

            assert [type(event) for event in found.events] == [BackendUp, BackendDown, BackendUp]
            assert found.backend.state is BackendState.UP

    run(scenario)


def test_one_that_has_no_place_for_more_clients_is_not_down_for_those_who_are_there() -> None:
    async def scenario() -> None:
        async with watched() as found:
            await found.probe()

            await found.serve(Refusing())
            await found.probe()

            assert found.backend.state is BackendState.UP
            assert [type(event) for event in found.events] == [BackendUp]

    run(scenario)


@pytest.mark.parametrize(
    "fake, reason",
    [
        (None, "Connect call failed"),
        (Refusing(), "1040 (08004): Too many connections"),
        (Babbling(), "packet 0 expected"),
    ],
    ids=["nobody", "refusing", "babbling"],
)
def test_the_reason_is_the_one_of_now(fake: FakeBackend | None, reason: str) -> None:
    async def scenario() -> None:
        async with watched() as found:
            found.backend.error = "the error of an earlier time"
            await found.serve(fake)

            await found.probe()

            told = [event.error for event in found.events if isinstance(event, BackendDown)]
            assert len(told) == 1
            assert reason in told[0]
            assert found.backend.error == told[0]

    run(scenario)


def test_a_backend_that_is_up_has_no_error() -> None:
    async def scenario() -> None:
        async with watched() as found:
            found.backend.error = "the error of an earlier time"

            await found.probe()

            assert found.backend.error == ""

    run(scenario)


def test_a_server_that_was_upgraded_between_two_questions_is_told() -> None:
    async def scenario() -> None:
        async with watched() as found:
            await found.probe()
            assert found.backend.greeting is not None
            found.backend.greeting = replace(found.backend.greeting, server_version=b"5.7.44")

            await found.probe()

            assert [event.server_version for event in _ups(found)] == ["8.0.36-fake", "8.0.36-fake"]

    run(scenario)


def test_it_is_asked_seldom_while_up_and_less_and_less_often_while_down() -> None:
    async def scenario() -> None:
        async with watched() as found:
            rested: list[float] = []

            async def rest(backend: Backend, seconds: float) -> None:
                rested.append(seconds)
                await found.serve(None if len(rested) < 7 else FakeBackend())
                if len(rested) == 8:
                    raise asyncio.CancelledError

            with pytest.raises(asyncio.CancelledError):
                await health.watch(found.backend, found.memory, found.events.append, rest, lambda: 0.5)

            up = health.SECONDS_WHILE_UP
            assert rested == [up, 1, 2, 4, 8, 10, 10, up]

    run(scenario)


def test_pauses_have_jitter() -> None:
    async def scenario() -> None:
        async with watched() as found:
            rested: list[float] = []

            async def rest(backend: Backend, seconds: float) -> None:
                rested.append(seconds)
                if len(rested) == 2:
                    raise asyncio.CancelledError

            await found.serve(None)
            with pytest.raises(asyncio.CancelledError):
                await health.watch(found.backend, found.memory, found.events.append, rest, iter((0.0, 1.0)).__next__)

            assert rested == pytest.approx([0.8, 2.4])

    run(scenario)


def test_a_suspected_backend_is_asked_at_once() -> None:
    async def scenario() -> None:
        async with watched() as found:
            resting = asyncio.ensure_future(health.rest(found.backend, 60))
            await asyncio.sleep(0)

            found.backend.suspect()
            await resting

            assert not found.backend.is_usable
            await found.probe()
            assert found.backend.is_usable

    run(scenario)


def _ups(found: Watched) -> list[BackendUp]:
    return [event for event in found.events if isinstance(event, BackendUp)]
