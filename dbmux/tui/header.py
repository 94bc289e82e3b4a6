"""The lines that are always there: who this is, how it goes, and what is wrong.

The status and the last seconds come in, as the feed tells them; one line goes out, as rich as the width allows. In
trouble it is a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from dbmux.feed.units import count, duration, many, rate, share, taken
from dbmux.text import visible
from dbmux.tui.cells import cut, fit, spark, wrapped
from dbmux.tui.drawn import Drawn
from dbmux.tui.look import Look

# So many of the last seconds are drawn.
SPARK_CELLS = 8
LONGEST = 1000
READ_ONLY = " read-only "


class Room(Enum):
    """How much of it is told; the first that fits the width."""

    MUCH = auto()
    SOME = auto()
    LITTLE = auto()


def summary(status: Mapping[str, Any], pulse: Sequence[Mapping[str, Any]], width: int, look: Look) -> list[Segment]:
    """The line."""
    signs = look.signs
    down = [one for one in status["backends"] if one["state"] != "up"]
    if down:
        names = ", ".join(one["name"] for one in down)
        told = f" DbMux {signs.wrong} {names[:200]} {'is' if len(down) == 1 else 'are'} down: {down[0]['error'][:200]}"
        return [Segment(cut(visible(told), width, signs.more), look.alarm)]
    lines = (_line(status, pulse, room, look) for room in Room)
    fitting = next((line for line in lines if cell_len(line) <= width), _line(status, pulse, Room.LITTLE, look))
    return [Segment(cut(fitting, width, signs.more), look.bar)]


def _line(status: Mapping[str, Any], pulse: Sequence[Mapping[str, Any]], room: Room, look: Look) -> str:
    signs = look.signs
    last = pulse[-1] if pulse else None
    lately = pulse[-10:]
    commands, hits = sum(one["commands"] for one in lately), sum(one["hits"] for one in lately)
    errors = sum(one["errors"] for one in lately)
    has_little, has_much = room is Room.LITTLE, room is Room.MUCH
    address = next((one["address"] for one in status["listeners"]), "-")
    where = address.rpartition(":")[2] if has_little else address[:60]
    parts = [f" DbMux {signs.half if status['draining'] else signs.up} {where}"]
    if not has_little:
        parts.append(f"up {duration(status['seconds'])}")
    drawn = spark([one["commands"] for one in pulse], SPARK_CELLS * (2 if has_much else 1), signs.levels)
    parts.append(f"{rate(last['commands'] if last else 0)} q/s {drawn}")
    if last:
        shown = ("p95",) if has_little else ("p50", "p95", "p99")
        parts.append(" ".join(f"{name} {taken(last[name])}" for name in shown))
    parts += [f"hit {share(hits, commands)}", f"err {count(errors)}"]
    if has_much:
        parts += [many(status["clients"], "client"), f"lag {duration(last['lag'] if last else 0)}"]
    config = status["config"]
    parts.append(f"cfg v{config['version']} {signs.wrong if config['problems'] else signs.fine}")
    return visible("  ".join(parts))


class Header(Drawn):
    """The first line."""

    DEFAULT_CSS = """
    Header { height: 1; }
    """

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self._status: Mapping[str, Any] | None = None
        self._pulse: Sequence[Mapping[str, Any]] = ()
        self.trouble = ""
        self.is_read_only = False

    def show(self, status: Mapping[str, Any], pulse: Sequence[Mapping[str, Any]]) -> None:
        """Show these from now on."""
        self._status, self._pulse = status, pulse
        self.refresh()

    def draw(self, width: int, height: int) -> list[list[Segment]]:
        """The line."""
        look = self._look
        if self.trouble:
            return [[Segment(cut(" " + visible(self.trouble), width, look.signs.more), look.alarm)]]
        if self._status is None:
            return [[Segment(cut(" DbMux", width, look.signs.more), look.bar)]]
        if not self.is_read_only:
            return [summary(self._status, self._pulse, width, look)]
        room = width - len(READ_ONLY)
        return [[*summary(self._status, self._pulse, room, look), Segment(READ_ONLY, look.bar)]]


class Tabs(Drawn):
    """The second line: the pages, of which one is seen."""

    DEFAULT_CSS = """
    Tabs { height: 1; }
    """

    def __init__(self, look: Look, names: Sequence[str]) -> None:
        super().__init__(look)
        self._names = names
        self.current = 0

    def go(self, number: int) -> None:
        """Another page is seen."""
        self.current = number
        self.refresh()

    def at(self, x: int) -> int | None:
        """The page whose name stands there."""
        left = 1
        for number, told in enumerate(self._told()):
            if left <= x < left + len(told):
                return number
            left += len(told) + len(self._gap)
        return None

    @property
    def _gap(self) -> str:
        return " " if self.size.width < 2 + sum(len(name) + 4 for name in self._names) else "  "

    def _told(self) -> list[str]:
        return [f"{number} {name}" for number, name in enumerate(self._names, 1)]

    def draw(self, width: int, height: int) -> list[list[Segment]]:
        """The line."""
        look = self._look
        told: list[Segment] = [Segment(" ", look.text)]
        for number, name in enumerate(self._told()):
            style: Style = look.accent + Style(underline=True) if number == self.current else look.dim
            told += [Segment(name, style), Segment(self._gap, look.text)]
        return [told]


class Words(Drawn):
    """A line of words, such as the keys that matter here, or what is wrong."""

    DEFAULT_CSS = """
    Words { height: 1; }
    """

    def __init__(
        self, look: Look, style: Callable[[Look], Style] = lambda look: look.bar, *, id: str | None = None
    ) -> None:
        super().__init__(look, id=id)
        self._style = style
        self._words = ""
        self._end = ""

    def say(self, words: str, end: str = "") -> None:
        """Say this from now on; `end` stands at the right."""
        if (words, end) != (self._words, self._end):
            self._words, self._end = words, end
            self.refresh()

    def draw(self, width: int, height: int) -> list[list[Segment]]:
        """The line."""
        more = self._look.signs.more
        end = visible(self._end[:LONGEST])
        if end:
            end = f" {end} "
        told = cut(" " + visible(self._words[:LONGEST]), max(width - cell_len(end), 0), more) + end
        return [[Segment(cut(told, width, more), self._style(self._look))]]


class Told(Words):
    """The same, in as many lines as it takes: what has to be read whole."""

    DEFAULT_CSS = """
    Told { height: auto; }
    """

    def say(self, words: str, end: str = "") -> None:
        """Say this from now on."""
        super().say(words, end)
        self.refresh(layout=True)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """As many lines as there are."""
        return len(self.draw(width, 0))

    def draw(self, width: int, height: int) -> list[list[Segment]]:
        """The lines."""
        style = self._style(self._look)
        lines = wrapped(self._words[:LONGEST], max(width - 2, 1))
        return [[Segment(fit(f" {line}", width, self._look.signs.more), style)] for line in lines]
