"""What people do with the ledger of a mirror: list, look, accept, run again, report.

A ledger comes in, and for what is run again the two servers; plain values go out, as JSON has them. The commands and
the live interface show them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from dbmux.backend.reading import Statement
from dbmux.mirror.catalogue import Expected
from dbmux.mirror.compare import Difference, compare
from dbmux.mirror.ledger import Entry, Ledger, Sample, State
from dbmux.mirror.read import Asked, NotComparedError, Read
from dbmux.mirror.report import Report, report
from dbmux.mirror.settings import carried, unpacked
from dbmux.session import SessionState, assignments

# How often both servers are asked before a difference is believed.
TIMES = 2
ENDS_IN_ELLIPSIS = "the statement was too long to be kept whole; run it by hand with `dbmux compare`"


def listed(ledger: Ledger, mirror: str | None, state: State | None) -> list[dict[str, Any]]:
    """The entries, what was seen last first."""
    return [asdict(entry) for entry in ledger.entries(mirror, state)]


def shown(ledger: Ledger, number: int) -> dict[str, Any]:
    """One entry, with its samples; raises NoEntry."""
    entry = ledger.entry(number)
    return asdict(entry) | {"samples": [_sample_told(sample) for sample in ledger.samples(number)]}


def accepted(ledger: Ledger, number: int, by: str, at: float, why: str) -> Entry:
    """Call a difference known and harmless; raises NoEntry."""
    return ledger.settle(number, State.ACCEPTED, by, at, why)


def rule_told(entry: Entry, since: str) -> dict[str, Any]:
    """An accepted entry as a rule of the configuration, an item of `mirrors.NAME.expected`."""
    told: dict[str, Any] = {"kinds": [str(entry.kind)], "digest": entry.text}
    # An expression's name has literals in it, which the digest has not.
    if entry.place.isidentifier():
        told["column"] = entry.place
    return told | {"why": entry.why, "by": entry.settled_by, "since": since}


def reported(ledger: Ledger, mirror: str) -> Report:
    """Whether it is safe to switch, by what the ledger knows."""
    _, figures = ledger.figures(mirror)
    return report(mirror, figures, ledger.entries(mirror), ledger.forgotten(mirror))


async def run_again(sample: Sample, source: Asked, target: Asked, expected: Expected) -> tuple[Difference, ...]:
    """What of a sample's answers differs now on both servers, each time that they are asked; raises DbMuxError."""
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
    found: tuple[Difference, ...] = ()
    for _ in range(TIMES):
        answers = [
            await side.ask(read.statement, read.user, carried(state, source.family, side.family))
            for side in (source, target)
        ]
        comparison = compare(answers[0], answers[1], read.order)
        if comparison.why_not:
            raise NotComparedError(comparison.why_not)
        found = tuple(one for one in comparison.differences if expected.rule_for(one, sample.statement) is None)
        if not found:
            return ()
    return found


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
