"""What a GET DIAGNOSTICS asks for.

Its text comes in; out go the number of the condition and, for each user variable, which item it is to get. Nothing goes
out for what a server would refuse in words of its own: only it knows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dbmux.lexer import Token
from dbmux.sql.statement import Statement, read


class Item(StrEnum):
    """What can be asked of the statement before."""

    NUMBER = "NUMBER"
    ROW_COUNT = "ROW_COUNT"


class ConditionItem(StrEnum):
    """What can be asked of one of its errors and warnings."""

    CATALOG_NAME = "CATALOG_NAME"
    CLASS_ORIGIN = "CLASS_ORIGIN"
    COLUMN_NAME = "COLUMN_NAME"
    CONSTRAINT_CATALOG = "CONSTRAINT_CATALOG"
    CONSTRAINT_NAME = "CONSTRAINT_NAME"
    CONSTRAINT_SCHEMA = "CONSTRAINT_SCHEMA"
    CURSOR_NAME = "CURSOR_NAME"
    MESSAGE_TEXT = "MESSAGE_TEXT"
    MYSQL_ERRNO = "MYSQL_ERRNO"
    RETURNED_SQLSTATE = "RETURNED_SQLSTATE"
    ROW_NUMBER = "ROW_NUMBER"
    SCHEMA_NAME = "SCHEMA_NAME"
    SUBCLASS_ORIGIN = "SUBCLASS_ORIGIN"
    TABLE_NAME = "TABLE_NAME"


# The number of a condition that a variable has.
UNTOLD = -1


@dataclass(frozen=True, slots=True)
class Asked:
    """`condition` is None for the statement itself, and UNTOLD where only the server can say; user variables as they
    were written, each with the item that it gets."""

    condition: int | None
    items: tuple[tuple[bytes, Item | ConditionItem], ...]


def read_get_diagnostics(text: bytes, start: int, flags: int) -> Asked | None:
    """What the statement at `start` asks for; None for what is no such statement, or not a right one."""
    match read(text, start, flags):
        case [statement] if statement.word(0) == "GET":
            at = 2 if statement.word(1) == "CURRENT" else 1
            return _read(statement, at + 1) if statement.word(at) == "DIAGNOSTICS" else None
        case _:
            return None


def _read(statement: Statement, at: int) -> Asked | None:
    condition: int | None = None
    kinds: type[Item | ConditionItem] = Item
    if statement.word(at) == "CONDITION":
        number = statement.spelling(at + 1) if at + 1 < len(statement) else b""
        if statement.kind(at + 1) != Token.USER_VARIABLE and not number.isdigit():
            return None
        condition = int(number) if number.isdigit() else UNTOLD
        kinds = ConditionItem
        at += 2
    names = frozenset(kinds)
    items = []
    while statement.kind(at) == Token.USER_VARIABLE and statement.word(at + 1) == "=":
        name = statement.word(at + 2)
        if name not in names:
            return None
        items.append((statement.spelling(at), kinds(name)))
        if at + 3 == len(statement):
            return Asked(condition, tuple(items))
        if statement.word(at + 3) != ",":
            return None
        at += 4
    return None
