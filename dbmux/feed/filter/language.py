r"""Reading a filter: text comes in, a `Filter` or a FilterError goes out.

    filter   = [ some ] ;
    some     = every , { ( "|" | "or" ) , every } ;
    every    = not , { [ "and" ] , not } ;
    not      = [ "-" | "!" | "not" ] , ( not | atom ) ;
    atom     = "(" , some , ")" | "@" , name | flag | key , ":" , value , { "," , value }
             | key , ( ">" | ">=" | "<" | "<=" | "=" | "!=" ) , value | value ;
    value    = word | "…" | /…/ | word with * | low..high ;

Everything that a filter names is checked here, so that what was read can be run. Any text is read or refused in bounded
time; what was saved is read with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from dbmux.config.consistency import instead, nearest
from dbmux.feed.filter.fields import (
    ALIASES,
    FIELDS,
    FLAG_ALIASES,
    FLAGS,
    TEXT,
    Field,
    Figure,
    Instant,
    Measure,
    Recent,
    Texts,
)
from dbmux.feed.filter.patterns import BadPattern, check, glob
from dbmux.feed.filter.quantities import is_between, moment, quantity, range_of, span_of
from dbmux.feed.filter.tree import (
    RESERVED,
    Compares,
    Every,
    Filter,
    FilterError,
    Glob,
    Has,
    Is,
    Node,
    Not,
    Operator,
    Regex,
    Saved,
    Some,
    Value,
    Word,
    is_flag,
)

# What one filter may be: more than anybody writes, and too little to be a burden.
MOST_CHARACTERS = 4096
MOST_DEPTH = 40
MOST_TERMS = 500

# What stands at one place of a filter: a key with its sign, and the forms of a value.
FIELD = re.compile(r"([^\W\d]\w*)(?::|\s*(>=|<=|!=|=|>|<))\s*")
WORD = re.compile(r'[^\s()|"]+')
VALUE = re.compile(r'[^\s()|",]+')
PHRASE = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
REGEX = re.compile(r"/((?:[^/\\]|\\.)*+)/i?(?=[\s()|,]|$)", re.IGNORECASE | re.DOTALL)
COMMA = re.compile(r"\s*,\s*")
_NAME = re.compile(r"@([\w.-]*)")
_ESCAPED = re.compile(r'\\(["\\])')
_NOTHING_SAVED: Mapping[str, str] = {}


def parse(text: str, saved: Mapping[str, str] = _NOTHING_SAVED) -> Filter:
    """What a text says; `saved` are the filters that can be named with @. Raises FilterError."""
    return Filter(text, _Reader(text, saved, (), 0, iter(range(MOST_TERMS))).whole())


class _Reader:
    """A place in a text. `within` are the saved filters that are being read, the outermost first."""

    def __init__(
        self, text: str, saved: Mapping[str, str], within: tuple[str, ...], depth: int, terms: Iterator[int]
    ) -> None:
        self._text = text
        self._at = 0
        self._saved = saved
        self._within = within
        self._depth = depth
        self._terms = terms

    def whole(self) -> Node:
        if len(self._text) > MOST_CHARACTERS:
            raise self._error(f"a filter has at most {MOST_CHARACTERS} characters", MOST_CHARACTERS)
        if not self._next():
            return Every(())
        node = self._some()
        if self._next():
            raise self._error("there is no ( for this )")
        return node

    def _some(self) -> Node:
        parts = [self._every()]
        while self._take("|") or self._take_word("or"):
            parts.append(self._every())
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def _every(self) -> Node:
        parts = [self._not()]
        while self._next() not in ("", "|", ")") and self._next_word().lower() != "or":
            self._take_word("and")
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _not(self) -> Node:
        if self._take("-") or self._take("!"):
            if self._text[self._at : self._at + 1].isspace():
                raise self._error("what is not wanted must stand right behind this", self._at - 1)
        elif not self._take_word("not"):
            return self._atom()
        self._deepen()
        node = Not(self._not())
        self._depth -= 1
        return node

    def _atom(self) -> Node:
        if next(self._terms, None) is None:
            raise self._error(f"a filter has at most {MOST_TERMS} conditions, with those of saved ones")
        match self._next():
            case "":
                raise self._error("something is missing here")
            case "(":
                return self._group()
            case ")" | "|":
                raise self._error(f"something must stand before this {self._next()}")
            case "@":
                return self._named()
            case '"' | "/":
                return Has(TEXT, (self._text_value(TEXT),))
        found = FIELD.match(self._text, self._at)
        return self._bare() if found is None else self._condition(found)

    def _group(self) -> Node:
        begun = self._at
        self._take("(")
        self._deepen()
        node = self._some()
        self._depth -= 1
        if not self._take(")"):
            raise self._error("this ( is not closed", begun)
        return node

    def _named(self) -> Node:
        begun = self._at
        found = _NAME.match(self._text, begun)
        written = found[1] if found else ""
        name = next((one for one in self._saved if one.casefold() == written.casefold()), None)
        if name is None:
            what = instead(written, self._saved) if self._saved else "none is saved"
            raise self._error(f"no filter is saved as @{written}; {what}")
        if name in self._within:
            raise self._error(f"@{name} names itself")
        self._at += 1 + len(written)
        self._deepen()
        try:
            reader = _Reader(self._saved[name], self._saved, (*self._within, name), self._depth, self._terms)
            node = Saved(name, reader.whole())
        except FilterError as error:
            raise self._error(f"in @{name}: {error}", begun) from None
        self._depth -= 1
        return node

    def _bare(self) -> Node:
        written = self._next_word()
        if written.lower() in RESERVED:
            raise self._error(f"something must stand before this {written!r}; to find the text, put it in quotes")
        if written[0] in ":<>=,":
            raise self._error("a key must stand before this; to find the text, put it in quotes")
        self._at += len(written)
        if is_flag(written):
            return Is(FLAG_ALIASES.get(written.lower(), written.lower()))
        return Has(TEXT, (_loose(written),))

    def _condition(self, found: re.Match[str]) -> Node:
        written, operator = found[1], found[2] or ":"
        key = ALIASES.get(written.lower(), written.lower())
        field = FIELDS.get(key)
        if field is None:
            raise self._error(_no_field(written))
        self._at = found.end()
        if operator in (":", "=", "!="):
            values = Has(key, self._values(key, field))
            return Not(values) if operator == "!=" else values
        begun = self._at
        match field:
            case Recent():
                raise self._error(f"write {key}:5m for the last five minutes", found.start())
            case Texts():
                raise self._error(f"{key} is a text; write {key}:…", found.start())
            case Figure(measure=measure):
                with self._telling(begun):
                    return Compares(key, Operator(operator), quantity(self._value_word(key), measure))
            case Instant():
                with self._telling(begun):
                    return Compares(key, Operator(operator), moment(self._value_word(key)))

    def _values(self, key: str, field: Field) -> tuple[Value, ...]:
        values = [self._value(key, field)]
        while (comma := COMMA.match(self._text, self._at)) is not None:
            self._at = comma.end()
            values.append(self._value(key, field))
        return tuple(values)

    def _value(self, key: str, field: Field) -> Value:
        begun = self._at
        with self._telling(begun):
            match field:
                case Texts(known=known):
                    value = self._text_value(key)
                    if known and not isinstance(value, Regex) and not _is_among(value, known):
                        raise ValueError(f"there is no {key} {value.text!r}; {instead(value.text, known)}")
                    return value
                case Figure(measure=measure):
                    word = self._value_word(key)
                    return range_of(word, measure) if is_between(word) else quantity(word, measure)
                case Instant():
                    word = self._value_word(key)
                    return span_of(word) if is_between(word) else moment(word)
                case Recent():
                    return quantity(self._value_word(key), Measure.TIME)

    def _text_value(self, key: str) -> Word | Glob | Regex:
        begun = self._at
        match self._text[begun : begun + 1]:
            case '"':
                found = PHRASE.match(self._text, begun)
                if found is None:
                    raise self._error("this quote is not closed")
                self._at = found.end()
                return Word(_ESCAPED.sub(r"\1", found[1]))
            case "/":
                found = REGEX.match(self._text, begun)
                if found is None:
                    raise self._error("a pattern ends with / and a space; to find a text with a /, put it in quotes")
                self._at = found.end()
                try:
                    check(found[1])
                except BadPattern as error:
                    raise self._error(str(error), begun + 1 + error.at) from None
                return Regex(found[1])
        return _loose(self._value_word(key))

    def _value_word(self, key: str) -> str:
        found = VALUE.match(self._text, self._at)
        if found is None:
            raise self._error(f"{key} needs a value here")
        self._at = found.end()
        return found[0]

    def _next(self) -> str:
        # The next character that is no space; nothing at the end.
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1
        return self._text[self._at : self._at + 1]

    def _next_word(self) -> str:
        self._next()
        found = WORD.match(self._text, self._at)
        return found[0] if found is not None else ""

    def _take(self, sign: str) -> bool:
        is_there = self._next() == sign
        self._at += is_there
        return is_there

    def _take_word(self, word: str) -> bool:
        is_there = self._next_word().lower() == word
        self._at += len(word) * is_there
        return is_there

    def _deepen(self) -> None:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise self._error(f"at most {MOST_DEPTH} parentheses and negations stand in one another")

    @contextmanager
    def _telling(self, at: int) -> Iterator[None]:
        # What is wrong with a value is wrong at its first character.
        try:
            yield
        except ValueError as error:
            raise self._error(str(error), at) from None

    def _error(self, message: str, at: int | None = None) -> FilterError:
        return FilterError(self._text, self._at if at is None else at, message)


def _loose(word: str) -> Word | Glob:
    return Glob(word) if "*" in word else Word(word)


def _is_among(value: Word | Glob, known: tuple[str, ...]) -> bool:
    if isinstance(value, Glob):
        return any(map(glob(value.text), known))
    return not value.text or value.text.casefold() in map(str.casefold, known)


def _no_field(key: str) -> str:
    if key.lower() in FLAGS:
        return f"{key} is a word alone: {key}, or -{key}"
    if near := nearest(key.lower(), [*FIELDS, *ALIASES]):
        return f"there is no field {key!r}; did you mean {near!r}?"
    return f"there is no field {key!r}; there are {', '.join(FIELDS)}; to find the text, put it in quotes"
