"""JSON as people write it: with comments and trailing commas, and with the place of everything in the file.

Text comes in, plain values go out, and for each of them its line and column by path. Total: any text gives values or a
`Misread`. Never looks at what the values mean.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple

from dbmux.errors import DbMuxError

MAX_DEPTH = 64
# Longer than any number that means something, shorter than those that Python refuses to read.
MAX_NUMBER = 100

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]
Path = tuple[str | int, ...]
# What is wrong, and where.
Problem = tuple[Path, str]

_SPACE = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|/\*.*?\*/)*+", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS: dict[str, Value] = {"true": True, "false": False, "null": None}


class Place(NamedTuple):
    """Where something stands, both counted from 1."""

    line: int
    column: int


class Misread(DbMuxError):
    """The text is not JSON; `place` is where that shows."""

    def __init__(self, place: Place, what: str) -> None:
        super().__init__(what)
        self.place = place


@dataclass(frozen=True, slots=True)
class Document:
    """What was read: the value; by path, the place of each key (or list item), and where its value begins and ends."""

    value: Value
    places: dict[Path, Place] = field(default_factory=dict)
    spans: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def written(self, path: Path) -> Path:
        """The path itself where it is written in the file, or that of the nearest thing around it."""
        while path and path not in self.places:
            path = path[:-1]
        return path

    def place(self, path: Path) -> Place:
        """The place of a path, or of the nearest thing around it that is written in the file."""
        return self.places.get(self.written(path), Place(1, 1))


def parse(text: str) -> Document:
    """Read a document; raises Misread."""
    parser = _Parser(text)
    value = parser.value((), 0)
    parser.skip()
    if parser.position < len(text):
        raise parser.misread("nothing more is expected here")
    return Document(value, parser.places, parser.spans)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.places: dict[Path, Place] = {}
        self.spans: dict[Path, tuple[int, int]] = {}
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]

    def value(self, path: Path, depth: int) -> Value:
        self.skip()
        self.places.setdefault(path, self._place())
        if depth > MAX_DEPTH:
            raise self.misread("too deeply nested")
        begin = self.position
        value = self._value(path, depth)
        self.spans[path] = (begin, self.position)
        return value

    def _value(self, path: Path, depth: int) -> Value:
        match self.text[self.position : self.position + 1]:
            case "{":
                return self._object(path, depth)
            case "[":
                return self._array(path, depth)
            case '"':
                return self._string()
            case _:
                return self._scalar()

    def skip(self) -> None:
        matched = _SPACE.match(self.text, self.position)
        assert matched is not None
        self.position = matched.end()
        if self.text.startswith("/*", self.position):
            raise self.misread('this comment has no "*/"')

    def misread(self, what: str) -> Misread:
        return Misread(self._place(), what)

    def _place(self) -> Place:
        line = bisect_right(self._lines, self.position)
        return Place(line, self.position - self._lines[line - 1] + 1)

    def _object(self, path: Path, depth: int) -> Value:
        self.position += 1
        members: dict[str, Value] = {}
        while not self._closes("}"):
            place = self._place()
            if self.text[self.position : self.position + 1] != '"':
                raise self.misread('a key in double quotes or "}" is expected here')
            key = self._string()
            if key in members:
                raise Misread(place, f'"{key}" is here for the second time')
            self.places[(*path, key)] = place
            self.skip()
            self._take(":", f'":" is expected after "{key}"')
            members[key] = self.value((*path, key), depth + 1)
            self._separate("}")
        return members

    def _array(self, path: Path, depth: int) -> Value:
        self.position += 1
        items: list[Value] = []
        while not self._closes("]"):
            items.append(self.value((*path, len(items)), depth + 1))
            self._separate("]")
        return items

    def _closes(self, bracket: str) -> bool:
        self.skip()
        if self.text.startswith(bracket, self.position):
            self.position += 1
            return True
        if self.position >= len(self.text):
            raise self.misread(f'the file ends before "{bracket}"')
        return False

    def _separate(self, bracket: str) -> None:
        self.skip()
        if not self.text.startswith(bracket, self.position):
            self._take(",", f'"," or "{bracket}" is expected here')

    def _take(self, mark: str, otherwise: str) -> None:
        if not self.text.startswith(mark, self.position):
            raise self.misread(otherwise)
        self.position += 1

    def _string(self) -> str:
        matched = _STRING.match(self.text, self.position)
        if matched is None:
            raise self.misread("this string has no end on its line, or an escape that JSON does not know")
        text = str(json.loads(matched[0]))
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise self.misread("this string has one half of a surrogate pair without the other")
        self.position = matched.end()
        return text

    def _scalar(self) -> Value:
        for word, value in _WORDS.items():
            if self.text.startswith(word, self.position):
                self.position += len(word)
                return value
        matched = _NUMBER.match(self.text, self.position)
        if matched is None:
            at_end = self.position >= len(self.text)
            raise self.misread("the file ends where a value is expected" if at_end else "a value is expected here")
        digits = matched[0]
        if len(digits) > MAX_NUMBER or math.isinf(float(digits)):
            raise self.misread("this number is too large")
        self.position = matched.end()
        return int(digits) if digits.lstrip("-").isdecimal() else float(digits)
