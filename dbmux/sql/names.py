"""Names and literals: what a token stands for, and how a value is written that means the same everywhere.

Tokens of a statement come in; names without their quotes and values as SQL text go out. A value whose text depends on
the session's sql_mode or character set is not written at all.
"""

from __future__ import annotations

import re

from dbmux.lexer import NO_BACKSLASH_ESCAPES, Token
from dbmux.sql.statement import Statement

NAME = frozenset((Token.WORD, Token.QUOTED))

# What may be written between quotes and is the same in every sql_mode and every character set that clients can have.
_SAFE = re.compile(rb"[\t\n\r\x20-\x5b\x5d-\x7e]*")
_HEXADECIMAL = re.compile(rb"0x[0-9A-Fa-f]+|0b[01]+|[xX]'(?:[0-9A-Fa-f]{2})*'|[bB]'[01]*'")
_ESCAPES = {0x30: b"\0", 0x62: b"\b", 0x6E: b"\n", 0x72: b"\r", 0x74: b"\t", 0x5A: b"\x1a"}


def unquote(spelling: bytes) -> bytes:
    """A name without its quotes."""
    quote = spelling[:1]
    if quote not in (b"`", b'"'):
        return spelling
    return spelling[1:-1].replace(quote * 2, quote)


def show(name: bytes) -> str:
    """A name as text, whatever its character set."""
    return name.decode("utf-8", "backslashreplace")


def read_name(statement: Statement, at: int) -> tuple[str, int]:
    """The name at `at`, with the schema if it is written, and where the statement goes on; "" where no name stands.

    Quotes are left out, but around parts with a dot or backtick in them.
    """
    parts: list[str] = []
    if statement.word(at) == ".":
        at += 1
    while statement.kind(at) in NAME:
        part = show(unquote(statement.spelling(at)))
        parts.append("`" + part.replace("`", "``") + "`" if "." in part or "`" in part else part)
        at += 1
        if statement.word(at) != ".":
            break
        at += 1
    return ".".join(parts), at


def read_names(statement: Statement, at: int) -> list[str]:
    """The names of a list with commas that begins at `at`."""
    name, at = read_name(statement, at)
    names = [name] if name else []
    while statement.word(at) == ",":
        name, at = read_name(statement, at + 1)
        names.append(name)
    return names


def variable_name(spelling: bytes) -> str:
    """The name of a user variable, from its token; case does not matter."""
    name = spelling[1:]
    if name[:1] == b"'":
        return show(name[1:-1].replace(b"''", b"'")).lower()
    return show(unquote(name)).lower()


def is_literal(statement: Statement) -> bool:
    """Whether a statement's tokens are one literal, which a digest hides."""
    if len(statement) == 2:
        return statement.words[0] in ("-", "+") and statement.kinds[1] == Token.NUMBER
    return len(statement) == 1 and statement.kinds[0] in (Token.NUMBER, Token.STRING)


def read_literal(statement: Statement) -> bytes | None:
    """The literal that a statement's tokens are, as text that means the same everywhere; None if it can't be said."""
    if statement.words in (("TRUE",), ("FALSE",), ("NULL",)):
        return statement.words[0].encode()
    if not is_literal(statement):
        return None
    spelling = statement.spelling(len(statement) - 1)
    if statement.kinds[-1] == Token.NUMBER:
        return b"".join(word.encode() for word in statement.words) + spelling
    if _HEXADECIMAL.fullmatch(spelling):
        return spelling
    value = read_string(statement, 0)
    return None if value is None else quote(value)


def read_string(statement: Statement, at: int) -> bytes | None:
    """The characters of the string in quotes at `at`; None for every other token."""
    spelling = statement.spelling(at)
    mark = spelling[:1]
    if statement.kinds[at] != Token.STRING or mark not in (b"'", b'"') or len(spelling) < 2 or spelling[-1:] != mark:
        return None
    inner = spelling[1:-1]
    if b"\\" in inner and not statement.flags & NO_BACKSLASH_ESCAPES:
        return re.sub(rb"\\(.)|" + mark * 2, lambda found: _escaped(found, mark), inner, flags=re.DOTALL)
    return inner.replace(mark * 2, mark)


def quote(value: bytes) -> bytes | None:
    """A string as a literal that means the same everywhere; None if there is none."""
    return b"'" + value.replace(b"'", b"''") + b"'" if _SAFE.fullmatch(value) else None


def _escaped(found: re.Match[bytes], mark: bytes) -> bytes:
    character = found[1]
    if character is None:
        return mark
    # \% and \_ stay as they are, for LIKE.
    return b"\\" + character if character in b"%_" else _ESCAPES.get(character[0], character)
