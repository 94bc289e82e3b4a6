"""What differs between two answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.differences import DifferenceKind as K
from dbmux.mirror.answer import Answer, Failure, Told
from dbmux.mirror.compare import MOST_TOLD, TOO_LARGE, Difference, Order, compare
from dbmux.mirror.settings import Family
from dbmux.wire.columns import FieldFlag, FieldType
from tests.mirror.answers import answer, column, some_table

ID, NAME = column("id", FieldType.LONG), column("name")
FAILED = Failure(1146, "42S02", "Table 'shop.t' doesn't exist")
CELLS = st.one_of(st.none(), st.binary(max_size=2), st.sampled_from([b"a", b"A", b"1", b"1.0"]))
ROWS = st.integers(1, 3).flatmap(lambda width: st.lists(st.tuples(*[CELLS] * width), max_size=6))


def people(*rows: tuple[bytes | None, bytes | None]) -> Answer:
    return answer(*rows, columns=(ID, NAME))


def kinds(differences: Sequence[Difference]) -> list[K]:
    return [one.kind for one in differences]


BOTH = people((b"1", b"Ann"), (b"2", b"bob"), (b"3", b"cid"))


@pytest.mark.parametrize(
    ("target", "order", "found"),
    [
        (BOTH, Order.STATED, []),
        (people((b"3", b"cid"), (b"1", b"Ann"), (b"2", b"bob")), Order.OPEN, []),
        (people((b"3", b"cid"), (b"1", b"Ann"), (b"2", b"bob")), Order.STATED, [K.ORDER]),
        (people((b"1", b"Ann"), (b"2", b"bob")), Order.OPEN, [K.MISSING_ROW]),
        (people((b"1", b"Ann"), (b"2", b"bob"), (b"3", b"cid"), (b"3", b"cid")), Order.OPEN, [K.EXTRA_ROW]),
        (people((b"1", b"Ann"), (b"2", b"bob"), (b"3", b"dan")), Order.OPEN, [K.VALUE]),
        (people((b"1", b"Ann"), (b"2", b"bob"), (b"9", b"eve")), Order.OPEN, [K.MISSING_ROW, K.EXTRA_ROW]),
        (people((b"1", b"ann"), (b"2", b"bob "), (b"3", b"cid")), Order.STATED, [K.LETTER_CASE]),
        (people((b"2", b"BOB"), (b"1", b"Ann"), (b"3", b"cid")), Order.STATED, [K.LETTER_CASE, K.ORDER]),
        (people(), Order.STATED, [K.MISSING_ROW]),
    ],
    ids=["equal", "open", "order", "missing", "twice", "value", "another", "two kinds", "case and order", "empty"],
)
def test_rows_differ(target: Answer, order: Order, found: list[K]) -> None:
    told = compare(BOTH, target, order)

    assert set(kinds(told.differences)) >= set(found)
    assert bool(told.differences) == bool(found)
    assert not told.why_not


def test_a_difference_says_where_it_is_and_how_often() -> None:
    told = compare(BOTH, people((b"1", b"ann"), (b"2", b"Bob"), (b"3", b"cid")), Order.OPEN)

    (one,) = told.differences
    assert (one.kind, one.column, one.types, one.count) == (K.LETTER_CASE, "name", ("varchar", "varchar"), 2)
    assert (one.source, one.target) == ("Ann", "ann")


def test_a_changed_value_is_not_taken_for_two_rows_and_two_rows_not_for_a_changed_value() -> None:
    wide = [column(f"c{at}") for at in range(4)]
    source = answer((b"1", b"a", b"b", b"c"), (b"2", b"d", b"e", b"f"), columns=wide)

    changed = compare(source, answer((b"2", b"d", b"e", b"f"), (b"1", b"a", b"x", b"c"), columns=wide), Order.OPEN)
    replaced = compare(source, answer((b"2", b"d", b"e", b"f"), (b"9", b"x", b"y", b"z"), columns=wide), Order.OPEN)

    assert [(one.kind, one.column) for one in changed.differences] == [(K.VALUE, "c2")]
    assert kinds(replaced.differences) == [K.MISSING_ROW, K.EXTRA_ROW]


def test_a_single_row_is_the_same_row_though_nothing_in_it_is_the_same() -> None:
    told = compare(people((b"3", b"a")), people((b"4", b"b")), Order.OPEN)

    assert [(one.kind, one.column) for one in told.differences] == [(K.VALUE, "id"), (K.VALUE, "name")]


@pytest.mark.parametrize(
    ("source", "target", "found"),
    [
        (answer(failure=FAILED), answer(failure=FAILED), []),
        (answer((b"1",)), answer(failure=FAILED), [(K.ERROR_AT_TARGET, (0, 1146))]),
        (answer(failure=FAILED), answer((b"1",)), [(K.ERROR_AT_SOURCE, (1146, 0))]),
        (answer(failure=FAILED), answer(failure=Failure(1049, "42000", "x")), [(K.ERROR_CODE, (1146, 1049))]),
        (answer(failure=FAILED), answer(failure=FAILED._replace(sqlstate="HY000")), [(K.ERROR_CODE, (1146, 1146))]),
        (answer(failure=FAILED), answer(failure=FAILED._replace(message="no")), [(K.ERROR_TEXT, (1146, 1146))]),
        (
            answer(warnings=(Told("Warning", 1292, "a"), Told("Note", 1003, "b"))),
            answer(warnings=(Told("Note", 1003, "b"), Told("Warning", 1292, "c"))),
            [(K.WARNING, (1292, 1292))],
        ),
        (answer(), answer(warnings=(Told("Warning", 1681, "old"),)), [(K.WARNING, (0, 1681))]),
        (Answer(affected_rows=1), Answer(affected_rows=2), [(K.AFFECTED_ROWS, (0, 0))]),
        (Answer(affected_rows=1), Answer(affected_rows=1), []),
    ],
)
def test_ends_differ(source: Answer, target: Answer, found: list[tuple[K, tuple[int, int]]]) -> None:
    told = compare(source, target, Order.OPEN)

    assert [(one.kind, one.codes) for one in told.differences] == found


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"name": b"Id"}, K.COLUMN_NAME),
        ({"type": FieldType.LONGLONG}, K.COLUMN_TYPE),
        ({"flags": FieldFlag.UNSIGNED}, K.COLUMN_TYPE),
        ({"charset": 45}, K.COLUMN_COLLATION),
        ({"length": 11}, K.COLUMN_LENGTH),
        ({"decimals": 2}, K.COLUMN_LENGTH),
        ({"flags": FieldFlag.NOT_NULL}, K.COLUMN_FLAGS),
        ({"original_table": b"t"}, K.COLUMN_ORIGIN),
    ],
)
def test_what_is_said_of_columns_differs(change: dict[str, Any], kind: K) -> None:
    target = answer((b"1", b"a"), columns=(replace(ID, **change), NAME))

    told = compare(people((b"1", b"a")), target, Order.OPEN)

    assert kinds(told.differences) == [kind]


def test_other_columns_are_one_difference_and_their_rows_are_not_compared() -> None:
    told = compare(BOTH, answer((b"1",), columns=(ID,)), Order.OPEN)

    assert [(one.kind, one.source, one.target) for one in told.differences] == [
        (K.COLUMN_COUNT, "2: id, name", "1: id")
    ]


@pytest.mark.parametrize(("source_cut", "target_cut"), [(True, False), (False, True), (True, True)])
def test_what_was_not_read_whole_is_never_called_equal(source_cut: bool, target_cut: bool) -> None:
    told = compare(replace(BOTH, is_cut=source_cut), replace(BOTH, is_cut=target_cut), Order.OPEN)

    assert (told.differences, told.why_not) == ((), TOO_LARGE)


def test_control_characters_and_long_values_are_not_told_as_they_are() -> None:
    told = compare(people((b"1", b"\x1b[2J" + b"x" * 10_000)), people((b"1", b"y")), Order.OPEN)

    (one,) = told.differences
    assert one.source.startswith("\\x1b[2J")
    assert len(one.source) < 600


def test_so_many_differences_are_told_apart() -> None:
    source = answer(columns=[column(f"c{at}") for at in range(1000)])
    target = answer(columns=[column(f"d{at}") for at in range(1000)])

    assert len(compare(source, target, Order.OPEN).differences) == MOST_TOLD


def test_many_changed_rows_are_found_without_comparing_each_with_each() -> None:
    source = answer(*((b"%d" % at, b"same", b"%d" % -at) for at in range(3000)))
    target = answer(*((b"%d" % (at + 5000), b"same", b"x") for at in range(3000)))

    told = compare(source, target, Order.STATED)

    assert sum(one.count for one in told.differences) == 6000
    assert kinds(told.differences) == [K.MISSING_ROW, K.EXTRA_ROW]


@given(ROWS, st.randoms())
def test_no_order_makes_the_same_rows_differ(rows: list[Any], random: Random) -> None:
    shuffled = random.sample(rows, len(rows))
    columns = [column(f"c{at}") for at in range(len(rows[0]) if rows else 1)]

    told = compare(answer(*rows, columns=columns), answer(*shuffled, columns=columns), Order.OPEN)

    assert not told.differences


@given(st.integers(1, 3).flatmap(lambda n: st.tuples(*[st.lists(st.tuples(*[CELLS] * n), max_size=6)] * 2)))
def test_rows_are_called_equal_only_if_they_are(both: tuple[list[Any], list[Any]]) -> None:
    first, second = both
    width = len((first or second or [(None,)])[0])
    columns = [column(f"c{at}") for at in range(width)]

    told = compare(answer(*first, columns=columns), answer(*second, columns=columns), Order.OPEN)

    by_bytes = sorted(first, key=repr) == sorted(second, key=repr)
    assert bool(told.differences) != by_bytes
    ordered = compare(answer(*first, columns=columns), answer(*second, columns=columns), Order.STATED)
    assert bool(ordered.differences) != (first == second)


@given(st.integers(0, 10**9))
def test_each_row_that_only_one_side_has_is_counted(seed: int) -> None:
    random = Random(seed)
    whole = some_table(random, least=2).answered(Family.MYSQL)
    gone = random.randrange(1, len(whole.rows) + 1)
    less = replace(whole, rows=tuple(random.sample(whole.rows, len(whole.rows) - gone)))

    missing, extra = compare(whole, less, Order.OPEN), compare(less, whole, Order.OPEN)

    assert [(one.kind, one.count) for one in missing.differences] == [(K.MISSING_ROW, gone)]
    assert [(one.kind, one.count) for one in extra.differences] == [(K.EXTRA_ROW, gone)]
