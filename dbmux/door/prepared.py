"""The prepared statements of one client of the SQL door.

Their texts come in, and the bodies of commands about them; out goes what is to be run, with its values. Bounded in
number and in what is sent ahead. A statement is run as text each time: nothing is kept of it but that.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dbmux.door.database import Value
from dbmux.door.phrases import LONGEST, placeholders
from dbmux.errors import ErrorCode, MySQLError
from dbmux.wire import rows
from dbmux.wire.rows import Moment, Span
from dbmux.wire.statements import LongData, ParameterType, parse_execute, parse_statement

MOST = 1000


@dataclass(slots=True)
class _Statement:
    text: bytes
    parameters: int
    types: tuple[ParameterType, ...] = ()
    ahead: dict[int, bytes] = field(default_factory=dict)
    is_too_long: bool = False

    def forget_ahead(self) -> None:
        self.ahead, self.is_too_long = {}, False


class Preparations:
    """By number, as a server gives them."""

    def __init__(self, capabilities: int) -> None:
        self._capabilities = capabilities
        self._statements: dict[int, _Statement] = {}
        self._latest = 0

    def prepare(self, text: bytes) -> tuple[int, int]:
        """Another one: its number, and how many parameters it has; raises MySQLError."""
        if len(self._statements) >= MOST:
            raise MySQLError(ErrorCode.TOO_BIG, f"{MOST} statements are prepared already; close some")
        self._latest += 1
        self._statements[self._latest] = _Statement(text, placeholders(text))
        return self._latest, self._statements[self._latest].parameters

    def execution(self, body: bytes) -> tuple[bytes, list[Value]]:
        """What COM_STMT_EXECUTE runs: the text and its values; raises MySQLError."""
        statement = self._find(parse_statement(body))
        known, ahead, is_too_long = statement.types, statement.ahead, statement.is_too_long
        statement.forget_ahead()
        if is_too_long:
            raise MySQLError(ErrorCode.TOO_BIG, f"the values of a statement have at most {LONGEST >> 10} kB")
        execute = parse_execute(body, self._capabilities, statement.parameters, known, frozenset(ahead))
        statement.types = execute.types or known
        values = execute.values[: statement.parameters]
        return statement.text, [_text(ahead[at]) if at in ahead else _value(one) for at, one in enumerate(values)]

    def add(self, piece: LongData) -> None:
        """Keep a piece of a value that is sent ahead. This command has no answer, so what is wrong shows later."""
        statement = self._statements.get(piece.statement)
        if statement is None or piece.parameter >= statement.parameters:
            return
        if sum(map(len, statement.ahead.values())) + len(piece.data) > LONGEST:
            statement.is_too_long = True
        else:
            statement.ahead[piece.parameter] = statement.ahead.get(piece.parameter, b"") + piece.data

    def reset(self, number: int) -> None:
        """Forget what was sent ahead; raises MySQLError."""
        self._find(number).forget_ahead()

    def close(self, number: int) -> None:
        """Forget one; this command has no answer."""
        self._statements.pop(number, None)

    def forget(self) -> None:
        """Forget all."""
        self._statements.clear()

    def _find(self, number: int) -> _Statement:
        if (statement := self._statements.get(number)) is None:
            raise MySQLError(ErrorCode.UNKNOWN_STATEMENT, f"there is no prepared statement {number}; prepare it again")
        return statement


def _value(value: rows.Value) -> Value:
    match value:
        case bytes():
            return _text(value)
        case Moment():
            date = f"{value.year:04}-{value.month:02}-{value.day:02}"
            return f"{date} {value.hour:02}:{value.minute:02}:{value.second:02}"
        case Span():
            sign, hours = "-" if value.is_negative else "", value.days * 24 + value.hours
            return f"{sign}{hours:02}:{value.minutes:02}:{value.seconds:02}"
        case int() if not -(1 << 63) <= value < 1 << 63:
            return float(value)
        case _:
            return value


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
