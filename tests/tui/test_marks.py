"""Marking rows: what is marked is what is copied and written, is counted in the last line, and stays until Escape."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from dbmux.tui.app import Interface, Leave
from dbmux.tui.marks import MOST_MARKED, Marks
from dbmux.tui.pages.giving import Tools
from tests.tui.lines import batch, row
from tests.tui.scripted import Scripted, look_at, screen, settled, until_quiet, usual
from tests.tui.test_deeds import until_typed


class Clipboard:
    """Takes what is copied."""

    def __init__(self) -> None:
        self.text = ""
        self.tools = Tools(edit=lambda app, text: text, copy=self._take)

    def _take(self, text: str) -> str:
        self.text = text
        return "clip"


def after(*keys: str, feed: Scripted, file: Path | None = None) -> list[str]:
    """The screen after these keys; the file's name is typed where it is asked for."""
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

    look_at(feed, doing, (110, 34))
    return told


def three() -> Scripted:
    """Three statements."""
    return Scripted(batch(*(row(seq, sql=f"SELECT {seq}") for seq in range(3))))


class TestLive:
    """Statements."""

    def test_marked_rows_show_it_and_are_counted(self) -> None:
        shown = after("g", "space", "j", "j", "space", feed=three())

        assert [line[:1] for line in shown if "SELECT" in line][:3] == ["●", " ", "●"]
        assert shown[-1].endswith("2 marked, Esc clears")

    @pytest.mark.parametrize("keys", [("escape",), ("space",)], ids=["all", "this one"])
    def test_marks_go_again(self, keys: tuple[str, ...]) -> None:
        shown = after("g", "space", *keys, feed=three())

        assert "●" not in "".join(shown[2:])
        assert "marked" not in shown[-1]

    def test_what_is_marked_is_copied_in_the_order_of_marking(self) -> None:
        clipboard, feed = Clipboard(), three()
        feed.tools = clipboard.tools

        after("g", "j", "j", "space", "g", "space", "j", "c", feed=feed)

        assert clipboard.text == "SELECT 2;\nSELECT 0;\n"

    def test_the_engine_is_asked_for_all_that_are_marked(self) -> None:
        feed = three()
        feed.answers["copy"] = {"text": "SELECT 0;\nSELECT 1;\n"}

        after("g", "space", "j", "space", "C", feed=feed)

        assert feed.orders("copy") == [("copy", {"seq": [0, 1], "form": "bound"})]

    @pytest.mark.parametrize("marks, written", [((), [0, 1, 2]), (("g", "space", "j", "space"), [0, 1])])
    def test_what_is_marked_is_written_and_else_all(
        self, marks: tuple[str, ...], written: list[int], tmp_path: Path
    ) -> None:
        file = tmp_path / "rows.json"

        after(*marks, "w", "enter", feed=three(), file=file)

        assert [one["seq"] for one in json.loads(file.read_text())] == written

    def test_a_closed_transaction_is_marked_whole_and_each_of_its_statements_when_it_is_open(self) -> None:
        whole = after("g", "space", feed=Scripted(batch(*usual().rows[2:5])))
        opened = after("g", "space", "l", "j", "space", feed=Scripted(batch(*usual().rows[2:5])))

        assert whole[-1].endswith("3 marked, Esc clears")
        assert [line[:1] for line in whole if "▸ tx" in line] == ["●"]
        assert opened[-1].endswith("2 marked, Esc clears")
        assert [line[:1] for line in opened if "▾ tx" in line or " │ " in line] == [" ", " ", "●", "●"]

    def test_what_is_no_statement_has_no_mark(self) -> None:
        feed = Scripted(replace(usual(), rows=()))

        shown = after("g", "space", feed=feed)

        assert "marked" not in shown[-1]

    def test_marks_stay_when_the_filter_changes_and_go_with_the_engine(self) -> None:
        other, told = three(), list[str]()
        other.hello = replace(other.hello, pid=43)

        async def doing(pilot: Pilot[Leave], app: Interface) -> None:
            await pilot.press("g", "space", "asterisk")
            await settled(pilot)
            told.append(screen(app)[-1])
            await app.adopt(other)
            await settled(pilot)
            told.append(screen(app)[-1])

        look_at(three(), doing, (110, 34))

        assert ["marked" in line for line in told] == [True, False]


class TestTop:
    """Kinds of statements."""

    def test_marked_kinds_are_counted_on_their_page_alone(self) -> None:
        shown = after("2", "space", "j", "space", feed=Scripted(usual()))
        elsewhere = after("2", "space", "1", feed=Scripted(usual()))

        assert [line[:1] for line in shown if "% " in line and "▸" not in line][-2:] == ["●", "●"]
        assert shown[-1].endswith("2 marked, Esc clears")
        assert "marked" not in elsewhere[-1]

    @pytest.mark.parametrize(
        "keys, copied",
        [
            (("c",), "SELECT * FROM orders WHERE user_id = ?"),
            (("j", "space", "k", "c"), "UPDATE stock SET qty = qty - ? WHERE sku = ?"),
            (
                ("space", "j", "space", "c"),
                "SELECT * FROM orders WHERE user_id = ?\nUPDATE stock SET qty = qty - ? WHERE sku = ?",
            ),
        ],
    )
    def test_kinds_are_copied(self, keys: tuple[str, ...], copied: str) -> None:
        clipboard, feed = Clipboard(), Scripted(usual())
        feed.tools = clipboard.tools

        after("2", *keys, feed=feed)

        assert clipboard.text == copied

    def test_kinds_are_copied_as_a_table(self) -> None:
        clipboard, feed = Clipboard(), Scripted(usual())
        feed.tools = clipboard.tools

        after("2", "j", "space", "y", "4", feed=feed)

        *_, line = clipboard.text.splitlines()
        assert line == "| 28% | 100 | 56ms | 90ms | 100 | 0 | 0% | `UPDATE stock SET qty = qty - ? WHERE sku = ?` |"

    @pytest.mark.parametrize("name", ["top.json", "top.csv", "top.md"])
    def test_kinds_are_written(self, name: str, tmp_path: Path) -> None:
        file = tmp_path / name

        after("2", "w", "enter", feed=Scripted(usual()), file=file)

        assert "UPDATE stock" in file.read_text()

    def test_forms_that_need_arguments_are_not_offered(self, tmp_path: Path) -> None:
        shown = "\n".join(after("2", "w", "enter", feed=Scripted(usual()), file=tmp_path / "top.py"))

        assert "its name must end in one of .json, .csv, .md" in shown


class TestMarks:
    """The marks themselves."""

    def test_there_are_not_more_than_so_many(self) -> None:
        marks: Marks[int] = Marks()

        fits = [marks.toggle([(number, number)]) for number in range(MOST_MARKED + 1)]

        assert fits == [True] * MOST_MARKED + [False]
        assert len(marks) == MOST_MARKED

    def test_some_that_are_marked_in_part_are_marked_whole_and_then_no_more(self) -> None:
        marks: Marks[str] = Marks()
        marks.toggle([(1, "a")])

        marks.toggle([(1, "a"), (2, "b")])
        whole = marks.things()
        marks.toggle([(1, "a"), (2, "b")])

        assert (whole, marks.things()) == (["a", "b"], [])

    def test_nothing_is_marked_by_marking_nothing(self) -> None:
        marks: Marks[str] = Marks()

        assert marks.toggle([])
        assert len(marks) == 0

    def test_what_is_marked_says_what_it_says_by_now(self) -> None:
        marks: Marks[str] = Marks()
        marks.toggle([(1, "then")])

        marks.renew(1, "now")
        marks.renew(2, "other")

        assert marks.things() == ["now"]
