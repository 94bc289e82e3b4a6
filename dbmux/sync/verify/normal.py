# cython: boundscheck=False, wraparound=False, annotation_typing=False, language_level=3
"""JSON written anew, so that documents that differ in their writing alone become the same bytes.

A text comes in, with what becomes of its longer numbers; out goes a text with the members of objects in MySQL's order
(shorter names first, of one name the last), its white space, and its escapes. Raises ValueError for what is no JSON.
No value is made of it: that would take ten times as long. The same source runs interpreted and compiled (normal.pxd
types it).
"""

from __future__ import annotations

import json
from collections.abc import Callable

COMPILED = not __file__.endswith(".py")

# MySQL goes no deeper, and recursion has to end somewhere.
DEEPEST = 100
# With so few digits, and no zero at an end, a number is written in one way only.
PLAIN_DIGITS = 15
_WORDS = (b"true", b"false", b"null")
_READ = json.JSONDecoder().raw_decode
_WRITE = json.JSONEncoder(ensure_ascii=False).encode


def normal(text: bytes, number: Callable[[bytes], bytes]) -> bytes:
    """The text; `number` writes those numbers that can be written in more than one way, and may raise what it likes."""
    writer = Writer(text, number)
    writer.value(DEEPEST)
    writer.space()
    if writer.at != len(text):
        raise ValueError("something follows")
    return bytes(writer.written)


class Writer:
    """A place in a text, and what was written of it."""

    __slots__ = ("at", "data", "number", "written")

    def __init__(self, text: bytes, number: Callable[[bytes], bytes]) -> None:
        # A zero byte ends it: none is allowed anywhere in JSON, so nobody reads beyond.
        self.data = text + b"\0"
        self.at = 0
        self.number = number
        self.written = bytearray()

    def space(self) -> None:
        """Pass over white space."""
        src = self.data
        at = self.at
        while src[at] == 32 or src[at] == 10 or src[at] == 13 or src[at] == 9:
            at += 1
        self.at = at

    def value(self, depth: int) -> int:
        """Write the value here; returns how long all is now."""
        self.space()
        src = self.data
        first = src[self.at]
        if first == 34:  # a quotation mark
            self.written += self.string()
        elif first == 123:  # a brace
            self._object(depth)
        elif first == 91:  # a bracket
            self._array(depth)
        elif first == 45 or 48 <= first <= 57:  # a sign or a digit
            self.written += self._numeral()
        else:
            self.written += self._word()
        return len(self.written)

    def string(self) -> bytes:
        """The text in quotation marks here, with them."""
        src = self.data
        begun = self.at
        at = begun + 1
        is_plain = True
        while src[at] != 34:
            if src[at] == 92:  # a backslash, and what it takes along
                is_plain = False
                at += 1
            if src[at] < 32:
                raise ValueError("a text without an end, or with a control character")
            at += 1
        self.at = at + 1
        found = self.data[begun : self.at]
        return found if is_plain else _escaped(found)

    def _array(self, depth: int) -> None:
        if depth == 0:
            raise ValueError("too deep")
        if self._begins(91, 93):
            return
        while True:
            self.value(depth - 1)
            if self._ends(93):
                return

    def _object(self, depth: int) -> None:
        if depth == 0:
            raise ValueError("too deep")
        begun = len(self.written)
        if self._begins(123, 125):
            return
        members: dict[bytes, tuple[int, int]] = {}
        last = b""
        is_sorted = True
        while True:
            self.space()
            src = self.data
            if src[self.at] != 34:
                raise ValueError("a member without a name")
            name = self.string()
            is_sorted = is_sorted and (len(last) < len(name) or (len(last) == len(name) and last < name))
            last = name
            self.space()
            src = self.data
            if src[self.at] != 58:  # a colon
                raise ValueError("a member without a value")
            self.at += 1
            place = len(self.written)
            self.written += name
            self.written += b": "
            members[name] = place, self.value(depth - 1)
            if self._ends(125):
                break
        if not is_sorted:
            self._sort(begun, members)

    def _sort(self, begun: int, members: dict[bytes, tuple[int, int]]) -> None:
        names = sorted(members)
        names.sort(key=len)
        pieces = [bytes(self.written[members[name][0] : members[name][1]]) for name in names]
        del self.written[begun:]
        self.written += b"{"
        self.written += b", ".join(pieces)
        self.written += b"}"

    def _begins(self, opening: int, closing: int) -> bool:
        # True where there is nothing in it.
        self.at += 1
        self.space()
        src = self.data
        self.written.append(opening)
        if src[self.at] != closing:
            return False
        self.at += 1
        self.written.append(closing)
        return True

    def _ends(self, closing: int) -> bool:
        # True where it does, False where another one follows.
        self.space()
        src = self.data
        mark = src[self.at]
        self.at += 1
        if mark == closing:
            self.written.append(closing)
            return True
        if mark != 44:  # a comma
            raise ValueError("no comma and no end")
        self.written += b", "
        return False

    def _numeral(self) -> bytes:
        src = self.data
        begun = self.at
        first = begun + 1 if src[begun] == 45 else begun
        at = self._digits(first)
        digits = at - first
        is_plain = 0 < digits <= PLAIN_DIGITS and (src[first] != 48 or begun == first and digits == 1)
        if src[at] == 46:  # a point
            end = self._digits(at + 1)
            is_plain = is_plain and end - first <= PLAIN_DIGITS and src[end - 1] != 48 and end - at > 1
            at = end
        while 48 <= src[at] <= 57 or src[at] == 46 or src[at] == 69 or src[at] == 101 or src[at] == 43 or src[at] == 45:
            is_plain = False
            at += 1
        self.at = at
        found = self.data[begun:at]
        return found if is_plain else self.number(found)

    def _digits(self, at: int) -> int:
        # Where those end that begin here.
        src = self.data
        while 48 <= src[at] <= 57:
            at += 1
        return at

    def _word(self) -> bytes:
        for word in _WORDS:
            if self.data.startswith(word, self.at):
                self.at += len(word)
                return word
        raise ValueError("no value")


def _escaped(text: bytes) -> bytes:
    plain, _ = _READ(text.decode())
    return _WRITE(plain).encode("utf-8", "surrogatepass")
