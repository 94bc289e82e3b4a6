"""What is kept of the differences."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from dbmux.differences import DifferenceKind
from dbmux.mirror.ledger import MAX_SAMPLES, Finding, NoEntry, Sample, State, Unusable, opened, recorder


def finding(digest: str = "d1", at: float = 1.0, kind: DifferenceKind = DifferenceKind.VALUE, **sample: Any) -> Finding:
    return Finding(
        mirror="upgrade",
        digest=digest,
        text=f"SELECT ? /* {digest} */",
        kind=kind,
        sample=Sample(at=at, statement=sample.pop("statement", "SELECT 1"), **sample),
        place="a",
        source="1",
        target="2",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "differences.sqlite"


def test_one_entry_for_each_statement_and_kind_with_its_count(path: Path) -> None:
    with opened(path) as ledger:
        for at in (1.0, 2.0, 3.0):
            ledger.record(finding(at=at))
        ledger.record(finding(at=4.0, kind=DifferenceKind.ORDER))
        ledger.record(finding("d2", at=5.0))

        entries = ledger.entries("upgrade")

        told = [(one.digest, one.kind, one.count, one.first_seen, one.last_seen) for one in entries]
        assert told == [("d2", "value", 1, 5.0, 5.0), ("d1", "order", 1, 4.0, 4.0), ("d1", "value", 3, 1.0, 3.0)]
        assert ledger.entries("another") == []
        assert ledger.mirrors() == ["upgrade"]


def test_the_last_samples_are_kept(path: Path) -> None:
    with opened(path) as ledger:
        for number in range(MAX_SAMPLES + 3):
            entry = ledger.record(finding(at=number, statement=f"SELECT {number}"))

        samples = ledger.samples(entry.id)

        assert [one.statement for one in samples] == [f"SELECT {number}" for number in (7, 6, 5, 4, 3)]


def test_a_sample_comes_back_as_it_was(path: Path) -> None:
    sample = Sample(
        at=1.5,
        statement="SELECT '\x00\x1b é'",
        user="app",
        state={"schema": "shop", "variables": {"sql_mode": "''"}},
        source='{"rows": []}',
        target="plan",
        source_s=0.25,
        target_s=0.5,
    )
    with opened(path) as ledger:
        entry = ledger.record(
            Finding(mirror="m", digest="d", text="t", kind=DifferenceKind.PLAN, sample=sample, source="a", target="b")
        )

    with opened(path) as ledger:
        assert ledger.samples(entry.id) == [sample]


def test_bytes_that_are_no_text_come_back(path: Path) -> None:
    statement = b"SELECT '\xe9'".decode("utf-8", "surrogateescape")
    with opened(path) as ledger:
        entry = ledger.record(finding(statement=statement, source=statement))

        (sample,) = ledger.samples(entry.id)
        assert sample.statement == statement
        assert sample.source == "SELECT '?'"


def test_accepted_stays_accepted_and_repaired_is_new_when_it_is_seen_again(path: Path) -> None:
    with opened(path) as ledger:
        accepted, repaired = ledger.record(finding("a")), ledger.record(finding("r"))
        ledger.settle(accepted.id, State.ACCEPTED, "ann", 9.0, "rounded")
        ledger.settle(repaired.id, State.REPAIRED, "rerun", 9.0, "")

        ledger.record(finding("a", at=10.0))
        ledger.record(finding("r", at=11.0))

        states = {one.digest: (one.state, one.settled_by, one.why) for one in ledger.entries()}
        assert states["a"] == (State.ACCEPTED, "ann", "rounded")
        assert states["r"][0] is State.NEW
        assert [one.digest for one in ledger.entries(state=State.ACCEPTED)] == ["a"]


def test_without_room_what_is_settled_goes_first_and_then_the_oldest(path: Path) -> None:
    with opened(path, max_entries=3) as ledger:
        for at, digest in enumerate("abc"):
            ledger.record(finding(digest, at=at))
        ledger.settle(ledger.entries()[0].id, State.ACCEPTED, "ann", 9.0, "")

        ledger.record(finding("d", at=4.0))
        ledger.record(finding("e", at=5.0))

        assert [one.digest for one in ledger.entries()] == ["e", "d", "b"]
        assert ledger.forgotten("upgrade") == 2
        assert ledger.samples(3) == []


def test_many_bytes_are_too_many(path: Path) -> None:
    with opened(path, max_bytes=40_000) as ledger:
        for number in range(30):
            ledger.record(finding(f"d{number}", at=number, source="x" * 10_000))

        assert 0 < len(ledger.entries()) < 6
        assert ledger.entries()[0].digest == "d29"


def test_figures_are_those_of_the_last_time(path: Path) -> None:
    with opened(path) as ledger:
        ledger.keep_figures("upgrade", 1.0, {"compared": 1})
        ledger.keep_figures("upgrade", 2.0, {"compared": 5})

        assert ledger.figures("upgrade") == (2.0, {"compared": 5})
        assert ledger.figures("another") == (0.0, {})


def test_two_processes_may_have_it_open(path: Path) -> None:
    with opened(path) as one, opened(path) as other:
        one.record(finding(at=1.0))
        other.record(finding(at=2.0))

        assert one.entries()[0].count == other.entries()[0].count == 2


def test_nobody_else_may_read_it(path: Path) -> None:
    with opened(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_unknown_number_says_where_numbers_are(path: Path) -> None:
    with opened(path) as ledger, pytest.raises(NoEntry, match="no difference 7; `dbmux mirror diff` lists them"):
        ledger.settle(7, State.ACCEPTED, "ann", 1.0, "")


def test_a_file_of_another_kind_or_a_later_version_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("something else, and long enough to be read as a header of SQLite, which this is not" * 20)
    with pytest.raises(Unusable, match="is no ledger"), opened(path):
        raise AssertionError("it must not open")

    path.unlink()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(Unusable, match="later version"), opened(path):
        raise AssertionError("it must not open")


def test_a_loop_records_in_the_ledgers_own_thread(path: Path) -> None:
    async def scenario() -> int:
        async with recorder(path) as ledger:
            await asyncio.gather(*(ledger.record(finding(at=at)) for at in range(20)))
            return (await ledger.call(lambda one: one.entries()))[0].count

    assert asyncio.run(scenario()) == 20
