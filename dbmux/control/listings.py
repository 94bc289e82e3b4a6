"""Who is connected and what it holds, and what goes where: the lists behind `dbmux clients` and `dbmux routes`.

A running engine's sessions and groups come in; plain values go out, as JSON has them. Nothing is kept, and no
statement, value or password is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter
from typing import Any

from dbmux.backend.group import Group
from dbmux.backend.server import Backend
from dbmux.config.model import Config, Reads
from dbmux.frontend.frontend import Frontend
from dbmux.frontend.session import Session
from dbmux.query import PinReason


def clients(sessions: Iterable[Session]) -> list[dict[str, Any]]:
    """One entry a session: who it is, what it does, and why it holds a connection, if it does."""
    now = perf_counter()
    return [_client(session, now) for session in sessions]


def _client(session: Session, now: float) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": session.id,
        "user": session.user,
        "client": session.peer,
        "listener": session.listener,
        "state": session.activity,
    }
    if session.group is None:
        return told
    busy = session.busy_since
    connection = session.connection
    told |= {
        "group": session.group.name,
        "schema": session.carried.state.schema.decode("utf-8", "replace"),
        "seconds": round(now - (busy if busy is not None else session.idle_since), 3),
        "backend": session.backend_name if connection is not None else None,
        "connection": connection.id if connection is not None else None,
        "pins": [
            {"reason": str(key.reason), "what": key.what, "seconds": round(now - since, 3)}
            for key, since in session.carried.pins.items()
        ],
    }
    occupation = session.occupation
    if connection is not None and occupation.reason is PinReason.TRANSACTION:
        told["transaction_seconds"] = round(now - occupation.since, 3)
    return told


def routes(frontend: Frontend, config: Config) -> dict[str, Any]:
    """The groups with their servers, and the rules with how often each matched."""
    groups = frontend.topology.groups
    shown = [group for name, group in groups.items() if name in config.groups or not config.groups]
    return {
        "groups": [_group(group) for group in shown],
        "rules": [
            {"name": name, "matched": frontend.rules_matched[name], "observe": rule.observe}
            for name, rule in config.rules.items()
        ],
    }


def unread(groups: Iterable[Group], backend: Backend) -> dict[str, str]:
    """Why a server takes no reads of groups in which it is a replica, by their names."""
    mine = (group for group in groups if backend in group.replicas)
    return {group.name: why for group in mine if (why := group.why_unread(backend))}


def _group(group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "writable": group.is_writable and group.primary.is_usable,
        "waiting": len(group.writers),
        "observe": group.config.observe,
        "primary_reads": group.config.reads is Reads.ALL and group.primary.weight > 0,
        "observed": group.observed,
        "servers": [_server(group, backend) for backend in group.members],
    }


def _server(group: Group, backend: Backend) -> dict[str, Any]:
    is_primary = backend is group.primary
    pool = backend.pool
    return {
        "name": backend.name,
        "address": str(backend.config.address),
        "role": "primary" if is_primary else "replica",
        "state": "suspected" if backend.is_suspect else str(backend.state),
        "error": backend.error,
        "version": backend.version,
        "weight": backend.weight,
        "lag_seconds": None if is_primary else backend.lag_s,
        "takes_reads": not is_primary and group.can_read(backend),
        "no_reads": "" if is_primary else group.why_unread(backend),
        "connections": pool.taken,
        "limit": pool.limit,
        "busy": pool.busy,
        "waiting": len(pool.queue),
    }
