"""A list of lines with a cursor, drawn line by line: only what can be seen is ever made.

Subclasses say how many lines there are and what each shows. Keys and the mouse move the cursor; nothing is drawn per
line that came, and no widget exists per line. It scrolls by itself: a line that only moved is not made again, and
Textual has nothing to lay out or to style when lines come.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from dbmux.tui.drawn import cropped, finished
from dbmux.tui.look import Look

# So many lines does the wheel move.
WHEEL = 2
# Instead of a line's number: what stands above all of them.
HEAD = -1


class Lines(Widget, can_focus=True):
    """The list. `cursor` is the number of a line, `top` that of the first one that is seen."""

    DEFAULT_CSS = """
    Lines { width: 1fr; height: 1fr; background: $surface; }
    """
    ALLOW_SELECT = False
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
    # Lines that stand above the others and do not move with them: one, or none.
    heads: ClassVar[int] = 0

    class Moved(Message):
        """The cursor is on another line."""

    class Chosen(Message):
        """A line is to be opened."""

    def __init__(self, look: Look, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.look = look
        self.cursor = 0
        self.top = 0
        # What was drawn last, by its key and how it stood there; and what holds for all of it.
        self._drawn: dict[Hashable, Strip] = {}
        self._drawn_for: object = None

    @abstractmethod
    def count(self) -> int:
        """How many lines there are."""

    @abstractmethod
    def segments(self, at: int, width: int) -> list[Segment]:
        """What a line shows, in exactly so many cells."""

    def is_marked(self, at: int) -> bool:
        """Whether a line has a mark; each begins with a blank cell for it."""
        return False

    def key(self, at: int) -> Hashable:
        """What tells a line from all others that show something else, ever; None where nothing does."""
        return None

    def head(self, width: int) -> list[Segment]:
        """What stands above the lines."""
        return []

    def beyond(self, at: int, width: int) -> list[Segment]:
        """What is shown where there are no more lines."""
        return [Segment(" " * width, self.look.text)]

    @property
    def breadth(self) -> int:
        """How many cells a line has, beside the scroll bar."""
        return self.size.width - (self.count() > self.room)

    @property
    def room(self) -> int:
        """How many lines can be seen."""
        return max(self.size.height - self.heads, 1)

    def show_changes(self) -> None:
        """There are other lines, or they say something else."""
        self.cursor = max(min(self.cursor, self.count() - 1), 0)
        self.show_from(self.top)

    def show_from(self, top: int) -> None:
        """Show that line and those below it, as far as they fill the room."""
        self.top = max(min(top, self.count() - self.room), 0)
        self.refresh()

    def move_to(self, at: int) -> None:
        """Put the cursor on a line, and have it seen."""
        self.cursor = max(min(at, self.count() - 1), 0)
        self.show_from(max(min(self.top, self.cursor), self.cursor - self.room + 1))
        self.post_message(self.Moved())

    # What Textual asks and tells.

    def render_lines(self, crop: Region) -> list[Strip]:
        """What can be seen."""
        width, thumb, background = self.size.width, self._thumb(), self.background_colors[1]
        now = width, bool(thumb), self.look.theme, background
        before = self._drawn if self._drawn_for == now else {}
        self._drawn, self._drawn_for = {}, now
        filters, cursor = self.get_line_filters(), self.cursor if self.has_focus_within else HEAD
        strips: list[Strip] = []
        many = self.count()
        for y in crop.line_range:
            at = self.top + y - self.heads if y >= self.heads else HEAD
            key, is_marked = self.key(at), 0 <= at < many and self.is_marked(at)
            known = key, at == cursor, is_marked, y in thumb
            strip = before.get(known)
            if strip is None:
                told = self._told(at, width - bool(thumb))
                if is_marked:
                    told = [Segment(self.look.signs.up, self.look.accent), *Strip(told).crop(1)]
                if at == cursor != HEAD:
                    told = list(Segment.apply_style(told, self.look.cursor))
                if thumb:
                    told.append(Segment(" ", self.look.thumb if y in thumb else self.look.track))
                strip = finished(told, width, filters, background)
            if key is not None:
                self._drawn[known] = strip
            strips.append(strip)
        return cropped(strips, width, crop)

    def _told(self, at: int, width: int) -> list[Segment]:
        if at == HEAD:
            return self.head(width)
        return self.segments(at, width) if at < self.count() else self.beyond(at, width)

    def _thumb(self) -> range:
        # The cells of the scroll bar that stand for what can be seen; none where all of it can.
        many, height = self.count() + self.heads, self.size.height
        if many <= height:
            return range(0)
        size = max(height * height // many, 1)
        begin = round((height - size) * self.top / (many - height))
        return range(begin, begin + size)

    def on_resize(self, event: events.Resize) -> None:
        """The window is another one."""
        self.show_from(self.top)

    def on_focus(self) -> None:
        """The cursor is drawn where the keys go."""
        self.refresh()

    def on_blur(self) -> None:
        """The keys go elsewhere."""
        self.refresh()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel moves the lines and leaves the cursor where it is."""
        event.stop()
        self.show_from(self.top + WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The other way round."""
        event.stop()
        self.show_from(self.top - WHEEL)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """The scroll bar goes where the mouse takes it."""
        if event.x >= self.breadth:
            self.capture_mouse()
            self._pull(event.y)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """On its way."""
        if self.app.mouse_captured is self:
            self._pull(event.y)

    def on_mouse_up(self) -> None:
        """It is let go."""
        self.release_mouse()

    def _pull(self, y: int) -> None:
        self.show_from(round((self.count() - self.room) * y / max(self.size.height - 1, 1)))

    def on_click(self, event: events.Click) -> None:
        """The mouse chooses a line; twice opens it."""
        at = self.top + event.y - self.heads
        if event.y >= self.heads and event.x < self.breadth:
            self.move_to(at)
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
