"""What `dbmux cache` tells, as people read it."""

from __future__ import annotations

import pytest

from dbmux.commands.cache import size


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1000, "1000 B"),
        (1536, "1.5 kB"),
        (64 << 20, "64 MB"),
        (1000 << 20, "1000 MB"),
        (1 << 30, "1 GB"),
        (5000 << 30, "5000 GB"),
    ],
)
def test_sizes_have_three_digits_and_a_unit(number: int, shown: str) -> None:
    assert size(number) == shown
