"""Why a statement went where it went and was answered as it was: the decisions that were made, in their order.

A row comes in, and a way to find the place of a setting; steps in words go out, each with the setting behind it and
what would have changed it. Decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dbmux.cache.cache import Verdict
from dbmux.cache.policies import NOT_AMONG
from dbmux.events import MEMORY, OWN
from dbmux.feed.row import Row
from dbmux.feed.units import duration
from dbmux.routes import Reason

# The place of a setting in the configuration file, by its path; nothing for what the file does not say.
Placed = Callable[[tuple[str, ...]], str]


@dataclass(frozen=True, slots=True)
class Step:
    """One decision: what it is about, what was decided and why, where the setting stands, and what would change it."""

    about: str
    told: str
    place: str = ""
    otherwise: str = ""


_OTHERWISE = {
    Reason.ONLY: "A group with replicas would let reads go elsewhere.",
    Reason.TRANSACTION: "Outside of the transaction it would be routed by itself.",
    Reason.PINNED: "When the pin ends it is routed by itself; `dbmux clients --holding` shows the pins.",
    Reason.HINT: "Without the hint in its text it would be routed by its meaning.",
    Reason.RULE: "Without the rule it would be routed by its meaning.",
    Reason.OBSERVED: 'Without "observe": true the group would be split.',
    Reason.DIAGNOSTICS: "It asks about the statement before and must go where that ran.",
    Reason.IMPLICIT_TRANSACTION: 'With autocommit on, or "implicit_transactions": "until_write", a replica may read.',
    Reason.WRITE: "Writes always go to the primary.",
    Reason.LOCKING_READ: "Without FOR UPDATE or its like a replica could take it.",
    Reason.UNSURE: "A rule or the hint `/* dbmux: route=GROUP.replica */` can send it to a replica.",
    Reason.SESSION: "It changes the session, which is carried to every server from then on.",
    Reason.OWN_WRITES: 'With "read_your_writes": "off" a replica would have taken it.',
    Reason.NO_REPLICA: "A replica that is up, not too far behind and has weight would have taken it.",
    Reason.NO_PRIMARY: "The primary takes it again when it is back.",
}


def why(row: Row, placed: Placed) -> tuple[Step, ...]:
    """Its error if it failed, and the decisions about it."""
    return tuple(_steps(row, placed))


def _steps(row: Row, placed: Placed) -> Iterator[Step]:
    if row.code:
        yield Step("error", f"{row.code} {row.error}")
    if row.rule:
        what = f"rule {row.rule} matched"
        if row.would:
            what += f", and only observes: it would {row.would}"
        yield Step("rule", what, placed(("rules", row.rule)), "The first rule that matches holds.")
    yield _cache(row, placed)
    yield _route(row, placed)
    yield _connection(row)
    yield Step("time", _times(row))


def _cache(row: Row, placed: Placed) -> Step:
    table = _table(row)
    place = placed(("cache", "tables", table)) if table else placed(("cache",))
    match row.cache:
        case Verdict.HIT:
            return Step("cache", "answered from memory", place, "A write to one of its tables ends that.")
        case Verdict.STALE:
            return Step("cache", "answered from memory while another session fetches it anew", place)
        case Verdict.COALESCED:
            return Step("cache", "another session was reading the same: it got that result", place)
        case Verdict.MISS:
            return Step(
                "cache", "not in memory; the result was to be stored", place, "The next one like it may be a hit."
            )
        case "":
            return Step("cache", "not a question for the cache")
        case reason if NOT_AMONG in reason:
            name = table or "schema.table"
            otherwise = f'With "cache": {{"tables": {{"{name}": "5s"}}}} it would be stored.'
            return Step("cache", f"passed by: {reason}", placed(("cache", "tables")), otherwise)
        case reason:
            return Step("cache", f"passed by: {reason}", place)


def _table(row: Row) -> str:
    if not row.tables:
        return ""
    first = row.tables[0]
    return first if "." in first or not row.schema else f"{row.schema}.{first}"


def _route(row: Row, placed: Placed) -> Step:
    if row.backend == MEMORY:
        return Step("route", "no server was asked")
    if row.backend == OWN:
        return Step("route", "DbMux answered itself, without a server")
    reason = next((one for one in Reason if one == row.reason), None)
    to = f"{row.backend}, the {row.role} of {row.group}" if row.role else row.backend
    place = placed(("groups", row.group)) or placed(("backends", row.backend))
    if reason is Reason.RULE:
        place = placed(("rules", row.rule, "route"))
    return Step("route", f"to {to}: {row.reason}", place, _OTHERWISE.get(reason, "") if reason else "")


def _connection(row: Row) -> Step:
    if row.backend in (MEMORY, OWN):
        return Step("connection", "none was needed")
    if row.is_pinned:
        return Step("connection", "the session keeps its own: it is pinned", otherwise="`dbmux clients` says why.")
    if row.is_in_transaction:
        return Step("connection", "the session keeps it until its transaction ends")
    return Step("connection", "given back to the pool afterwards")


def _times(row: Row) -> str:
    server = max(row.seconds - row.waited - row.fetched, 0.0)
    parts = [f"{duration(row.seconds)} in all"]
    if row.waited:
        parts.append(f"{duration(row.waited)} until it was sent")
    parts.append(f"{duration(server)} until the reply began")
    if row.fetched:
        parts.append(f"{duration(row.fetched)} until it ended")
    if row.is_slow:
        parts.append("slow")
    return ", ".join(parts)
