"""The lexer's flags follow from the sql_mode."""

from __future__ import annotations

import pytest

from dbmux.lexer import ANSI_QUOTES, NO_BACKSLASH_ESCAPES
from dbmux.sql.modes import lexer_flags, logged_lexer_flags


@pytest.mark.parametrize(
    "sql_mode, flags",
    [
        (b"", 0),
        (b"STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION", 0),
        (b"ANSI_QUOTES", ANSI_QUOTES),
        (b"ansi", ANSI_QUOTES),
        (b"REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ANSI", ANSI_QUOTES),
        (b"ORACLE", ANSI_QUOTES),
        (b"NO_BACKSLASH_ESCAPES", NO_BACKSLASH_ESCAPES),
        (b"no_backslash_escapes,mssql,", ANSI_QUOTES | NO_BACKSLASH_ESCAPES),
    ],
)
def test_a_sql_mode_has_its_flags(sql_mode: bytes, flags: int) -> None:
    assert lexer_flags(sql_mode) == flags


@pytest.mark.parametrize(
    "bits, flags",
    [(0, 0), (1 << 2, ANSI_QUOTES), (1 << 20, NO_BACKSLASH_ESCAPES), (0xFFFFFFFF, ANSI_QUOTES | NO_BACKSLASH_ESCAPES)],
)
def test_a_logged_sql_mode_has_its_flags(bits: int, flags: int) -> None:
    assert logged_lexer_flags(bits) == flags
