"""A difference between two servers' answers, value by value: what each of them says, and where they part.

A difference comes in as the engine tells it, with its samples; headings, statements and pairs of texts go out, all of
them visible. Rows that both have are counted, and the others paired with those that resemble them most. Nothing is
compared anew: rows beyond those that the ledger keeps are not there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any
from unicodedata import normalize

from dbmux.feed.units import duration, many
from dbmux.feed.words import moment
from dbmux.text import visible

# Of a statement no more is shown.
LONGEST_STATEMENT = 4000
Told = Mapping[str, Any]
Cells = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Heading:
    """What the lines below are about."""

    text: str


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence."""

    text: str


@dataclass(frozen=True, slots=True)
class Sql:
    """A statement."""

    text: str


@dataclass(frozen=True, slots=True)
class Pair:
    """What both say about one thing."""

    name: str
    source: str
    target: str
    differs: bool


Item = Heading | Remark | Sql | Pair


def items(told: Told) -> Iterator[Item]:
    """All that is known of a difference, the newest sample first."""
    seen = f"seen {many(told['count'], 'time')}, first {moment(told['first_seen'])}, last {moment(told['last_seen'])}"
    yield Heading(visible(f"{_what(told)}, {told['state']}: {seen}"))
    if told["settled_by"] or told["why"]:
        yield Remark(visible(f"{told['state']} by {told['settled_by'] or 'nobody'}: {told['why']}"))
    yield from _compared("said", visible(told["source"]), visible(told["target"]))
    samples = told["samples"]
    if not samples:
        yield _sql(told["text"])
    for number, sample in enumerate(samples, 1):
        user, schema = sample["user"] or "nobody", sample["state"].get("schema") or "no schema"
        when = f"sample {number} of {len(samples)}, {moment(sample['at'])}"
        yield Heading(visible(f"{when}, as {user} in {schema}"))
        yield _sql(sample["statement"])
        for setting in sample.get("settings", ()):
            yield Remark(visible(setting))
        yield Pair("took", duration(sample["source_s"]), duration(sample["target_s"]), differs=False)
        yield from _answers(sample["source"], sample["target"], told["kind"])


def _what(told: Told) -> str:
    return f"{told['kind']} in {told['place']}" if told["place"] else str(told["kind"])


def _sql(text: str) -> Sql:
    return Sql(visible(" ".join(text[:LONGEST_STATEMENT].split())))


def _answers(source: str, target: str, kind: str) -> Iterator[Item]:
    here, there = _read(source), _read(target)
    if here is None or there is None:
        for one, other in zip_longest(source.split("\n"), target.split("\n"), fillvalue=""):
            yield from _compared("", visible(one), visible(other))
        return
    yield from _compared("answer", _outcome(here), _outcome(there))
    if "error" in here or "error" in there:
        return
    columns = [[visible(" ".join(map(str, one))) for one in side.get("columns", ())] for side in (here, there)]
    for number, (one, other) in enumerate(zip_longest(*columns, fillvalue="none"), 1):
        if one != other:
            yield Pair(f"column {number}", one, other, differs=True)
    names = [str(name) for name, _ in here.get("columns") or there.get("columns") or ()]
    yield from _rows(names, here.get("rows", ()), there.get("rows", ()), kind)
    if max(_beyond(here), _beyond(there)) > 0:
        yield Remark("only the first rows are kept: what is missing here may be among the others")
    warnings = [[_warning(one) for one in side.get("warnings", ())] for side in (here, there)]
    for one, other in zip_longest(*warnings, fillvalue="none"):
        yield from _compared("warning", one, other)


def _read(answer: str) -> dict[str, Any] | None:
    # A plan is text, and one of MySQL may be JSON of its own.
    try:
        told = json.loads(answer)
    except ValueError:
        return None
    return told if isinstance(told, dict) and ("error" in told or "rows" in told) else None


def _outcome(answer: Told) -> str:
    if (error := answer.get("error")) is not None:
        return visible(f"error {error['number']} ({error['sqlstate']}): {error['message']}")
    if "affected_rows" in answer:
        return f"{many(answer['affected_rows'], 'row')} changed"
    return many(answer["count"], "row")


def _beyond(answer: Told) -> int:
    return int(answer.get("count", 0)) - len(answer.get("rows", ()))


def _warning(one: Cells) -> str:
    level, code, message = one
    return visible(f"{level} {code}: {message}")


def _rows(names: Sequence[str], source: Sequence[Cells], target: Sequence[Cells], kind: str) -> Iterator[Item]:
    if kind == "order":
        for number, (one, other) in enumerate(zip_longest(source, target), 1):
            here, there = ("none" if row is None else ", ".join(map(_value, row)) for row in (one, other))
            yield Pair(f"row {number}", here, there, differs=one != other)
        return
    left, right, same = _unequal(source, target)
    for number, (one, other) in enumerate(_paired(left, right), 1):
        sides = f"only at the {'source' if other is None else 'target'}" if one is None or other is None else ""
        yield Remark(f"row {number} of those that differ" + (f", {sides}" if sides else ""))
        for at, name in enumerate(names):
            yield _cell(visible(name), one, other, at)
    if same:
        yield Remark(f"{many(same, 'row')} {'is' if same == 1 else 'are'} the same on both sides")


def _unequal(source: Sequence[Cells], target: Sequence[Cells]) -> tuple[list[Cells], list[Cells], int]:
    # Rows may stand several times.
    both = Counter(map(json.dumps, source)) & Counter(map(json.dumps, target))
    left: list[Cells] = []
    right: list[Cells] = []
    for rows, kept in ((source, left), (target, right)):
        common = both.copy()
        for row in rows:
            key = json.dumps(row)
            if common[key]:
                common[key] -= 1
            else:
                kept.append(row)
    return left, right, both.total()


def _paired(left: Sequence[Cells], right: Sequence[Cells]) -> Iterator[tuple[Cells | None, Cells | None]]:
    rest = list(right)
    for row in left:
        like = max(rest, key=lambda other: sum(a == b for a, b in zip(row, other, strict=False)), default=None)
        if like is not None:
            rest.remove(like)
        yield row, like
    for row in rest:
        yield None, row


def _cell(name: str, source: Cells | None, target: Cells | None, at: int) -> Pair:
    if source is None or target is None:
        here, there = ("" if row is None or at >= len(row) else _value(row[at]) for row in (source, target))
        return Pair(name, here, there, differs=True)
    one, other = (row[at] if at < len(row) else None for row in (source, target))
    differs = json.dumps(one) != json.dumps(other)
    here, there = _value(one), _value(other)
    if differs and normalize("NFC", here) == normalize("NFC", there):
        # The eye would find them equal.
        here, there = ascii(one), ascii(other)
    return Pair(name, here, there, differs)


def _compared(name: str, source: str, target: str) -> Iterator[Pair]:
    if source or target:
        yield Pair(name, source, target, differs=source != target)


def _value(value: Any) -> str:
    # In quotes, so that spaces at the ends are seen; with backslashes doubled, so that `\n` is a line's end.
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + visible(value.replace("\\", "\\\\")) + "'"
    return visible(json.dumps(value))
