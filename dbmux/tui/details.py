"""Why a statement went where it went: the details below or beside the stream.

A statement and the engine's decisions about it come in; lines go out, the decisions first, in full where there is room.
"""

from __future__ import annotations

from typing import Any

from rich.segment import Segment

from dbmux.feed.row import Row
from dbmux.feed.units import many, size
from dbmux.text import visible
from dbmux.tui.cells import cut, one_line
from dbmux.tui.drawn import Drawn
from dbmux.tui.look import Look
from dbmux.tui.sql import coloured

# Of a text no more is shown.
LONGEST = 4096


class Details(Drawn):
    """Of one statement: the decisions, the times, the text."""

    DEFAULT_CSS = """
    Details { height: 6; }
    """

    def __init__(self, look: Look) -> None:
        super().__init__(look, id="details")
        self._row: Row | None = None
        self._steps: list[dict[str, Any]] = []

    def show(self, row: Row | None, steps: list[dict[str, Any]]) -> None:
        """Show these."""
        self._row, self._steps = row, steps
        self.refresh()

    def draw(self, width: int, height: int) -> list[list[Segment]]:
        """As much of it as there is room for."""
        look, more, row = self._look, self._look.signs.more, self._row
        title = f"{look.signs.line} why ".ljust(width, look.signs.line)
        lines = [[Segment(title, look.dim)]]
        if row is None:
            return lines
        is_tall = height > 8
        for step in self._steps:
            place = f"  ({step['place'].rpartition('/')[2]})" if step["place"] else ""
            told = f" {visible(step['about']):<11}{visible(step['told'][:LONGEST])}{visible(place)}"
            style = look.bad if step["about"] == "error" else look.text
            if not is_tall:
                lines.append([Segment(cut(told, width, more), style)])
                continue
            lines += [[Segment(cut(piece, width, more), style)] for piece in _wrapped(told, width, 12)]
            if step["otherwise"]:
                lines += [
                    [Segment(cut(piece, width, more), look.dim)]
                    for piece in _wrapped(" " * 12 + visible(step["otherwise"][:LONGEST]), width, 12)
                ]
        who = one_line(f"{row.user}@{row.client}, {row.app or 'no application'}", width)
        facts = f" {many(max(row.rows, 0), 'row')}, {size(row.bytes)}, {who}"
        if is_tall:
            lines.append([Segment(cut(facts, width, more), look.dim)])
            lines.append([Segment(cut(f" statement {row.seq}, digest {row.digest}", width, more), look.dim)])
            lines.append([])
            lines += [
                list(coloured(cut(piece, width, more), look))
                for piece in _wrapped(" " + one_line(row.sql, LONGEST), width, 1)
            ]
        else:
            # The text stays where there is no room for all: the time stands in its line of the stream, too.
            del lines[max(height - 1, 1) :]
            lines.append(list(coloured(cut(f" {'sql':<11}{one_line(row.sql, width)}", width, more), look)))
        return lines


def _wrapped(text: str, width: int, indent: int) -> list[str]:
    # By words where that can be; one line of text is never longer than a few hundred cells here.
    text = text[:4000].replace("\n", " ")
    lines: list[str] = []
    while len(text) > width and len(lines) < 60:
        cut = text.rfind(" ", indent + 1, width)
        cut = width if cut <= indent else cut
        lines.append(text[:cut])
        text = " " * indent + text[cut:].lstrip()
    return [*lines, text]
