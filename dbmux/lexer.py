# cython: boundscheck=False, wraparound=False, annotation_typing=False, language_level=3
"""The compiled lexer: the tokens of a text of SQL, and its digest.

The bytes of a statement come in; out go its tokens as the server's own lexer would cut them, or its digest: the text
without literals, comments and spare white space. One state machine serves both. Any bytes give an answer; nothing is
looked up, and nothing but the two flags of the sql_mode changes how a text is cut. Not for client character sets in
which a byte below 0x80 may be the second half of a character (big5, cp932, gb18030, gbk, sjis).

The same source runs interpreted and compiled (lexer.pxd types it). What the manual's pages "Comments", "String
Literals", "Schema Object Names" and "Executable Comment Syntax" leave open was tried on MySQL 9 and MariaDB 10.11.
"""

import re
from enum import IntEnum

COMPILED = not __file__.endswith(".py")

# Nothing but white space and comments, each with its end.
_CLOSED = re.compile(rb"(?>\s+|/\*.*?\*/|#[^\n]*|--[^\n]*)*+", re.DOTALL)

# The flags: the parts of sql_mode that change where a token ends.
ANSI_QUOTES, NO_BACKSLASH_ESCAPES = 1, 2


class Token(IntEnum):
    """The kinds of tokens. HINT, MAYBE, RUN and RUN_END are comments that may mean something."""

    WORD = 1
    """A keyword or a name without quotes."""
    QUOTED = 2
    """A name in backticks, or in double quotes with ANSI_QUOTES."""
    NUMBER = 3
    STRING = 4
    """Any other literal: 'a', N'a', x'00', 0x00, b'1', 0b1, \\N."""
    PLACEHOLDER = 5
    USER_VARIABLE = 6
    """With its @; also the second half of an account."""
    SYSTEM_VARIABLE = 7
    """@@ and the word behind it: of `@@global.x`, `@@global`."""
    HINT = 8
    """The whole of an optimizer hint."""
    MAYBE = 9
    """The whole of a comment that some servers run and some don't."""
    RUN = 10
    """The beginning of a comment that every server runs; what is in it follows as tokens of their own."""
    RUN_END = 11
    BROKEN = 12
    """What no server takes, or what servers take in surprising ways."""
    OPEN = 13
    CLOSE = 14
    COMMA = 15
    DOT = 16
    SEMICOLON = 17
    COMPARE = 18
    """A run of the bytes of comparisons and assignments: `=`, `<=>`, `:=`."""
    OPERATOR = 19
    """One byte of any other operator."""


# The same as C integers.
END, WORD, QUOTED, NUMBER, STRING, PLACEHOLDER, USER_VARIABLE, SYSTEM_VARIABLE = 0, 1, 2, 3, 4, 5, 6, 7
HINT, MAYBE, RUN, RUN_END, BROKEN = 8, 9, 10, 11, 12
OPEN, CLOSE, COMMA, DOT, SEMICOLON, COMPARE, OPERATOR = 13, 14, 15, 16, 17, 18, 19
# For the digest: an OPERATOR with a left side.
BINARY = 20

# What a byte may begin. Letters and digits come first: they make words.
LETTER, DIGIT, SPACE, QUOTE, DOUBLE_QUOTE, BACKTICK, AT, POINT, SLASH, DASH, HASH = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
QUESTION, STAR, BACKSLASH, COMPARISON, OTHER, CONTROL = 11, 12, 13, 14, 15, 16
SINGLE = 20  # and more: a byte that is a token of its own, of this kind less SINGLE

# The first version that only some of the supported servers have: MySQL 5.7 is 50700, and what MariaDB calls 10.0 runs
# the code of older versions and skips that of 50700 to 99999.
FIRST_DOUBTFUL_VERSION = 50700

# The lists that a digest folds: that of IN (...), and the rows of VALUES; and the list behind ORDER BY and GROUP BY.
NO_LIST, IN_LIST, ROWS, BY_LIST = 0, 1, 2, 3
# Bytes that a digester keeps for what comes next.
KEPT_ROOM = 16_384


def _classes() -> bytes:
    table = bytearray([CONTROL]) * 32 + bytearray([OTHER]) * 95 + bytearray([CONTROL]) + bytearray([LETTER]) * 128
    for characters, kind in (
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$", LETTER),
        ("0123456789", DIGIT),
        (" \t\n\v\f\r", SPACE),
        ("=<>!:", COMPARISON),
        ("'", QUOTE),
        ('"', DOUBLE_QUOTE),
        ("`", BACKTICK),
        ("@", AT),
        (".", POINT),
        ("/", SLASH),
        ("-", DASH),
        ("#", HASH),
        ("?", QUESTION),
        ("*", STAR),
        ("\\", BACKSLASH),
        ("(", SINGLE + OPEN),
        (")", SINGLE + CLOSE),
        (",", SINGLE + COMMA),
        (";", SINGLE + SEMICOLON),
    ):
        for character in characters:
            table[ord(character)] = kind
    return bytes(table)


_CLASSES = _classes()


class Lexer:
    """Walks over a text; `advance` goes to the next token, which is text[start:end]."""

    def begin(self, text: bytes, start: int, flags: int) -> None:
        """Stand before the first token of text[start:]."""
        self.text = text
        self.src = text
        self.table = _CLASSES
        self.size = len(text)
        self.flags = flags
        self.kind = END
        self.start = min(max(start, 0), self.size)
        self.end = self.start
        self.gap = 0
        self.running = 0
        self.name_follows = 0

    def advance(self) -> int:
        """Go to the next token and give its kind, END behind the last; `gap` tells of white space before it."""
        src = self.src
        table = self.table
        size = self.size
        position = self.end
        gap = 0
        kind = END
        first = 0
        while position < size:
            first = table[src[position]]
            if first < SPACE:
                break
            if first == SPACE:
                position += 1
                gap = 1
            elif first == HASH:
                position = self._line_end(position)
                gap = 1
            elif first == DASH:
                if position + 1 >= size or src[position + 1] != 0x2D:
                    break
                if position + 2 < size:
                    third = src[position + 2]
                    # Of bytes from 0x80 on, some character sets call some white space.
                    if third > 0x20 and third != 0x7F:
                        if third >= 0x80:
                            kind = BROKEN
                        break
                position = self._line_end(position + 2)
                gap = 1
            elif first == SLASH:
                if position + 1 >= size or src[position + 1] != 0x2A:
                    break
                kind = self._comment_kind(position)
                if kind != END:
                    break
                position = self._comment_end(position + 2)
                gap = 1
            else:
                break
        if gap:
            self.name_follows = 0
        self.gap = gap
        self.start = position
        if position >= size:
            self.end = size
            self.kind = END
            return END
        if first <= DIGIT:
            if self.name_follows:
                kind = self._name(position)
            elif first == DIGIT:
                kind = self._number(position)
            else:
                kind = self._word(position)
        elif first == QUOTE:
            self.end = self._quoted_end(position)
            kind = STRING
        elif first == BACKTICK or (first == DOUBLE_QUOTE and self.flags & ANSI_QUOTES):
            self.end = self._name_end(position)
            kind = QUOTED
        elif first == DOUBLE_QUOTE:
            self.end = self._quoted_end(position)
            kind = STRING
        elif first >= SINGLE:
            self.end = position + 1
            kind = first - SINGLE
        elif first == AT:
            kind = self._variable(position)
        elif first == POINT:
            return self._dot(position)
        elif first == COMPARISON:
            position += 1
            while position < size and table[src[position]] == COMPARISON:
                position += 1
            self.end = position
            kind = COMPARE
        elif kind == BROKEN:
            self.end = position + 3
        elif kind != END:
            self._comment(position, kind)
        else:
            self.end = position + 1
            if first == QUESTION:
                kind = PLACEHOLDER
            elif first == CONTROL:
                kind = BROKEN
            elif first == BACKSLASH:
                kind = BROKEN
                if position + 1 < size and src[position + 1] == 0x4E:
                    self.end = position + 2
                    kind = STRING
            elif first == STAR and self.running and position + 1 < size and src[position + 1] == 0x2F:
                self.end = position + 2
                self.running = 0
                kind = RUN_END
            else:
                kind = OPERATOR
        self.name_follows = 0
        self.kind = kind
        return kind

    def _word(self, position: int) -> int:
        # A word, or a literal that begins with a letter.
        src = self.src
        size = self.size
        if position + 1 < size and src[position + 1] == 0x27:
            letter = src[position] | 0x20
            if letter == 0x6E:
                self.end = self._quoted_end(position + 1)
                return STRING
            if letter == 0x78 or letter == 0x62:
                position += 2
                while position < size and src[position] != 0x27:
                    position += 1
                self.end = position + 1 if position < size else size
                return STRING
        return self._name(position + 1)

    def _name(self, position: int) -> int:
        # The rest of a word.
        src = self.src
        table = self.table
        size = self.size
        while position < size and table[src[position]] <= DIGIT:
            position += 1
        self.end = position
        return WORD

    def _number(self, position: int) -> int:
        # A number, or a word that begins with a digit: 1a, 0x1Ft, 0X1F and 1e are names.
        src = self.src
        table = self.table
        size = self.size
        at = position + 1
        if src[position] == 0x30 and at < size and (src[at] == 0x78 or src[at] == 0x62):
            binary = src[at] == 0x62
            at += 1
            while at < size and table[src[at]] <= DIGIT:
                byte = src[at]
                if byte > (0x31 if binary else 0x39) and (binary or (byte | 0x20) < 0x61 or (byte | 0x20) > 0x66):
                    return self._name(at)
                at += 1
            if at - position > 2:
                self.end = at
                return STRING
            return self._name(at)
        while at < size and table[src[at]] == DIGIT:
            at += 1
        if at < size and table[src[at]] == LETTER:
            if (src[at] | 0x20) == 0x65:
                power = at + 1
                if power < size and (src[power] == 0x2B or src[power] == 0x2D):
                    power += 1
                if power < size and table[src[power]] == DIGIT:
                    return self._digits(power)
            return self._name(at)
        if at < size and src[at] == 0x2E:
            return self._fraction(at)
        self.end = at
        return NUMBER

    def _fraction(self, position: int) -> int:
        # From the dot of a number on. MySQL reads over `1.e` as if it were not there, so it is BROKEN.
        src = self.src
        table = self.table
        size = self.size
        at = position + 1
        while at < size and table[src[at]] == DIGIT:
            at += 1
        if at < size and (src[at] | 0x20) == 0x65:
            at += 1
            if at < size and (src[at] == 0x2B or src[at] == 0x2D):
                at += 1
            if at < size and table[src[at]] == DIGIT:
                return self._digits(at)
            self.end = at
            return BROKEN
        self.end = at
        return NUMBER

    def _digits(self, position: int) -> int:
        src = self.src
        table = self.table
        size = self.size
        while position < size and table[src[position]] == DIGIT:
            position += 1
        self.end = position
        return NUMBER

    def _dot(self, position: int) -> int:
        # `t.1` is a name behind a name without quotes; "`t`.1" and "t .1" have a number.
        src = self.src
        table = self.table
        size = self.size
        follows = position + 1 < size and table[src[position + 1]] <= DIGIT
        is_digit = follows and table[src[position + 1]] == DIGIT
        if is_digit and (self.gap or (self.kind != WORD and self.kind != SYSTEM_VARIABLE)):
            self.kind = self._fraction(position)
            self.name_follows = 0
            return self.kind
        self.end = position + 1
        self.name_follows = follows
        self.kind = DOT
        return DOT

    def _variable(self, position: int) -> int:
        src = self.src
        table = self.table
        size = self.size
        kind = USER_VARIABLE
        at = position + 1
        if at < size and src[at] == 0x40:
            kind = SYSTEM_VARIABLE
            at += 1
        first = table[src[at]] if at < size else CONTROL
        if first == BACKTICK or (first == DOUBLE_QUOTE and self.flags & ANSI_QUOTES):
            self.end = self._name_end(at)
            return kind
        if kind == USER_VARIABLE and (first == QUOTE or first == DOUBLE_QUOTE):
            self.end = self._quoted_end(at)
            return kind
        while at < size and (table[src[at]] <= DIGIT or (src[at] == 0x2E and kind == USER_VARIABLE)):
            at += 1
        self.end = at
        return kind

    def _quoted_end(self, position: int) -> int:
        # Behind the string that begins at `position`; one that is not closed goes on to the end.
        src = self.src
        size = self.size
        quote = src[position]
        escapes = not self.flags & NO_BACKSLASH_ESCAPES
        position += 1
        while position < size:
            byte = src[position]
            position += 1
            if byte == quote:
                if position >= size or src[position] != quote:
                    return position
                position += 1
            elif byte == 0x5C and escapes:
                position += 1
        return size

    def _name_end(self, position: int) -> int:
        src = self.src
        size = self.size
        quote = src[position]
        position += 1
        while position < size:
            if src[position] == quote:
                if position + 1 >= size or src[position + 1] != quote:
                    return position + 1
                position += 1
            position += 1
        return size

    def _line_end(self, position: int) -> int:
        # A zero byte ends the comment too.
        src = self.src
        size = self.size
        while position < size and src[position] != 0x0A and src[position] != 0:
            position += 1
        return position

    def _comment_end(self, position: int) -> int:
        src = self.src
        size = self.size
        while position + 1 < size:
            if src[position] == 0x2A and src[position + 1] == 0x2F:
                return position + 2
            position += 1
        return size

    def _comment_kind(self, position: int) -> int:
        # What the comment at `position` is as a token; END when it is a mere comment.
        src = self.src
        size = self.size
        if position + 2 >= size:
            return END
        third = src[position + 2]
        if third == 0x21:
            return MAYBE if self._version(position + 3) >= FIRST_DOUBTFUL_VERSION else RUN
        if third == 0x2B:
            return HINT
        if third == 0x4D and position + 3 < size and src[position + 3] == 0x21:
            return MAYBE
        return END

    def _version(self, position: int) -> int:
        # The five digits behind `/*!`, 0 without them. Servers differ about a sixth, so it counts as a high version.
        src = self.src
        table = self.table
        size = self.size
        version = 0
        digits = 0
        while digits < 6 and position + digits < size and table[src[position + digits]] == DIGIT:
            version = version * 10 + src[position + digits] - 0x30
            digits += 1
        if digits == 6:
            return 999999
        return version if digits == 5 else 0

    def _comment(self, position: int, kind: int) -> None:
        # A comment that is a token: set its end.
        src = self.src
        size = self.size
        if kind == HINT:
            self.end = self._comment_end(position + 3)
            return
        if kind == RUN:
            self.running = 1
            at = position + 3
            digits = 0
            while at + digits < size and digits < 5 and self.table[src[at + digits]] == DIGIT:
                digits += 1
            self.end = at + 5 if digits == 5 else at
            return
        # Servers that skip it skip one level of comments in it.
        at = position + 3
        while at + 1 < size:
            if src[at] == 0x2A and src[at + 1] == 0x2F:
                self.end = at + 2
                return
            if src[at] == 0x2F and src[at + 1] == 0x2A:
                at = self._comment_end(at + 2)
            else:
                at += 1
        self.end = size


class Writer:
    """Puts the digest together, token by token."""

    def begin(self, lexer: Lexer, buffer: bytearray) -> None:
        """Stand before the lexer's first token; the buffer has room for the digest."""
        self.lexer = lexer
        self.buffer = buffer
        self.out = buffer
        self.length = 0
        self.before = 0
        self.previous = END
        # Where in `out` stands what the next literal swallows, or -1: a sign, the character set of a string.
        self.sign = -1
        self.introducer = -1
        # Where a NULL stands that is a literal if its list goes on or ends behind it.
        self.null = -1
        # The list that is folded, how deep its elements are, where this element and the last begin; and the kind of
        # list that the last word begins.
        self.folding = NO_LIST
        self.opens = NO_LIST
        self.depth = 0
        self.base = 0
        self.element = -1
        self.last = 0
        self.last_end = 0
        # How deep the list is whose numbers mean columns.
        self.ordinals = -1

    def write(self) -> bytes:
        """The whole digest."""
        lexer = self.lexer
        kind = lexer.advance()
        while kind != END:
            self._space(kind)
            if kind == COMMA or kind == CLOSE:
                self._end_element(kind)
            elif self.folding != NO_LIST and self.depth == self.base:
                self._begin_element(kind)
            self.null = -1
            if kind == NUMBER and self._is_ordinal():
                self._copy()
            elif kind == NUMBER or kind == STRING:
                self._put(0x3F)
            elif kind == PLACEHOLDER:
                self._put(0x3F)
                self._put(0x3F)
            elif kind == WORD:
                self._word()
            else:
                self._copy()
                if kind == OPEN:
                    self._open()
                elif kind == CLOSE:
                    self._close()
                elif kind == OPERATOR:
                    kind = self._operator()
            self.previous = kind
            kind = lexer.advance()
        written = self.out[: self.length]
        # Compiled, it is bytes already, and to say so again costs as much as a third of the digest.
        return written if COMPILED else bytes(written)  # type: ignore[return-value]

    def _space(self, kind: int) -> None:
        # Take back what the token swallows, and put a space before it. Where white space may mean something, as before
        # an opening parenthesis, around dots and between operators, it is as in the text; elsewhere always or never.
        previous = self.previous
        self.before = self.length
        if self.sign >= 0:
            if kind == NUMBER:
                self.length = self.sign
                previous = OPEN if self.out[self.length - 1] == 0x28 else COMMA
            self.sign = -1
        if self.introducer >= 0:
            if kind == STRING:
                self.length = self.introducer
                previous = OPEN
            self.introducer = -1
        if previous == END or previous == OPEN or kind == COMMA or kind == CLOSE or kind == SEMICOLON:
            return
        spaced = self.lexer.gap
        if previous == COMMA or previous == SEMICOLON:
            spaced = 1
        elif previous < OPEN or previous == CLOSE:
            if kind < OPEN or kind >= COMPARE or (kind == OPEN and previous == CLOSE):
                spaced = 1
        elif (previous == COMPARE or previous == BINARY) and kind <= OPEN:
            spaced = 1
        if spaced == 0 and kind == OPERATOR and previous >= OPERATOR:
            # Two minus signs must not come to be the beginning of a comment.
            spaced = self.lexer.src[self.lexer.start] == 0x2D and self.out[self.length - 1] == 0x2D
        if spaced:
            self._put(0x20)

    def _word(self) -> None:
        src = self.lexer.src
        start = self.lexer.start
        letters = self.lexer.end - start
        opens_element = self.previous == OPEN or self.previous == COMMA
        self.opens = NO_LIST
        if self.previous == DOT:
            pass
        elif letters == 2:
            if self._is(b"IN"):
                self.opens = IN_LIST
            elif self._is(b"BY"):
                self.opens = BY_LIST
                self.ordinals = self.depth
        elif letters == 4:
            if opens_element and self._is(b"NULL"):
                self.null = self.length
        elif letters == 5:
            if self._is(b"VALUE"):
                self._begin_list(ROWS)
            elif self._is(b"LIMIT"):
                self.ordinals = -1
        elif letters == 6:
            if self._is(b"VALUES"):
                self._begin_list(ROWS)
            elif self._is(b"SELECT"):
                self.ordinals = -1
        if opens_element and src[start] == 0x5F and self.folding == ROWS and self.depth == self.base + 1:
            self.introducer = self.length
        self._copy()

    def _operator(self) -> int:
        # BINARY where it has a left side. A sign is part of the number behind it where nothing else can be meant.
        previous = self.previous
        byte = self.lexer.src[self.lexer.start]
        if (byte == 0x2D or byte == 0x2B) and (previous == OPEN or previous == COMMA or previous == COMPARE):
            self.sign = self.before
        if (END < previous < OPEN) or previous == CLOSE or (previous == BINARY and self.lexer.gap == 0):
            return BINARY
        return OPERATOR

    def _is_ordinal(self) -> int:
        # ORDER BY 1 and GROUP BY 1 name a column: another number is another meaning.
        if self.ordinals != self.depth:
            return 0
        return self.previous == COMMA or (self.previous == WORD and self.opens == BY_LIST)

    def _open(self) -> None:
        self.depth += 1
        if self.previous == WORD and self.opens == IN_LIST:
            self._begin_list(IN_LIST)

    def _close(self) -> None:
        self.depth -= 1
        if self.depth < self.ordinals:
            self.ordinals = -1
        if self.depth < self.base:
            self.folding = NO_LIST
        elif self.folding == ROWS and self.depth == self.base:
            self._fold()

    def _begin_list(self, kind: int) -> None:
        # A list in a list ends the folding of the outer one.
        self.folding = kind
        self.base = self.depth
        self.element = -1
        self.last = 0
        self.last_end = 0

    def _begin_element(self, kind: int) -> None:
        if self.folding == IN_LIST:
            if (
                self.previous == OPEN
                and kind == WORD
                and not (self.lexer.end - self.lexer.start == 4 and self._is(b"NULL"))
            ):
                # IN (SELECT ...)
                self.folding = NO_LIST
            elif self.element < 0:
                self.element = self.length
        elif self.previous != WORD and self.previous != COMMA:
            self.folding = NO_LIST
        elif kind == OPEN or (kind == WORD and self.lexer.end - self.lexer.start == 3 and self._is(b"ROW")):
            if self.element < 0:
                self.element = self.length
        else:
            self.folding = NO_LIST

    def _end_element(self, kind: int) -> None:
        if self.null >= 0:
            self.length = self.null
            self._put(0x3F)
        if self.folding == NO_LIST or self.depth != self.base:
            return
        if self.folding == ROWS:
            # Rows end at their own parenthesis.
            if kind == CLOSE or self.previous != CLOSE:
                self.folding = NO_LIST
        elif self.element >= 0 and self._is_mark():
            self._put(0x2B)
            self._fold()
        elif self.element >= 0 and self.out[self.element] == 0x28:
            self._fold()
        else:
            self.element = -1
            self.last_end = self.last

    def _is_mark(self) -> int:
        # Whether the element is a literal or a placeholder and nothing else.
        length = self.length - self.element
        if length > 2 or self.out[self.element] != 0x3F:
            return 0
        return 1 if length == 1 else self.out[self.element + 1] == 0x3F

    def _fold(self) -> None:
        # Leave this element out if it equals the last.
        out = self.out
        at = self.last
        end = self.last_end
        other = self.element
        same = end > at and end - at == self.length - other
        while same and at < end:
            same = out[at] == out[other]
            at += 1
            other += 1
        if same:
            self.length = end
        else:
            self.last = self.element
            self.last_end = self.length
        self.element = -1

    def _is(self, upper: bytes) -> int:
        # Whether the token is this word, whose length it has.
        src = self.lexer.src
        at = self.lexer.start
        wanted = upper
        index = 0
        end = self.lexer.end - at
        while index < end:
            if src[at + index] & 0xDF != wanted[index]:
                return 0
            index += 1
        return 1

    def _put(self, byte: int) -> None:
        self.out[self.length] = byte
        self.length += 1

    def _copy(self) -> None:
        out = self.out
        src = self.lexer.src
        at = self.lexer.start
        end = self.lexer.end
        length = self.length
        while at < end:
            out[length] = src[at]
            length += 1
            at += 1
        self.length = length


def tokens(text: bytes, start: int, flags: int) -> list[tuple[int, int, int]]:
    """The tokens of text[start:]: of each its kind (see Token), where it begins and where it ends."""
    lexer = Lexer()
    lexer.begin(text, start, flags)
    found = []
    kind = lexer.advance()
    while kind != END:
        found.append((kind, lexer.start, lexer.end))
        kind = lexer.advance()
    return found


def uncommented(text: bytes, start: int, flags: int) -> bytes:
    """text[start:] without the comments before it, behind its first word and at its end.

    There applications put what only people read. Elsewhere a comment stays: servers name columns after the text of
    their expressions. Comments that servers may run stay everywhere.
    """
    lexer = Lexer()
    lexer.begin(text, start, flags)
    if lexer.advance() == END:
        return text[start:]
    first, first_end = lexer.start, lexer.end
    second = last_end = first_end
    if lexer.advance() != END:
        second = lexer.start
        last_end = lexer.end
        while lexer.advance() != END:
            last_end = lexer.end
    if _CLOSED.fullmatch(text, last_end) is None or text[last_end - 1 : last_end] == b"-":
        # Of a comment that is not closed servers complain; and dashes at the end would become one.
        return text[start:]
    between = text[first_end:second]
    if b"/*" in between or b"#" in between or b"--" in between:
        between = b" "
    return text[first:first_end] + between + text[second:last_end]


class Digester:
    """Makes digests, one after the other, in memory that it keeps: of a text of usual length only the digest is new."""

    def __init__(self) -> None:
        self._lexer = Lexer()
        self._writer = Writer()
        self._buffer = bytearray()

    def digest(self, text: bytes, start: int, flags: int) -> bytes:
        """The digest of text[start:]: two texts of one digest mean the same but for the values of their literals.

        A literal is `?`, with its sign where that can only be one; a placeholder is `??`. The literals of IN (...) are
        `?+`, however many; of the rows of VALUES, those that differ from the row before in nothing but literals are
        left out. NULL is a literal between the commas of a list. A number that names a column, as in ORDER BY 1, stays.
        Words stay as they were written: a keyword cannot be told from a name without a grammar, and the case of names
        matters. Comments that servers may run stay too.
        """
        lexer = self._lexer
        writer = self._writer
        lexer.begin(text, start, flags)
        # A token grows by two bytes at most: a space before it and `??` for `?`, or `?+` for a digit.
        room = (lexer.size - lexer.start) * 3 + 4
        buffer = self._buffer if room <= len(self._buffer) else bytearray(room)
        writer.begin(lexer, buffer)
        found = writer.write()
        # Neither the text is kept nor the room for a long one.
        lexer.begin(b"", 0, 0)
        if room <= KEPT_ROOM:
            self._buffer = buffer
        else:
            writer.begin(lexer, self._buffer)
        return found


def digest(text: bytes, start: int, flags: int) -> bytes:
    """The same once: see `Digester`, which is quicker for many."""
    return Digester().digest(text, start, flags)
