"""A server's dictionary is read again when there is a reason, and not more often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from dbmux.backend.dictionary import REREAD_S, RETRY_S, Reader
from dbmux.backend.server import Backend
from dbmux.cache.dictionary import Dictionary
from dbmux.config.model import Account, BackendConfig
from dbmux.errors import ErrorCode, MySQLError
from dbmux.net.dial import dial
from tests.fakes import run

Said = Callable[[Reader], None]


@dataclass
class Desk:
    """Where a dictionary is read; `says` is what happens while the reader waits for the first, the second … time.

    `waited` has how long it would have waited each time, and whether something came before.
    """

    says: list[Said]
    fails: bool = False
    readings: int = 0
    waited: list[tuple[float, bool]] = field(default_factory=list)
    taken: list[bool] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)

    async def follow(self) -> None:
        config = BackendConfig.model_validate({"address": "127.0.0.1"})
        backend = Backend("db", config, dial=dial, tls=None, connect_timeout_s=1.0)
        account = Account(user="dbmux", password="x")
        reader = Reader(
            backend, account, self._take, self.warned.append, self._read, lambda event, s: self._come(reader, event, s)
        )
        with suppress(asyncio.CancelledError):
            await reader.follow()

    async def _read(self, backend: Backend, account: Account) -> Dictionary:
        self.readings += 1
        if self.fails:
            raise MySQLError(ErrorCode.ACCESS_DENIED, "no")
        return Dictionary()

    def _take(self, dictionary: Dictionary | None, why: str) -> None:
        self.taken.append(dictionary is not None)

    def _come(self, reader: Reader, event: asyncio.Event, seconds: float) -> Awaitable[bool]:
        if len(self.waited) == len(self.says):
            raise asyncio.CancelledError
        self.says[len(self.waited)](reader)
        self.waited.append((seconds, event.is_set()))

        async def came() -> bool:
            return event.is_set()

        return came()


def nothing(reader: Reader) -> None:
    """Nobody says anything."""


SOON, LATER = RETRY_S, REREAD_S - RETRY_S


@pytest.mark.parametrize(
    ("says", "waited"),
    [
        pytest.param([nothing, nothing], [(SOON, False), (LATER, False)], id="nobody says anything"),
        pytest.param([Reader.doubt], [(SOON, True)], id="a doubt at once"),
        pytest.param([nothing, Reader.doubt], [(SOON, False), (LATER, True)], id="a doubt later"),
        pytest.param([nothing, Reader.renew], [(SOON, False), (LATER, True)], id="a name that is missing"),
        pytest.param([Reader.renew, nothing], [(SOON, False), (LATER, True)], id="a name that was missing at once"),
    ],
)
def test_it_is_read_again_when_there_is_a_reason(says: list[Said], waited: list[tuple[float, bool]]) -> None:
    async def scenario() -> None:
        desk = Desk(says)

        await desk.follow()

        assert desk.waited == waited
        assert desk.readings == 2

    run(scenario)


def test_after_a_failure_it_is_tried_again_soon_and_nothing_is_known() -> None:
    async def scenario() -> None:
        desk = Desk([nothing, nothing], fails=True)

        await desk.follow()

        assert desk.waited == [(RETRY_S, False), (0.0, False)]
        assert desk.taken == [False, False]
        assert len(desk.warned) == 1

    run(scenario)
