"""libconfig's syntax is read as ProxySQL reads it, and what is wrong is told with its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.proxysql.libconfig import MAX_DEPTH, Misread, Setting, Value, parse


def plain(value: Value | Mapping[str, Setting]) -> Any:
    """The same without places."""
    if isinstance(value, Mapping):
        return {name: plain(setting.value) for name, setting in value.items()}
    if isinstance(value, tuple):
        return [plain(setting.value) for setting in value]
    return value


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", {}),
        ("# all\n// is /* a\n/* comment\n*/", {}),
        ('a = "x"; b : 2, c=true d=False', {"a": "x", "b": 2, "c": True, "d": False}),
        ('a="one" "two"\n"three"', {"a": "onetwothree"}),
        (r'a="\"\\\n\t\x41\d"', {"a": '"\\\n\tA\\d'}),
        ('a="# no // comment"', {"a": "# no // comment"}),
        ('a="over\nlines"', {"a": "over\nlines"}),
        ("a=-1 b=+2 c=0x1F d=0b101", {"a": -1, "b": 2, "c": 31, "d": 5}),
        ("a=10L b=5000000000LL", {"a": 10, "b": 5_000_000_000}),
        ("a=1.5 b=-.5 c=1e3 d=2.E-1", {"a": 1.5, "b": -0.5, "c": 1000.0, "d": 0.2}),
        ("a=[1, 2] b=() c=(1, (2), {d=3;},)", {"a": [1, 2], "b": [], "c": [1, [2], {"d": 3}]}),
        ("a: { b = { c = 1; }; }", {"a": {"b": {"c": 1}}}),
        ("mysql-x*_1 = 1", {"mysql-x*_1": 1}),
    ],
)  # fmt: skip
def test_what_is_written_is_what_is_meant(text: str, meant: Any) -> None:
    assert plain(parse(text)) == meant


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("a", (1, 2), '"=" or ":" is expected after a'),
        ("a =", (1, 4), "a value is expected here: "),
        ("a = b", (1, 5), "a value is expected here: "),
        ("a=1\n 1=2", (2, 2), "the name of a setting is expected here"),
        ('a="x', (1, 3), "this string has no closing quote"),
        ("a={\nb=1", (2, 4), 'the file ends where "}" is expected'),
        ("a=(1 2)", (1, 6), '"," or ")" is expected here'),
        ("a=(1", (1, 5), 'the file ends where ")" is expected'),
        ("a=1 /* b", (1, 5), "this comment has no end"),
        ("a=1\na=2", (2, 1), "a is set twice"),
        ('\n@include "more.cnf"', (2, 1), "@include is not followed; "),
        (f"a={'9' * 65}", (1, 68), "a number this long "),
        ("a=" + "(" * (MAX_DEPTH + 1), (1, 3 + MAX_DEPTH), "nested deeper than 32"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, place: tuple[int, int], what: str) -> None:
    with pytest.raises(Misread) as found:
        parse(text)

    assert str(found.value).startswith(what)
    assert found.value.place == place


@given(st.text(alphabet='ab={}()[]",;:\\\n #/*1x.@-', max_size=40))
def test_any_text_is_read_or_told_where_it_cannot_be(text: str) -> None:
    try:
        parse(text)
    except Misread as error:
        assert 1 <= error.place.line <= text.count("\n") + 1
        assert error.place.column >= 1


NAMES = st.from_regex(r"[A-Za-z*][-A-Za-z0-9_*]{0,8}", fullmatch=True)
SCALARS = st.integers(-(10**18), 10**18) | st.booleans() | st.text(max_size=10)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=10,
)


def written(value: Any, separator: str) -> str:
    """A value in libconfig's syntax."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            return f'"{escaped}"'
        case int():
            return str(value)
        case list():
            return "(" + ", ".join(written(one, separator) for one in value) + ")"
        case _:
            return "{" + settings(value, separator) + "}"


def settings(value: dict[str, Any], separator: str) -> str:
    return separator.join(f"{name} = {written(one, separator)}" for name, one in value.items())


@given(st.dictionaries(NAMES, VALUES, max_size=4), st.sampled_from([";", ",", "\n", " # comment\n", "; /* ; */ "]))
def test_every_value_comes_back_as_it_was_written(value: dict[str, Any], separator: str) -> None:
    assert plain(parse(settings(value, separator))) == value
