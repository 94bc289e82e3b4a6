"""What the expressions of a statement do and ask for: functions, variables, locking clauses, tables.

A statement comes in, an Expressions value goes out. Every name before a parenthesis is a part of the grammar, a
function of the table in dbmux.sql.functions, or else a routine that may do anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dbmux.lexer import Token
from dbmux.query import Access, AskLocks, Effect, FoundRows, Kind, Needs, Pin, PinReason, Query, Unpin
from dbmux.sql.functions import ABOUT_THE_SERVER, PLAIN, SYNTAX
from dbmux.sql.names import NAME, read_name, read_string, show, unquote, variable_name
from dbmux.sql.statement import Statement
from dbmux.sql.variables import CHANGE_TRACKING

STRENGTH = (Access.READ, Access.LOCKING_READ, Access.UNSURE, Access.WRITE)

# System variables that belong to the server and not to the session, or whose value no other connection has.
_SERVER_VARIABLES = frozenset(
    (
        *("gtid_binlog_pos", "gtid_current_pos", "gtid_executed", "gtid_purged", "gtid_slave_pos", "hostname"),
        *("innodb_read_only", "last_gtid", "port", "pseudo_thread_id", "read_only", "server_id", "server_uid"),
        *("server_uuid", "super_read_only", "version", "wsrep_ready", "wsrep_local_state"),
    )
)
_VARIABLE_NEEDS = {
    "error_count": Needs.WARNINGS,
    "identity": Needs.LAST_INSERT_ID,
    "last_insert_id": Needs.LAST_INSERT_ID,
    "warning_count": Needs.WARNINGS,
    CHANGE_TRACKING: Needs.TRACKING,
}
# Tables of performance_schema and information_schema that tell the session's variables.
_TABLE_NEEDS = dict.fromkeys(("session_variables", "system_variables", "variables_by_thread"), Needs.TRACKING)
_SCOPES = frozenset(("global", "local", "session"))

# Schemas, and tables of information_schema, that tell of the server or the connection that is asked.
_SERVER_SCHEMAS = frozenset((b"performance_schema", b"sys"))
_SERVER_TABLES = (b"innodb_", b"processlist", b"profiling", b"global_", b"session_", b"client_stat", b"user_stat")

# Behind an operand stands an alias, and with a parenthesis behind that, the names of its columns.
_OPERANDS = frozenset((Token.QUOTED, Token.NUMBER, Token.STRING, Token.PLACEHOLDER, Token.USER_VARIABLE, Token.CLOSE))
_BEFORE_ALIASES = frozenset(("AS", "RECURSIVE", "WITH"))
# FROM in the parentheses of these is no table's.
_WITH_FROM = frozenset(("EXTRACT", "MID", "SUBSTR", "SUBSTRING", "TRIM", "TRIM_ORACLE"))


def strongest(one: Access, other: Access) -> Access:
    """The access of two things together."""
    return max(one, other, key=STRENGTH.index)


def distinct(effects: Iterable[Effect]) -> tuple[Effect, ...]:
    """The effects without those that are there already: how often a thing is done does not matter."""
    kept: list[Effect] = []
    for effect in effects:
        if isinstance(effect, Pin):
            last = next((other for other in reversed(kept) if _is_about(other, effect)), None)
            if last == effect:
                continue
        elif isinstance(effect, AskLocks) and kept[-1:] == [effect]:
            continue
        kept.append(effect)
    return tuple(kept)


def _is_about(effect: Effect, pin: Pin) -> bool:
    if isinstance(effect, AskLocks):
        return pin.reason is PinReason.NAMED_LOCK
    return effect == pin or (isinstance(effect, Unpin) and effect.reason is pin.reason)


@dataclass(slots=True)
class Expressions:
    """What was found so far."""

    access: Access = Access.READ
    effects: list[Effect] = field(default_factory=list)
    needs: Needs = Needs.NOTHING
    moves_insert_id: bool = False
    found_rows: FoundRows = FoundRows.ITS_ROWS
    is_digest_wide: bool = True
    tables: list[str] = field(default_factory=list)

    def at_least(self, access: Access) -> None:
        """Raise the access."""
        self.access = strongest(self.access, access)

    def add(self, other: Expressions) -> None:
        """Add what was found elsewhere in the same statement."""
        self.at_least(other.access)
        self.effects += other.effects
        self.needs |= other.needs
        self.moves_insert_id |= other.moves_insert_id
        self.found_rows = other.found_rows if other.found_rows is not FoundRows.ITS_ROWS else self.found_rows
        self.is_digest_wide &= other.is_digest_wide
        self.tables += [table for table in other.tables if table not in self.tables]

    @classmethod
    def of(cls, query: Query) -> Expressions:
        """What was found in a statement whose meaning is known; `query` gives that back."""
        return cls(
            access=query.access,
            effects=list(query.effects),
            needs=query.needs,
            moves_insert_id=query.moves_insert_id,
            found_rows=query.found_rows,
            is_digest_wide=query.is_digest_wide,
            tables=list(query.tables),
        )

    def query(self, kind: Kind) -> Query:
        """All of it as the meaning of a statement of this kind."""
        return Query(
            kind=kind,
            access=self.access,
            effects=distinct(self.effects),
            needs=self.needs,
            moves_insert_id=self.moves_insert_id,
            found_rows=self.found_rows,
            is_digest_wide=self.is_digest_wide,
            tables=tuple(self.tables),
        )


def read_expressions(statement: Statement, start: int = 0) -> Expressions:
    """Look at all tokens from `start` on."""
    found = Expressions()
    words = statement.words
    kinds = statement.kinds
    for at in range(start, len(words)):
        kind = kinds[at]
        if kind == Token.OPEN:
            if at > start and kinds[at - 1] in NAME:
                _call(statement, at, found)
        elif kind == Token.WORD:
            if words[at] in _WORDS and (at == 0 or words[at - 1] != "."):
                _WORDS[words[at]](statement, at, found)
        elif kind == Token.COMPARE:
            if ":=" in words[at] and statement.kind(at - 1) == Token.USER_VARIABLE:
                found.at_least(Access.UNSURE)
                found.effects.append(_pin_variable(statement, at - 1))
        elif kind == Token.SYSTEM_VARIABLE:
            _system_variable(statement, at, found)
        elif kind == Token.DOT:
            _qualified(statement, at, found)
    return found


def _pin_variable(statement: Statement, at: int) -> Pin:
    return Pin(PinReason.USER_VARIABLE, variable_name(statement.spelling(at)))


def _call(statement: Statement, at: int, found: Expressions) -> None:
    # The name before the parenthesis at `at`.
    words = statement.words
    name = words[at - 1]
    first = at - 1
    while statement.word(first - 1) == "." and statement.kind(first - 2) in NAME:
        first -= 2
    if first == at - 1:
        if name in SYNTAX:
            return
        if statement.kind(first - 1) in _OPERANDS or statement.word(first - 1) in _BEFORE_ALIASES:
            return
        if name in PLAIN:
            return
        if name in _FUNCTIONS:
            _FUNCTIONS[name](statement, at, found)
            return
        if name in ABOUT_THE_SERVER:
            found.at_least(Access.UNSURE)
            return
    after = statement.closings[at] + 1
    if statement.starts(after, "AS", "("):
        # The columns of a WITH's next table.
        return
    if statement.kinds[at - 1] == Token.QUOTED and first == at - 1:
        quoted = unquote(statement.spelling(at - 1)).upper().decode("latin-1")
        if quoted in _FUNCTIONS:
            _FUNCTIONS[quoted](statement, at, found)
    found.at_least(Access.UNSURE)
    found.needs |= Needs.LAST_INSERT_ID
    found.moves_insert_id = True
    found.effects.append(Pin(PinReason.ROUTINE, read_name(statement, first)[0]))


def _get_lock(statement: Statement, at: int, found: Expressions) -> None:
    found.at_least(Access.WRITE)
    is_literal = statement.kind(at + 1) == Token.STRING and statement.word(at + 2) == ","
    found.is_digest_wide &= not is_literal
    name = read_string(statement, at + 1) if is_literal else None
    found.effects.append(Pin(PinReason.NAMED_LOCK, "" if name is None else show(name).lower()))


def _release_lock(statement: Statement, at: int, found: Expressions) -> None:
    found.at_least(Access.WRITE)
    found.effects.append(AskLocks())


def _release_all_locks(statement: Statement, at: int, found: Expressions) -> None:
    found.at_least(Access.WRITE)
    found.effects.append(Unpin(PinReason.NAMED_LOCK))


def _last_insert_id(statement: Statement, at: int, found: Expressions) -> None:
    found.needs |= Needs.LAST_INSERT_ID
    if statement.closings[at] > at + 1:
        found.moves_insert_id = True


def _found_rows(statement: Statement, at: int, found: Expressions) -> None:
    found.needs |= Needs.FOUND_ROWS


def _row_count(statement: Statement, at: int, found: Expressions) -> None:
    found.needs |= Needs.ROW_COUNT


def _sequence_function(statement: Statement, at: int, found: Expressions) -> None:
    _sequence(read_name(statement, at + 1)[0], found)


def _sequence(name: str, found: Expressions) -> None:
    # LASTVAL tells each connection of its own.
    found.at_least(Access.WRITE)
    found.effects.append(Pin(PinReason.SEQUENCE, name))


_FUNCTIONS: dict[str, Callable[[Statement, int, Expressions], None]] = {
    "FOUND_ROWS": _found_rows,
    "GET_LOCK": _get_lock,
    "LASTVAL": _sequence_function,
    "LAST_INSERT_ID": _last_insert_id,
    "NEXTVAL": _sequence_function,
    "RELEASE_ALL_LOCKS": _release_all_locks,
    "RELEASE_LOCK": _release_lock,
    "ROW_COUNT": _row_count,
    "SETVAL": _sequence_function,
}


def _for(statement: Statement, at: int, found: Expressions) -> None:
    if statement.word(at + 1) in ("UPDATE", "SHARE"):
        found.at_least(Access.LOCKING_READ)


def _lock(statement: Statement, at: int, found: Expressions) -> None:
    if statement.starts(at, "LOCK", "IN", "SHARE", "MODE"):
        found.at_least(Access.LOCKING_READ)


def _into(statement: Statement, at: int, found: Expressions) -> None:
    # SELECT ... INTO, at its end or before FROM; that of INSERT is not looked at here.
    at += 1
    if statement.word(at) == "TABLE":
        return
    found.found_rows = FoundRows.STORED
    if statement.word(at) in ("OUTFILE", "DUMPFILE"):
        found.at_least(Access.WRITE)
        return
    found.at_least(Access.UNSURE)
    if statement.kind(at) != Token.USER_VARIABLE:
        found.effects.append(Pin(PinReason.UNKNOWN, "INTO"))
    while statement.kind(at) == Token.USER_VARIABLE:
        found.effects.append(_pin_variable(statement, at))
        at += 2 if statement.word(at + 1) == "," else 1


def _value_for(statement: Statement, at: int, found: Expressions) -> None:
    # NEXT VALUE FOR and PREVIOUS VALUE FOR a sequence.
    if statement.starts(at + 1, "VALUE", "FOR"):
        _sequence(read_name(statement, at + 3)[0], found)


def _found_rows_wanted(statement: Statement, at: int, found: Expressions) -> None:
    found.effects.append(Pin(PinReason.FOUND_ROWS))


def _table(statement: Statement, at: int, found: Expressions) -> None:
    # FROM, JOIN, UPDATE and TABLE are followed by tables, in parentheses or not, with commas between them.
    if statement.words[at] == "FROM" and is_in_function(statement, at):
        return
    if statement.words[at] == "UPDATE" and statement.word(at - 1) in ("FOR", "KEY", "ON"):
        return
    at += 1
    while True:
        while statement.word(at) in ("(", "LATERAL", "LOW_PRIORITY", "IGNORE", "ONLY"):
            at += 1
        name, after = read_name(statement, at)
        if not name or statement.word(after) == "(" or statement.word(at) in _NO_TABLES:
            return
        if name not in found.tables:
            found.tables.append(name)
            found.needs |= _TABLE_NEEDS.get(name.lower().rpartition(".")[2], Needs.NOTHING)
        at = _behind_alias(statement, after)
        if statement.word(at) != ",":
            return
        at += 1


def read_tables(statement: Statement, at: int, found: Expressions) -> None:
    """The tables behind the word at `at`, which begins a list of them in this statement alone."""
    _table(statement, at, found)


# Words that stand behind FROM, JOIN, UPDATE or TABLE and are no table: a query, or another use of the word.
_NO_TABLES = frozenset(("DUAL", "SELECT", "SET", "TABLE", "VALUES", "WITH", "ROW"))


def _behind_alias(statement: Statement, at: int) -> int:
    if statement.word(at) == "PARTITION" and statement.word(at + 1) == "(":
        at = statement.closings[at + 1] + 1
    if statement.word(at) == "AS":
        return at + 2
    is_alias = statement.kind(at) in NAME and statement.word(at + 1) == ","
    return at + 1 if is_alias else at


def is_in_function(statement: Statement, at: int) -> bool:
    """Whether the FROM at `at` is no clause: TRIM(x FROM y) and its like; IS DISTINCT FROM."""
    if statement.word(at - 1) == "DISTINCT" and statement.word(at - 2) in ("IS", "NOT"):
        return True
    opened = [start for start, end in statement.closings.items() if start < at < end]
    innermost = max(opened, default=0)
    return statement.word(innermost - 1) in _WITH_FROM and statement.word(innermost) == "("


_WORDS: dict[str, Callable[[Statement, int, Expressions], None]] = {
    "FOR": _for,
    "FROM": _table,
    "INTO": _into,
    "JOIN": _table,
    "LOCK": _lock,
    "NEXT": _value_for,
    "PREVIOUS": _value_for,
    "SQL_CALC_FOUND_ROWS": _found_rows_wanted,
    "STRAIGHT_JOIN": _table,
    "TABLE": _table,
    "UPDATE": _table,
}


def _system_variable(statement: Statement, at: int, found: Expressions) -> None:
    name = unquote(statement.spelling(at)[2:]).lower().decode("latin-1")
    if name in _SCOPES and statement.word(at + 1) == ".":
        if name == "global":
            found.at_least(Access.UNSURE)
        name = read_name(statement, at + 2)[0].lower()
    if name in _SERVER_VARIABLES:
        found.at_least(Access.UNSURE)
    found.needs |= _VARIABLE_NEEDS.get(name, Needs.NOTHING)


def _qualified(statement: Statement, at: int, found: Expressions) -> None:
    # schema.table, and sequence.NEXTVAL of sql_mode ORACLE.
    if statement.word(at + 1) in ("NEXTVAL", "CURRVAL"):
        _sequence(show(unquote(statement.spelling(at - 1))) if at else "", found)
    if statement.kind(at - 1) not in NAME or statement.kind(at + 1) not in NAME:
        return
    schema = unquote(statement.spelling(at - 1)).lower()
    table = unquote(statement.spelling(at + 1)).lower()
    if schema in _SERVER_SCHEMAS or (schema == b"information_schema" and table.startswith(_SERVER_TABLES)):
        found.at_least(Access.UNSURE)
