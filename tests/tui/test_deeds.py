"""Doing things from the statement under the cursor, key by key."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from dbmux.feed.feed import Refused
from dbmux.tui.app import Interface, Leave
from dbmux.tui.pages.giving import Tools
from dbmux.tui.prompt import Prompt
from tests.tui.hostile import TEXTS
from tests.tui.scripted import ANSWERS, NO_TOOLS, Scripted, look_at, screen, until_quiet, usual

SIDE: dict[str, Any] = {
    "backend": "db1",
    "server": "MySQL 9.4.0",
    "user": "app",
    "rights": "the rights of app",
    "schema": "shop",
    "sql": "SELECT a, b FROM t",
    "columns": [{"name": "a", "type": "int"}, {"name": "b", "type": "varchar"}],
    "rows": [[1, "tea"], [2, None]],
    "cut": False,
    "warnings": [{"level": "Note", "code": 1003, "message": "rewritten"}],
    "seconds": 0.012,
}
EXPLAINED = SIDE | {
    "analyze": False,
    "form": "tree",
    "text": "-> Table scan on t  (rows=1200)\n    -> under it",
    "plan": None,
    "estimated_rows": 1200.0,
}
COMPARED = {
    "equal": False,
    "ordered": False,
    "cut": False,
    "columns": True,
    "warnings": True,
    "rows": [{"row": None, "first": [1, "tea"], "second": None}],
    "sides": [SIDE | {"plan": "-> first"}, SIDE | {"backend": "db2", "plan": "-> second"}],
}
ANSWERED = {"explain": EXPLAINED, "run": SIDE, "compare": COMPARED, "copy": {"text": "SELECT 1 /* bound */"}}


def scripted(tools: Tools = NO_TOOLS, **answers: Any) -> Scripted:
    return Scripted(usual(), answers={**ANSWERED, **answers}, tools=tools)


def after(*keys: str, feed: Scripted | None = None, file: Path | None = None) -> str:
    """The screen after these keys, and what was said; the file's name is typed where it is asked for."""
    told: list[str] = []

    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        for key in keys:
            await pilot.press(key)
            await until_quiet(pilot)
            if key == "w":
                app.query_one(Input).value = str(file)
            elif key == "enter" and file is not None:
                await until_typed(pilot)
        told.extend(screen(app))
        told.extend(notification.message for notification in app._notifications)

    look_at(feed or scripted(), doing, (130, 34))
    return "\n".join(told)


async def until_typed(pilot: Pilot[Leave]) -> None:
    """Until what was typed was taken, or refused."""
    prompt = pilot.app.query_one(Prompt)
    while prompt.has_class("shown") and not prompt.has_class("wrong"):
        await pilot.pause(0.001)
    await until_quiet(pilot)


def clipboard(taken: list[str]) -> Tools:
    """A program that takes every text."""

    def copy(text: str) -> str:
        taken.append(text)
        return "pbcopy"

    return Tools(edit=NO_TOOLS.edit, copy=copy)


@pytest.mark.parametrize(
    ("key", "question", "words"),
    [
        ("x", "explain", ("plan of statement 7", "db1 (MySQL 9.4.0), with the rights of app", "Table scan on t")),
        ("r", "run", ("rows of statement 7", "2 rows in 12ms", "2  NULL", "Note 1003: rewritten")),
        ("D", "compare", ("statement 7 on db1 and db2", "DIFFERENT", "only here: 1, tea", "-> first", "-> second")),
    ],
)
def test_what_was_found_out_is_shown(key: str, question: str, words: tuple[str, ...]) -> None:
    feed = scripted()

    shown = after(key, feed=feed)

    assert [word for word in words if word not in shown] == []
    assert [given["seq"] for _, given in feed.orders(question)] == [7]


def test_a_result_is_left_by_escape() -> None:
    shown = after("x", "escape")

    assert "plan of statement" not in shown
    assert "SELECT * FROM products" in shown


def test_a_plan_is_analyzed_only_after_a_question_that_names_the_rows() -> None:
    feed = scripted()

    asked = after("X", feed=feed)

    assert "about 1,200 rows a step" in asked
    assert [given.get("analyze") for _, given in feed.orders("explain")] == [None]


@pytest.mark.parametrize(("answer", "analyzed"), [("y", [None, True]), ("n", [None])])
def test_the_answer_decides_about_analyzing(answer: str, analyzed: list[bool | None]) -> None:
    feed = scripted()

    after("X", answer, feed=feed)

    assert [given.get("analyze") for _, given in feed.orders("explain")] == analyzed


def test_what_the_engine_refuses_is_said() -> None:
    assert "only reads are run" in after("r", feed=scripted(run=Refused("only reads are run from here")))


@pytest.mark.parametrize("key", ["e", "E"])
def test_who_only_looks_is_not_made_to_edit_in_vain(key: str) -> None:
    feed = scripted()
    feed.refusal = "this view only looks"

    seen = after(key, feed=feed)

    assert "this view only looks" in seen
    assert "read-only" in seen.splitlines()[0]
    assert feed.orders("explain", "run", "copy") == []


def test_one_server_is_not_compared() -> None:
    status = ANSWERS["status"] | {"backends": [{"name": "db1", "state": "up", "error": ""}]}

    assert "nothing to compare it with" in after("D", feed=scripted(status=status))


def test_of_many_servers_one_is_chosen() -> None:
    backends = [{"name": name, "state": "up", "error": ""} for name in ("db1", "db2", "db3")]
    feed = scripted(status=ANSWERS["status"] | {"backends": backends})

    shown = after("D", feed=feed)
    after("D", "2", feed=feed)

    assert "Compare db1 with" in shown
    assert [given["backends"] for _, given in feed.orders("compare")] == [["db1", "db3"]]


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (("c",), "INSERT INTO coupons (code) VALUES ('x')"),
        (("C",), "SELECT 1 /* bound */"),
        (("y", "3"), "SELECT 1 /* bound */"),
        (("y", "j", "j", "enter"), "SELECT 1 /* bound */"),
        (("x", "y"), "Table scan on t"),
    ],
)
def test_texts_are_copied(keys: tuple[str, ...], text: str) -> None:
    taken: list[str] = []

    shown = after(*keys, feed=scripted(clipboard(taken)))

    assert len(taken) == 1 and text in taken[0]
    assert "copied by pbcopy" in shown


def test_arguments_are_put_in_by_the_engine() -> None:
    feed = scripted()

    after("C", feed=feed)

    assert feed.orders("copy") == [("copy", {"seq": [7], "form": "bound"})]


def test_without_a_program_the_terminal_is_given_the_text() -> None:
    assert "given to the terminal (OSC 52)" in after("c")


def test_shown_rows_are_written_to_a_file_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"

    shown = after("w", "enter", file=file)

    assert len(json.loads(file.read_text())) == 8
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "8 rows in" in shown


@pytest.mark.parametrize(("answer", "is_kept"), [("n", True), ("y", False)])
def test_a_file_that_is_there_is_replaced_only_after_a_question(tmp_path: Path, answer: str, is_kept: bool) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("mine")

    after("w", "enter", answer, file=file)

    assert (file.read_text() == "mine") == is_kept


def test_a_file_of_no_known_form_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "rows.xls"

    assert "its name must end in one of .json" in after("w", "enter", file=file)
    assert not file.exists()


@pytest.mark.parametrize(("key", "question"), [("e", "explain"), ("E", "run")])
def test_an_edited_statement_is_explained_or_run(key: str, question: str) -> None:
    feed = scripted(Tools(edit=lambda app, text: text.replace("bound", "edited"), copy=NO_TOOLS.copy))

    shown = after(key, feed=feed)

    assert feed.orders(question) == [(question, {"seq": 7, "sql": "SELECT 1 /* edited */"})]
    assert "statement 7, edited" in shown


def test_nothing_is_run_of_what_was_deleted_in_the_editor() -> None:
    feed = scripted(Tools(edit=lambda app, text: "", copy=NO_TOOLS.copy))

    shown = after("E", feed=feed)

    assert "nothing is run" in shown
    assert feed.orders("run") == []


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_values_break_no_screen(text: str) -> None:
    side = SIDE | {"rows": [[text, 1]], "columns": [{"name": text, "type": "int"}, {"name": "b", "type": "int"}]}

    shown = after("r", feed=scripted(run=side | {"warnings": [{"level": "Note", "code": 1, "message": text}]}))

    assert "rows of statement 7" in shown
    assert not any(one < " " and one != "\n" for one in shown)
