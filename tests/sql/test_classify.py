"""The classifier says what statements.txt says, whatever the comments, the case and the literals, and is total."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbmux.footprint import NOWHERE
from dbmux.lexer import ANSI_QUOTES, NO_BACKSLASH_ESCAPES, Token, digest, tokens
from dbmux.query import Access, Kind, Needs, Pin, PinReason, Query, SetNames, SetUserVariable, SetVariable, Unpin
from dbmux.sql.classify import classify
from tests.sql.telling import tell


def _statements() -> Iterator[tuple[str, str]]:
    lines = (Path(__file__).parent / "statements.txt").read_text("utf-8").splitlines()
    for statement, meaning in zip(lines, lines[1:], strict=False):
        if meaning.startswith("    "):
            yield statement, meaning.strip()


STATEMENTS = list(_statements())
TEXTS = [statement.encode() for statement, _ in STATEMENTS]


@pytest.mark.parametrize("statement, meaning", STATEMENTS, ids=[statement for statement, _ in STATEMENTS])
def test_a_statement_means_what_the_table_says(statement: str, meaning: str) -> None:
    assert tell(classify(statement.encode(), 0, 0)) == meaning


def test_the_table_is_read_whole() -> None:
    assert len(STATEMENTS) > 400


@pytest.mark.parametrize(
    "statement, tables",
    [
        ("SELECT 1", ()),
        ("SELECT a FROM t", ("t",)),
        ("SELECT a FROM t, shop.u AS x, `v w` y JOIN z USING (a)", ("t", "shop.u", "v w", "z")),
        ("SELECT a FROM t WHERE b IN (SELECT c FROM u) UNION SELECT d FROM t", ("t", "u")),
        ("SELECT TRIM(LEADING 'x' FROM a), EXTRACT(DAY FROM b), c IS DISTINCT FROM d FROM t", ("t",)),
        ("SELECT a FROM (t, (u))", ("t", "u")),
        ("SELECT a FROM t PARTITION (p) x, u", ("t", "u")),
        ("SELECT a FROM DUAL", ()),
        ("SELECT a FROM JSON_TABLE('[]', '$' COLUMNS (a INT PATH '$')) j", ()),
        ("SELECT a FROM `a.b`.`c`", ("`a.b`.c",)),
        ("TABLE t", ("t",)),
        ("INSERT INTO t SELECT a FROM u", ("t", "u")),
        ("INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1", ("t",)),
        ("UPDATE t, u SET a = 1", ("t", "u")),
        ("SELECT a FROM t FOR UPDATE", ("t",)),
        ("DELETE FROM t USING t JOIN u", ("t", "u")),
        ("DELETE FROM a, b USING t AS a JOIN u AS b USING (id)", ("a", "b", "u", "t")),
        ("DELETE FROM a USING (t AS a, u) WHERE a.id = u.id", ("a", "t", "u")),
        ("WITH w AS (SELECT 1) DELETE FROM a USING t AS a", ("a", "t")),
        ("DELETE a FROM t AS a JOIN u USING (id)", ("t", "u")),
        ("LOAD DATA INFILE 'f' INTO TABLE shop.t", ("shop.t",)),
        ("CREATE TABLE t SELECT a FROM u", ("t", "u")),
        ("DROP TABLE IF EXISTS t, u", ("t", "u")),
        ("ALTER TABLE t ADD a INT", ("t",)),
        ("TRUNCATE TABLE t", ("t",)),
        ("DESCRIBE shop.t", ("shop.t",)),
        ("EXPLAIN SELECT a FROM t", ("t",)),
        ("SELECT a FROM t; DELETE FROM u", ("t", "u")),
        ("PREPARE s FROM 'INSERT INTO t SELECT * FROM u'", ("t", "u")),
        ("PREPARE s FROM 'SHOW TABLES'", ("information_schema.tables",)),
        ("PREPARE s FROM @text", ()),
        ("CHECKSUM TABLE t, u", ("t", "u")),
        ("FLUSH TABLES t, u", ("t", "u")),
        ("FLUSH TABLES", ()),
    ],
)
def test_the_tables_are_named(statement: str, tables: tuple[str, ...]) -> None:
    assert classify(statement.encode(), 0, 0).tables == tables


@pytest.mark.parametrize(
    "statement, effect",
    [
        ("SET autocommit = 1", SetVariable("autocommit", b"1")),
        ("SET @x = 1", SetUserVariable("x", b"1")),
        ("SET NAMES latin1", SetNames("latin1", None)),
    ],
)
def test_a_value_that_is_known_again_ends_the_pin_of_one_that_was_not(
    statement: str, effect: SetVariable | SetUserVariable | SetNames
) -> None:
    reason = {
        SetVariable: Unpin(PinReason.SYSTEM_VARIABLE, "autocommit"),
        SetUserVariable: Unpin(PinReason.USER_VARIABLE, "x"),
        SetNames: Unpin(PinReason.CHARACTER_SET),
    }
    assert classify(statement.encode(), 0, 0).effects == (reason[type(effect)], effect)


@pytest.mark.parametrize("statement, has_ended", [("SET timestamp = 0", True), ("SET insert_id = 0", False)])
def test_a_variable_that_is_as_on_a_new_connection_pins_no_longer(statement: str, has_ended: bool) -> None:
    (effect,) = classify(statement.encode(), 0, 0).effects

    # MySQL gives the next row of whoever comes then the number 0.
    assert isinstance(effect, Unpin if has_ended else Pin)


@pytest.mark.parametrize(
    "flags, statement, meaning",
    [
        (0, 'SELECT "f"(1)', "select read"),
        (ANSI_QUOTES, 'SELECT "f"(1)', "select unsure | +stored routine f | needs last_insert_id | moves insert id"),
        (ANSI_QUOTES, 'USE "my ""shop"""', 'use read | use my "shop"'),
        (ANSI_QUOTES, 'SET time_zone = "system"', "set read | time_zone = 'system'"),
        (0, r"SET @x = 'a\'; SET @y = 1; -- '", r"set read | @x = 'a''; SET @y = 1; -- ' | per text"),
        (
            NO_BACKSLASH_ESCAPES,
            r"SET @x = 'a\'; SET @y = 1; -- '",
            r"multi read | +user variable x | @y = 1 | per text",
        ),
    ],
)
def test_the_sql_mode_decides_what_is_read(flags: int, statement: str, meaning: str) -> None:
    assert tell(classify(statement.encode(), 0, flags)) == meaning


@pytest.mark.parametrize(
    "statement",
    [
        b"SELECT a\xa0INTO @x",
        b"SELECT a FROM t\xa0FOR UPDATE",
        b"FLUSH TABLES\xa0WITH\xa0READ\xa0LOCK",
        b"SET @x = 1,\xa0SESSION\xa0sql_log_bin = 0",
        b"SELECT 1 --\xa0'\n, GET_LOCK('a', 1) -- '",
    ],
)
def test_white_space_of_other_character_sets_hides_nothing(statement: bytes) -> None:
    assert any(isinstance(effect, Pin) for effect in classify(statement, 0, 0).effects)


def test_names_of_other_languages_are_names() -> None:
    query = classify("SELECT größe AS naïveté FROM `für` JOIN übersicht".encode(), 0, 0)

    assert replace(query, footprint=NOWHERE) == Query(kind=Kind.SELECT, access=Access.READ, tables=("für", "übersicht"))


def test_a_bulk_insert_is_read_through_its_digest() -> None:
    rows = b",".join(b"(%d, 'a', NULL, f(%d))" % (number, number) for number in range(1000))

    query = classify(b"INSERT INTO t VALUES " + rows, 0, 0)

    assert replace(query, footprint=NOWHERE) == Query(
        kind=Kind.INSERT,
        access=Access.WRITE,
        effects=(Pin(PinReason.ROUTINE, "f"),),
        needs=Needs.LAST_INSERT_ID,
        moves_insert_id=True,
        tables=("t",),
    )


def test_a_long_text_whose_literals_matter_is_read_itself() -> None:
    value = b"'" + b"a" * 3000 + b"'"

    effects = classify(b"SET @x = " + value, 0, 0).effects

    assert effects == (Unpin(PinReason.USER_VARIABLE, "x"), SetUserVariable("x", value))


def test_a_statement_too_long_to_be_looked_at_may_do_anything() -> None:
    query = classify(b"SELECT " + b"a, " * 100_000 + b"b", 0, 0)

    assert query.effects == (Pin(PinReason.UNKNOWN, "very long statement"),)


# --- properties


COMMENTS = [b"/* a */", b"/**/", b"-- a\n", b"#'\n", b" ", b"\n\t", b"/* ' */ "]


@settings(max_examples=500)
@given(st.sampled_from(TEXTS), st.randoms(use_true_random=False))
def test_a_comment_in_any_gap_changes_nothing(text: bytes, chance: random.Random) -> None:
    pieces, at = [], 0
    for _, start, end in tokens(text, 0, 0):
        # Without white space, a comment would separate what is one: `a.b`, `f(`, `@x:=`.
        gap = text[at:start]
        pieces += [gap + chance.choice(COMMENTS) if gap.strip() != gap else gap, text[start:end]]
        at = end

    assert tell(classify(b"".join(pieces), 0, 0)) == tell(classify(text, 0, 0))


PADDING = b" /* " + b"long " * 1000 + b"*/ "


@settings(max_examples=500)
@given(st.sampled_from(TEXTS), st.sampled_from(TEXTS), st.booleans())
def test_a_long_text_means_what_a_short_one_means(one: bytes, other: bytes, several: bool) -> None:
    text = one + b";" + other if several else one

    assert classify(PADDING + text, 0, 0) == classify(text, 0, 0)


@settings(max_examples=500)
@given(st.sampled_from(TEXTS), st.booleans())
def test_the_case_of_keywords_does_not_matter(text: bytes, upper: bool) -> None:
    pieces, at = [], 0
    for kind, start, end in tokens(text, 0, 0):
        spelling = text[start:end]
        pieces += [text[at:start], spelling.swapcase() if upper and kind == Token.WORD else spelling]
        at = end

    one, other = classify(b"".join(pieces), 0, 0), classify(text, 0, 0)

    assert (one.kind, one.access, one.needs, len(one.effects)) == (
        other.kind,
        other.access,
        other.needs,
        len(other.effects),
    )


@settings(max_examples=500)
@given(st.sampled_from(TEXTS), st.sampled_from(TEXTS), st.booleans())
def test_statements_of_one_digest_mean_the_same_unless_it_is_said_that_they_do_not(
    one: bytes, other: bytes, several: bool
) -> None:
    text = one + b";" + other if several else one
    query = classify(text, 0, 0)
    other_text = twin(text)

    assert digest(other_text, 0, 0) == digest(text, 0, 0)
    assert not query.is_digest_wide or classify(other_text, 0, 0) == query


def twin(text: bytes) -> bytes:
    """The text with other literals, but for those that name a column."""
    others: dict[int, bytes] = {Token.NUMBER: b"77", Token.STRING: b"'other'"}
    pieces, at, was_literal, last = [], 0, False, b""
    for kind, start, end in tokens(text, 0, 0):
        # x'00''a' are two strings, but 'other''other' would be one.
        gap = text[at:start] or b" " * (was_literal and kind in others)
        pieces += [gap, text[start:end] if last == b"BY" else others.get(kind, text[start:end])]
        at, was_literal, last = end, kind in others, text[start:end].upper()
    return b"".join(pieces)


def test_what_is_plain_is_counted_and_no_bystander() -> None:
    select = Query(kind=Kind.SELECT, access=Access.READ)
    bystander = replace(select, kind=Kind.DIAGNOSTICS)

    assert (select.is_bystander, select.is_plain) == (False, True)
    assert (bystander.is_bystander, bystander.is_plain) == (True, False)


WORDS = sorted({text[start:end] for text in TEXTS for _, start, end in tokens(text, 0, 0)})


@settings(max_examples=1000)
@given(st.lists(st.sampled_from(WORDS), max_size=12), st.integers(0, 3))
def test_any_words_have_a_meaning(words: list[bytes], flags: int) -> None:
    assert isinstance(classify(b" ".join(words), 0, flags), Query)


@settings(max_examples=500)
@given(st.binary(max_size=60), st.integers(0, 5), st.integers(0, 3))
def test_any_bytes_have_a_meaning(text: bytes, start: int, flags: int) -> None:
    assert isinstance(classify(text, start, flags), Query)


@settings(max_examples=1000)
@given(st.sampled_from(TEXTS), st.data())
def test_a_damaged_statement_still_has_a_meaning(text: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    damage = data.draw(st.sampled_from(WORDS) | st.binary(max_size=3))

    assert isinstance(classify(text[:start] + damage + text[end:], 0, 0), Query)
