"""Filters are read as they are meant, written again, or refused with the place and what would be right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dbmux.feed.filter.fields import ALIASES, FIELDS, FLAG_ALIASES, FLAGS
from dbmux.feed.filter.language import MOST_CHARACTERS, MOST_DEPTH, MOST_TERMS, parse
from dbmux.feed.filter.tree import (
    Compares,
    Every,
    FilterError,
    Glob,
    Has,
    Is,
    Node,
    Not,
    Operator,
    Quantity,
    Regex,
    Saved,
    Some,
    Word,
)
from tests.feed.filter.texts import filters, scraps

PAGE = (Path(__file__).parents[3] / "docs" / "filters.md").read_text(encoding="utf-8")


def word(text: str) -> Has:
    """A word that stands alone."""
    return Has("sql", (Word(text),))


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("", Every(())),
        ("  ", Every(())),
        ("orders", word("orders")),
        ("orders users", Every((word("orders"), word("users")))),
        ("orders and users", Every((word("orders"), word("users")))),
        ("a b | c", Some((Every((word("a"), word("b"))), word("c")))),
        ("a OR b", Some((word("a"), word("b")))),
        ("(a | b) c", Every((Some((word("a"), word("b"))), word("c")))),
        ("-a", Not(word("a"))),
        ("!a", Not(word("a"))),
        ("not not a", Not(Not(word("a")))),
        ("a-b", word("a-b")),
        ('"for update"', word("for update")),
        (r'"a \" \\ \n"', word(r'a " \ \n')),
        ('"slow"', word("slow")),
        ("in*ert", Has("sql", (Glob("in*ert"),))),
        ("/^select/i", Has("sql", (Regex("^select"),))),
        (r"/a\/b/", Has("sql", (Regex(r"a\/b"),))),
        ("table:orders,cust*", Has("table", (Word("orders"), Glob("cust*")))),
        ("table: orders , users", Has("table", (Word("orders"), Word("users")))),
        ('app:"my shop",/^x/', Has("app", (Word("my shop"), Regex("^x")))),
        ("user=shop", Has("user", (Word("shop"),))),
        ("user != shop", Not(Has("user", (Word("shop"),)))),
        ("host:10.0.0.9:5000", Has("host", (Word("10.0.0.9:5000"),))),
        ("DUR > 5MS", Compares("dur", Operator.MORE, Quantity(0.005, 0.001, "5MS"))),
        ("rows<=1.5k", Compares("rows", Operator.AT_MOST, Quantity(1500, 100, "1.5k"))),
        ("bytes>=2MB", Compares("bytes", Operator.AT_LEAST, Quantity(2 << 20, 1 << 20, "2MB"))),
        ("slow", Is("slow")),
        ("-pinned", Not(Is("pinned"))),
    ],
)
def test_a_filter_says(text: str, root: Node) -> None:
    assert parse(text).root == root


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("d>100ms", "dur>100ms"),
        ("error", "err"),
        ("n+1", "nplus1"),
        ("N+1|slow", "nplus1 | slow"),
        ("error:duplicate schema:web", "err:duplicate db:web"),
        ("op:select -op:begin", "op:select -op:begin"),
    ],
)
def test_people_of_sql_tap_write_as_they_do(theirs: str, ours: str) -> None:
    assert str(parse(theirs)) == ours


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("a op:foo", 5, "there is no op 'foo'; there are select, insert, update, delete, ddl, tx, set, call, other"),
        ("op:selct", 3, "there is no op 'selct'; did you mean 'select'?"),
        ("cmd:exceute", 4, "did you mean 'execute'?"),
        ("op:x-*", 3, "there is no op 'x-*'"),
        ("tabel:orders", 0, "there is no field 'tabel'; did you mean 'table'?"),
        ("a status=5", 2, "there is no field 'status'; there are dur, "),
        ("a status=5", 2, "to find the text, put it in quotes"),
        ("slow:yes", 0, "slow is a word alone: slow, or -slow"),
        ("dur>5", 4, "5 of what? Write a time: 250us, 5ms"),
        ("dur>5sec", 4, "'5sec' has an unknown unit; write a time: 250us, 5ms"),
        ("dur>", 4, "dur needs a value here"),
        ("dur>long", 4, "'long' is not a time"),
        ("rows:5%", 5, "unknown unit"),
        ("rows:9..5", 5, "9 is more than 5; write the smaller one first"),
        ("rows:..", 5, "write a number: 20, 1.5k, 2M, before or behind .."),
        ("at:25:00", 3, "'25:00' is not a time: 14:02"),
        ("at:2026-02-30", 3, "'2026-02-30' is not a time"),
        ("last>5m", 0, "write last:5m"),
        ("user>5", 0, "user is a text; write user:"),
        ("user:a,", 7, "user needs a value here"),
        ("(a", 0, "this ( is not closed"),
        ("a)", 1, "there is no ( for this )"),
        ("a | | b", 4, "something must stand before this |"),
        ("a or", 4, "something is missing here"),
        ("or a", 0, "something must stand before this 'or'"),
        ("- a", 0, "right behind this"),
        (">5ms", 0, "a key must stand before this"),
        ("dur>5ms,9ms", 7, "a key must stand before this"),
        ('a "b', 2, "this quote is not closed"),
        ("a /b", 2, "a pattern ends with / and a space"),
        ("site:/api/users", 5, "to find a text with a /, put it in quotes"),
        ("/a(/", 2, "not a regular expression: missing )"),
        ("/(a+)+/", 1, "it could take very long"),
        ("@x", 0, "no filter is saved as @x; none is saved"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, at: int, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)

    assert message in str(caught.value)
    assert caught.value.at == at


@pytest.mark.parametrize(
    ("text", "pointed"),
    [
        ("a op:foo", "a op:foo\n     ^"),
        ("日本 op:foo", "日本 op:foo\n        ^"),
        ("\x1b op:foo", "\\x1b op:foo\n        ^"),
    ],
)
def test_a_caret_stands_below_the_mistake(text: str, pointed: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)

    assert caught.value.pointed == pointed


def test_a_saved_filter_is_read_where_it_is_named() -> None:
    saved = {"Bad": "err | slow", "shop": "app:shop @bad"}

    read = parse("@shop -@bad", saved)

    bad = Saved("Bad", Some((Is("err"), Is("slow"))))
    shop = Saved("shop", Every((Has("app", (Word("shop"),)), bad)))
    assert read.root == Every((shop, Not(bad)))
    assert str(read) == "@shop -@Bad"


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        ({"a": "@a"}, "in @a: @a names itself"),
        ({"a": "x @b", "b": "@c", "c": "@a"}, "in @a: in @b: in @c: @a names itself"),
        ({"a": "op:foo"}, "in @a: there is no op 'foo'"),
        ({"ab": "err"}, "no filter is saved as @a; did you mean 'ab'?"),
        ({name: f"@{after} @{after}" for name, after in zip("abcdefghij", "bcdefghijk", strict=True)} | {"k": "x"},
         f"at most {MOST_TERMS} conditions"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_saved_filter_is_told_where_it_is_named(saved: dict[str, str], message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse("slow @a", saved)

    assert message in str(caught.value)
    assert caught.value.at == 5


@pytest.mark.parametrize(
    "text",
    ["x" * (MOST_CHARACTERS + 1), "(" * (MOST_DEPTH + 1) + "x" + ")" * (MOST_DEPTH + 1), "-" * 3000, "x " * 2000],
    ids=["long", "nested", "negated", "many"],
)
def test_a_filter_has_bounds(text: str) -> None:
    with pytest.raises(FilterError, match="at most"):
        parse(text)


@pytest.mark.parametrize("text", ["(x) ", "-x ", "not x ", "@x "])
def test_what_stands_side_by_side_is_not_deep(text: str) -> None:
    assert parse(text * (MOST_DEPTH + 1), {"x": "-(y)"})


@given(filters())
def test_what_is_written_is_read_as_the_same(text: str) -> None:
    read = parse(text)

    assert parse(str(read)) == read
    assert str(parse(str(read))) == str(read)


@given(st.text() | scraps())
@example('"')
@example("/")
@example("[[/[[/")
@example("a,* sql:a=c*")
@example("İor (İ")
def test_any_text_is_read_or_refused_at_a_place_in_it(text: str) -> None:
    try:
        read = parse(text)
    except FilterError as error:
        assert 0 <= error.at <= len(text)
        assert error.pointed.endswith("^")
        return

    assert parse(str(read)) == read


def test_every_field_and_flag_is_described_and_no_other() -> None:
    described = re.findall(r"^\| (`.+?`) \|", PAGE, re.MULTILINE)

    names = [name for cell in described for name in re.findall(r"`(.+?)`", cell)]
    assert sorted(names) == sorted([*FIELDS, *ALIASES, *FLAGS, *FLAG_ALIASES])


@pytest.mark.parametrize("text", re.findall(r"^    (\S.*?)(?:   .*)?$", PAGE, re.MULTILINE))
def test_every_example_is_a_filter(text: str) -> None:
    saved = {"checkout-errors": "err app:checkout"}

    assert parse(text, saved).root != Every(())
