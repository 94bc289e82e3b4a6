"""Whether it is safe to switch, and what to change first."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dbmux.differences import DifferenceKind as K
from dbmux.mirror.ledger import Entry, Sample, State
from dbmux.mirror.report import (
    ADVICE,
    MOST_PLAN_LINES,
    Verdict,
    as_json_told,
    explained,
    markdown,
    not_compared_percent,
    report,
)

RUNS = {"state": "running", "why": "", "delay_seconds": 0.1}
GOOD: dict[str, Any] = {
    "chosen": 5000, "compared": 5000, "same": 5000, "digests": 40, "not_compared": {}, "standing": RUNS,
}  # fmt: skip


def entry(number: int, kind: K = K.VALUE, state: State = State.NEW, count: int = 1, text: str = "SELECT ?") -> Entry:
    return Entry(
        id=number, mirror="upgrade", digest=f"d{number}", kind=kind, text=text, state=state, count=count,
        first_seen=1.0, last_seen=2.0, place="", source="1", target="2", settled_by="", settled_at=0.0, why="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("figures", "entries", "forgotten", "verdict", "reason"),
    [
        (GOOD, [], 0, Verdict.SAFE, "5000 reads compared, and nothing that an application notices differs"),
        (GOOD, [entry(1, K.COLUMN_LENGTH)], 0, Verdict.SAFE, "5000 reads compared"),
        (GOOD, [entry(1)], 0, Verdict.NOT_SAFE, "1 difference that an application gets wrong data or errors from"),
        (GOOD, [entry(1, K.ERROR_AT_TARGET), entry(2)], 0, Verdict.NOT_SAFE, "2 differences"),
        (GOOD, [entry(1, state=State.ACCEPTED), entry(2, state=State.REPAIRED)], 0, Verdict.SAFE, "5000 reads"),
        (GOOD | {"standing": RUNS | {"state": "native"}}, [], 0, Verdict.SAFE, "5000 reads"),
        (
            GOOD | {"standing": RUNS | {"state": "halted", "why": "no row"}},
            [],
            0,
            Verdict.NOT_YET,
            "the mirror is halted: no",
        ),
        (GOOD | {"standing": RUNS | {"state": "paused"}}, [], 0, Verdict.NOT_YET, "the mirror is paused"),
        (GOOD | {"standing": RUNS | {"delay_seconds": None}}, [], 0, Verdict.NOT_YET, "how far the target is behind"),
        (GOOD | {"standing": RUNS | {"delay_seconds": 61.0}}, [], 0, Verdict.NOT_YET, "the target is 61 s behind"),
        (GOOD | {"standing": {}}, [], 0, Verdict.NOT_YET, "how the mirror stands is not known"),
        ({}, [], 0, Verdict.NOT_YET, "no read was compared yet"),
        ({}, [entry(1)], 0, Verdict.NOT_SAFE, "1 difference"),
        (GOOD | {"compared": 999}, [], 0, Verdict.NOT_YET, "only 999 reads were compared"),
        (GOOD | {"not_compared": {"written": 300}}, [], 0, Verdict.NOT_YET, "5.7 % of the chosen reads could not"),
        (GOOD | {"not_compared": {"written": 200}}, [], 0, Verdict.SAFE, "5000 reads"),
        (GOOD, [], 3, Verdict.NOT_YET, "3 differences had no more room in the ledger"),
    ],
)
def test_it_is_safe_or_not_for_a_reason(
    figures: dict[str, Any], entries: list[Entry], forgotten: int, verdict: Verdict, reason: str
) -> None:
    document = report("upgrade", figures, entries, forgotten)

    assert document.verdict is verdict
    assert any(told.startswith(reason) for told in document.reasons)


def test_what_breaks_comes_first_then_what_is_wrong_then_what_is_merely_seen() -> None:
    entries = [entry(1, K.WARNING, count=900), entry(2, K.PLAN), entry(3), entry(4, K.ERROR_AT_TARGET), entry(5)]

    changes = report("upgrade", GOOD, entries).changes

    assert [(change.kind, change.entries) for change in changes] == [
        (K.ERROR_AT_TARGET, (4,)),
        (K.VALUE, (3, 5)),
        (K.PLAN, (2,)),
        (K.WARNING, (1,)),
    ]


def test_there_is_advice_for_every_kind() -> None:
    assert set(ADVICE) == set(K)


def test_the_document_for_people_has_every_part() -> None:
    figures = GOOD | {
        "not_compared": {"its tables were written meanwhile": 7},
        "unfit": {"NOW": 3},
        "expected_by": {"text of floats": 12},
        "writes": {"offered": 9, "same": 2, "not_compared": {"it has it": 3}, "unfit": {"NOW": 4}},
        "slower": [{"text": "SELECT `a|b` FROM t", "runs": 20, "source_p50": 0.001, "target_p50": 0.01}],
    }

    text = markdown(report("upgrade", figures, [entry(1, count=3, text="SELECT a\nFROM t\x1b")]))

    assert text.startswith("# Mirror upgrade: not safe to switch\n")
    assert "1. **value** (other data), seen 3 times: run `dbmux verify`" in text
    assert "- `` SELECT a FROM t\\x1b ``" in text
    assert "| `` SELECT `a\\|b` FROM t `` | 20 | 1.00 ms | 10.00 ms |" in text
    assert "- 7: its tables were written meanwhile" in text
    assert "- 3: NOW" in text
    assert "- 12: text of floats" in text
    assert "| that ran | 9 |" in text
    assert "| the same | 2 |" in text
    assert "| not compared: it has it | 3 |\n| never tried: NOW | 4 |" in text
    assert "| not compared | 7 (0.1 %) |" in text


def test_both_plans_of_a_statement_that_is_slower_are_in_both_documents() -> None:
    sample = Sample(
        at=1.0, statement="SELECT 1", source="-> key\n```", target="-> scan\x1b", source_s=0.001, target_s=0.2
    )
    entries = [entry(3, K.PLAN, text="SELECT a FROM t"), entry(4, K.PLAN, State.ACCEPTED)]

    document = report("upgrade", GOOD, entries, plans={3: sample})

    assert explained(entries) == entries[:1]
    (told,) = as_json_told(document)["plans"]
    assert (told["entry"], told["source"], told["target"]) == (3, "-> key\n```", "-> scan\x1b")
    assert (
        "### Plans of `` SELECT a FROM t ``\n\nIn the ledger as 3.\n\n"
        "source, 1.00 ms at the median:\n\n    -> key\n    ```\n\n"
        "target, 200.00 ms at the median:\n\n    -> scan\\x1b\n"
    ) in markdown(document)


def test_of_a_long_plan_the_first_lines_are_shown() -> None:
    sample = Sample(at=1.0, statement="SELECT 1", source="line\n" * 100, target="line")

    text = markdown(report("upgrade", GOOD, [entry(3, K.PLAN)], plans={3: sample}))

    assert text.count("    line\n") == MOST_PLAN_LINES + 1
    assert "    … 100 lines; `dbmux mirror diff 3` shows all\n" in text


def test_the_document_for_programs_is_json() -> None:
    told = json.loads(json.dumps(as_json_told(report("upgrade", GOOD, [entry(1)]))))

    assert (told["verdict"], told["changes"][0]["kind"], told["not_compared_percent"]) == (
        "not safe to switch",
        "value",
        0.0,
    )


def test_nothing_chosen_is_no_per_cent() -> None:
    assert not_compared_percent({}) == 0.0
