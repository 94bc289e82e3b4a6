"""A statement without its literals, fit to be kept: its digest as far as it is sure where literals end.

The bytes of a statement come in, a `Shape` goes out. Where a literal ends may depend on what is not known here: the
session's sql_mode and character set, and which comments its server runs. From the first such place on nothing is told,
so that no reading of the text shows a value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dbmux.events import KEPT
from dbmux.lexer import NO_BACKSLASH_ESCAPES, Token, digest, tokens

# What stands for the rest.
REST = "…"
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
# MySQL 9 writes the code of other languages between such words.
_DOLLARS = re.compile(rb"\$\w*\$")
# As much of a kept packet may be something else than text: its header, and query attributes without any.
_BEFORE_TEXT = 7
_LONGEST_CHARACTER = 4


@dataclass(frozen=True, slots=True)
class Shape:
    """The text, and whether it is the whole statement, or at least all of it that is kept."""

    text: str
    is_sure: bool


def shape(statement: bytes) -> Shape:
    """The statement without literals. Any bytes are taken."""
    is_cut = len(statement) >= KEPT - _BEFORE_TEXT
    if is_cut:
        statement = _whole_letters(statement)
    sure = _sure(statement)
    text, is_sure = _hidden(digest(statement[:sure], 0, 0))
    if sure < len(statement) or not is_sure:
        return Shape(f"{text} {REST}".lstrip(), False)
    # The last word may be half of a number.
    return Shape(f"{text.rpartition(' ')[0]} {REST}" if is_cut else text, True)


def _sure(statement: bytes) -> int:
    # How much of it is cut into tokens in the same way by everybody.
    try:
        statement.decode()
    except UnicodeDecodeError:
        found = _NOT_ASCII.search(statement)
        end = len(statement) if found is None else found.start()
    else:
        end = len(statement)
    backslash = statement.find(b"\\", 0, end)
    if backslash < 0:
        return end
    # Whether it hides a quote is said by the sql_mode and the kind of quote, and in some character sets it may be half
    # of a letter. It makes no difference in few texts, and most of those are easily told.
    is_plain = b'"' not in statement and statement.isascii()
    if is_plain and digest(statement, 0, 0) == digest(statement, 0, NO_BACKSLASH_ESCAPES):
        return end
    return backslash


def _whole_letters(statement: bytes) -> bytes:
    # Without the part of a letter at its end.
    for length in range(len(statement), len(statement) - _LONGEST_CHARACTER, -1):
        if (statement[length - 1] & 0xC0) != 0x80:
            last = statement[length - 1]
            return statement[: length - 1] if last >= 0xC0 else statement
    return statement


def _hidden(told: bytes) -> tuple[str, bool]:
    # What a digest still has of values, taken out: numbers of columns, names of accounts' hosts, optimizer hints.
    parts: list[bytes] = []
    copied = 0
    for kind, begin, end in tokens(told, 0, 0):
        match kind:
            case Token.NUMBER | Token.STRING:
                instead = b"?"
            case Token.USER_VARIABLE if told[begin + 1 : begin + 2] in (b"'", b'"'):
                instead = b"@?"
            case Token.HINT:
                instead = b"/*+ ? */"
            case Token.MAYBE | Token.BROKEN:
                return _decode(parts, told[copied:begin]), False
            case Token.WORD if _DOLLARS.match(told, begin, end):
                return _decode(parts, told[copied:begin]), False
            case _:
                continue
        parts += told[copied:begin], instead
        copied = end
    return _decode(parts, told[copied:]), True


def _decode(parts: list[bytes], rest: bytes) -> str:
    return b"".join((*parts, rest)).decode("utf-8", "replace").strip()
