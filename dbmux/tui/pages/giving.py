"""Giving away what a page shows: to the clipboard, or to a file.

What is given is what is marked, else what is under the cursor; to a file, else all that is shown.
"""

from __future__ import annotations

import asyncio
import os
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType

from dbmux.feed.copy import Form
from dbmux.feed.feed import Feed, Lost, Refused
from dbmux.feed.units import count, many
from dbmux.owned import Existing, write
from dbmux.text import why
from dbmux.tui import clipboard
from dbmux.tui.choice import Choice
from dbmux.tui.editor import edited
from dbmux.tui.export import FORMS, form_of, named
from dbmux.tui.look import Look
from dbmux.tui.page import Page
from dbmux.tui.question import Question

T = TypeVar("T")

GIVING = (
    ("space", "mark it for c, C, y and w, or no more; Esc: none"),
    ("y", "copy as JSON, CSV, Markdown and more"),
    ("w", "write what is marked, or all, to a file"),
)


@dataclass(frozen=True, slots=True)
class Tools:
    """What is around the interface: an editor, and programs that take a text for the clipboard."""

    edit: Callable[[App[Any], str], str]
    copy: Callable[[str], str]


def _copied(text: str) -> str:
    return clipboard.copy(text, os.environ, clipboard.found, clipboard.ran)


TOOLS = Tools(edited, _copied)


class Copying(Page):
    """A page of which something can be copied."""

    def __init__(self, feed: Feed, look: Look, tools: Tools = TOOLS) -> None:
        super().__init__(feed, look)
        self._tools = tools

    async def copy_text(self, text: str) -> None:
        """Give a text to the clipboard, and say whose."""
        # Who looks from elsewhere has another clipboard.
        program = "" if self.app.is_web else await asyncio.to_thread(self._tools.copy, text)
        if program:
            self.post_message(self.Said(f"copied by {program}"))
        elif len(text) > clipboard.MOST_BY_TERMINAL:
            self.post_message(self.Said("no program for the clipboard is here, and terminals take no text so long"))
        else:
            self.app.copy_to_clipboard(text)
            self.post_message(self.Said("given to the terminal (OSC 52); not all of them put it into the clipboard"))


class Giving(Copying, Generic[T]):
    """A page with things that can be marked and given away. `forms` are those of the clipboard, with their names."""

    file_name: ClassVar[str] = "dbmux-rows.json"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "mark", show=False),
        Binding("escape", "unmark", "mark nothing", show=False),
        Binding("c", "copy('sql')", "copy the SQL", show=False),
        Binding("y", "copy_as", "copy as", show=False),
        Binding("w", "export", "write to a file", show=False),
    ]

    @property
    @abstractmethod
    def forms(self) -> Mapping[Form, str]:
        """As what it can be copied."""

    @abstractmethod
    def chosen(self) -> Sequence[T]:
        """What is marked, else what is under the cursor."""

    @abstractmethod
    def offered(self) -> Sequence[T]:
        """What is marked, else all that is shown."""

    @abstractmethod
    async def as_text(self, form: Form, of: Sequence[T]) -> str:
        """These as text; raises Refused and Lost."""

    @abstractmethod
    def toggle_mark(self) -> bool:
        """Mark what is under the cursor, or no more; whether there was room."""

    @abstractmethod
    def clear_marks(self) -> None:
        """Nothing is marked."""

    @abstractmethod
    def count_marks(self) -> int:
        """How many things are marked."""

    # Marking.

    def action_mark(self) -> None:
        """Mark it, or no more."""
        if not self.toggle_mark():
            self.post_message(self.Said("so many are marked that no more can be: Esc clears"))
        self.tell_marks()

    def action_unmark(self) -> None:
        """Mark nothing."""
        self.clear_marks()
        self.tell_marks()

    def tell_marks(self) -> None:
        """Say in the last line how many are marked."""
        marked = self.count_marks()
        self.foot = f"{count(marked)} marked, Esc clears" if marked else ""
        self.post_message(self.Footed())

    # Copying.

    @work(exclusive=True, group="deed")
    async def action_copy(self, form: str) -> None:
        """Copy it in a form."""
        await self._copy_chosen(Form(form))

    @work(exclusive=True, group="deed")
    async def action_copy_as(self) -> None:
        """Copy it in a form that is asked for."""
        if not self.chosen():
            return
        forms = self.forms
        chosen = await self.app.push_screen_wait(Choice(self.look, "Copy as", list(forms.values())))
        if chosen is not None:
            await self._copy_chosen(list(forms)[chosen])

    async def _copy_chosen(self, form: Form) -> None:
        if not (of := self.chosen()):
            return
        try:
            text = await self.as_text(form, of)
        except (Refused, Lost) as error:
            self.post_message(self.Said(str(error)))
            return
        await self.copy_text(text)

    # Writing.

    def action_export(self) -> None:
        """Ask for the file's name."""
        if self.app.is_web and self.feed.refusal:
            # The file would be on the machine that is looked at.
            self.post_message(self.Said(self.feed.refusal))
            return
        self.post_message(self.Ask("w:", self.file_name, self._export))

    async def _export(self, name: str) -> str:
        path = named(name)
        form = form_of(path)
        if form is None or form not in self.forms:
            return f"its name must end in one of {', '.join(end for end, one in FORMS.items() if one in self.forms)}"
        of = self.offered()
        try:
            text = await self.as_text(form, of)
            await asyncio.to_thread(write, path, text, Existing.KEEP)
        except FileExistsError:
            self._replace(path, text, len(of))
            return ""
        except OSError as error:
            return why(error)
        except (Refused, Lost) as error:
            return str(error)
        self._written(path, len(of))
        return ""

    @work(exclusive=True, group="deed")
    async def _replace(self, path: Path, text: str, rows: int) -> None:
        if not await self.app.push_screen_wait(Question(self.look, f"{path} is there already. Replace it?")):
            return
        try:
            await asyncio.to_thread(write, path, text, Existing.REPLACE)
        except OSError as error:
            self.post_message(self.Said(why(error)))
            return
        self._written(path, rows)

    def _written(self, path: Path, rows: int) -> None:
        self.post_message(self.Said(f"{many(rows, 'row')} in {path}"))
