"""A list of lines with a cursor, drawn line by line: only what can be seen is ever made.

Subclasses say how many lines there are and what each shows. Keys and the mouse move the cursor; nothing is drawn per
line that came, and no widget exists per line.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from dbmux.tui.look import Look


class Lines(ScrollView, can_focus=True):
    """The list. `cursor` is the number of a line."""

    DEFAULT_CSS = """
    Lines { height: 1fr; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", "down", show=False),
        Binding("k,up", "move(-1)", "up", show=False),
        Binding("g,home", "go(0)", "first", show=False),
        Binding("G,end", "go(-1)", "last", show=False),
        Binding("ctrl+d", "page(0.5)", "half a page down", show=False),
        Binding("ctrl+u", "page(-0.5)", "half a page up", show=False),
        Binding("pagedown", "page(1)", "a page down", show=False),
        Binding("pageup", "page(-1)", "a page up", show=False),
        Binding("enter", "choose", "open", show=False),
    ]

    class Moved(Message):
        """The cursor is on another line."""

    class Chosen(Message):
        """A line is to be opened."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.look = look
        self.cursor = 0

    @abstractmethod
    def count(self) -> int:
        """How many lines there are."""

    @abstractmethod
    def segments(self, at: int, width: int) -> list[Segment]:
        """What a line shows, in exactly so many cells."""

    def is_marked(self, at: int) -> bool:
        """Whether a line has a mark; each begins with a blank cell for it."""
        return False

    def head(self, width: int) -> list[Segment] | None:
        """What stands above the lines and does not move with them."""
        return None

    @property
    def breadth(self) -> int:
        """How many cells a line has, beside the scroll bar."""
        return self.scrollable_content_region.width

    @property
    def room(self) -> int:
        """How many lines can be seen."""
        return max(self.size.height - (self.head(self.breadth) is not None), 1)

    def show_changes(self) -> None:
        """There are other lines, or they say something else."""
        self.cursor = max(min(self.cursor, self.count() - 1), 0)
        self._measure()
        self.refresh()

    def move_to(self, at: int) -> None:
        """Put the cursor on a line, and have it seen."""
        self.cursor = max(min(at, self.count() - 1), 0)
        self._measure()
        top = int(self.scroll_offset.y)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= top + self.room:
            self.scroll_to(y=self.cursor - self.room + 1, animate=False, immediate=True)
        self.refresh()
        self.post_message(self.Moved())

    def _measure(self) -> None:
        has_head = self.head(self.breadth) is not None
        self.virtual_size = Size(self.breadth, self.count() + has_head)

    # What Textual asks and tells.

    def on_resize(self, event: events.Resize) -> None:
        """The window is another one."""
        self._measure()

    def render_line(self, y: int) -> Strip:
        """One line of what can be seen."""
        width = self.breadth
        head = self.head(width)
        if head is not None:
            if y == 0:
                return Strip(head, width)
            y -= 1
        at = y + int(self.scroll_offset.y)
        if at >= self.count():
            return Strip.blank(width, self.look.text)
        strip = Strip(self.segments(at, width), width)
        if self.is_marked(at):
            strip = Strip.join([Strip([Segment(self.look.signs.up, self.look.accent)]), strip.crop(1)])
        return strip.apply_style(self.look.cursor) if at == self.cursor and self.has_focus_within else strip

    def on_focus(self) -> None:
        """The cursor is drawn where the keys go."""
        self.refresh()

    def on_blur(self) -> None:
        """The keys go elsewhere."""
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """The mouse chooses a line; twice opens it."""
        y = event.y - (self.head(self.breadth) is not None)
        if y >= 0:
            self.move_to(y + int(self.scroll_offset.y))
            if event.chain == 2:
                self.post_message(self.Chosen())

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.move_to(self.cursor + by)

    def action_go(self, at: int) -> None:
        """To the first line, or with -1 to the last."""
        self.move_to(self.count() - 1 if at < 0 else at)

    def action_page(self, pages: float) -> None:
        """Move by so many pages."""
        self.move_to(self.cursor + int(pages * self.room))

    def action_choose(self) -> None:
        """Open the line."""
        self.post_message(self.Chosen())
