"""What people do with the ledger of a mirror: list, look, accept, run again, report.

A ledger comes in, and for what is run again the two servers; plain values go out, as JSON has them. The commands and
the live interface show them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from statistics import median
from typing import Any

from dbmux.backend.reading import Statement
from dbmux.differences import DifferenceKind
from dbmux.mirror.answer import Answer
from dbmux.mirror.catalogue import Expected
from dbmux.mirror.compare import Difference, compare
from dbmux.mirror.ledger import AcceptedAlready, Entry, Ledger, Sample, State
from dbmux.mirror.read import Asked, NotComparedError, Read
from dbmux.mirror.report import Report, explained, report
from dbmux.mirror.settings import carried, unpacked
from dbmux.mirror.tally import is_slower, slower
from dbmux.session import SessionState, assignments

# How often both servers are asked before a difference is believed.
TIMES = 2
# A statement's times at both servers are medians of so many.
TIMED = 9
# Manual page "Server Error Message Reference": a transaction that only reads.
_ONLY_READS = 1792
# How a mirror stands is told more often than this, in seconds, while DbMux runs.
CURRENT_S = 60.0
IS_WRITE = "it writes, and what writes is not run again on the source"
ENDS_IN_ELLIPSIS = "the statement was too long to be kept whole; run it by hand with `dbmux compare`"


def listed(ledger: Ledger, mirror: str | None, state: State | None) -> list[dict[str, Any]]:
    """The entries, what was seen last first."""
    return [asdict(entry) for entry in ledger.entries(mirror, state)]


def shown(ledger: Ledger, number: int) -> dict[str, Any]:
    """One entry, with its samples; raises NoEntry."""
    entry = ledger.entry(number)
    return asdict(entry) | {"samples": [_sample_told(sample) for sample in ledger.samples(number)]}


def accepted(
    ledger: Ledger, number: int, by: str, at: float, why: str, write: Callable[[str, dict[str, Any]], None]
) -> Entry:
    """Call a difference known and harmless, once `write` has put the rule into the configuration of that mirror.

    Raises NoEntry, AcceptedAlready and what `write` raises; then it is what it was.
    """
    entry = ledger.entry(number)
    if entry.state is State.ACCEPTED:
        raise AcceptedAlready(f"difference {number} is accepted already; `dbmux mirror diff {number}` says by whom")
    write(entry.mirror, rule_told(replace(entry, settled_by=by, settled_at=at, why=why)))
    return ledger.settle(number, State.ACCEPTED, by, at, why)


def rule_told(entry: Entry) -> dict[str, Any]:
    """An accepted entry as a rule of the configuration, an item of `mirrors.NAME.expected`."""
    since = datetime.fromtimestamp(entry.settled_at, UTC).date().isoformat()
    told: dict[str, Any] = {"kinds": [str(entry.kind)], "digest": entry.text}
    # An expression's name has literals in it, which the digest has not.
    if entry.place.isidentifier():
        told["column"] = entry.place
    return told | {"why": entry.why, "by": entry.settled_by, "since": since}


def reported(ledger: Ledger, mirror: str, now: float) -> Report:
    """Whether it is safe to switch, by what the ledger knows."""
    at, figures = ledger.figures(mirror)
    if now - at > CURRENT_S:
        # Since then the mirror may have halted.
        figures = {key: value for key, value in figures.items() if key != "standing"}
    entries = ledger.entries(mirror)
    plans = {entry.id: ledger.samples(entry.id)[0] for entry in explained(entries)}
    return report(mirror, figures, entries, ledger.forgotten(mirror), plans)


async def run_again(
    entry: Entry, sample: Sample, source: Asked, target: Asked, expected: Expected
) -> tuple[Difference, ...]:
    """What of a sample's answers differs now on both servers, each time that they are asked; raises DbMuxError.

    What the entry is about is told, though it may be expected since it was accepted.
    """
    if sample.statement.endswith("…"):
        raise NotComparedError(ENDS_IN_ELLIPSIS)
    state = unpacked(sample.state) if sample.state else SessionState()
    read = Read(
        statement=Statement(sample.statement.encode("utf-8", "surrogateescape")),
        digest="",
        text="",
        user=sample.user,
        state=state,
    )
    if entry.kind is DifferenceKind.PLAN:
        return await _timed_again(read, source, target)
    found: tuple[Difference, ...] = ()
    for _ in range(TIMES):
        answers = [await _asked(read, side, source) for side in (source, target)]
        if any(answer.failure is not None and answer.failure.number == _ONLY_READS for answer in answers):
            raise NotComparedError(IS_WRITE)
        comparison = compare(answers[0], answers[1], read.order)
        if comparison.why_not:
            raise NotComparedError(comparison.why_not)
        found = tuple(
            one
            for one in comparison.differences
            if (one.kind, one.column) == (entry.kind, entry.place)
            or expected.rule_for(one, sample.statement, entry.text) is None
        )
        if not found:
            return ()
    return found


async def _timed_again(read: Read, source: Asked, target: Asked) -> tuple[Difference, ...]:
    # In turn, so that both have the same disturbances.
    times: list[tuple[float, float]] = []
    for _ in range(TIMED):
        here, there = [await _asked(read, side, source) for side in (source, target)]
        times.append((here.seconds, there.seconds))
    here_s, there_s = (median(side) for side in zip(*times, strict=True))
    return (slower(here_s, there_s),) if is_slower(here_s, there_s) else ()


async def _asked(read: Read, side: Asked, source: Asked) -> Answer:
    return await side.ask(read.statement, read.user, carried(read.state, source.family, side.family))


def rerun_told(entry: Entry, found: Mapping[str, tuple[Difference, ...]]) -> str:
    """What came of running an entry's samples again, for people; `entry` as it is since then."""
    begin = f"difference {entry.id}:"
    kinds = {one.kind for differences in found.values() for one in differences}
    if not kinds:
        return f"{begin} both servers answer alike now, it is {entry.state}"
    if entry.kind not in kinds:
        others = ", ".join(sorted(kinds))
        return f"{begin} it does not differ in that any more, it is {entry.state}; what differs now: {others}"
    differ = sum(any(one.kind is entry.kind for one in differences) for differences in found.values())
    return f"{begin} still different in {differ} of {len(found)} sample{'s'[: len(found) != 1]}, it is {entry.state}"


def settled_by_running(ledger: Ledger, entry: Entry, found: Mapping[str, tuple[Difference, ...]], at: float) -> Entry:
    """Call an entry repaired when none of its samples, by their statements, shows its kind of difference any more."""
    if any(one.kind is entry.kind for differences in found.values() for one in differences):
        return entry
    return ledger.settle(entry.id, State.REPAIRED, "rerun", at, "both servers answer alike now")


def _sample_told(sample: Sample) -> dict[str, Any]:
    told = asdict(sample)
    if sample.state:
        state = unpacked(sample.state)
        told["settings"] = [sql.decode("utf-8", "replace") for sql in assignments(SessionState(), state, {})]
    return told
