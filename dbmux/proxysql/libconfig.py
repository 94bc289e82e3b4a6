r"""Reading a text in libconfig's syntax, as proxysql.cnf is written, with the place of everything in it.

Text comes in, settings go out, or `Misread` is raised with line and column. Understood are groups, lists, arrays,
numbers in all their forms, booleans, strings with escapes and in several pieces, and the three kinds of comments.
Never opens another file: `@include` is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from dbmux.config.jsonc import Place
from dbmux.errors import DbMuxError

# ProxySQL's own file nests three deep; what nests deeper than this is no configuration.
MAX_DEPTH = 32

Scalar = str | int | float | bool
Value = Scalar | tuple["Setting", ...] | Mapping[str, "Setting"]

_NOTHING = re.compile(r"(?:\s+|#[^\n]*|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_NAME = re.compile(r"[A-Za-z*][-A-Za-z0-9_*]*")
_FLOAT = re.compile(r"[-+]?(?:\d+\.\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)")
_INTEGER = re.compile(r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9A-Fa-f]+)|0[bB](?P<bin>[01]+)|(?P<dec>\d+))L{0,2}")
_BOOLEAN = re.compile(r"(?:true|false)\b", re.IGNORECASE)
_PIECE = re.compile(r'[^"\\]+|\\x[0-9A-Fa-f]{2}|\\.|\\', re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}


class Misread(DbMuxError):
    """The text is not libconfig's; `place` is where that shows."""

    def __init__(self, what: str, place: Place) -> None:
        super().__init__(what)
        self.place = place


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it begins: a setting of a group at its name, an element of a list at itself."""

    value: Value
    place: Place


def parse(text: str) -> Mapping[str, Setting]:
    """All settings of a file; raises Misread."""
    return _Reader(text).settings("")


class _Reader:
    __slots__ = ("_at", "_depth", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def settings(self, end: str) -> Mapping[str, Setting]:
        """The settings up to a closing brace, or with "" up to the end of the text."""
        found: dict[str, Setting] = {}
        while not self._ends(end):
            if self._text.startswith("@include", self._at):
                self._refuse("@include is not followed; put that file's contents here")
            begin, place = self._at, self._place()
            name = self._match(_NAME)
            if name is None:
                self._refuse("the name of a setting is expected here")
            self._skip()
            if not self._take("=") and not self._take(":"):
                self._refuse(f'"=" or ":" is expected after {name[0]}')
            value = self._value()
            if name[0] in found:
                self._at = begin
                self._refuse(f"{name[0]} is set twice")
            found[name[0]] = Setting(value, place)
            self._skip()
            if not self._take(";"):
                self._take(",")
        return found

    def _ends(self, end: str) -> bool:
        self._skip()
        if self._at == len(self._text):
            if end:
                self._refuse(f'the file ends where "{end}" is expected')
            return True
        return bool(end) and self._take(end)

    def _value(self) -> Value:
        self._skip()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._refuse(f"nested deeper than {MAX_DEPTH}")
        value: Value
        if self._take("{"):
            value = self.settings("}")
        elif self._take("("):
            value = self._elements(")")
        elif self._take("["):
            value = self._elements("]")
        else:
            value = self._scalar()
        self._depth -= 1
        return value

    def _elements(self, end: str) -> tuple[Setting, ...]:
        found: list[Setting] = []
        while not self._ends(end):
            place = self._place()
            found.append(Setting(self._value(), place))
            if self._ends(end):
                break
            if not self._take(","):
                self._refuse(f'"," or "{end}" is expected here')
        return tuple(found)

    def _scalar(self) -> Scalar:
        if self._text.startswith('"', self._at):
            return self._string()
        if (found := self._match(_BOOLEAN)) is not None:
            return found[0].lower() == "true"
        if (found := self._match(_FLOAT)) is not None:
            return float(found[0])
        found = self._match(_INTEGER)
        if found is None:
            self._refuse("a value is expected here: a number, true, false, a string in double quotes, or one of { ( [")
        digits, base = next(
            (found[name], base) for name, base in (("hex", 16), ("bin", 2), ("dec", 10)) if found[name] is not None
        )
        if len(digits) > 64:
            self._refuse("a number this long is none that ProxySQL knows")
        return int(found["sign"] + digits, base)

    def _string(self) -> str:
        # Pieces that follow each other are one string.
        pieces: list[str] = []
        while self._text.startswith('"', self._at):
            begin = self._at
            self._at += 1
            while not self._take('"'):
                if self._at == len(self._text):
                    self._at = begin
                    self._refuse("this string has no closing quote")
                piece = self._match(_PIECE)
                assert piece is not None
                pieces.append(_unescaped(piece[0]))
            self._skip()
        return "".join(pieces)

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found

    def _take(self, letter: str) -> bool:
        if not self._text.startswith(letter, self._at):
            return False
        self._at += len(letter)
        return True

    def _skip(self) -> None:
        self._match(_NOTHING)
        if self._text.startswith("/*", self._at):
            self._refuse("this comment has no end")

    def _place(self) -> Place:
        line = self._text.count("\n", 0, self._at) + 1
        return Place(line, self._at - self._text.rfind("\n", 0, self._at))

    def _refuse(self, what: str) -> NoReturn:
        raise Misread(what, self._place())


def _unescaped(piece: str) -> str:
    if not piece.startswith("\\") or len(piece) == 1:
        return piece
    if piece[1] == "x" and len(piece) == 4:
        return chr(int(piece[2:], 16))
    # An escape that libconfig does not know stays as it is: patterns are full of them.
    return _ESCAPES.get(piece[1], piece)
