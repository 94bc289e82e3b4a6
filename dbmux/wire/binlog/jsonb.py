"""MySQL's binary JSON, as its columns are logged.

A value's bytes come in; a tree goes out, and of a tree its text as the server prints it: the order of keys, spaces,
digits of numbers, dates, and what JSON has no type for (`base64:type15:…`). Never more is made than the bytes can hold,
however they point at each other. (Comment at the head of json_binary.h in MySQL's documentation "JSON binary format";
the text as seen on MySQL 9.)
"""

from __future__ import annotations

import re
import struct
from base64 import encodebytes
from enum import IntEnum

from dbmux.wire.binlog.columns import LoggedType
from dbmux.wire.binlog.readers import Cursor, Decimal, Reader, broken

# Keys are as they are stored; a scalar is the text that is printed for it.
Tree = dict[bytes, "Tree"] | list["Tree"] | bytes

# Servers take no deeper one.
_DEPTH_LIMIT = 100
_OFFSET_SMALL, _OFFSET_LARGE = 2, 4
_LITERALS = (b"null", b"true", b"false")
_DOUBLE = struct.Struct("<d")
_UNPRINTABLE = re.compile(rb'[\0-\x1f"\\]')
_ESCAPES = {b'"': b'\\"', b"\\": b"\\\\", b"\b": b"\\b", b"\f": b"\\f", b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t"}
# Numbers that are not too long are printed without an exponent, and those with a point among their digits.
_LEAST_POINT, _MOST_POINT = -14, 15


class _Type(IntEnum):
    SMALL_OBJECT = 0
    LARGE_OBJECT = 1
    SMALL_ARRAY = 2
    LARGE_ARRAY = 3
    LITERAL = 4
    INT16 = 5
    UINT16 = 6
    INT32 = 7
    UINT32 = 8
    INT64 = 9
    UINT64 = 10
    DOUBLE = 11
    STRING = 12
    OPAQUE = 15


_INTEGERS = {
    _Type.INT16: (2, True), _Type.UINT16: (2, False), _Type.INT32: (4, True), _Type.UINT32: (4, False),
    _Type.INT64: (8, True), _Type.UINT64: (8, False),
}  # fmt: skip
_INLINE = {
    _OFFSET_SMALL: frozenset((_Type.LITERAL, _Type.INT16, _Type.UINT16)),
    _OFFSET_LARGE: frozenset((_Type.LITERAL, _Type.INT16, _Type.UINT16, _Type.INT32, _Type.UINT32)),
}


class Json(Reader):
    """JSON, behind a length of so many bytes."""

    __slots__ = ("width",)

    def __init__(self, width: int) -> None:
        self.width = width

    def read(self, cursor: Cursor) -> object:
        """Its text."""
        length = cursor.length(self.width)
        at = cursor.take(length)
        return text_of(cursor.data[at : at + length])


def text_of(data: bytes) -> bytes:
    """The text of a value; raises ProtocolError."""
    return printed(tree_of(data))


def tree_of(data: bytes) -> Tree:
    """What a value consists of; raises ProtocolError."""
    # Nothing at all stands for a null that was never written as JSON.
    return _Document(data).value(data[0], 1, 0) if data else _LITERALS[0]


def printed(tree: Tree) -> bytes:
    """A tree as the server prints it."""
    parts: list[bytes] = []
    _print(tree, parts)
    return b"".join(parts)


def _print(tree: Tree, parts: list[bytes]) -> None:
    match tree:
        case dict():
            before = b"{"
            for key, value in tree.items():
                parts += (before, quoted(key), b": ")
                _print(value, parts)
                before = b", "
            parts.append(b"}" if tree else b"{}")
        case list():
            before = b"["
            for value in tree:
                parts.append(before)
                _print(value, parts)
                before = b", "
            parts.append(b"]" if tree else b"[]")
        case _:
            parts.append(tree)


def quoted(text: bytes) -> bytes:
    """A string as the server prints it."""
    return b'"%b"' % (_UNPRINTABLE.sub(_escaped, text) if _UNPRINTABLE.search(text) else text)


def _escaped(found: re.Match[bytes]) -> bytes:
    return _ESCAPES.get(found[0]) or b"\\u%04x" % found[0][0]


class _Document:
    """The bytes of one value, and how many of them may still be used: each is used once at most."""

    __slots__ = ("_data", "_left")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = len(data)

    def value(self, type_: int, at: int, depth: int) -> Tree:
        """The value of this type there."""
        match type_:
            case _Type.SMALL_OBJECT | _Type.SMALL_ARRAY:
                return self._container(type_ == _Type.SMALL_OBJECT, at, _OFFSET_SMALL, depth)
            case _Type.LARGE_OBJECT | _Type.LARGE_ARRAY:
                return self._container(type_ == _Type.LARGE_OBJECT, at, _OFFSET_LARGE, depth)
            case _Type.LITERAL:
                number = self._integer(at, 1)
                if number >= len(_LITERALS):
                    raise broken(f"{number} is no literal of JSON")
                return _LITERALS[number]
            case _Type.DOUBLE:
                return double(_DOUBLE.unpack(self._take(at, 8))[0])
            case _Type.STRING:
                return quoted(self._string(at))
            case _Type.OPAQUE:
                return _opaque(self._integer(at, 1), self._string(at + 1))
            case _ if type_ in _INTEGERS:
                width, is_signed = _INTEGERS[_Type(type_)]
                return b"%d" % int.from_bytes(self._take(at, width), "little", signed=is_signed)
            case _:
                raise broken(f"{type_} is no type of JSON")

    def _container(self, has_keys: bool, at: int, width: int, depth: int) -> Tree:
        if depth >= _DEPTH_LIMIT:
            raise broken("JSON is nested too deep")
        count, size = self._integer(at, width), self._integer(at + width, width)
        if at + size > len(self._data):
            raise broken("JSON is cut off")
        entry = at + 2 * width
        keys = []
        if has_keys:
            for _ in range(count):
                offset, length = self._integer(entry, width), self._integer(entry + width, 2)
                keys.append(self._take(at + offset, length))
                entry += width + 2
        values = []
        for _ in range(count):
            type_ = self._integer(entry, 1)
            if type_ in _INLINE[width]:
                values.append(self.value(type_, entry + 1, depth + 1))
            else:
                values.append(self.value(type_, at + self._integer(entry + 1, width), depth + 1))
            entry += 1 + width
        return dict(zip(keys, values, strict=True)) if has_keys else values

    def _string(self, at: int) -> bytes:
        # Its length has seven bits in a byte, the lowest first, and as many bytes as have their top bit set, and one.
        length = shift = 0
        while True:
            byte = self._integer(at, 1)
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return self._take(at, length)
            if shift > 28:
                raise broken("a string in JSON has no length")

    def _integer(self, at: int, width: int) -> int:
        return int.from_bytes(self._take(at, width), "little")

    def _take(self, at: int, length: int) -> bytes:
        self._left -= length
        if at + length > len(self._data) or self._left < 0:
            raise broken("JSON is cut off, or has parts in several places")
        return self._data[at : at + length]


def double(value: float) -> bytes:
    """A DOUBLE as it is printed in JSON: the fewest digits that are exact, and always a point or an exponent."""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, rest = mantissa.partition(".")
    digits = (whole + rest).lstrip("0")
    # The point stands before so many of the digits.
    point = len(whole) + int(exponent or 0) - (len(whole + rest) - len(digits))
    digits = digits.rstrip("0")
    sign = "-" if repr(value)[0] == "-" else ""
    if not digits:
        text = "0.0"
    elif not _LEAST_POINT <= point <= max(_MOST_POINT, len(digits) - 1):
        text = f"{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{point - 1}"
    elif point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        text = f"{digits[:point].ljust(point, '0')}.{digits[point:] or '0'}"
    return f"{sign}{text}".encode()


def _opaque(type_: int, data: bytes) -> bytes:
    match type_:
        case LoggedType.DECIMAL:
            return _decimal(data)
        case LoggedType.OLD_DATETIME | LoggedType.OLD_TIMESTAMP | LoggedType.DATE | LoggedType.OLD_TIME:
            if len(data) != 8:
                raise broken("a date in JSON is cut off")
            return b'"%b"' % _date_or_time(type_, int.from_bytes(data, "little", signed=True))
        case _:
            return quoted(b"base64:type%d:%b" % (type_, encodebytes(data).rstrip(b"\n")))


def _decimal(data: bytes) -> bytes:
    if len(data) < 2 or not 0 < data[0] <= 65 or data[1] > min(30, data[0]):
        raise broken("a DECIMAL in JSON has impossible digits")
    text = Decimal(data[0], data[1]).read(Cursor(data, 2, len(data)))
    assert isinstance(text, bytes)
    return text


def _date_or_time(type_: int, packed: int) -> bytes:
    sign, packed = (b"-", -packed) if packed < 0 else (b"", packed)
    seconds, microseconds = packed >> 24, packed & 0xFFFFFF
    clock = (seconds >> 6 & 63, seconds & 63, microseconds)
    if type_ == LoggedType.OLD_TIME:
        return b"%b%02d:%02d:%02d.%06d" % (sign, seconds >> 12 & 0x3FF, *clock)
    months = seconds >> 22
    day = b"%04d-%02d-%02d" % (months // 13, months % 13, seconds >> 17 & 31)
    return day if type_ == LoggedType.DATE else b"%b %02d:%02d:%02d.%06d" % (day, seconds >> 12 & 31, *clock)
