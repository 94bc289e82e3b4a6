"""Regular expressions are taken where they end soon; globs always do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.feed.filter.patterns import MOST_IN_PATTERN, BadPattern, TooSlow, check, glob, search


@pytest.mark.parametrize(
    "source",
    [
        "orders",
        "^select .* from .* where",
        "select.*for update",
        "select.*(for update|for share|lock in share mode)",
        r"limit \d+, \d+",
        r"in \(\d++(?:, \d++)?\)",
        r"\bwhere\s+\w+\s*=\s*-?\d",
        r"'[^']*'\s*,\s*'[^']*'",
        r"values \((?:\?,\s)*\?\)",
        r"(?:\w+,)*end",
        r"\d++[.]\d++x",
        r"(?:\?,)++(?:\?;)++.*x",
        "a{1,3}b{2}",
        r"(?!insert)i(?=n)",
        r"(?-i:SELECT)",
        r"[\w.-]+@",
        "[]a]+b",
        r"\x41\u00e9\101\0",
    ],
)
def test_a_pattern_of_every_day_is_taken(source: str) -> None:
    check(source)


@pytest.mark.parametrize(
    "source",
    [
        "(a+)+",
        "(a+)+b",
        "(a|b)*c",
        "(?:a?){20}b",
        "((a{1,9}){1,9}){1,9}b",
        "a?" * 20 + "b",
        "select.*from.*where",
        r".*\d+x",
        r"\w+\B\w+x",
        r".*\b.*x",
        r"\d+\d+",
        r"(?=.*a)(?=.*b)",
        "^a|.*.*b",
        "(?>(?:a|a)*b)",
        "(?:a|ab)++c",
        r"[^a]+[^b]+c",
        r"\w+é?\w+",
        r"\w+,?\w+x",
        r"(?:(?=\w+,)\w)*z",
        "[а-я]+[а-я]+я",
    ],
)
def test_a_pattern_that_could_be_tried_in_too_many_ways_is_refused(source: str) -> None:
    with pytest.raises(BadPattern, match="could take very long"):
        check(source)


@pytest.mark.parametrize(
    ("source", "at", "message"),
    [
        ("", 0, "an empty pattern"),
        ("ab(", 2, "not a regular expression: missing )"),
        ("ab[[", 2, "not a regular expression: this [ is not closed"),
        ("[]||", 0, "not a regular expression: this [ is not closed"),
        ("a**", 2, "not a regular expression: multiple repeat"),
        ("a{99999999999}", 0, "a number in it is too large"),
        ("x[[a]", 1, r"write [ and doubled signs in a class with a \ before them"),
        ("[a--b]", 0, "doubled signs"),
        (r"(a)\1", 3, r"\1 is not taken here"),
        (r"\N{DASH}", 0, r"\N is not taken here"),
        ("(?P<a>b)", 0, "of the groups with (?"),
        ("(?x: a)", 0, "of the groups with (?"),
        ("a" * (MOST_IN_PATTERN + 1), 0, f"at most {MOST_IN_PATTERN} characters"),
    ],
)
def test_what_is_no_pattern_is_refused_with_its_place(source: str, at: int, message: str) -> None:
    with pytest.raises(BadPattern) as caught:
        check(source)

    assert message in str(caught.value)
    assert caught.value.at == at


@given(st.text(max_size=20) | st.text("ab.*+?{}1,()[]|^$\\dwb-&~=!<>:P", max_size=20))
def test_any_text_is_a_pattern_without_a_warning_or_is_refused(source: str) -> None:
    try:
        check(source)
    except BadPattern as error:
        assert 0 <= error.at <= len(source)
    else:
        assert search(source)("ab") == (re.search(source, "ab", re.IGNORECASE | re.DOTALL) is not None)


# One that was wrongly taken would not end before the test's own time limit.
@given(st.lists(st.sampled_from(("a", "b", "a+", "a*?", "(?:a|b)", "a?", "^", ".*", "(?:ab)+", "(?:a+b)*", "[ab]+c"))))
def test_what_is_taken_ends_soon_on_a_text_that_nearly_fits(parts: list[str]) -> None:
    source = "".join(parts) + "z"
    try:
        check(source)
    except BadPattern:
        return

    for text in ("a" * 200, "ab" * 100):
        assert not search(source)(text)


@pytest.mark.parametrize("text", ["x" * 5000 + "Orders", "x" * 4095 + "orders"])
def test_only_the_beginning_of_a_long_text_is_looked_at(text: str) -> None:
    assert search("x")(text)
    assert not search("orders")(text)
    assert not glob("*orders")(text)


def test_a_pattern_that_took_too_long_on_a_long_text_is_told_and_short_texts_are_not_timed() -> None:
    clock = iter((10.0, 10.004, 20.0, 20.006))
    has = search("a.*b", lambda: next(clock))

    quick, short = has("ab" * 200), has("ab")
    with pytest.raises(TooSlow, match="takes too long"):
        has("a" * 300)

    assert quick
    assert short


@pytest.mark.parametrize(
    ("text", "candidate", "fits"),
    [
        ("ord*", "ORDERS", True),
        ("ord*", "word", False),
        ("*_log", "access_log", True),
        ("a*b*c", "axxbxxc", True),
        ("a*b*c", "axxcxxb", False),
        ("a*a", "a", False),
        ("a.c*", "abc", False),
        ("a*b", "a\nb", True),
        ("*", "", True),
    ],
)
def test_a_star_stands_for_anything(text: str, candidate: str, fits: bool) -> None:
    assert glob(text)(candidate) is fits


@given(st.text("ab*", min_size=1, max_size=8), st.text("ab", max_size=12))
def test_a_glob_finds_what_trying_everything_finds(text: str, candidate: str) -> None:
    assert glob(text)(candidate) is _fits(text, candidate)


def _fits(text: str, candidate: str) -> bool:
    if not text or not candidate:
        return not candidate and not text.strip("*")
    if text[0] == "*":
        return _fits(text[1:], candidate) or _fits(text, candidate[1:])
    return text[0] == candidate[0] and _fits(text[1:], candidate[1:])
