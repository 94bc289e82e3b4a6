"""What DbMux tells and does at its control address, over HTTP/1.1: a few GETs and POSTs, answered by hand.

Requests come in, figures and states go out; every request is bounded in size and time, and answered on a connection
that is then closed. A web framework would cost a second of start and 20 MB (docs/dependencies.md).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from urllib.parse import parse_qs

from dbmux.address import Address
from dbmux.net.channel import Channel, Owner
from dbmux.net.listener import Listener, listen

MAX_REQUEST = 8192
# From the connection on, for everything: asking, answering, reading the answer.
REQUEST_TIMEOUT_S = 5.0
MAX_CONNECTIONS = 64

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PLAIN_TYPE = "text/plain; charset=utf-8"
# What can be ordered, and what each order is about.
ORDERS = {"/cache/flush": "table", "/drain": "backend", "/resume": "backend"}
_HELP = (
    "DbMux answers GET /healthz, /readyz, /metrics, /clients, /routes, /cache, /cache/entries "
    f"and POST {', '.join(ORDERS)}\n"
).encode()


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
    allow: str = ""

    def build(self, method: str) -> bytes:
        """The bytes for this method: HEAD gets no body."""
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\nContent-Type: {self.content_type}\r\n"
            f"Content-Length: {len(self.body)}\r\n"
        )
        if self.allow:
            head += f"Allow: {self.allow}\r\n"
        return f"{head}Connection: close\r\n\r\n".encode() + (b"" if method == "HEAD" else self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """What is answered, asked anew for each request; all but `ready` and `metrics` give what JSON can say.

    Each of `orders`, by its path in ORDERS, is given the name that it is about, or None for all, and raises ValueError
    when it cannot be done.
    """

    ready: Callable[[], Readiness]
    metrics: Callable[[], bytes]
    clients: Callable[[], object] = list
    routes: Callable[[], object] = dict
    cache: Callable[[], object] = dict
    entries: Callable[[], object] = list
    orders: Mapping[str, Callable[[str | None], object]] = field(default_factory=dict)


class ControlServer:
    """Answers at `address` until closed."""

    def __init__(self, pages: Pages, timeout_s: float) -> None:
        self._pages = pages
        self._timeout_s = timeout_s
        self._askers: set[_Asker] = set()
        self._listener: Listener

    @classmethod
    async def open(
        cls,
        address: Address,
        pages: Pages,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> ControlServer:
        """Listen; raises OSError when the address cannot be bound."""
        server = cls(pages, timeout_s)
        server._listener = await listen(address, server._accept)
        return server

    @property
    def address(self) -> Address:
        """Where it listens, with the port that the system chose where 0 was asked for."""
        return self._listener.address

    def close(self) -> None:
        """Accept no more, and end what is being answered."""
        self._listener.close()
        for asker in list(self._askers):
            asker.channel.abort()

    def _accept(self, channel: Channel) -> Owner:
        asker = _Asker(channel, self._answer, self._askers.discard)
        if len(self._askers) >= MAX_CONNECTIONS:
            asker.reply(_problem(HTTPStatus.SERVICE_UNAVAILABLE).build("GET"))
            channel.close()
            return asker
        self._askers.add(asker)
        asker.limit(self._timeout_s)
        return asker

    def _answer(self, request: bytes) -> bytes:
        words = request.split(b"\n", 1)[0].decode("latin-1").rstrip("\r").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _problem(HTTPStatus.BAD_REQUEST).build("GET")
        method, (path, _, question) = words[0], words[1].partition("?")
        is_order = path in ORDERS
        allowed = ("POST",) if is_order else ("GET", "HEAD")
        if method not in allowed:
            refused = replace(_problem(HTTPStatus.METHOD_NOT_ALLOWED), allow=", ".join(allowed))
            return refused.build(method)
        if not is_order:
            return self._page(path).build(method)
        if b"\norigin:" in request.lower():
            # Some page in a browser had it sent, and nobody who may.
            return _problem(HTTPStatus.FORBIDDEN).build(method)
        return self._obey(path, question).build(method)

    def _obey(self, path: str, question: str) -> Response:
        asked = parse_qs(question, keep_blank_values=True)
        names = asked.pop(ORDERS[path], [])
        if asked or len(names) > 1:
            told = f"write ?{ORDERS[path]}=NAME, or nothing for all\n"
            return Response(HTTPStatus.BAD_REQUEST, told.encode(), _PLAIN_TYPE)
        try:
            return _json(self._pages.orders[path](names[0] if names else None))
        except ValueError as error:
            return Response(HTTPStatus.BAD_REQUEST, f"{error}\n".encode(), _PLAIN_TYPE)

    def _page(self, path: str) -> Response:
        match path:
            case "/healthz":
                return Response(HTTPStatus.OK, b'{"status": "ok"}\n')
            case "/readyz":
                readiness = self._pages.ready()
                status = HTTPStatus.OK if readiness.is_ready else HTTPStatus.SERVICE_UNAVAILABLE
                told = {"status": "ready" if readiness.is_ready else "not ready", "reasons": readiness.reasons}
                return Response(status, json.dumps(told).encode() + b"\n")
            case "/metrics":
                return Response(HTTPStatus.OK, self._pages.metrics(), _METRICS_TYPE)
            case "/clients":
                return _json(self._pages.clients())
            case "/routes":
                return _json(self._pages.routes())
            case "/cache":
                return _json(self._pages.cache())
            case "/cache/entries":
                return _json(self._pages.entries())
            case _:
                return _problem(HTTPStatus.NOT_FOUND)


class _Asker:
    """One connection: a request is gathered, answered once, and what comes after it is read over."""

    def __init__(self, channel: Channel, answer: Callable[[bytes], bytes], gone: Callable[[_Asker], None]) -> None:
        self.channel = channel
        self._answer = answer
        self._gone = gone
        self._request = bytearray()
        self._is_answered = False
        self._timer: asyncio.TimerHandle | None = None

    def limit(self, seconds: float) -> None:
        """End the connection after this time, whatever it is doing then."""
        self._timer = asyncio.get_running_loop().call_later(seconds, self.channel.abort)

    def reply(self, response: bytes) -> None:
        """Say it, and that no more will be said."""
        self._is_answered = True
        self.channel.write(response)
        # Closing with something unread would reset the connection, and the answer might be lost with it.
        self.channel.transport.write_eof()

    def received(self, data: bytes) -> None:
        """The channel says: bytes came."""
        if self._is_answered:
            return
        self._request += data
        if b"\r\n\r\n" in self._request or b"\n\n" in self._request:
            self.reply(self._answer(bytes(self._request)))
        elif len(self._request) > MAX_REQUEST:
            self.reply(_problem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE).build("GET"))

    def closed(self, error: Exception | None) -> None:
        """The channel says: it is gone."""
        if self._timer is not None:
            self._timer.cancel()
        self._gone(self)

    def congested(self) -> None:
        """An answer is short, and nobody waits to write more."""

    def writable(self) -> None:
        """Nothing was stopped."""


def _json(told: object) -> Response:
    return Response(HTTPStatus.OK, json.dumps(told).encode() + b"\n")


def _problem(status: HTTPStatus) -> Response:
    return Response(status, _HELP, _PLAIN_TYPE)
