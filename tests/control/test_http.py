"""The control address answers a few requests, whatever it is asked and however slowly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbmux.address import Address, TcpAddress, UnixAddress
from dbmux.control.http import MAX_CONNECTIONS, MAX_REQUEST, REQUEST_TIMEOUT_S, ControlServer, Pages, Readiness

READY = Readiness(True, ())
NOT_READY = Readiness(False, ("draining", 'main: db at "10.0.0.1:3306" is down'))
HELP = (
    b"DbMux answers GET /healthz, /readyz, /metrics, /clients, /routes, /cache, /cache/entries "
    b"and POST /cache/flush, /drain, /resume\n"
)


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run it on Python's loop and on the one that DbMux runs on, at most ten seconds."""
    for factory in (asyncio.new_event_loop, uvloop.new_event_loop):
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(scenario(), 10))


def flush(table: str | None) -> object:
    if table == "":
        raise ValueError("write the table as schema.table")
    return {"table": table}


@asynccontextmanager
async def control(
    readiness: Readiness = READY, timeout_s: float = REQUEST_TIMEOUT_S, address: Address | None = None
) -> AsyncIterator[Address]:
    server = await ControlServer.open(
        address or TcpAddress("127.0.0.1", 0),
        Pages(ready=lambda: readiness, metrics=lambda: b"figures 1\n", orders={"/cache/flush": flush}),
        timeout_s,
    )
    try:
        yield server.address
    finally:
        server.close()


async def connect(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    match address:
        case TcpAddress(host, port):
            return await asyncio.open_connection(host, port)
        case UnixAddress(path):
            return await asyncio.open_unix_connection(path)


async def ask(address: Address, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send a request and read until the server closes: status, headers, body."""
    reader, writer = await connect(address)
    writer.write(request)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    first, *lines = head.decode().split("\r\n")
    assert first.startswith("HTTP/1.1 ")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("readiness", "path", "status", "kind", "body"),
    [
        (READY, "/healthz", 200, "application/json", b'{"status": "ok"}\n'),
        (NOT_READY, "/healthz", 200, "application/json", b'{"status": "ok"}\n'),
        (READY, "/readyz", 200, "application/json", b'{"status": "ready", "reasons": []}\n'),
        (READY, "/readyz?verbose", 200, "application/json", b'{"status": "ready", "reasons": []}\n'),
        (READY, "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8", b"figures 1\n"),
        (READY, "/", 404, "text/plain; charset=utf-8", HELP),
        (READY, "/metrics/../../etc/passwd", 404, "text/plain; charset=utf-8", HELP),
    ],
)
def test_pages(readiness: Readiness, path: str, status: int, kind: str, body: bytes) -> None:
    async def scenario() -> None:
        async with control(readiness) as address:
            answer = await ask(address, get(path))

        headers = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"}
        assert answer == (status, headers, body)

    run(scenario)


def test_not_ready_is_503_with_the_reasons() -> None:
    async def scenario() -> None:
        async with control(NOT_READY) as address:
            status, _, body = await ask(address, get("/readyz"))

        assert status == 503
        assert json.loads(body) == {"status": "not ready", "reasons": list(NOT_READY.reasons)}

    run(scenario)


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/cache/flush", 200, b'{"table": null}\n'),
        ("/cache/flush?table=shop.products", 200, b'{"table": "shop.products"}\n'),
        ("/cache/flush?table=shop.caf%C3%A9%20bar", 200, b'{"table": "shop.caf\\u00e9 bar"}\n'),
        ("/cache/flush?table=", 400, b"write the table as schema.table\n"),
    ],
)
def test_what_is_to_be_flushed_stands_behind_the_path(path: str, status: int, body: bytes) -> None:
    async def scenario() -> None:
        async with control() as address:
            answer = await ask(address, f"POST {path} HTTP/1.1\r\n\r\n".encode())

        assert (answer[0], answer[2]) == (status, body)

    run(scenario)


def test_head_is_get_without_the_body() -> None:
    async def scenario() -> None:
        async with control() as address:
            head = await ask(address, b"HEAD /metrics HTTP/1.1\r\n\r\n")

            assert head == (200, (await ask(address, get("/metrics")))[1], b"")

    run(scenario)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
        (b"GET /healthz HTTP/1.0\n\n", 200),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 405),
        (b"get /healthz HTTP/1.1\r\n\r\n", 405),
        (b"GET /cache/flush HTTP/1.1\r\n\r\n", 405),
        (b"POST /cache/flush HTTP/1.1\r\n\r\n", 200),
        (b"POST /cache/flush HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 200),
        (b"POST /cache/flush?tabel=shop.t HTTP/1.1\r\n\r\n", 400),
        (b"POST /cache/flush?table=shop.t&table=shop.u HTTP/1.1\r\n\r\n", 400),
        (b"POST /cache/flush HTTP/1.1\r\nOrigin: http://elsewhere\r\n\r\n", 403),
        (b"GET /healthz\r\n\r\n", 400),
        (b"GET  /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/2.0\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\n\n", 400),
        (b"GET /" + b"x" * MAX_REQUEST + b" HTTP/1.1\r\n\r\n", 404),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_REQUEST, 431),
        (b"x" * 20 * MAX_REQUEST, 431),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else "",
)
def test_every_request_has_an_answer(request_bytes: bytes, status: int) -> None:
    async def scenario() -> None:
        async with control() as address:
            assert (await ask(address, request_bytes))[0] == status

    run(scenario)


@pytest.mark.parametrize(("path", "methods"), [(b"/", "GET, HEAD"), (b"/cache/flush", "POST")])
def test_a_refused_method_is_told_which_there_are(path: bytes, methods: str) -> None:
    async def scenario() -> None:
        async with control() as address:
            assert (await ask(address, b"DELETE " + path + b" HTTP/1.1\r\n\r\n"))[1]["Allow"] == methods

    run(scenario)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_answered_or_waited_for(garbage: bytes) -> None:
    async def scenario() -> None:
        async with control() as address:
            _, writer = await connect(address)
            writer.write(garbage)
            status, _, _ = await ask(address, garbage.replace(b"\n", b"") + b"\r\n\r\n")
            writer.close()

            assert status in (200, 400, 404, 405)

    run(scenario)


def test_a_request_may_arrive_byte_by_byte() -> None:
    async def scenario() -> None:
        async with control() as address:
            reader, writer = await connect(address)
            for byte in get("/healthz"):
                writer.write(bytes((byte,)))
                await writer.drain()

            assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
            writer.close()

    run(scenario)


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\n\r\n"])
def test_a_slow_asker_is_ended(begun: bytes) -> None:
    async def scenario() -> None:
        async with control(timeout_s=0.02) as address:
            reader, writer = await connect(address)
            writer.write(begun)
            await reader.read()
            try:
                # The last of them has its answer and just stays.
                while True:
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0)
            except ConnectionError:
                writer.close()

    run(scenario)


def test_one_too_many_is_told_so_and_the_others_are_not_disturbed() -> None:
    async def scenario() -> None:
        async with control() as address:
            waiting = [await connect(address) for _ in range(MAX_CONNECTIONS)]
            refused = await ask(address, b"")
            _, first = waiting[0]
            first.write(get("/healthz"))
            answered = await waiting[0][0].read()
            for _, writer in waiting:
                writer.close()

            assert refused == (503, refused[1], HELP)
            assert answered.startswith(b"HTTP/1.1 200 OK\r\n")

    run(scenario)


def test_places_become_free_again() -> None:
    async def scenario() -> None:
        async with control() as address:
            for _ in range(3):
                waiting = [await connect(address) for _ in range(MAX_CONNECTIONS)]
                for _, writer in waiting:
                    writer.close()
                while (await ask(address, get("/healthz")))[0] != 200:
                    continue

    run(scenario)


def test_closing_ends_those_who_are_still_asking() -> None:
    async def scenario() -> None:
        async with control() as address:
            reader, writer = await connect(address)
            writer.write(b"GET ")
            assert (await ask(address, get("/healthz")))[0] == 200

        assert await _rest(reader) == b""
        writer.close()

    run(scenario)


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
def test_it_listens_on_both_kinds_of_ip(host: str) -> None:
    async def scenario() -> None:
        async with control(address=TcpAddress(host, 0)) as address:
            assert (await ask(address, get("/healthz")))[0] == 200

    run(scenario)


def test_it_listens_on_a_unix_socket(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "control.sock"
        async with control(address=UnixAddress(str(path))) as address:
            assert (await ask(address, get("/healthz")))[0] == 200

        assert not path.exists()

    run(scenario)


def test_an_address_in_use_is_an_os_error() -> None:
    async def scenario() -> None:
        async with control() as address:
            with pytest.raises(OSError, match="in use"):
                async with control(address=address):
                    pass

    run(scenario)
