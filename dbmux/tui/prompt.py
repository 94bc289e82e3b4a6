"""One line at the bottom in which something is typed: a filter, a text to find, a command.

What was there before comes in, what was typed goes to whoever asked; an answer that is an error is shown below, and
the line stays open. Escape closes it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from dbmux.tui.header import Words
from dbmux.tui.look import Look

Typed = Callable[[str], Awaitable[str]]


class Prompt(Vertical):
    """The line."""

    DEFAULT_CSS = """
    Prompt { height: auto; display: none; }
    Prompt.shown { display: block; }
    Prompt Horizontal { height: 1; }
    Prompt #asked { width: 4; }
    Prompt Input { height: 1; border: none; padding: 0; }
    Prompt #error { display: none; }
    Prompt.wrong #error { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close", show=False),
        Binding("up", "older", "what was typed before", show=False),
        Binding("down", "newer", "what was typed after", show=False),
    ]

    class Closed(Message):
        """Nothing is asked any more."""

    def __init__(self, look: Look) -> None:
        super().__init__(id="prompt")
        self._asked = Words(look, lambda look: look.accent, id="asked")
        self._input = Input(id="typed", select_on_focus=False, compact=True)
        self._error = Words(look, lambda look: look.bad, id="error")
        self._typed: Typed | None = None
        self._history: list[str] = []
        self._place = 0

    def compose(self) -> ComposeResult:
        """The line, and below it what is wrong."""
        yield self._error
        with Horizontal():
            yield self._asked
            yield self._input

    def ask(self, what: str, begin: str, typed: Typed) -> None:
        """Open the line."""
        self._typed = typed
        self._asked.say(what)
        self._input.value = begin
        self._input.cursor_position = len(begin)
        self._place = len(self._history)
        self.remove_class("wrong")
        self.add_class("shown")
        self._input.focus()

    async def submit(self) -> None:
        """Give what was typed to whoever asked."""
        value = self._input.value.strip()
        error = "" if self._typed is None else await self._typed(value)
        if error:
            self._error.say(error.replace("\n", "  "))
            self.add_class("wrong")
            return
        if value and (not self._history or self._history[-1] != value):
            self._history.append(value)
        self.action_close()

    def action_close(self) -> None:
        """Close it."""
        self.remove_class("shown")
        self.post_message(self.Closed())

    def action_older(self) -> None:
        """What was typed before."""
        self._recall(-1)

    def action_newer(self) -> None:
        """What was typed after that."""
        self._recall(1)

    def _recall(self, step: int) -> None:
        self._place = max(min(self._place + step, len(self._history)), 0)
        self._input.value = self._history[self._place] if self._place < len(self._history) else ""
        self._input.cursor_position = len(self._input.value)
