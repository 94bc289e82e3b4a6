"""Keys: each has help, none means two things in one place, none is one that terminals take, and docs/tui.md has all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.dom import DOMNode

from dbmux.tui.app import Interface
from dbmux.tui.choice import Choice
from dbmux.tui.help import Help
from dbmux.tui.leaving import Leaving
from dbmux.tui.lines import Lines
from dbmux.tui.page import Page
from dbmux.tui.pages import PAGES
from dbmux.tui.pages.deeds import Deeds
from dbmux.tui.pages.giving import Giving
from dbmux.tui.pages.live import Live, StreamView
from dbmux.tui.prompt import Prompt
from dbmux.tui.question import Question
from dbmux.tui.result import ResultLines, ResultScreen
from dbmux.tui.table import Table

SCOPES: tuple[type[DOMNode], ...] = (
    *(Interface, Page, Lines, Table, StreamView, Prompt, Help, Leaving, Question),
    *(Choice, ResultScreen, ResultLines, Giving, Deeds),
    *PAGES,
)
# Taken by editors and multiplexers, or stopping the terminal, or not sent by many.
UNSAFE = {"ctrl+q", "ctrl+s", "ctrl+enter"}
DOCUMENTED = (Path(__file__).parents[2] / "docs" / "tui.md").read_text(encoding="utf-8")
_NAMED = {"question_mark": "?", "slash": "/", "full_stop": ".", "asterisk": "*", "underscore": "_", "backslash": "\\"}
_NAMED |= {"left_square_bracket": "[", "right_square_bracket": "]", "f1": "F1", "escape": "Esc"}


def bindings(scope: type[DOMNode]) -> list[Binding]:
    """Those that it has itself."""
    return list(Binding.make_bindings(scope.__dict__.get("BINDINGS", ())))


@pytest.mark.parametrize("scope", SCOPES)
def test_every_key_says_what_it_does(scope: type[DOMNode]) -> None:
    assert [one.key for one in bindings(scope) if not one.description] == []


@pytest.mark.parametrize("scope", SCOPES)
def test_no_key_means_two_things_in_one_place(scope: type[DOMNode]) -> None:
    keys = [one.key for one in bindings(scope)]

    assert sorted(keys) == sorted(set(keys))


@pytest.mark.parametrize("scope", SCOPES)
def test_no_action_needs_a_key_that_terminals_keep(scope: type[DOMNode]) -> None:
    keys: dict[str, set[str]] = {}
    for one in bindings(scope):
        keys.setdefault(one.action, set()).add(one.key)

    assert [action for action, some in keys.items() if some <= UNSAFE] == []


@pytest.mark.parametrize("page", PAGES)
def test_no_key_of_a_page_hides_one_that_holds_everywhere(page: type[Page]) -> None:
    everywhere = {one.key for one in (*bindings(Interface), *bindings(Page))}

    own = {one.key for one in bindings(page)}

    assert own & everywhere == set()
    for kind in (Giving, Deeds):
        assert not issubclass(page, kind) or own & {one.key for one in bindings(kind)} == set()


@pytest.mark.parametrize("page", PAGES)
def test_the_table_of_a_page_has_its_keys_and_no_other(page: type[Page]) -> None:
    row = re.search(rf"^\| {page.name_} \| (`.*) \|$", DOCUMENTED, re.MULTILINE)
    told = set(re.findall(r"`([^`]+)`", row[1])) if row else set()
    keys = {shown(one.key) for one in bindings(page)}
    if page is Live:
        # Transactions are opened in the stream, and the filter stands with the keys that hold everywhere.
        keys = keys - {"\\"} | {"l"}

    assert told == keys


def test_the_keys_that_hold_everywhere_are_documented() -> None:
    table = DOCUMENTED.partition("### Keys everywhere")[2].partition("### Keys of a page")[0]
    told = set(re.findall(r"`([^`]+)`", table))
    keys = {shown(one.key) for one in (*bindings(Interface), *bindings(Page), *bindings(Table))}

    assert keys - set("12345678") - {"ctrl+c"} - told == set()


def shown(key: str) -> str:
    """A key as people write it."""
    return _NAMED.get(key, key)
