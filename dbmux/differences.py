"""In what two servers' answers to the same statement can differ: one word for each kind.

The words stand in the configuration, in the ledger of a mirror and in its reports. `source` is the server that is
mirrored, `target` the one that may take its place.
"""

from __future__ import annotations

from enum import StrEnum


class DifferenceKind(StrEnum):
    """The kinds, the gravest of each subject first."""

    # Of a value, in two rows that are otherwise the same.
    VALUE = "value"
    NULL_OR_EMPTY = "null or empty"
    ZERO_DATE = "zero date"
    LETTER_CASE = "letter case"
    TRAILING_SPACES = "trailing spaces"
    FLOAT_DIGITS = "float digits"
    FLOAT_TEXT = "float text"
    DECIMAL_SCALE = "decimal scale"
    TIME_TEXT = "time text"
    JSON_TEXT = "json text"
    # Of rows.
    MISSING_ROW = "missing row"
    EXTRA_ROW = "extra row"
    ORDER = "order"
    LIMIT = "limit"
    # Of what is said of the columns.
    COLUMN_COUNT = "column count"
    COLUMN_NAME = "column name"
    COLUMN_TYPE = "column type"
    COLUMN_COLLATION = "column collation"
    COLUMN_LENGTH = "column length"
    COLUMN_FLAGS = "column flags"
    COLUMN_ORIGIN = "column origin"
    # Of the end.
    ERROR_AT_TARGET = "error at target"
    ERROR_AT_SOURCE = "error at source"
    ERROR_CODE = "error code"
    ERROR_TEXT = "error text"
    WARNING = "warning"
    AFFECTED_ROWS = "affected rows"
    # Of how long it took.
    PLAN = "plan"


_ELSEWHERE = ("column ", "error ", "warning", "affected rows", "limit", "plan")
OF_ROWS = frozenset(kind for kind in DifferenceKind if not kind.startswith(_ELSEWHERE))
"""The kinds that are about rows and their values."""
