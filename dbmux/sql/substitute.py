"""Puts what a session knows in the place of what a connection would say: ROW_COUNT(), FOUND_ROWS() and the like.

A statement and the values come in, the statement to send instead goes out. The function stays in the text, inside of
GREATEST, so that the column keeps its type; whoever sends it sees to it that the connection's own value is the smaller
one. Where the connection has no schema DATABASE() tells the session's: inside of IFNULL, as wide as ever. An item of
the select list that had no name gets its own text as its name, as the server would call it.
"""

from __future__ import annotations

from collections.abc import Mapping

from dbmux.lexer import Token, tokens

# The names as they are called: functions without arguments, and system variables.
FUNCTIONS = frozenset((b"ROW_COUNT", b"FOUND_ROWS"))
VARIABLES = frozenset((b"@@WARNING_COUNT", b"@@ERROR_COUNT"))
_SCOPES = frozenset((b"@@SESSION", b"@@LOCAL"))

_NAMED = frozenset((Token.WORD, Token.QUOTED, Token.STRING))


def substitute(statement: bytes, start: int, flags: int, values: Mapping[bytes, int], schema: bytes = b"") -> bytes:
    """The statement from `start` on with the value for each function that has one; `schema` is of ASCII, unquoted."""
    changes: list[tuple[int, int, bytes]] = []
    for found in _statements([(kind, begin, end) for kind, begin, end in tokens(statement, start, flags)]):
        there = _replacements(statement, found, values) + _schemas(statement, found, schema)
        changes += there + _names(statement, found, [begin for begin, _, _ in there])
        # What stands behind it asks for what this one has done; but only a SELECT finds rows.
        is_select = statement[found[0][1] : found[0][2]].upper() == b"SELECT"
        values = {name: value for name, value in values.items() if name == b"FOUND_ROWS" and not is_select}
    told, at = [], start
    for begin, end, text in sorted(changes):
        told += [statement[at:begin], text]
        at = end
    told.append(statement[at:])
    return b"".join(told)


def _statements(found: list[tuple[int, int, int]]) -> list[list[tuple[int, int, int]]]:
    parts: list[list[tuple[int, int, int]]] = [[]]
    for token in found:
        if token[0] == Token.SEMICOLON:
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]


def _replacements(
    statement: bytes, found: list[tuple[int, int, int]], values: Mapping[bytes, int]
) -> list[tuple[int, int, bytes]]:
    told = []
    for at, (kind, begin, end) in enumerate(found):
        word = statement[begin:end].upper()
        if kind == Token.WORD and word in FUNCTIONS and word in values:
            ahead = [one for one, _, _ in found[at + 1 : at + 3]]
            if ahead == [Token.OPEN, Token.CLOSE]:
                end = found[at + 2][2]
                told.append((begin, end, b"GREATEST(%b,%d)" % (statement[begin:end], values[word])))
        elif kind == Token.SYSTEM_VARIABLE and word in _SCOPES and len(found) > at + 2:
            name, end = b"@@" + statement[found[at + 2][1] : found[at + 2][2]].strip(b"`").upper(), found[at + 2][2]
            if found[at + 1][0] == Token.DOT and name in VARIABLES and name in values:
                text = b"GREATEST(%b,CAST(%d AS UNSIGNED))" % (statement[begin:end], values[name])
                told.append((begin, end, text))
        elif kind == Token.SYSTEM_VARIABLE and word in VARIABLES and word in values:
            told.append((begin, end, b"GREATEST(%b,CAST(%d AS UNSIGNED))" % (statement[begin:end], values[word])))
    return told


def _schemas(statement: bytes, found: list[tuple[int, int, int]], schema: bytes) -> list[tuple[int, int, bytes]]:
    told = []
    for at, (kind, begin, end) in enumerate(found):
        is_asked = kind == Token.WORD and statement[begin:end].upper() in (b"DATABASE", b"SCHEMA")
        if schema and is_asked and [one for one, _, _ in found[at + 1 : at + 3]] == [Token.OPEN, Token.CLOSE]:
            end = found[at + 2][2]
            told.append((begin, end, b"IFNULL(%b,CAST('%b' AS CHAR(64)))" % (statement[begin:end], schema)))
    return told


def _names(statement: bytes, found: list[tuple[int, int, int]], changed: list[int]) -> list[tuple[int, int, bytes]]:
    # Only the list of a SELECT that stands first: no other names columns.
    if statement[found[0][1] : found[0][2]].upper() != b"SELECT":
        return []
    told = []
    for item in _items(statement, found[1:]):
        begin, end = item[0][1], item[-1][2]
        if any(begin <= place < end for place in changed) and not _has_name(statement, item):
            name = statement[begin:end].replace(b"`", b"``")
            told.append((end, end, b" AS `%b`" % name))
    return told


def _items(statement: bytes, found: list[tuple[int, int, int]]) -> list[list[tuple[int, int, int]]]:
    items: list[list[tuple[int, int, int]]] = [[]]
    depth = 0
    for token in found:
        kind, begin, end = token
        if depth == 0 and statement[begin:end].upper() in _LIST_ENDS:
            break
        if kind == Token.COMMA and depth == 0:
            items.append([])
            continue
        depth += (kind == Token.OPEN) - (kind == Token.CLOSE)
        items[-1].append(token)
    return [item for item in items if item]


_LIST_ENDS = frozenset((b"FROM", b"INTO", b"WHERE", b"LIMIT", b"UNION", b"ORDER", b"GROUP", b"HAVING", b"FOR"))


def _has_name(statement: bytes, item: list[tuple[int, int, int]]) -> bool:
    # `expression AS name`, or a name right behind what ends an expression.
    if len(item) < 2 or item[-1][0] not in _NAMED:
        return False
    before = item[-2][0]
    word = statement[item[-2][1] : item[-2][2]].upper()
    return word == b"AS" or before in (Token.CLOSE, Token.NUMBER, Token.SYSTEM_VARIABLE, Token.USER_VARIABLE)
