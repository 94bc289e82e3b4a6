"""How those parts look that Textual draws by itself: notes, the palette, the line for typing, scroll bars.

A look comes in; the colours by which Textual's own parts are drawn go out, and the rules for where there are no colours
or no signs beyond ASCII. Knows no page.
"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.theme import Theme as Colours

from dbmux.tui.look import Look, Theme

DARK = Colours(
    name="dbmux-dark",
    primary="#5fafff",
    secondary="#87afff",
    warning="#ffaf00",
    error="#ff5f5f",
    success="#5fd7af",
    accent="#5fafff",
    foreground="#d0d0d0",
    background="#121212",
    surface="#1a1a1a",
    panel="#303030",
    dark=True,
    variables={
        "scrollbar": "#5f5f5f",
        "scrollbar-hover": "#808080",
        "scrollbar-active": "#5fafff",
        "scrollbar-background": "#262626",
        "scrollbar-background-hover": "#262626",
        "scrollbar-background-active": "#262626",
    },
)
LIGHT = Colours(
    name="dbmux-light",
    primary="#005faf",
    secondary="#1f4fae",
    warning="#a04a00",
    error="#c00000",
    success="#00695c",
    accent="#005faf",
    foreground="#303030",
    background="#ffffff",
    surface="#f8f8f8",
    panel="#dadada",
    dark=False,
    variables={
        "scrollbar": "#a8a8a8",
        "scrollbar-hover": "#808080",
        "scrollbar-active": "#005faf",
        "scrollbar-background": "#e4e4e4",
        "scrollbar-background-hover": "#e4e4e4",
        "scrollbar-background-active": "#e4e4e4",
    },
)
_USUAL = "ansi_default"
PLAIN = Colours(
    name="dbmux-plain",
    ansi=True,
    primary=_USUAL,
    secondary=_USUAL,
    warning=_USUAL,
    error=_USUAL,
    success=_USUAL,
    accent=_USUAL,
    foreground=_USUAL,
    background=_USUAL,
    surface=_USUAL,
    panel=_USUAL,
    boost=_USUAL,
    variables={"ansi-background": _USUAL, "ansi-foreground": _USUAL},
)
THEMES = (DARK, LIGHT, PLAIN)

# `plain` is the application without colours, `ascii` the one without signs.
CSS = """
.plain .input--cursor, .plain .option-list--option-highlighted { text-style: reverse !important; }
.plain .input--selection { text-style: reverse; }
.plain Toast { text-style: reverse; }
.ascii Toast { border-left: none; }
.ascii SearchIcon, .ascii LoadingIndicator { display: none; }
.ascii CommandPalette #--input, .ascii CommandInput, .ascii CommandList { border: none; }
ModalScreen > .box { border: round $primary; }
.ascii ModalScreen > .box { border: ascii $primary; }
"""


def colours(look: Look) -> Colours:
    """What fits a look."""
    return PLAIN if not look.has_colours else LIGHT if look.theme is Theme.LIGHT else DARK


_LETTERS = {"µ": "u", "·": "|", "…": "~"}
_DEFAULT = Style(color="default", bgcolor="default")


class Colourless(LineFilter):
    """Takes every colour away; what is bold or reversed stays so."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Some pieces of a line."""
        return [
            Segment(text, None if style is None else style + _DEFAULT, control) for text, style, control in segments
        ]


class Backed(LineFilter):
    """Puts the colour behind it under every character, whatever the terminal's own is: nothing else may be read on."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Some pieces of a line."""
        return [Segment(text, _over(background, style), control) for text, style, control in segments]


@lru_cache(1024)
def _over(background: Color, style: Style | None) -> Style:
    behind = Style(bgcolor=background.rich_color)
    return behind if style is None else behind + style


class Ascii(LineFilter):
    """Puts a sign for every character that is none of ASCII, as wide as it is: for terminals that know no other."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Some pieces of a line."""
        return [
            segment if segment.text.isascii() else Segment(_spelt(segment.text), segment.style, segment.control)
            for segment in segments
        ]


def _spelt(text: str) -> str:
    return "".join(letter if letter.isascii() else _LETTERS.get(letter, "?" * cell_len(letter)) for letter in text)


class _WholeCells(ScrollBarRender):
    # Without parts of cells, which cannot be drawn everywhere.
    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


# Textual asks the class for it.
ScrollBar.renderer = _WholeCells
