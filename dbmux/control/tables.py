"""The tables of the SQL door that an engine has by itself, and where each has its rows from.

A running engine's parts come in, tables go out, whose rows are made from what there is whenever a statement asks. No
statement, value or password is shown; of statements only their digests, in which literals are hidden. Those that an
engine cannot have by itself are in `watched`; docs/sql-door.md has all columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from dbmux.backend.pool import PoolFigures
from dbmux.cache.cache import Cache
from dbmux.config.model import Config, Rule
from dbmux.control import caching, listings
from dbmux.door.table import Row, Source, Table, integer, real, text
from dbmux.frontend.frontend import Frontend
from dbmux.lexer import digest

POOLS = Table("pools", "the connections to each server", (
    text("backend", "its name"),
    integer("max_connections", "at most so many; NULL for no limit"),
    integer("idle", "connections that no session uses"),
    integer("busy", "shared connections that a session uses"),
    integer("unshared", "connections of one session alone, of relayed logins and watchers"),
    integer("connecting", "connections on their way"),
    integer("waiting", "sessions that wait for one"),
    integer("waits", "how often one was waited for, since the start"),
    real("waited_seconds", "how long together, in seconds"),
    integer("carried", "how often a connection went from one session to another"),
))  # fmt: skip
BACKENDS = Table("backends", "the servers", (
    text("name", "its name in the configuration"),
    text("address", "where it is"),
    text("state", "up, down, suspected, or unknown"),
    text("error", "why it is not up; empty if it is"),
    text("version", "what it calls itself; empty if it was never seen"),
    integer("weight", "its share of reads"),
    real("lag_seconds", "how far it is behind its primary, in seconds; NULL where that is not known"),
    real("latency_seconds", "a moving average of how long its answers take, in seconds"),
))  # fmt: skip
MEMBERS = Table("members", "which servers stand for which group", (
    text("group_name", "the group"),
    text("backend", "the server"),
    text("role", "primary or replica"),
    integer("takes_reads", "whether it takes reads now, as a replica"),
    integer("writable", "whether the group has a primary that takes writes"),
    integer("waiting", "statements of the group that wait for a primary"),
    integer("observe", "whether the group only tells where statements would have gone"),
))  # fmt: skip
SESSIONS = Table("sessions", "the clients", (
    integer("id", "the connection's number, as the client knows it"),
    text("user", "the name of the login"),
    text("client", "its address"),
    text("listener", "the address that it connected to"),
    text("state", "login, idle, waiting or query"),
    text("group_name", "the group that it uses; NULL during the login, and of those in schema dbmux"),
    text("schema_name", "its schema"),
    real("seconds", "for how long it has been idle, or its statement has run, in seconds"),
    text("backend", "the server whose connection it holds; NULL for none"),
    integer("connection", "that connection's number there"),
    real("transaction_seconds", "how old its transaction is, in seconds; NULL outside one"),
    integer("pins", "for how many reasons its connection cannot be shared"),
))  # fmt: skip
PINS = Table("pins", "why sessions keep their connections", (
    integer("session", "the session's id"),
    text("reason", "see pinning.md"),
    text("what", "the table, lock or variable"),
    real("seconds", "for how long, in seconds"),
))  # fmt: skip
RULES = Table("rules", "the rules, in the order in which they are tried", (
    integer("position", "its place, from 1"),
    text("name", "its name"),
    integer("matched", "how many statements it matched since the start"),
    integer("observe", "whether it changes nothing"),
    text("user", "condition: the name of the login; NULL for any, as in all conditions"),
    text("schema_name", "condition: the session's schema"),
    text("client", "condition: an address or a network"),
    text("digest", "condition: a statement without its literals"),
    text("table_name", "condition: a table"),
    text("kind", "condition: what the statement is, several with commas"),
    text("route", "where it goes; NULL if the rule does not say"),
    text("reject", "the error's message, if it is refused"),
    real("timeout_seconds", "its time limit, in seconds"),
    integer("max_rows", "its limit of rows"),
    real("cache_seconds", "for how long results are stored, in seconds; 0 for not at all"),
))  # fmt: skip
CACHE = Table("cache", "what the query cache did, by the tables that statements read", (
    text("tables", "the tables, with commas"),
    text("policy", "the rule or hint that has results stored; empty for cache.tables"),
    real("ttl_seconds", "for how long, in seconds"),
    integer("hits", "statements answered from memory"),
    integer("stale", "of them, while another client fetched the result anew"),
    integer("coalesced", "statements that waited for another's result"),
    integer("misses", "statements that a server answered"),
    integer("stored", "results stored"),
    integer("refused", "results that were not stored"),
    real("saved_seconds", "of the servers' time, in seconds"),
    real("spent_seconds", "of the servers' time for misses, in seconds"),
))  # fmt: skip
CACHE_ENTRIES = Table("cache_entries", "the stored results that are used most, at most 200", (
    text("tables", "the tables that it was read from"),
    text("policy", "as in cache"),
    text("digest_text", "the statement without its literals; NULL where they cannot be told apart safely"),
    integer("bytes", "its size"),
    integer("row_count", "its rows"),
    integer("uses", "how often it was sent"),
    real("age_seconds", "how old it is, in seconds"),
    real("left_seconds", "how long it will be used, in seconds"),
    real("cost_seconds", "how long the server took, in seconds"),
))  # fmt: skip


def engine_tables(
    frontend: Frontend, cache: Cache, config: Callable[[], Config], pools: Callable[[], Iterable[PoolFigures]]
) -> tuple[Source, ...]:
    """All of them."""
    return (
        Source(POOLS, lambda: map(_pool, pools())),
        Source(BACKENDS, lambda: _backends(frontend)),
        Source(MEMBERS, lambda: _members(listings.routes(frontend, config())["groups"])),
        Source(SESSIONS, lambda: map(_session, _clients(frontend))),
        Source(PINS, lambda: _pins(_clients(frontend))),
        Source(RULES, lambda: _rules(frontend, config().rules)),
        Source(CACHE, lambda: map(_tally, caching.statistics(cache)["statements"])),
        Source(CACHE_ENTRIES, lambda: map(_entry, caching.entries(cache))),
    )


def _pool(pool: PoolFigures) -> Row:
    return {
        "backend": pool.backend,
        "max_connections": pool.limit,
        "idle": pool.idle,
        "busy": pool.busy,
        "unshared": pool.unshared,
        "connecting": pool.connecting,
        "waiting": pool.waiters,
        "waits": sum(pool.waits),
        "waited_seconds": pool.waited_s,
        "carried": pool.carried,
    }


def _backends(frontend: Frontend) -> Iterator[Row]:
    for backend in frontend.topology.backends.values():
        yield {
            "name": backend.name,
            "address": str(backend.config.address),
            "state": "suspected" if backend.is_suspect else str(backend.state),
            "error": backend.error,
            "version": backend.version,
            "weight": backend.weight,
            "lag_seconds": backend.lag_s,
            "latency_seconds": backend.latency_s,
        }


def _members(groups: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    for group in groups:
        for server in group["servers"]:
            yield {
                "group_name": group["name"],
                "backend": server["name"],
                "role": server["role"],
                "takes_reads": server["takes_reads"],
                "writable": group["writable"],
                "waiting": group["waiting"],
                "observe": group["observe"],
            }


def _clients(frontend: Frontend) -> Iterator[dict[str, Any]]:
    # One after the other: thousands at once would hold up the others.
    for session in list(frontend.sessions.values()):
        yield from listings.clients((session,))


def _session(told: Mapping[str, Any]) -> Row:
    renamed = {"group_name": told.get("group"), "schema_name": told.get("schema"), "pins": len(told.get("pins", ()))}
    return {**told, **renamed}


def _pins(clients: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    for client in clients:
        for pin in client.get("pins", ()):
            yield {"session": client["id"], **pin}


def _rules(frontend: Frontend, rules: Mapping[str, Rule]) -> Iterator[Row]:
    for position, (name, rule) in enumerate(rules.items(), start=1):
        cache = rule.cache
        yield {
            "position": position,
            "name": name,
            "matched": frontend.rules_matched[name],
            "observe": rule.observe,
            "user": rule.user,
            "schema_name": rule.schema_,
            "client": rule.client,
            "digest": digest(rule.digest.encode(), 0, 0).decode("utf-8", "replace")
            if rule.digest is not None
            else None,
            "table_name": rule.table,
            "kind": ",".join(rule.kind) if rule.kind is not None else None,
            "route": rule.route,
            "reject": rule.reject.message if rule.reject is not None else None,
            "timeout_seconds": rule.timeout,
            "max_rows": rule.max_rows,
            "cache_seconds": None if cache is None else cache.ttl if cache is not False else 0.0,
        }


def _tally(told: Mapping[str, Any]) -> Row:
    renamed = {"policy": told["by"], "ttl_seconds": told["ttl"], "refused": sum(told["refused"].values())}
    return {**told, **renamed}


def _entry(told: Mapping[str, Any]) -> Row:
    return {
        **told,
        "policy": told["by"],
        "digest_text": told["statement"],
        "row_count": told["rows"],
        "age_seconds": told["age"],
        "left_seconds": told["left"],
    }
