"""Events as log lines, for people or for machines.

Events come in, one line each goes to a stream. Queries are never logged one by one: they are counted. A line never
holds a secret, because events do not, and never more than one line, whatever clients call themselves.
"""

from __future__ import annotations

import contextlib
import datetime
import json
from enum import StrEnum
from typing import TextIO, assert_never

from dbmux.backend.replication import lag_told
from dbmux.events import (
    AddressBlocked,
    BackendDown,
    BackendUp,
    ConfigApplied,
    ConfigRejected,
    DrainStarted,
    Event,
    ListenerClosed,
    ListenerOpened,
    LoggedIn,
    LoginFailed,
    MirrorChanged,
    Pinned,
    PrimaryChanged,
    ProxyStarted,
    QueryFinished,
    ReplicaCaughtUp,
    ReplicaFellBehind,
    SessionClosed,
    SessionOpened,
    Unpinned,
    Warned,
)
from dbmux.text import visible

# What statements bring about is counted, not told one by one.
NOT_LOGGED = (QueryFinished, Pinned, Unpinned)


class LogFormat(StrEnum):
    """How a line looks."""

    TEXT = "text"
    JSON = "json"


class Log:
    """Writes to `stream`, which the caller owns."""

    def __init__(self, stream: TextIO, form: LogFormat) -> None:
        self._stream = stream
        self._form = form

    def write(self, event: Event) -> None:
        """Write an event's line; nothing for a finished query."""
        if isinstance(event, NOT_LOGGED):
            return
        match self._form:
            case LogFormat.TEXT:
                moment = datetime.datetime.fromtimestamp(event.at).time().isoformat("milliseconds")
                line = f"{moment} {sentence(event)}"
            case LogFormat.JSON:
                fields = {"event": type(event).__name__} | event._asdict()
                fields["at"] = datetime.datetime.fromtimestamp(event.at, datetime.UTC).isoformat()
                line = json.dumps(fields)
        # A full disk or a reader that has gone must not end sessions: the line is lost, the figures are not.
        with contextlib.suppress(OSError):
            print(line, file=self._stream, flush=True)


def sentence(event: Event) -> str:
    """An event in words, on one line; each error of a rejected configuration has a line of its own below."""
    details = event.errors if isinstance(event, ConfigRejected) else ()
    return "\n  ".join(visible(line) for line in (_headline(event), *details))


def _headline(event: Event) -> str:
    match event:
        case ProxyStarted():
            return f"DbMux {event.version} started in {event.seconds * 1000:.0f} ms"
        case ListenerOpened() | ListenerClosed():
            return _listener(event)
        case SessionOpened() | SessionClosed() | LoggedIn() | LoginFailed() | AddressBlocked():
            return _session(event)
        case BackendUp() | BackendDown() | PrimaryChanged() | ReplicaFellBehind() | ReplicaCaughtUp():
            return _backend(event)
        case ConfigApplied():
            return f"configuration {event.source} applied: {', '.join(event.changes) or 'nothing changed'}"
        case ConfigRejected():
            return "configuration rejected, the last good one stays in force:"
        case MirrorChanged():
            return f"mirror {event.mirror} is {event.state}: {event.why}".removesuffix(": ")
        case DrainStarted():
            sessions = "1 session" if event.sessions == 1 else f"{event.sessions} sessions"
            return f"draining: no new clients, {sessions} may end within {event.seconds:g} s"
        case Warned():
            return event.message
        case Pinned() | Unpinned() | QueryFinished():
            return _query(event)
        case _:
            assert_never(event)


def _query(event: Pinned | Unpinned | QueryFinished) -> str:
    match event:
        case Pinned():
            return f"{event.session} pinned: {event.reason} {event.what}".rstrip()
        case Unpinned():
            return f"{event.session} no longer pinned after {event.seconds:.3f} s: {event.reason} {event.what}".rstrip()
        case QueryFinished():
            return f"{event.session} command {event.command} took {event.seconds * 1000:.2f} ms"


def _backend(event: BackendUp | BackendDown | PrimaryChanged | ReplicaFellBehind | ReplicaCaughtUp) -> str:
    match event:
        case BackendUp():
            return f"backend {event.backend} at {event.address} is up: {event.server_version}"
        case BackendDown():
            return f"backend {event.backend} at {event.address} is down: {event.error}; trying again, ever less often"
        case PrimaryChanged():
            return f"{event.group}: writes go to {event.after} now, no longer to {event.before}"
        case ReplicaFellBehind():
            return f"{event.group}: {event.backend} takes no reads, {lag_told(event.seconds)}"
        case ReplicaCaughtUp():
            return f"{event.group}: {event.backend} has caught up and takes reads again"


def _listener(event: ListenerOpened | ListenerClosed) -> str:
    match event:
        case ListenerOpened():
            return f"listening on {event.address} for {event.group}"
        case ListenerClosed():
            return f"no longer listening on {event.address}"


def _session(event: SessionOpened | SessionClosed | LoggedIn | LoginFailed | AddressBlocked) -> str:
    match event:
        case SessionOpened():
            return f"{event.session} connected from {event.client}"
        case LoggedIn():
            schema = f", schema {event.schema}" if event.schema else ""
            tls = f", {event.tls}" if event.tls else ""
            return f"{event.session} logged in as {event.user} at {event.backend}{schema}{tls}"
        case LoginFailed():
            who = f"login as {event.user}" if event.user else "login without a user's name"
            return f"{event.session} {who} refused: {event.message}"
        case AddressBlocked():
            return f"too many logins from {event.address} failed: others are refused for {event.seconds:g} s"
        case SessionClosed():
            return f"{event.session} closed: {event.reason}{f' ({event.detail})' if event.detail else ''}"
