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
_HEADS = frozenset(("TABLE", "SEQUENCE", "VIEW", "PROCEDURE", "FUNCTION", "TRIGGER", "EVENT"))
_BEFORE_TABLES = frozenset(("FROM", "JOIN", "INTO", "UPDATE", "REFERENCES"))
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
    text = moved(table.text, names)
    pieces = _pieces(text, 0)
    _see_to_head(pieces, names)
    for at, piece in enumerate(pieces):
        if piece.word == "REFERENCES" and not _is_inside(pieces, at + 1, names):
            raise NotTried("a foreign key refers to a schema that is not looked at")
    return text


def of_program(program: Program, names: Mapping[str, str]) -> str:
    """The same for a view, routine, trigger or event; without its definer."""
    text = without_definer(program.text, program.flags)
    if program.kind is ProgramKind.EVENT:
        text = asleep(text, program.flags)
    text = moved(text, names, program.flags)
    _see_to_head(_pieces(text, program.flags), names)
    return text


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
    """Names of tables that are told with a schema, with the new name of that.

    A table may be called like a schema. Where a text has such a name otherwise, too, `x.y` may be its column, and is
    left alone but where a table has to stand; what is left alone names the schema that B has, or nothing.
    """
    pieces = _pieces(text, flags)
    firsts = {at for at, piece in enumerate(pieces) if piece.name in names and _is_first(pieces, at)}
    others = {piece.name for at, piece in enumerate(pieces) if at not in firsts}
    changes = []
    for at in sorted(firsts):
        piece = pieces[at]
        is_of_three = at + 3 < len(pieces) and pieces[at + 3].kind == Token.DOT
        if piece.name not in others or is_of_three or (at and pieces[at - 1].word in _BEFORE_TABLES | _HEADS):
            changes.append((piece.begin, piece.end, quoted(names[piece.name])))
    return _replaced(text, changes)


def _is_first(pieces: list[_Piece], at: int) -> bool:
    # Of several names with dots between them.
    return (at == 0 or pieces[at - 1].kind != Token.DOT) and at + 1 < len(pieces) and pieces[at + 1].kind == Token.DOT


def _see_to_head(pieces: list[_Piece], names: Mapping[str, str]) -> None:
    for at, piece in enumerate(pieces):
        if piece.word in _HEADS:
            if _is_inside(pieces, at + 1, names):
                return
            break
    raise NotTried("it is not sure in which schema it would be made")


def _is_inside(pieces: list[_Piece], at: int, names: Mapping[str, str]) -> bool:
    # Whether a name has no schema, or one of the new ones.
    return at < len(pieces) and (not _is_first(pieces, at) or pieces[at].name in names.values())


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
