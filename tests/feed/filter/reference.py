"""What a filter means, the slow way: each word of docs/filters.md for itself, with nothing made beforehand."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta

from dbmux.feed.filter.tree import (
    Compares,
    Every,
    Glob,
    Has,
    Is,
    Moment,
    Node,
    Not,
    Quantity,
    Range,
    Regex,
    Saved,
    Some,
    Span,
    Value,
    Word,
)
from dbmux.feed.row import Row

_BEGINNINGS = ("digest", "trace")
_PARTS = ("sql", "site", "why", "err")
_VERDICTS = ("hit", "stale", "coalesced", "miss")
_OPS = {
    "select": "select", "insert": "insert", "replace": "insert", "load": "insert", "update": "update",
    "delete": "delete", "ddl": "ddl", "begin": "tx", "commit": "tx", "rollback": "tx", "savepoint": "tx", "xa": "tx",
    "set": "set", "use": "set", "call": "call",
}  # fmt: skip


def wants(node: Node, row: Row, now: float) -> bool:
    """Whether a row is wanted; times of day are UTC."""
    match node:
        case Every(parts):
            return all([wants(part, row, now) for part in parts])
        case Some(parts):
            return any([wants(part, row, now) for part in parts])
        case Not(part):
            return not wants(part, row, now)
        case Saved(part=part):
            return wants(part, row, now)
        case Is(flag):
            return {
                "err": row.code != 0, "slow": row.is_slow, "nplus1": row.nplus1 != 0, "pinned": row.is_pinned,
                "tx": row.transaction != 0, "open": row.is_in_transaction,
            }[flag]  # fmt: skip
        case Compares(key, operator, bound):
            figure, other = _figure(key, row), _number(bound, now)
            if figure is None:
                return False
            return {">": figure > other, ">=": figure >= other, "<": figure < other, "<=": figure <= other}[operator]
        case Has(key, values):
            return any([_is(key, value, row, now) for value in values])


def _is(key: str, value: Value, row: Row, now: float) -> bool:
    match value:
        case Word(text):
            return any(_is_word(key, text.casefold(), each.casefold()) for each in _texts(key, row))
        case Glob(text):
            return any(each and _is_glob(key, text, each) for each in _texts(key, row))
        case Regex(source):
            return any(re.search(source, each, re.IGNORECASE | re.DOTALL) for each in _texts(key, row))
        case Quantity(number) if key == "last":
            return now - row.at <= number
    figure = _figure(key, row)
    if figure is None:
        return False
    match value:
        case Quantity(number, step):
            return number - step / 2 <= figure < number + step / 2
        case Range(low, high):
            return (low is None or figure >= low.number) and (high is None or figure <= high.number)
        case Moment(step=step):
            return 0 <= figure - _number(value, now) < step
        case Span(low=since, high=until):
            return (since is None or figure >= _number(since, now)) and (
                until is None or figure <= _end(since, until, now)
            )


def _is_word(key: str, word: str, text: str) -> bool:
    if not word or key not in (*_BEGINNINGS, *_PARTS):
        return word == text
    return text.startswith(word) if key in _BEGINNINGS else word in text


def _is_glob(key: str, text: str, candidate: str) -> bool:
    before, behind = ("*" if key in _PARTS else ""), ("*" if key in (*_BEGINNINGS, *_PARTS) else "")
    pattern = ".*".join(map(re.escape, f"{before}{text}{behind}".split("*")))
    return re.fullmatch(pattern, candidate, re.IGNORECASE | re.DOTALL) is not None


def _figure(key: str, row: Row) -> float | None:
    figures = {
        "dur": row.seconds, "wait": row.waited, "server": row.seconds - row.waited - row.fetched, "fetch": row.fetched,
        "rows": row.rows if row.rows >= 0 else None, "bytes": row.bytes, "conn": row.session, "tx": row.transaction,
        "seq": row.seq, "code": row.code, "nplus1": row.nplus1, "at": row.at,
    }  # fmt: skip
    return figures[key]


def _texts(key: str, row: Row) -> list[str]:
    match key:
        case "table":
            bare = [f"{row.schema}.{name}" for name in row.tables if "." not in name]
            return [*row.tables, *bare, *(name.split(".")[-1] for name in row.tables)]
        case "op":
            return [_OPS.get(row.kind, "other"), row.kind]
        case "host":
            return [row.client, row.client.rpartition(":")[0] or row.client]
        case "route":
            return [row.group, f"{row.group}.{row.role}"] if row.role else [row.group]
        case "cache":
            return [row.cache if row.cache in ("", *_VERDICTS) else "bypass"]
        case "why":
            return ["" if row.cache in _VERDICTS else row.cache]
        case "cmd" | "db" | "err":
            return [{"cmd": row.command, "db": row.schema, "err": row.error}[key]]
        case _:
            return [str(getattr(row, key))]


def _number(bound: Quantity | Moment, now: float) -> float:
    if isinstance(bound, Quantity):
        return bound.number
    if isinstance(bound.when, datetime):
        return (bound.when if bound.when.tzinfo else bound.when.replace(tzinfo=UTC)).timestamp()
    found = datetime.combine(datetime.fromtimestamp(now, UTC).date(), bound.when, UTC)
    while found.timestamp() > now:
        found -= timedelta(days=1)
    return found.timestamp()


def _end(since: Moment | None, until: Moment, now: float) -> float:
    end = _number(until, now)
    if since is not None and isinstance(until.when, time) and end < _number(since, now):
        return end + 86400
    return end
