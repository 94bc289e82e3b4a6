"""The conditions of a statement whose connection was given away, as GET DIAGNOSTICS tells them.

What SHOW WARNINGS said of them comes in, with the ERR packet that the client got; out goes the SET that gives user
variables the same values, types and collations. Nothing goes out when a value is not known: none is made up.
"""

from __future__ import annotations

from dataclasses import dataclass

from dbmux.backend.connection import Answer
from dbmux.frontend.diagnostics import codec
from dbmux.sql.diagnostics import Asked, ConditionItem, Item
from dbmux.wire.rows import TextRow

# What SHOW WARNINGS does not tell, of the numbers that come as warnings: all servers agree on these.
_SQLSTATES = {
    "01000": (1265,),
    "0K000": (1645,),
    "22003": (1264, 1690, 1916),
    "22007": (1292,),
    "22008": (1441,),
    "22012": (1365,),
    "22032": (3141,),
    "23000": (1048, 1062),
    "25001": (1568,),
    "35000": (1758,),
    "42000": (1049, 1061, 1064, 1091, 1286, 1305),
    "42S01": (1050,),
    "42S02": (1051, 1146),
    "HY000": (1003, 1007, 1008, 1105, 1210, 1259, 1260, 1287, 1300, 1301, 1360, 1364, 1411, 1681, 1831, 1974, 3135),
}
_SQLSTATE_OF = {number: state for state, numbers in _SQLSTATES.items() for number in numbers}
# Invalid values for a column: MariaDB's own.
_INVALID_VALUE = 1366
# Of user-defined conditions nobody but their author knows the origin.
_USER_DEFINED = ("45", "XA", "70")
# In these no letter of a message gets lost.
_COMPLETE = ("utf-8", "utf-16-be", "utf-16-le", "utf-32-be")
_STAND_INS = frozenset("?\\")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a statement: its rows, its conditions, and the error that it failed with, if it did."""

    row_count: int
    stored: Answer | None
    failure: bytes
    capabilities: int
    is_mariadb: bool

    def assignment(self, asked: Asked) -> bytes | None:
        """The SET that does what GET DIAGNOSTICS would; None where it would have to guess."""
        values = [(variable, self._value(asked.condition, item)) for variable, item in asked.items]
        told = [b"%b=%b" % (variable, value) for variable, value in values if value is not None]
        return b"SET " + b",".join(told) if len(told) == len(values) else None

    @property
    def rows(self) -> tuple[TextRow, ...]:
        """The conditions: level, number, message."""
        return self.stored.rows if self.stored is not None else ()

    def _value(self, condition: int | None, item: Item | ConditionItem) -> bytes | None:
        if item is Item.NUMBER:
            return _unsigned(len(self.rows))
        if item is Item.ROW_COUNT:
            return b"%d" % self.row_count
        if condition is None or not 0 < condition <= len(self.rows):
            return None
        level, number, message = self.rows[condition - 1]
        state = self._sqlstate(level, int(number or b"0"))
        match item:
            case ConditionItem.MYSQL_ERRNO:
                return _unsigned(int(number or b"0"))
            case ConditionItem.MESSAGE_TEXT if message is not None and (text := self._complete(message)) is not None:
                return self._text(text)
            case ConditionItem.RETURNED_SQLSTATE if state:
                return self._text(state.encode())
            case ConditionItem.CLASS_ORIGIN | ConditionItem.SUBCLASS_ORIGIN if state[:2] not in ("", *_USER_DEFINED):
                return self._text(b"" if self.is_mariadb else b"ISO 9075")
            case _:
                return None

    def _sqlstate(self, level: bytes | None, number: int) -> str:
        if level == b"Error" and int.from_bytes(self.failure[1:3], "little") == number:
            return self.failure[4:9].decode("latin-1")
        if number == _INVALID_VALUE:
            return "22007" if self.is_mariadb else "HY000"
        return _SQLSTATE_OF.get(number, "")

    def _text(self, value: bytes) -> bytes:
        # Only on MariaDB may a character set have another collation by default.
        collation = b" COLLATE utf8mb3_general_ci" if self.is_mariadb else b""
        return b"_utf8mb3 x'%b'%b" % (value.hex().encode(), collation)

    def _complete(self, message: bytes) -> bytes | None:
        # In UTF-8. A letter that a character set does not have, servers tell as a question mark, or by its number.
        assert self.stored is not None
        charset = codec(self.stored.raw, self.capabilities)
        if charset is None:
            return None
        try:
            text = message.decode(charset)
        except UnicodeDecodeError:
            return None
        return text.encode() if charset in _COMPLETE or _STAND_INS.isdisjoint(text) else None


def _unsigned(number: int) -> bytes:
    return b"CAST(%d AS UNSIGNED)" % number
