"""Differences that were planted in generated answers are found and rightly classed; without one, none is reported.

Answers are written as MariaDB and MySQL write them, so that what differs between all answers of both is there, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import pytest

from dbmux.differences import DifferenceKind as K
from dbmux.mirror.answer import Answer, Failure, Row, Told
from dbmux.mirror.catalogue import shipped
from dbmux.mirror.compare import Difference, Order, compare
from dbmux.mirror.settings import Family
from dbmux.wire.columns import FieldType
from tests.mirror.answers import SORTS, Sort, Table, some_table, with_rows

SOURCE, TARGET = Family.MARIADB, Family.MYSQL
EXPECTED = shipped().between("mariadb 10.11.6", "mysql 9.7.4")
STATEMENT = "SELECT * FROM t WHERE id > 5"
OF_EACH, WITHOUT = 60, 10_000
Plant = Callable[[Random, Table, Answer], Answer]


def unexpected(source: Answer, target: Answer, order: Order) -> list[Difference]:
    told = compare(source, target, order)
    assert not told.why_not
    return [one for one in told.differences if EXPECTED.rule_for(one, STATEMENT) is None]


@dataclass(frozen=True, slots=True)
class InACell:
    """One value of this sort of column is changed at the target."""

    sort: str
    change: Callable[[bytes], bytes | None]

    def __call__(self, random: Random, table: Table, target: Answer) -> Answer:
        at = next(at for at, sort in enumerate(table.sorts) if sort.name == self.sort)
        place = random.randrange(len(target.rows))
        row = target.rows[place]
        changed: Row = (*row[:at], self.change(_bytes(row[at])), *row[at + 1 :])
        return with_rows(target, [*target.rows[:place], changed, *target.rows[place + 1 :]])


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value


def missing(random: Random, table: Table, target: Answer) -> Answer:
    gone = random.randrange(len(target.rows))
    return with_rows(target, [*target.rows[:gone], *target.rows[gone + 1 :]])


def extra(random: Random, table: Table, target: Answer) -> Answer:
    return with_rows(target, [*target.rows, target.rows[random.randrange(len(target.rows))]])


def turned(random: Random, table: Table, target: Answer) -> Answer:
    return with_rows(target, target.rows[::-1])


def failing(random: Random, table: Table, target: Answer) -> Answer:
    return Answer(failure=Failure(random.choice((1055, 1064, 1305, 1525)), "42000", "no"))


def warned(random: Random, table: Table, target: Answer) -> Answer:
    return replace(target, warnings=(Told("Warning", random.choice((1260, 1366, 3170)), "cut"),))


def one_less(random: Random, table: Table, target: Answer) -> Answer:
    return replace(target, columns=target.columns[:-1], rows=tuple(row[:-1] for row in target.rows))


def renamed(random: Random, table: Table, target: Answer) -> Answer:
    at = random.randrange(len(target.columns))
    columns = list(target.columns)
    columns[at] = replace(columns[at], name=b"other")
    return replace(target, columns=tuple(columns))


def retyped(random: Random, table: Table, target: Answer) -> Answer:
    return replace(target, columns=(replace(target.columns[0], type=FieldType.DOUBLE), *target.columns[1:]))


PLANTS: list[tuple[K, Plant, bytes | None]] = [
    (K.VALUE, InACell("key", lambda value: b"-" + value), None),
    (K.VALUE, InACell("text", lambda value: value + b"x"), b"Ann"),
    (K.VALUE, InACell("bytes", lambda value: bytes((value[0] ^ 1,)) + value[1:]), b"\x00\xff"),
    (K.VALUE, InACell("decimal", lambda value: value[:-1] + b"9"), b"12.50"),
    (K.VALUE, InACell("json", lambda value: value.replace(b"1", b"2")), b'{"a":1}'),
    (K.NULL_OR_EMPTY, InACell("text", lambda value: None), b""),
    (K.ZERO_DATE, InACell("moment", lambda value: None), b"0000-00-00 00:00:00"),
    (K.LETTER_CASE, InACell("text", lambda value: value.swapcase()), b"Ann"),
    (K.TRAILING_SPACES, InACell("text", lambda value: value + b"  "), b"Ann"),
    (K.FLOAT_DIGITS, InACell("float", lambda value: value + b"1"), b"0.123456789012345"),
    (K.DECIMAL_SCALE, InACell("decimal", lambda value: value + b"00"), b"12.50"),
    (K.TIME_TEXT, InACell("moment", lambda value: value + b".000"), b"2020-01-02 03:04:05"),
    (K.MISSING_ROW, missing, None),
    (K.EXTRA_ROW, extra, None),
    (K.ORDER, turned, None),
    (K.ERROR_AT_TARGET, failing, None),
    (K.WARNING, warned, None),
    (K.COLUMN_COUNT, one_less, None),
    (K.COLUMN_NAME, renamed, None),
    (K.COLUMN_TYPE, retyped, None),
]


def a_case(random: Random, plant: Plant, put: bytes | None) -> tuple[Answer, Answer]:
    """The same rows at both, and then the difference at the target."""
    table = some_table(random, least=2)
    if put is not None:
        assert isinstance(plant, InACell)
        sort = Sort(plant.sort)
        values = tuple((row[0], sort.value(random), *row[1:]) for row in table.values)
        table = Table((table.sorts[0], sort, *table.sorts[1:]), values)
    source, target = table.answered(SOURCE), table.answered(TARGET)
    if put is not None:
        source, target = (with_rows(one, [(row[0], put, *row[2:]) for row in one.rows]) for one in (source, target))
    return source, plant(random, table, target)


@pytest.mark.parametrize(("kind", "plant", "put"), PLANTS, ids=[f"{at} {one[0]}" for at, one in enumerate(PLANTS)])
def test_a_planted_difference_is_found_and_rightly_classed(kind: K, plant: Plant, put: bytes | None) -> None:
    random = Random(f"{kind} {put!r}")
    order = Order.STATED if kind is K.ORDER else Order.OPEN

    found = [unexpected(*a_case(random, plant, put), order) for _ in range(OF_EACH)]

    assert Counter(tuple(one.kind for one in told) for told in found) == {(kind,): OF_EACH}


def test_that_are_more_than_a_thousand_in_more_than_a_dozen_kinds() -> None:
    assert len(PLANTS) * OF_EACH >= 1000
    assert len({kind for kind, _, _ in PLANTS}) >= 12


def test_ten_thousand_reads_without_a_difference_report_none() -> None:
    random = Random(7)
    found = 0
    for _ in range(WITHOUT):
        table = some_table(random, SORTS)
        source, target = table.answered(SOURCE), table.answered(TARGET)
        order = random.choice((Order.OPEN, Order.STATED))
        if order is Order.OPEN:
            target = with_rows(target, random.sample(target.rows, len(target.rows)))

        found += len(unexpected(source, target, order))

    assert found == 0


def test_the_other_way_round_is_the_same() -> None:
    expected, random = shipped().between("mysql 9.7.4", "mariadb 11.8.2"), Random(8)
    for _ in range(500):
        table = some_table(random)
        told = compare(table.answered(TARGET), table.answered(SOURCE), Order.STATED)
        assert [one for one in told.differences if expected.rule_for(one, STATEMENT) is None] == []
