"""Statements whose literals can be recognised, as clients of every sql_mode write them."""

from __future__ import annotations

from hypothesis import strategies as st

from dbmux.lexer import ANSI_QUOTES, NO_BACKSLASH_ESCAPES

# What stands in text literals, and in no other part of a statement; and how every number begins.
SECRET = "zqz"
NUMBER = "8008135"

# What may make somebody take the end of a literal for something else.
_TRAPS = st.sampled_from(
    ["'", '"', "`", "\\", "/*", "*/", "/*!50700 ", "/*!99999", "-- ", "#", "\n", " ", ",", "é", "/*app='x'*/", "\x00"]
)
_VALUES = st.lists(_TRAPS | st.just(SECRET), max_size=4).map("".join)
_WORDS = st.sampled_from(
    ["SELECT", "a", "FROM t", "WHERE", "=", "IN (", ")", ",", "VALUES (", "INSERT INTO t", "ORDER BY", "LIMIT", "- "]
    + ["/* people */", "/*!40101 SQL_NO_CACHE */", "-- people\n", "`a b`", "@v", "AND", "LIKE", "SET @x :=", "@", "N"]
)


@st.composite
def statements(draw: st.DrawFn) -> bytes:
    """Words and literals, one after the other, in the syntax of any sql_mode."""
    flags = draw(st.sampled_from([0, ANSI_QUOTES, NO_BACKSLASH_ESCAPES, ANSI_QUOTES | NO_BACKSLASH_ESCAPES]))
    parts = [draw(st.one_of(_WORDS, _literals(flags))) for _ in range(draw(st.integers(0, 12)))]
    return " ".join(parts).encode(draw(st.sampled_from(["utf-8", "latin-1"])))


def _literals(flags: int) -> st.SearchStrategy[str]:
    quotes = "'" if flags & ANSI_QUOTES else "'\""
    texts = st.tuples(st.sampled_from(quotes), _VALUES).map(lambda drawn: _quoted(*drawn, flags))
    return st.one_of(
        texts,
        texts.map(lambda text: f"_utf8{text}"),
        st.sampled_from([NUMBER, f"-{NUMBER}", f"{NUMBER}.5e3", f"0x{NUMBER}", f"x'{NUMBER}0'", f"{NUMBER}."]),
        st.sampled_from([f"/*+ MAX_EXECUTION_TIME({NUMBER}) */", f"/*!80000 '{SECRET}' */", f"/*M! {NUMBER} */"]),
        st.just(f"'app'@'{SECRET}'"),
    )


def _quoted(quote: str, value: str, flags: int) -> str:
    if flags & NO_BACKSLASH_ESCAPES:
        return quote + value.replace(quote, quote * 2) + quote
    return quote + value.replace("\\", "\\\\").replace(quote, f"\\{quote}") + quote
