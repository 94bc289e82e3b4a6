"""Themes: what is drawn in each, also by Textual itself, and how one is changed for another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from rich.color import ColorType
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from dbmux.tui.app import Interface
from dbmux.tui.look import Theme, chosen, look
from dbmux.tui.parts import Ascii, colours
from tests.tui.scripted import Scripted, settled, usual

# Each page, and every box of which Textual draws something; "escape" closes it.
EVERYTHING = (
    *"23456789",
    "question_mark",
    "escape",
    "6",
    "d",
    "escape",
    "1",
    "f",
    *"dur",
    "escape",
    "ctrl+r",
    "ctrl+p",
)


def drawn(theme: Theme, environment: Mapping[str, str], *keys: str) -> list[Segment]:
    """What is written to the terminal after each of these keys."""
    app = Interface(Scripted(usual()), look(theme, environment))
    kept: list[Segment] = []

    async def scenario() -> None:
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await settled(pilot)
            for key in keys:
                await pilot.press(key)
                await settled(pilot)
                for strip in app.screen._compositor.render_strips():
                    kept.extend(strip)

    asyncio.run(asyncio.wait_for(scenario(), 20))
    return kept


def text(segments: list[Segment]) -> str:
    return "".join(segment.text for segment in segments)


def is_coloured(style: Style | None) -> bool:
    colours = () if style is None else (style.color, style.bgcolor)
    return any(colour is not None and colour.type is not ColorType.DEFAULT for colour in colours)


def test_in_ascii_nothing_else_is_drawn_and_nothing_has_a_colour() -> None:
    segments = drawn(Theme.ASCII, {}, *EVERYTHING)

    assert [segment.text for segment in segments if not segment.text.isascii()] == []
    assert [segment for segment in segments if is_coloured(segment.style)] == []


@pytest.mark.parametrize("theme", [Theme.DARK, Theme.LIGHT])
def test_no_color_takes_all_colours_away(theme: Theme) -> None:
    segments = drawn(theme, {"NO_COLOR": "1"}, *EVERYTHING)

    assert [segment for segment in segments if is_coloured(segment.style)] == []


@pytest.mark.parametrize("theme", [Theme.DARK, Theme.LIGHT])
@pytest.mark.parametrize("name", ["text", "dim", "strong", "accent", "good", "warn", "bad", "keyword", "literal"])
def test_every_word_can_be_read_on_what_is_behind_it(name: str, theme: Theme) -> None:
    meant = look(theme, {})
    behind = Color.parse(colours(meant).surface or "")

    assert contrast(getattr(meant, name), behind) >= 4.5


@pytest.mark.parametrize("theme", [Theme.DARK, Theme.LIGHT])
@pytest.mark.parametrize("name", ["bar", "cursor", "alarm"])
def test_every_word_can_be_read_in_a_bar(name: str, theme: Theme) -> None:
    style: Style = getattr(look(theme, {}), name)
    assert style.bgcolor is not None

    assert contrast(style, Color.from_rich_color(style.bgcolor)) >= 4.5


def contrast(style: Style, behind: Color) -> float:
    """How much text stands out, as WCAG counts it: from 1 to 21, and from 4.5 on it can be read."""
    assert style.color is not None
    low, high = sorted(map(luminance, (Color.from_rich_color(style.color), behind)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: Color) -> float:
    parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_the_next_theme_is_there_at_once_and_after_the_last_comes_the_first() -> None:
    dark = drawn(Theme.DARK, {}, "2")
    turned = drawn(Theme.DARK, {}, "2", "T", "T", "T", "6", "2")

    assert [f"theme: {theme}" for theme in Theme if f"theme: {theme}" not in text(turned)] == []
    assert {str(one.style) for one in dark} <= {str(one.style) for one in turned[-2 * len(dark) :]}
    assert "STATEMENT" in text(turned)
    assert " DbMux * " in text(turned)


@pytest.mark.parametrize("theme", [Theme.DARK, Theme.LIGHT])
def test_a_theme_with_colours_leaves_no_background_to_the_terminal(theme: Theme) -> None:
    segments = drawn(theme, {}, "2", "question_mark")

    assert [one for one in segments if one.text and (one.style is None or one.style.bgcolor is None)] == []


def test_without_colours_another_theme_brings_none() -> None:
    segments = drawn(Theme.ASCII, {"NO_COLOR": "1"}, "T")

    assert "●" in text(segments)
    assert [segment for segment in segments if is_coloured(segment.style)] == []


@pytest.mark.parametrize(
    "name, environment, theme",
    [
        (None, {"LANG": "en_US.UTF-8", "TERM": "xterm"}, Theme.DARK),
        (None, {"LANG": "C.utf8", "LC_ALL": "C", "TERM": "xterm"}, Theme.ASCII),
        (None, {"LANG": "en_US.UTF-8", "TERM": "linux"}, Theme.ASCII),
        (None, {}, Theme.ASCII),
        ("light", {}, Theme.LIGHT),
    ],
)
def test_a_terminal_without_utf_8_gets_ascii_unless_another_theme_is_wished_for(
    name: str | None, environment: Mapping[str, str], theme: Theme
) -> None:
    assert chosen(name, environment).theme is theme


def test_the_palette_offers_what_the_keys_of_the_page_do() -> None:
    words = text(drawn(Theme.DARK, {}, "6", "ctrl+p", *"drain"))

    assert "Drain" in words
    assert "key d" in words


def test_in_ascii_every_character_keeps_its_width() -> None:
    (segment,) = Ascii().apply([Segment("20µs 世界 e\u0301 x")], Color(0, 0, 0))

    assert segment.text == "20us ???? e x"
