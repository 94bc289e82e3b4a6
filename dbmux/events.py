"""What happened: the vocabulary with which the engine tells everyone who watches.

Every event is an immutable value with its own time stamp (`at`, seconds since the epoch, UTC) and nothing
alive in it. The engine hands events to an `Emit` and knows no observer. An event never carries a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from dbmux.query import Query
from dbmux.routes import Route

# Who answered where no server did, for those who count by backend: the query cache, or DbMux itself.
MEMORY = "cache"
OWN = "dbmux"
# Of a command and of an error more than this many bytes are not kept.
KEPT = 4096
KEPT_ERROR = 512


class Who(NamedTuple):
    """A client as its login told it: one value for all that it does. `program` is what it calls itself, or nothing."""

    user: str
    client: str
    program: str
    group: str
    capabilities: int


NOBODY = Who("", "", "", "", 0)


class CloseReason(StrEnum):
    """Why a session ended."""

    QUIT = "quit"
    CLIENT_GONE = "client gone"
    LOGIN_FAILED = "login failed"
    PROTOCOL_ERROR = "protocol error"
    BACKEND_GONE = "backend gone"
    KILLED = "killed"
    TIMEOUT = "timeout"
    LIMIT = "limit"
    DRAINED = "drained"


class ProxyStarted(NamedTuple):
    """The engine runs; `seconds` since the process began."""

    at: float
    version: str
    seconds: float


class ListenerOpened(NamedTuple):
    """An address accepts clients, for one group."""

    at: float
    address: str
    group: str


class ListenerClosed(NamedTuple):
    """An address accepts no more clients."""

    at: float
    address: str


class SessionOpened(NamedTuple):
    """A client connected; it is not logged in yet."""

    at: float
    session: int
    client: str
    listener: str


class LoggedIn(NamedTuple):
    """A client's login succeeded at `backend`."""

    at: float
    session: int
    user: str
    schema: str
    backend: str
    tls: str
    seconds: float


class LoginFailed(NamedTuple):
    """A login was refused; `code` is MySQL's error number."""

    at: float
    session: int
    user: str
    code: int
    message: str


class AddressBlocked(NamedTuple):
    """Too many logins from an address failed: others are refused for so many seconds."""

    at: float
    address: str
    seconds: float


class QueryFinished(NamedTuple):
    """A command was answered whole; `command` is the COM_* number, `code` 0 or the error's number.

    `seconds` are all of it; `waited` of them passed before it was sent, `fetched` between the first piece of the reply
    and its end, 0.0 when it came in one. `cache` says what the query cache had to do with it, or why nothing; it is
    empty where there was no question. `sent` is the command's packet as far as it is kept, `statement` the text of
    which a prepared one was made, `query` what it means, None where nobody had to ask. `rows` is -1 where unknown;
    `status` has the flags of the reply, `error` its ERR packet. `transaction` is the number of the open one, or 0.
    `types` are those of an execution's arguments, as they were told last and in the form of the command.
    """

    at: float
    session: int
    backend: str
    command: int
    seconds: float
    reply_bytes: int
    code: int
    route: Route
    cache: str = ""
    who: Who = NOBODY
    schema: bytes = b""
    sent: bytes = b""
    statement: bytes = b""
    query: Query | None = None
    waited: float = 0.0
    fetched: float = 0.0
    rows: int = -1
    status: int = 0
    error: bytes = b""
    is_pinned: bool = False
    transaction: int = 0
    types: bytes = b""


class Pinned(NamedTuple):
    """A session's connection cannot be shared from now on; `what` is the table, lock or variable."""

    at: float
    session: int
    reason: str
    what: str


class Unpinned(NamedTuple):
    """The cause of a pin is gone, after `seconds`."""

    at: float
    session: int
    reason: str
    what: str
    seconds: float


class SessionClosed(NamedTuple):
    """A client's connection ended."""

    at: float
    session: int
    reason: CloseReason
    detail: str


class BackendUp(NamedTuple):
    """A backend answered, for the first time or again."""

    at: float
    backend: str
    address: str
    server_version: str


class BackendDown(NamedTuple):
    """A backend did not answer; emitted once when it goes down, not on each try."""

    at: float
    backend: str
    address: str
    error: str


class PrimaryChanged(NamedTuple):
    """Another server of a group takes its writes now."""

    at: float
    group: str
    before: str
    after: str


class ReplicaFellBehind(NamedTuple):
    """A replica takes no reads any more: it is `seconds` behind, or None when that is not known."""

    at: float
    group: str
    backend: str
    seconds: float | None


class ReplicaCaughtUp(NamedTuple):
    """A replica that was behind takes reads again."""

    at: float
    group: str
    backend: str


class ConfigApplied(NamedTuple):
    """A configuration is in force; `changes` are sentences for people."""

    at: float
    source: str
    changes: tuple[str, ...]


class ConfigRejected(NamedTuple):
    """A configuration had errors and changed nothing."""

    at: float
    source: str
    errors: tuple[str, ...]


class MirrorChanged(NamedTuple):
    """A mirror is in another state (dbmux.mirror.mirror.MirrorState); `why` says what is in the way, or nothing."""

    at: float
    mirror: str
    state: str
    why: str


class DrainStarted(NamedTuple):
    """The proxy stops: no new clients, open sessions may end until `seconds` from now."""

    at: float
    sessions: int
    seconds: float


class Warned(NamedTuple):
    """Something that an operator should read once and that stops nothing."""

    at: float
    message: str


Event = (
    ProxyStarted
    | ListenerOpened
    | ListenerClosed
    | SessionOpened
    | LoggedIn
    | LoginFailed
    | AddressBlocked
    | QueryFinished
    | Pinned
    | Unpinned
    | SessionClosed
    | BackendUp
    | BackendDown
    | PrimaryChanged
    | ReplicaFellBehind
    | ReplicaCaughtUp
    | ConfigApplied
    | ConfigRejected
    | MirrorChanged
    | DrainStarted
    | Warned
)
Emit = Callable[[Event], None]
