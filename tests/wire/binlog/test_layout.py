"""What a table map tells of its columns is read, and what it does not tell is not guessed."""

from __future__ import annotations

from contextlib import suppress
from itertools import accumulate

import pytest

from dbmux.errors import ProtocolError
from dbmux.wire.binlog.columns import Column, Declared, Detail, Family, KeyPart, LoggedType
from dbmux.wire.binlog.layout import parse_layout
from dbmux.wire.binlog.plan import PLANS_LIMIT, Plan, Plans
from dbmux.wire.buffer import lenenc, lenenc_bytes
from tests.wire.binlog import encoding as e

T = LoggedType
LATIN1, UTF8MB4, BINARY = 8, 45, 63
TYPES = (
    (T.YEAR, b""), (T.LONG, b""), (T.TINY, b""), (T.STRING, bytes((T.STRING, 10))), (T.BLOB, b"\2"),
    (T.STRING, bytes((T.ENUM, 1))), (T.STRING, bytes((T.SET, 8))), (T.GEOMETRY, b"\4"), (T.VARCHAR, b"\x2c\1"),
)  # fmt: skip
NAMES = b"".join(lenenc_bytes(name.encode()) for name in ("y", "id", "té", "c", "b", "e", "s", "g", "v"))
ELEMENTS = lenenc(2) + lenenc_bytes(b"a,b") + lenenc_bytes(b"\xe9")


def columns_of(*facts: bytes, family: Family = Family.MYSQL) -> tuple[Column, ...]:
    return parse_layout(e.table_map(TYPES, b"".join(facts)).columns, family).columns


def test_types_alone_tell_sizes_and_nothing_else() -> None:
    layout = parse_layout(e.table_map(TYPES).columns, Family.MYSQL)

    assert layout.detail is Detail.NO_LOG
    assert [(column.type.name, column.size) for column in layout.columns] == [
        ("YEAR", 0), ("LONG", 0), ("TINY", 0), ("STRING", 10), ("BLOB", 2), ("ENUM", 1), ("SET", 8), ("GEOMETRY", 4),
        ("VARCHAR", 300),
    ]  # fmt: skip
    assert {(column.name, column.is_unsigned, column.collation) for column in layout.columns} == {(None, None, None)}


@pytest.mark.parametrize(("told", "size"), [(0xFE, 10), (0xEE, 266), (0xCE, 778)])
def test_a_length_beyond_a_byte_hides_in_the_type(told: int, size: int) -> None:
    (column,) = parse_layout(e.table_map([(T.STRING, bytes((told, 10)))]).columns, Family.MYSQL).columns

    assert (column.type, column.size) == (T.STRING, size)


def test_all_that_can_be_told() -> None:
    layout = parse_layout(
        e.table_map(
            TYPES,
            e.signs(1, 0, 1)
            + e.fact(2, lenenc(UTF8MB4) + lenenc(1) + lenenc(BINARY))
            + e.fact(4, NAMES)
            + e.fact(5, ELEMENTS)
            + e.fact(6, ELEMENTS)
            + e.fact(7, lenenc(1))
            + e.fact(9, b"\1\0\3\5")
            + e.fact(11, b"\x08\x2d")
            + e.fact(12, b"\xff\x00"),
        ).columns,
        Family.MYSQL,
    )

    assert layout.detail is Detail.FULL
    assert layout.primary_key == (KeyPart(1), KeyPart(3, 5))
    columns = {column.name: column for column in layout.columns}
    assert list(columns) == ["y", "id", "té", "c", "b", "e", "s", "g", "v"]
    assert [columns[name].is_unsigned for name in ("y", "id", "té")] == [True, False, True]
    assert [columns[name].collation for name in ("c", "b", "v", "e", "s")] == [UTF8MB4, BINARY, UTF8MB4, LATIN1, 45]
    assert columns["e"].elements == columns["s"].elements == (b"a,b", b"\xe9")
    assert columns["g"].geometry == 1
    assert [columns[name].is_visible for name in ("y", "v")] == [True, False]


def test_a_primary_key_without_prefixes() -> None:
    assert parse_layout(e.table_map(TYPES, e.fact(8, b"\1\2")).columns, Family.MYSQL).primary_key == (
        KeyPart(1),
        KeyPart(2),
    )


@pytest.mark.parametrize(
    ("family", "collations"),
    [(Family.MYSQL, [UTF8MB4, LATIN1, None, UTF8MB4]), (Family.MARIADB, [UTF8MB4, LATIN1, UTF8MB4, UTF8MB4])],
)
def test_a_geometry_has_a_collation_on_mariadb_alone(family: Family, collations: list[int | None]) -> None:
    columns = columns_of(e.fact(2, lenenc(UTF8MB4) + lenenc(1) + lenenc(LATIN1)), family=family)

    assert [columns[place].collation for place in (3, 4, 7, 8)] == collations


def test_a_vector_has_a_collation_on_mysql_alone() -> None:
    table = e.table_map(
        [(T.VECTOR, b"\4"), (T.STRING, bytes((T.STRING, 3)))], e.fact(3, b"\x3f\x08") + e.fact(13, b"\2")
    )

    vector, string = parse_layout(table.columns, Family.MYSQL).columns

    assert (vector.dimensions, vector.collation, string.collation) == (2, BINARY, LATIN1)
    with pytest.raises(ProtocolError, match="collation"):
        parse_layout(table.columns, Family.MARIADB)


def test_what_is_not_known_is_passed_over() -> None:
    assert columns_of(e.fact(77, b"anything"), e.signs(1, 0, 0))[0].is_unsigned


def test_a_type_that_is_not_known_is_refused_by_its_number() -> None:
    with pytest.raises(ProtocolError, match="type 99"):
        parse_layout(b"\1\x63\0\0", Family.MYSQL)


@pytest.mark.parametrize(
    "fact",
    [
        e.fact(4, lenenc_bytes(b"id")),
        e.fact(3, b"\x08"),
        e.fact(8, b"\x63"),
        e.fact(5, b""),
        e.fact(2, b"\x2d\x63\x08"),
    ],
    ids=["names", "collations", "key", "elements", "default collation"],
)
def test_what_is_told_of_more_or_fewer_columns_is_refused(fact: bytes) -> None:
    with pytest.raises(ProtocolError):
        columns_of(fact)


def test_a_layout_that_is_cut_off_is_refused_or_tells_less() -> None:
    facts = (e.signs(1, 0, 1), e.fact(4, NAMES), e.fact(6, ELEMENTS), e.fact(11, b"\x08\x2d"))
    types = e.table_map(TYPES).columns
    whole = types + b"".join(facts)
    ends = set(accumulate(map(len, (types, *facts))))

    read = set()
    for length in range(len(whole) + 1):
        with suppress(ProtocolError):
            parse_layout(whole[:length], Family.MYSQL)
            read.add(length)

    assert read == ends


@pytest.mark.parametrize(
    ("type_", "told"),
    [
        (T.DECIMAL, b"\x42\0"), (T.DECIMAL, b"\5\6"), (T.DECIMAL, b"\0\0"), (T.BLOB, b"\5"), (T.BLOB, b"\0"),
        (T.BIT, b"\0\x09"), (T.BIT, b"\0\0"), (T.TIME, b"\7"), (T.STRING, bytes((T.ENUM, 3))),
        (T.STRING, bytes((T.SET, 9))), (T.STRING, bytes((T.LONG | 0x30, 9))),
    ],
)  # fmt: skip
def test_sizes_that_cannot_be_are_refused(type_: LoggedType, told: bytes) -> None:
    with pytest.raises(ProtocolError):
        Plans().of(e.table_map([(type_, told)]))


def test_a_plan_is_made_once_for_the_same_table_map_and_a_bounded_number_is_kept() -> None:
    plans = Plans()
    first = e.table_map([(T.LONG, b"")])

    plan = plans.of(first)

    assert plans.of(e.table_map([(T.LONG, b"")])) is plan
    assert plans.of(e.table_map([(T.LONG, b"")], e.signs(1))) is not plan
    for count in range(PLANS_LIMIT):
        plans.of(e.table_map([(T.LONG, b"")], e.fact(99, str(count).encode())))
    assert plans.of(first) is not plan


def test_what_the_log_does_not_tell_can_be_declared() -> None:
    table = e.table_map([(T.LONG, b""), (T.STRING, bytes((T.STRING, 16)))], e.fact(3, b"\x3f"))
    declared: dict[int, Declared] = {1: Declared.INET6}

    plans = Plans(lambda asked: declared if asked == table else {})

    assert [column.declared for column in plans.of(table).layout.columns] == [None, Declared.INET6]
    declared = {}
    plans.forget(lambda schema, name: name != table.table)
    assert [column.declared for column in plans.of(table).layout.columns] == [None, Declared.INET6]
    plans.forget(lambda schema, name: (schema, name) == (table.schema, table.table))
    assert [column.declared for column in plans.of(table).layout.columns] == [None, None]


def test_the_images_of_a_plan_are_kept_by_their_columns() -> None:
    plan = Plan(parse_layout(e.table_map([(T.LONG, b"")] * 2).columns, Family.MYSQL))

    assert plan.image(b"\1") is plan.image(b"\1")
    assert plan.image(b"\1") is not plan.image(b"\3")
