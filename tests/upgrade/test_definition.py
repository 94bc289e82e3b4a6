"""Definitions that are made fit for a scratch schema, and statements as they are read from files."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.errors import BackendRefused
from dbmux.upgrade.definition import NotTried, asleep, moved, nowhere, of_program, of_table, stand_in, without_definer
from dbmux.upgrade.finding import Finding, Report, Severity, Side, Subject, Verdict, in_order
from dbmux.upgrade.markdown import markdown
from dbmux.upgrade.refusal import function_of, is_about_others, said
from dbmux.upgrade.statements import Places, Statement, from_top, read_lines
from tests.upgrade.servers import column, index, table, trigger

NAMES = {"shop": "scratch_0", "other": "scratch_1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT `a` FROM `shop`.`t`", "SELECT `a` FROM `scratch_0`.`t`"),
        ("SELECT shop.t.a FROM shop.t", "SELECT `scratch_0`.t.a FROM `scratch_0`.t"),
        ("SELECT t.shop FROM t", "SELECT t.shop FROM t"),
        ("SELECT shop FROM t -- shop.t", "SELECT shop FROM t -- shop.t"),
        ("SELECT 'shop.t' FROM other.t", "SELECT 'shop.t' FROM `scratch_1`.t"),
        ("SELECT 1", "SELECT 1"),
        # A table and an alias that are called like their schema.
        ("SELECT shop.id FROM shop", "SELECT shop.id FROM shop"),
        ("SELECT shop.id FROM shop.shop", "SELECT shop.id FROM `scratch_0`.shop"),
        (
            "SELECT shop.shop.id, shop.n FROM t shop JOIN shop.u",
            "SELECT `scratch_0`.shop.id, shop.n FROM t shop JOIN `scratch_0`.u",
        ),
        ("CREATE TRIGGER shop.shop BEFORE INSERT ON t", "CREATE TRIGGER `scratch_0`.shop BEFORE INSERT ON t"),
    ],
)
def test_names_of_schemas_are_those_of_the_scratch_ones(text: str, expected: str) -> None:
    assert moved(text, NAMES) == expected


@given(st.text())
def test_without_names_of_schemas_nothing_is_changed(text: str) -> None:
    assert moved(text, {}) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CREATE DEFINER=`a`@`%` PROCEDURE `p`() SELECT 1", "CREATE PROCEDURE `p`() SELECT 1"),
        ("CREATE ALGORITHM=UNDEFINED DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW `v` AS select 1",
         "CREATE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW `v` AS select 1"),
        ("CREATE DEFINER=`role` FUNCTION `f`() RETURNS int RETURN 1", "CREATE FUNCTION `f`() RETURNS int RETURN 1"),
        ("CREATE TABLE `t` (`definer` int)", "CREATE TABLE `t` (`definer` int)"),
    ],
)  # fmt: skip
def test_whoever_makes_it_is_the_definer(text: str, expected: str) -> None:
    assert without_definer(text) == expected


def test_events_never_run() -> None:
    text = "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE ENABLE DO DELETE FROM t"

    assert asleep(text) == text.replace("ENABLE", "DISABLE")
    with pytest.raises(NotTried):
        asleep("CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY DO SELECT ENABLE FROM t")


@pytest.mark.parametrize(
    ("engine", "text"),
    [
        ("FEDERATED", "CREATE TABLE `t` (`a` int) ENGINE=FEDERATED"),
        ("InnoDB", "CREATE TABLE `t` (`a` int) ENGINE=InnoDB DATA DIRECTORY='/srv'"),
        ("MyISAM", "CREATE TABLE `t` (`a` int) INDEX DIRECTORY='/srv'"),
        ("InnoDB", "CREATE TABLE `t` (`a` int) CONNECTION='mysql://x'"),
    ],
)
def test_tables_that_reach_out_of_the_server_are_not_tried(engine: str, text: str) -> None:
    with pytest.raises(NotTried):
        of_table(table(engine=engine, text=text), NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE `far`.`t` (`a` int)",
        "CREATE TABLE `SHOP`.`t` (`a` int)",
        "CREATE TABLE `t` (`a` int, CONSTRAINT `fk` FOREIGN KEY (`a`) REFERENCES `far`.`p` (`a`))",
    ],
)
def test_nothing_is_made_in_or_refers_to_schemas_that_others_may_have(text: str) -> None:
    with pytest.raises(NotTried):
        of_table(table(text=text), NAMES)


def test_a_foreign_key_to_another_schema_that_is_looked_at_goes_with_it() -> None:
    text = "CREATE TABLE `t` (`a` int, FOREIGN KEY (`a`) REFERENCES `other`.`p` (`a`))"

    assert of_table(table(text=text), NAMES) == text.replace("`other`", "`scratch_1`")


def test_a_trigger_of_a_schema_that_others_may_have_is_not_tried() -> None:
    made = trigger("CREATE DEFINER=`a`@`%` TRIGGER far.tr BEFORE INSERT ON t FOR EACH ROW SET @a = 1")

    with pytest.raises(NotTried):
        of_program(made, NAMES)


def test_a_definition_that_is_only_read_is_in_no_schema() -> None:
    text = "CREATE TABLE `t` (\n  `a` int)"

    assert nowhere(table(text=text)) == "CREATE TABLE `dbmux_upgrade_none`.`t` (\n  `a` int)"


def test_a_stand_in_has_the_same_columns_and_keys_as_long_as_they_are_taken() -> None:
    given_table = table("s.ids", column("u", "uuid"), column("n"), indexes=(index("PRIMARY", "u", unique=True),))

    whole, without_keys, plain = stand_in(given_table, {"uuid": "CHAR(36)"})

    assert whole == "CREATE TABLE `ids` (`u` CHAR(36),`n` int(11),PRIMARY KEY (`u`))"
    assert without_keys == "CREATE TABLE `ids` (`u` CHAR(36),`n` int(11))"
    assert plain == "CREATE TABLE `ids` (`u` LONGTEXT,`n` LONGTEXT)"


def test_what_a_server_says_is_told_without_scratch_names() -> None:
    message = (
        b"You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version for the "
        b"right syntax to use near 'FROM `scratch_0`.t' at line 1"
    )

    assert said(BackendRefused(1064, b"42000", message), NAMES) == (
        "1064 (42000): syntax error near 'FROM shop.t' at line 1"
    )


@pytest.mark.parametrize(
    ("number", "message", "is_about_others_too"),
    [
        (1146, b"Table 'shop.t' doesn't exist", True),
        (1049, b"Unknown database 'shop'", True),
        (1305, b"FUNCTION shop.f does not exist", True),
        (1146, b"Table 'mysql.proc' doesn't exist", False),
        (1064, b"near 'shop.t'", False),
    ],
)
def test_that_something_else_is_missing_says_nothing_of_what_was_tried(
    number: int, message: bytes, is_about_others_too: bool
) -> None:
    assert is_about_others(BackendRefused(number, b"HY000", message)) is is_about_others_too


@pytest.mark.parametrize(
    ("number", "message", "function"),
    [
        (1305, b"FUNCTION shop.MD5 does not exist", "MD5"),
        (1305, b"FUNCTION md5 does not exist", "MD5"),
        # What an account is told that may execute nothing.
        (1370, b"execute command denied to user 'dbmux'@'%' for routine 'shop.MD5'", "MD5"),
        (1305, b"PROCEDURE shop.p does not exist", ""),
        (1146, b"Table 'shop.t' doesn't exist", ""),
    ],
)
def test_the_function_that_is_gone_is_told_by_the_error(number: int, message: bytes, function: str) -> None:
    assert function_of(BackendRefused(number, b"42000", message)) == function


def test_statements_come_one_a_line_or_from_a_query_log_each_once() -> None:
    logged = {"command": "query", "schema": "shop", "text": "SELECT * FROM t WHERE a IN (?+) AND b = ??", "code": 0}
    lines = [
        "SELECT 1;\n",
        "\n",
        "SELECT 1\n",
        json.dumps(logged),
        json.dumps({**logged, "sql": "SELECT 2"}),
        json.dumps({**logged, "code": 1064}),
        json.dumps({**logged, "command": "ping"}),
        json.dumps({**logged, "text": "SELECT 'a…"}),
    ]

    assert read_lines(lines) == [
        Statement("SELECT 1", "", 2),
        Statement("SELECT * FROM t WHERE a IN (?) AND b = ?", "shop", 1),
        Statement("SELECT 2", "shop", 1),
    ]


def test_halves_of_characters_are_no_reason_to_fail() -> None:
    (found,) = read_lines(['{"sql": "SELECT \'\\ud800\'"}'])

    assert found == Statement("SELECT '?'", calls=1)


@pytest.mark.parametrize(("schema", "place"), [("shop", "scratch_0"), ("loaded", "loaded"), ("nowhere", ""), ("", "")])
def test_statements_are_tried_in_the_scratch_schema_or_the_one_of_the_same_name(schema: str, place: str) -> None:
    assert Places(names=NAMES, there=frozenset(("shop", "loaded"))).on_second(schema) == place


def test_digests_that_were_cut_are_left_out() -> None:
    told = [{"text": text, "schema": "shop", "calls": 3} for text in ("SELECT ?", "x" * 1000)]

    assert from_top(told) == [Statement("SELECT ?", "shop", 3)]


def finding(severity: Severity, what: str = "x", subject: Subject = Subject.TYPES) -> Finding:
    return Finding(subject=subject, severity=severity, what=what)


def report(*findings: Finding, untold: tuple[str, ...] = ()) -> Report:
    sides = {"first": Side(name="a", version="1"), "second": Side(name="b", version="2")}
    return Report(findings=in_order(findings), untold=untold, **sides)


@pytest.mark.parametrize(
    ("given_report", "verdict"),
    [
        (report(), Verdict.CLEAR),
        (report(finding(Severity.CHANGES)), Verdict.CLEAR),
        (report(untold=("no rights",)), Verdict.UNTOLD),
        (report(finding(Severity.BLOCKS), untold=("no rights",)), Verdict.BLOCKED),
    ],
)
def test_the_verdict(given_report: Report, verdict: Verdict) -> None:
    assert given_report.verdict is verdict
    assert given_report.as_json()["verdict"] == verdict


def test_subjects_keep_their_order_and_the_gravest_comes_first() -> None:
    found = in_order(
        (
            finding(Severity.KNOW, subject=Subject.WORDS),
            finding(Severity.BLOCKS),
            finding(Severity.BLOCKS, subject=Subject.WORDS),
        )
    )

    assert [(one.subject, one.severity) for one in found] == [
        (Subject.WORDS, Severity.BLOCKS),
        (Subject.WORDS, Severity.KNOW),
        (Subject.TYPES, Severity.BLOCKS),
    ]


def test_markdown_shows_text_of_servers_and_never_reads_it() -> None:
    hostile = "`` **b** <script>\x1b[2J"

    lines = "\n".join(markdown(report(finding(Severity.BLOCKS, hostile))))

    assert "``` `` **b** <script>\\x1b[2J ```" in lines
    assert "\x1b" not in lines
