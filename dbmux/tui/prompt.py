"""One line at the bottom in which something is typed: a filter, a text to find, a command.

What was there before comes in, what was typed goes to whoever asked; an answer that is an error is shown below, and
the line stays open. Escape closes it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from dbmux.feed.filter.completion import Completion
from dbmux.feed.units import count
from dbmux.tui.header import Words
from dbmux.tui.look import Look

# What was typed goes there; what comes back is what is wrong with it, where it is more than one line first the place.
Typed = Callable[[str], Awaitable[str]]
# What could be typed at a place of a text.
Completes = Callable[[str, int], Completion]
MOST_SUGGESTED = 8
PROMPT_CELLS = 3


class Prompt(Vertical):
    """The line."""

    DEFAULT_CSS = """
    Prompt { height: auto; display: none; }
    Prompt.shown { display: block; }
    Prompt Horizontal { height: 1; }
    Prompt Input { height: 1; border: none; padding: 0; }
    Prompt #error { display: none; }
    Prompt.wrong #error { display: block; }
    Prompt #pointer { display: none; }
    Prompt.wrong #pointer { display: block; }
    Prompt #candidates { display: none; }
    Prompt.helping #candidates { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "close", show=False),
        Binding("up", "older", "what was typed before", show=False),
        Binding("down", "newer", "what was typed after", show=False),
        Binding("tab", "accept", "take what is suggested", show=False, priority=True),
    ]

    class Closed(Message):
        """Nothing is asked any more."""

    def __init__(self, look: Look) -> None:
        super().__init__(id="prompt")
        self._asked = Words(look, lambda look: look.accent, id="asked")
        self._input = Input(id="typed", select_on_focus=False, compact=True)
        self._error = Words(look, lambda look: look.bad, id="error")
        self._pointer = Words(look, lambda look: look.bad, id="pointer")
        self._suggested = Words(look, lambda look: look.dim, id="candidates")
        self._typed: Typed | None = None
        self._complete: Completes | None = None
        self._completion = Completion(0, ())
        self._history: list[str] = []
        self._place = 0

    def compose(self) -> ComposeResult:
        """The line; above it what could be typed, below it what is wrong and where."""
        yield self._suggested
        with Horizontal():
            yield self._asked
            yield self._input
        yield self._pointer
        yield self._error

    def ask(self, what: str, begin: str, typed: Typed, complete: Completes | None = None) -> None:
        """Open the line; `complete` says what could be typed."""
        self._typed = typed
        self._complete = complete
        self._asked.say(what)
        self._asked.styles.width = cell_len(what) + 2
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
            *pointed, told = error.splitlines()
            # The line itself stands above already.
            self._pointer.say(" " * PROMPT_CELLS + pointed[-1] if pointed else "")
            self._error.say(told)
            self.add_class("wrong")
            return
        if value and (not self._history or self._history[-1] != value):
            self._history.append(value)
        self.action_close()

    @on(Input.Changed)
    def _changed(self) -> None:
        self.remove_class("wrong")
        if self._complete is None:
            self.remove_class("helping")
            return
        self._completion = self._complete(self._input.value, self._input.cursor_position)
        told = [
            f"{one.text} {count(one.count)}" if one.count else one.text
            for one in self._completion.candidates[:MOST_SUGGESTED]
        ]
        self._suggested.say("tab  " + "   ".join(told) if told else "")
        self.set_class(bool(told), "helping")

    def action_accept(self) -> None:
        """Take the first thing that is suggested."""
        if not self._completion.candidates or self._complete is None:
            return
        value, cursor = self._input.value, self._input.cursor_position
        taken = value[: self._completion.start] + self._completion.candidates[0].text
        self._input.value = taken + value[cursor:]
        self._input.cursor_position = len(taken)

    def action_close(self) -> None:
        """Close it."""
        self.remove_class("shown", "wrong", "helping")
        self._complete = None
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
