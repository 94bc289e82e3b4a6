"""Whether it is safe to switch to the target, and what to change first: from what was counted and recorded.

Figures and the ledger's entries come in; a document goes out, as a value, as Markdown and as JSON. A pure function: the
same figures give the same document.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from dbmux.differences import DifferenceKind
from dbmux.mirror.ledger import Entry, Sample, State
from dbmux.text import visible

# Fewer comparisons prove little; of more than so many per cent, too much was not compared.
ENOUGH, MOST_NOT_COMPARED = 1000, 5.0
# In seconds; who is farther behind than this cannot take the other's place.
MOST_BEHIND_S = 60.0
MOST_STATEMENTS = 5
# So many plans of either side are shown, and so many lines of each.
MOST_PLANS, MOST_PLAN_LINES = 10, 40
LONGEST_STATEMENT = 160


class Verdict(StrEnum):
    """May the target take the source's place."""

    SAFE = "safe to switch"
    NOT_YET = "not known yet"
    NOT_SAFE = "not safe to switch"


class Gravity(StrEnum):
    """What a kind of difference means for an application."""

    WRONG = "other data"
    BROKEN = "statements that fail"
    VISIBLE = "seen by some programs"
    SLOW = "slower"


# In the order in which they are to be looked at: what it means, and what to do.
ADVICE: Mapping[DifferenceKind, tuple[Gravity, str]] = {
    DifferenceKind.ERROR_AT_TARGET: (
        Gravity.BROKEN,
        "change the statement so that both servers take it: reserved words in backticks, functions that the target"
        " has, GROUP BY with all columns; or set sql_mode at the target as it is at the source",
    ),
    DifferenceKind.MISSING_ROW: (
        Gravity.WRONG,
        "run `dbmux verify` on the tables; if they are equal, the collations or the comparison of types differ:"
        " set the column's collation, or cast",
    ),
    DifferenceKind.EXTRA_ROW: (
        Gravity.WRONG,
        "run `dbmux verify` on the tables; if they are equal, the collations or the comparison of types differ:"
        " set the column's collation, or cast",
    ),
    DifferenceKind.VALUE: (
        Gravity.WRONG,
        "run `dbmux verify` on the tables; if they are equal, the expression is calculated otherwise: write it so"
        " that both calculate the same",
    ),
    DifferenceKind.NULL_OR_EMPTY: (Gravity.WRONG, "make the statement say which is meant, with COALESCE or NULLIF"),
    DifferenceKind.ZERO_DATE: (Gravity.WRONG, "replace zero dates by NULL, or allow them in the target's sql_mode"),
    DifferenceKind.COLUMN_COUNT: (
        Gravity.WRONG,
        "name the columns instead of `*`, and compare the tables' definitions",
    ),
    DifferenceKind.AFFECTED_ROWS: (Gravity.WRONG, "run `dbmux verify` on the tables that the statement writes"),
    DifferenceKind.LETTER_CASE: (
        Gravity.WRONG,
        "give the column, or the comparison, the same collation on both servers",
    ),
    DifferenceKind.TRAILING_SPACES: (
        Gravity.WRONG,
        "look at PAD_CHAR_TO_FULL_LENGTH and at collations that do not pad",
    ),
    DifferenceKind.ERROR_CODE: (Gravity.BROKEN, "let the program take both numbers"),
    DifferenceKind.ERROR_AT_SOURCE: (Gravity.VISIBLE, "nothing, if the statement is to work from now on"),
    DifferenceKind.COLUMN_NAME: (Gravity.BROKEN, "give the column an alias"),
    DifferenceKind.COLUMN_TYPE: (
        Gravity.VISIBLE,
        "cast the expression, if the program depends on the type that it gets",
    ),
    DifferenceKind.DECIMAL_SCALE: (Gravity.VISIBLE, "round in the statement"),
    DifferenceKind.TIME_TEXT: (Gravity.VISIBLE, "cast to the type and the number of digits that are wanted"),
    DifferenceKind.FLOAT_DIGITS: (Gravity.VISIBLE, "round in the statement, or store DECIMAL"),
    DifferenceKind.FLOAT_TEXT: (Gravity.VISIBLE, "format the number in the program"),
    DifferenceKind.JSON_TEXT: (Gravity.VISIBLE, "parse JSON instead of comparing its text"),
    DifferenceKind.ORDER: (Gravity.VISIBLE, "add a unique column to ORDER BY; if it is there, compare the collations"),
    DifferenceKind.LIMIT: (
        Gravity.VISIBLE,
        "add a unique column to ORDER BY, so that LIMIT always takes the same rows",
    ),
    DifferenceKind.PLAN: (Gravity.SLOW, "compare both plans (`dbmux mirror diff N`); run ANALYZE TABLE at the target"),
    DifferenceKind.WARNING: (Gravity.VISIBLE, "read the warning; the rows are the same"),
    DifferenceKind.ERROR_TEXT: (Gravity.VISIBLE, "let the program look at the number, not at the text"),
    DifferenceKind.COLUMN_COLLATION: (Gravity.VISIBLE, "nothing, unless the program reads it"),
    DifferenceKind.COLUMN_LENGTH: (Gravity.VISIBLE, "nothing, unless the program reads it"),
    DifferenceKind.COLUMN_FLAGS: (Gravity.VISIBLE, "nothing, unless the program reads it"),
    DifferenceKind.COLUMN_ORIGIN: (Gravity.VISIBLE, "nothing, unless the program reads it"),
}
_NONE: Mapping[int, Sample] = MappingProxyType({})
# States of a mirror in which the target gets what is written (dbmux.mirror.mirror).
_GOES_ON = ("running", "native")
_STOPS = (Gravity.WRONG, Gravity.BROKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing to do: for a kind of difference, with the statements that show it most often."""

    kind: DifferenceKind
    gravity: Gravity
    seen: int
    advice: str
    statements: tuple[str, ...]
    entries: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """Both servers' plans for a statement that takes the target longer, with the medians of its times.

    `entry` is its number in the ledger.
    """

    entry: int
    text: str
    source_s: float
    target_s: float
    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The document."""

    mirror: str
    verdict: Verdict
    reasons: tuple[str, ...]
    changes: tuple[Change, ...]
    plans: tuple[Plans, ...]
    figures: Mapping[str, Any]
    accepted: int
    repaired: int
    forgotten: int


def explained(entries: Sequence[Entry]) -> list[Entry]:
    """Of which of them the report shows both plans: those that take the target longer, seen most often first."""
    slow = [entry for entry in entries if entry.kind is DifferenceKind.PLAN and entry.state is State.NEW]
    return sorted(slow, key=lambda entry: (-entry.count, entry.id))[:MOST_PLANS]


def report(
    mirror: str,
    figures: Mapping[str, Any],
    entries: Sequence[Entry],
    forgotten: int = 0,
    plans: Mapping[int, Sample] = _NONE,
) -> Report:
    """The document of one mirror; `figures` are those of dbmux.mirror.tally, as they were told last, or empty; with how
    the mirror stands as `standing`, where that is known.

    `plans` are the newest samples of those entries that `explained` gives, by their numbers.
    """
    new = [entry for entry in entries if entry.state is State.NEW]
    changes = tuple(_changes(new))
    grave = sum(change.gravity in _STOPS for change in changes)
    doubts = tuple(_doubts(figures, forgotten))
    reasons = []
    if grave:
        count = sum(ADVICE[entry.kind][0] in _STOPS for entry in new)
        reasons.append(f"{_many(count, 'difference')} that an application gets wrong data or errors from")
    verdict = Verdict.NOT_SAFE if grave else Verdict.NOT_YET if doubts else Verdict.SAFE
    if verdict is Verdict.SAFE:
        reasons.append(f"{figures['compared']} reads compared, and nothing that an application notices differs")
    return Report(
        mirror=mirror,
        verdict=verdict,
        reasons=(*reasons, *doubts),
        changes=changes,
        plans=tuple(_plans(entry, plans[entry.id]) for entry in explained(entries) if entry.id in plans),
        figures=figures,
        accepted=sum(entry.state is State.ACCEPTED for entry in entries),
        repaired=sum(entry.state is State.REPAIRED for entry in entries),
        forgotten=forgotten,
    )


def not_compared_percent(figures: Mapping[str, Any]) -> float:
    """Of the reads that were chosen, how many per cent could not be compared."""
    compared = figures.get("compared", 0)
    skipped = sum(figures.get("not_compared", {}).values())
    return 100.0 * skipped / (compared + skipped) if compared + skipped else 0.0


def as_json_told(document: Report) -> dict[str, Any]:
    """For programs."""
    told = asdict(document)
    return told | {"not_compared_percent": round(not_compared_percent(document.figures), 2)}


def markdown(document: Report) -> str:
    """For people."""
    figures = document.figures
    lines = [f"# Mirror {_plain(document.mirror)}: {document.verdict}", ""]
    if figures.get("source"):
        lines += [f"From {_plain(figures['source'])} to {_plain(figures['target'])}.", ""]
    lines += [f"- {reason}" for reason in document.reasons]
    lines += ["", "## What was compared", "", *_counted(document)]
    if document.changes:
        lines += ["", "## What to change, first things first", ""]
        for number, change in enumerate(document.changes, 1):
            lines += _change_told(number, change)
    slower = figures.get("slower", ())
    if slower:
        lines += ["", "## Slower at the target", "", "| statement | runs | source, median | target, median |"]
        lines += ["|---|---|---|---|"]
        lines += [
            f"| {_code(one['text'])} | {one['runs']} | {_ms(one['source_p50'])} | {_ms(one['target_p50'])} |"
            for one in slower
        ]
    for one in document.plans:
        lines += _plans_told(one)
    not_compared = figures.get("not_compared", {})
    if not_compared:
        lines += ["", "## Not compared", ""]
        ordered = sorted(not_compared.items(), key=lambda one: (-one[1], one[0]))
        lines += [f"- {count}: {_plain(why)}" for why, count in ordered]
    unfit = figures.get("unfit", {})
    if unfit:
        lines += ["", "## Never looked at", ""]
        ordered = sorted(unfit.items(), key=lambda one: (-one[1], one[0]))
        lines += [f"- {count}: {_plain(why)}" for why, count in ordered]
    if figures.get("writes", {}).get("offered"):
        lines += ["", "## Writes that were tried out on the target", "", *_writes(figures["writes"])]
    expected = figures.get("expected_by", {})
    if expected:
        lines += ["", "## Expected between these versions", ""]
        ordered = sorted(expected.items(), key=lambda one: (-one[1], one[0]))
        lines += [f"- {count}: {_plain(name)}" for name, count in ordered]
    return "\n".join(lines) + "\n"


def _doubts(figures: Mapping[str, Any], forgotten: int) -> Iterator[str]:
    yield from _hindrances(figures.get("standing", {}))
    compared = figures.get("compared", 0)
    if not compared:
        yield "no read was compared yet; set `reads` of the mirror, and let traffic run"
        return
    if compared < ENOUGH:
        yield f"only {compared} reads were compared; from {ENOUGH} on they say something"
    percent = not_compared_percent(figures)
    if percent > MOST_NOT_COMPARED:
        yield f"{percent:.1f} % of the chosen reads could not be compared; the reasons are below"
    if forgotten:
        yield f"{_many(forgotten, 'difference')} had no more room in the ledger"


def _hindrances(standing: Mapping[str, Any]) -> Iterator[str]:
    # What is in the way of what the target gets.
    state, delay_s = standing.get("state"), standing.get("delay_seconds")
    if state is None:
        yield "how the mirror stands is not known; ask while DbMux runs, and compares"
    elif state not in _GOES_ON:
        why = standing.get("why")
        yield f"the mirror is {state}{f': {_plain(why)}' if why else ''}"
    elif delay_s is None:
        yield "how far the target is behind is not known"
    elif delay_s > MOST_BEHIND_S:
        yield f"the target is {delay_s:.0f} s behind"


def _changes(entries: Sequence[Entry]) -> Iterator[Change]:
    by_kind: defaultdict[DifferenceKind, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_kind[entry.kind].append(entry)
    for kind, (gravity, advice) in ADVICE.items():
        found = sorted(by_kind[kind], key=lambda entry: (-entry.count, entry.id))
        if found:
            yield Change(
                kind=kind,
                gravity=gravity,
                seen=sum(entry.count for entry in found),
                advice=advice,
                statements=tuple(entry.text for entry in found[:MOST_STATEMENTS]),
                entries=tuple(entry.id for entry in found),
            )


def _counted(document: Report) -> list[str]:
    figures = document.figures
    told = [(name, figures.get(key, 0)) for name, key in _COUNTED]
    lines = ["| reads | |", "|---|---|", *(f"| {name} | {count} |" for name, count in told)]
    skipped = sum(figures.get("not_compared", {}).values())
    lines.append(f"| not compared | {skipped} ({not_compared_percent(figures):.1f} %) |")
    lines.append(f"| differences accepted as known | {document.accepted} |")
    lines.append(f"| differences repaired | {document.repaired} |")
    return lines


def _writes(figures: Mapping[str, Any]) -> Iterator[str]:
    yield from ("| writes | |", "|---|---|")
    yield from (f"| {name} | {figures.get(key, 0)} |" for name, key in _COUNTED_WRITES)
    for what, key in (("not compared", "not_compared"), ("never tried", "unfit")):
        ordered = sorted(figures.get(key, {}).items(), key=lambda one: (-one[1], one[0]))
        yield from (f"| {what}: {_plain(why)} | {count} |" for why, count in ordered)


_COUNTED_WRITES = (
    ("that ran", "offered"),
    ("chosen", "chosen"),
    ("compared", "compared"),
    ("the same", "same"),
    ("different only as expected", "expected"),
    ("different at first, the same when tried again", "transient"),
    ("different", "different"),
)
_COUNTED = (
    ("SELECTs that ran", "offered"),
    ("left alone, as enough of them waited", "spared"),
    ("chosen", "chosen"),
    ("compared", "compared"),
    ("the same", "same"),
    ("different only as expected", "expected"),
    ("different at first, the same when asked again", "transient"),
    ("different", "different"),
    ("kinds of statements", "digests"),
)


def _change_told(number: int, change: Change) -> Iterator[str]:
    numbers = ", ".join(map(str, change.entries[:10])) + (", …" if len(change.entries) > 10 else "")
    yield f"{number}. **{change.kind}** ({change.gravity}), seen {_many(change.seen, 'time')}: {change.advice}."
    yield f"   In the ledger as {numbers}:"
    yield ""
    for statement in change.statements:
        yield f"   - {_code(statement)}"
    yield ""


def _plans(entry: Entry, sample: Sample) -> Plans:
    return Plans(
        entry=entry.id,
        text=entry.text,
        source_s=sample.source_s,
        target_s=sample.target_s,
        source=sample.source,
        target=sample.target,
    )


def _plans_told(one: Plans) -> Iterator[str]:
    yield from ("", f"### Plans of {_code(one.text)}", "", f"In the ledger as {one.entry}.")
    for side, seconds, plan in (("source", one.source_s, one.source), ("target", one.target_s, one.target)):
        yield from ("", f"{side}, {_ms(seconds)} at the median:", "")
        # Indented, and not fenced: a plan may have a fence in it.
        lines = plan.splitlines()
        yield from (f"    {visible(line)}" for line in lines[:MOST_PLAN_LINES])
        if len(lines) > MOST_PLAN_LINES:
            yield f"    … {len(lines)} lines; `dbmux mirror diff {one.entry}` shows all"


def _code(text: str) -> str:
    # Backticks and bars would end the code or the cell.
    shown = visible(" ".join(text.split()))
    shown = shown if len(shown) <= LONGEST_STATEMENT else f"{shown[: LONGEST_STATEMENT - 1]}…"
    return "`` " + re.sub("`(?=`)", "` ", shown).replace("|", "\\|") + " ``"


def _plain(text: str) -> str:
    return visible(text).replace("<", "&lt;").replace("|", "\\|")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
