"""One statement of a text, as words to be read one after the other.

A text of SQL comes in; out go its statements, cut at the semicolons, each with its tokens and their spellings in upper
case. Comments that every server runs are code. What some servers read otherwise than others makes a text doubtful: of
such a text nothing is said. Knows no statement's grammar.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from dbmux.lexer import Token, tokens

_PUNCTUATION: dict[int, str] = {
    Token.OPEN: "(",
    Token.CLOSE: ")",
    Token.COMMA: ",",
    Token.DOT: ".",
    Token.SEMICOLON: ";",
}
_SPELLED = frozenset((Token.WORD, Token.COMPARE, Token.OPERATOR))
_RUNS = frozenset((Token.RUN, Token.RUN_END))
_DOUBTFUL = frozenset((Token.MAYBE, Token.BROKEN))
_LETTERED = frozenset((Token.HINT, Token.WORD))

# Latin-1 and its kin have white space among the bytes from 0x80 on, which UTF-8 has in its letters. A name with such
# bytes is taken for what it is in UTF-8 unless, cut at them, it holds one of these words.
_TELLING = frozenset(
    (
        *(
            "AND",
            "ANALYZE",
            "AS",
            "BACKUP",
            "BY",
            "CALL",
            "CLOSE",
            "DATABASE",
            "DIAGNOSTICS",
            "DUMPFILE",
            "END",
            "EXPORT",
        ),
        *(
            "FOR",
            "FROM",
            "GLOBAL",
            "HANDLER",
            "INTO",
            "JOIN",
            "LOCAL",
            "LOCK",
            "NAMES",
            "NEXT",
            "NEXTVAL",
            "OPEN",
            "OUTFILE",
        ),
        *("PERSIST", "PREPARE", "PREVIOUS", "PROCEDURE", "READ", "RENAME", "ROLE", "SCHEMA", "SELECT", "SEQUENCE"),
        *(
            "SESSION",
            "SET",
            "SHARE",
            "SQL_CALC_FOUND_ROWS",
            "STAGE",
            "START",
            "STRAIGHT_JOIN",
            "TABLE",
            "TABLES",
            "TEMPORARY",
            "TO",
        ),
        *("TRANSACTION", "UNION", "UPDATE", "VALUE", "VALUES", "WITH", "WORK", "WRITE"),
    )
)


@dataclass(frozen=True)
class Statement:
    """Tokens `kinds[i]` at `spans[i]` of `text`.

    `words[i]` is a keyword or bare name in upper case, punctuation or an operator as it is, "" for everything else.
    """

    text: bytes
    flags: int
    kinds: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    words: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.words)

    def word(self, at: int) -> str:
        """The word at `at`, or "" outside the statement."""
        return self.words[at] if 0 <= at < len(self.words) else ""

    def starts(self, at: int, *words: str) -> bool:
        """Whether these words stand at `at`."""
        return self.words[at : at + len(words)] == words

    def kind(self, at: int) -> int:
        """The kind of the token at `at`, 0 outside the statement."""
        return self.kinds[at] if 0 <= at < len(self.kinds) else 0

    def spelling(self, at: int) -> bytes:
        """The token at `at` as it was written."""
        start, end = self.spans[at]
        return self.text[start:end]

    def part(self, start: int, end: int) -> Statement:
        """The tokens from `start` to before `end` as a statement."""
        return Statement(self.text, self.flags, self.kinds[start:end], self.spans[start:end], self.words[start:end])

    @cached_property
    def closings(self) -> dict[int, int]:
        """Where the parentheses that open end; one that isn't closed, behind the last token."""
        found: dict[int, int] = {}
        opened: list[int] = []
        for at, word in enumerate(self.words):
            if word == "(":
                opened.append(at)
            elif word == ")" and opened:
                found[opened.pop()] = at
        for at in opened:
            found[at] = len(self.words)
        return found

    def outside(self, start: int, word: str) -> int:
        """Where this word stands first from `start` on, outside parentheses; behind the last token if nowhere."""
        at = start
        while at < len(self.words):
            if self.words[at] == word:
                return at
            at = self.closings[at] if self.words[at] == "(" else at
            at += 1
        return len(self.words)


def read(text: bytes, start: int, flags: int) -> list[Statement] | None:
    """The statements of text[start:], empty ones left out; None when servers would differ about what they are."""
    statements: list[Statement] = []
    kept: list[tuple[int, tuple[int, int], str]] = []
    running = False
    for kind, begin, end in [*tokens(text, start, flags), (Token.SEMICOLON, len(text), len(text))]:
        if kind == Token.SEMICOLON:
            if kept:
                kinds, spans, words = zip(*kept, strict=True)
                statements.append(Statement(text, flags, kinds, spans, words))
                kept = []
        elif kind in _RUNS:
            if kind == Token.RUN and running:
                return None
            running = kind == Token.RUN
        elif kind in _DOUBTFUL or (kind in _LETTERED and _is_doubtful(kind, text[begin:end])):
            return None
        elif kind != Token.HINT:
            kept.append((kind, (begin, end), _word(kind, text[begin:end])))
    return statements


def _word(kind: int, spelling: bytes) -> str:
    if kind in _SPELLED:
        return spelling.upper().decode("latin-1")
    return _PUNCTUATION.get(kind, "")


def _is_doubtful(kind: int, spelling: bytes) -> bool:
    # Whether servers, or character sets, differ about where a hint or a word ends.
    if kind == Token.HINT:
        # MySQL reads the names in a hint to their closing quotes, MariaDB ends it at the first */.
        return any(spelling.count(quote) % 2 for quote in (b"`", b"'", b'"'))
    if spelling[0] == 0x24 and b"$" in spelling[1:]:
        # MySQL 9 quotes with $$ or $tag$.
        return True
    if spelling.isascii():
        return False
    return not _TELLING.isdisjoint(spelling.upper().decode("ascii", "replace").split("\ufffd"))
