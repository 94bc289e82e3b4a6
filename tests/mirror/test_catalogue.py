"""Which differences are expected between which servers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.config.model import MirrorConfig
from dbmux.differences import DifferenceKind as K
from dbmux.lexer import digest
from dbmux.mirror.catalogue import BadRule, Catalogue, Servers, configured, rule_of, shipped
from dbmux.mirror.compare import Difference

MARIADB_10, MARIADB_11 = "mariadb 10.11.19", "mariadb 11.8.9"
MYSQL_5, MYSQL_8, MYSQL_9 = "mysql 5.7.44", "mysql 8.0.36", "mysql 9.7.4"
SELECT = "SELECT a FROM t"


def name_of(source: str, target: str, difference: Difference, statement: str = SELECT) -> str | None:
    rule = shipped().between(source, target).rule_for(difference, statement)
    return None if rule is None else rule.name


def of(kind: K, source: str = "", target: str = "", **more: Any) -> Difference:
    return Difference(kind=kind, source=source, target=target, **more)


@pytest.mark.parametrize(
    ("source", "target", "difference", "statement", "name"),
    [
        (MARIADB_10, MYSQL_9, of(K.FLOAT_TEXT, "1000000000000000", "1e15"), SELECT, "text of floats"),
        (MYSQL_9, MARIADB_11, of(K.FLOAT_TEXT, "1e15", "1000000000000000"), SELECT, "text of floats"),
        (MYSQL_8, MYSQL_9, of(K.FLOAT_TEXT, "1", "1.0"), SELECT, None),
        (MYSQL_5, MYSQL_8, of(K.FLOAT_TEXT, "1", "1.0"), SELECT, "text of floats in MySQL 8"),
        (MARIADB_10, MYSQL_9, of(K.COLUMN_TYPE, types=("int", "bigint")), SELECT, "wider integers"),
        (MYSQL_9, MARIADB_10, of(K.COLUMN_TYPE, types=("bigint", "int")), SELECT, "wider integers"),
        (MARIADB_10, MYSQL_9, of(K.COLUMN_TYPE, types=("bigint", "int")), SELECT, None),
        (MARIADB_10, MYSQL_9, of(K.COLUMN_TYPE, types=("datetime", "double")), SELECT, None),
        (MARIADB_10, MYSQL_9, of(K.COLUMN_COLLATION, "collation 45", "collation 255"), SELECT, "collation of results"),
        (MARIADB_10, MYSQL_9, of(K.COLUMN_COLLATION, "collation 63", "collation 255"), SELECT, None),
        (MARIADB_10, MYSQL_9, of(K.ERROR_CODE, codes=(1146, 1049)), SELECT, "schema or table is missing"),
        (MYSQL_9, MARIADB_10, of(K.ERROR_CODE, codes=(1049, 1146)), SELECT, "schema or table is missing"),
        (MARIADB_10, MYSQL_9, of(K.ERROR_CODE, codes=(1049, 1146)), SELECT, None),
        (MARIADB_10, MYSQL_9, of(K.ERROR_AT_TARGET, codes=(0, 1055)), SELECT, None),
        (MARIADB_10, MYSQL_9, of(K.ERROR_AT_TARGET, codes=(0, 1305)), SELECT, None),
        (MARIADB_10, MARIADB_11, of(K.ERROR_TEXT, codes=(1064, 1064)), SELECT, "wording of errors"),
        (MARIADB_10, MYSQL_9, of(K.WARNING, codes=(0, 1681)), SELECT, "MySQL deprecates"),
        (MARIADB_10, MYSQL_9, of(K.WARNING, codes=(0, 1260)), SELECT, None),
        (MARIADB_10, MYSQL_9, of(K.VALUE, "10.11.19-MariaDB", "9.7.4"), "SELECT VERSION()", "the version"),
        (MARIADB_10, MYSQL_9, of(K.VALUE, "10.11.19-MariaDB", "9.7.4"), SELECT, None),
        (MARIADB_10, MARIADB_11, of(K.VALUE, "Yes", ""), "SHOW COLLATION", "definitions"),
        (MARIADB_10, MYSQL_9, of(K.COLUMN_COUNT), "EXPLAIN SELECT 1", "origin of columns of SHOW"),
        (MARIADB_10, MYSQL_9, of(K.LETTER_CASE, "Ann", "ANN"), SELECT, None),
        (
            MARIADB_10,
            MYSQL_9,
            of(K.LETTER_CASE, "Ann", "ANN"),
            "SELECT name FROM t GROUP BY name",
            "which of several equal texts stands for its group",
        ),
        (MARIADB_10, MYSQL_9, of(K.FLOAT_DIGITS, "1.1", "1.10000001"), SELECT, None),
        (MARIADB_10, MYSQL_9, of(K.FLOAT_DIGITS), "SELECT SUM(f) FROM t", "last digit of a sum of floats"),
        (MARIADB_10, MYSQL_9, of(K.MISSING_ROW), SELECT, None),
        (MARIADB_10, MYSQL_9, of(K.VALUE, "1", "2"), SELECT, None),
    ],
)
def test_what_is_expected_between_two_versions(
    source: str, target: str, difference: Difference, statement: str, name: str | None
) -> None:
    assert name_of(source, target, difference, statement) == name


def test_nothing_grave_is_expected_of_an_ordinary_read() -> None:
    grave = (K.VALUE, K.MISSING_ROW, K.EXTRA_ROW, K.ERROR_AT_TARGET, K.ERROR_AT_SOURCE, K.COLUMN_NAME, K.COLUMN_COUNT,
             K.NULL_OR_EMPTY, K.ZERO_DATE, K.TRAILING_SPACES, K.ORDER, K.LIMIT, K.AFFECTED_ROWS, K.PLAN)  # fmt: skip

    for source in (MARIADB_10, MARIADB_11, MYSQL_5, MYSQL_8, MYSQL_9):
        for target in (MARIADB_10, MARIADB_11, MYSQL_5, MYSQL_8, MYSQL_9):
            assert [kind for kind in grave if name_of(source, target, of(kind, "a", "b"))] == []


@pytest.mark.parametrize(
    ("servers", "server", "are"),
    [
        (Servers("mysql"), MYSQL_5, True),
        (Servers("mysql"), MARIADB_10, False),
        (Servers("mysql", ">=", (8,)), MYSQL_8, True),
        (Servers("mysql", ">=", (8, 0, 36)), MYSQL_8, True),
        (Servers("mysql", ">=", (8, 4)), MYSQL_8, False),
        (Servers("mysql", "<", (8,)), MYSQL_8, False),
        (Servers("mariadb", "<", (11,)), MARIADB_10, True),
        (Servers("mariadb", ">=", (10, 11, 19, 0)), MARIADB_10, True),
    ],
)
def test_servers_are_told_by_family_and_version(servers: Servers, server: str, are: bool) -> None:
    assert servers.has(server) is are


RULE = {"kinds": ["value"], "why": "known"}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"kinds": [], "why": "x"}, "say in `kinds` what it expects"),
        ({"kinds": ["colour"], "why": "x"}, "'colour' is not a valid DifferenceKind"),
        ({"kinds": ["value"]}, "say in `why`"),
        (RULE | {"wy": "x"}, "unknown key 'wy'"),
        (RULE | {"statement": "("}, "missing )"),
        (RULE | {"between": ["mysql"]}, "two sorts of servers"),
        (RULE | {"between": ["mysql", "oracle"]}, "'oracle' is no sort of servers"),
        (RULE | {"codes": [[1]]}, "is a pair"),
        (RULE | {"codes": [["x", 1]]}, "invalid literal"),
    ],
)
def test_a_rule_that_cannot_be_used_says_why(entry: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadRule, match="expected difference") as raised:
        rule_of(entry)

    assert problem in str(raised.value)


def test_rules_of_a_configuration_come_first_and_are_for_all_statements_of_a_digest() -> None:
    known = {"kinds": ["value"], "digest": "SELECT a FROM t WHERE b = 1", "column": "a", "why": "rounded"}
    mirror = MirrorConfig.model_validate({"from": "old", "to": "new", "expected": [known]})
    expected = Catalogue().extended(configured("upgrade", mirror.expected)).between(MARIADB_10, MYSQL_9)

    rule = expected.rule_for(of(K.VALUE, column="a"), "SELECT a FROM t WHERE b = 7", "SELECT a FROM t WHERE b = ?")

    assert rule is not None
    assert (rule.name, rule.why) == ("mirrors.upgrade.expected[0]", "rounded")
    assert expected.rule_for(of(K.VALUE, column="c"), "", "SELECT a FROM t WHERE b = ?") is None
    assert expected.rule_for(of(K.VALUE, column="a"), "", "SELECT a FROM t") is None


@pytest.mark.parametrize(
    "written", ["SELECT a FROM t WHERE b = ?", "SELECT a FROM t WHERE b = 1", "SELECT a  FROM t WHERE b=?"]
)
@pytest.mark.parametrize("statement", [b"SELECT a FROM t WHERE b = 7", b"SELECT a FROM t WHERE b = 'x'"])
def test_a_digest_may_be_written_as_one_or_as_a_statement(written: str, statement: bytes) -> None:
    rule = rule_of(RULE | {"digest": written})

    assert rule.expects(of(K.VALUE), "", digest(statement, 0, 0).decode())
    assert not rule.expects(of(K.VALUE), "", digest(statement + b" OR c = 2", 0, 0).decode())


@given(
    st.lists(st.sampled_from(["a", "t.b", "'x'", "7", "-1", "IN (1, 2)", "IN (3)", "?", "FROM t", "= NULL", "x'0f'"]))
)
def test_the_digest_of_a_statement_is_expected_by_the_rule_that_is_made_of_it(words: list[str]) -> None:
    text = digest(f"SELECT {' '.join(words)}".encode(), 0, 0).decode()

    assert rule_of(RULE | {"digest": text}).expects(of(K.VALUE), "", text)


def test_each_rule_that_ships_has_a_name_of_its_own_and_a_reason() -> None:
    rules = shipped().rules

    assert len({rule.name for rule in rules}) == len(rules) >= 30
    assert all(len(rule.why) > 20 for rule in rules)
