"""/healthz, /readyz and /metrics over HTTP/1.1: three GETs, answered by hand.

Requests come in, figures and states go out; every request is bounded in size and time, and answered on a connection
that is then closed. A web framework would cost a second of start and 20 MB (docs/dependencies.md).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

from dbmux.address import Address, TcpAddress, UnixAddress

MAX_REQUEST = 8192
REQUEST_TIMEOUT_S = 5.0
MAX_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether clients can be served now, and if not, why."""

    is_ready: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Response:
    """An answer before it is bytes."""

    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"

    def build(self, method: str) -> bytes:
        """The bytes for this method: HEAD gets no body."""
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\nContent-Type: {self.content_type}\r\n"
            f"Content-Length: {len(self.body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + (b"" if method == "HEAD" else self.body)


class ControlServer:
    """Listens at `address` while entered; `ready` and `metrics` are asked per request."""

    def __init__(self, address: Address, ready: Callable[[], Readiness], metrics: Callable[[], bytes]) -> None:
        self.address = address
        self._ready = ready
        self._metrics = metrics
        self._open = 0
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        match self.address:
            case TcpAddress(host, port):
                self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_REQUEST)
                self.address = TcpAddress(host, self._server.sockets[0].getsockname()[1])
            case UnixAddress(path):
                self._server = await asyncio.start_unix_server(self._serve, path, limit=MAX_REQUEST)
        return self

    async def __aexit__(self, *failure: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= MAX_CONNECTIONS:
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    writer.write(await self._answer(reader))
                    await writer.drain()
        except (TimeoutError, OSError):
            # A slow or vanished asker: nothing is owed to it.
            pass
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return _problem(HTTPStatus.BAD_REQUEST).build("GET")
        words = request.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _problem(HTTPStatus.BAD_REQUEST).build("GET")
        method, path = words[0], words[1].partition("?")[0]
        if method not in ("GET", "HEAD"):
            return _problem(HTTPStatus.METHOD_NOT_ALLOWED).build(method)
        return self._page(path).build(method)

    def _page(self, path: str) -> Response:
        match path:
            case "/healthz":
                return Response(HTTPStatus.OK, b'{"status": "ok"}\n')
            case "/readyz":
                readiness = self._ready()
                status = HTTPStatus.OK if readiness.is_ready else HTTPStatus.SERVICE_UNAVAILABLE
                told = {"status": "ready" if readiness.is_ready else "not ready", "reasons": readiness.reasons}
                return Response(status, json.dumps(told).encode() + b"\n")
            case "/metrics":
                return Response(HTTPStatus.OK, self._metrics(), "text/plain; version=0.0.4; charset=utf-8")
            case _:
                return _problem(HTTPStatus.NOT_FOUND)


def _problem(status: HTTPStatus) -> Response:
    return Response(status, b"DbMux answers GET /healthz, /readyz and /metrics\n", "text/plain; charset=utf-8")
