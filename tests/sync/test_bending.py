"""Which columns of a target hold what was logged, and which drop a part of it without a word."""

from __future__ import annotations

import pytest

from dbmux.sync.bending import lost
from dbmux.sync.table import Column as TableColumn
from dbmux.sync.table import Family as F
from dbmux.wire.binlog.columns import Column
from dbmux.wire.binlog.columns import LoggedType as T


@pytest.mark.parametrize(
    ("logged", "family", "type_", "dropped"),
    [
        (Column(type=T.DATETIME, decimals=6), F.DATETIME, "datetime", "fractions of a second"),
        (Column(type=T.DATETIME, decimals=3), F.TIMESTAMP, "timestamp(6)", ""),
        (Column(type=T.TIME, decimals=6), F.TIME, "time(3)", "fractions of a second"),
        (Column(type=T.DATETIME), F.DATE, "date", "the time of day"),
        (Column(type=T.TIMESTAMP), F.TIME, "time", "the day"),
        (Column(type=T.DATETIME), F.DATETIME, "datetime", ""),
        (Column(type=T.DECIMAL, size=12, decimals=4), F.DECIMAL, "decimal(12,2)", "digits behind the point"),
        (Column(type=T.DECIMAL, size=12, decimals=2), F.DECIMAL, "decimal(10,2)", ""),
        (Column(type=T.DECIMAL, size=12), F.INTEGER, "bigint", ""),
        (Column(type=T.DECIMAL, size=12, decimals=1), F.INTEGER, "bigint", "digits behind the point"),
        (Column(type=T.DOUBLE), F.FLOAT, "float", "digits"),
        (Column(type=T.DOUBLE), F.INTEGER, "int", "digits behind the point"),
        (Column(type=T.FLOAT), F.DOUBLE, "double", ""),
        (Column(type=T.VARCHAR, size=9), F.TEXT, "char(9)", "spaces at the end"),
        (Column(type=T.STRING, size=9), F.TEXT, "char(9)", ""),
        (Column(type=T.VARCHAR, size=36, collation=45), F.TEXT, "varchar(8)", "spaces at the end"),
        (Column(type=T.VARCHAR, size=36, collation=45), F.TEXT, "varchar(9)", ""),
        (Column(type=T.VARCHAR, size=9, collation=8), F.TEXT, "varchar(9)", ""),
        (Column(type=T.VARCHAR_COMPRESSED, size=10, collation=8), F.TEXT, "varchar(9)", ""),
        (Column(type=T.VARCHAR, size=256, collation=8), F.TEXT, "tinytext", "spaces at the end"),
        (Column(type=T.VARCHAR, size=256, collation=8), F.TEXT, "text", ""),
        (Column(type=T.BLOB, size=2, collation=45), F.TEXT, "varchar(9999)", "spaces at the end"),
        (Column(type=T.BLOB, size=3, collation=45), F.TEXT, "text", "spaces at the end"),
        (Column(type=T.BLOB, size=2, collation=45), F.TEXT, "text", ""),
        (Column(type=T.BLOB, size=2, collation=63), F.BYTES, "tinyblob", ""),
        (Column(type=T.LONG), F.FLOAT, "float", "digits"),
        (Column(type=T.INT24), F.FLOAT, "float", ""),
        (Column(type=T.LONGLONG), F.DOUBLE, "double", "digits"),
        (Column(type=T.LONG), F.INTEGER, "tinyint", ""),
        # Of a character set that is not known nobody can say how many characters these are.
        (Column(type=T.VARCHAR, size=40, collation=9999), F.TEXT, "varchar(10)", ""),
    ],
)
def test_a_column_holds_or_refuses_values_or_it_is_told_what_it_drops(
    logged: Column, family: F, type_: str, dropped: str
) -> None:
    assert lost(logged, TableColumn(name="c", type=type_, family=family)) == dropped
