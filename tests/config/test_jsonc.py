"""JSON as people write it: comments, trailing commas, places; and any text gives values or Misread."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.config.jsonc import MAX_DEPTH, Misread, Place, Value, parse

VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**60), 10**60) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-0.5e1", -5.0),
        (' "text" ', "text"),
        (r'"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"', '"\\/\b\f\n\r\té😀'),
        ("[true, false, null]", [True, False, None]),
        ('{"a": 1,}', {"a": 1}),
        ("[1, 2,]", [1, 2]),
        ("// before\n{} // after", {}),
        ('{ /* several\nlines */ "a" /* here */ : /* and here */ 1 }', {"a": 1}),
        ('{"a": "http://not-a-comment /* neither */"}', {"a": "http://not-a-comment /* neither */"}),
        ("[]// at the very end", []),
        ("/**/[/***/]/* * / */", []),
    ],
)
def test_comments_and_trailing_commas_are_read_over(text: str, value: Value) -> None:
    assert parse(text).value == value


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("", (1, 1), "the file ends where a value is expected"),
        ("// only a comment\n", (2, 1), "the file ends where a value is expected"),
        ("{'a': 1}", (1, 2), 'a key in double quotes or "}" is expected here'),
        ("{a: 1}", (1, 2), 'a key in double quotes or "}" is expected here'),
        ("{,}", (1, 2), 'a key in double quotes or "}" is expected here'),
        ("[1,,2]", (1, 4), "a value is expected here"),
        ('{"a" 1}', (1, 6), '":" is expected after "a"'),
        ('{\n  "a": 1\n  "b": 2\n}', (3, 3), '"," or "}" is expected here'),
        ("[1 2]", (1, 4), '"," or "]" is expected here'),
        ('{"a": {"b": 1}', (1, 15), '"," or "}" is expected here'),
        ('{"a": 1,', (1, 9), 'the file ends before "}"'),
        ("[", (1, 2), 'the file ends before "]"'),
        ('{"a": 1, "a": 2}', (1, 10), '"a" is here for the second time'),
        ('["no end', (1, 2), "this string has no end on its line, or an escape that JSON does not know"),
        ('["no\nend"]', (1, 2), "this string has no end on its line, or an escape that JSON does not know"),
        (r'"\x41"', (1, 1), "this string has no end on its line, or an escape that JSON does not know"),
        (r'"\ud83d alone"', (1, 1), "this string has one half of a surrogate pair without the other"),
        ("{} {}", (1, 4), "nothing more is expected here"),
        ("truely", (1, 5), "nothing more is expected here"),
        ("01", (1, 2), "nothing more is expected here"),
        ("1٣", (1, 2), "nothing more is expected here"),
        ("NaN", (1, 1), "a value is expected here"),
        ("[1e999]", (1, 2), "this number is too large"),
        ("9" * 5000, (1, 1), "this number is too large"),
        ("{ /* no end", (1, 3), 'this comment has no "*/"'),
        ("[" * 5000, (1, MAX_DEPTH + 2), "too deeply nested"),
        ('{"a":' * 5000, (1, 5 * MAX_DEPTH + 6), "too deeply nested"),
    ],
)
def test_what_is_not_json_is_told_with_its_place(text: str, place: Place, what: str) -> None:
    with pytest.raises(Misread) as found:
        parse(text)

    assert (found.value.place, str(found.value)) == (place, what)


def test_everything_has_its_place() -> None:
    document = parse('// a first line\n{\n  "one": 1,\n  "two": { "deep": [10,\n    20] }\n}\n')

    assert document.places == {
        (): (2, 1),
        ("one",): (3, 3),
        ("two",): (4, 3),
        ("two", "deep"): (4, 12),
        ("two", "deep", 0): (4, 21),
        ("two", "deep", 1): (5, 5),
    }


def test_what_is_not_written_has_the_place_of_what_is_around_it() -> None:
    document = parse('{ "one": { "two": 2 } }')

    assert document.place(("one", "missing", "deeper")) == document.place(("one",)) == Place(1, 3)
    assert document.place(("nothing",)) == Place(1, 1)


def test_nesting_up_to_the_limit_is_read() -> None:
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH).value


def test_a_large_file_is_read_in_little_more_time_than_a_small_one() -> None:
    # Quadratic work would take a minute here.
    text = '{"backends": {\n' + "".join(f'  "db{n}": "10.0.0.1", // {n}\n' for n in range(20_000)) + "}}"

    document = parse(text)

    assert document.place(("backends", "db19999")) == (20_001, 3)


@given(st.text() | st.text(alphabet='{}[]",:/*\\ \n\t0123456789.eE+-truefalsn"u'))
def test_any_text_gives_values_or_misread(text: str) -> None:
    try:
        document = parse(text)
    except Misread as misread:
        lines = text.split("\n")
        assert 1 <= misread.place.line <= len(lines)
        assert 1 <= misread.place.column <= len(lines[misread.place.line - 1]) + 1
    else:
        assert json.loads(json.dumps(document.value)) == document.value


@given(VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_what_json_writes_is_read_back(value: Value, indent: int | str | None, ascii_only: bool) -> None:
    assert parse(json.dumps(value, indent=indent, ensure_ascii=ascii_only)).value == value


@given(VALUES, st.data())
def test_a_cut_text_is_misread_or_whole(value: Value, data: st.DataObject) -> None:
    text = json.dumps([value])

    with pytest.raises(Misread):
        parse(text[: data.draw(st.integers(0, len(text) - 1))])
