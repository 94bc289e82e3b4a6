"""The text of a definition, made fit for being tried in a schema of another name on another server.

SQL comes in and goes out. Only what would do something else there is changed: the definer, names of schemas, and
whether an event runs. Where the text is not surely harmless, NotTried says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from dbmux.errors import DbMuxError
from dbmux.lexer import Token, tokens
from dbmux.sql.names import unquote
from dbmux.sync.table import quoted
from dbmux.upgrade.server import Program, ProgramKind, Table

# Tables of others reach out of the server, or into its files.
_HARMLESS = frozenset(("innodb", "myisam", "aria", "memory", "csv", "archive", "blackhole", "rocksdb", ""))
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_REACHING = frozenset(("DIRECTORY", "CONNECTION", "TABLESPACE"))


# There is no such schema, and nothing is ever made in it.
NOWHERE = "`dbmux_upgrade_none`"
_HEADS = frozenset(("TABLE", "SEQUENCE"))
# The type of a column that B refuses, where a table only stands in for one.
_ANY_TYPE = "LONGTEXT"


class NotTried(DbMuxError):
    """The definition is left alone, and why."""


class _Piece(NamedTuple):
    """A token: `word` is in upper case where it has no quotes, otherwise empty; `name` is what it names."""

    kind: int
    begin: int
    end: int
    word: str
    name: str


def of_table(table: Table, names: Mapping[str, str]) -> str:
    """A table's definition in a schema that is called otherwise; `names` are the new ones, by the old."""
    if table.engine.lower() not in _HARMLESS:
        raise NotTried(f"tables of {table.engine} may reach out of the server")
    if any(piece.word in _REACHING for piece in _pieces(table.text, 0)):
        raise NotTried("it says where its files are")
    return moved(table.text, names)


def of_program(program: Program, names: Mapping[str, str]) -> str:
    """The same for a view, routine, trigger or event; without its definer."""
    text = without_definer(program.text, program.flags)
    if program.kind is ProgramKind.EVENT:
        text = asleep(text, program.flags)
    return moved(text, names, program.flags)


def nowhere(table: Table) -> str:
    """A table's definition in a schema that is not there: fit for being read, never for being run."""
    pieces = _pieces(table.text, 0)
    for at, piece in enumerate(pieces[:4]):
        if piece.word in _HEADS:
            begin = pieces[at + 1].begin
            return _replaced(table.text, [(begin, begin, f"{NOWHERE}.")])
    raise NotTried("its definition is of another form")


def stand_in(table: Table, types: Mapping[str, str]) -> Iterator[str]:
    """Ever simpler definitions of a table with the same columns; `types` replace those that are refused."""
    columns = [
        f"{quoted(column.name)} {types.get(column.base) or _COMMENT.sub('', column.type)}" for column in table.columns
    ]
    keys = [
        f"{'PRIMARY KEY' if index.name == 'PRIMARY' else 'UNIQUE'} "
        f"({','.join(quoted(part.column) for part in index.parts)})"
        for index in table.indexes
        if index.is_unique and all(part.column and part.length is None for part in index.parts)
    ]
    name = quoted(table.name.name)
    yield f"CREATE TABLE {name} ({','.join((*columns, *keys))})"
    yield f"CREATE TABLE {name} ({','.join(columns)})"
    yield f"CREATE TABLE {name} ({','.join(f'{quoted(column.name)} {_ANY_TYPE}' for column in table.columns)})"


def without_definer(text: str, flags: int = 0) -> str:
    """Whoever makes it is the definer then."""
    pieces = _pieces(text, flags)
    for at, piece in enumerate(pieces[:12]):
        if piece.word == "DEFINER" and at + 2 < len(pieces) and pieces[at + 1].kind == Token.COMPARE:
            end = at + 3
            if end < len(pieces) and pieces[end].kind == Token.USER_VARIABLE:
                end += 1
            return _cut(text, pieces[at].begin, pieces[end].begin if end < len(pieces) else None)
    return text


def asleep(text: str, flags: int = 0) -> str:
    """An event that never runs."""
    for piece in _pieces(text, flags):
        if piece.word in ("DISABLE", "ENABLE"):
            return _replaced(text, [(piece.begin, piece.end, "DISABLE")])
        if piece.word == "DO":
            break
    raise NotTried("it may run at once")


def moved(text: str, names: Mapping[str, str], flags: int = 0) -> str:
    """Names of tables that are told with a schema, with the new name of that."""
    pieces = _pieces(text, flags)
    changes = []
    for at, piece in enumerate(pieces[:-1]):
        is_first = at == 0 or pieces[at - 1].kind != Token.DOT
        if is_first and pieces[at + 1].kind == Token.DOT and piece.name in names:
            changes.append((piece.begin, piece.end, quoted(names[piece.name])))
    return _replaced(text, changes)


def _pieces(text: str, flags: int) -> list[_Piece]:
    sql = text.encode()
    found = []
    for kind, begin, end in tokens(sql, 0, flags):
        spelling = sql[begin:end]
        word = spelling.decode("utf-8", "replace").upper() if kind == Token.WORD else ""
        name = unquote(spelling).decode("utf-8", "replace") if kind in (Token.WORD, Token.QUOTED) else ""
        found.append(_Piece(kind, begin, end, word, name))
    return found


def _cut(text: str, begin: int, end: int | None) -> str:
    sql = text.encode()
    return (sql[:begin] + (b"" if end is None else sql[end:])).decode()


def _replaced(text: str, changes: list[tuple[int, int, str]]) -> str:
    sql, parts, last = text.encode(), [], 0
    for begin, end, new in changes:
        parts += [sql[last:begin], new.encode()]
        last = end
    return b"".join((*parts, sql[last:])).decode()
