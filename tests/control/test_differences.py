"""Questions and orders about differences, to an engine that runs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from dbmux.control.differences import Differences
from dbmux.differences import DifferenceKind
from dbmux.feed.feed import Refused
from dbmux.mirror.ledger import Finding, Sample, opened
from dbmux.mirror.shadow import Shadow
from tests.mirror.answers import answer
from tests.mirror.test_shadow import Stage

CONFIG = {
    "backends": {"old": "127.0.0.1:1", "new": "127.0.0.1:2"},
    "default": "old",
    "service": {"user": "dbmux"},
    "mirrors": {"upgrade": {"from": "old", "to": "new"}},
}


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "differences.sqlite"
    with opened(path) as found:
        found.record(
            Finding(
                mirror="upgrade",
                digest="d1",
                text="SELECT ?",
                kind=DifferenceKind.VALUE,
                sample=Sample(at=1.0, statement="SELECT 1"),
            )
        )
    return path


def asked(ledger: Path, question: str, source: Path | None = None, shadow: Shadow | None = None, **given: Any) -> Any:
    answers = Differences(ledger, lambda: source, lambda name: shadow).table()

    async def ask() -> Any:
        return await answers[question](given)

    return json.loads(json.dumps(asyncio.run(ask())))


def test_differences_are_listed_and_shown(ledger: Path) -> None:
    (listed,) = asked(ledger, "mirror.diff", mirror="upgrade")
    shown = asked(ledger, "mirror.diff", id=listed["id"])

    assert (listed["kind"], listed["state"]) == ("value", "new")
    assert [sample["statement"] for sample in shown["samples"]] == ["SELECT 1"]
    assert asked(ledger, "mirror.diff", mirror="another", state="all") == []


def test_one_is_accepted_and_its_rule_is_in_the_configuration(ledger: Path, tmp_path: Path) -> None:
    file = tmp_path / "appconfig.json"
    file.write_text(json.dumps(CONFIG))

    told = asked(ledger, "mirror.accept", file, id=1, why="rounded", by="ann")

    assert (told["state"], told["settled_by"]) == ("accepted", "ann")
    (rule,) = json.loads(file.read_text())["mirrors"]["upgrade"]["expected"]
    assert rule == told["rule"]
    assert (rule["kinds"], rule["digest"], rule["why"]) == (["value"], "SELECT ?", "rounded")


def test_one_is_run_again(ledger: Path) -> None:
    differing, alike = (Stage(answer((b"1",)), answer((value,))).shadow for value in (b"2", b"1"))

    before = asked(ledger, "mirror.rerun", shadow=differing, id=1)
    after = asked(ledger, "mirror.rerun", shadow=alike, id=1)

    assert (before["state"], before["samples"][0]["differences"][0]["kind"]) == ("new", "value")
    assert before["told"] == "difference 1: still different in 1 of 1 sample, it is new"
    assert after == {
        "state": "repaired",
        "told": "difference 1: both servers answer alike now, it is repaired",
        "samples": [{"statement": "SELECT 1", "differences": []}],
    }


def test_one_that_was_accepted_is_not_accepted_again(ledger: Path, tmp_path: Path) -> None:
    file = tmp_path / "appconfig.json"
    file.write_text(json.dumps(CONFIG))
    asked(ledger, "mirror.accept", file, id=1, why="rounded", by="ann")

    with pytest.raises(Refused, match="difference 1 is accepted already"):
        asked(ledger, "mirror.accept", file, id=1, why="really", by="bob")

    assert len(json.loads(file.read_text())["mirrors"]["upgrade"]["expected"]) == 1
    assert asked(ledger, "mirror.diff", id=1)["settled_by"] == "ann"


def test_where_its_rule_cannot_be_written_it_says_what_to_write_and_is_not_accepted(
    ledger: Path, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match=r'into mirrors.upgrade.expected: \{"kinds": \["value"\]'):
        asked(ledger, "mirror.accept", tmp_path / "gone.json", id=1, why="rounded", by="ann")

    assert asked(ledger, "mirror.diff", id=1)["state"] == "new"


def test_the_report_is_for_programs_and_for_people(ledger: Path) -> None:
    told = asked(ledger, "mirror.report", mirror="upgrade")

    assert told["verdict"] == "not safe to switch"
    assert told["markdown"].startswith("# Mirror upgrade: not safe to switch")


@pytest.mark.parametrize(
    ("question", "given", "why"),
    [
        ("mirror.diff", {"state": "old"}, "'old' is no state; there are new, accepted, repaired and all"),
        ("mirror.diff", {"id": 7}, "there is no difference 7"),
        ("mirror.diff", {"id": "x"}, "say which difference is meant"),
        ("mirror.accept", {"id": 1}, "say in `why`"),
        ("mirror.accept", {"id": 1, "why": "x"}, "there is no configuration file"),
        ("mirror.rerun", {}, "say which difference is meant"),
        ("mirror.rerun", {"id": 1}, "the reads of mirror upgrade are not compared now"),
    ],
)
def test_what_cannot_be_done_says_why(ledger: Path, question: str, given: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        asked(ledger, question, **given)
