"""How the values of a column are written down so that equal values are equal bytes, on any two servers.

The column of one server and that of the other come in; out goes an SQL expression for each of them, or `Incomparable`
with the reason. Numbers are compared by value, floating-point ones too, text by its characters where the character sets
differ and by its bytes where they do not, everything else by its bytes. Nothing is rounded, and NULL is like nothing
else. Never asks a server.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

from dbmux.errors import DbMuxError
from dbmux.sync.table import Column, Family, Table, same_name

# What a row says of a column that is NULL; no value begins with it.
NULL = "N"
# So much of a value is shown to people.
SHOWN = 60
_UTF8 = frozenset(("utf8mb3", "utf8mb4"))
# All of whose characters Unicode has.
_IN_UNICODE = _UTF8 | {"utf8", "latin1"}
_FLOATING = frozenset((Family.FLOAT, Family.DOUBLE))
_MOMENTS = frozenset((Family.DATETIME, Family.TIMESTAMP))
_ADDRESSES = frozenset((Family.INET4, Family.INET6))
_ORDERED_NUMBERS = frozenset((Family.INTEGER, Family.YEAR, Family.BIT, Family.DECIMAL))


class Incomparable(DbMuxError):
    """Two tables or columns hold what cannot be told to be the same or not."""


class Shape(Enum):
    """How long a value's bytes are: short and without a comma, any length, or perhaps too long for one row."""

    PLAIN = auto()
    COUNTED = auto()
    LONG = auto()


class Spelling(Enum):
    """How a value is written in SQL again."""

    NUMBER = auto()
    FLOAT = auto()
    QUOTED = auto()
    TEXT = auto()
    CONVERTED = auto()
    BYTES = auto()
    UUID = auto()
    ADDRESS = auto()
    HEX = auto()


@dataclass(frozen=True, slots=True)
class Form:
    """One server's half: `value` is SQL for the bytes of a value that is not NULL.

    `is_document` tells that it is JSON, and `becomes_mysql` that it is text here, and MySQL's JSON on the other server.
    """

    column: Column
    value: str
    shape: Shape
    spelling: Spelling
    is_document: bool = False
    becomes_mysql: bool = False

    @property
    def pieces(self) -> str:
        """SQL for its parts of a row, which end where they say; among bytes, all of a row is taken as bytes."""
        column, is_nullable = self.column.sql, self.column.is_nullable
        # Bare where it can be: a CAST for each value costs as much as the digest of the row.
        bare = column if self.value == _bytes(self.column) else self.value
        match self.shape:
            case Shape.COUNTED if is_nullable:
                return f"IFNULL(LENGTH({bare}),'{NULL}'),':',IFNULL({bare},'')"
            case Shape.COUNTED:
                return f"LENGTH({bare}),':',{bare}"
            case Shape.LONG:
                whole = f"SHA2({bare},256)"
            case Shape.PLAIN:
                whole = bare
        return f"IF({column} IS NULL,'{NULL}',{whole})" if is_nullable else whole

    @property
    def seen(self) -> str:
        """SQL for what is compared of a single value: all of it, or a digest with its beginning; NULL for NULL."""
        if self.shape is Shape.PLAIN:
            return self.value
        return f"CONCAT(SHA2({self.value},256),LENGTH({self.value}),':',LEFT({self.value},{SHOWN}))"

    @property
    def indexed(self) -> str:
        """SQL for the column where it can be compared with a literal as it is, which an index helps with."""
        is_text = self.column.family is Family.TEXT and self.spelling in (Spelling.UUID, Spelling.ADDRESS)
        return "" if is_text or self.spelling is Spelling.FLOAT else self.column.sql

    def equals(self, value: bytes) -> str:
        """SQL that holds where the column has this value, by the column's collation."""
        if self.indexed:
            return f"{self.indexed}={self.literal(value)}"
        if self.spelling is Spelling.FLOAT:
            return f"({self.column.sql}+0e0)={self.literal(value)}"
        return f"{self.value}=_utf8mb4 x'{value.hex()}'"

    def literal(self, value: bytes) -> str:
        """SQL that is this value again, to be compared with the column or put into it."""
        column = self.column
        match self.spelling:
            case Spelling.NUMBER:
                return _shortest(value.decode("ascii"))
            case Spelling.FLOAT:
                return f"({value.decode('ascii').strip('[]')}+0e0)"
            case Spelling.QUOTED:
                return f"'{value.decode('ascii')}'"
            case Spelling.TEXT:
                return f"_{column.charset} x'{value.hex()}' COLLATE {column.collation}"
            case Spelling.CONVERTED:
                text = f"_utf8mb4 x'{value.hex()}'"
                if not column.charset:
                    return text
                return f"CONVERT({text} USING {column.charset}) COLLATE {column.collation}"
            case Spelling.BYTES:
                return f"x'{value.hex()}'"
            case Spelling.UUID | Spelling.ADDRESS | Spelling.HEX:
                return self._of_hex(value.decode("ascii", "replace"))

    def _of_hex(self, digits: str) -> str:
        if self.column.family in (Family.BYTES, Family.VECTOR):
            return f"x'{digits}'"
        if self.spelling is Spelling.UUID:
            return f"'{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}'".lower()
        return f"INET6_NTOA(x'{digits}')"


@dataclass(frozen=True, slots=True)
class Pair:
    """Both halves. `is_ordered` tells that both servers sort the values alike, so that a range means the same."""

    forms: tuple[Form, Form]
    is_ordered: bool = False

    @property
    def name(self) -> str:
        """The column's name on the first server."""
        return self.forms[0].column.name


def pairs(first: Table, second: Table) -> tuple[Pair, ...]:
    """All columns, in the first table's order; raises Incomparable."""
    missing = {column.name.lower() for column in first.columns} ^ {column.name.lower() for column in second.columns}
    if missing:
        raise Incomparable(f"only one of them has {', '.join(sorted(missing))}: make the tables alike, and try again")
    return tuple(pair(column, second.column(column.name)) for column in first.columns)


def pair(first: Column, second: Column) -> Pair:
    """The two halves for a column; raises Incomparable."""
    families = frozenset((first.family, second.family))
    for rule in (_numbers, _floating, _times, _choices, _documents, _addresses, _strings, _raw):
        found = rule(first, second, families)
        if found is not None:
            return found
    raise Incomparable(
        f"column {first.name} is {first.type} on one and {second.type} on the other, which cannot be compared"
    )


def _numbers(first: Column, second: Column, families: frozenset[Family]) -> Pair | None:
    if not families <= _ORDERED_NUMBERS:
        return None
    digits = max(_scale(one) for one in (first, second))
    # As texts: a number of all the digits that either column can have may be none that a server knows.
    return _both(
        first, second, lambda one: _padded(_number(one), _scale(one), digits), Shape.PLAIN, Spelling.NUMBER,
        is_ordered=True,
    )  # fmt: skip


def _scale(column: Column) -> int:
    # How many digits a number has behind the point.
    return int(column.arguments.partition(",")[2] or 0) if column.family is Family.DECIMAL else 0


def _number(column: Column) -> str:
    # With nothing added they would be shown with zeros before them, as bits, or as text.
    is_bare = column.family in (Family.INTEGER, Family.DECIMAL) and not column.is_zerofill
    return column.sql if is_bare else f"({column.sql}+0)"


def _floating(first: Column, second: Column, families: frozenset[Family]) -> Pair | None:
    if not families <= _FLOATING:
        return None
    return _both(first, second, _float, Shape.PLAIN, Spelling.FLOAT)


def _float(column: Column) -> str:
    # As text a float loses digits, and a double is written in ways that differ between the families, and on MySQL is
    # cut off when it is long. In JSON both write the shortest text that is this very double; MySQL adds a `.0`.
    return f"REPLACE(JSON_ARRAY({column.sql}+0e0),'.0]',']')"


def _shortest(number: str) -> str:
    # Servers know no number of more than 65 digits.
    return number.rstrip("0").rstrip(".") if "." in number else number


def _times(first: Column, second: Column, families: frozenset[Family]) -> Pair | None:
    if families == {Family.DATE}:
        return _both(first, second, lambda one: one.sql, Shape.PLAIN, Spelling.QUOTED, is_ordered=True)
    if families <= _MOMENTS or families == {Family.TIME}:
        digits = max(int(one.arguments or 0) for one in (first, second))
        return _both(
            first, second, lambda one: _padded(one.sql, int(one.arguments or 0), digits), Shape.PLAIN, Spelling.QUOTED,
            is_ordered=True,
        )  # fmt: skip
    return None


def _padded(value: str, own: int, digits: int) -> str:
    if own == digits:
        return value
    return f"CONCAT({value},'{'' if own else '.'}{'0' * (digits - own)}')"


def _choices(first: Column, second: Column, families: frozenset[Family]) -> Pair | None:
    if families == {Family.ENUM} and first.arguments == second.arguments:
        # By their numbers: the empty text may be a choice, and also what is left of a wrong one.
        return _both(first, second, lambda one: f"({one.sql}+0)", Shape.PLAIN, Spelling.NUMBER, is_ordered=True)
    if families == {Family.SET} and first.arguments == second.arguments:
        # Adding 0 makes a floating-point number of it on MySQL, a negative one on MariaDB.
        return _both(first, second, lambda one: f"CAST({one.sql} AS UNSIGNED)", Shape.PLAIN, Spelling.NUMBER)
    if families <= {Family.ENUM, Family.TEXT} and Family.ENUM in families:
        return _both(first, second, _converted, Shape.COUNTED, Spelling.CONVERTED)
    return None


def _documents(first: Column, second: Column, families: frozenset[Family]) -> Pair | None:
    if Family.JSON not in families or not families <= {Family.JSON, Family.TEXT}:
        return None
    one, other = (
        Form(
            column,
            _document(column),
            Shape.LONG,
            Spelling.CONVERTED,
            is_document=True,
            becomes_mysql=not _is_kept_as_json(column) and _is_kept_as_json(partner),
        )
        for column, partner in ((first, second), (second, first))
    )
    return Pair((one, other))


def _is_kept_as_json(column: Column) -> bool:
    # MySQL keeps a document, MariaDB its text.
    return column.base == "json"


def _document(column: Column) -> str:
    return f"CAST(CAST({column.sql} AS CHAR) AS BINARY)" if _is_kept_as_json(column) else _converted(column)


def _addresses(first: Column, second: Column, families: frozenset[Family]) -> Pair | None:
    for special in (Family.UUID, Family.INET4, Family.INET6, Family.VECTOR):
        if special not in families:
            continue
        others = families - {special, Family.TEXT, Family.BYTES}
        if special is Family.VECTOR and Family.TEXT in families or others and not families <= _ADDRESSES:
            return None
        spelling = {Family.UUID: Spelling.UUID, Family.VECTOR: Spelling.HEX}.get(special, Spelling.ADDRESS)
        return _both(first, second, partial(_hex, special=special), Shape.PLAIN, spelling)
    return None


def _hex(column: Column, *, special: Family) -> str:
    if column.family is not Family.TEXT:
        return f"HEX({column.sql})" if column.family is Family.VECTOR else f"HEX(CAST({column.sql} AS BINARY))"
    if special is Family.UUID:
        return f"UPPER(REPLACE({column.sql},'-',''))"
    return f"IFNULL(HEX(INET6_ATON({column.sql})),{column.sql})"


def _strings(first: Column, second: Column, families: frozenset[Family]) -> Pair | None:
    if families != {Family.TEXT}:
        return None
    charsets = {same_name(one.charset) for one in (first, second)}
    is_same = len(charsets) == 1 or charsets <= _UTF8
    is_ordered = is_same and same_name(first.collation) == same_name(second.collation)
    shape = Shape.LONG if first.is_long or second.is_long else Shape.COUNTED
    if is_same:
        # As they are: two characters that become one in another character set are two.
        return _both(first, second, _bytes, shape, Spelling.TEXT, is_ordered=is_ordered)
    return _both(first, second, _converted, shape, Spelling.CONVERTED)


def _raw(first: Column, second: Column, families: frozenset[Family]) -> Pair | None:
    if families == {Family.BYTES}:
        shape = Shape.LONG if first.is_long or second.is_long else Shape.COUNTED
        return _both(first, second, _bytes, shape, Spelling.BYTES, is_ordered=True)
    if families == {Family.GEOMETRY}:
        # Both keep the number of the reference system and then the shape, with the axes in one order.
        return _both(first, second, _bytes, Shape.LONG, Spelling.BYTES)
    return None


def _bytes(column: Column) -> str:
    return f"CAST({column.sql} AS BINARY)"


def _converted(column: Column) -> str:
    if column.charset == "utf8mb4":
        return _bytes(column)
    text = f"CONVERT({column.sql} USING utf8mb4)"
    if column.charset in _IN_UNICODE:
        return f"CAST({text} AS BINARY)"
    # A character that Unicode has not becomes a question mark: such a text is like none in another character set.
    left, kept = (f"CHAR_LENGTH(REPLACE({one},'?',''))" for one in (text, column.sql))
    own = f"CONCAT(x'ff','{column.charset}:',CAST({column.sql} AS BINARY))"
    return f"IF({left}={kept},CAST({text} AS BINARY),{own})"


def _both(
    first: Column,
    second: Column,
    value: Callable[[Column], str],
    shape: Shape,
    spelling: Spelling,
    is_ordered: bool = False,
) -> Pair:
    one, other = (Form(column, value(column), shape, spelling) for column in (first, second))
    return Pair((one, other), is_ordered)
