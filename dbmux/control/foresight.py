"""What DbMux would do with a statement that nobody has sent: the decisions about it, in their order.

A text, as whom and in which schema come in, with what is in force; steps in words go out, in the form of
`dbmux.feed.why`. Nothing is sent and no rule is counted. What depends on the session's past cannot be known, and is
named in the last step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dbmux.backend.group import Group
from dbmux.cache.plans import Plan
from dbmux.config.model import Config
from dbmux.errors import MySQLError
from dbmux.feed.units import duration, many
from dbmux.feed.why import Placed, Step
from dbmux.frontend.orders import Orders, orders
from dbmux.frontend.rules import Named
from dbmux.frontend.settings import Settings
from dbmux.lexer import digest
from dbmux.planner.routing import route_by_meaning
from dbmux.query import Access, Pin, Query
from dbmux.routes import ONLY, ROUTES, Reason, Role, Route
from dbmux.sql.classify import classify
from dbmux.sql.hint import read_hint
from dbmux.sql.modes import lexer_flags

_ACCESS = {
    Access.READ: "surely only reads",
    Access.LOCKING_READ: "reads and locks",
    Access.WRITE: "writes",
    Access.UNSURE: "is not surely a read",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Imagined:
    """A statement that nobody has sent."""

    text: bytes
    user: str
    schema: str


def foreseen(asked: Imagined, group: Group, settings: Settings, config: Config, placed: Placed) -> Iterator[Step]:
    """The decisions about it, for a client of this group."""
    flags = lexer_flags(group.primary.sql_mode)
    query = classify(asked.text, 0, flags)
    yield _meaning(query)
    named = _rule(asked, query, flags, settings)
    if named is not None:
        yield _matched(named, placed)
    try:
        told = orders(query, read_hint(asked.text, 0, flags), named, settings.topology, group)
    except MySQLError as error:
        yield Step("hint", f"refused: {error.message}")
        return
    if told is not None and told.refusal is not None:
        yield Step("refused", told.refusal.message.decode("utf-8", "replace"))
        return
    yield _cached(asked, query, group, settings, told, placed)
    route = _route(query, group, told)
    yield _way(route, group, told, placed)
    yield _connection(query, settings, placed)
    yield from _limits(told, config, placed)
    yield Step("unknown", _open_questions(config, asked))


def _meaning(query: Query) -> Step:
    tables = f" {', '.join(query.tables)}" if query.tables else ""
    return Step("meaning", f"{query.kind}{tables}: {_ACCESS[query.access]}")


def _rule(asked: Imagined, query: Query, flags: int, settings: Settings) -> Named | None:
    # Of a client whose address is not known, so that rules for some addresses do not match.
    lens = settings.rules.lens(asked.user, "")
    if lens is None:
        return None
    return lens.match(query, digest(asked.text, 0, flags), asked.schema.encode())


def _matched(named: Named, placed: Placed) -> Step:
    name, rule = named
    only = ", and only observes" if rule.observe else ""
    return Step("rule", f"rule {name} matches{only}", placed(("rules", name)), "The first rule that matches holds.")


def _cached(
    asked: Imagined, query: Query, group: Group, settings: Settings, told: Orders | None, placed: Placed
) -> Step:
    cache = settings.cache
    place = placed(("cache",))
    if cache is None:
        return Step("cache", "there is none", place, 'With "cache" in the configuration results can be stored.')
    scope = cache.scope(group.name, asked.schema.encode())
    if told is None or told.cache is None:
        return Step("cache", _stored(cache.plan(scope, query)), place)
    if told.cache is False:
        return Step("cache", f"passed by: {told.cached_by or 'nocache'} says so", place)
    return Step("cache", _stored(cache.forced(scope, query, told.cache, told.cached_by)), place)


def _stored(plan: Plan) -> str:
    if plan.reading is not None:
        return f"from memory if it is there; else stored for {duration(plan.reading.ttl_s)}"
    if plan.bypass.why:
        return f"passed by: {plan.bypass.why}"
    if plan.writes is None:
        return "not read; as it may write anything, all that is stored for its group ends"
    if plan.writes:
        names = ", ".join(f"{table.schema}.{table.name}" for table in plan.writes)
        return f"not read; what is stored of {names} ends"
    return "not a question for the cache"


def _route(query: Query, group: Group, told: Orders | None) -> Route:
    if told is not None and told.route is not None:
        return told.route
    if not group.has_choice:
        return ONLY
    route = route_by_meaning(query)
    if route.role is Role.REPLICA:
        if group.config.observe:
            return ROUTES[Role.PRIMARY, Reason.OBSERVED]
        if not any(group.can_read(replica) for replica in group.replicas):
            return ROUTES[Role.PRIMARY, Reason.NO_REPLICA]
    return route


def _way(route: Route, group: Group, told: Orders | None, placed: Placed) -> Step:
    target = None if told is None else told.target
    if target is not None:
        group = target.group
    if target is not None and target.backend is not None:
        servers = target.backend.name
    elif route.role is Role.REPLICA:
        able = [replica.name for replica in group.replicas if group.can_read(replica)]
        servers = " or ".join(able) or group.primary.name
    else:
        servers = group.primary.name
    where = servers if route.reason is Reason.ONLY else f"{servers}, {route.role} of {group.name}"
    place = placed(("rules", route.rule, "route")) if route.rule else placed(("groups", group.name))
    return Step("route", f"to {where}: {route.reason}", place)


def _connection(query: Query, settings: Settings, placed: Placed) -> Step:
    if settings.is_relayed:
        return Step("connection", "the session keeps its own: its login is relayed", placed(("login",)))
    pins = [effect for effect in query.effects if isinstance(effect, Pin)]
    if pins:
        reasons = ", ".join(f"{pin.reason} {pin.what}".strip() for pin in pins)
        return Step("connection", f"the session keeps its own from then on: {reasons}")
    if query.effects:
        return Step("connection", "given back afterwards; what it changes in the session is carried along")
    return Step("connection", "given back to the pool afterwards, outside of transactions")


def _limits(told: Orders | None, config: Config, placed: Placed) -> Iterator[Step]:
    timeout = config.timeouts.query if told is None or told.timeout_s is None else told.timeout_s
    if timeout is not None:
        yield Step("limit", f"stopped after {duration(timeout)}", placed(("timeouts", "query")))
    if told is not None and told.max_rows is not None:
        yield Step("limit", f"ended after {many(told.max_rows, 'row')}")


def _open_questions(config: Config, asked: Imagined) -> str:
    unknown = ["whether the session is in a transaction, is pinned or has written just now, which go before"]
    if any(rule.client is not None for rule in config.rules.values()):
        unknown.append("the client's address, by which some rules match")
    if not asked.user and any(rule.user is not None for rule in config.rules.values()):
        unknown.append("the user, by whom some rules match")
    if config.cache is not None:
        unknown.append("whether the result is in memory, which depends on the session's settings")
    return "; ".join(unknown)
