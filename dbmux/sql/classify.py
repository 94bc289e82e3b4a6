"""What a text of SQL means: the query, by its first words and what is known of the rest.

The bytes of a statement come in, with the flags of the sql_mode that the lexer knows; a Query goes out. Total: any
bytes have a meaning. What is not surely understood may do anything: it pins and is not read-only. Nothing is parsed
that need not be; a text that the server will refuse may get any meaning that is true of nothing being done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dbmux.lexer import Token, digest, tokens
from dbmux.query import (
    Access,
    ChangeSchema,
    Effect,
    Kind,
    Needs,
    Pin,
    PinReason,
    Query,
    RenameTable,
    Unpin,
)
from dbmux.sql.expressions import distinct, read_expressions, strongest
from dbmux.sql.names import NAME, read_name, read_names, unquote, variable_name
from dbmux.sql.settings import read_set
from dbmux.sql.statement import Statement, read

_NOTHING = Query(kind=Kind.OTHER, access=Access.READ)


# From this length on, a text is read through its digest, which has one row of a thousand; and of no longer digest is
# anything said, so that no statement keeps the others waiting.
_LONG, _LONGEST = 2_000, 200_000


def classify(sql: bytes, start: int, flags: int) -> Query:
    """The meaning of sql[start:]."""
    if len(sql) - start > _LONG:
        folded = digest(sql, start, flags)
        if len(folded) > _LONGEST:
            return _unknown("very long statement")
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
        return _unknown("ambiguous comment or byte")
    if not statements:
        return _NOTHING
    first = statements[0]
    if _is_compound(first):
        return _routine(Kind.CALL, "compound statement")
    if len(statements) == 1:
        return _classify(first)
    return _several(statements)


def _unknown(what: str, kind: Kind = Kind.OTHER) -> Query:
    return Query(
        kind=kind,
        access=Access.UNSURE,
        effects=(Pin(PinReason.UNKNOWN, what),),
        needs=Needs.LAST_INSERT_ID,
        moves_insert_id=True,
    )


def _routine(kind: Kind, what: str) -> Query:
    return Query(
        kind=kind,
        access=Access.UNSURE,
        effects=(Pin(PinReason.ROUTINE, what),),
        needs=Needs.LAST_INSERT_ID,
        moves_insert_id=True,
    )


def _classify(statement: Statement) -> Query:
    verb = statement.words[0]
    reader = _VERBS.get(verb)
    if reader is None:
        return _unknown(verb)
    return reader(statement)


# --- several statements


def _several(statements: Sequence[Statement]) -> Query:
    if _is_program(statements[0]):
        return _ddl(statements[0]) if _is_one_program(statements) else _unknown("CREATE")
    queries: list[Query] = []
    for statement in statements:
        if _is_compound(statement) or _is_program(statement):
            # Where it ends is not known.
            return _unknown(statement.words[0], Kind.MULTI)
        queries.append(_classify(statement))
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
        is_digest_wide=all(query.is_digest_wide for query in queries),
        tables=tuple(tables),
    )


_PROGRAMS = frozenset(("EVENT", "FUNCTION", "PACKAGE", "PROCEDURE", "TRIGGER"))


def _is_program(statement: Statement) -> bool:
    return statement.words[0] in ("CREATE", "ALTER") and _object(statement)[0] in _PROGRAMS


def _is_one_program(statements: Sequence[Statement]) -> bool:
    # Whether the block that the program begins ends with the text: BEGIN and CASE open, END closes.
    depth = 0
    closed_at: list[tuple[int, int]] = []
    for number, statement in enumerate(statements):
        for at, word in enumerate(statement.words):
            if word in ("BEGIN", "CASE") and statement.word(at - 1) != "END":
                depth += 1
            elif word == "END" and statement.word(at + 1) not in ("IF", "LOOP", "WHILE", "REPEAT", "FOR"):
                depth -= 1
                if depth <= 0:
                    closed_at.append((number, at))
    last = statements[-1]
    return bool(closed_at) and closed_at[0][0] == len(statements) - 1 and closed_at[0][1] >= len(last) - 2


_COMPOUND = frozenset(("CASE", "DECLARE", "FOR", "IF", "LOOP", "REPEAT", "WHILE"))


def _is_compound(statement: Statement) -> bool:
    # What MariaDB runs outside of stored programs too; in sql_mode ORACLE any BEGIN is one.
    if statement.words[0] == "BEGIN":
        return len(statement) > 1 and statement.words != ("BEGIN", "WORK")
    return statement.words[0] in _COMPOUND or (statement.word(1) == ":" and statement.kind(0) in NAME)


# --- data


def _select(statement: Statement) -> Query:
    return read_expressions(statement).query(Kind.SELECT)


def _with(statement: Statement) -> Query:
    # The verb behind the tables of WITH decides.
    at = 1
    while at < len(statement) and statement.words[at] not in _AFTER_WITH:
        at = statement.closings[at] if statement.words[at] == "(" else at
        at += 1
    kind, access = _AFTER_WITH.get(statement.word(at), (Kind.OTHER, Access.UNSURE))
    found = read_expressions(statement)
    found.at_least(access)
    if kind is Kind.OTHER:
        found.effects.append(Pin(PinReason.UNKNOWN, "WITH"))
    return found.query(kind)


_AFTER_WITH = {
    "SELECT": (Kind.SELECT, Access.READ),
    "TABLE": (Kind.SELECT, Access.READ),
    "VALUES": (Kind.SELECT, Access.READ),
    "UPDATE": (Kind.UPDATE, Access.WRITE),
    "DELETE": (Kind.DELETE, Access.WRITE),
}


def _parenthesis(statement: Statement) -> Query:
    at = 0
    while statement.word(at) == "(":
        at += 1
    if statement.word(at) not in ("SELECT", "TABLE", "VALUES", "WITH"):
        return _unknown("(")
    return read_expressions(statement).query(Kind.SELECT)


def _insert(statement: Statement) -> Query:
    at = 1
    while statement.word(at) in ("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE"):
        at += 1
    if statement.word(at) == "INTO":
        at += 1
    table, at = read_name(statement, at)
    if statement.word(at) == "PARTITION" and statement.word(at + 1) == "(":
        at = statement.closings[at + 1] + 1
    if statement.word(at) == "(" and statement.word(at + 1) not in ("SELECT", "TABLE", "VALUES", "WITH", "("):
        at = statement.closings[at] + 1
    if statement.word(at) == "VALUE":
        at += 1
    found = read_expressions(statement, min(at, len(statement)))
    found.at_least(Access.WRITE)
    found.moves_insert_id = True
    if table:
        found.tables = [table, *(other for other in found.tables if other != table)]
    return found.query(Kind.INSERT if statement.words[0] == "INSERT" else Kind.REPLACE)


def _update(statement: Statement) -> Query:
    found = read_expressions(statement)
    found.at_least(Access.WRITE)
    return found.query(Kind.UPDATE)


def _delete(statement: Statement) -> Query:
    found = read_expressions(statement)
    found.at_least(Access.WRITE)
    return found.query(Kind.DELETE)


def _truncate(statement: Statement) -> Query:
    name, _ = read_name(statement, 2 if statement.word(1) == "TABLE" else 1)
    return Query(kind=Kind.DDL, access=Access.WRITE, tables=(name,) if name else ())


def _load(statement: Statement) -> Query:
    # LOAD DATA and LOAD XML; their variables stand in the list of columns and behind SET.
    if statement.word(1) == "INDEX":
        return _admin(statement)
    settings = [
        at for at, word in enumerate(statement.words) if word == "SET" and statement.word(at - 1) != "CHARACTER"
    ]
    found = read_expressions(statement, settings[-1] if settings else len(statement))
    found.at_least(Access.WRITE)
    found.moves_insert_id = True
    found.effects += (
        Pin(PinReason.USER_VARIABLE, variable_name(statement.spelling(at)))
        for at, kind in enumerate(statement.kinds)
        if kind == Token.USER_VARIABLE
    )
    at = statement.outside(0, "TABLE")
    name, _ = read_name(statement, at + 1)
    found.tables = [name, *found.tables] if name else found.tables
    return found.query(Kind.LOAD)


def _call(statement: Statement) -> Query:
    name, at = read_name(statement, 1)
    found = read_expressions(statement, at + 1)
    found.at_least(Access.UNSURE)
    found.effects.append(Pin(PinReason.ROUTINE, name))
    found.needs |= Needs.LAST_INSERT_ID
    found.moves_insert_id = True
    return found.query(Kind.CALL)


def _do(statement: Statement) -> Query:
    return read_expressions(statement, 1).query(Kind.OTHER)


# --- looking


# What SHOW tells alike on every server of a group, and on every connection.
_SHOWN_ANYWHERE = frozenset(
    (
        *("CHARACTER", "CHARSET", "COLLATION", "COLUMNS", "CREATE", "DATABASES", "ENGINES", "EVENTS", "FIELDS"),
        *("FUNCTION", "GRANTS", "INDEX", "INDEXES", "KEYS", "PACKAGE", "PRIVILEGES", "PROCEDURE", "SCHEMAS", "STORAGE"),
        *("TABLE", "TABLES", "TRIGGERS"),
    )
)


def _show(statement: Statement) -> Query:
    if statement.word(1) in ("WARNINGS", "ERRORS") or statement.starts(1, "COUNT", "("):
        return Query(kind=Kind.DIAGNOSTICS, access=Access.READ, needs=Needs.WARNINGS)
    at = 1
    while statement.word(at) in ("EXTENDED", "FULL"):
        at += 1
    found = read_expressions(statement, at + 1)
    found.tables.clear()
    if statement.word(at) not in _SHOWN_ANYWHERE:
        found.at_least(Access.UNSURE)
    return found.query(Kind.SHOW)


_EXPLAINED = frozenset(("(", "DELETE", "INSERT", "REPLACE", "SELECT", "TABLE", "UPDATE", "VALUES", "WITH"))


def _explain(statement: Statement) -> Query:
    at = 1
    runs = statement.words[0] == "ANALYZE"
    stored: list[Effect] = []
    while at < len(statement):
        if statement.words[at] in ("EXTENDED", "PARTITIONS"):
            at += 1
        elif statement.words[at] == "ANALYZE":
            runs = True
            at += 1
        elif statement.words[at] == "FORMAT" and statement.word(at + 1) == "=":
            at += 3
        elif statement.words[at] == "INTO" and statement.kind(at + 1) == Token.USER_VARIABLE:
            stored.append(Pin(PinReason.USER_VARIABLE, variable_name(statement.spelling(at + 1))))
            at += 2
        else:
            break
    if statement.word(at) == "FOR" and statement.word(at + 1) in ("SCHEMA", "DATABASE"):
        at += 3
    elif statement.word(at) == "FOR":
        return Query(kind=Kind.EXPLAIN, access=Access.UNSURE)
    if statement.word(at) not in _EXPLAINED:
        name, _ = read_name(statement, at)
        return Query(kind=Kind.EXPLAIN, access=Access.READ, tables=(name,) if name else ())
    inner = _classify(statement.part(at, len(statement)))
    # Without ANALYZE, constant expressions are run all the same.
    access = inner.access if runs or inner.access is Access.READ else Access.UNSURE
    return Query(
        kind=Kind.EXPLAIN,
        access=strongest(access, Access.UNSURE) if stored else access,
        effects=(*stored, *inner.effects),
        needs=inner.needs,
        moves_insert_id=inner.moves_insert_id and (runs or inner.kind is Kind.SELECT),
        is_digest_wide=inner.is_digest_wide,
        tables=inner.tables,
    )


def _analyze(statement: Statement) -> Query:
    # ANALYZE TABLE, or MariaDB's ANALYZE of a statement.
    if statement.word(1) in _EXPLAINED - {"TABLE"} or statement.word(1) == "FORMAT":
        return _explain(statement)
    return _admin(statement)


def _help(statement: Statement) -> Query:
    return _NOTHING


def _get_diagnostics(statement: Statement) -> Query:
    return Query(
        kind=Kind.DIAGNOSTICS,
        access=Access.UNSURE,
        effects=tuple(
            Pin(PinReason.USER_VARIABLE, variable_name(statement.spelling(at)))
            for at, kind in enumerate(statement.kinds)
            if kind == Token.USER_VARIABLE and statement.word(at + 1) == "="
        ),
        needs=Needs.WARNINGS,
    )


# --- transactions


_BEGINS = (Unpin(PinReason.LOCK_TABLES), Unpin(PinReason.SAVEPOINT))


def _begin(statement: Statement) -> Query:
    return Query(kind=Kind.BEGIN, access=Access.UNSURE, effects=_BEGINS)


def _start(statement: Statement) -> Query:
    if statement.word(1) != "TRANSACTION":
        return _admin(statement)
    is_read = any(statement.starts(at, "READ", "ONLY") for at in range(2, len(statement)))
    return Query(kind=Kind.BEGIN, access=Access.READ if is_read else Access.UNSURE, effects=_BEGINS)


_ENDINGS = frozenset(("AND", "CHAIN", "NO", "RELEASE", "WORK"))


def _commit(statement: Statement) -> Query:
    if not _ENDINGS.issuperset(statement.words[1:]):
        return _unknown("COMMIT")
    return Query(kind=Kind.COMMIT, access=Access.UNSURE, effects=(Unpin(PinReason.SAVEPOINT),))


def _rollback(statement: Statement) -> Query:
    if statement.word(1) == "TO" or statement.starts(1, "WORK", "TO"):
        return Query(kind=Kind.SAVEPOINT, access=Access.UNSURE)
    if not _ENDINGS.issuperset(statement.words[1:]):
        return _unknown("ROLLBACK")
    return Query(kind=Kind.ROLLBACK, access=Access.UNSURE, effects=(Unpin(PinReason.SAVEPOINT),))


def _savepoint(statement: Statement) -> Query:
    return Query(kind=Kind.SAVEPOINT, access=Access.UNSURE, effects=(Pin(PinReason.SAVEPOINT),))


def _release(statement: Statement) -> Query:
    # Others may be left.
    return Query(kind=Kind.SAVEPOINT, access=Access.UNSURE)


_XA: dict[str, tuple[Effect, ...]] = {
    "BEGIN": (Pin(PinReason.XA),),
    "START": (Pin(PinReason.XA),),
    "COMMIT": (Unpin(PinReason.XA),),
    "ROLLBACK": (Unpin(PinReason.XA),),
    "END": (),
    "PREPARE": (),
    "RECOVER": (),
}


def _xa(statement: Statement) -> Query:
    if statement.word(1) not in _XA:
        return _unknown("XA")
    return Query(kind=Kind.XA, access=Access.UNSURE, effects=_XA[statement.word(1)])


# --- the session


def _set(statement: Statement) -> Query:
    return read_set(statement, _classify_part)


def _classify_part(statement: Statement) -> Query:
    return _classify(statement) if len(statement) else _NOTHING


def _use(statement: Statement) -> Query:
    if len(statement) != 2 or statement.kind(1) not in NAME:
        return _unknown("USE")
    return Query(kind=Kind.USE, access=Access.READ, effects=(ChangeSchema(unquote(statement.spelling(1))),))


_READ_LOCK, _INSTANCE, _STAGE, _BACKUP_LOCK = "READ LOCK", "INSTANCE", "BACKUP STAGE", "BACKUP LOCK"


def _lock(statement: Statement) -> Query:
    effect: Effect
    if statement.word(1) in ("TABLE", "TABLES"):
        effect = Pin(PinReason.LOCK_TABLES)
    elif statement.word(1) == "INSTANCE":
        effect = Pin(PinReason.GLOBAL_LOCK, _INSTANCE)
    else:
        return _unknown("LOCK")
    return Query(kind=Kind.LOCK, access=Access.WRITE, effects=(effect,))


def _unlock(statement: Statement) -> Query:
    effects: tuple[Effect, ...]
    if statement.word(1) in ("TABLE", "TABLES"):
        effects = (Unpin(PinReason.LOCK_TABLES), Unpin(PinReason.GLOBAL_LOCK, _READ_LOCK))
    elif statement.word(1) == "INSTANCE":
        effects = (Unpin(PinReason.GLOBAL_LOCK, _INSTANCE),)
    else:
        return _unknown("UNLOCK")
    return Query(kind=Kind.LOCK, access=Access.UNSURE, effects=effects)


def _flush(statement: Statement) -> Query:
    # Of named tables it is like LOCK TABLES, also in what ends it.
    words = statement.words
    is_lock = any(statement.starts(at, "WITH", "READ", "LOCK") for at in range(len(words)))
    if not is_lock and not statement.starts(len(words) - 2, "FOR", "EXPORT"):
        return _admin(statement)
    at = 2 if words[1] not in ("LOCAL", "NO_WRITE_TO_BINLOG") else 3
    effect = Pin(PinReason.GLOBAL_LOCK, _READ_LOCK) if statement.word(at) == "WITH" else Pin(PinReason.LOCK_TABLES)
    return Query(kind=Kind.LOCK, access=Access.WRITE, effects=(effect,))


def _backup(statement: Statement) -> Query:
    effect: Effect
    if statement.word(1) == "STAGE":
        ends = statement.word(2) == "END"
        effect = Unpin(PinReason.GLOBAL_LOCK, _STAGE) if ends else Pin(PinReason.GLOBAL_LOCK, _STAGE)
    elif statement.word(1) == "LOCK":
        effect = Pin(PinReason.GLOBAL_LOCK, _BACKUP_LOCK)
    elif statement.word(1) == "UNLOCK":
        effect = Unpin(PinReason.GLOBAL_LOCK, _BACKUP_LOCK)
    else:
        return _unknown("BACKUP")
    return Query(kind=Kind.LOCK, access=Access.WRITE, effects=(effect,))


def _handler(statement: Statement) -> Query:
    table, at = read_name(statement, 1)
    name = table.rpartition(".")[2]
    effects: tuple[Effect, ...] = ()
    if statement.word(at) == "OPEN":
        alias, _ = read_name(statement, at + 2 if statement.word(at + 1) == "AS" else at + 1)
        effects = (Pin(PinReason.HANDLER, alias or name),)
    elif statement.word(at) == "CLOSE":
        effects = (Unpin(PinReason.HANDLER, name),)
    return Query(kind=Kind.HANDLER, access=Access.UNSURE, effects=effects, tables=(table,) if table else ())


def _prepare(statement: Statement) -> Query:
    name, _ = read_name(statement, 1)
    return Query(kind=Kind.PREPARED, access=Access.UNSURE, effects=(Pin(PinReason.SQL_PREPARED, name.lower()),))


def _deallocate(statement: Statement) -> Query:
    name, _ = read_name(statement, 2)
    return Query(kind=Kind.PREPARED, access=Access.UNSURE, effects=(Unpin(PinReason.SQL_PREPARED, name.lower()),))


def _execute(statement: Statement) -> Query:
    return _routine(Kind.PREPARED, "EXECUTE")


def _kill(statement: Statement) -> Query:
    return Query(kind=Kind.KILL, access=Access.UNSURE)


# --- definitions


_OBJECTS = _PROGRAMS | {
    *("DATABASE", "INDEX", "INSTANCE", "LOGFILE", "RESOURCE", "ROLE", "SCHEMA", "SEQUENCE", "SERVER", "SPATIAL"),
    *("TABLE", "TABLES", "TABLESPACE", "UNDO", "USER", "VIEW"),
}


def _object(statement: Statement) -> tuple[str, int]:
    # What kind of thing a definition is of, and where its name may begin.
    at = 1
    while at < len(statement) and statement.words[at] not in _OBJECTS:
        # The account behind DEFINER = may have any name.
        at += 3 if statement.words[at] == "DEFINER" else 1
    return statement.word(at), at + 1


def _behind(statement: Statement, at: int, *words: str) -> int:
    while statement.word(at) in words:
        at += 1
    return at


def _ddl(statement: Statement) -> Query:
    return Query(kind=Kind.DDL, access=Access.WRITE)


def _create(statement: Statement) -> Query:
    what, at = _object(statement)
    if what not in ("TABLE", "SEQUENCE"):
        return _ddl(statement)
    name, at = read_name(statement, _behind(statement, at, "IF", "NOT", "EXISTS"))
    # Only the query that fills a table is run.
    source = next((n for n in range(at, len(statement)) if statement.words[n] in ("SELECT", "ROW")), len(statement))
    found = read_expressions(statement, source)
    found.at_least(Access.WRITE)
    found.moves_insert_id |= source < len(statement)
    if "TEMPORARY" in statement.words[1:5]:
        found.effects.append(Pin(PinReason.TEMPORARY_TABLE, name))
    found.tables = [name, *(other for other in found.tables if other != name)]
    return found.query(Kind.DDL)


def _drop(statement: Statement) -> Query:
    if statement.word(1) == "PREPARE":
        return _deallocate(statement)
    what, at = _object(statement)
    if what not in ("TABLE", "TABLES", "SEQUENCE"):
        return _ddl(statement)
    names = read_names(statement, _behind(statement, at, "IF", "EXISTS"))
    return Query(
        kind=Kind.DDL,
        access=Access.WRITE,
        effects=tuple(Unpin(PinReason.TEMPORARY_TABLE, name) for name in names),
        tables=tuple(names),
    )


def _alter(statement: Statement) -> Query:
    what, at = _object(statement)
    if what not in ("TABLE", "SEQUENCE"):
        return _ddl(statement)
    old, at = read_name(statement, _behind(statement, at, "IF", "EXISTS"))
    effects: list[Effect] = []
    while at < len(statement):
        if statement.words[at] == "RENAME" and statement.word(at + 1) not in ("COLUMN", "INDEX", "KEY"):
            new, _ = read_name(statement, _behind(statement, at + 1, "TO", "AS", "="))
            effects.append(RenameTable(old, new))
        at = statement.outside(at, ",") + 1
    return Query(kind=Kind.DDL, access=Access.WRITE, effects=tuple(effects), tables=(old,))


def _rename(statement: Statement) -> Query:
    if statement.word(1) not in ("TABLE", "TABLES"):
        return _ddl(statement)
    effects: list[Effect] = []
    at = 1
    while at < len(statement):
        old, at = read_name(statement, _behind(statement, at + 1, "IF", "EXISTS"))
        at = statement.outside(at, "TO")
        new, at = read_name(statement, at + 1)
        effects.append(RenameTable(old, new))
        at = statement.outside(at, ",")
    tables = tuple(effect.old for effect in effects if isinstance(effect, RenameTable))
    return Query(kind=Kind.DDL, access=Access.WRITE, effects=tuple(effects), tables=tables)


def _admin(statement: Statement) -> Query:
    return Query(kind=Kind.ADMIN, access=Access.WRITE)


def _binlog(statement: Statement) -> Query:
    return _unknown("BINLOG", Kind.ADMIN)


def _signal(statement: Statement) -> Query:
    return Query(kind=Kind.OTHER, access=Access.UNSURE)


_VERBS: dict[str, Callable[[Statement], Query]] = {
    "(": _parenthesis,
    "ALTER": _alter,
    "ANALYZE": _analyze,
    "BACKUP": _backup,
    "BEGIN": _begin,
    "BINLOG": _binlog,
    "CACHE": _admin,
    "CALL": _call,
    "CHANGE": _admin,
    "CHECK": _admin,
    "CHECKSUM": _admin,
    "CLONE": _admin,
    "COMMIT": _commit,
    "CREATE": _create,
    "DEALLOCATE": _deallocate,
    "DELETE": _delete,
    "DESC": _explain,
    "DESCRIBE": _explain,
    "DO": _do,
    "DROP": _drop,
    "EXECUTE": _execute,
    "EXPLAIN": _explain,
    "FLUSH": _flush,
    "GET": _get_diagnostics,
    "GRANT": _admin,
    "HANDLER": _handler,
    "HELP": _help,
    "IMPORT": _admin,
    "INSERT": _insert,
    "INSTALL": _admin,
    "KILL": _kill,
    "LOAD": _load,
    "LOCK": _lock,
    "OPTIMIZE": _admin,
    "PREPARE": _prepare,
    "PURGE": _admin,
    "RELEASE": _release,
    "RENAME": _rename,
    "REPAIR": _admin,
    "REPLACE": _insert,
    "RESET": _admin,
    "RESIGNAL": _signal,
    "RESTART": _admin,
    "REVOKE": _admin,
    "ROLLBACK": _rollback,
    "SAVEPOINT": _savepoint,
    "SELECT": _select,
    "SET": _set,
    "SHOW": _show,
    "SHUTDOWN": _admin,
    "SIGNAL": _signal,
    "START": _start,
    "STOP": _admin,
    "TABLE": _select,
    "TRUNCATE": _truncate,
    "UNINSTALL": _admin,
    "UNLOCK": _unlock,
    "UPDATE": _update,
    "USE": _use,
    "VALUES": _select,
    "WITH": _with,
    "XA": _xa,
}
