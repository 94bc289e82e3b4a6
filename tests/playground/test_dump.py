"""A dump: what it needs, whether it can be loaded, and which of its statements failed."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from dbmux.playground.dump import Failure, failures, schema_for
from dbmux.sync.dumped import BadDump


def dump(folder: Path, text: str, name: str = "shop.sql") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text, schema",
    [
        ("CREATE TABLE t (id INT);\n", "shop"),
        ("", "shop"),
        ("INSERT INTO t VALUES ('use it;');\n-- use me;\n", "shop"),
        ("SELECT 1\nuse index (a);\n", "shop"),
        ("USE `other`;\nCREATE TABLE t (id INT);\n", None),
        ("-- dump\n\nuse other ;\n", None),
        ("CREATE DATABASE /*!32312 IF NOT EXISTS*/ `other`;\n", None),
        ("create schema other;\n", None),
    ],
)
def test_a_dump_that_names_no_schema_gets_one_called_like_the_file(
    tmp_path: Path, text: str, schema: str | None
) -> None:
    assert schema_for(dump(tmp_path, text)) == schema


@pytest.mark.parametrize("name, schema", [("shop.2024-01-01.sql", "shop"), ("shop", "shop"), (".sql", "dump")])
def test_the_name_is_that_of_the_file_up_to_the_first_dot(tmp_path: Path, name: str, schema: str) -> None:
    assert schema_for(dump(tmp_path, "", name)) == schema


@pytest.mark.parametrize("text, schema", [("USE other;\n", None), ("CREATE TABLE t (id INT);\n", "shop")])
def test_a_gzipped_dump_is_as_good(tmp_path: Path, text: str, schema: str | None) -> None:
    path = tmp_path / "shop.sql.gz"
    path.write_bytes(gzip.compress(text.encode()))

    assert schema_for(path) == schema


def test_half_a_dump_is_none(tmp_path: Path) -> None:
    path = dump(tmp_path, "-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB\nUSE shop;\nCREATE TABLE t (id INT);\n")

    with pytest.raises(BadDump, match="shop.sql ends before its dump does: there is no line '-- Dump completed'"):
        schema_for(path)


def test_a_dump_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadDump, match="cannot be read: No such file or directory"):
        schema_for(tmp_path / "none.sql")


def test_each_failure_is_told_with_the_beginning_of_its_statement(tmp_path: Path) -> None:
    long = "INSERT INTO t VALUES (" + "1, " * 40 + "2);"
    path = dump(tmp_path, f"SELECT 1;\nCREATE TABLE t\n  (id INT);\n{long}\n")
    told = (
        "mysql: [Warning] Using a password on the command line interface can be insecure.\n"
        "ERROR 1050 (42S01) at line 2: Table 't' already exists\n"
        "ERROR 1136 (21S01) at line 4 in file: 'shop.sql': Column count doesn't match\n"
        "ERROR 1136 (21S01) at line 4: Again\n"
    )

    assert failures(path, told) == [
        Failure(line=2, error="1050 (42S01): Table 't' already exists", statement="CREATE TABLE t"),
        Failure(line=4, error="1136 (21S01): Column count doesn't match", statement=f"{long[:67]}…"),
        Failure(line=4, error="1136 (21S01): Again", statement=f"{long[:67]}…"),
    ]


def test_a_dump_without_failures_has_none(tmp_path: Path) -> None:
    assert failures(dump(tmp_path, "SELECT 1;\n"), "mysql: [Warning] something\n") == []


@pytest.mark.parametrize(
    "error, advice",
    [
        ("1273 (HY000) at line 1: Unknown collation: 'utf8mb4_0900_ai_ci'", "the server does not have this collation"),
        ("1286 (42000) at line 1: Unknown storage engine 'Aria'", "put ENGINE=InnoDB in its place"),
        (
            "1231 (42000) at line 1: Variable 'sql_mode' can't be set to 'NO_AUTO_CREATE_USER'",
            "take it out of the file",
        ),
    ],
)
def test_what_another_version_refuses_is_told_with_what_to_do(tmp_path: Path, error: str, advice: str) -> None:
    (failure,) = failures(dump(tmp_path, "CREATE TABLE t (id INT);\n"), f"ERROR {error}\n")

    assert advice in failure.advice


def test_what_the_statement_hides_is_shown_and_not_sent_to_the_terminal(tmp_path: Path) -> None:
    (failure,) = failures(dump(tmp_path, "SELECT '\x1b[2J';\n"), "ERROR 1064 (42000) at line 1: No\n")

    assert "\x1b" not in failure.statement
    assert "[2J" in failure.statement
