"""One statement instead of many: of SELECTs that differ in the value of one `=`, the SELECT with `IN (...)`.

Texts of one digest come in, the text to write instead goes out, with the values that were met and `…` for the others;
or None, unless it is sure that it finds the rows of all of them and no others. It is meant for people, who must still
tell the rows apart. Put together from tokens, so that nothing within a literal is taken for SQL.
"""

from __future__ import annotations

from collections.abc import Sequence

from dbmux.lexer import Token, tokens, uncommented
from dbmux.sql.names import NAME

# So many values are shown, and none that is longer.
SHOWN = 3
LONGEST_VALUE = 100

_VALUES = frozenset((Token.NUMBER, Token.STRING))
# What servers read differently, and what has a meaning beyond the rows that are found.
_UNSURE = frozenset((Token.BROKEN, Token.MAYBE, Token.RUN, Token.RUN_END, Token.USER_VARIABLE))
# With these, the rows of many values are not the rows of each.
_NOT_ROW_BY_ROW = frozenset(
    b"OR XOR CASE UNION INTERSECT EXCEPT INTO GROUP HAVING DISTINCT DISTINCTROW UNIQUE WINDOW OVER FOR LOCK PROCEDURE"
    b" OFFSET FETCH ROWS SQL_CALC_FOUND_ROWS".split()
)
# Where it is in no order, an application that looks for one row asks for one; Django's for one more than it would name.
_ONE_ROW = (b"1", b"21")


def in_list(texts: Sequence[bytes], flags: int = 0) -> bytes | None:
    """The one statement; the texts are different ones, of which one with a placeholder is enough."""
    read = [_Statement(uncommented(text, 0, flags), flags) for text in texts]
    if not read or any(other.form != read[0].form for other in read):
        return None
    first = read[0]
    placeholders = [at for at, kind in enumerate(first.kinds) if kind == Token.PLACEHOLDER]
    varied = [at for at in range(len(first.kinds)) if len({one.words[at] for one in read}) > 1]
    match placeholders, varied:
        case [at], []:
            values = [b"?", b"?"]
        case [], [at]:
            values = list(dict.fromkeys(one.words[at] for one in read))[:SHOWN]
        case _:
            return None
    if any(len(value) > LONGEST_VALUE or value.startswith(b"\\") for value in values):
        return None
    return first.with_list(at, values)


class _Statement:
    """A text and its tokens; `form` is what texts share that differ in nothing but values."""

    def __init__(self, text: bytes, flags: int) -> None:
        self.text = text
        self.found = tokens(text, 0, flags)
        if self.found and self.found[-1][0] == Token.SEMICOLON:
            self.found.pop()
        self.kinds = [kind for kind, _, _ in self.found]
        self.words = [text[begin:end] for _, begin, end in self.found]
        self.form = [
            (kind, b"" if kind in _VALUES else word) for kind, word in zip(self.kinds, self.words, strict=True)
        ]
        # Keywords; a word behind a dot is a name.
        self.keywords = [
            word.upper() if kind == Token.WORD and not self._is(at - 1, Token.DOT) else b""
            for at, (kind, word) in enumerate(zip(self.kinds, self.words, strict=True))
        ]

    def with_list(self, at: int, values: Sequence[bytes]) -> bytes | None:
        """The text with these values, and others, in place of the one at a token; None when that is not sure."""
        end = self._end()
        if end is None or at not in self._sure(end):
            return None
        head, tail = self.text[: self.found[at - 1][1]].rstrip(), self.text[self.found[at][2] : self.found[end - 1][2]]
        return head + b" IN (" + b", ".join((*values, "…".encode())) + b")" + tail

    def _is(self, at: int, kind: Token) -> bool:
        return 0 <= at < len(self.kinds) and self.kinds[at] == kind

    def _end(self) -> int | None:
        # How many of the tokens stay: without a LIMIT that says that one row was looked for.
        words, end = self.keywords, len(self.kinds)
        if not words or words[0] != b"SELECT" or any(words.count(word) != 1 for word in (b"SELECT", b"FROM", b"WHERE")):
            return None
        if not _UNSURE.isdisjoint(self.kinds) or Token.SEMICOLON in self.kinds or b"|" in self.words:
            return None
        if not _NOT_ROW_BY_ROW.isdisjoint(words) or self._calls(words.index(b"FROM")):
            return None
        if b"LIMIT" not in words:
            return end
        is_last = words[-2] == b"LIMIT" and words.count(b"LIMIT") == 1
        return end - 2 if is_last and self.words[-1] in _ONE_ROW and b"ORDER" not in words else None

    def _calls(self, end: int) -> bool:
        # Whether the list of columns has a function, which may be one of many rows.
        return any(self.kinds[at] in NAME and self.kinds[at + 1] == Token.OPEN for at in range(1, end))

    def _sure(self, end: int) -> list[int]:
        # The values of comparisons that must all be true: of WHERE, joined by AND and by nothing else.
        words = self.keywords
        sure: list[int] = []
        # Of each parenthesis whether it only groups such comparisons; how deep stands each BETWEEN whose AND is still
        # to come; and whether a comparison may begin here.
        groups: list[bool] = []
        between: list[int] = []
        begins = False
        for at in range(words.index(b"WHERE"), end):
            if words[at] == b"ORDER":
                break
            if self.kinds[at] == Token.OPEN:
                groups.append(begins and all(groups))
                begins = groups[-1]
                continue
            if self.kinds[at] == Token.CLOSE and groups and groups.pop() and not self._ends(at + 1, end):
                return []
            if begins and all(groups):
                value = self._compared(at)
                if value and self._ends(value + 1, end):
                    sure.append(value)
            begins = words[at] in (b"WHERE", b"AND")
            if words[at] == b"BETWEEN":
                between.append(len(groups))
            elif words[at] == b"AND" and between and between[-1] == len(groups):
                between.pop()
                begins = False
        return sure

    def _compared(self, at: int) -> int:
        # Where the value is of `name = value` that begins here, or 0.
        while at < len(self.kinds) and self.kinds[at] in NAME:
            if self._is(at + 1, Token.DOT):
                at += 2
                continue
            is_compared = self._is(at + 1, Token.COMPARE) and self.words[at + 1] == b"=" and at + 2 < len(self.kinds)
            return at + 2 if is_compared and self.kinds[at + 2] in (*_VALUES, Token.PLACEHOLDER) else 0
        return 0

    def _ends(self, at: int, end: int) -> bool:
        # Whether a comparison ends before this token.
        return at >= end or self.kinds[at] == Token.CLOSE or self.keywords[at] in (b"AND", b"ORDER")
