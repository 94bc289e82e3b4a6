"""What is in force, where each value comes from, what of it has done nothing, and what was in force before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from dbmux.config.load import FILE_NAME
from dbmux.feed.feed import Feed, Lost, Refused
from dbmux.feed.units import many
from dbmux.feed.words import clock
from dbmux.tui.cells import Side
from dbmux.tui.facts import Facts
from dbmux.tui.header import Words
from dbmux.tui.lines import Lines
from dbmux.tui.look import Look
from dbmux.tui.page import Page
from dbmux.tui.table import Column, Record, Table


def _origin(one: Record) -> str:
    if not one["line"]:
        return "default" if one["is_default"] else "command line"
    return f"version {one['again']}:{one['line']}" if one["again"] else f"{Path(one['file']).name}:{one['line']}"


SETTINGS = (
    Column("SETTING", 38, lambda one: one["path"], lambda one: one["path"]),
    Column(
        "VALUE",
        0,
        lambda one: one["value"],
        lambda one: one["value"],
        style=lambda one, look: look.dim if one["is_default"] and not one["line"] else look.strong,
    ),
    Column("FROM", 20, _origin, lambda one: (not one["line"], one["line"])),
)
# Of settings that have done nothing, so many are told.
MOST_UNUSED = 4
VERSIONS = (
    Column("VERSION", 8, lambda one: f"v{one['version']}", lambda one: one["version"], Side.RIGHT),
    Column("SINCE", 12, lambda one: clock(one["at"]), lambda one: one["at"]),
    Column("CHANGES", 0, lambda one: "; ".join(one["changes"]) or "the first", lambda one: "; ".join(one["changes"])),
    Column("SOURCE", 24, lambda one: one["source"], lambda one: one["source"], least=110),
)


def _unused(found: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for one in found[:MOST_UNUSED]:
        place = f" ({Path(one['place']).name})" if one["place"] else ""
        yield "unused", f"{one['path']} {one['told']}{place}"
    if len(found) > MOST_UNUSED:
        yield "", f"and {len(found) - MOST_UNUSED} more; `dbmux status` tells all"


def _whole(name: str) -> Path:
    # The engine may run in another folder.
    return Path(name).expanduser().absolute()


class Config(Page):
    """The page: settings, and below them versions."""

    DEFAULT_CSS = """
    Config #versions { height: 6; }
    """
    name_: ClassVar[str] = "Config"
    hints: ClassVar[str] = "ctrl+e edit  ctrl+r reload  S save  U roll back  d defaults  tab next  ? help"
    help_: ClassVar[tuple[tuple[str, str], ...]] = (
        ("ctrl+e", "open the file in $EDITOR, at the setting under the cursor"),
        ("ctrl+r", "read the file again"),
        ("S", "write what is in force to a file, and follow that one from now on"),
        ("U", "put the version under the cursor in force again; asks first"),
        ("d", "with the defaults, or only what the file says"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("U", "roll_back", "roll back", show=False),
        # Elsewhere it turns a table round.
        Binding("S", "save", "save to a file", show=False, priority=True),
        Binding("d", "defaults", "defaults", show=False),
        Binding("ctrl+e", "edit", "edit", show=False),
    ]

    def __init__(self, feed: Feed, look: Look) -> None:
        super().__init__(feed, look)
        self._title = Words(look)
        self._settings = Table(look, SETTINGS, lambda one: one["path"], sort=2, id="settings")
        self._settings.nothing = "No file sets anything: d shows the defaults, S writes a file."
        self._versions = Table(look, VERSIONS, lambda one: one["version"], id="versions")
        self._facts = Facts(look)
        self._shows_defaults = False
        self.file = ""

    def compose(self) -> ComposeResult:
        """Settings, versions, problems."""
        yield self._title
        yield self._settings
        yield self._versions
        yield self._facts

    async def renew(self) -> None:
        """Look again."""
        now = (await self.feed.ask("status"))["config"]
        self.file = now["file"]
        found = await self.feed.ask("config")
        shown = [
            one | {"file": self.file, "again": now["again"]}
            for one in found
            if one["line"] or not one["is_default"] or self._shows_defaults
        ]
        self._settings.take(shown)
        self._versions.take(await self.feed.ask("config.versions"))
        state = many(len(now["problems"]), "problem") if now["problems"] else "valid"
        self._title.say(now["source"], f"version {now['version']}, {state}")
        problems = tuple(("problem", told) for told in now["problems"])
        self._facts.show("", (*problems, *_unused(await self.feed.ask("config.unused"))))

    async def action_defaults(self) -> None:
        """With or without defaults."""
        self._shows_defaults = not self._shows_defaults
        await self.renew()

    def action_roll_back(self) -> None:
        """Put a version in force again."""
        one = self._versions.record if self._versions.has_focus else None
        if one is None:
            versions = sorted(self._versions.records, key=lambda each: -each["version"])
            one = versions[1] if len(versions) > 1 else None
        if one is None:
            self.post_message(self.Said("there is no earlier version"))
            return
        question = f"Put version {one['version']} in force again? The file stays as it is."
        self.post_message(self.Order(question, "config.roll_back", {"version": one["version"]}))

    @on(Lines.Chosen)
    def _chosen(self) -> None:
        if self._versions.has_focus:
            self.action_roll_back()
        else:
            self.action_edit()

    def action_save(self) -> None:
        """Ask where what is in force is to be written to."""
        self.post_message(self.Ask("S:", f"./{FILE_NAME}", self._save))

    async def _save(self, name: str) -> str:
        file = _whole(name or FILE_NAME)
        given = {"file": str(file)}
        try:
            told = await self.feed.ask("config.save", given)
        except (Refused, Lost) as error:
            return str(error).partition("\n")[0]
        if told["written"]:
            self.post_message(self.Said(f"followed from now on: {file}"))
            await self.renew()
        else:
            question = f"Replace the file that is there already? {file}"
            self.post_message(self.Order(question, "config.save", given | {"replace": True}))
        return ""

    def action_edit(self) -> None:
        """Open the file at the setting under the cursor."""
        one = self._settings.record
        self.post_message(self.Edit(self.file, one["line"] if one is not None else 1))
