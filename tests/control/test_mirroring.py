"""What is told and ordered of mirrors, those that the servers feed themselves among them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dbmux.control.mirroring import Mirroring
from dbmux.feed.feed import Refused
from dbmux.proxy import Engine
from tests.config.serving import run, servers
from tests.control.test_shadowing import a_config
from tests.mirror.test_native import UUID, Server


@asynccontextmanager
async def native() -> AsyncIterator[Mirroring]:
    """A mirror from `old` to `new`, its replica, which was looked at."""
    both = [Server(gtids=UUID + b":1-5").fake for _ in range(2)]
    async with (
        servers(*both) as (old, new),
        Engine(a_config(old, new), emit=lambda event: None, state_folder=None) as engine,
    ):
        mirror = engine.mirrors.find("upgrade")
        assert mirror is not None
        while not mirror.applied_until:  # noqa: ASYNC110 - there is no event for what tests wait for
            await asyncio.sleep(0.001)
        yield Mirroring(engine.mirrors)


def test_a_replica_is_listed_with_its_own_delay_and_place() -> None:
    async def scenario() -> None:
        async with native() as mirroring:
            (told,) = await mirroring.table()["mirrors"]({})

            assert told == {
                "name": "upgrade",
                "feed": "native",
                "source": "old",
                "source_version": "8.0.36-fake",
                "target": "new",
                "target_version": "8.0.36-fake",
                "state": "native",
                "why": "",
                "delay_seconds": 0.0,
                "position": "binlog.000007:100",
                "gtid": (UUID + b":1-5").decode(),
                "committed_at": None,
                "transactions": None,
                "rows": None,
            }

    run(scenario)


@pytest.mark.parametrize("order", ["mirror.start", "mirror.pause", "mirror.resume"])
def test_who_feeds_it_is_who_is_to_be_told(order: str) -> None:
    async def scenario() -> None:
        async with native() as mirroring:
            with pytest.raises(Refused, match=r"fed by the servers themselves; .* at new \(START REPLICA"):
                await mirroring.table()[order]({"mirror": "upgrade"})

    run(scenario)
