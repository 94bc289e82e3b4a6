"""How things look: colours by what they mean, and the signs that are drawn, for each theme.

The name of a theme comes in, a `Look` goes out. There is one for the whole interface, which every widget reads while it
draws; it can turn into another theme's. Colour repeats what a letter or a word says and never replaces it, so that
nothing is lost without it. Never draws anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

from rich.style import Style


class Theme(StrEnum):
    """What can be chosen."""

    DARK = "dark"
    LIGHT = "light"
    ASCII = "ascii"


@dataclass(frozen=True, slots=True)
class Signs:
    """The signs beyond letters; each is one cell wide."""

    up: str
    half: str
    down: str
    none: str
    more: str
    line: str
    opened: str
    closed: str
    child: str
    fine: str
    wrong: str
    mark: str
    full: str
    empty: str
    levels: str
    # Top left and right, bottom left and right, across and down.
    frame: tuple[str, ...]


_UNICODE = Signs("●", "◐", "○", "·", "…", "─", "▾", "▸", "│", "✓", "✗", "▲", "█", "░", "▁▂▃▄▅▆▇█", tuple("┌┐└┘─│"))
_ASCII = Signs("*", "o", "x", ".", "~", "-", "v", ">", "|", "+", "x", "^", "#", ".", "_.:-=+*#", tuple("++++-|"))


@dataclass(slots=True)
class Look:
    """Styles by meaning, and signs; with `is_plain` without colours, whatever the theme."""

    theme: Theme
    is_plain: bool
    signs: Signs
    text: Style
    dim: Style
    strong: Style
    accent: Style
    good: Style
    warn: Style
    bad: Style
    keyword: Style
    literal: Style
    bar: Style
    cursor: Style
    alarm: Style
    # The scroll bar, and the part of it that stands for what can be seen.
    track: Style
    thumb: Style

    def verdict(self, letter: str) -> Style:
        """The style of a letter in the cache column."""
        return {"H": self.good, "C": self.good, "S": self.warn, "M": self.text, "E": self.bad}.get(letter, self.dim)

    @property
    def has_colours(self) -> bool:
        """Whether there are any."""
        return not self.is_plain and self.theme is not Theme.ASCII

    def turn(self, theme: Theme) -> None:
        """Look as that theme does from now on."""
        other = _look(theme, self.is_plain)
        for each in fields(self):
            setattr(self, each.name, getattr(other, each.name))


# Blue and orange, light and dark, rather than green and red alone: told apart by those who see no difference there.
_DARK: Mapping[str, str] = {
    "text": "#d0d0d0",
    "dim": "#8f8f8f",
    "strong": "bold #ffffff",
    "accent": "bold #5fafff",
    "good": "#5fd7af",
    "warn": "#ffaf00",
    "bad": "bold #ff5f5f",
    "keyword": "#87afff",
    "literal": "#d7af87",
    "bar": "#d0d0d0 on #303030",
    "cursor": "#ffffff on #005f87",
    "alarm": "bold #ffffff on #af0000",
    "track": "on #262626",
    "thumb": "on #5f5f5f",
}
_LIGHT: Mapping[str, str] = {
    "text": "#303030",
    "dim": "#686868",
    "strong": "bold #000000",
    "accent": "bold #005faf",
    "good": "#00695c",
    "warn": "#a04a00",
    "bad": "bold #c00000",
    "keyword": "#1f4fae",
    "literal": "#8a4b08",
    "bar": "#303030 on #dadada",
    "cursor": "#000000 on #afd7ff",
    "alarm": "bold #ffffff on #c00000",
    "track": "on #e4e4e4",
    "thumb": "on #a8a8a8",
}
# Without colour: weight and reversal must do.
_PLAIN: Mapping[str, str] = {
    "text": "",
    "dim": "",
    "strong": "bold",
    "accent": "bold",
    "good": "",
    "warn": "bold",
    "bad": "bold",
    "keyword": "",
    "literal": "",
    "bar": "reverse",
    "cursor": "reverse",
    "alarm": "reverse bold",
    "track": "",
    "thumb": "reverse",
}


def look(theme: Theme, environment: Mapping[str, str]) -> Look:
    """The look of a theme; with NO_COLOR set it has no colours (no-color.org)."""
    return _look(theme, bool(environment.get("NO_COLOR")))


def _look(theme: Theme, is_plain: bool) -> Look:
    table = _PLAIN if is_plain or theme is Theme.ASCII else _LIGHT if theme is Theme.LIGHT else _DARK
    styles = {name: Style.parse(value) for name, value in table.items()}
    return Look(theme=theme, is_plain=is_plain, signs=_ASCII if theme is Theme.ASCII else _UNICODE, **styles)


def usual(environment: Mapping[str, str]) -> Theme:
    """What fits a terminal: without UTF-8 it is ASCII."""
    named = next((environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), "")
    is_utf8 = "utf8" in named.lower().replace("-", "")
    return Theme.DARK if is_utf8 and environment.get("TERM") not in ("dumb", "linux") else Theme.ASCII


def chosen(name: str | None, environment: Mapping[str, str]) -> Look:
    """The look of the theme with that name; without one, what fits the terminal."""
    return look(usual(environment) if name is None else Theme(name), environment)
