"""Rows that changed at one server, as the statements that change them at another."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dbmux.sync.apply import ROWS_LIMIT, CannotApply, Writer
from dbmux.sync.table import Column as TableColumn
from dbmux.sync.table import Family, Index, Table, TableName
from dbmux.sync.target import LENIENT, STRICT, Change
from dbmux.wire.binlog.changes import ChangeKind
from dbmux.wire.binlog.columns import Column, Detail, Layout, LoggedType
from dbmux.wire.binlog.readers import ABSENT
from dbmux.wire.binlog.rows import Row

UTF8MB4 = 45
NAME = TableName("shop", "t`x")
FAMILIES = {LoggedType.LONG: Family.INTEGER, LoggedType.VARCHAR: Family.TEXT, LoggedType.FLOAT: Family.FLOAT}
ID, TEXT = Column(type=LoggedType.LONG, name="id"), Column(type=LoggedType.VARCHAR, name="b", collation=UTF8MB4)
N = Column(type=LoggedType.LONG, name="n")
CHOICE = Column(type=LoggedType.ENUM, name="e", elements=(b"x", b"y"), collation=UTF8MB4)


def target(
    *columns: Column, key: Sequence[str] = ("id",), generated: Sequence[str] = (), renewed: Sequence[str] = ()
) -> Table:
    """A table of the target with the same columns."""
    return Table(
        name=NAME,
        engine="InnoDB",
        columns=tuple(
            TableColumn(
                name=column.name or "",
                type="varchar(9)" if column.type is LoggedType.VARCHAR else "",
                family=FAMILIES.get(column.type, Family.ENUM),
                charset="latin1" if column.type is LoggedType.VARCHAR else "",
                generated="a + 1" if column.name in generated else "",
                is_renewed=column.name in renewed,
            )
            for place, column in enumerate(columns)
        ),
        primary=Index(name="PRIMARY", columns=tuple(key), is_whole=True) if key else None,
    )


def layout(*columns: Column) -> Layout:
    return Layout(columns, (), Detail.FULL)


def written(writer: Writer, kind: ChangeKind, *changes: tuple[Row | None, Row | None]) -> list[Change]:
    return list(writer.write(kind, changes))


WRITER = Writer(target(ID, TEXT), layout(ID, TEXT))


def test_new_rows_go_together() -> None:
    assert written(WRITER, ChangeKind.INSERT, (None, (1, b"it's")), (None, (2, None))) == [
        Change(b"INSERT INTO `shop`.`t``x` (`id`,`b`) VALUES (1,_utf8mb4 x'69742773'),(2,NULL)", 2)
    ]


def test_but_not_too_many() -> None:
    changes = written(WRITER, ChangeKind.INSERT, *((None, (number, b"x")) for number in range(ROWS_LIMIT + 1)))

    assert [change.rows for change in changes] == [ROWS_LIMIT, 1]


def test_of_a_changed_row_only_what_changed_is_written() -> None:
    changes = written(WRITER, ChangeKind.UPDATE, ((1, b"a"), (1, b"b")), ((2, b"a"), (3, b"a")), ((4, b"a"), (4, b"a")))

    assert changes == [
        Change(b"UPDATE `shop`.`t``x` SET `b`='b' WHERE `id`=1", 1),
        Change(b"UPDATE `shop`.`t``x` SET `id`=3 WHERE `id`=2", 1),
    ]


def test_a_column_that_is_renewed_with_each_change_does_not_get_the_targets_moment() -> None:
    writer = Writer(target(ID, TEXT, N, renewed=("b",)), layout(ID, TEXT, N))

    changes = written(writer, ChangeKind.UPDATE, ((1, b"a", 1), (1, b"a", 2)), ((1, b"a", 2), (1, b"b", 3)),
                      ((1, b"b", 3), (1, ABSENT, 4)), ((1, b"b", 4), (1, b"b", 4)))  # fmt: skip

    assert [change.sql[25:].partition(b" WHERE")[0] for change in changes] == [
        b"`n`=2,`b`=`b`",
        b"`b`='b',`n`=3",
        b"`n`=4,`b`=`b`",
    ]


def test_a_zero_of_the_other_sign_is_a_change() -> None:
    number = Column(type=LoggedType.FLOAT, name="f")
    writer = Writer(target(ID, number), layout(ID, number))

    (change,) = written(writer, ChangeKind.UPDATE, ((1, 0.0), (1, -0.0)))

    assert b"SET `f`=-0.0" in change.sql


def test_rows_that_are_gone_are_found_by_their_key() -> None:
    assert written(WRITER, ChangeKind.DELETE, ((1, b"a"), None), ((2, b"b"), None)) == [
        Change(b"DELETE FROM `shop`.`t``x` WHERE `id` IN (1,2)", 2)
    ]
    writer = Writer(target(ID, TEXT, key=("id", "b")), layout(ID, TEXT))
    assert written(writer, ChangeKind.DELETE, ((1, b"a"), None)) == [
        Change(b"DELETE FROM `shop`.`t``x` WHERE `id`=1 AND `b`='a'", 1)
    ]


def test_without_a_key_by_all_that_they_have_and_one_at_a_time() -> None:
    writer = Writer(target(ID, TEXT, key=()), layout(ID, TEXT))

    assert written(writer, ChangeKind.DELETE, ((1, None), None)) == [
        Change(b"DELETE FROM `shop`.`t``x` WHERE `id`<=>1 AND `b`<=>NULL LIMIT 1", 1)
    ]


def test_without_a_key_rows_that_differ_in_case_alone_are_told_apart() -> None:
    writer = Writer(target(TEXT, key=()), layout(TEXT))

    (change,) = written(writer, ChangeKind.DELETE, ((b"a",), None))

    same_bytes = b"CAST(`b` AS BINARY)=CAST(CONVERT('a' USING latin1) AS BINARY)"
    assert change.sql.partition(b" WHERE ")[2] == b"`b`='a' AND %b LIMIT 1" % same_bytes


def test_what_the_target_computes_is_left_to_it() -> None:
    computed = Column(type=LoggedType.LONG, name="g")
    writer = Writer(target(ID, computed, generated=("g",)), layout(ID, computed))

    assert written(writer, ChangeKind.INSERT, (None, (1, 2))) == [
        Change(b"INSERT INTO `shop`.`t``x` (`id`) VALUES (1)", 1)
    ]
    assert written(writer, ChangeKind.UPDATE, ((1, 2), (1, 3))) == []


def test_columns_are_found_by_name_and_may_be_more_there() -> None:
    writer = Writer(target(TEXT, Column(type=LoggedType.LONG, name="more"), ID), layout(ID, TEXT))

    assert written(writer, ChangeKind.INSERT, (None, (1, b"a"))) == [
        Change(b"INSERT INTO `shop`.`t``x` (`id`,`b`) VALUES (1,'a')", 1)
    ]


def test_of_a_row_whose_enum_has_no_element_nothing_else_is_written_leniently() -> None:
    writer = Writer(target(ID, CHOICE, TEXT), layout(ID, CHOICE, TEXT))

    assert written(writer, ChangeKind.INSERT, (None, (1, b"x", b"a")), (None, (2, 0, b"b"))) == [
        Change(b"INSERT INTO `shop`.`t``x` (`id`,`e`,`b`) VALUES (2,1,'b')", 1),
        LENIENT,
        Change(b"UPDATE `shop`.`t``x` SET `e`=0 WHERE `id`=2", 1),
        STRICT,
        Change(b"INSERT INTO `shop`.`t``x` (`id`,`e`,`b`) VALUES (1,'x','a')", 1),
    ]
    assert written(writer, ChangeKind.UPDATE, ((1, b"x", b"a"), (3, 0, b"b")), ((3, 0, b"b"), (3, 0, b"c"))) == [
        LENIENT,
        Change(b"UPDATE `shop`.`t``x` SET `e`=0 WHERE `id`=1", 1),
        STRICT,
        Change(b"UPDATE `shop`.`t``x` SET `id`=3,`b`='b' WHERE `id`=1", 1),
        Change(b"UPDATE `shop`.`t``x` SET `b`='c' WHERE `id`=3", 1),
    ]


def test_without_a_key_a_row_whose_enum_gets_no_element_is_found_as_it_is_by_then() -> None:
    writer = Writer(target(ID, CHOICE, key=(), renewed=("id",)), layout(ID, CHOICE))

    changes = written(writer, ChangeKind.UPDATE, ((1, b"x"), (2, 0)))

    assert [change.sql[20:] for change in changes if change.sql.startswith(b"UPDATE")] == [
        b" SET `e`=0,`id`=`id` WHERE `id`<=>1 AND `e`<=>'x' LIMIT 1",
        b" SET `id`=2 WHERE `id`<=>1 AND `e`<=>0 LIMIT 1",
    ]


def test_an_empty_string_may_be_an_element() -> None:
    choice = Column(type=LoggedType.ENUM, name="e", elements=(b"", b"y"), collation=UTF8MB4)

    (change,) = written(Writer(target(ID, choice), layout(ID, choice)), ChangeKind.INSERT, (None, (1, b"")))

    assert change.sql.endswith(b"(1,'')")


@pytest.mark.parametrize(
    ("table", "logged", "told"),
    [
        (target(ID), layout(Column(type=LoggedType.LONG)), "binlog_row_metadata = FULL"),
        (target(ID), layout(ID, TEXT), "lacks the columns b"),
        (target(ID, TEXT), layout(TEXT), "does not log all columns of the target's key"),
        (target(ID), layout(Column(type=LoggedType.DOUBLE, name="id")), "would drop digits behind the point in id"),
        (target(Column(type=LoggedType.FLOAT, name="f"), key=()), layout(Column(type=LoggedType.FLOAT, name="f")),
         "give it a primary key"),
    ],
    ids=["names", "column", "key", "narrow", "floats"],
)  # fmt: skip
def test_what_cannot_be_applied_is_refused_with_a_remedy(table: Table, logged: Layout, told: str) -> None:
    with pytest.raises(CannotApply, match=told):
        Writer(table, logged)


def test_rows_that_are_not_logged_whole_are_refused() -> None:
    with pytest.raises(CannotApply, match="binlog_row_image"):
        written(WRITER, ChangeKind.INSERT, (None, (1, ABSENT)))
    with pytest.raises(CannotApply, match="binlog_row_image"):
        written(WRITER, ChangeKind.DELETE, ((ABSENT, b"a"), None))
