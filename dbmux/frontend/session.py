"""One client's life after its login: commands in, plans made, replies relayed.

The client's bytes come in through callbacks (dbmux.net.channel.Owner), and so does what the relay of replies tells
(dbmux.engine.relay.Audience). The common case, a whole command that is relayed, waits for nothing and makes nothing;
what must wait is a coroutine of the frontend's. A session ends exactly once, in `end`.
"""

from __future__ import annotations

from enum import IntEnum
from time import perf_counter, time
from typing import Protocol

from dbmux.backend.pool import Lease
from dbmux.backend.server import Backend, Origin
from dbmux.engine.relay import Relay as ReplyRelay
from dbmux.engine.upload import Upload, UploadKind
from dbmux.errors import ErrorCode, MySQLError, ProtocolError
from dbmux.events import CloseReason, Emit, QueryFinished, SessionClosed
from dbmux.net.channel import Channel
from dbmux.plan import ChangeUser, Kill, KillByNumber, Plan, Quit, Refuse, Relay
from dbmux.planner.planner import COMMAND_PLANS, may_need_plan, plan_query
from dbmux.wire import packet
from dbmux.wire.capabilities import Capability
from dbmux.wire.commands import Command, Shape
from dbmux.wire.replies import Status, err_from

# What a client may send ahead while it is not listened to.
HELD_LIMIT = 64 * 1024

QUERY, RESULT = int(Command.QUERY), int(Shape.RESULT)
new_tuple = tuple.__new__
IS_PLAIN_START = bytes(not may_need_plan(first) for first in range(256))


class State(IntEnum):
    """What a session is doing."""

    LOGIN = 0
    IDLE = 1
    REPLYING = 2
    STATEMENT_UPLOAD = 3
    FILE_UPLOAD = 4
    CLOSED = 5


IDLE, REPLYING = int(State.IDLE), int(State.REPLYING)


class Surroundings(Protocol):
    """What a session needs of the frontend that it belongs to."""

    emit: Emit

    @property
    def inspect_max(self) -> int:
        """Statements up to this length, in bytes, are looked at whole."""

    def find(self, session_id: int) -> Session | None:
        """The session with this id."""

    def change_user(self, session: Session, payload: bytes) -> None:
        """Begin a new login on this session's connections."""

    def forget(self, session: Session) -> None:
        """The session has ended."""


class Session:
    """A client, its backend connection, and the command that is under way."""

    __slots__ = (
        "_backend_name",
        "_command",
        "_emit",
        "_held",
        "_retiring",
        "_shape",
        "_started",
        "_text_at",
        "_upload",
        "backend",
        "backend_connection_id",
        "capabilities",
        "channel",
        "id",
        "lease",
        "listener",
        "origin",
        "peer",
        "relay",
        "state",
        "surroundings",
        "user",
    )

    def __init__(self, session_id: int, channel: Channel, peer: str, listener: str, surroundings: Surroundings) -> None:
        self.id = session_id
        self.channel = channel
        self.peer = peer
        self.listener = listener
        self.surroundings = surroundings
        self.state = int(State.LOGIN)
        self.user = ""
        self.capabilities = 0
        self.origin: Origin | None = None
        self.backend: Backend | None = None
        self.backend_connection_id = 0
        self.lease: Lease | None = None
        self.relay: ReplyRelay | None = None
        self._backend_name = ""
        self._emit = surroundings.emit
        self._command = 0
        self._shape = 0
        self._started = 0.0
        self._text_at = 5
        self._held: bytearray | None = None
        self._upload: Upload | None = None
        self._retiring: MySQLError | None = None

    def begin(self, backend_channel: Channel, capabilities: int, status: int) -> None:
        """The login is over: take both channels and serve commands."""
        self.capabilities = capabilities
        self._text_at = 7 if capabilities & Capability.QUERY_ATTRIBUTES else 5
        self.relay = ReplyRelay(self.channel, backend_channel, self, capabilities)
        self.relay.scanner.status = status
        self._backend_name = self.backend.name if self.backend is not None else ""
        self.state = IDLE
        self._started = perf_counter()
        backend_channel.owner = self.relay
        self.channel.owner = self

    # What the client's channel tells.

    def received(self, data: bytes) -> None:
        """The client sent something."""
        if self.state == IDLE and not self._held:
            size = len(data)
            if size > 4 and data[0] | data[1] << 8 | data[2] << 16 == size - 4 and data[3] == 0:
                text_at = self._text_at
                if data[4] == QUERY and size > text_at and IS_PLAIN_START[data[text_at]]:
                    # The fast lane, and all of it: what `_run` would do, without its calls.
                    self._command = QUERY
                    self.state = REPLYING
                    relay = self.relay
                    relay.reply_bytes = 0  # type: ignore[union-attr]  # an idle session has its relay
                    relay.scanner.begin(RESULT, 1)  # type: ignore[union-attr]
                    self._started = perf_counter()
                    relay.backend.write(data)  # type: ignore[union-attr]
                else:
                    self._run(data)
                return
        if self._upload is not None:
            self._uploaded(data)
            return
        if self._held is None:
            self._held = bytearray()
        self._held += data
        if self.state == IDLE:
            self._advance()
        elif len(self._held) > HELD_LIMIT:
            self.channel.pause()

    def closed(self, error: Exception | None) -> None:
        """The client is gone."""
        self.end(CloseReason.CLIENT_GONE, str(error) if error else "")

    def congested(self) -> None:
        """The client reads slowly: the backend must wait."""
        if self.relay is not None:
            self.relay.backend.pause()

    def writable(self) -> None:
        """The client has caught up."""
        if self.relay is not None:
            self.relay.backend.resume()

    # What the relay tells.

    def reply_ended(self) -> None:
        """The reply is whole and was passed on."""
        self.state = IDLE
        self._finish()
        if self._retiring is not None:
            self.retire(self._retiring)
        elif self._held:
            self._advance()

    def _finish(self) -> None:
        relay = self.relay
        self._emit(
            # Half the price of calling QueryFinished.
            new_tuple(
                QueryFinished,
                (
                    time(),
                    self.id,
                    self._backend_name,
                    self._command,
                    perf_counter() - self._started,
                    relay.reply_bytes,  # type: ignore[union-attr]  # a session that relays has its relay
                    relay.scanner.error,  # type: ignore[union-attr]
                ),
            )
        )

    def file_wanted(self) -> None:
        """The server waits for a file: the client's packets go to it until an empty one."""
        assert self.relay is not None
        self.state = State.FILE_UPLOAD
        self._upload = Upload(UploadKind.FILE, self.relay.scanner.sequence)
        if self._held:
            held, self._held = bytes(self._held), None
            self._uploaded(held)

    def reply_broke(self, reason: str) -> None:
        """The backend cannot be understood any more."""
        assert self.relay is not None
        if self.state == IDLE:
            # A server that is about to close says why, unasked; a direct client would get these bytes as well.
            return
        error = MySQLError(ErrorCode.MALFORMED_REPLY, f"the server's reply is malformed ({reason}); connect again")
        self._lose_backend(error, CloseReason.PROTOCOL_ERROR)

    def backend_closed(self, error: Exception | None) -> None:
        """The backend's connection is gone."""
        if self.state == IDLE:
            self.end(CloseReason.BACKEND_GONE, str(error) if error else "the server closed the connection")
        elif self.state != State.CLOSED:
            name = self.backend.name if self.backend else ""
            lost = MySQLError(
                ErrorCode.LOST_IN_REPLY,
                f"backend {name} closed the connection in the middle of the query; "
                "whether it took effect is unknown: check before you repeat it",
            )
            self._lose_backend(lost, CloseReason.BACKEND_GONE)

    def backend_congested(self) -> None:
        """The backend reads slowly: the client must wait."""
        self.channel.pause()

    def backend_writable(self) -> None:
        """The backend has caught up."""
        self.channel.resume()

    # What the frontend tells.

    @property
    def is_between_transactions(self) -> bool:
        """Whether the session could end now without anything being lost."""
        if self.relay is None:
            return self.state == State.LOGIN
        return self.state == IDLE and not self.relay.scanner.status & Status.IN_TRANSACTION

    @property
    def busy_since(self) -> float | None:
        """When the command under way began, by time.perf_counter, or None."""
        return self._started if self.state in (State.REPLYING, State.FILE_UPLOAD) else None

    def is_idle_since(self, moment: float) -> bool:
        """Whether the last command began before `moment`, by time.perf_counter, and nothing is under way."""
        return self.is_between_transactions and 0.0 < self._started < moment

    def retire(self, error: MySQLError) -> None:
        """End with this error as soon as no command and no transaction is under way."""
        self._retiring = error
        if self.is_between_transactions:
            self.fail(error, CloseReason.DRAINED)
        elif self.state == IDLE and self._held:
            self._advance()

    def fail(self, error: MySQLError, reason: CloseReason) -> None:
        """Tell the client an error, as far as the place in the stream allows it, and end."""
        self._lose_backend(error, reason)

    def end(self, reason: CloseReason, detail: str = "") -> None:
        """Close both connections; the only way out, and harmless when taken twice."""
        if self.state == State.CLOSED:
            return
        was_idle = self.state == IDLE
        self._upload = None
        self.state = int(State.CLOSED)
        if self.relay is not None:
            if was_idle:
                self.relay.backend.write(packet.encode(bytes((Command.QUIT,)), 0))
                self.relay.backend.close()
            else:
                self.relay.backend.abort()
        if self.lease is not None:
            self.lease.release()
        self.channel.close()
        self.surroundings.forget(self)
        self._emit(SessionClosed(time(), self.id, reason, detail))

    # Commands.

    def _run(self, data: bytes) -> None:
        # One whole command, in one packet.
        command = data[4]
        if command == QUERY and IS_PLAIN_START[data[self._text_at] if len(data) > self._text_at else 0]:
            self._relay(Shape.RESULT, data)
            return
        plan = COMMAND_PLANS[command]
        if command == QUERY:
            plan = self._plan_query(data)
        self._execute(plan, data)

    def _relay(self, shape: int, data: bytes) -> None:
        relay = self.relay
        self._command = data[4]
        self._started = perf_counter()
        relay.reply_bytes = 0  # type: ignore[union-attr]  # an idle session has its relay
        if shape:
            self.state = REPLYING
            relay.scanner.begin(shape, 1)  # type: ignore[union-attr]
            relay.backend.write(data)  # type: ignore[union-attr]
        else:
            relay.scanner.error = 0  # type: ignore[union-attr]
            relay.backend.write(data)  # type: ignore[union-attr]
            self._finish()

    def _plan_query(self, data: bytes) -> Plan:
        start = self._text_at
        if start == 7 and data[5] != 0:
            # Query attributes with values stand before the text; clients do not send any with KILL.
            return COMMAND_PLANS[QUERY]
        return plan_query(data, start)

    def _execute(self, plan: Plan, data: bytes) -> None:
        match plan:
            case Relay(shape):
                self._relay(shape, data)
            case Kill(target, start, end):
                if (number := self._kill_target(target)) is not None:
                    text = data[4:start] + str(number).encode() + data[end:]
                    self._relay(Shape.RESULT, packet.encode(text, 0))
            case KillByNumber():
                target = int.from_bytes(data[5:9], "little")
                if (number := self._kill_target(target)) is not None:
                    self._relay(Shape.SIMPLE, packet.encode(data[4:5] + number.to_bytes(4, "little"), 0))
            case ChangeUser():
                self.state = int(State.LOGIN)
                self.surroundings.change_user(self, data[packet.HEADER :])
            case Quit():
                self.end(CloseReason.QUIT)
            case Refuse(error):
                self.refuse(error)

    def _kill_target(self, target: int) -> int | None:
        # The server's number of a connection that the client knows by DbMux's; other numbers stay as they are.
        victim = self.surroundings.find(target)
        if victim is None:
            return target
        if victim.backend is self.backend:
            return victim.backend_connection_id
        error = MySQLError(
            ErrorCode.UNKNOWN_THREAD,
            f"connection {target} is at another backend; send KILL through a connection to that one",
        )
        self.refuse(error)
        return None

    def refuse(self, error: MySQLError) -> None:
        """Answer the command with an error of DbMux's own; the session goes on."""
        self.channel.write(packet.encode(err_from(error).build(), 1))

    def resume_commands(self) -> None:
        """A change of user is over: go on with what the client sent meanwhile."""
        self.state = IDLE
        if self._held:
            self._advance()

    def _advance(self) -> None:
        # Commands that came in pieces or ahead of time, one after the other.
        held = self._held
        while self.state == IDLE and held and len(held) >= packet.HEADER:
            length = held[0] | held[1] << 8 | held[2] << 16
            if held[3] != 0:
                self._misbehaved(ProtocolError(ErrorCode.PACKET_ORDER, f"packet 0 expected, {held[3]} came"))
            elif length == 0:
                self._misbehaved(ProtocolError(ErrorCode.MALFORMED, "a command has no bytes"))
            elif length > self.surroundings.inspect_max or length == packet.MAX_PAYLOAD:
                if len(held) == packet.HEADER:
                    break
                self._stream(bytes(held))
                return
            elif len(held) < packet.HEADER + length:
                break
            else:
                command = bytes(held[: packet.HEADER + length])
                del held[: packet.HEADER + length]
                self._run(command)
        if not held:
            self._held = None
        if self.state != State.CLOSED and (held is None or len(held) <= HELD_LIMIT or self.state == IDLE):
            self.channel.resume()

    def _stream(self, held: bytes) -> None:
        # A statement too long to hold goes to the backend as it comes.
        plan = COMMAND_PLANS[held[4]]
        if not isinstance(plan, Relay):
            self._misbehaved(ProtocolError(ErrorCode.TOO_BIG, "this command cannot be so long"))
            return
        self._held = None
        self._command = held[4]
        self._started = perf_counter()
        self._shape = plan.shape
        self._upload = Upload(UploadKind.STATEMENT, 0)
        self.state = State.STATEMENT_UPLOAD
        assert self.relay is not None
        self.relay.reply_bytes = 0
        self._uploaded(held)

    def _uploaded(self, data: bytes) -> None:
        upload, relay = self._upload, self.relay
        if upload is None or relay is None:
            return
        try:
            size = upload.follow(data)
        except ProtocolError as error:
            self._misbehaved(error)
            return
        kind = self.state
        if upload.has_ended:
            self._upload = None
            self._held = bytearray(data[size:]) if size < len(data) else None
            shape = Shape.SIMPLE if kind == State.FILE_UPLOAD else Shape(self._shape)
            relay.scanner.begin(shape, upload.sequence)
            self.state = REPLYING if shape else IDLE
        relay.backend.write(data if size == len(data) else data[:size])
        if self.state == IDLE:
            self.reply_ended()

    def _misbehaved(self, error: ProtocolError) -> None:
        self.refuse(error)
        self.end(CloseReason.PROTOCOL_ERROR, error.message)

    def _lose_backend(self, error: MySQLError, reason: CloseReason) -> None:
        # The error can only be told between two packets of what the client was sent.
        relay = self.relay
        if relay is None or relay.is_at_packet_boundary:
            sequence = 0 if relay is None or self.state == IDLE else relay.scanner.sequence
            self.channel.write(packet.encode(err_from(error).build(), sequence))
        self.end(reason, error.message)
