# cython: boundscheck=False, wraparound=False, annotation_typing=False, language_level=3
"""JSON written anew, so that documents that differ in their writing alone become the same bytes.

A text comes in, with what becomes of its longer numbers; out goes a text with the members of objects in MySQL's order
(shorter names first, of one name the last), its white space, and its escapes. Raises ValueError for what is no JSON.
No value is made of it: that would take several times as long. The same source runs interpreted and compiled
(normal.pxd types it).
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable

COMPILED = not __file__.endswith(".py")

# MySQL goes no deeper, and recursion has to end somewhere.
DEEPEST = 100
# With so few digits, and no zero at an end, a number is written in one way only.
PLAIN_DIGITS = 15
# The members of an object with no more are put in order one by one.
_FEW = 32
_READ = json.JSONDecoder().raw_decode
_WRITE = json.JSONEncoder(ensure_ascii=False).encode


class Writer:
    """Writes texts anew, one after the other: `number` does it for the numbers that can be written in more than one
    way, and may raise what it likes.

    `at` is a place in the text, `size` how much of `written` is. A zero byte ends the text: none is allowed anywhere in
    JSON, so nobody reads beyond. Nothing gets longer but at commas and colons, for which there is room, so none writes
    beyond either; a number that does gets its own room. Of objects that are being written, `places` has the members:
    where their names and values begin and end.
    """

    __slots__ = ("at", "count", "data", "number", "places", "size", "written")

    def __init__(self, number: Callable[[bytes], bytes]) -> None:
        self.number = number
        self.data = b""
        self.at = 0
        self.written = bytearray()
        self.size = 0
        self.places = array("q", bytes(8 * 3 * _FEW))
        self.count = 0

    def write(self, text: bytes) -> bytearray:
        """The text, written anew."""
        # Compiled, there is a zero byte behind all bytes.
        self.data = text if COMPILED else text + b"\0"
        self.at = 0
        self.written = bytearray(len(text) + text.count(b",") + text.count(b":") + 1)
        self.size = 0
        self.count = 0
        self._value(DEEPEST)
        self._space()
        if self.at != len(text):
            raise ValueError("something follows")
        written = self.written
        del written[self.size :]
        self.written = bytearray()
        return written

    def _space(self) -> None:
        src = self.data
        at = self.at
        while src[at] == 32 or src[at] == 10 or src[at] == 13 or src[at] == 9:
            at += 1
        self.at = at

    def _value(self, depth: int) -> None:
        self._space()
        src = self.data
        first = src[self.at]
        if first == 34:  # a quotation mark
            self._string()
        elif first == 123:  # a brace
            self._object(depth)
        elif first == 91:  # a bracket
            self._array(depth)
        elif first == 45 or 48 <= first <= 57:  # a sign or a digit
            self._numeral()
        else:
            self._word()

    def _array(self, depth: int) -> None:
        if depth == 0:
            raise ValueError("too deep")
        if self._begins(91, 93):
            return
        while True:
            self._value(depth - 1)
            if self._ends(93):
                return

    def _object(self, depth: int) -> None:
        if depth == 0:
            raise ValueError("too deep")
        begun = self.size
        if self._begins(123, 125):
            return
        members = self.count
        before = before_ends = begun
        is_sorted = True
        while True:
            self._space()
            src = self.data
            if src[self.at] != 34:
                raise ValueError("a member without a name")
            name = self.size
            self._string()
            name_ends = self.size
            is_sorted = is_sorted and self._order(before, before_ends, name, name_ends) < 0
            before, before_ends = name, name_ends
            self._space()
            if src[self.at] != 58:  # a colon
                raise ValueError("a member without a value")
            self.at += 1
            self._put(58, 32)
            self._value(depth - 1)
            self._remember(name, name_ends)
            if self._ends(125):
                break
        if not is_sorted:
            self._sort(begun, members)
        self.count = members

    def _order(self, one: int, one_ends: int, other: int, other_ends: int) -> int:
        # Of two names, by where they are written: below zero when the first is the first in MySQL's order as well.
        out = self.written
        if one_ends - one != other_ends - other:
            return one_ends - one - (other_ends - other)
        while one < one_ends:
            if out[one] != out[other]:
                return out[one] - out[other]
            one += 1
            other += 1
        return 0

    def _remember(self, name: int, name_ends: int) -> None:
        if self.count + 3 > len(self.places):
            self.places = array("q", bytes(self.places) * 2)
        places = self.places
        places[self.count] = name
        places[self.count + 1] = name_ends
        places[self.count + 2] = self.size
        self.count += 3

    def _sort(self, begun: int, members: int) -> None:
        if self.count - members <= 3 * _FEW:
            self._order_few(members)
        else:
            self._order_many(members)
        places, out = self.places, self.written
        ordered = bytearray(self.size - begun)
        to = ordered
        size = 0
        for place in range(members, self.count, 3):
            for at in range(places[place], places[place + 2]):
                to[size] = out[at]
                size += 1
            to[size] = 44
            to[size + 1] = 32
            size += 2
        size -= 2
        self.size = begun + 1
        for at in range(size):
            out[self.size + at] = to[at]
        self.size += size
        out[self.size] = 125
        self.size += 1

    def _order_few(self, members: int) -> None:
        # Each goes in among those before it; one of the same name makes room.
        places = self.places
        end = members
        for place in range(members, self.count, 3):
            name, name_ends, value_ends = places[place], places[place + 1], places[place + 2]
            to = end
            order = 1
            while to > members:
                order = self._order(name, name_ends, places[to - 3], places[to - 2])
                if order >= 0:
                    break
                to -= 3
            if order == 0:
                to -= 3
            else:
                for at in range(end - 1, to - 1, -1):
                    places[at + 3] = places[at]
                end += 3
            places[to], places[to + 1], places[to + 2] = name, name_ends, value_ends
        self.count = end

    def _order_many(self, members: int) -> None:
        places, written = self.places, self.written
        by_name = {
            bytes(written[places[place] : places[place + 1]]): (places[place], places[place + 1], places[place + 2])
            for place in range(members, self.count, 3)
        }
        names = sorted(by_name)
        names.sort(key=len)
        self.count = members
        for name in names:
            places[self.count], places[self.count + 1], places[self.count + 2] = by_name[name]
            self.count += 3

    def _begins(self, opening: int, closing: int) -> bool:
        # True where there is nothing in it.
        src, out = self.data, self.written
        self.at += 1
        self._space()
        out[self.size] = opening
        self.size += 1
        if src[self.at] != closing:
            return False
        self.at += 1
        out[self.size] = closing
        self.size += 1
        return True

    def _ends(self, closing: int) -> bool:
        # True where it does, False where another one follows.
        self._space()
        src, out = self.data, self.written
        mark = src[self.at]
        self.at += 1
        if mark == closing:
            out[self.size] = closing
            self.size += 1
            return True
        if mark != 44:  # a comma
            raise ValueError("no comma and no end")
        self._put(44, 32)
        return False

    def _put(self, one: int, other: int) -> None:
        out = self.written
        out[self.size] = one
        out[self.size + 1] = other
        self.size += 2

    def _append(self, piece: bytes) -> None:
        self.written[self.size : self.size + len(piece)] = piece
        self.size += len(piece)

    def _copy(self, begun: int, end: int) -> None:
        src, out = self.data, self.written
        size = self.size
        for at in range(begun, end):
            out[size] = src[at]
            size += 1
        self.size = size

    def _string(self) -> None:
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
        at += 1
        self.at = at
        if is_plain:
            self._copy(begun, at)
        elif not self._unescape(begun, at):
            plain, _ = _READ(self.data[begun:at].decode())
            self._append(_WRITE(plain).encode("utf-8", "surrogatepass"))

    def _unescape(self, at: int, end: int) -> bool:
        # False, with nothing written, where it is more than letters in place of their numbers.
        src, out = self.data, self.written
        size = self.size
        while at < end:
            if src[at] != 92:
                out[size] = src[at]
                size += 1
                at += 1
                continue
            if src[at + 1] != 117 or end - at < 7:  # a u, and its digits
                return False
            code = 0
            for place in range(at + 2, at + 6):
                digit = src[place]
                if 48 <= digit <= 57:
                    code = code << 4 | digit - 48
                elif 97 <= digit | 32 <= 102:
                    code = code << 4 | (digit | 32) - 87
                else:
                    return False
            at += 6
            if code < 0xA0 or 0xD800 <= code < 0xE000:  # none that is written otherwise, and no half of a letter
                return False
            if code < 0x800:
                out[size] = 0xC0 | code >> 6
                size += 1
            else:
                out[size] = 0xE0 | code >> 12
                out[size + 1] = 0x80 | code >> 6 & 0x3F
                size += 2
            out[size] = 0x80 | code & 0x3F
            size += 1
        self.size = size
        return True

    def _numeral(self) -> None:
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
            if src[at - 1] != 48 and src[at] | 32 != 101:
                # More digits, and yet the only way to write this floating-point number.
                is_plain = is_plain or _is_shortest(self.data[begun:at])
        while 48 <= src[at] <= 57 or src[at] == 46 or src[at] == 69 or src[at] == 101 or src[at] == 43 or src[at] == 45:
            is_plain = False
            at += 1
        self.at = at
        if is_plain:
            self._copy(begun, at)
            return
        piece = self.number(self.data[begun:at])
        if len(piece) > at - begun:
            self.written.extend(bytes(len(piece)))
        self._append(piece)

    def _digits(self, at: int) -> int:
        # Where those end that begin here.
        src = self.data
        while 48 <= src[at] <= 57:
            at += 1
        return at

    def _word(self) -> None:
        at = self.at
        if self.data.startswith((b"true", b"null"), at):
            self.at += 4
        elif self.data.startswith(b"false", at):
            self.at += 5
        else:
            raise ValueError("no value")
        self._copy(at, self.at)


def _is_shortest(number: bytes) -> bool:
    return repr(float(number)).encode() == number
