"""What a text of SQL means: the query, by its first words and what is known of the rest.

The bytes of a statement come in, with the flags of the sql_mode that the lexer knows; a Query goes out. Total: any
bytes have a meaning. What is not surely understood may do anything: it pins and is not read-only. Nothing is parsed
that need not be; a text that the server will refuse may get any meaning that is true of nothing being done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from dbmux.lexer import Token, digest, tokens
from dbmux.query import Access, Effect, FoundRows, Kind, Needs, Pin, PinReason, Query, SetVariable
from dbmux.sql import connection, data, definitions, transactions
from dbmux.sql.expressions import distinct, read_expressions, strongest
from dbmux.sql.footprint import read_footprint, together
from dbmux.sql.meanings import ADMIN, DEFINITION, NOTHING, maintenance, routine, unknown
from dbmux.sql.settings import read_set
from dbmux.sql.statement import Statement, read

# From this length on, a text is read through its digest, which has one row of a thousand; and of no longer digest is
# anything said, so that no statement keeps the others waiting.
_LONG, _LONGEST = 2_000, 200_000


def classify(sql: bytes, start: int, flags: int) -> Query:
    """The meaning of sql[start:]."""
    if len(sql) - start > _LONG:
        folded = digest(sql, start, flags)
        if len(folded) > _LONGEST:
            return unknown("very long statement")
        query = _classify_text(_with_literals(folded, flags), 0, flags)
        if query.is_digest_wide:
            return query
    return _classify_text(sql, start, flags)


def _with_literals(folded: bytes, flags: int) -> bytes:
    # A text that has this digest: an empty string for `?` and `?+`, a placeholder for `??`.
    pieces: list[bytes] = []
    at = 0
    for kind, begin, end in tokens(folded, 0, flags):
        if kind == Token.PLACEHOLDER and begin >= at:
            pieces += (folded[at:begin], b"''")
            at = end
            if folded[at : at + 1] == b"?":
                pieces[-1] = b"?"
                at += 1
            at += folded[at : at + 1] == b"+"
    return b"".join((*pieces, folded[at:]))


def _classify_text(text: bytes, start: int, flags: int) -> Query:
    statements = read(text, start, flags)
    if statements is None:
        return unknown("ambiguous comment or byte")
    if not statements:
        return NOTHING
    first = statements[0]
    if definitions.is_compound(first):
        return routine(Kind.CALL, "compound statement")
    if len(statements) == 1:
        query = _classify(first)
        return replace(query, footprint=read_footprint(first, query))
    return _several(statements)


def _classify(statement: Statement) -> Query:
    if not statement.words:
        return NOTHING
    reader = _READERS.get(statement.words[0])
    return unknown(statement.words[0]) if reader is None else reader(statement)


def _several(statements: Sequence[Statement]) -> Query:
    if definitions.is_program(statements[0]):
        return DEFINITION if definitions.is_one_program(statements) else unknown("CREATE")
    queries: list[Query] = []
    is_mode_known = True
    for statement in statements:
        if definitions.is_compound(statement) or definitions.is_program(statement):
            # Where it ends is not known.
            return unknown(statement.words[0], Kind.MULTI)
        if not is_mode_known and _depends_on_mode(statement):
            return replace(unknown("sql_mode", Kind.MULTI), is_digest_wide=False)
        query = _classify(statement)
        queries.append(replace(query, footprint=read_footprint(statement, query)))
        is_mode_known &= not any(_changes_mode(effect) for effect in queries[-1].effects)
    return _together(queries, is_mode_known)


def _together(queries: Sequence[Query], is_mode_known: bool) -> Query:
    effects: list[Effect] = []
    access = Access.READ
    needs = Needs.NOTHING
    answered = Needs.NOTHING
    tables: list[str] = []
    for query in queries:
        effects += query.effects
        access = strongest(access, query.access)
        needs |= query.needs & ~answered
        tables += [table for table in query.tables if table not in tables]
        if query.kind is not Kind.DIAGNOSTICS:
            answered |= Needs.ROW_COUNT | Needs.WARNINGS
        if query.kind is Kind.SELECT:
            answered |= Needs.FOUND_ROWS
    return Query(
        kind=Kind.MULTI,
        access=access,
        effects=distinct(effects),
        needs=needs,
        moves_insert_id=any(query.moves_insert_id for query in queries),
        found_rows=_found_rows(queries),
        is_digest_wide=is_mode_known and all(query.is_digest_wide for query in queries),
        tables=tuple(tables),
        footprint=together([query.footprint for query in queries]),
    )


def _found_rows(queries: Sequence[Query]) -> FoundRows:
    told = {query.found_rows for query in queries}
    return told.pop() if len(told) == 1 else FoundRows.ASKED


def _depends_on_mode(statement: Statement) -> bool:
    # What stands behind SET sql_mode in the same text is read in the new mode, which the flags don't know of.
    rest = statement.text[statement.spans[0][0] :]
    return b'"' in rest or b"\\" in rest


def _changes_mode(effect: Effect) -> bool:
    match effect:
        case SetVariable("sql_mode") | Pin(PinReason.SYSTEM_VARIABLE, "sql_mode"):
            return True
        case _:
            return False


def _admin(statement: Statement) -> Query:
    return ADMIN


def _analyze(statement: Statement) -> Query:
    return data.read_analyze(statement, _classify)


def _binlog(statement: Statement) -> Query:
    # The events in it set variables of their own.
    return unknown("BINLOG", Kind.ADMIN)


def _explain(statement: Statement) -> Query:
    return data.read_explain(statement, _classify)


def _prepare(statement: Statement) -> Query:
    return connection.read_prepare(statement, _classify)


def _purge(statement: Statement) -> Query:
    # BEFORE is followed by an expression.
    found = read_expressions(statement, 1)
    found.at_least(Access.WRITE)
    return found.query(Kind.ADMIN)


def _set(statement: Statement) -> Query:
    return read_set(statement, _classify)


def _signal(statement: Statement) -> Query:
    return Query(kind=Kind.OTHER, access=Access.UNSURE)


def _resignal(statement: Statement) -> Query:
    # Outside of routines it fails, and its error comes behind what the statement before left.
    return Query(kind=Kind.DIAGNOSTICS, access=Access.UNSURE, needs=Needs.WARNINGS)


_READERS: dict[str, Callable[[Statement], Query]] = {
    **connection.READERS,
    **data.READERS,
    **definitions.READERS,
    **transactions.READERS,
    "ANALYZE": _analyze,
    "BINLOG": _binlog,
    "CACHE": _admin,
    "CHANGE": _admin,
    "CHECK": maintenance,
    "CHECKSUM": maintenance,
    "CLONE": _admin,
    "DESC": _explain,
    "DESCRIBE": _explain,
    "EXPLAIN": _explain,
    "GRANT": _admin,
    "IMPORT": _admin,
    "INSTALL": _admin,
    "OPTIMIZE": maintenance,
    "PREPARE": _prepare,
    "PURGE": _purge,
    "REPAIR": maintenance,
    "RESET": _admin,
    "RESIGNAL": _resignal,
    "RESTART": _admin,
    "REVOKE": _admin,
    "SET": _set,
    "SHUTDOWN": _admin,
    "SIGNAL": _signal,
    "STOP": _admin,
    "UNINSTALL": _admin,
}
