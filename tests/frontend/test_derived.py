"""The types that MySQL derives for parameters: which values change them, and how they are had again elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from dbmux.frontend.derived import (
    UNKNOWN,
    are_at_odds,
    derived_after,
    derived_at_first,
    likely_after,
    read,
    recast,
    rehearsal,
    sent,
)
from dbmux.wire import packet
from dbmux.wire.columns import Column, FieldFlag, FieldType
from dbmux.wire.statements import ParameterType, Prepared, parse_execute

VALUES = some.binary(min_size=3, max_size=3).map(lambda data: bytes(b"0siunfdmhwxo"[byte % 12] for byte in data))
PLACES = some.binary(min_size=3, max_size=3).map(lambda data: bytes(b"siunfdmhybjg"[byte % 12] for byte in data))


def types(*kinds: ParameterType) -> bytes:
    return b"".join(kind.build() for kind in kinds)


def test_a_preparation_tells_what_each_parameter_is_by_its_place() -> None:
    places = (
        Column(name=b"?", type=FieldType.LONGLONG),
        Column(name=b"?", type=FieldType.LONGLONG, flags=FieldFlag.UNSIGNED),
        Column(name=b"?", type=FieldType.VAR_STRING),
        Column(name=b"?", type=FieldType.YEAR, flags=FieldFlag.UNSIGNED),
    )
    told = (Prepared(1, 0, len(places)).build(), *(place.build(0) for place in places))
    answer = b"".join(packet.encode(payload, number) for number, payload in enumerate(told, 1))

    assert derived_at_first(answer, len(places)) == b"iusy"


def test_what_is_null_is_told_by_the_map_and_not_by_the_type() -> None:
    told = types(
        ParameterType(FieldType.LONG),
        ParameterType(FieldType.TINY, is_unsigned=True),
        ParameterType(FieldType.LONG),
        ParameterType(FieldType.BLOB),
    )

    assert sent(told, 0b0100, 0) == b"iu0o"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"two", b"s"),
        (b"", b"s"),
        (b"12abc", b"s"),
        (b"2", b"w"),
        (b" +2 ", b"w"),
        (b"-7", b"x"),
        (b"2.0", b"x"),
        (b"1E3", b"x"),
        (b"9" * 23, b"x"),
        (b"18446744073709551615", b"o"),
        (b"2021-01-02 03:04:05", b"o"),
        (b"x" * 65, b"o"),
    ],
)
def test_of_a_text_it_counts_what_it_reads_like(text: bytes, what: bytes) -> None:
    assert read((ParameterType(FieldType.BLOB),), (text,)) == what


@pytest.mark.parametrize(
    ("derived", "values", "after"),
    [
        (b"s", b"i", b"i"),  # a number in the place of a text
        (b"i", b"s", b"i"),  # and then a text in its place
        (b"i", b"0", b"i"),
        (b"i", b"u", b"u"),
        (b"f", b"n", b"f"),
        (b"n", b"f", b"f"),
        (b"d", b"m", b"m"),
        (b"m", b"h", b"m"),
        # Once anything does not fit, every value counts.
        (b"fs", b"if", b"if"),
        (b"hs", b"if", b"hf"),
        # A NULL then has the type of its surroundings: whether a number fits is not known.
        (b"is", b"0f", b"0f"),
        (b"0f", b"0m", b"0m"),
        (b"0f", b"0i", b"0f"),
        (b"0f", b"if", UNKNOWN),
        (b"0f", b"im", UNKNOWN),
        # What becomes of a text depends on what it reads like.
        (b"is", b"sf", UNKNOWN),
        (b"is", b"wf", b"if"),
        (b"is", b"xf", b"nf"),
        (b"i", b"x", b"n"),
        (b"i", b"o", UNKNOWN),
        (b"f", b"o", b"f"),
        (b"ss", b"of", b"sf"),
    ],
)
def test_an_execution_changes_the_types_as_mysql_does(derived: bytes, values: bytes, after: bytes) -> None:
    assert derived_after(derived, values, b"s" * len(derived)) == after


@pytest.mark.parametrize(
    ("derived", "values", "after"),
    [
        # The first value for what was NULL until now.
        (b"0f", b"sx", b"sf"),
        (b"0f", b"fx", b"ff"),
        (b"0f", b"0x", b"0f"),
        # Text that may be a moment.
        (b"0d", b"so", UNKNOWN),
    ],
)
def test_what_is_open_is_taken_for_what_its_place_is_for(derived: bytes, values: bytes, after: bytes) -> None:
    assert likely_after(derived, values, b"si") == after


@pytest.mark.parametrize(
    ("places", "values", "are_so"),
    [
        (b"s", b"i", True),
        (b"s", b"m", True),
        (b"i", b"s", True),
        (b"i", b"d", True),
        (b"is", b"fo", False),
        (b"i", b"x", False),
        (b"m", b"i", False),
        (b"d", b"m", False),
        (b"i", b"0", False),
        (b"j", b"s", False),
    ],
)
def test_values_are_at_odds_with_places_for_another_sort(places: bytes, values: bytes, are_so: bool) -> None:
    assert are_at_odds(places, values) is are_so


@given(PLACES, VALUES)
def test_values_change_the_types_once(at_first: bytes, values: bytes) -> None:
    after = derived_after(at_first, values, at_first)

    assert after == UNKNOWN or derived_after(after, values, at_first) == after


@given(PLACES.filter(lambda places: not set(places) & set(b"ybjg")), some.lists(VALUES, min_size=1))
def test_a_rehearsal_brings_a_new_statement_where_an_old_one_has_come(at_first: bytes, history: list[bytes]) -> None:
    derived = at_first
    for values in history:
        derived = derived_after(derived, values, at_first) or derived
    assume(derived != at_first)
    body = rehearsal(7, derived, 0)
    execution = parse_execute(body, 0, len(at_first))
    assert execution.types is not None
    nulls = sum(1 << index for index, value in enumerate(execution.values) if value is None)

    assert execution.statement == 7
    assert derived_after(at_first, sent(types(*execution.types), nulls, 0), at_first) == derived


@pytest.mark.parametrize(
    ("derived", "value", "becomes"),
    [
        (b"i", b"02", (ParameterType(FieldType.LONGLONG), 2)),
        (b"u", b" +7", (ParameterType(FieldType.LONGLONG, is_unsigned=True), 7)),
        (b"n", b"2.50", (ParameterType(FieldType.NEWDECIMAL), b"2.50")),
        (b"f", b"2.50", (ParameterType(FieldType.DOUBLE), 2.5)),
        (b"n", 3, (ParameterType(FieldType.NEWDECIMAL), b"3")),
        (b"f", 3, (ParameterType(FieldType.DOUBLE), 3.0)),
    ],
)
def test_a_text_or_number_is_sent_as_the_number_that_mysql_makes_of_it(
    derived: bytes, value: bytes | int, becomes: tuple[ParameterType, object]
) -> None:
    told = ParameterType(FieldType.LONG if isinstance(value, int) else FieldType.VAR_STRING)

    assert recast((told,), (value,), derived) == [becomes]


@pytest.mark.parametrize(
    ("derived", "value"), [(b"i", b"two"), (b"i", b"2.5"), (b"f", b"1e999"), (b"s", b"2"), (b"m", b"2"), (b"i", None)]
)
def test_what_mysql_makes_no_number_of_is_sent_as_it_came(derived: bytes, value: bytes | None) -> None:
    told, attribute = ParameterType(FieldType.VAR_STRING), ParameterType(FieldType.VAR_STRING, name=b"trace")

    assert recast((told, attribute), (value, b"1"), derived) == [(told, value), (attribute, b"1")]
