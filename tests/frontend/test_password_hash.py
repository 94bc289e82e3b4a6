"""Users of whom the configuration has only a hash: what they prove opens the connections to the server."""

from __future__ import annotations

from typing import Any

import pytest

from dbmux.address import TcpAddress
from dbmux.backend import login
from dbmux.backend.login import Credentials
from dbmux.backend.server import Backend, Wish
from dbmux.config.model import BackendConfig
from dbmux.errors import BackendRefused
from dbmux.net.conversation import Conversation
from dbmux.net.dial import dial
from dbmux.wire import auth
from dbmux.wire.capabilities import NEEDED, Capability
from dbmux.wire.client import ClientProtocol, Row, ServerMessage
from dbmux.wire.commands import Command
from dbmux.wire.handshake import AuthSwitch
from tests.fakes import PASSWORD, Running, TestClient, connect, row, run, running
from tests.wire.test_auth import NATIVE_HASH, SHA2_HASH

HASHES = pytest.mark.parametrize("stored", [NATIVE_HASH, SHA2_HASH], ids=["native", "sha2"])


async def log_in(proxy: Running, password: bytes, plugin: bytes = auth.NATIVE) -> TestClient:
    """A client that begins with a plugin, and then does whatever it is asked to."""
    door = Backend("dbmux", BackendConfig(address=TcpAddress("127.0.0.1", proxy.port)), dial=dial, tls=None,
                   connect_timeout_s=5)  # fmt: skip
    wish = Wish(capabilities=NEEDED | Capability.LONG_PASSWORD, charset=45, max_packet=1 << 24)
    conversation: Conversation[ServerMessage] = await door.reach(wish)
    protocol = conversation.protocol
    assert isinstance(protocol, ClientProtocol)
    assert protocol.greeting is not None
    scramble = protocol.greeting.scramble
    who = Credentials(user=b"app", password=password)
    answer = auth.answer_to(plugin, password, scramble) or b""
    conversation.send(protocol.log_in(login.login_request(door, wish, who, answer, plugin)))
    try:
        await login.prove(door, conversation, password, AuthSwitch(plugin=plugin, scramble=scramble))
    except BackendRefused:
        conversation.channel.close()
        raise
    return TestClient(conversation)


def users(stored: str, **more: Any) -> dict[str, Any]:
    return {"app": {"password_hash": stored, **more}}


@HASHES
@pytest.mark.parametrize("plugin", [auth.NATIVE, auth.CACHING_SHA2, auth.UNKNOWN])
def test_whoever_knows_the_password_gets_in_and_through_to_the_server(stored: str, plugin: bytes) -> None:
    async def scenario() -> None:
        async with running(users=users(stored)) as proxy:
            one = await log_in(proxy, PASSWORD, plugin)

            assert Row(row(b"SELECT 1")) in await one.ask(Command.QUERY, b"SELECT 1")

            one.close()

    run(scenario)


@HASHES
@pytest.mark.parametrize("password", [b"", b"wrong"])
@pytest.mark.parametrize("plugin", [auth.NATIVE, auth.CACHING_SHA2])
def test_whoever_does_not_is_refused_before_any_server_is_asked(stored: str, password: bytes, plugin: bytes) -> None:
    async def scenario() -> None:
        async with running(users=users(stored)) as proxy:
            with pytest.raises(BackendRefused, match="Access denied"):
                await log_in(proxy, password, plugin)

            assert proxy.backend.logins == 0

    run(scenario)


@HASHES
def test_the_server_may_have_another_password_for_it(stored: str) -> None:
    async def scenario() -> None:
        async with running(users=users(stored, backend_user="other", backend_password="right")) as proxy:
            one = await log_in(proxy, PASSWORD)

            assert Row(row(b"SELECT 1")) in await one.ask(Command.QUERY, b"SELECT 1")

            one.close()

    run(scenario)


def test_a_password_that_was_shown_once_is_proved_without_showing_it_from_then_on() -> None:
    async def scenario() -> None:
        async with running(users=users(SHA2_HASH)) as proxy:
            (await log_in(proxy, PASSWORD)).close()

            # This client has no way to show it.
            again = await connect(proxy.port)
            with pytest.raises(BackendRefused, match="Access denied"):
                await log_in(proxy, b"wrong")

            assert isinstance(again, TestClient)
            assert Row(row(b"SELECT 1")) in await again.ask(Command.QUERY, b"SELECT 1")
            again.close()

    run(scenario)
