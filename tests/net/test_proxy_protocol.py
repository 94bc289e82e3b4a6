"""The PROXY protocol: headers of both versions are read back as they were built, and anything else is an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dbmux.errors import ProtocolError
from dbmux.events import LoginFailed, SessionOpened
from dbmux.net.proxy_protocol import (
    MAX_V1_LINE,
    MAX_V2_BLOCK,
    SIGNATURE,
    ClientAddress,
    Header,
    build_v1,
    build_v2,
    parse,
)
from dbmux.wire.client import Row
from dbmux.wire.commands import Command
from tests.fakes import FakeBackend, Running, TestClient, client, row, running
from tests.net.conftest import Run

hosts = st.ip_addresses().map(str)
places = st.tuples(hosts, st.integers(0, 65535))
builders = st.sampled_from([build_v1, build_v2])
V1, V2 = b"PROXY ", SIGNATURE


class TestHeaders:
    @given(builders, places, places, st.binary(max_size=20))
    def test_a_header_names_the_client_that_it_was_built_for(
        self, build: Any, source: tuple[str, int], target: tuple[str, int], behind: bytes
    ) -> None:
        header = build(source, target)

        found = parse(header + behind)

        assert found is not None
        assert found.length == len(header)
        assert found.client is not None
        assert found.client.port == source[1]
        assert _plain(found.client.host) == _plain(source[0])

    @given(builders, places, places)
    def test_a_header_that_has_not_come_whole_needs_more(
        self, build: Any, source: tuple[str, int], target: tuple[str, int]
    ) -> None:
        header = build(source, target)

        assert [parse(header[:end]) for end in range(len(header))] == [None] * len(header)

    @given(st.one_of(st.binary(), st.binary().map(lambda data: V1 + data), st.binary().map(lambda data: V2 + data)))
    @example(V1 + b"x" * MAX_V1_LINE)
    @example(V2 + b"\x21\x11\xff\xff")
    def test_any_bytes_are_a_header_or_need_more_or_break_the_protocol(self, data: bytes) -> None:
        try:
            found = parse(data)
        except ProtocolError:
            return

        if found is None:
            assert len(data) < MAX_V2_BLOCK
        else:
            assert 0 < found.length <= len(data)

    @given(builders, places, places, st.data())
    def test_a_header_with_one_changed_byte_is_a_header_or_needs_more_or_breaks_the_protocol(
        self, build: Any, source: tuple[str, int], target: tuple[str, int], data: st.DataObject
    ) -> None:
        header = bytearray(build(source, target))
        header[data.draw(st.integers(0, len(header) - 1))] = data.draw(st.integers(0, 255))

        try:
            found = parse(bytes(header))
        except ProtocolError:
            return

        if found is not None and found.client is not None:
            assert 0 <= found.client.port <= 65535
            ip_address(found.client.host)

    @pytest.mark.parametrize(
        "data, client",
        [
            (b"PROXY TCP4 192.0.2.7 192.0.2.1 5678 3306\r\n", ClientAddress("192.0.2.7", 5678)),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 5678 3306\r\n", ClientAddress("2001:db8::7", 5678)),
            (b"PROXY UNKNOWN\r\n", None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
            (SIGNATURE + b"\x20\x00\x00\x00", None),
            (SIGNATURE + b"\x21\x00\x00\x00", None),
            (SIGNATURE + b"\x21\x31\x00\xd8" + b"/" * 216, None),
            (
                SIGNATURE + b"\x21\x11\x00\x13" + b"\xc0\x00\x02\x07\xc0\x00\x02\x01\x16\x2e\x0c\xea" + b"\x04\0\4more",
                ClientAddress("192.0.2.7", 5678),
            ),
        ],
        ids=["v1", "v1 IPv6", "v1 unknown", "v1 unknown, more", "v2 local", "v2 unspecified", "v2 unix", "v2 extras"],
    )
    def test_what_balancers_send_is_understood(self, data: bytes, client: ClientAddress | None) -> None:
        assert parse(data + b"next") == Header(len(data), client)

    @pytest.mark.parametrize(
        "data",
        [
            b"PROXY TCP4 192.0.2.7 192.0.2.1 5678\r\n",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 5678 99999\r\n",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 65536 3306\r\n",
            b"PROXY TCP4 2001:db8::7 2001:db8::1 5678 3306\r\n",
            b"PROXY TCP4 192.0.2.7 nonsense 5678 3306\r\n",
            b"PROXY TCP6 fe80::1%lo 2001:db8::1 5678 3306\r\n",
            b"PROXY TCP5 192.0.2.7 192.0.2.1 5678 3306\r\n",
            b"PROXY UNKNOWN " + b"x" * 100 + b"\r\n",
            SIGNATURE + b"\x31\x11\x00\x0c" + b"\0" * 12,
            SIGNATURE + b"\x22\x11\x00\x0c" + b"\0" * 12,
            SIGNATURE + b"\x21\x11\x00\x0b" + b"\0" * 11,
            SIGNATURE + b"\x21\x21\x00\x0c" + b"\0" * 12,
            SIGNATURE + b"\x21\x41\x00\x00",
            b"\x20\x00\x00\x01",
            b"GET / HTTP/1.1\r\n",
        ],
    )
    def test_what_is_no_header_is_an_error(self, data: bytes) -> None:
        with pytest.raises(ProtocolError):
            parse(data)

    @pytest.mark.parametrize("build", [build_v1, build_v2])
    def test_the_zone_of_a_link_local_address_stays_at_home(self, build: Any) -> None:
        header = parse(build(("fe80::1%eth0", 5), ("fe80::2%eth0", 6)))

        assert header is not None
        assert header.client == ClientAddress("fe80::1", 5)


class ToldBackend(FakeBackend):
    """A backend that takes a PROXY header where one comes, as MariaDB does, and keeps it."""

    header: Header | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await super().serve(_WithoutHeader(reader, self), writer)


class _WithoutHeader(asyncio.StreamReader):
    def __init__(self, reader: asyncio.StreamReader, backend: ToldBackend) -> None:
        super().__init__()
        self._inner = reader
        self._backend = backend

    async def read(self, n: int = -1) -> bytes:
        data = await self._inner.read(n)
        if not data.startswith((V1, V2)):
            return data
        header = self._backend.header = parse(data)
        assert header is not None
        return data[header.length :] or await self._inner.read(n)


class TestEngine:
    @pytest.mark.parametrize("build", [build_v1, build_v2])
    def test_a_listed_address_names_the_client_that_it_speaks_for(self, run: Run, build: Any) -> None:
        async def scenario() -> None:
            async with running(proxy_protocol={"accept_from": ["127.0.0.0/8"]}) as proxy:
                one = await _client_behind(proxy, build(("192.0.2.7", 5678), ("192.0.2.1", 3306)))

                assert Row(row(b"SELECT 1")) in await one.ask(Command.QUERY, b"SELECT 1")
                session = next(iter(proxy.engine.frontend.sessions.values()))
                assert session.peer == "192.0.2.7:5678"
                one.close()

        run(scenario)

    def test_a_listed_address_without_a_header_is_refused(self, run: Run) -> None:
        async def scenario() -> None:
            async with running(proxy_protocol={"accept_from": ["127.0.0.1"]}) as proxy:
                told = await _say(proxy, b"\x20\x00\x00\x01 this is no header")

                # Before the greeting nothing is agreed on, and there is no SQLSTATE.
                assert b"\xff\x13\x04DbMux: a PROXY protocol header was expected" in told
                assert [event.code for event in proxy.of(LoginFailed)] == [1043]

        run(scenario)

    @pytest.mark.parametrize("listed", [[], ["192.0.2.0/24", "2001:db8::/32"]], ids=["nobody", "others"])
    def test_a_header_from_any_other_address_is_not_believed(self, run: Run, listed: list[str]) -> None:
        async def scenario() -> None:
            async with running(proxy_protocol={"accept_from": listed}) as proxy:
                told = await _say(proxy, build_v1(("192.0.2.7", 5678), ("192.0.2.1", 3306)))

                assert b"#08S01DbMux: " in told
                assert [event.client.startswith("127.0.0.1:") for event in proxy.of(SessionOpened)] == [True]
                assert proxy.backend.logins == 0

        run(scenario)

    @pytest.mark.parametrize("version", ["v1", "v2"])
    def test_a_backend_is_told_the_client_where_that_is_configured(self, run: Run, version: str) -> None:
        async def scenario() -> None:
            backend = ToldBackend()
            async with _telling(backend, version) as proxy:
                one = await client(proxy.port)
                name = one.conversation.channel.transport.get_extra_info("sockname")

                assert backend.header is not None
                assert backend.header.client == ClientAddress("127.0.0.1", name[1])
                one.close()

        run(scenario)

    def test_the_client_that_a_balancer_named_is_named_to_the_backend(self, run: Run) -> None:
        async def scenario() -> None:
            backend = ToldBackend()
            async with _telling(backend, "v2", proxy_protocol={"accept_from": ["127.0.0.1"]}) as proxy:
                one = await _client_behind(proxy, build_v2(("2001:db8::7", 5678), ("2001:db8::1", 3306)))

                assert backend.header is not None
                assert backend.header.client == ClientAddress("2001:db8::7", 5678)
                one.close()

        run(scenario)


def _plain(host: str) -> str:
    # Where IPv4 and IPv6 meet, IPv4 is written as IPv6.
    address = ip_address(host)
    return str(address.ipv4_mapped or address) if isinstance(address, IPv6Address) else str(address)


@asynccontextmanager
async def _telling(backend: ToldBackend, version: str, **config: Any) -> AsyncIterator[Running]:
    """An engine that tells this backend who its clients are."""
    server = await asyncio.start_server(backend.serve, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with running(backends={"db": {"address": address, "send_proxy": version}}, **config) as proxy:
            yield proxy
    finally:
        server.close()
    await server.wait_closed()


async def _say(proxy: Running, said: bytes) -> bytes:
    """All that is told to a client that says this and nothing more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(said)
    told = await reader.read()
    writer.close()
    return told


async def _client_behind(proxy: Running, header: bytes) -> TestClient:
    """A client that logs in through a balancer, which sends this header first."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()

    async def balance(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_proxy, to_proxy = await asyncio.open_connection("127.0.0.1", proxy.port)
        to_proxy.write(header)
        await asyncio.gather(carry(reader, to_proxy), carry(from_proxy, writer))

    balancer = await asyncio.start_server(balance, "127.0.0.1", 0)
    try:
        return await client(balancer.sockets[0].getsockname()[1])
    finally:
        balancer.close()
