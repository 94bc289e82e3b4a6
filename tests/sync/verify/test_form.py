"""What is asked of the servers for a pair of columns, and which pairs cannot be compared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbmux.sync.table import Column, Family, Index, Table, TableName
from dbmux.sync.verify.form import Incomparable, pair, pairs
from dbmux.sync.verify.side import layouts

INT = Column(name="a", type="int", family=Family.INTEGER)
TEXT = Column(name="t", type="varchar(10)", family=Family.TEXT, charset="latin1", collation="latin1_swedish_ci")
UTF8 = replace(TEXT, charset="utf8mb4", collation="utf8mb4_general_ci")
FLOAT = Column(name="f", type="float", family=Family.FLOAT)
MOMENT = Column(name="m", type="datetime(3)", family=Family.DATETIME)
JSON = Column(name="j", type="json", family=Family.JSON, is_nullable=True)
ENUM = Column(name="e", type="enum('a','b')", family=Family.ENUM, charset="utf8mb4", collation="utf8mb4_bin")
UUID = Column(name="u", type="uuid", family=Family.UUID)


@pytest.mark.parametrize(
    ("column", "value", "literal"),
    [
        (INT, b"-5", "-5"),
        (FLOAT, b"[1.5e30]", "(1.5e30+0e0)"),
        (replace(INT, type="decimal(9,2)", family=Family.DECIMAL), b"-5.10", "-5.1"),
        (replace(INT, type="decimal(65,0)", family=Family.DECIMAL), b"50.00", "50"),
        (MOMENT, b"2024-02-29 00:00:00.500", "'2024-02-29 00:00:00.500'"),
        (TEXT, b"\xe4'", "_latin1 x'e427' COLLATE latin1_swedish_ci"),
        (ENUM, b"2", "2"),
        (JSON, b"[]", "_utf8mb4 x'5b5d'"),
        (UUID, b"123E4567E89B12D3A456426655440000", "'123e4567-e89b-12d3-a456-426655440000'"),
    ],
    ids=lambda one: one.name if isinstance(one, Column) else "",
)
def test_a_value_is_written_in_sql_again(column: Column, value: bytes, literal: str) -> None:
    assert pair(column, column).forms[1].literal(value) == literal


def test_text_in_two_character_sets_is_converted_and_has_no_common_order() -> None:
    found = pair(TEXT, UTF8)

    assert [form.value for form in found.forms] == ["CAST(CONVERT(`t` USING utf8mb4) AS BINARY)", "CAST(`t` AS BINARY)"]
    assert found.forms[0].literal(b"a") == "CONVERT(_utf8mb4 x'61' USING latin1) COLLATE latin1_swedish_ci"
    assert not found.is_ordered


@pytest.mark.parametrize(
    ("first", "second", "is_ordered"),
    [
        ("utf8mb4_general_ci", "utf8mb4_general_ci", True),
        ("utf8mb4_0900_ai_ci", "utf8mb4_uca1400_ai_ci", False),
        ("utf8_general_ci", "utf8mb3_general_ci", True),
    ],
)
def test_a_range_means_the_same_under_one_collation_by_either_name(first: str, second: str, is_ordered: bool) -> None:
    columns = [replace(UTF8, charset=one.partition("_")[0], collation=one) for one in (first, second)]

    assert pair(*columns).is_ordered is is_ordered


def test_fractions_of_a_second_are_brought_to_one_length() -> None:
    found = pair(replace(MOMENT, type="datetime"), MOMENT)

    assert [form.value for form in found.forms] == ["CONCAT(`m`,'.000')", "`m`"]


def test_digits_behind_the_point_are_brought_to_one_length() -> None:
    found = pair(INT, replace(INT, type="decimal(65,3) unsigned zerofill", family=Family.DECIMAL))

    assert [form.value for form in found.forms] == ["CONCAT(`a`,'.000')", "(`a`+0)"]
    assert found.is_ordered


def test_null_is_told_from_every_value() -> None:
    assert pair(replace(INT, is_nullable=True), INT).forms[0].pieces == "IF(`a` IS NULL,'N',`a`)"
    assert pair(replace(TEXT, is_nullable=True), TEXT).forms[0].pieces == "IFNULL(LENGTH(`t`),'N'),':',IFNULL(`t`,'')"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (INT, replace(TEXT, name="a")),
        (MOMENT, replace(MOMENT, type="time(3)", family=Family.TIME)),
        (replace(ENUM, type="set('a','b')", family=Family.SET), replace(ENUM, type="set('b','a')", family=Family.SET)),
        (UUID, INT),
        (replace(INT, type="xml", family=Family.OTHER), replace(INT, type="xml", family=Family.OTHER)),
    ],
    ids=lambda one: one.type,
)
def test_what_cannot_be_compared_is_said_to_be(first: Column, second: Column) -> None:
    with pytest.raises(Incomparable, match=rf"column {first.name} is .* cannot be compared"):
        pair(first, second)


def table(*columns: Column, primary: tuple[str, ...] = (), unique: tuple[str, ...] = ()) -> Table:
    return Table(
        name=TableName("shop", "orders"),
        engine="InnoDB",
        columns=columns,
        primary=Index(name="PRIMARY", columns=primary, is_whole=True) if primary else None,
        unique=(Index(name="u", columns=unique, is_whole=True),) if unique else (),
    )


def test_a_column_on_one_side_alone_is_named() -> None:
    with pytest.raises(Incomparable, match="only one of them has t"):
        pairs(table(INT, TEXT), table(INT))


def test_rows_are_told_apart_by_a_key_that_both_tables_have() -> None:
    first, second = table(INT, TEXT, primary=("a", "t"), unique=("a",)), table(INT, TEXT, primary=("A",))

    one, other = layouts(first, second, pairs(first, second))

    assert [form.column.name for form in one.key] == ["a"]
    assert (one.index, other.index) == ("u", "PRIMARY")


def test_the_order_of_a_key_ends_at_the_first_column_that_is_sorted_in_another_way() -> None:
    first, second = table(INT, TEXT, MOMENT, primary=("a", "t", "m")), table(INT, UTF8, MOMENT, primary=("a", "t", "m"))

    one, _ = layouts(first, second, pairs(first, second))

    assert (len(one.key), one.ordered) == (3, 1)
