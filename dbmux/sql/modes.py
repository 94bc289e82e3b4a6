"""What must be known of a sql_mode to read a statement, or to run it elsewhere.

The value of the variable comes in, as the server reports it, as a client sets it or as the binary log keeps it; the
lexer's flags go out, and the modes of a logged statement.
"""

from __future__ import annotations

from dbmux.lexer import ANSI_QUOTES, NO_BACKSLASH_ESCAPES

# The modes that stand for several, ANSI_QUOTES among them.
_ANSI = frozenset((b"ANSI", b"ANSI_QUOTES", b"DB2", b"MAXDB", b"MSSQL", b"ORACLE", b"POSTGRESQL"))
# The bits of a logged sql_mode; source: manual page "Binlog Event" (Q_SQL_MODE_CODE).
_LOGGED_ANSI_QUOTES, _LOGGED_NO_BACKSLASH_ESCAPES = 1 << 2, 1 << 20
# Those that say what a text means, and that all servers know.
_OF_MEANING = {
    1 << 0: "REAL_AS_FLOAT",
    1 << 1: "PIPES_AS_CONCAT",
    _LOGGED_ANSI_QUOTES: "ANSI_QUOTES",
    1 << 3: "IGNORE_SPACE",
    1 << 6: "NO_UNSIGNED_SUBTRACTION",
    1 << 19: "NO_AUTO_VALUE_ON_ZERO",
    _LOGGED_NO_BACKSLASH_ESCAPES: "NO_BACKSLASH_ESCAPES",
    1 << 29: "HIGH_NOT_PRECEDENCE",
}


def lexer_flags(sql_mode: bytes) -> int:
    """The flags under which statements are read in this sql_mode, which is written without quotes."""
    modes = frozenset(sql_mode.upper().split(b","))
    flags = 0 if _ANSI.isdisjoint(modes) else ANSI_QUOTES
    return flags | NO_BACKSLASH_ESCAPES if b"NO_BACKSLASH_ESCAPES" in modes else flags


def logged_lexer_flags(sql_mode: int) -> int:
    """The flags under which a statement of the binary log is read, from the bits of its sql_mode."""
    flags = ANSI_QUOTES if sql_mode & _LOGGED_ANSI_QUOTES else 0
    return flags | NO_BACKSLASH_ESCAPES if sql_mode & _LOGGED_NO_BACKSLASH_ESCAPES else flags


def logged_modes(sql_mode: int) -> tuple[str, ...]:
    """The modes that say what a statement of the binary log means, from the bits of its sql_mode."""
    return tuple(name for bit, name in _OF_MEANING.items() if sql_mode & bit)
