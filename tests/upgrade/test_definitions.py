"""Types, engines, collations, dates, limits and foreign keys that another server does not take."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from dbmux.upgrade import collations, dates, engines, foreign_keys, limits, types
from dbmux.upgrade.finding import Finding, Severity
from dbmux.upgrade.scratch import parents_first
from dbmux.upgrade.server import Column, ForeignKey, Server, Table, TableKind
from tests.upgrade.servers import account, column, index, mariadb, mysql, name, procedure, table

STRICT = {"sql_mode": "STRICT_TRANS_TABLES,NO_ZERO_DATE"}


def told(found: Iterable[Finding]) -> list[tuple[Severity, str]]:
    return [(one.severity, one.what) for one in found]


def test_a_refused_type_is_told_with_its_columns_and_a_home_for_it() -> None:
    a = mariadb(tables=(table("shop.ids", column("id", "uuid"), column("n")),))

    (found,) = types.find(a, mysql(), {"uuid": "1064"})

    assert (found.severity, found.where) == (Severity.BLOCKS, ("column shop.ids.id",))
    assert "BINARY(16)" in found.do


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (mariadb(tables=(table(kind=TableKind.SEQUENCE),)), mysql(), [(Severity.BLOCKS, "sequences have no home")]),
        (
            mariadb(tables=(table(kind=TableKind.VERSIONED),)),
            mysql(),
            [(Severity.BLOCKS, "system versioned tables have no home")],
        ),
        (mariadb(tables=(table(kind=TableKind.VERSIONED),)), mariadb((11, 4, 2)), []),
        (
            mariadb(tables=(table(text="CREATE TABLE `t` (\n  PERIOD FOR `p` (`a`, `b`)\n)"),)),
            mysql(),
            [(Severity.BLOCKS, "application-time periods have no home")],
        ),
        (
            mariadb(tables=(table("s.t", column("c", "text /*M!100301 COMPRESSED*/")),)),
            mysql(),
            [(Severity.KNOW, "COMPRESSED columns are kept as they are")],
        ),
        (
            mariadb(tables=(table(text="CREATE TABLE `t` (`j` longtext CHECK (json_valid(`j`)))"),)),
            mysql(),
            [(Severity.KNOW, "JSON stays text")],
        ),
        (mysql(tables=(table("s.t", column("j", "json")),)), mariadb(), [(Severity.CHANGES, "JSON becomes text")]),
        (
            mysql(tables=(table(indexes=(index("f", ""),)),)),
            mariadb(),
            [(Severity.BLOCKS, "indexes over expressions have no home")],
        ),
        (mysql((8, 0, 36), tables=(table(indexes=(index("f", ""),)),)), mysql(), []),
        (
            mariadb((11, 8, 1), tables=(table("s.t", column("at", "timestamp")),)),
            mysql(),
            [(Severity.CHANGES, "TIMESTAMP ends earlier")],
        ),
        (mariadb(tables=(table("s.t", column("at", "timestamp")),)), mysql(), []),
    ],
)
def test_what_only_one_family_has(a: Server, b: Server, expected: list[tuple[Severity, str]]) -> None:
    assert told(types.find(a, b, {})) == expected


def test_types_are_tried_once_and_never_enums() -> None:
    a = mariadb(tables=(table("s.t", column("a", "inet6"), column("b", "inet6"), column("c", "enum('x')")),))

    assert types.tried(a) == {"inet6": "inet6"}


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        ("Aria", [(Severity.BLOCKS, "the engine Aria is not there")]),
        ("MyISAM", [(Severity.KNOW, "tables are kept by MyISAM")]),
        ("InnoDB", []),
    ],
)
def test_engines(engine: str, expected: list[tuple[Severity, str]]) -> None:
    assert told(engines.find(mariadb(tables=(table(engine=engine),)), mysql())) == expected


def test_a_plugin_that_only_the_first_server_has_loaded_is_to_know() -> None:
    a, b = mariadb(loaded=frozenset(("server_audit", "both"))), mysql(plugins=frozenset(("both",)))

    assert told(engines.find(a, b)) == [(Severity.KNOW, "the plugin server_audit is not there")]


@pytest.mark.parametrize(
    ("there", "nearest"),
    [
        ({"utf8mb4_0900_ai_ci", "utf8mb4_general_ci"}, "utf8mb4_0900_ai_ci"),
        ({"utf8mb4_unicode_520_ci", "utf8mb4_general_ci"}, "utf8mb4_unicode_520_ci"),
        ({"utf8mb4_general_ci"}, "utf8mb4_general_ci"),
    ],
)
def test_a_missing_collation_blocks_and_the_nearest_there_is_named(there: set[str], nearest: str) -> None:
    a = mariadb(tables=(table("s.t", column("c", "varchar(9)", collation="utf8mb4_uca1400_ai_ci")),))

    (found,) = collations.find(a, mysql(collations=frozenset(there)))

    assert found.where == ("column s.t.c",)
    assert found.do.endswith(f"COLLATE {nearest}")


def test_the_collation_of_the_connection_that_made_a_routine_blocks_its_dump() -> None:
    a = mariadb(programs=(procedure("", collation="utf8mb4_uca1400_ai_ci"),))

    assert told(collations.find(a, mysql())) == [
        (Severity.BLOCKS, "definitions were made in connections with utf8mb4_uca1400_ai_ci")
    ]


def test_another_default_collation_changes_results() -> None:
    a = mariadb(defaults={"utf8mb4": "utf8mb4_general_ci"})
    b = mysql(defaults={"utf8mb4": "utf8mb4_0900_ai_ci"})

    (found,) = collations.find(a, b)

    assert found.severity is Severity.CHANGES
    assert "spaces at the end" in found.why


@pytest.mark.parametrize(
    ("default", "kind", "is_zero"),
    [
        ("'0000-00-00'", "date", True),
        ("0000-00-00 00:00:00", "datetime", True),
        ("2020-00-01", "date", True),
        ("'2020-10-10'", "date", False),
        ("current_timestamp()", "timestamp", False),
        ("'0000-00-00'", "varchar(10)", False),
    ],
)
def test_zero_dates_in_defaults_block_where_the_mode_refuses_them(default: str, kind: str, is_zero: bool) -> None:
    a = mariadb(tables=(table("s.t", column("d", kind, default=default)),))

    strict = told(dates.find(a, mysql(variables=STRICT), {}))
    lax = told(dates.find(a, mysql(variables={"sql_mode": ""}), {}))

    assert strict == ([(Severity.BLOCKS, "defaults are zero dates")] if is_zero else [])
    assert lax == ([(Severity.KNOW, "defaults are zero dates")] if is_zero else [])


def test_zero_dates_in_rows_are_counted_by_column() -> None:
    counted = {name("s.t"): {"d": 3, "e": 0}}

    (found,) = dates.find(mariadb(), mysql(variables=STRICT), counted)

    assert (found.what, found.where) == ("3 rows have zero dates", ("column s.t.d",))


def keyed(column: Column, engine: str = "InnoDB", row_format: str = "Dynamic") -> Table:
    return table("s.t", column, indexes=(index("k", column.name),), engine=engine, row_format=row_format)


@pytest.mark.parametrize(
    ("given", "pages", "limit"),
    [
        (keyed(column("c", "varchar(768)", octets=3072, letters=768)), "16384", None),
        (keyed(column("c", "varchar(769)", octets=3076, letters=769)), "16384", 3072),
        (keyed(column("c", "varbinary(1000)", octets=1000, letters=1000)), "16384", None),
        (keyed(column("c", "varbinary(1000)", octets=1000, letters=1000)), "4096", 768),
        (keyed(column("c", "varbinary(1000)", octets=1000, letters=1000), row_format="Compact"), "16384", 767),
        (keyed(column("c", "varbinary(1001)", octets=1001, letters=1001), engine="MyISAM"), "16384", 1000),
        (keyed(column("c", "varbinary(1500)", octets=1500, letters=1500), engine="Aria"), "16384", None),
        (keyed(column("c", "int")), "4096", None),
    ],
)
def test_indexes_that_are_too_long(given: Table, pages: str, limit: int | None) -> None:
    found = told(limits.find(mariadb(tables=(given,)), mysql(variables={"innodb_page_size": pages})))

    assert found == ([(Severity.BLOCKS, f"an index is longer than {limit} bytes")] if limit else [])


def test_names_of_accounts_are_shorter_in_mysql() -> None:
    a = mariadb(accounts=(account("u" * 33),))

    assert told(limits.find(a, mysql())) == [(Severity.BLOCKS, "names of accounts are longer than 32 letters")]
    assert told(limits.find(a, mariadb((11, 4, 2)))) == []


def child(text: str = "s.child", parent: str = "s.parent") -> Table:
    return table(text, foreign_keys=(ForeignKey(name="fk", parent=name(parent), parent_columns=("code",)),))


@pytest.mark.parametrize(
    ("unique", "restricts", "blocks"), [(False, "ON", True), (True, "ON", False), (False, "OFF", False)]
)
def test_a_foreign_key_to_columns_that_are_no_key(unique: bool, restricts: str, blocks: bool) -> None:
    parent = table("s.parent", column("code"), indexes=(index("code", "code", unique=unique),))
    b = mysql(variables={"restrict_fk_on_non_standard_key": restricts})

    found = told(foreign_keys.find(mariadb(tables=(child(), parent)), b))

    assert found == ([(Severity.BLOCKS, "a foreign key refers to columns that are no unique key")] if blocks else [])


def test_a_foreign_key_to_a_table_that_was_not_read_is_to_know() -> None:
    found = told(foreign_keys.find(mariadb(tables=(child(parent="other.parent"),)), mysql()))

    assert found == [(Severity.KNOW, "foreign keys refer to tables that were not looked at")]


def test_parents_come_before_children_and_circles_end() -> None:
    parent, own = table("s.parent"), child("s.own", "s.own")
    one, other = child("s.one", "s.other"), child("s.other", "s.one")

    found = [entry.name.name for entry in parents_first((child(), own, one, other, parent))]

    assert found.index("parent") < found.index("child")
    assert sorted(found) == ["child", "one", "other", "own", "parent"]
