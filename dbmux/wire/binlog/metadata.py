"""What a table map tells of its columns beside their types: names, signs, character sets, elements, the primary key.

Columns of which the types are known come in, and the rest of a table map; a Layout goes out. How much is told depends
on the server's `binlog_row_metadata`. Fields that are not known are passed over: no row is read otherwise because of
them. (Manual pages "Table_map_event" of both servers; order and numbers as seen on MySQL 9, MariaDB 10.11 and 11.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from enum import IntEnum
from typing import Any

from dbmux.wire.binlog.columns import Column, Detail, Family, KeyPart, Layout, LoggedType
from dbmux.wire.buffer import Reader

T = LoggedType
_ALL, _CHOICES = frozenset(T), frozenset((T.ENUM, T.SET))
_NUMBERS = frozenset((T.TINY, T.SHORT, T.INT24, T.LONG, T.LONGLONG, T.DECIMAL, T.FLOAT, T.DOUBLE, T.YEAR))
_STRINGS = frozenset(
    (T.STRING, T.VAR_STRING, T.VARCHAR, T.TINY_BLOB, T.BLOB, T.MEDIUM_BLOB, T.LONG_BLOB)
    + (T.VARCHAR_COMPRESSED, T.BLOB_COMPRESSED)
)
# Which columns have a collation, as each family counts them.
_WITH_COLLATION = {Family.MYSQL: _STRINGS | {T.VECTOR}, Family.MARIADB: _STRINGS | {T.GEOMETRY}}


class _Field(IntEnum):
    """What is told, each with its length before it."""

    SIGNS = 1
    DEFAULT_COLLATION = 2
    COLLATIONS = 3
    NAMES = 4
    SET_ELEMENTS = 5
    ENUM_ELEMENTS = 6
    GEOMETRY_TYPES = 7
    PRIMARY_KEY = 8
    PRIMARY_KEY_WITH_PREFIXES = 9
    CHOICES_DEFAULT_COLLATION = 10
    CHOICES_COLLATIONS = 11
    VISIBILITY = 12
    DIMENSIONS = 13


def told_of(columns: Sequence[Column], family: Family, reader: Reader) -> Layout:
    """The columns with what is told of them; raises ProtocolError."""
    told = _Told(columns, family)
    while reader.remaining:
        field = reader.integer(1)
        told.take(field, Reader(reader.lenenc_bytes(), reader.blame))
    return told.layout()


class _Told:
    """Columns while they are being told of."""

    def __init__(self, columns: Sequence[Column], family: Family) -> None:
        self._columns = columns
        self._strings = _WITH_COLLATION[family]
        self._facts: list[dict[str, Any]] = [{} for _ in columns]
        self._primary_key: tuple[KeyPart, ...] = ()
        self._detail = Detail.NO_LOG

    def layout(self) -> Layout:
        """All that was told."""
        columns = (replace(column, **facts) for column, facts in zip(self._columns, self._facts, strict=True))
        return Layout(tuple(columns), self._primary_key, self._detail)

    def take(self, field: int, value: Reader) -> None:
        """Read one field."""
        self._detail = max(self._detail, Detail.FULL if field == _Field.NAMES else Detail.MINIMAL)
        match field:
            case _Field.SIGNS:
                self._put_bits("is_unsigned", _NUMBERS, value)
            case _Field.DEFAULT_COLLATION:
                self._put_collations(self._strings, value)
            case _Field.CHOICES_DEFAULT_COLLATION:
                self._put_collations(_CHOICES, value)
            case _Field.COLLATIONS:
                self._put("collation", self._strings, list(_numbers(value)), value)
            case _Field.VISIBILITY:
                self._put_bits("is_visible", _ALL, value)
            case _Field.PRIMARY_KEY:
                self._put_key(value, tuple(KeyPart(column) for column in _numbers(value)))
            case _Field.PRIMARY_KEY_WITH_PREFIXES:
                self._put_key(value, tuple(KeyPart(column, value.lenenc()) for column in _numbers(value)))
            case _ if field in _LISTS:
                fact, types, read = _LISTS[_Field(field)]
                self._put(fact, types, list(read(value)), value)
            case _:
                pass

    def _places(self, types: Set[LoggedType]) -> list[int]:
        return [place for place, column in enumerate(self._columns) if column.type in types]

    def _put(self, fact: str, types: Set[LoggedType], values: Sequence[object], value: Reader) -> None:
        places = self._places(types)
        if len(values) != len(places):
            raise value.error(f"{fact} is told of {len(values)} columns, there are {len(places)}")
        for place, told in zip(places, values, strict=True):
            self._facts[place][fact] = told

    def _put_bits(self, fact: str, types: Set[LoggedType], value: Reader) -> None:
        places = self._places(types)
        # By the byte, the first column's bit on top.
        bits = value.take((len(places) + 7) // 8)
        for count, place in enumerate(places):
            self._facts[place][fact] = bool(bits[count >> 3] << (count & 7) & 0x80)

    def _put_collations(self, types: Set[LoggedType], value: Reader) -> None:
        places = self._places(types)
        collations = dict.fromkeys(range(len(places)), value.lenenc())
        for place in _numbers(value):
            collations[place] = value.lenenc()
        self._put("collation", types, list(collations.values()), value)

    def _put_key(self, value: Reader, parts: tuple[KeyPart, ...]) -> None:
        if any(part.column >= len(self._columns) for part in parts):
            raise value.error("the primary key has a column that is not there")
        self._primary_key = parts


def _numbers(value: Reader) -> Iterator[int]:
    while value.remaining:
        yield value.lenenc()


def _names(value: Reader) -> Iterator[str]:
    while value.remaining:
        yield value.lenenc_bytes().decode(errors="surrogateescape")


def _elements(value: Reader) -> Iterator[tuple[bytes, ...]]:
    for count in _numbers(value):
        yield tuple(value.lenenc_bytes() for _ in range(count))


_LISTS = {
    _Field.CHOICES_COLLATIONS: ("collation", _CHOICES, _numbers),
    _Field.NAMES: ("name", _ALL, _names),
    _Field.SET_ELEMENTS: ("elements", {T.SET}, _elements),
    _Field.ENUM_ELEMENTS: ("elements", {T.ENUM}, _elements),
    _Field.GEOMETRY_TYPES: ("geometry", {T.GEOMETRY}, _numbers),
    _Field.DIMENSIONS: ("dimensions", {T.VECTOR}, _numbers),
}
