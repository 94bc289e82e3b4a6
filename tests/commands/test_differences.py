"""`dbmux mirror diff | accept | rerun | report`: the ledger as people see it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dbmux.differences import DifferenceKind
from dbmux.mirror.ledger import FILE, Finding, Ledger, Sample, State, opened
from dbmux.wire.replies import Ok, Status
from dbmux.wire.server import CommandReceived, ServerProtocol
from tests.cli.conftest import Serve, run_here
from tests.fakes import COLUMN, PASSWORD, FakeBackend, row

TOLD = json.dumps({"columns": [["a", "int"]], "rows": [[1]], "count": 1, "cut": False, "warnings": []})
CONFIG = """{
  "backends": { "old": "OLD", "new": "NEW" }, // both
  "groups": { "main": "old" },
  "service": { "user": "dbmux", "password": "PASSWORD" },
  "mirrors": {
    "upgrade": { "from": "main", "to": "new" },
  },
}
"""


def finding(number: int = 1, kind: DifferenceKind = DifferenceKind.VALUE) -> Finding:
    sample = Sample(at=1.0, statement="SELECT a FROM t WHERE b = 1", user="app", source=TOLD, target=TOLD)
    return Finding(
        mirror="upgrade",
        digest=f"d{number}",
        text="SELECT a FROM t WHERE b = ?",
        kind=kind,
        sample=sample,
        place="a",
        source="1",
        target="\x1b[2J2",
    )


def with_ledger(here: Path, use: Callable[[Ledger], object]) -> None:
    with opened(here / "state" / "dbmux" / FILE) as ledger:
        use(ledger)


def written(here: Path, old: str = "127.0.0.1:1", new: str = "127.0.0.1:2") -> Path:
    path = here / "appconfig.json"
    path.write_text(CONFIG.replace("OLD", old).replace("NEW", new).replace("PASSWORD", PASSWORD.decode()))
    return path


class TestDiff:
    """What differs."""

    def test_without_any_it_is_0_and_says_so(self, here: Path) -> None:
        result = run_here("mirror", "diff")

        assert (result.exit_code, result.output) == (0, "no differences: no mirror has compared anything yet\n")

    @pytest.mark.parametrize("words", [("diff", "--mirror", "nope"), ("report", "nope")])
    def test_a_mirror_of_which_nothing_is_known_is_2(self, words: tuple[str, ...], here: Path) -> None:
        with_ledger(here, lambda ledger: ledger.record(finding()))

        result = run_here("mirror", *words)

        assert result.exit_code == 2
        assert "nothing is known of a mirror 'nope'; there are upgrade" in result.output

    def test_what_all_have_alike_leaves_the_list(self, here: Path) -> None:
        def two(ledger: Ledger) -> None:
            ledger.record(finding())
            ledger.record(replace(finding(), mirror="other"))

        with_ledger(here, two)

        head, *_ = run_here("mirror", "diff").output.splitlines()

        assert head.split() == ["n", "mirror", "kind", "seen", "last", "statement"]

    def test_new_ones_are_listed_and_it_is_1(self, here: Path) -> None:
        with_ledger(here, lambda ledger: ledger.record(finding()))

        result = run_here("mirror", "diff")

        assert result.exit_code == 1
        head, line = result.output.splitlines()
        assert head.split() == ["n", "kind", "seen", "last", "statement"]
        assert line.startswith("1  value (a)  1     ")
        assert line.endswith("SELECT a FROM t WHERE b = ?")

    def test_one_is_shown_with_both_answers_and_nothing_steers_the_terminal(self, here: Path) -> None:
        with_ledger(here, lambda ledger: ledger.record(finding()))

        result = run_here("mirror", "diff", "1")

        assert result.exit_code == 0
        assert "value in a, seen 1 times" in result.output
        assert "target: \\x1b[2J2" in result.output
        assert "source, 0.00 ms:\n  a int\n  1\n" in result.output
        assert "\x1b" not in result.output

    def test_the_same_for_programs(self, here: Path) -> None:
        with_ledger(here, lambda ledger: ledger.record(finding()))

        listed = json.loads(run_here("mirror", "diff", "--json").output)
        shown = json.loads(run_here("mirror", "diff", "1", "--json").output)

        assert (listed[0]["kind"], listed[0]["count"]) == ("value", 1)
        assert shown["samples"][0]["statement"] == "SELECT a FROM t WHERE b = 1"

    def test_an_unknown_one_is_2(self, here: Path) -> None:
        result = run_here("mirror", "diff", "7")

        assert (result.exit_code, result.output) == (
            2,
            "there is no difference 7; `dbmux mirror diff` lists them\n",
        )

    @pytest.mark.parametrize(("state", "lines", "code"), [("new", 1, 0), ("accepted", 2, 0), ("all", 2, 0)])
    def test_only_those_of_a_state(self, here: Path, state: str, lines: int, code: int) -> None:
        with_ledger(
            here,
            lambda ledger: ledger.settle(ledger.record(finding()).id, State.ACCEPTED, "ann", 2.0, "rounded"),
        )

        result = run_here("mirror", "diff", "--state", state)

        assert (len(result.output.splitlines()), result.exit_code) == (lines, code)


class TestAccept:
    """A difference that is known."""

    def test_its_rule_is_written_into_the_configuration(self, here: Path) -> None:
        path = written(here)
        path.chmod(0o640)
        with_ledger(here, lambda ledger: ledger.record(finding()))

        result = run_here("mirror", "accept", "1", "--why", "rounded", "--by", "ann")

        assert (result.exit_code, result.output) == (
            0,
            "difference 1 is accepted; its rule stands in appconfig.json\n",
        )
        text = path.read_text()
        assert "// both" in text
        assert '"kinds": [ "value" ], "digest": "SELECT a FROM t WHERE b = ?", "column": "a", "why": "rounded"' in text
        assert path.stat().st_mode & 0o777 == 0o640
        assert run_here("mirror", "diff").exit_code == 0
        assert run_here("check").exit_code == 0

    def test_twice_is_refused(self, here: Path) -> None:
        written(here)
        with_ledger(here, lambda ledger: ledger.record(finding()))
        run_here("mirror", "accept", "1", "--why", "rounded")

        result = run_here("mirror", "accept", "1", "--why", "again")

        assert result.exit_code == 2
        assert "difference 1 is accepted already" in result.output

    def test_where_it_cannot_be_written_it_says_what_to_write(self, here: Path) -> None:
        with_ledger(here, lambda ledger: ledger.record(finding()))

        result = run_here("mirror", "accept", "1", "--why", "rounded")

        assert result.exit_code == 2
        assert "no rule was written into appconfig.json" in result.output
        assert 'into mirrors.upgrade.expected: {"kinds": ["value"]' in result.output

    def test_where_it_cannot_be_written_it_is_still_new_and_is_accepted_later(self, here: Path) -> None:
        with_ledger(here, lambda ledger: ledger.record(finding()))
        refused = run_here("mirror", "accept", "1", "--why", "rounded", "--config", "another.json")
        written(here)

        still = run_here("mirror", "diff")
        later = run_here("mirror", "accept", "1", "--why", "rounded")

        assert "it is not accepted" in refused.output
        assert (refused.exit_code, still.exit_code, later.exit_code) == (2, 1, 0)


def one_row(value: bytes) -> FakeBackend:
    def answer(protocol: ServerProtocol, command: CommandReceived) -> bytes | None:
        if command.command == 1:
            return None
        if command.body.startswith(b"SELECT a FROM t"):
            return protocol.send_rows([COLUMN], [row(value)], Status.AUTOCOMMIT)
        return protocol.send_ok(Ok(status=Status.AUTOCOMMIT))

    return FakeBackend(answer=answer)


class TestRerun:
    """A difference that is looked at again."""

    def test_while_both_differ_it_is_1_and_says_how(self, here: Path, serve: Serve) -> None:
        written(here, serve(one_row(b"1")), serve(one_row(b"2")))
        with_ledger(here, lambda ledger: ledger.record(finding()))

        result = run_here("mirror", "rerun", "1")

        assert (result.exit_code, result.output) == (
            1,
            "SELECT a FROM t WHERE b = 1: different\n  value in a\n    source: 1\n    target: 2\n"
            "difference 1: still different in 1 of 1 sample, it is new\n",
        )

    def test_when_they_agree_it_is_repaired(self, here: Path, serve: Serve) -> None:
        written(here, serve(one_row(b"1")), serve(one_row(b"1")))
        with_ledger(here, lambda ledger: ledger.record(finding()))

        result = run_here("mirror", "rerun", "1")

        assert (result.exit_code, result.output) == (
            0,
            "SELECT a FROM t WHERE b = 1: the same\ndifference 1: both servers answer alike now, it is repaired\n",
        )
        assert json.loads(run_here("mirror", "diff", "--state", "repaired", "--json").output)[0]["id"] == 1

    def test_a_server_that_is_away_is_2(self, here: Path) -> None:
        written(here)
        with_ledger(here, lambda ledger: ledger.record(finding()))

        result = run_here("mirror", "rerun", "1")

        assert (result.exit_code, result.output) == (2, "old cannot be reached\n")


class TestReport:
    """Whether it is safe to switch."""

    def test_with_a_difference_it_is_1_and_says_what_to_change(self, here: Path) -> None:
        with_ledger(here, lambda ledger: ledger.record(finding()))

        result = run_here("mirror", "report")

        assert result.exit_code == 1
        assert result.output.startswith("# Mirror upgrade: not safe to switch\n")

    @pytest.mark.parametrize(
        ("age_s", "told"),
        [(0.0, (0, "safe to switch")), (90.0, (1, "not known yet"))],
        ids=["while it runs", "long after"],
    )
    def test_without_it_is_0_as_long_as_the_mirror_runs(self, here: Path, age_s: float, told: tuple[int, str]) -> None:
        standing = {"state": "running", "why": "", "delay_seconds": 0.1}
        figures = {"compared": 5000, "same": 5000, "standing": standing}
        with_ledger(here, lambda ledger: ledger.keep_figures("upgrade", time.time() - age_s, figures))

        result = run_here("mirror", "report", "upgrade", "--json")

        assert (result.exit_code, json.loads(result.output)["verdict"]) == told

    def test_without_a_mirror_it_is_2(self, here: Path) -> None:
        result = run_here("mirror", "report")

        assert result.exit_code == 2
        assert "none: no mirror has compared anything yet" in result.output
