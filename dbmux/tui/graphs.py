"""The row of graphs above the live view: boxes that can be walked through, and enlarged.

What the page was told once a second comes in; each box draws it when it is seen, and nothing otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.segment import Segment
from textual.app import ComposeResult
from textual.containers import Horizontal

from dbmux.tui.drawn import Drawn, Holder
from dbmux.tui.graph import Picture, framed
from dbmux.tui.look import Look

# A picture for that width and height.
Paint = Callable[[int, int], Picture]
WIDE, TALL = 120, 40


class Box(Drawn, can_focus=True):
    """A frame with a picture in it."""

    DEFAULT_CSS = """
    Box { width: 1fr; height: 100%; }
    """
    # Keys go to the page.
    BINDINGS: ClassVar = []

    def __init__(self, look: Look, *, id: str) -> None:
        super().__init__(look, id=id)
        self._paint: Paint | None = None

    def show(self, paint: Paint) -> None:
        """Show this from now on."""
        self._paint = paint
        self.refresh()

    def on_focus(self) -> None:
        """The frame says so."""
        self.refresh()

    def on_blur(self) -> None:
        """The frame says so."""
        self.refresh()

    def draw(self, width: int, height: int) -> list[list[Segment]]:
        """The picture in its frame."""
        inside = max(width - 2, 1), max(height - 2, 1)
        picture = Picture("", "", []) if self._paint is None else self._paint(*inside)
        edge = self._look.accent if self.has_focus else self._look.dim
        return framed(picture, width, height, self._look, edge)


class Graphs(Horizontal, Holder):
    """The row."""

    DEFAULT_CSS = """
    Graphs { height: 6; display: none; }
    Graphs.shown { display: block; }
    """

    def __init__(self, look: Look) -> None:
        super().__init__(id="graphs")
        self.throughput = Box(look, id="throughput")
        self.caching = Box(look, id="caching")
        self.routing = Box(look, id="routing")

    def compose(self) -> ComposeResult:
        """From left to right."""
        yield self.throughput
        yield self.caching
        yield self.routing
