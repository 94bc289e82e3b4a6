"""What must be equal between a direct session and one through DbMux, and how a difference is shown.

Transcripts come in; the first difference goes out, and a text that shows the steps up to it with both replies.
Packets are compared as they came, so that column definitions, types, flags, character sets and values are all in it.
Apart are only:

- the number of a prepared statement: a handle, which each side gives out as it likes (also in the messages of errors
  1243 and 1421);
- the words, not the number, of errors 1047, 1243, 1421 and 1835, where DbMux says in words of its own that a command, a
  handle or a packet makes no sense: a client that is in order never sees them; of 1210 those on values without types;
- the status flags NO_INDEX, NO_GOOD_INDEX and SLOW_QUERY: they tell the slow log how the server found its rows and how
  long it took, depend on statistics and time, and stay from one statement's reply to the next command's on their
  connection. No client acts on them. All other flags must be equal: a client acts on IN_TRANSACTION, AUTOCOMMIT,
  MORE_RESULTS, CURSOR_EXISTS, LAST_ROW_SENT, OUT_PARAMETERS, READ_ONLY_TRANSACTION, DATABASE_DROPPED and
  METADATA_CHANGED, and NO_BACKSLASH_ESCAPES tells it how to quote;
- on MariaDB the status flag SESSION_STATE_CHANGED of an EOF, which has no room to tell what changed: it is set for what
  DbMux has the server tell (`session_track_state_change`);
- once a prepared statement was executed, a schema that is told once more, though the session is in it already: what was
  prepared in another one runs there, and servers tell of the way back with what happens to be the next OK on that
  connection, MariaDB with the next one that has anything to report;
- what SHOW WARNINGS and its like say right after such an error, of which the server knows nothing; and on MySQL after
  COM_FIELD_LIST and a COM_INIT_DB that failed, which add to the warnings of the statement before: a connection that had
  not run that statement has nothing to add to. They are not even sent then, since GET DIAGNOSTICS sets variables; the
  counts in MySQL's answers to COM_PING and its like are left out;
- whether a transaction has begun or ended, in the answer to COM_STMT_RESET, behind an error without autocommit or in a
  transaction: no error tells;
- on MariaDB, warnings of before a routine or an EXECUTE that tells none: whether they stay depends on what it does;
- FOUND_ROWS() right after statements that are no SELECT but may count for it, as MySQL does for an UPDATE and all do
  for an INSERT … SELECT of no rows, or may leave it as it was, as a CALL without results does; and still after SHOW
  WARNINGS, which does not count for it;
- COM_STATISTICS' figures, and the session's own schema, which has another name of the same length in each run;
- GTIDs in reported session state: both runs write, so the second has later ones;
- MariaDB 11's proof of its certificate in the login's OK, which is about TLS;
- the row in errors about a routine's variables, which MariaDB counts on from what its thread did before;
- values of a step that says `apart`: there only columns, the number of rows and the end are compared.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dbmux.errors import ErrorCode, ProtocolError
from dbmux.wire.buffer import lenenc_bytes
from dbmux.wire.capabilities import Capability
from dbmux.wire.client import ColumnCount, Definition, Row, Text
from dbmux.wire.columns import FieldType, parse_column
from dbmux.wire.replies import Eof, Err, Ok, Status, Track, changes
from dbmux.wire.rows import parse_text_row
from dbmux.wire.statements import ExecuteFlag, Prepared
from tests.differential.client import Message, Reply
from tests.differential.steps import (
    Command,
    Elsewhere,
    Execute,
    FieldList,
    InitDb,
    Parameter,
    Prepare,
    Raw,
    ResetStatement,
    Sql,
    Step,
)

INCIDENTAL = Status.NO_INDEX | Status.NO_GOOD_INDEX | Status.SLOW_QUERY
AUTOCOMMIT = int(Status.AUTOCOMMIT)
IN_TRANSACTION = int(Status.IN_TRANSACTION)
OF_TRANSACTIONS = IN_TRANSACTION | int(Status.READ_ONLY_TRANSACTION)
STATE_CHANGED = int(Status.SESSION_STATE_CHANGED)
OWN_WORDS = {
    code.number
    for code in (
        ErrorCode.UNKNOWN_COMMAND,
        ErrorCode.UNKNOWN_STATEMENT,
        ErrorCode.NO_CURSOR,
        ErrorCode.MALFORMED,
    )
}
STAND_IN = b"zzzzzzzz"
LONGEST_SHOWN = 300
# In which a client may have its results.
_ENCODINGS = ("ascii", "utf-16-be", "utf-16-le", "utf-32-be")

_ABOUT_WARNINGS = re.compile(rb"warning|show\s+errors|error_count|get\s+diagnostics", re.IGNORECASE)
_SHOWS_WARNINGS = re.compile(rb"show\s+(warnings|errors)", re.IGNORECASE)
_RUNS = re.compile(rb"(call|execute)\b", re.IGNORECASE)
_CALLS = re.compile(rb"(call|execute)\b|.*\bmy_next\(", re.IGNORECASE)
_ABOUT_FOUND_ROWS = re.compile(rb"found_rows\(\)", re.IGNORECASE)
_AGGREGATES = re.compile(rb"\b(avg|count|max|min|sum)\(", re.IGNORECASE)
_MAY_COUNT = re.compile(rb"(insert|replace)\b.*select", re.IGNORECASE | re.DOTALL)
_MAY_COUNT_ON_MYSQL = re.compile(rb"update|" + _MAY_COUNT.pattern, re.IGNORECASE | re.DOTALL)
_PREPARES = re.compile(rb"prepare\s+\S+\s+from", re.IGNORECASE)
_WITH_A_TABLE = re.compile(rb"\b(from|into|update|table)\b", re.IGNORECASE)
_ROW_OF_A_VARIABLE = re.compile(rb"(for column ``\.``\.`[^`]*` at row )\d+")
_HANDLE = re.compile(rb"(handler|statement) \(\d+\)")
_NO_TYPES = re.compile(rb"DbMux: values came|Incorrect arguments to mysqld_stmt_execute$")
_TYPE_NAMES = {kind.value: kind.name for kind in FieldType}


@dataclass(frozen=True, slots=True)
class Told:
    """A step, and what the server said, made comparable; so many of the scenario's own steps were `taken` by then."""

    step: Step
    reply: Reply
    taken: int = 0


Transcript = tuple[Told, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peculiar:
    """What is peculiar to a run of a scenario, and therefore not compared."""

    schema: bytes
    capabilities: int
    is_mysql: bool = False

    def without(self, reply: Reply, step: Step) -> Reply:
        """A reply that can be compared with one of another run."""
        return tuple(self._without(message, step) for message in reply)

    def _without(self, message: Message, step: Step) -> Message:
        match message:
            case Row():
                return Row(b"apart" if step.apart else self._named(message.payload))
            case Definition(payload):
                return Definition(self._named(payload))
            case Ok():
                state = self._named(_without_gtids(message.state))
                return replace(message, status=self._flags(message.status), info=self._named(message.info), state=state)
            case Eof():
                flags = self._flags(message.status)
                return replace(message, status=flags if self.is_mysql else flags & ~STATE_CHANGED)
            case Err():
                return replace(message, message=b"apart" if step.apart else self._worded(message))
            case Prepared():
                return replace(message, statement=0)
            case Text(text):
                return Text(re.sub(rb"[0-9.]+", b"#", text))
            case _:
                return message

    def _named(self, text: bytes) -> bytes:
        named = text
        for encoding in _ENCODINGS if self.schema else ():
            spelt, stand_in = (name.decode().encode(encoding) for name in (self.schema, STAND_IN))
            named = named.replace(spelt, stand_in)
        return _ROW_OF_A_VARIABLE.sub(rb"\1#", named) if b" at row " in named else named

    def _flags(self, status: int) -> int:
        counted = status & ~INCIDENTAL
        return counted if self.capabilities & Capability.SESSION_TRACK else counted & ~STATE_CHANGED

    def _worded(self, err: Err) -> bytes:
        if _is_in_own_words(err):
            return b"in words of its own"
        return _HANDLE.sub(rb"\1(#)", self._named(err.message))


class Disputes:
    """What the server and DbMux cannot say the same of, in which session, and for how long."""

    def __init__(self, *, is_mysql: bool, schema: bytes = b"") -> None:
        self._is_mysql = is_mysql
        # As servers report them; without any report, that of the login.
        self._schemas = defaultdict[str, bytes](lambda: lenenc_bytes(schema))
        self._warned: set[str] = set()
        self._warnings: set[str] = set()
        self._found_rows: set[str] = set()
        self._status: dict[str, int] = {}
        self._may_have_changed: set[str] = set()
        self._prepared: dict[str, bytes] = {}
        self._executed: set[str] = set()

    def is_about(self, step: Step) -> bool:
        """Whether a step asks for it."""
        text = step.command.text if isinstance(step.command, Sql) else b""
        return bool(
            (step.session in self._warnings and _ABOUT_WARNINGS.search(text))
            or (step.session in self._found_rows and _ABOUT_FOUND_ROWS.search(text))
        )

    def without(self, step: Step, reply: Reply) -> Reply:
        """The reply to a step without the count of warnings that MySQL puts into answers to commands, without what no
        error tells, and without the schema that is told once more behind an execution."""
        if step.session in self._executed:
            known = self._schemas[step.session]
            reply = tuple(_without_schema(message, known) if isinstance(message, Ok) else message for message in reply)
        if isinstance(step.command, ResetStatement) and step.session in self._may_have_changed:
            return tuple(
                replace(one, status=one.status & ~OF_TRANSACTIONS) if isinstance(one, Ok) else one for one in reply
            )
        if step.session not in self._warnings or not isinstance(step.command, InitDb | Raw):
            return reply
        return tuple(replace(message, warnings=0) if isinstance(message, Ok | Eof) else message for message in reply)

    def follow(self, step: Step, reply: Reply) -> None:
        """A step was taken."""
        if isinstance(step.command, Execute):
            self._executed.add(step.session)
        for ok in (message for message in reply if isinstance(message, Ok)):
            self._schemas[step.session] = dict(changes(ok.state)).get(Track.SCHEMA, self._schemas[step.session])
        text = self._text(step.command)
        errors = [message for message in reply if isinstance(message, Err)]
        is_added = isinstance(step.command, FieldList) or (isinstance(step.command, InitDb) and errors)
        has_own = bool(errors) or any(getattr(message, "warnings", 0) for message in reply)
        is_kept = step.session in self._warned and _CALLS.match(text) and not has_own
        is_own = any(map(_is_in_own_words, errors))
        if is_own or (self._is_mysql and is_added) or is_kept:
            self._warnings.add(step.session)
        elif text and not _ABOUT_WARNINGS.search(text):
            self._follow_warnings(step.session, text, has_own=has_own)
        has_rows = any(isinstance(message, ColumnCount) for message in reply)
        is_as_before = (_RUNS.match(text) and not has_rows) or self._is_of_no_rows(step.command, text, reply)
        if self._may_count(text) or is_as_before:
            self._found_rows.add(step.session)
        elif has_rows and not _SHOWS_WARNINGS.match(text):
            self._found_rows.discard(step.session)
        self._follow_status(step, reply, has_failed=bool(errors))

    def _text(self, command: Command) -> bytes:
        match command:
            case Prepare(name, text):
                self._prepared[name] = text
                return text
            case Execute(name):
                return self._prepared.get(name, b"")
            case Sql(text):
                return text
        return b""

    def _follow_status(self, step: Step, reply: Reply, *, has_failed: bool) -> None:
        if isinstance(step.command, ResetStatement):
            return
        told = [message.status for message in reply if isinstance(message, Ok | Eof)]
        if told:
            self._status[step.session] = told[-1]
            self._may_have_changed.discard(step.session)
        if has_failed and self._status.get(step.session, AUTOCOMMIT) & (AUTOCOMMIT | IN_TRANSACTION) != AUTOCOMMIT:
            self._may_have_changed.add(step.session)

    def _may_count(self, text: bytes) -> bool:
        return bool((_MAY_COUNT_ON_MYSQL if self._is_mysql else _MAY_COUNT).search(text))

    def _is_of_no_rows(self, command: Command, text: bytes, reply: Reply) -> bool:
        if self._is_mysql or not _AGGREGATES.search(text):
            return False
        # Only of texts are the values easily read: 0 or NULL.
        rows = [message.payload for message in reply if isinstance(message, Row)]
        return isinstance(command, Execute) or any(not row.strip(b"\xfb\x010") for row in rows)

    def _follow_warnings(self, session: str, text: bytes, *, has_own: bool) -> None:
        if has_own or self._is_mysql or _WITH_A_TABLE.search(_PREPARES.sub(b"", text)):
            self._warnings.discard(session)
            self._warned.discard(session)
        if has_own and not self._is_mysql:
            self._warned.add(session)


def _is_in_own_words(err: Err) -> bool:
    return err.number in OWN_WORDS or (err.number == ErrorCode.NO_TYPES.number and bool(_NO_TYPES.match(err.message)))


def first_difference(direct: Transcript, through: Transcript) -> int | None:
    """The position of the first step whose replies differ."""
    for position, (one, other) in enumerate(zip(direct, through, strict=True)):
        if one.reply != other.reply:
            return position
    return None


def _without_schema(ok: Ok, known: bytes) -> Ok:
    told = [change for change in changes(ok.state) if change != (Track.SCHEMA, known)]
    state = b"".join(bytes((kind,)) + lenenc_bytes(data) for kind, data in told)
    return replace(ok, state=state, status=ok.status if state else ok.status & ~STATE_CHANGED)


def _without_gtids(state: bytes) -> bytes:
    told = []
    for kind, data in changes(state):
        is_gtid = kind == Track.GTIDS or data.startswith(b"\x09last_gtid")
        told.append(b"%d:%b" % (kind, b"gtid" if is_gtid else data))
    return b"|".join(told)


def show(direct: Transcript, through: Transcript, capabilities: int) -> str:
    """Every step up to the first difference, and there both replies."""
    last = first_difference(direct, through)
    lines = []
    for position, (one, other) in enumerate(zip(direct, through, strict=True)):
        lines.append(f"{position + 1:4} {one.step.session}  {show_command(one.step)}")
        expected = list(show_reply(one.reply, capabilities))
        if position == last:
            got = list(show_reply(other.reply, capabilities))
            compared = difflib.Differ().compare(expected, got)
            lines += [f"         {line}" for line in compared if not line.startswith("?")]
            lines += [f"         {line}" for line in _show_values_apart(one.reply, other.reply, capabilities)]
            if expected == got:
                lines += [f"         - {one.reply!r}"[:2000], f"         + {other.reply!r}"[:2000]]
            break
        lines += [f"           {line}" for line in _shortened(expected)]
    return "\n".join(lines)


def _show_values_apart(one: Reply, other: Reply, capabilities: int) -> Iterator[str]:
    # In a long row the eye does not find what differs.
    names = [parse_column(part.payload, capabilities).name for part in one if isinstance(part, Definition)]
    for left, right in zip(one, other, strict=False):
        if not (isinstance(left, Row) and isinstance(right, Row) and left != right):
            continue
        try:
            values = zip(
                parse_text_row(left.payload, len(names)), parse_text_row(right.payload, len(names)), strict=True
            )
        except ProtocolError:
            continue
        for name, (expected, got) in zip(names, values, strict=True):
            if expected != got:
                yield _cut(f"{name.decode('utf-8', 'replace')} is {expected!r} and {got!r}")


def show_command(step: Step) -> str:
    """A step in one line."""
    match step.command:
        case Sql(text, file, attributes):
            extra = f"  attributes {_show_values(attributes)}" if attributes else ""
            extra += f"  file of {sum(map(len, file))} bytes" if file else ""
            return _cut(text.decode("utf-8", "backslashreplace")) + extra
        case Prepare(name, text):
            return _cut(f"prepare {name}: {text.decode('utf-8', 'backslashreplace')}")
        case Execute(name, values, types, flags):
            known = "" if types else ", types as before"
            opened = f", {ExecuteFlag(flags)!r}" if flags else ""
            return _cut(f"execute {name} {_show_values(values)}{known}{opened}")
        case command:
            return _cut(repr(command))


def _show_values(values: Sequence[Parameter | Elsewhere]) -> str:
    shown = []
    for value in values:
        kind = FieldType(value.type).name
        named = f"{value.name.decode()}=" if isinstance(value, Parameter) and value.name else ""
        unsigned = " unsigned" if isinstance(value, Parameter) and value.is_unsigned else ""
        shown.append(
            f"{named}{value.value!r} {kind}{unsigned}" if isinstance(value, Parameter) else f"long data {kind}"
        )
    return f"({', '.join(shown)})"


def show_reply(reply: Reply, capabilities: int) -> Iterator[str]:
    """A reply, message by message."""
    columns = 0
    for message in reply:
        match message:
            case ColumnCount(columns):
                yield f"{columns} columns"
            case Definition(payload):
                yield _show_column(payload, capabilities)
            case Row(payload):
                yield _cut(f"row {_show_row(payload, columns)}")
            case Ok():
                state = f" state={message.state!r}" if message.state else ""
                yield (
                    f"OK affected={message.affected_rows} id={message.last_insert_id} {_show_status(message.status)} "
                    f"warnings={message.warnings} info={message.info!r}{state} header={message.header:#x}"
                )
            case Eof():
                yield f"EOF {_show_status(message.status)} warnings={message.warnings}"
            case Err():
                text = message.message.decode("utf-8", "backslashreplace")
                yield f"ERROR {message.number} ({message.sqlstate.decode('ascii', 'replace')}): {text}"
            case _:
                yield repr(message)


def _show_status(status: int) -> str:
    return "+".join(flag.name or hex(flag) for flag in Status if status & flag) or "no flags"


def _show_column(payload: bytes, capabilities: int) -> str:
    try:
        column = parse_column(payload, capabilities)
    except ProtocolError:
        return f"definition {payload!r}"
    kind = _TYPE_NAMES.get(column.type, str(column.type))
    names = b".".join((column.schema, column.table, column.original_table, column.original_name))
    extra = f" extended={column.extended!r}" if capabilities & Capability.MARIADB_EXTENDED_METADATA else ""
    extra += f" default={column.default!r}" if column.default else ""
    return (
        f"column {column.name!r} {kind} charset={column.charset} length={column.length} flags={column.flags:#x} "
        f"decimals={column.decimals} of {names!r}{extra}"
    )


def _show_row(payload: bytes, columns: int) -> str:
    try:
        return repr(parse_text_row(payload, columns))
    except ProtocolError:
        return repr(payload)


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST_SHOWN else f"{line[:LONGEST_SHOWN]}… ({len(line)} characters, {hash(line):x})"


def _shortened(lines: Sequence[str]) -> list[str]:
    there = [line for line in lines if not line.startswith("column ") and not line.endswith(" columns")]
    return there if len(there) <= 4 else [*there[:3], f"… {len(there) - 3} more"]
