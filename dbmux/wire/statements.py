"""The commands of prepared statements, and query attributes, which have the same form.

Command bodies (behind the command byte) come in and values go out, and back. Rules: manual pages "COM_STMT_PREPARE
Response", "COM_STMT_EXECUTE", "COM_STMT_FETCH", "COM_QUERY", and MariaDB's "COM_STMT_BULK_EXECUTE".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from dbmux.errors import ErrorCode
from dbmux.wire.buffer import Reader, lenenc, lenenc_bytes
from dbmux.wire.capabilities import Capability
from dbmux.wire.rows import PARAMETER_NULLS_FROM, Value, build_nulls, build_value, parse_nulls, parse_value

UNSIGNED = 0x80


class ExecuteFlag(IntFlag):
    """How a statement is executed."""

    READ_ONLY_CURSOR = 0x01
    FOR_UPDATE_CURSOR = 0x02
    SCROLLABLE_CURSOR = 0x04
    PARAMETER_COUNT = 0x08


class BulkFlag(IntFlag):
    """How a statement is executed in bulk."""

    UNIT_RESULTS = 64
    TYPES = 128


class Indicator(IntEnum):
    """What stands for a value in a bulk execution."""

    VALUE = 0
    NULL = 1
    DEFAULT = 2
    IGNORE = 3


@dataclass(frozen=True, slots=True)
class Prepared:
    """The answer to COM_STMT_PREPARE; definitions of the parameters, then of the columns follow."""

    statement: int
    columns: int
    parameters: int
    warnings: int = 0

    def build(self) -> bytes:
        """The payload."""
        counts = self.columns.to_bytes(2, "little") + self.parameters.to_bytes(2, "little")
        return b"\0" + self.statement.to_bytes(4, "little") + counts + b"\0" + self.warnings.to_bytes(2, "little")


@dataclass(frozen=True, slots=True)
class ParameterType:
    """A parameter's type as the client sends it; `name` is that of a query attribute."""

    type: int
    is_unsigned: bool = False
    name: bytes = b""

    def build(self) -> bytes:
        """Two bytes."""
        return bytes((self.type, UNSIGNED if self.is_unsigned else 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Execute:
    """COM_STMT_EXECUTE; `types` are None when they are those of the execution before.

    Values sent by COM_STMT_SEND_LONG_DATA are not in the command, yet not NULL: who parses must know which they are.
    """

    statement: int
    flags: int = 0
    types: tuple[ParameterType, ...] | None = None
    values: tuple[Value, ...] = ()

    def build(self, capabilities: int, known: Sequence[ParameterType] = ()) -> bytes:
        """The body; `known` are the types of the execution before, where `types` is None."""
        head = self.statement.to_bytes(4, "little") + bytes((self.flags,)) + (1).to_bytes(4, "little")
        parts = [head]
        if capabilities & Capability.QUERY_ATTRIBUTES and (self.values or self.flags & ExecuteFlag.PARAMETER_COUNT):
            parts.append(lenenc(len(self.values)))
        if self.values:
            parts.append(_build_parameters(self.values, self.types, known, capabilities))
        return b"".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """COM_STMT_FETCH: so many rows of an open cursor."""

    statement: int
    rows: int

    def build(self) -> bytes:
        """The body."""
        return self.statement.to_bytes(4, "little") + self.rows.to_bytes(4, "little")


@dataclass(frozen=True, slots=True, kw_only=True)
class LongData:
    """COM_STMT_SEND_LONG_DATA: a piece of one parameter's value."""

    statement: int
    parameter: int
    data: bytes

    def build(self) -> bytes:
        """The body."""
        return self.statement.to_bytes(4, "little") + self.parameter.to_bytes(2, "little") + self.data


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkExecute:
    """MariaDB's COM_STMT_BULK_EXECUTE: one execution per row, each value a `Value` or an `Indicator`."""

    statement: int
    flags: int
    types: tuple[ParameterType, ...] | None
    rows: tuple[tuple[Value | Indicator, ...], ...]

    def build(self, known: Sequence[ParameterType] = ()) -> bytes:
        """The body; `known` are the types of the execution before, where `types` is None."""
        types = self.types if self.types is not None else known
        parts = [self.statement.to_bytes(4, "little") + self.flags.to_bytes(2, "little")]
        if self.types is not None:
            parts += [kind.build() for kind in self.types]
        for row in self.rows:
            for value, kind in zip(row, types, strict=True):
                match value:
                    case Indicator():
                        parts.append(bytes((value,)))
                    case _:
                        parts.append(bytes((Indicator.VALUE,)) + build_value(value, kind.type))
        return b"".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """COM_QUERY: the statement, and the attributes that a client with QUERY_ATTRIBUTES may send before it."""

    text: bytes
    types: tuple[ParameterType, ...] = ()
    values: tuple[Value, ...] = ()

    def build(self, capabilities: int) -> bytes:
        """The body."""
        if not capabilities & Capability.QUERY_ATTRIBUTES:
            return self.text
        head = lenenc(len(self.values)) + lenenc(1)
        attributes = _build_parameters(self.values, self.types, (), capabilities) if self.values else b""
        return head + attributes + self.text


def parse_prepared(payload: bytes) -> Prepared:
    """Read the answer to COM_STMT_PREPARE; raises ProtocolError."""
    reader = Reader(payload, ErrorCode.MALFORMED_REPLY)
    if reader.integer(1) != 0:
        raise reader.error("not the answer to a preparation")
    statement, columns, parameters = reader.integer(4), reader.integer(2), reader.integer(2)
    reader.take(1)
    return Prepared(statement, columns, parameters, reader.integer(2) if reader.remaining else 0)


def parse_execute(
    body: bytes,
    capabilities: int,
    parameters: int,
    known: Sequence[ParameterType] = (),
    long_data: frozenset[int] = frozenset(),
) -> Execute:
    """Read COM_STMT_EXECUTE of a statement with so many parameters; raises ProtocolError.

    `known` are the types of the execution before; `long_data` the positions of values that were sent ahead, which come
    out as None.
    """
    reader = Reader(body)
    statement, flags = reader.integer(4), reader.integer(1)
    reader.take(4)
    # With parameters the count is there whatever the flag says.
    if capabilities & Capability.QUERY_ATTRIBUTES and (parameters or flags & ExecuteFlag.PARAMETER_COUNT):
        parameters = _bounded(reader, reader.lenenc())
    if not parameters:
        return Execute(statement=statement, flags=flags)
    types, values = _parse_parameters(reader, parameters, known, long_data, capabilities)
    if reader.remaining:
        raise reader.error("an execution is longer than its values")
    return Execute(statement=statement, flags=flags, types=types, values=values)


def parse_types(told: bytes, capabilities: int) -> tuple[ParameterType, ...]:
    """Read types alone, as they stand in a command one behind the other; raises ProtocolError."""
    reader = Reader(told)
    types = []
    while reader.remaining:
        types.append(_parse_type(reader, capabilities))
    return tuple(types)


def parse_fetch(body: bytes) -> Fetch:
    """Read COM_STMT_FETCH; raises ProtocolError."""
    reader = Reader(body)
    return Fetch(statement=reader.integer(4), rows=reader.integer(4))


def parse_long_data(body: bytes) -> LongData:
    """Read COM_STMT_SEND_LONG_DATA; raises ProtocolError."""
    reader = Reader(body)
    return LongData(statement=reader.integer(4), parameter=reader.integer(2), data=reader.rest())


def parse_statement(body: bytes) -> int:
    """The statement's number of COM_STMT_CLOSE and COM_STMT_RESET; raises ProtocolError."""
    return Reader(body).integer(4)


def parse_bulk_execute(body: bytes, parameters: int, known: Sequence[ParameterType] = ()) -> BulkExecute:
    """Read COM_STMT_BULK_EXECUTE of a statement with so many parameters; raises ProtocolError."""
    reader = Reader(body)
    statement, flags = reader.integer(4), reader.integer(2)
    types = None
    if flags & BulkFlag.TYPES:
        types = tuple(_parse_type(reader, 0) for _ in range(_bounded(reader, parameters)))
    in_force = types if types is not None else tuple(known)
    if len(in_force) != parameters or not parameters:
        raise reader.error("the parameters' types are not known")
    rows = []
    while reader.remaining:
        rows.append(tuple(_parse_indicated(reader, kind) for kind in in_force))
    return BulkExecute(statement=statement, flags=flags, types=types, rows=tuple(rows))


def parse_query(body: bytes, capabilities: int) -> Query:
    """Read COM_QUERY; raises ProtocolError."""
    if not capabilities & Capability.QUERY_ATTRIBUTES:
        return Query(text=body)
    reader = Reader(body)
    count, sets = reader.lenenc(), reader.lenenc()
    if sets != 1:
        raise reader.error(f"{sets} sets of query attributes instead of one")
    if not count:
        return Query(text=reader.rest())
    types, values = _parse_parameters(reader, _bounded(reader, count), (), frozenset(), capabilities)
    return Query(text=reader.rest(), types=types or (), values=values)


def _build_parameters(
    values: Sequence[Value],
    types: Sequence[ParameterType] | None,
    known: Sequence[ParameterType],
    capabilities: int,
) -> bytes:
    parts = [build_nulls(values, PARAMETER_NULLS_FROM), bytes((types is not None,))]
    for kind in types or ():
        parts.append(kind.build())
        if capabilities & Capability.QUERY_ATTRIBUTES:
            parts.append(lenenc_bytes(kind.name))
    in_force = known if types is None else types
    parts += [build_value(value, kind.type) for value, kind in zip(values, in_force, strict=True)]
    return b"".join(parts)


def _parse_parameters(
    reader: Reader, count: int, known: Sequence[ParameterType], long_data: frozenset[int], capabilities: int
) -> tuple[tuple[ParameterType, ...] | None, tuple[Value, ...]]:
    nulls = parse_nulls(reader, count, PARAMETER_NULLS_FROM)
    types = None
    if reader.integer(1):
        types = tuple(_parse_type(reader, capabilities) for _ in range(count))
    in_force = types if types is not None else tuple(known)
    if len(in_force) != count:
        raise reader.error("the parameters' types are not known")
    values = tuple(
        None if nulls[index] or index in long_data else parse_value(reader, kind) for index, kind in enumerate(in_force)
    )
    return types, values


def _parse_type(reader: Reader, capabilities: int) -> ParameterType:
    kind, flags = reader.integer(1), reader.integer(1)
    name = reader.lenenc_bytes() if capabilities & Capability.QUERY_ATTRIBUTES else b""
    return ParameterType(kind, bool(flags & UNSIGNED), name)


def _parse_indicated(reader: Reader, kind: ParameterType) -> Value | Indicator:
    indicator = reader.integer(1)
    if indicator == Indicator.VALUE:
        return parse_value(reader, kind)
    try:
        return Indicator(indicator)
    except ValueError:
        raise reader.error(f"0x{indicator:02X} is no indicator of a bulk execution") from None


def _bounded(reader: Reader, count: int) -> int:
    # Each parameter takes at least a bit of what was received: no count may ask for more memory than that.
    if count > reader.remaining * 8:
        raise reader.error(f"{count} parameters announced, {reader.remaining} bytes are there")
    return count
