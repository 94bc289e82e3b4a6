"""Settings that have done nothing so far, each with what was probably meant: most of them are misspelt.

A configuration and what was seen of traffic come in, sentences go out. Counts nothing by itself: what it goes by is
counted anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice

from dbmux.cache.cache import ENOUGH_QUERIES, Cache
from dbmux.config.consistency import nearest
from dbmux.config.model import Config, Rule
from dbmux.frontend.frontend import Frontend
from dbmux.lexer import digest
from dbmux.observe.digests import LONGEST_TEXT
from dbmux.observe.metrics import MOST_USERS
from dbmux.observe.observer import Observer

# After so many statements, what has matched nothing is worth a word.
ENOUGH = ENOUGH_QUERIES
# So many kinds of statements are looked at, and so many are compared with one.
MOST_KINDS = 2000
MOST_COMPARED = 200
LONGEST_COMPARED = 200


@dataclass(frozen=True, slots=True)
class Unused:
    """A setting, and a sentence about it."""

    path: tuple[str, ...]
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What there was in traffic: names, tables as `schema.table` in lower case, statements by digest.

    `patterns` are those of `cache.tables` that matched nothing, with the nearest table.
    """

    users: frozenset[str]
    refused: frozenset[str]
    schemas: frozenset[str]
    tables: frozenset[str]
    digests: tuple[bytes, ...]
    kinds: frozenset[str]
    groups: frozenset[str]
    backends: frozenset[str]
    rules: frozenset[str]
    patterns: tuple[tuple[str, str | None], ...] = ()


def seen(observer: Observer, frontend: Frontend, cache: Cache) -> Seen:
    """What there was since the start."""
    metrics, tables = observer.metrics, set[str]()
    sessions = (session for session in frontend.sessions.values() if session.group is not None)
    schemas = metrics.schemas_in | {one.carried.state.schema.decode("utf-8", "replace") for one in sessions}
    known = tuple(islice(observer.digests.known.items(), MOST_KINDS))
    for _, figures in known:
        schema = figures.example.schema.decode("utf-8", "replace")
        schemas.add(schema)
        if figures.query is not None:
            tables.update(_whole(name, schema) for name in figures.query.tables)
    ran = {name for name, figures in metrics.backends.items() if any(figures.commands)}
    return Seen(
        users=frozenset(metrics.users_in),
        refused=frozenset(metrics.users_refused),
        schemas=frozenset(schemas - {""}),
        tables=frozenset(tables),
        digests=tuple(text for text, _ in known),
        kinds=frozenset(observer.digests.kinds),
        groups=frozenset(group for _, group in metrics.users),
        backends=frozenset(ran),
        rules=frozenset(name for name, count in frontend.rules_matched.items() if count),
        patterns=tuple(cache.idle()),
    )


def unused(config: Config, traffic: Seen) -> Iterator[Unused]:
    """What has done nothing, in the order of the file's sections."""
    # Of more users than are remembered nothing is known.
    for user in config.users if len(traffic.users) < MOST_USERS else ():
        if user not in traffic.users:
            others = traffic.refused | (traffic.users - set(config.users))
            yield Unused(("users", user), f"has never logged in{_near(user, others)}")
    # The target of a mirror is there to be written to by DbMux itself.
    targets = {mirror.target for mirror in config.mirrors.values()}
    for section, names, used in (
        ("backends", config.backends, traffic.backends | targets),
        ("groups", config.groups, traffic.groups),
    ):
        for name in names:
            if name not in used:
                yield Unused((section, name), "has answered no statement")
    for name, rule in config.rules.items():
        if name not in traffic.rules:
            yield Unused(("rules", name), f"has matched nothing: {_missing(rule, traffic)}")
    for pattern, near in traffic.patterns:
        yield Unused(("cache", "tables", pattern), "has matched nothing" + (f"; nearest seen: {near}" if near else ""))


def _missing(rule: Rule, traffic: Seen) -> str:
    # The first of its conditions that nothing has met.
    if rule.user is not None and rule.user not in traffic.users:
        return f"user {rule.user!r} has never logged in{_near(rule.user, traffic.users)}"
    if rule.schema_ is not None and rule.schema_ not in traffic.schemas:
        return f"schema {rule.schema_!r} was not seen{_near(rule.schema_, traffic.schemas)}"
    if rule.table is not None and not any(fnmatchcase(one, rule.table.lower()) for one in traffic.tables):
        return f"table {rule.table!r} was not seen{_near(rule.table.lower().rstrip('*'), traffic.tables)}"
    if rule.kind is not None and not any(str(kind) in traffic.kinds for kind in rule.kind):
        return f"no {' or '.join(map(str, rule.kind))} was seen"
    if rule.digest is not None and (wanted := _digest(rule.digest)) not in traffic.digests:
        return f"its digest was not seen{_alike(wanted, traffic.digests)}"
    return "its conditions have not been met together, or an earlier rule matches first"


def _digest(written: str) -> bytes:
    return digest(written.encode(), 0, 0)[:LONGEST_TEXT]


def _alike(wanted: bytes, digests: Iterable[bytes]) -> str:
    verb = wanted.split(b" ", 1)[0]
    alike = (text[:LONGEST_COMPARED].decode("utf-8", "replace") for text in digests if text.startswith(verb))
    return _near(wanted[:LONGEST_COMPARED].decode("utf-8", "replace"), alike)


def _near(name: str, names: Iterable[str]) -> str:
    near = nearest(name, sorted(islice(names, MOST_COMPARED)))
    return f"; nearest seen: {near}" if near else ""


def _whole(written: str, schema: str) -> str:
    name = written if "." in written else f"{schema}.{written}"
    return name.replace("`", "").lower()
