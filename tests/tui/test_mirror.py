"""The page of mirrors: how they stand, their differences, both answers beside each other, and each key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Input

from dbmux.feed.feed import LOOKS_ONLY, Refused
from dbmux.tui.app import Interface, Leave
from dbmux.tui.pages.giving import Tools
from dbmux.tui.pages.mirror import rates
from tests.tui.hostile import TEXTS
from tests.tui.mirrors import ENTRY, HALTED, MIRRORED, NATIVE, REPORT, RUNNING, SAMPLE, WHY, answer
from tests.tui.scripted import NO_TOOLS, Scripted, look_at, screen, until_quiet, usual

# The mirrors stand by name: to `upgrade`, its differences, and the one that was seen less often.
TO_UPGRADE = ("5", "j")
TO_DIFFERENCES = (*TO_UPGRADE, "enter")
TO_ONE = (*TO_DIFFERENCES, "j", "enter")


def scripted(answers: Mapping[str, Any] | None = None, tools: Tools = NO_TOOLS) -> Scripted:
    return Scripted(usual(), answers={**MIRRORED, **(answers or {})}, tools=tools)


def after(*keys: str, feed: Scripted | None = None, size: tuple[int, int] = (110, 40)) -> str:
    """The screen after these keys, and what was said; a text of several words is typed."""
    return after_each(*keys, feed=feed, size=size)[-1]


def after_each(*keys: str, feed: Scripted | None, size: tuple[int, int]) -> list[str]:
    """The same after each of the keys."""
    told: list[str] = []

    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        for key in keys:
            if " " in key:
                app.query_one(Input).value = key
            else:
                await pilot.press(key)
            await until_quiet(pilot)
            told.append("\n".join([*screen(app), *(one.message for one in app._notifications)]))

    look_at(feed or scripted(), doing, size)
    return told


def one(**sample: Any) -> Scripted:
    """An engine with one difference, which has this sample."""
    told = ENTRY | {"samples": [SAMPLE | sample]}
    return scripted({"mirror.diff": lambda given: told if "id" in given else [ENTRY]})


ERROR = '{"error": {"number": 1054, "sqlstate": "42S22", "message": "no a"}}'
CUT = "only the first rows are kept: what is missing here may be among the others"
TO_THE_ONLY = (*TO_DIFFERENCES, "enter")


def test_without_mirrors_it_says_what_to_write() -> None:
    shown = after("5", feed=Scripted(usual()))

    assert "No mirrors configured." in shown
    assert '"mirrors": { "upgrade": { "from": "old", "to": "new" } }' in shown
    assert "dbmux help mirroring" in shown


def test_how_each_mirror_stands() -> None:
    copy, upgrade = after("5").splitlines()[4:6]

    assert copy.split()[:3] == ["copy", "✗", "halted"]
    assert " ".join(upgrade.split()) == "upgrade ● running old 10.11.16 new 9.4.0 12ms - - <100% 0.8% 3"


def test_a_target_that_replicates_by_itself_is_a_mirror_like_others() -> None:
    shown, refusal = after_each("5", "p", feed=scripted({"mirrors": [NATIVE]}), size=(110, 40))

    assert "1 of 1 running" in shown
    assert " ".join(shown.splitlines()[4].split()) == "upgrade ● native old 10.11.16 new 9.4.0 12ms - - <100% 0.8% 3"
    assert "by the servers themselves: the target is a replica" in shown
    assert "STOP REPLICA at new" in refusal


def test_what_came_of_writes_that_were_tried_out() -> None:
    writes = {"chosen": 12, "compared": 7, "different": 1, "not_compared": {"it has it": 3, "too many waited": 2}}
    told = REPORT | {"figures": REPORT["figures"] | {"writes": writes}}

    shown = after("5", feed=scripted({"mirror.report": told}))

    assert "7 tried out and compared, 1 different; of 5 the answer says nothing" in shown


def test_why_a_mirror_is_halted_is_told_in_full() -> None:
    shown = " ".join(after("5", size=(80, 24)).split())

    assert WHY in shown.replace(" why ", " ")


def test_what_is_known_of_the_mirror_under_the_cursor() -> None:
    shown = after(*TO_UPGRADE)

    for words in (
        "old 10.11.16-MariaDB-log to new 9.4.0",
        "binlog.000012:4711, committed ",
        "0-1-4711",
        "120,400 transactions, 480,912 rows",
        "12,000 compared: 95% the same, 4.7% as expected, 37 different; 0.8% could not be compared",
        "value 1 (seen 7), order 2 (seen 30)",
        "not safe to switch: 1 difference",
    ):
        assert words in " ".join(shown.split())


def test_rates_are_those_between_two_answers() -> None:
    later = RUNNING | {"transactions": 120_500, "rows": 481_112}

    assert rates([(10.0, RUNNING), (12.0, later)]) == {"transactions": 50.0, "rows": 100.0}


@pytest.mark.parametrize("answers", [[(10.0, RUNNING)], [(10.0, RUNNING), (10.1, RUNNING)]])
def test_a_moment_is_too_short_for_a_rate(answers: list[tuple[float, Any]]) -> None:
    assert rates(answers) is None


def test_a_mirror_that_began_anew_has_no_rate_below_nothing() -> None:
    assert rates([(0.0, RUNNING), (1.0, RUNNING | {"transactions": 0})]) == {"transactions": 0.0, "rows": 0.0}


def test_a_ledger_that_cannot_be_read_hides_nothing_else() -> None:
    shown = after(*TO_UPGRADE, feed=scripted({"mirror.report": Refused("the file is damaged")}))

    assert "● running" in shown
    assert "the file is damaged" in shown


def test_enter_opens_the_differences_of_the_mirror() -> None:
    feed = scripted()

    shown = after(*TO_DIFFERENCES, feed=feed)

    assert "differences of upgrade" in shown
    assert "value" in shown and "SELECT name FROM shop.items ORDER BY price" in shown
    assert ("mirror.diff", {"mirror": "upgrade", "state": "new"}) in feed.asked


def test_a_full_stop_shows_settled_ones_too() -> None:
    feed = scripted()

    after(*TO_DIFFERENCES, "full_stop", feed=feed)

    assert feed.orders("mirror.diff")[-1] == ("mirror.diff", {"mirror": "upgrade", "state": "all"})


def test_both_answers_stand_beside_each_other_and_what_differs_is_marked() -> None:
    lines = [" ".join(line.split()) for line in after(*TO_ONE).splitlines()]

    assert "SELECT id, total FROM shop.orders WHERE user_id = 8817" in lines
    assert "id 1 │ 1" in lines
    assert "!total '1.50' │ '1.5 '" in lines
    assert "!total NULL │ ''" in lines
    assert "1 row is the same on both sides" in lines


@pytest.mark.parametrize(
    ("sides", "line"),
    [
        ((answer([1, "a\tb\n"]), answer([1, "a b"])), "!total 'a\\tb\\n' │ 'a b'"),
        ((answer([1, "\\n"]), answer([1, "\n"])), "!total '\\\\n' │ '\\n'"),
        ((answer([1, "e\u0301"]), answer([1, "é"])), "!total 'e\\u0301' │ '\\xe9'"),
        ((answer([1, 2]), answer([1, "2"])), "!total 2 │ '2'"),
        ((answer([1, "x"]), answer()), "!total 'x' │"),
        ((answer(), answer([1, "x"])), "row 1 of those that differ, only at the target"),
        ((ERROR, answer()), "!answer error 1054 (42S22): no a │ 0 rows"),
        ((answer(columns=[["a", "int"]]), answer(columns=[["a", "bigint"]])), "!column 1 a int │ a bigint"),
        ((answer(warnings=[["Note", 1, "w"]]), answer()), "!warning Note 1: w │ none"),
        (("-> scan\n-> sort", "-> scan\n-> index"), "! -> sort │ -> index"),
        ((answer([1, "x"], count=40), answer([2, "x"], count=40)), CUT),
    ],
)
def test_each_thing_that_may_differ_is_shown(sides: tuple[str, str], line: str) -> None:
    shown = after(*TO_THE_ONLY, feed=one(source=sides[0], target=sides[1]))

    assert line in [" ".join(told.split()) for told in shown.splitlines()]


def test_what_is_long_goes_on_below() -> None:
    shown = after(*TO_THE_ONLY, feed=one(source=answer([1, "世" * 200]), target=answer([1, "b" * 300])))

    assert shown.count("世") == 200
    assert shown.count("b" * 20) >= 10


def test_rows_in_another_order_are_told_row_by_row() -> None:
    keys = (*TO_DIFFERENCES, "enter")

    lines = [" ".join(line.split()) for line in after(*keys).splitlines()]

    assert "!row 1 1, '1.50' │ 1, '1.5 '" in lines
    assert "row 2 2, 'tea' │ 2, 'tea'" in lines


@pytest.mark.parametrize(
    ("backs", "words"), [(1, "differences of upgrade"), (2, "1 of 2 running"), (3, "1 of 2 running")]
)
def test_escape_goes_back_one_level(backs: int, words: str) -> None:
    assert words in after(*TO_ONE, *["escape"] * backs)


@pytest.mark.parametrize("keys", [TO_DIFFERENCES, TO_ONE])
def test_accepting_asks_why_and_writes_the_rule(keys: tuple[str, ...]) -> None:
    feed = scripted()

    shown = after(*keys, "a", "nobody reads it", "enter", feed=feed)

    number = 12 if keys is TO_ONE else 9
    given = {"id": number, "why": "nobody reads it", "by": "me"}
    assert feed.orders("mirror.accept") == [("mirror.accept", given)]
    assert f"difference {number} is accepted; its rule is in the configuration" in shown


@pytest.mark.parametrize("last", ["enter", "escape"])
def test_nothing_is_accepted_without_a_reason(last: str) -> None:
    feed = scripted()

    after(*TO_ONE, "a", last, feed=feed)

    assert feed.orders("mirror.accept") == []


def test_after_the_reason_the_keys_go_back_to_where_they_were() -> None:
    assert "differences of upgrade" in after(*TO_ONE, "a", "escape", "escape")


def test_what_is_accepted_is_not_accepted_again() -> None:
    entry = ENTRY | {"state": "accepted", "why": "known", "settled_by": "ann", "samples": []}
    feed = scripted({"mirror.diff": lambda given: entry if "id" in given else [entry]})

    shown = after(*TO_DIFFERENCES, "a", feed=feed)

    assert "difference 12 is accepted already" in shown
    assert "accepted by ann: known" in shown


def test_a_refusal_to_accept_is_said_where_the_reason_was_typed() -> None:
    feed = scripted({"mirror.accept": Refused("there is no configuration file to write the rule into")})

    assert "no configuration file to write" in after(*TO_ONE, "a", "so it is", "enter", feed=feed)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (
            {"state": "new", "told": "difference 12: still different in 1 of 2 samples, it is new"},
            "still different in 1",
        ),
        (Refused("the reads of mirror upgrade are not compared now"), "are not compared now"),
    ],
)
def test_a_difference_is_run_again(told: Any, words: str) -> None:
    feed = scripted({"mirror.rerun": told})

    shown = after(*TO_ONE, "R", feed=feed)

    assert feed.orders("mirror.rerun") == [("mirror.rerun", {"id": 12})]
    assert words in shown


@pytest.mark.parametrize("key", ["a", "R"])
def test_among_mirrors_there_is_nothing_to_accept_or_to_run(key: str) -> None:
    feed = scripted()

    assert "Enter opens them" in after(*TO_UPGRADE, key, feed=feed)
    assert feed.orders("mirror.accept", "mirror.rerun") == []


@pytest.mark.parametrize("key", ["a", "R"])
def test_who_only_looks_is_refused_before_anything_is_typed(key: str) -> None:
    feed = scripted()
    feed.refusal = LOOKS_ONLY

    assert "this view only looks" in after(*TO_ONE, key, feed=feed)
    assert feed.orders("mirror.accept", "mirror.rerun") == []


@pytest.mark.parametrize(
    ("keys", "question", "order"),
    [
        (TO_UPGRADE, "Pause mirror upgrade? old must keep its log meanwhile.", ("mirror.pause", {"mirror": "upgrade"})),
        (("5",), "Let mirror copy go on from where other is?", ("mirror.resume", {"mirror": "copy"})),
    ],
)
def test_a_mirror_is_paused_or_goes_on_after_a_question(
    keys: tuple[str, ...], question: str, order: tuple[str, dict[str, Any]]
) -> None:
    asked, done, left = scripted(), scripted(), scripted()

    shown = after(*keys, "p", feed=asked)
    after(*keys, "p", "y", feed=done)
    after(*keys, "p", "n", feed=left)

    assert question in shown
    assert done.orders("mirror.pause", "mirror.resume") == [order]
    assert asked.orders("mirror.pause", "mirror.resume") == left.orders("mirror.pause", "mirror.resume") == []


def test_what_has_not_begun_does_not_go_on() -> None:
    feed = scripted({"mirrors": [HALTED | {"state": "not begun", "why": ""}]})

    assert "it has not begun: dbmux mirror start copy" in after("5", "p", feed=feed)
    assert feed.orders("mirror.resume") == []


@pytest.mark.parametrize(("keys", "text"), [(TO_DIFFERENCES, "SELECT name FROM"), (TO_ONE, "user_id = 8817")])
def test_the_statement_is_copied(keys: tuple[str, ...], text: str) -> None:
    taken: list[str] = []

    def copy(statement: str) -> str:
        taken.append(statement)
        return "pbcopy"

    shown = after(*keys, "c", feed=scripted(tools=Tools(edit=NO_TOOLS.edit, copy=copy)))

    assert [text in one for one in taken] == [True]
    assert "copied by pbcopy" in shown


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("width", [80, 160])
def test_hostile_texts_break_no_view(text: str, width: int) -> None:
    kept = text[:500]
    entry = ENTRY | dict.fromkeys(("text", "place", "source", "target", "settled_by", "why"), text)
    sides = {
        side: answer([kept, kept[::-1]], columns=[[kept, "int"], [kept, kept]], warnings=[["Note", 1, kept + side]])
        for side in ("source", "target")
    }
    sample = SAMPLE | {"statement": text, "user": kept, "state": {"schema": kept}, "settings": [kept], **sides}
    mirror = RUNNING | {"why": text, "gtid": text, "source_version": kept, "position": text}
    feed = scripted(
        {
            "mirrors": [mirror],
            "mirror.diff": lambda given: entry | {"samples": [sample]} if "id" in given else [entry],
        }
    )

    for shown in after_each("5", "enter", "enter", feed=feed, size=(width, 24)):
        assert [line for line in shown.splitlines() if not line.isprintable() or cell_len(line) > width] == []
