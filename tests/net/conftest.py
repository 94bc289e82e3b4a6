"""Both event loops, and a certificate."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from dbmux.net.certificate import ServerTls, self_made, server_tls

Run = Callable[[Callable[[], Awaitable[None]]], None]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test's coroutine, at most ten seconds, on the loop that DbMux uses and on Python's own."""

    async def bounded(scenario: Callable[[], Awaitable[None]]) -> None:
        async with asyncio.timeout(10):
            await scenario()

    def run(scenario: Callable[[], Awaitable[None]]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(bounded(scenario))

    return run


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_made(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def tls(certificate: tuple[Path, Path]) -> ServerTls:
    return server_tls(*certificate)


@pytest.fixture(scope="session")
def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """A client's context that trusts the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(certificate[0])
    return context
