"""A part of the screen that is drawn when it has something else to show, and otherwise stays what it was.

Lines of pieces of text come in, strips as Textual puts them on the screen go out: all at once, with the colour behind
them, and no more often than needed. Textual's own way asks for each line anew, and puts borders, opacity and titles
around it that no part has here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from dbmux.tui.look import Look


class Line(Strip):
    """A line that is mostly drawn whole. Textual's would remember itself then, and go when the collector finds it."""

    __slots__ = ()

    def divide(self, cuts: Iterable[int]) -> Sequence[Strip]:
        """Textual asks for its parts."""
        wanted = list(cuts)
        return [self] if wanted == [self.cell_length] else super().divide(wanted)


class Holder(Widget):
    """Holds other parts and shows nothing of its own: what is below it shows through, at no cost."""

    def render_lines(self, crop: Region) -> list[Strip]:
        """Textual asks for it."""
        return []


def finished(told: list[Segment], width: int, filters: Sequence[LineFilter], background: Color) -> Line:
    """A line of exactly that width, as it goes to the terminal."""
    for each in filters:
        told = each.apply(told, background)
    return Line(told, width)


def cropped(strips: list[Strip], width: int, crop: Region) -> list[Strip]:
    """What of these lines Textual asked for; they are those that the crop begins with."""
    return strips if crop.width == width else [strip.crop(*crop.column_span) for strip in strips]


class Drawn(Widget):
    """The part. Whatever it shows, `refresh` has it drawn anew."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._look = look
        self._strips: list[Strip] = []
        self._drawn_for: object = None

    @abstractmethod
    def draw(self, width: int, height: int) -> list[list[Segment]]:
        """All lines; those that are missing, or what is missing at their end, is blank."""

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Drawn:
        """It has something else to show."""
        self._drawn_for = None
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Textual asks for it."""
        (width, height), background = self.size, self.background_colors[1]
        now = width, height, self._look.theme, background
        if self._drawn_for != now:
            self._drawn_for = now
            lines = self.draw(width, height)[:height]
            lines += [[]] * (height - len(lines))
            filters = self.get_line_filters()
            self._strips = [
                finished(list(Strip(line).adjust_cell_length(width, self._look.text)), width, filters, background)
                for line in lines
            ]
        return cropped(self._strips[crop.y : crop.bottom], width, crop)
