"""What both families say of a table in their information_schema is one description."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from dbmux.sync.table import Column, Family, NoSuchTable, Table, TableName, describe, tables
from dbmux.wire.rows import TextRow

ORDERS = TableName("shop", "orders")
# Answers by a word of the question; each as that family gives it.
MARIADB: dict[str, list[TextRow]] = {
    "COLUMN_NAME='TABLE_NAME'": [(b"1",)],
    "CHECK_CLAUSE": [(b"json_valid(`notes`)",), (b"`total` > 0",)],
    "ENGINE": [(b"InnoDB", b"12")],
    "COLUMN_TYPE": [
        (b"id", b"int(11) unsigned", None, None, b"NO", None, b"auto_increment"),
        (b"code", b"char(36)", b"utf8mb3", b"utf8mb3_general_ci", b"YES", None, b""),
        (b"notes", b"longtext", b"utf8mb4", b"utf8mb4_bin", b"YES", None, b""),
        (b"total", b"decimal(10,2)", None, None, b"NO", b"`id` * 2", b"STORED GENERATED"),
        (b"at", b"timestamp", None, None, b"NO", None, b"on update current_timestamp()"),
    ],
    "INDEX_NAME": [
        (b"PRIMARY", b"id", None, b""),
        (b"by_code", b"code", None, b"YES"),
        (b"by_start", b"code", b"3", b""),
    ],
    "KEY_COLUMN_USAGE": [
        (b"fk", b"id", b"shop", b"customers", b"a", b"RESTRICT", b"CASCADE"),
        (b"fk", b"code", b"shop", b"customers", b"b", b"RESTRICT", b"CASCADE"),
    ],
    "TRIGGER_NAME": [(b"t",)],
}
MYSQL: dict[str, list[TextRow]] = {
    **MARIADB,
    "COLUMN_NAME='TABLE_NAME'": [],
    "COLUMN_TYPE": [
        (b"id", b"int unsigned", None, None, b"NO", b"", b"auto_increment"),
        (b"code", b"char(36)", b"utf8", b"utf8_general_ci", b"YES", b"", b""),
        (b"notes", b"json", None, None, b"YES", b"", b""),
        (b"total", b"decimal(10,2)", None, None, b"NO", b"(`id` * 2)", b"STORED GENERATED"),
        (b"at", b"timestamp", None, None, b"NO", b"", b"DEFAULT_GENERATED on update CURRENT_TIMESTAMP"),
    ],
}


def described(answers: dict[str, list[TextRow]]) -> Table:
    async def ask(question: bytes) -> list[TextRow]:
        return next(rows for words, rows in answers.items() if words in question.decode())

    return asyncio.run(describe(ask, ORDERS))


def test_columns_keys_foreign_keys_and_triggers_are_there() -> None:
    table = described(MARIADB)

    assert [(one.name, one.family) for one in table.columns] == [
        ("id", Family.INTEGER),
        ("code", Family.TEXT),
        ("notes", Family.JSON),
        ("total", Family.DECIMAL),
        ("at", Family.TIMESTAMP),
    ]
    assert [one.name for one in table.columns if one.is_renewed] == ["at"]
    assert table.columns[0].is_unsigned
    assert table.columns[3].generated == "`id` * 2"
    assert table.primary is not None
    assert (table.primary.columns, table.primary.is_whole) == (("id",), True)
    assert [(one.name, one.is_whole) for one in table.unique] == [("by_code", False), ("by_start", False)]
    (key,) = table.foreign_keys
    assert (key.columns, key.parent, key.parent_columns) == (("id", "code"), ("shop", "customers"), ("a", "b"))
    assert (key.on_update, key.on_delete) == ("RESTRICT", "CASCADE")
    assert table.triggers == ("t",)


def test_both_families_tell_alike_which_columns_are_renewed() -> None:
    assert [one.is_renewed for one in described(MYSQL).columns] == [
        one.is_renewed for one in described(MARIADB).columns
    ]


def test_both_families_give_one_fingerprint() -> None:
    assert described(MARIADB).fingerprint == described(MYSQL).fingerprint


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "bigint(20) unsigned"},
        {"type": "int(11)"},
        {"name": "number"},
        {"type": "varchar(36)", "family": Family.TEXT},
    ],
    ids=str,
)
def test_another_column_gives_another_fingerprint(changed: dict[str, str]) -> None:
    table = described(MARIADB)
    first, *rest = table.columns
    other = replace(table, columns=(replace(first, **changed), *rest), primary=None)  # type: ignore[arg-type]

    assert other.fingerprint != replace(table, primary=None).fingerprint


def test_another_key_gives_another_fingerprint() -> None:
    table = described(MARIADB)

    assert replace(table, primary=None).fingerprint != table.fingerprint


@pytest.mark.parametrize(
    ("kind", "base", "arguments"),
    [
        ("int(8) unsigned zerofill", "int", "8"),
        ("text /*M!100301 COMPRESSED*/", "text", ""),
        ("enum('a,b','c''d','(e)')", "enum", "'a,b','c''d','(e)'"),
        ("varchar(200) /*M!100301 COMPRESSED*/", "varchar", "200"),
        ("datetime(6)", "datetime", "6"),
    ],
)
def test_a_type_is_taken_apart(kind: str, base: str, arguments: str) -> None:
    column = Column(name="c", type=kind, family=Family.OTHER)

    assert (column.base, column.arguments) == (base, arguments)


def test_a_table_that_is_not_there_is_said_to_be_missing_or_hidden() -> None:
    with pytest.raises(NoSuchTable, match=r"no table shop\.orders, or the account has no rights on it"):
        described({**MARIADB, "ENGINE": []})


def test_the_servers_own_tables_are_left_out() -> None:
    async def ask(question: bytes) -> list[TextRow]:
        return [(b"mysql", b"user"), (b"shop", b"orders"), (b"sys", b"x")]

    assert asyncio.run(tables(ask)) == [ORDERS]
