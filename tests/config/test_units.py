"""Durations, sizes and counts as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.config.units import count, seconds, seconds_told, size, size_told

ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())
LIKE_QUANTITIES = st.from_regex(r"\A\s*[0-9]{1,400}(\.[0-9]{1,400})?\s*[a-zA-Z]{0,3}\s*\Z")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("30s", 30.0),
        ("500ms", 0.5),
        ("5m", 300.0),
        ("1.5h", 5400.0),
        ("2d", 172_800.0),
        (" 7 S ", 7.0),
        ("10", 10.0),
        (10, 10.0),
        (0.25, 0.25),
    ],
)
def test_durations(written: object, meant: float) -> None:
    assert seconds(written) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [("64MB", 64 << 20), ("512kB", 512 << 10), ("1.5 gb", 3 << 29), ("100b", 100), ("4096", 4096), (4096, 4096)],
)
def test_sizes(written: object, meant: int) -> None:
    assert size(written) == meant


@pytest.mark.parametrize("written", ["59ms", "500ms", "2s", "2.5s", "90s", "5m", "1h", "2d", "1.0005s"])
def test_durations_are_told_as_they_would_be_written(written: str) -> None:
    assert seconds_told(seconds(written)) == written


@pytest.mark.parametrize("written", ["100B", "1025B", "512kB", "64MB", "2GB"])
def test_sizes_are_told_as_they_would_be_written(written: str) -> None:
    assert size_told(size(written)) == written


@given(st.integers(1, 10**9))
def test_what_is_told_means_the_same(number: int) -> None:
    assert size(size_told(number)) == number
    assert seconds(seconds_told(number / 1000)) == pytest.approx(number / 1000)


@pytest.mark.parametrize(("written", "meant"), [(5, 5), ("5", 5), (" 40 ", 40), (-1, -1)])
def test_counts(written: object, meant: int) -> None:
    assert count(written) == meant


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("soon", '\'soon\' is not a duration like "30s", "500ms", "5m", "1h"'),
        ("5 weeks", '\'5 weeks\' has an unknown unit; write a duration like "30s", "500ms", "5m", "1h"'),
        (-1, '-1 is not a duration like "30s", "500ms", "5m", "1h"'),
        (True, 'true is not a duration like "30s", "500ms", "5m", "1h"'),
        (None, 'null is not a duration like "30s", "500ms", "5m", "1h"'),
        ({"a": 1}, 'an object is not a duration like "30s", "500ms", "5m", "1h"'),
    ],
)
def test_what_is_no_duration_is_told_with_what_would_be(written: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=".") as found:
        seconds(written)

    assert str(found.value) == sentence


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("1TB", '\'1TB\' has an unknown unit; write a size like "512kB", "64MB", "1GB"'),
        ("9" * 400, f'\'{"9" * 59}… is not a size like "512kB", "64MB", "1GB"'),
        ([1], 'a list is not a size like "512kB", "64MB", "1GB"'),
    ],
)
def test_what_is_no_size_is_told_with_what_would_be(written: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=".") as found:
        size(written)

    assert str(found.value) == sentence


@pytest.mark.parametrize("written", [True, 1.5, "1.5", "many", "", None, [1], "9" * 5000])
def test_what_is_no_whole_number_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="is not a whole number"):
        count(written)


@given(ANYTHING | LIKE_QUANTITIES)
def test_anything_is_read_or_refused_in_a_sentence(written: object) -> None:
    for read in (seconds, size, count):
        try:
            assert abs(read(written)) < 1e30
        except ValueError as error:
            assert str(error)
