"""A small MySQL client that waits, for demonstrations and checks.

An address and an account come in; rows as text go out. It speaks through dbmux.wire.client, over a blocking socket of
its own: nothing of the engine is used, so that it can judge the engine.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from typing import Self

from dbmux.errors import BackendRefused, ProtocolError
from dbmux.wire import auth
from dbmux.wire.capabilities import Capability as C
from dbmux.wire.client import AuthMore, ClientProtocol, ColumnCount, Row, ServerMessage
from dbmux.wire.commands import Command
from dbmux.wire.handshake import UTF8MB4, AuthSwitch, Greeting, LoginRequest
from dbmux.wire.replies import Err, Ok
from dbmux.wire.rows import parse_text_row

CAPABILITIES = int(
    C.LONG_PASSWORD | C.PROTOCOL_41 | C.SECURE_CONNECTION | C.PLUGIN_AUTH | C.TRANSACTIONS | C.MULTI_RESULTS
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a statement gave."""

    rows: tuple[tuple[str | None, ...], ...]
    affected_rows: int


class Client:
    """A connection; close it with `with`. Raises OSError, and BackendRefused for an error of the server."""

    def __init__(self, host: str, port: int, user: str, password: str, timeout_s: float = 10.0) -> None:
        self._socket = socket.create_connection((host, port), timeout=timeout_s)
        self._protocol = ClientProtocol()
        try:
            self.server_version = self._log_in(user.encode(), password.encode())
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendall(self._protocol.command(Command.QUIT))
        self._socket.close()

    def query(self, sql: str) -> Result:
        """Run one statement."""
        self._socket.sendall(self._protocol.command(Command.QUERY, sql.encode()))
        rows: list[tuple[str | None, ...]] = []
        affected = 0
        columns = 0
        while not self._protocol.is_reply_whole:
            match self._next():
                case Err() as err:
                    raise BackendRefused(err.number, err.sqlstate, err.message)
                case Row(payload):
                    rows.append(tuple(_text(value) for value in parse_text_row(payload, columns)))
                case ColumnCount(columns):
                    continue
                case Ok(affected_rows=affected):
                    continue
        return Result(rows=tuple(rows), affected_rows=affected)

    def _log_in(self, user: bytes, password: bytes) -> str:
        greeting = self._next()
        if isinstance(greeting, Err):
            raise BackendRefused(greeting.number, greeting.sqlstate, greeting.message)
        assert isinstance(greeting, Greeting)
        flags = CAPABILITIES & (greeting.capabilities | C.LONG_PASSWORD)
        asked = AuthSwitch(plugin=greeting.plugin, scramble=greeting.scramble)
        answer = auth.answer_to(asked.plugin, password, asked.scramble) or b""
        request = LoginRequest(
            capabilities=flags, max_packet=1 << 24, charset=UTF8MB4, user=user, answer=answer, plugin=asked.plugin
        )
        self._socket.sendall(self._protocol.log_in(request))
        while True:
            match self._next():
                case Ok():
                    return greeting.version
                case Err() as err:
                    raise BackendRefused(err.number, err.sqlstate, err.message)
                case AuthSwitch() as asked:
                    answer = auth.answer_to(asked.plugin, password, asked.scramble) or b""
                    self._socket.sendall(self._protocol.answer(answer))
                case AuthMore(data=auth.FULL_NEEDED):
                    self._socket.sendall(self._protocol.answer(auth.KEY_REQUEST))
                    self._socket.sendall(self._protocol.answer(self._encrypted(password, asked.scramble)))
                case _:
                    continue

    def _encrypted(self, password: bytes, scramble: bytes) -> bytes:
        match self._next():
            case AuthMore() as key:
                return auth.encrypt_password(password, scramble, key.data)
            case Err() as err:
                raise BackendRefused(err.number, err.sqlstate, err.message)
            case other:
                raise ConnectionError(f"the server sent {other} instead of its key")

    def _next(self) -> ServerMessage:
        try:
            while (message := self._protocol.next()) is None:
                data = self._socket.recv(65536)
                if not data:
                    raise ConnectionResetError("the server closed the connection")
                self._protocol.receive(data)
        except ProtocolError as error:
            raise ConnectionError(str(error)) from error
        return message


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
