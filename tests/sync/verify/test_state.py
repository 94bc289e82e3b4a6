"""A comparison that was broken off goes on from where all was decided."""

from __future__ import annotations

from pathlib import Path

from dbmux.sync.verify.result import TableResult, Verdict, overall
from dbmux.sync.verify.settle import Difference, Kind
from dbmux.sync.verify.state import State


def half_done() -> TableResult:
    result = TableResult(name="shop.orders", fingerprints=("a", "b"), rows=(10, 9))
    result.add(Difference(key=(b"7", b"\xff"), kind=Kind.CHANGED, columns=("v",), values=((b"x", None),)))
    result.checkpoint((b"9", b"\xfe"))
    return result


def test_it_goes_on_after_the_last_key_with_what_was_found(tmp_path: Path) -> None:
    State(tmp_path, "a:3306", "b:3306").write([half_done()])

    found = State(tmp_path, "a:3306", "b:3306").read()["shop.orders"]

    assert (found.after, found.rows, found.fingerprints) == ((b"9", b"\xfe"), (10, 9), ("a", "b"))
    assert (found.kinds, found.columns) == ({"changed": 1}, {"v": 1})
    assert (found.examples[0].columns, found.examples[0].values) == (("v",), ((b"x", None),))


def test_what_was_not_decided_yet_is_compared_again(tmp_path: Path) -> None:
    result = half_done()
    result.rows = (20, 20)
    result.problem = "it broke"
    State(tmp_path, "a", "b").write([result])

    found = State(tmp_path, "a", "b").read()["shop.orders"]

    assert (found.after, found.rows, found.problem) == ((b"9", b"\xfe"), (10, 9), "")


def test_a_table_without_any_checkpoint_begins_anew(tmp_path: Path) -> None:
    State(tmp_path, "a", "b").write([TableResult(name="t", rows=(5, 5))])

    assert State(tmp_path, "a", "b").read()["t"].rows == (0, 0)


def test_other_servers_and_broken_files_are_like_none(tmp_path: Path) -> None:
    state = State(tmp_path, "a", "b")
    state.write([half_done()])

    assert State(tmp_path, "a", "c").read() == {}
    state.path.write_text('{"format": 1', encoding="utf-8")
    assert state.read() == {}


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    state = State(tmp_path, "a", "b")

    state.write([half_done()])

    assert state.path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_equal_but_what_was_compared_to_its_end() -> None:
    done = TableResult(name="done", is_done=True)
    broken = TableResult(name="broken", is_done=False, problem="it broke")
    moving = TableResult(name="moving", is_done=True, undecided=1)
    different = half_done()

    assert overall([done]) is Verdict.EQUAL
    assert overall([]) is Verdict.UNDECIDED
    assert overall([done, broken]) is Verdict.UNDECIDED
    assert overall([done, moving]) is Verdict.UNDECIDED
    assert overall([done, broken, different]) is Verdict.DIFFERENT
