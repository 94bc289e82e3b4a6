"""A mirror that cannot reach its servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from dbmux.address import Address, TcpAddress
from dbmux.backend.server import Backend
from dbmux.config.model import Account, BackendConfig, OnDefinition
from dbmux.errors import DbMuxError
from dbmux.events import Emit, Event, MirrorChanged
from dbmux.mirror.mirror import Mirror, MirrorState, NothingAwaited
from dbmux.net.channel import Channel, Owner
from dbmux.sync.replay import Task


async def nobody(address: Address, accept: Callable[[Channel], Owner]) -> Channel:
    raise ConnectionRefusedError("Connection refused")


def mirror(emit: Emit) -> Mirror:
    config = BackendConfig(address=TcpAddress("127.0.0.1", 1))
    old, new = (Backend(name, config, dial=nobody, tls=None, connect_timeout_s=1.0) for name in ("old", "new"))
    account = Account(user="dbmux")
    task = Task(
        name="upgrade",
        source=old,
        target=new,
        account=account,
        target_account=account,
        is_wanted=lambda table: True,
        on_definition=OnDefinition.STOP,
    )
    return Mirror(task, emit=emit, randomness=Random(0))


def test_it_waits_for_a_server_that_is_not_there_and_says_why() -> None:
    async def scenario() -> MirrorChanged:
        arrived: asyncio.Queue[Event] = asyncio.Queue()
        found = mirror(arrived.put_nowait)
        attending = asyncio.create_task(found.attend())
        event = await arrived.get()
        attending.cancel()
        assert isinstance(event, MirrorChanged)
        return event

    event = asyncio.run(scenario())

    assert event.state == MirrorState.WAITING
    assert "old" in event.why


def test_a_beginning_that_fails_leaves_it_as_it_was() -> None:
    async def scenario() -> MirrorState:
        found = mirror(lambda event: None)
        with pytest.raises(DbMuxError, match="old"):
            await found.begin(None)
        return found.figures.state

    assert asyncio.run(scenario()) is MirrorState.STARTING


def test_a_pause_holds_until_it_is_resumed() -> None:
    told: list[Event] = []
    found = mirror(told.append)

    found.pause()
    paused = found.figures.state
    found.resume()

    assert paused is MirrorState.PAUSED
    assert [event.state for event in told if isinstance(event, MirrorChanged)] == ["paused", "starting"]


def test_a_pause_right_behind_a_resume_holds() -> None:
    async def scenario() -> list[Event]:
        told: list[Event] = []
        found = mirror(told.append)
        found.pause()
        attending = asyncio.create_task(found.attend())
        await asyncio.sleep(0)
        await asyncio.sleep(0)

        found.resume()
        found.pause()

        # It would have found by then that nobody answers.
        for _ in range(20):
            await asyncio.sleep(0)
        attending.cancel()
        return told

    told = asyncio.run(scenario())

    assert [event.state for event in told if isinstance(event, MirrorChanged)] == ["paused", "starting", "paused"]


def test_a_beginning_that_fails_leaves_a_pause_a_pause() -> None:
    async def scenario() -> MirrorState:
        found = mirror(lambda event: None)
        found.pause()
        with pytest.raises(DbMuxError, match="old"):
            await found.begin_anew()
        return found.figures.state

    assert asyncio.run(scenario()) is MirrorState.PAUSED


def test_no_definition_is_passed_over_that_it_did_not_halt_at() -> None:
    told: list[Event] = []
    found = mirror(told.append)

    with pytest.raises(NothingAwaited, match="is starting, and no definition is to be passed over"):
        found.pass_over_definition()

    assert told == []


def test_an_order_returns_when_it_is_known_what_became_of_it() -> None:
    async def scenario() -> MirrorState:
        found = mirror(lambda event: None)
        attending = asyncio.create_task(found.attend())
        await found.settle()
        attending.cancel()
        return found.figures.state

    assert asyncio.run(scenario()) is MirrorState.WAITING
