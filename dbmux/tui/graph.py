"""What the graphs above the live view draw: how much, how fast, from memory or not, and by whom.

The last seconds, as the feed tells them, and what is known of the cache and the servers come in; a `Picture` of exactly
the width and height goes out. Asks nobody, draws nothing on a screen. All have the same axis of time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from dbmux.events import MEMORY
from dbmux.feed.units import count, duration, many, share, size
from dbmux.tui.cells import Side, bar, cut, fit
from dbmux.tui.look import Look

Seconds = Sequence[Mapping[str, Any]]
# So much of the past is shown, and of that for shares of servers.
SPAN_S = 300
LATELY_S = 60
# What stands left of a graph.
LABEL = 5
_HEAD = 9


@dataclass(frozen=True, slots=True)
class Picture:
    """What is inside a box, line by line, and the words at its top, left and right."""

    title: str
    end: str
    lines: list[list[Segment]]


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment that is marked: a configuration came into force, or a server went down."""

    at: float
    sign: str
    word: str


@dataclass(frozen=True, slots=True)
class Axis:
    """Cells of time: each is `step` whole seconds, and the last one ends after `until`."""

    until: int
    step: int
    cells: int

    @classmethod
    def of(cls, seconds: Seconds, cells: int) -> Axis:
        """One that ends with the last second, and has room for SPAN_S."""
        step = max(math.ceil(SPAN_S / max(cells, 1)), 1)
        now = math.floor(seconds[-1]["at"]) if seconds else 0
        # A second stays in its cell while others come.
        return cls(until=now // step + 1, step=step, cells=cells)

    def cell(self, at: float) -> int | None:
        """Where a moment is."""
        cell = self.cells - self.until + math.floor(at) // self.step
        return cell if 0 <= cell < self.cells else None

    def gather(
        self, seconds: Seconds, value: Callable[[Sequence[Mapping[str, Any]]], float | None]
    ) -> list[float | None]:
        """A value for each cell, of all its seconds; None where there is nothing."""
        each: list[list[Mapping[str, Any]]] = [[] for _ in range(self.cells)]
        for one in seconds:
            if (cell := self.cell(one["at"])) is not None:
                each[cell].append(one)
        return [value(some) if some else None for some in each]


def chart(values: Sequence[float | None], top: float, height: int, levels: str) -> list[str]:
    """Columns of that height, the highest line first; what is more than nothing is seen."""
    rows = [""] * height
    for value in values:
        steps = (
            0 if not value or not top else max(min(round(value / top * height * len(levels)), height * len(levels)), 1)
        )
        for row in range(height):
            left = steps - (height - 1 - row) * len(levels)
            rows[row] += " " if left <= 0 else levels[min(left, len(levels)) - 1]
    return rows


def nice(number: float) -> float:
    """The next 1, 2 or 5 with noughts that is not less."""
    if number <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(number))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= number * 0.999999)


def short(number: float) -> str:
    """A number on an axis: `50`, `2k`, `1.5M`."""
    for unit, size_ in (("M", 1e6), ("k", 1e3)):
        if number >= size_:
            return f"{number / size_:g}{unit}"
    return f"{number:g}"


def throughput(seconds: Seconds, marks: Sequence[Mark], width: int, height: int, look: Look) -> Picture:
    """Statements a second, the marks below them, and below these how long most of them took at most."""
    axis = Axis.of(seconds, max(width - LABEL, 1))
    rates = axis.gather(seconds, lambda some: sum(one["commands"] for one in some) / len(some))
    slowest = axis.gather(seconds, lambda some: max(one["p95"] for one in some))
    low = max((height - 1) // 4, 1)
    high = max(height - 1 - low, 1)
    top, longest = nice(_most(rates)), _most(slowest)
    lines = []
    for row, drawn in enumerate(chart(rates, top, high, look.signs.levels)):
        label = short(top) if row == 0 else short(top / 2) if high > 1 and row == high // 2 else ""
        lines.append([_label(label, look), Segment(drawn, look.accent)])
    lines.append([_label("0", look), Segment(_marked(marks, axis), look.warn)])
    for row, drawn in enumerate(chart(slowest, nice(longest), low, look.signs.levels)):
        lines.append([_label("p95" if row == low - 1 else "", look), Segment(drawn, look.literal)])
    end = f"{axis.step * axis.cells / 60:.0f} min"
    return Picture(f"statements/s, p95 up to {duration(longest) if longest else '-'}", end, lines)


def caching(seconds: Seconds, told: Mapping[str, Any], width: int, height: int, look: Look) -> Picture:
    """How much came from memory over time, how full that is, and what came of it."""
    axis = Axis.of(seconds, max(width - _HEAD - 1, 1))
    parts = axis.gather(
        seconds, lambda some: _part(sum(one["hits"] for one in some), sum(one["commands"] for one in some))
    )
    hits, asked = sum(one["hits"] for one in seconds), sum(one["commands"] for one in seconds)
    high = max(height - 3, 1)
    lines = []
    for row, drawn in enumerate(chart(parts, 1.0, high, look.signs.levels)):
        label = f" hit {share(hits, asked)}" if row == high - 1 else ""
        lines.append([Segment(label.ljust(_HEAD + 1), look.strong), Segment(drawn, look.good)])
    memory, statements = told["memory"], told["statements"]
    full = memory["bytes"] / memory["limit"] if memory["limit"] else 0.0
    held = f" mem {size(memory['bytes'])} of {size(memory['limit'])} "
    kept = f" {many(memory['results'], 'result')}"
    room = max(min(width - len(held) - len(kept), 20), 0)
    drawn = bar(full, 1.0, room, look.signs.full, look.signs.empty)
    lines.append(
        [Segment(held, look.text), Segment(drawn, look.warn if full > 0.95 else look.good), Segment(kept, look.text)]
    )
    sums = {name: sum(one[name] for one in statements) for name in ("misses", "stale", "coalesced", "saved_seconds")}
    lines.append(
        [
            Segment(
                f" misses {count(sums['misses'])}  stale {count(sums['stale'])}  shared {count(sums['coalesced'])}",
                look.dim,
            )
        ]
    )
    lines.append([Segment(f" saved the servers {duration(sums['saved_seconds'])}", look.dim)])
    most = max(told["tables"], key=lambda one: one["bytes"], default=None)
    end = "" if most is None else f"most: {fit(most['table'], min(cell_len(most['table']), 24), look.signs.more)}"
    return Picture("cache", end, lines)


def routing(seconds: Seconds, told: Mapping[str, Any], width: int, height: int, look: Look) -> Picture:
    """Which part of the statements each server answered lately, and how fast; the busiest first."""
    until = seconds[-1]["at"] if seconds else 0.0
    lately = [one for one in seconds if one["at"] > until - LATELY_S]
    known = {one["name"]: one for group in told["groups"] for one in group["servers"]}
    answered = dict.fromkeys(known, 0)
    for one in lately:
        for name, served in one["servers"].items():
            answered[name] = answered.get(name, 0) + served["commands"]
    whole = sum(answered.values())
    order = sorted(answered, key=lambda name: (-answered[name], name))
    shown = order if len(order) <= height else order[: height - 1]
    lines = []
    for name in shown:
        times = [one["servers"][name]["p95"] for one in lately if name in one["servers"]]
        lines.append(_server(name, known.get(name), _part(answered[name], whole) or 0.0, times, width, look))
    if rest := order[len(shown) :]:
        part = share(sum(answered[name] for name in rest), whole)
        lines.append([Segment(f" and {len(rest)} more: {part}", look.dim)])
    return Picture("who answers", "1 min", lines)


def _server(
    name: str, one: Mapping[str, Any] | None, part: float, times: Sequence[float], width: int, look: Look
) -> list[Segment]:
    signs = look.signs
    role = "" if one is None else "rw" if one["role"] == "primary" else "ro"
    label = " " + fit("memory" if name == MEMORY else name, 10, signs.more) + f" {role:<2} "
    if one is not None and one["state"] != "up":
        return [Segment(label, look.text), Segment(f"{signs.down} {one['state']}", look.bad)]
    # How long a usual second's slowest statements took; results from memory have no such time.
    slow = f"  p95 {duration(median(times))}" if times and name != MEMORY else ""
    room = max(min(width - len(label) - 17, 20), 0)
    drawn = bar(part, 1.0, room, signs.full, signs.empty)
    return [
        Segment(label, look.text),
        Segment(drawn, look.accent),
        Segment(fit(share(part, 1.0), 5, signs.more, Side.RIGHT), look.strong),
        Segment(slow, look.dim),
    ]


def framed(picture: Picture, width: int, height: int, look: Look, edge: Style) -> list[list[Segment]]:
    """A picture with a frame around it: all lines of the box."""
    left, right, low_left, low_right, across, down = look.signs.frame
    more, inside = look.signs.more, width - 2
    title, end = f" {picture.title} ", f" {picture.end} " if picture.end else ""
    if cell_len(title) + cell_len(end) > inside - 2:
        end = ""
    title = cut(title, min(cell_len(title), max(inside - 2, 0)), more)
    between = across * max(inside - 2 - cell_len(title) - cell_len(end), 0)
    lines = [[Segment(f"{left}{across}{title}{between}{end}{across}{right}", edge)]]
    for at in range(height - 2):
        line = picture.lines[at] if at < len(picture.lines) else []
        lines.append([Segment(down, edge), *_exactly(line, inside, look), Segment(down, edge)])
    lines.append([Segment(low_left + across * inside + low_right, edge)])
    return lines


def _exactly(line: Sequence[Segment], width: int, look: Look) -> list[Segment]:
    told: list[Segment] = []
    for segment in line:
        text = cut(segment.text, min(cell_len(segment.text), width), look.signs.more)
        width -= cell_len(text)
        told.append(Segment(text, segment.style))
    return [*told, Segment(" " * width, look.text)]


def _label(text: str, look: Look) -> Segment:
    return Segment(f"{text:>{LABEL - 1}}{look.signs.child}", look.dim)


def _marked(marks: Sequence[Mark], axis: Axis) -> str:
    # The later of two that are in each other's way is shown, without its word if there is no room for that.
    drawn = [" "] * axis.cells
    for mark in marks:
        if (cell := axis.cell(mark.at)) is None:
            continue
        drawn[cell] = mark.sign
        for at, letter in enumerate(mark.word, cell + 1):
            if at < axis.cells and cell + len(mark.word) < axis.cells:
                drawn[at] = letter
    return "".join(drawn)


def _most(values: Sequence[float | None]) -> float:
    return max((value for value in values if value is not None), default=0.0)


def _part(some: float, whole: float) -> float | None:
    return some / whole if whole else None
