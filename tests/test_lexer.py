"""The lexer cuts a text as the servers do, and a digest hides the values of literals and nothing else."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dbmux import lexer
from dbmux.lexer import ANSI_QUOTES, NO_BACKSLASH_ESCAPES, Token, digest, tokens, uncommented

W, Q, N, S, P = Token.WORD, Token.QUOTED, Token.NUMBER, Token.STRING, Token.PLACEHOLDER
USER, SYSTEM, HINT, MAYBE = Token.USER_VARIABLE, Token.SYSTEM_VARIABLE, Token.HINT, Token.MAYBE
RUN, END, BROKEN, OP = Token.RUN, Token.RUN_END, Token.BROKEN, Token.OPERATOR


def _interpreted() -> ModuleType:
    path = Path(lexer.__file__).parent / "lexer.py"
    spec = importlib.util.spec_from_file_location("interpreted_lexer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


INTERPRETED = _interpreted()


def _all(kind: Token, spellings: str) -> list[tuple[Token, str]]:
    return [(kind, spelling) for spelling in spellings.split()]


def _cut(text: bytes, flags: int = 0) -> list[tuple[Token, str]]:
    return [(Token(kind), text[start:end].decode("latin-1")) for kind, start, end in tokens(text, 0, flags)]


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param(b"a_1$ \xc3\xa9t\xc3\xa9", [(W, "a_1$"), (W, "Ã©tÃ©")], id="words"),
        pytest.param(b"`a b` `c``d`", [(Q, "`a b`"), (Q, "`c``d`")], id="quoted names"),
        pytest.param(b"1 1.5 1. .5 1e5 1E-5 1.e3 .5e+1", _all(N, "1 1.5 1. .5 1e5 1E-5 1.e3 .5e+1")),
        pytest.param(b"1a 0x1Ft 0X1F 0b12 0x 1e", _all(W, "1a 0x1Ft 0X1F 0b12 0x 1e"), id="no numbers"),
        pytest.param(b"0x1F 0b01 x'1F' B'01' N'a' n'b'", _all(S, "0x1F 0b01 x'1F' B'01' N'a' n'b'")),
        pytest.param(b"0x'1F' x '1F'", [(W, "0x"), (S, "'1F'"), (W, "x"), (S, "'1F'")], id="not hexadecimal"),
        pytest.param(b"1e5a", [(N, "1e5"), (W, "a")], id="a float and its alias"),
        pytest.param(b"1e+a", [(W, "1e"), (OP, "+"), (W, "a")], id="no exponent"),
        pytest.param(
            b"t.1col t.1e5", [(W, "t"), (Token.DOT, "."), (W, "1col"), (W, "t"), (Token.DOT, "."), (W, "1e5")]
        ),
        pytest.param(b"`t`.1 t .1", [(Q, "`t`"), (N, ".1"), (W, "t"), (N, ".1")], id="a number behind a name"),
        pytest.param(b"t.x'1'", [(W, "t"), (Token.DOT, "."), (W, "x"), (S, "'1'")], id="a column x and its alias"),
        pytest.param(rb"'a''b' 'a\'b' 'a' 'b'", [(S, "'a''b'"), (S, r"'a\'b'"), (S, "'a'"), (S, "'b'")], id="strings"),
        pytest.param(b"_utf8mb4'x'", [(W, "_utf8mb4"), (S, "'x'")], id="introducer"),
        pytest.param(rb"\N \n", [(S, r"\N"), (BROKEN, "\\"), (W, "n")], id="null"),
        pytest.param(b"@a.b @'c d' @`e` @\"f\" @", [(USER, u) for u in ("@a.b", "@'c d'", "@`e`", '@"f"', "@")]),
        pytest.param(b"@@a @@global.x", [(SYSTEM, "@@a"), (SYSTEM, "@@global"), (Token.DOT, "."), (W, "x")]),
        pytest.param(b"'a'@'%' a@b-c", [(S, "'a'"), (USER, "@'%'"), (W, "a"), (USER, "@b"), (OP, "-"), (W, "c")]),
        pytest.param(
            b"a:=?!=-1", [(W, "a"), (Token.COMPARE, ":="), (P, "?"), (Token.COMPARE, "!="), (OP, "-"), (N, "1")]
        ),
        pytest.param(b"a -- b\nc # d\r\ne /* ' */ f --", [(W, "a"), (W, "c"), (W, "e"), (W, "f")], id="comments"),
        pytest.param(b"a--1 a--\tb", [(W, "a"), (OP, "-"), (OP, "-"), (N, "1"), (W, "a")], id="minus minus"),
        pytest.param(b"/*/ a */ b", [(W, "b")], id="the smallest opening"),
        pytest.param(b"/*!40101 SET x */ y", [(RUN, "/*!40101"), (W, "SET"), (W, "x"), (END, "*/"), (W, "y")]),
        pytest.param(b"/*!a /* b */ c*/", [(RUN, "/*!"), (W, "a"), (W, "c"), (END, "*/")], id="a comment in code"),
        pytest.param(b"/*!5 */", [(RUN, "/*!"), (N, "5"), (END, "*/")], id="too short for a version"),
        pytest.param(b"a*/*b*/c*/", [(W, "a"), (OP, "*"), (W, "c"), (OP, "*"), (OP, "/")], id="no end of a comment"),
        pytest.param(b"/*!50700 ' */ /*!080000 a */", [(MAYBE, "/*!50700 ' */"), (MAYBE, "/*!080000 a */")]),
        pytest.param(b"/*M! a */ /*M a */", [(MAYBE, "/*M! a */")], id="for MariaDB only"),
        pytest.param(b"/*!99999 /* a */ b */ c", [(MAYBE, "/*!99999 /* a */ b */"), (W, "c")], id="nested once"),
        pytest.param(b"select /*+ BKA(t) */ 1", [(W, "select"), (HINT, "/*+ BKA(t) */"), (N, "1")], id="hint"),
        pytest.param(
            b"1.e(2) 1.e+x",
            [(BROKEN, "1.e"), (Token.OPEN, "("), (N, "2"), (Token.CLOSE, ")"), (BROKEN, "1.e+"), (W, "x")],
        ),
        pytest.param(b"a\x00 --\xa0b", [(W, "a"), (BROKEN, "\x00"), (BROKEN, "--\xa0"), (W, "b")], id="odd bytes"),
        pytest.param(b"# a\x00b", [(BROKEN, "\x00"), (W, "b")], id="zero ends a comment"),
        pytest.param(b"'a", [(S, "'a")], id="string not closed"),
        pytest.param(b"`a", [(Q, "`a")], id="name not closed"),
        pytest.param(b"a /* b", [(W, "a")], id="comment not closed"),
        pytest.param(b"a /*!99999 b", [(W, "a"), (MAYBE, "/*!99999 b")], id="doubtful comment not closed"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_a_text_is_cut_into_tokens(text: bytes, expected: list[tuple[Token, str]]) -> None:
    assert _cut(text) == expected


@pytest.mark.parametrize(
    "flags, text, expected",
    [
        (0, b'"a"', [(S, '"a"')]),
        (ANSI_QUOTES, b'"a""b" @"c" \'d\'', [(Q, '"a""b"'), (USER, '@"c"'), (S, "'d'")]),
        (ANSI_QUOTES, rb'"a\" b', [(Q, r'"a\"'), (W, "b")]),
        (0, rb"'a\' b'", [(S, r"'a\' b'")]),
        (NO_BACKSLASH_ESCAPES, rb"'a\' b", [(S, r"'a\'"), (W, "b")]),
    ],
)
def test_the_sql_mode_decides_what_quotes_are(flags: int, text: bytes, expected: list[tuple[Token, str]]) -> None:
    assert _cut(text, flags) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("SELECT c FROM t WHERE id=5", "SELECT c FROM t WHERE id = ?"),
        ("select  a,b\n from t -- the end", "select a, b from t"),
        ("/* who */ SELECT 1 /* why */;", "SELECT ?;"),
        ("a = 'x' and b = 0x1F and c = N'y'", "a = ? and b = ? and c = ?"),
        ("a = -5 and b = f(-5, +1.5) and c -1", "a = ? and b = f(?, ?) and c - ?"),
        ("a between -1 and 2", "a between - ? and ?"),
        ("a--1", "a - - ?"),
        ("a=-b", "a =-b"),
        ("a IN (1)", "a IN (?+)"),
        ("a in (1, -2, null, 'x')", "a in (?+)"),
        ("a in (1, b, 2, 3)", "a in (?+, b, ?+)"),
        ("(a, b) in ((1, 2), (3, 4))", "(a, b) in ((?, ?))"),
        ("a in (select 1, 2)", "a in (select ?, ?)"),
        ("a in (select b from t where c in (1, 2))", "a in (select b from t where c in (?+))"),
        ("t.in (1, 2)", "t.in (?, ?)"),
        ("f(1, 2), decimal(10, 2)", "f(?, ?), decimal(?, ?)"),
        ("insert t values (1, null), (2, 'x'),(3, 4)", "insert t values (?, ?)"),
        ("insert t values (1, 2), (3), (4), (5, 6)", "insert t values (?, ?), (?), (?, ?)"),
        ("insert t values (1, now()), (2, now()), (3, 4)", "insert t values (?, now()), (?, ?)"),
        ("replace t values (1,_binary 'x'),(2,'y')", "replace t values (?, ?)"),
        ("values (1) on duplicate key update a=values(a)", "values (?) on duplicate key update a = values(a)"),
        ("values row(1, 2), row(3, 4)", "values row(?, ?)"),
        (
            "select a from t group by 1, 2 order by b, 3 desc limit 4, 5",
            "select a from t group by 1, 2 order by b, 3 desc limit ?, ?",
        ),
        ("order by f(1, 2), 3 + 4 union select 5, 6", "order by f(?, ?), 3 + ? union select ?, ?"),
        ("rank() over (order by 1), 2", "rank() over (order by 1), ?"),
        ("a = NULL or b is null", "a = NULL or b is null"),
        ("a = ? and b in (?, ?)", "a = ?? and b in (??+)"),
        ("count(*) count (*)", "count(*) count (*)"),
        ("select*from t", "select * from t"),
        ("`a b`.`c` = @x + @@session.y", "`a b`.`c` = @x + @@session.y"),
        ("'app'@'%' identified by 'secret'", "? @'%' identified by ?"),
        ("/*!40101 SET NAMES utf8 */;", "/*!40101 SET NAMES utf8 */;"),
        ("select /*+ MAX_EXECUTION_TIME(5) */ 5", "select /*+ MAX_EXECUTION_TIME(5) */ ?"),
        ("/*!50708 a=5 */ 5", "/*!50708 a=5 */ ?"),
        ("_utf8mb4'x' collate utf8mb4_bin", "_utf8mb4 ? collate utf8mb4_bin"),
        ("a->>'$.b'", "a ->> ?"),
        ("'not closed", "?"),
        ("", ""),
    ],
)
def test_a_digest_has_marks_for_literals(text: str, expected: str) -> None:
    assert digest(text.encode(), 0, 0) == expected.encode()


@pytest.mark.parametrize(
    "one, other",
    [
        ("select a -1", "select a '1'"),
        ("a = ?", "a = 5"),
        ("0x1Ft", "0x1F"),
        ("count(*)", "count (*)"),
        ("N'x'", "N 'x'"),
        ("t.1", "t .1"),
        ("/*!40101 a */", "/* a */"),
        ("/*!40101 a */", "a"),
        ("/*M! a */", "/* a */"),
        ("f(1)", "f(1, 2)"),
        ("f()", "f(1)"),
        ("values (1, 2), (3)", "values (1), (2, 3)"),
        ("order by 1", "order by 2"),
        ("a is null", "a is 5"),
        ("`A`", "`a`"),
        ("a", "`a`"),
        ("@a", "@b"),
        ("'a' 'b'", "'a'"),
        ("a in (1 + 2)", "a in (1)"),
        ("a in (1,,2)", "a in (1)"),
        ("values (1) (2)", "values (1)"),
    ],
)
def test_texts_of_another_meaning_have_another_digest(one: str, other: str) -> None:
    assert digest(one.encode(), 0, 0) != digest(other.encode(), 0, 0)


def test_a_text_is_read_from_where_it_starts() -> None:
    assert digest(b"\x03SELECT 5", 1, 0) == b"SELECT ?"
    assert tokens(b"\x03a", 1, 0) == [(Token.WORD, 1, 2)]
    assert digest(b"a", 7, 0) == b""


# What the lexer looks at, so that random texts go deep.
PIECES = [
    *b"' \" ` \\ /* */ /*! /*!40101 /*!50700 /*!080000 /*M! /*+ -- - + # @ @@ . , ( ) ; ? = := < ! * / | & %".split(),
    *b"\\N N' x' b' 0x 0b1 0x1F 0 1 12 1e 1e5 1.e .5 e E+ a t. IN BY limit values VALUES ROW( null NULL 'a' $".split(),
    *(b"_utf8mb4", b"_binary 'x'", b" ", b"\n", b"-- ", b"IN (", b"VALUES (1", b", null", b"(null", b"= -5", b"), ("),
    *(b" select ", b",1", b"\x00", b"\x01", b"\xa0", b"\xc3\xa9"),
]
texts = st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join) | st.binary(max_size=40)
flag_sets = st.integers(0, ANSI_QUOTES | NO_BACKSLASH_ESCAPES)


@pytest.mark.skipif(not lexer.COMPILED, reason="there is one lexer only")
@settings(max_examples=1000)
@given(texts, st.integers(0, 5), flag_sets)
def test_the_compiled_and_the_interpreted_lexer_agree_on_any_bytes(text: bytes, start: int, flags: int) -> None:
    assert digest(text, start, flags) == INTERPRETED.digest(text, start, flags)
    assert tokens(text, start, flags) == INTERPRETED.tokens(text, start, flags)


@given(st.lists(st.tuples(texts, flag_sets), max_size=5))
def test_what_one_text_leaves_in_a_digester_is_not_found_in_the_next(asked: list[tuple[bytes, int]]) -> None:
    for form in (lexer, INTERPRETED):
        digester = form.Digester()
        assert [digester.digest(text, 0, flags) for text, flags in asked] == [
            digest(text, 0, flags) for text, flags in asked
        ]


def test_a_digester_has_room_for_a_long_text_and_for_a_short_one_behind_it() -> None:
    digester = lexer.Digester()
    long = b"SELECT " + b", ".join(b"a%d" % number for number in range(10_000))

    assert digester.digest(long + b" LIMIT 5", 0, 0) == long + b" LIMIT ?"
    assert digester.digest(b"SELECT  5", 0, 0) == b"SELECT ?"


def test_the_room_for_a_long_text_is_given_back() -> None:
    digester = INTERPRETED.Digester()
    digester.digest(b"a," * 100_000, 0, 0)

    assert len(digester._buffer) == len(digester._writer.out) == 0


@settings(max_examples=500)
@given(texts, flag_sets)
def test_tokens_stand_in_order_and_only_comments_and_white_space_between_them(text: bytes, flags: int) -> None:
    found = tokens(text, 0, flags)

    edges = [0, *itertools.chain.from_iterable((start, end) for _, start, end in found), len(text)]
    assert edges == sorted(edges)
    for before, behind in zip(edges[::2], edges[1::2], strict=True):
        assert tokens(text[before:behind], 0, flags) == []


@settings(max_examples=1000)
@given(texts, flag_sets)
@example(b"a--/**/b", 0)
@example(b"--\xa0a", 0)
@example(b"a IN ('x'+)", 0)
def test_a_digest_with_literals_for_its_marks_is_the_same_digest_and_the_same_statement(
    text: bytes, flags: int
) -> None:
    found = digest(text, 0, flags)
    filled = _filled(found, flags)

    assert digest(filled, 0, flags) == found
    assert _shape(filled, flags) == _shape(text, flags)


def _filled(found: bytes, flags: int) -> bytes:
    """A text that has this digest: a placeholder for `??`, a string for `?`; `?+` is a list of one."""
    filled, at = b"", 0
    for kind, start, end in tokens(found, 0, flags):
        if kind == Token.PLACEHOLDER and start >= at:
            is_placeholder = found[end : end + 1] == b"?"
            filled += found[at:start] + (b"?" if is_placeholder else b"'x'")
            at = end + is_placeholder
            at += found[at : at + 1] == b"+"
    return filled + found[at:]


Item = tuple[int, bytes]


def _shape(text: bytes, flags: int) -> list[Item]:
    """What a text says without its literals, found from the tokens alone: literals are alike, lists of them are one."""
    items: list[Item] = []
    end = 0
    for kind, start, stop in tokens(text, 0, flags):
        spelling = text[start:stop]
        if kind in (N, S):
            kind, spelling = S, b"a number" if kind == N else b""
        elif kind == P:
            spelling = b""
        elif kind == Token.OPEN and items and items[-1][0] == W and start > end:
            spelling = b" ("
        items.append((kind, spelling))
        end = stop
    items = _without_signs(items)
    for at in reversed(range(len(items))):
        if items[at][0] == W and (at == 0 or items[at - 1][0] != Token.DOT):
            if items[at][1].upper() == b"IN" and items[at + 1 : at + 2] and items[at + 1][0] == Token.OPEN:
                items[at + 2 :] = _folded_elements(items[at + 2 :])
            elif items[at][1].upper() in (b"VALUES", b"VALUE"):
                items[at + 1 :] = _folded_rows(items[at + 1 :])
    return items


def _without_signs(items: list[Item]) -> list[Item]:
    """Signs before numbers, character sets before strings and NULL as the element of a list are parts of literals."""
    found: list[Item] = []
    for at, (kind, spelling) in enumerate(items):
        before = found[-1][0] if found else None
        behind = items[at + 1] if at + 1 < len(items) else (None, b"")
        in_list = before in (Token.OPEN, Token.COMMA)
        if (
            spelling in (b"-", b"+")
            and behind == (S, b"a number")
            and (in_list or before == Token.COMPARE)
            and kind == OP
        ):
            continue
        if in_list and kind == W and spelling[:1] == b"_" and behind == (S, b""):
            continue
        if in_list and kind == W and spelling.upper() == b"NULL" and behind[0] in (Token.COMMA, Token.CLOSE):
            kind, spelling = S, b""
        found.append((kind, spelling))
    return [(kind, b"" if kind == S else spelling) for kind, spelling in found]


def _folded_elements(items: list[Item]) -> list[Item]:
    elements: list[list[Item]] = [[]]
    depth = at = 0
    while at < len(items) and (depth or items[at][0] != Token.CLOSE):
        depth += (items[at][0] == Token.OPEN) - (items[at][0] == Token.CLOSE)
        if items[at][0] == Token.COMMA and not depth:
            elements.append([])
        else:
            elements[-1].append(items[at])
        at += 1
    kept = elements[:1]
    for element in elements[1:]:
        if element != kept[-1] or element[:1] not in ([(S, b"")], [(P, b"")], [(Token.OPEN, b"(")]):
            kept.append(element)
    folded: list[Item] = kept[0]
    for element in kept[1:]:
        folded = [*folded, (Token.COMMA, b","), *element]
    return folded + items[at:]


def _folded_rows(items: list[Item]) -> list[Item]:
    kept: list[Item] = []
    last: list[Item] = []
    at = 0
    while True:
        begin = at
        at += bool(kept) and items[at : at + 1] == [(Token.COMMA, b",")]
        row = at
        at += at < len(items) and items[at][0] == W and items[at][1].upper() == b"ROW"
        if at >= len(items) or items[at][0] != Token.OPEN or (kept and row == begin):
            return kept + items[begin:]
        depth = 1
        at += 1
        while depth and at < len(items):
            depth += (items[at][0] == Token.OPEN) - (items[at][0] == Token.CLOSE)
            at += 1
        if depth:
            return kept + items[begin:]
        if items[row:at] != last:
            kept += items[begin:at]
        last = items[row:at]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("SELECT a FROM t", "SELECT a FROM t"),
        ("  SELECT  a\nFROM t ;\n", "SELECT  a\nFROM t ;"),
        ("/* who */ SELECT a FROM t", "SELECT a FROM t"),
        ("-- who\n# where\nSELECT a FROM t", "SELECT a FROM t"),
        ("SELECT /* who */ a FROM t", "SELECT a FROM t"),
        ("SELECT/**/a FROM t", "SELECT a FROM t"),
        ("SELECT -- who\n a FROM t", "SELECT a FROM t"),
        ("SELECT a FROM t /* who */ -- where", "SELECT a FROM t"),
        ("SELECT a FROM t # who", "SELECT a FROM t"),
        # Columns are named after the text of their expressions.
        ("SELECT a /* who */ + 1 FROM t", "SELECT a /* who */ + 1 FROM t"),
        ("SELECT a FROM /* who */ t", "SELECT a FROM /* who */ t"),
        # No comments, or such as servers may run.
        ("SELECT '/* who */'", "SELECT '/* who */'"),
        ("SELECT 1--1", "SELECT 1--1"),
        ("SELECT /*! STRAIGHT_JOIN */ a", "SELECT /*! STRAIGHT_JOIN */ a"),
        ("SELECT /*M! STRAIGHT_JOIN */ a", "SELECT /*M! STRAIGHT_JOIN */ a"),
        ("SELECT /*+ NO_INDEX_MERGE(t) */ a", "SELECT /*+ NO_INDEX_MERGE(t) */ a"),
        ("SELECT a FROM t /*!80000 LIMIT 1 */", "SELECT a FROM t /*!80000 LIMIT 1 */"),
        # Of these a server complains.
        ("SELECT a FROM t /* who", "SELECT a FROM t /* who"),
        ("SELECT a FROM t /*/", "SELECT a FROM t /*/"),
        ("SELECT a FROM t /* who */ /*/", "SELECT a FROM t /* who */ /*/"),
        ("SELECT /* who", "SELECT /* who"),
        ("SELECT a FROM t */", "SELECT a FROM t */"),
        ("", ""),
        ("/* who */", "/* who */"),
    ],
)
def test_comments_for_people_are_left_out_at_the_edges(text: str, expected: str) -> None:
    assert uncommented(text.encode(), 0, 0) == expected.encode()


def test_comments_are_left_out_from_where_a_text_starts() -> None:
    assert uncommented(b"\x03/* who */ SELECT 1 -- where", 1, 0) == b"SELECT 1"


@settings(max_examples=1000)
@given(texts, flag_sets)
@example(b"SELECT#\n1", 0)
@example(b"-- \n-- a", 0)
@example(b"----", 0)
def test_without_comments_a_text_has_the_same_tokens_and_there_is_nothing_more_to_leave_out(
    text: bytes, flags: int
) -> None:
    found = uncommented(text, 0, flags)

    assert _spelled(found, flags) == _spelled(text, flags)
    assert uncommented(found, 0, flags) == found
    assert len(found) <= len(text)


def _spelled(text: bytes, flags: int) -> list[Item]:
    return [(kind, text[start:stop]) for kind, start, stop in tokens(text, 0, flags)]


@settings(max_examples=300)
@given(texts, flag_sets)
def test_a_text_without_comments_stays_as_it_is_but_for_the_space_around_it(text: bytes, flags: int) -> None:
    if b"/*" in text or b"#" in text or b"--" in text:
        return

    found = uncommented(text, 0, flags)

    assert found in text
    assert found.strip() == text.strip() or not _spelled(text, flags)


@settings(max_examples=300)
@given(*[st.lists(st.sampled_from([b"/* a */", b"/**/", b"-- a\n", b"#\n", b" "]), max_size=3).map(b"".join)] * 3)
def test_whatever_comments_stand_at_the_edges_the_rest_is_as_it_was(
    before: bytes, between: bytes, behind: bytes
) -> None:
    text = before + b"SELECT" + between + b" a FROM t WHERE b = '/* c */' " + behind

    assert uncommented(text, 0, 0) in (
        b"SELECT a FROM t WHERE b = '/* c */'",
        # White space alone is not looked at.
        b"SELECT" + between + b" a FROM t WHERE b = '/* c */'",
    )
