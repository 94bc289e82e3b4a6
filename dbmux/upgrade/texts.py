"""What the texts of definitions and statements use: names without quotes, calls of functions, system variables.

SQL comes in; words go out, with the place each was met at. The lexer tells text from strings and comments; what is a
name and what a keyword only a server can tell, so words are tried on one (dbmux.upgrade.probes).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dbmux.lexer import Token, tokens
from dbmux.upgrade.server import Server

# What can be written without quotes, and put into a question to a server as it is.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Behind these a new name stands.
_NAMING = frozenset(("AS", "DECLARE", "TABLE", "PROCEDURE", "FUNCTION", "COLUMN", "INOUT", "OUT"))


@dataclass(frozen=True, slots=True)
class Text:
    """A text of SQL, where it is from, and how the lexer reads it."""

    where: str
    sql: str
    flags: int = 0


def texts_of(server: Server) -> Iterator[Text]:
    """All that is stored on a server."""
    for table in server.tables:
        yield Text(f"table {table.name}", table.text)
    yield from programs_of(server)


def programs_of(server: Server) -> Iterator[Text]:
    """Those of them that are kept as they were written, and views."""
    for program in server.programs:
        yield Text(str(program), program.text, program.flags)


def is_plain(name: str) -> bool:
    """Whether a name can stand without quotes, but for being reserved."""
    return _PLAIN.fullmatch(name) is not None


def calls(text: Text) -> set[str]:
    """What may be calls of functions, in upper case: words with a parenthesis behind them."""
    return {word.upper() for word, before, after in _words(text) if after == "(" and before != "."}


def new_names(text: Text) -> set[str]:
    """Words without quotes that are names in any case, in upper case: those behind AS, DECLARE and the like."""
    return {word.upper() for word, before, after in _words(text) if before in _NAMING and after != "("}


def bare_words(text: Text) -> set[str]:
    """All words without quotes, in upper case, but for those behind a dot, where any word is a name, and calls."""
    return {word.upper() for word, before, after in _words(text) if before != "." and after != "("}


def system_variables(text: Text) -> set[str]:
    """The names of those that are read as @@name or @@global.name, in lower case."""
    sql = text.sql.encode()
    found = tokens(sql, 0, text.flags)
    names = set()
    for at, (kind, begin, end) in enumerate(found):
        if kind != Token.SYSTEM_VARIABLE:
            continue
        name = sql[begin + 2 : end].decode("utf-8", "replace").strip("`").lower()
        if name in ("global", "session", "local") and at + 2 < len(found):
            _, begin, end = found[at + 2]
            name = sql[begin:end].decode("utf-8", "replace").strip("`").lower()
        names.add(name)
    return names


def _words(text: Text) -> Iterator[tuple[str, str, str]]:
    # Each with what is before it (in upper case) and behind it.
    sql = text.sql.encode()
    found = tokens(sql, 0, text.flags)
    spelled = [sql[begin:end].decode("utf-8", "replace") for _, begin, end in found]
    for at, (kind, _, _) in enumerate(found):
        if kind == Token.WORD and is_plain(spelled[at]):
            before = spelled[at - 1].upper() if at else ""
            yield spelled[at], before, spelled[at + 1] if at + 1 < len(spelled) else ""
