"""What is noted of statements, what of that is a failure, and how it is told."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.feed.report.criteria import Criteria, parse
from dbmux.feed.report.document import as_json, as_markdown, summary
from dbmux.feed.report.tally import Ended, Report, Tally
from dbmux.feed.row import Row
from tests.feed.filter.rows import row

ALL = Criteria(nplus1=True, errors=True, slow=True)
ENDED = Ended(("pytest", "-q"), 0, 1.5, ())


def told(*rows: Row, missed: int = 0, criteria: Criteria = ALL, ended: Ended = ENDED) -> Report:
    tally = Tally(slow_s=0.2, times=5)
    tally.add(rows, missed)
    return tally.report(ended, (), criteria)


def lookups(count: int, **given: Any) -> list[Row]:
    return [
        row(seq=at, sql=f"SELECT a FROM orders WHERE id = {at}", trace="", site="views.py:42", **given)
        for at in range(count)
    ]


@pytest.mark.parametrize(
    ("texts", "criteria"),
    [
        ((), Criteria()),
        (("n+1,errors",), Criteria(nplus1=True, errors=True)),
        (("n+1", "slow"), Criteria(nplus1=True, slow=True)),
        (("slow>200ms",), Criteria(slow=True, slow_s=0.2)),
        ((" Errors , slow >= 1.5s",), Criteria(errors=True, slow=True, slow_s=1.5)),
    ],
)
def test_what_fails_can_be_said_in_one_word_or_several(texts: tuple[str, ...], criteria: Criteria) -> None:
    assert parse(texts) == criteria


@pytest.mark.parametrize("text", ["", "n+2", "slow>", "slow>200", "errors,,slow", "dur>5ms"])
def test_what_is_nothing_to_fail_on_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"n\+1|a time"):
        parse([text])


def test_statements_are_counted_and_their_kinds_told_apart() -> None:
    report = told(
        row(command="ping", seconds=9.0),
        row(),
        row(seconds=0.3),
        row(seconds=0.5, site="slowest.py:1"),
        row(code=1146, error="no table"),
        row(code=1146, error="no other"),
        row(command="prepare", code=1064, error="syntax"),
    )

    assert (report.statements, report.error_count, report.slow_count) == (5, 3, 2)
    assert report.statement_seconds == pytest.approx(0.836)
    assert [(one.code, one.count, one.message) for one in report.errors] == [(1146, 2, "no table"), (1064, 1, "syntax")]
    assert [(one.count, one.longest_s, one.site) for one in report.slow] == [(2, 0.5, "slowest.py:1")]
    assert report.failures == ("3 errors", "2 slow statements")


def test_an_n_plus_1_has_its_place_and_what_would_do() -> None:
    (finding,) = told(*lookups(8)).nplus1

    assert (finding.count, finding.site) == (8, "views.py:42")
    assert finding.rewrite is not None
    assert "WHERE id IN (" in finding.rewrite


def test_only_what_was_asked_for_fails() -> None:
    rows = [*lookups(8), row(code=1146), row(seconds=1.0)]

    assert told(*rows, criteria=Criteria()).failures == ()
    assert told(*rows, criteria=Criteria(errors=True)).failures == ("1 error",)
    assert told(*rows).failures == ("1 N+1", "1 error", "1 slow statement")


def test_who_missed_statements_cannot_say_that_all_is_well() -> None:
    report = told(row(), missed=7, criteria=Criteria(errors=True))

    assert report.failures == ("7 statements missed",)
    assert "**7 statements not seen**" in as_markdown(report)
    assert told(row(), missed=7, criteria=Criteria()).failures == ()


def test_memory_is_bounded_and_counts_are_not() -> None:
    report = told(*(row(digest=f"{at:016x}", code=1146, seconds=1.0) for at in range(3000)))

    assert (report.error_count, report.slow_count) == (3000, 3000)
    assert (len(report.errors), len(report.slow)) == (20, 20)


def test_markdown_tells_everything() -> None:
    rows = [*lookups(8), row(code=1146, error="no table", site="a.py:1"), row(seconds=1.0)]
    page = as_markdown(told(*rows, ended=Ended(("pytest", "a b"), 3, 1.5, ("backend db is down",))))

    assert "- Command: `pytest 'a b'`, exit code 3, 1.50s\n" in page
    assert "- DbMux said: `backend db is down`\n" in page
    assert "- 1 × 1146: `no table`, at `a.py:1`\n" in page
    assert "## Slow: 200ms or longer\n\n- 1 ×, at most 1.00s, at " in page
    assert "  One statement would do:\n\n      SELECT a FROM orders WHERE id IN (" in page


def test_json_has_the_same() -> None:
    report = json.loads(as_json(told(*lookups(8), row(code=1146))))

    assert report["command"] == ["pytest", "-q"]
    assert report["failures"] == ["1 N+1", "1 error"]
    assert report["nplus1"][0]["site"] == "views.py:42"


def test_a_line_has_it_in_short() -> None:
    assert summary(told(row(), row(code=1), missed=3)) == "2 statements in 24ms, 0 N+1, 1 error, 0 slow, 3 missed"


@given(st.text(alphabet=st.sampled_from("`|#-*\n\r\x1b\x00 <&a]("), max_size=30))
def test_no_text_is_anything_but_text(text: str) -> None:
    hostile = row(sql=text, digest_text=text, code=1146, error=text, site=text, app=text, seconds=1.0)
    usual = row(sql="a", digest_text="a", code=1146, error="a", site="a", app="a", seconds=1.0)

    page, other = (as_markdown(told(one, ended=Ended((one.sql,), 0, 1.0, (one.sql,)))) for one in (hostile, usual))

    assert page.isascii() or page.replace("×", "").replace("…", "").isascii()
    assert not re.search(r"[\x00\x1b\r]", page)
    # Lines and headings are as many as ever, and a code span ends where it should.
    assert [line for line in page.splitlines() if line.startswith("#")] == [
        line for line in other.splitlines() if line.startswith("#")
    ]
    assert page.count("\n") == other.count("\n")
