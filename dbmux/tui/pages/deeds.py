"""Doing things from the statement under the cursor: explain it, run it again, compare, copy, export, edit.

What is found out is shown in a screen of its own. The engine runs what is run, and refuses what is no read; texts with
arguments are made by the engine, which has them, so that it is the same for one that runs elsewhere.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from textual import work
from textual.binding import Binding, BindingType

from dbmux.feed.copy import Form, Target, copied
from dbmux.feed.feed import Lost, Refused
from dbmux.feed.results import comparison, explanation, rows
from dbmux.feed.row import Row
from dbmux.feed.units import many
from dbmux.sql.bind import NotBound
from dbmux.text import why
from dbmux.tui.choice import Choice
from dbmux.tui.editor import not_here
from dbmux.tui.pages.giving import GIVING, Giving
from dbmux.tui.question import Question
from dbmux.tui.result import ResultScreen

DEEDS = (
    ("x", "explain: the plan of the server that answered"),
    ("X", "explain analyze: the server runs it, after a question"),
    ("r", "run a read again, read-only, and show its rows"),
    ("D", "run it on two servers, and show what differs"),
    ("c C", "copy the SQL; with its arguments in it"),
    ("e E", "edit in $EDITOR, then explain; then run"),
    *GIVING,
)
# As what is copied, and what is made where the arguments are.
_FORMS = {
    Form.SQL: "SQL, as it was sent",
    Form.BOUND: "SQL, with its arguments",
    Form.MYSQL: "a mysql command line",
    Form.PYTHON: "Python, with PyMySQL",
    Form.JSON: "JSON",
    Form.CSV: "CSV",
    Form.MARKDOWN: "Markdown",
}
_MADE_BY_ENGINE = frozenset((Form.BOUND, Form.MYSQL, Form.PYTHON))
_NOWHERE = Target(host="127.0.0.1", port=3307)

Shown = Callable[[Mapping[str, Any]], list[str]]


class Deeds(Giving[Row]):
    """A page with a statement under its cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "explain", "explain", show=False),
        Binding("X", "analyze", "explain analyze", show=False),
        Binding("r", "rerun", "run again", show=False),
        Binding("D", "compare", "run on two servers", show=False),
        Binding("C", "copy('bound')", "copy with its arguments", show=False),
        Binding("e", "edit('explain')", "edit, then explain", show=False),
        Binding("E", "edit('run')", "edit, then run", show=False),
    ]

    @property
    @abstractmethod
    def row(self) -> Row | None:
        """The statement under the cursor."""

    # Asking servers.

    @work(exclusive=True, group="deed")
    async def action_explain(self) -> None:
        """The plan."""
        if (row := self.row) is not None:
            await self._show("explain", {"seq": row.seq}, explanation, f"plan of statement {row.seq}")

    @work(exclusive=True, group="deed")
    async def action_analyze(self) -> None:
        """The plan with what it did, once it was said how much that is."""
        if (row := self.row) is None:
            return
        if (told := await self._ask("explain", {"seq": row.seq})) is None:
            return
        estimate = told["estimated_rows"]
        told_rows = "an unknown number of rows" if estimate is None else f"about {many(int(estimate), 'row')} a step"
        if await self.app.push_screen_wait(
            Question(self.look, f"Run it on {told['backend']}? It looks at {told_rows}, by the server's estimate.")
        ):
            given = {"seq": row.seq, "analyze": True}
            await self._show("explain", given, explanation, f"analyzed plan of statement {row.seq}")

    @work(exclusive=True, group="deed")
    async def action_rerun(self) -> None:
        """Its rows."""
        if (row := self.row) is not None:
            await self._show("run", {"seq": row.seq}, rows, f"rows of statement {row.seq}")

    @work(exclusive=True, group="deed")
    async def action_compare(self) -> None:
        """Two servers' answers."""
        if (row := self.row) is None or (status := await self._ask("status", {})) is None:
            return
        names = [backend["name"] for backend in status["backends"]]
        if len(names) < 2:
            self.post_message(self.Said("there is one server, and nothing to compare it with"))
            return
        first = row.backend if row.backend in names else names[0]
        others = [name for name in names if name != first]
        chosen: int | None = 0
        if len(others) > 1:
            chosen = await self.app.push_screen_wait(Choice(self.look, f"Compare {first} with", others))
        if chosen is not None:
            given = {"seq": row.seq, "backends": [first, others[chosen]]}
            await self._show("compare", given, comparison, f"statement {row.seq} on {first} and {others[chosen]}")

    # Copying and writing.

    @property
    def forms(self) -> Mapping[Form, str]:
        """All there are."""
        return _FORMS

    async def as_text(self, form: Form, of: Sequence[Row]) -> str:
        """These statements; the engine makes what needs their arguments."""
        if form in _MADE_BY_ENGINE:
            told = await self.feed.ask("copy", {"seq": [row.seq for row in of], "form": str(form)})
            return str(told["text"])
        try:
            return await asyncio.to_thread(copied, form, of, _NOWHERE)
        except NotBound as error:
            raise Refused(str(error)) from error

    # Editing.

    @work(exclusive=True, group="deed")
    async def action_edit(self, then: str) -> None:
        """Edit the statement, then explain it or run it."""
        if (row := self.row) is None:
            return
        if refusal := self.feed.refusal or not_here(self.app):
            self.post_message(self.Said(refusal))
            return
        try:
            text = await self.as_text(Form.BOUND, [row])
        except (Refused, Lost):
            # What is there of it is better than nothing to a person who mends it.
            text = row.sql
        try:
            sql = self._tools.edit(self.app, text)
        except OSError as error:
            self.post_message(self.Said(why(error)))
            return
        if not sql:
            self.post_message(self.Said("nothing was left of it, and nothing is run"))
            return
        how = explanation if then == "explain" else rows
        await self._show(then, {"seq": row.seq, "sql": sql}, how, f"statement {row.seq}, edited")

    async def _ask(self, what: str, given: Mapping[str, Any]) -> Any:
        try:
            return await self.feed.ask(what, given)
        except (Refused, Lost) as error:
            self.post_message(self.Said(str(error)))
            return None

    async def _show(self, what: str, given: Mapping[str, Any], lines: Shown, title: str) -> None:
        if (told := await self._ask(what, given)) is None:
            return
        self.app.push_screen(ResultScreen(self.look, title, lines(told), self._copy_later))

    def _copy_later(self, text: str) -> None:
        self.run_worker(self.copy_text(text), group="copy", exclusive=True)
