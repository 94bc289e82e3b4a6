"""Text in cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from dbmux.tui.cells import Side, bar, cut, fit, one_line, spark
from tests.tui.hostile import TEXTS


@pytest.mark.parametrize(
    "text, width, shown",
    [
        ("SELECT 1", 10, "SELECT 1  "),
        ("SELECT 1", 5, "SELE…"),
        ("SELECT\n\t 1", 8, "SELECT 1"),
        ("世界世界", 5, "世界…"),
        ("世界", 4, "世界"),
        ("a\x1b[31mb", 12, "a\\x1b[31mb  "),
        ("x", 0, ""),
    ],
)
def test_a_text_takes_exactly_its_width(text: str, width: int, shown: str) -> None:
    assert fit(text, width, "…") == shown


def test_numbers_keep_to_the_right() -> None:
    assert fit("12", 5, "…", Side.RIGHT) == "   12"


@given(st.text(max_size=200), st.integers(1, 60))
def test_any_text_fits(text: str, width: int) -> None:
    shown = fit(text, width, "…")

    assert cell_len(shown) == width
    assert shown.isprintable()


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("width", [1, 2, 7, 80])
def test_hostile_texts_fit(text: str, width: int) -> None:
    assert cell_len(fit(text, width, "…")) == width
    assert one_line(text, width).isprintable()


@given(st.text(st.characters(categories=("L", "N", "Zs")), max_size=80), st.integers(1, 60))
def test_what_is_ours_is_cut_and_padded_with_its_spaces(text: str, width: int) -> None:
    assert cell_len(cut(text, width, "…")) == width


def test_bars_and_sparks() -> None:
    assert bar(1, 4, 8, "#", ".") == "##......"
    assert bar(1, 0, 4, "#", ".") == "...."
    assert spark([0, 1, 2, 4], 6, "12345678") == "  1358"
    assert spark([], 3, "12345678") == "   "
