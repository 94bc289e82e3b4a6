"""Rows as text that other tools take: SQL, a command line, Python, JSON, CSV, Markdown.

Rows come in, one text goes out, or `NotBound`, which says why there is none: a statement of which a part is missing is
never made into something that can be run. A password is never in it. SQL is hostile: it must not do more where it is
pasted than where it came from, so nothing invisible is in what a shell gets, and the client obeys no commands in it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count, groupby
from typing import Protocol

from dbmux.events import KEPT, QueryFinished
from dbmux.feed.arguments import arguments_of
from dbmux.feed.tables import Told, as_csv, as_json, as_markdown
from dbmux.sql.bind import BINARY, DATES, DECIMAL, DECIMALS, Argument, NotBound, bind, literal, places
from dbmux.wire.rows import Moment, Span
from dbmux.wire.statements import Indicator

_EXECUTIONS = ("execute", "bulk execute")
# What a packet has before the text.
_BEFORE_TEXT = 5
# A comment that nothing closes: no server runs what is before it.
_CUT = f"\n/* of a statement {KEPT} bytes are kept: the rest is missing"


class Form(StrEnum):
    """As what rows are copied."""

    SQL = "sql"
    BOUND = "bound"
    """SQL with the arguments of prepared statements in it."""
    MYSQL = "mysql"
    PYTHON = "python"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a copied statement is to run; a `host` that begins with a slash is a Unix socket."""

    host: str
    port: int


class Copied(Told, Protocol):
    """What is looked at of a row: a `dbmux.feed.row.Row` has it."""

    @property
    def command(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def schema(self) -> str: ...
    @property
    def event(self) -> QueryFinished | None: ...


def copied(form: Form, rows: Sequence[Copied], target: Target) -> str:
    """The rows as text; raises NotBound."""
    match form:
        case Form.SQL:
            return _joined([row.sql + _CUT if _is_cut(row) else row.sql for row in rows])
        case Form.BOUND:
            return _joined([sql for row in rows for sql in bound(row)])
        case Form.MYSQL:
            return "\n".join(_command(row, sql, target) for row in rows for sql in bound(row))
        case Form.PYTHON:
            return _python(rows, target)
        case Form.JSON:
            return as_json(rows)
        case Form.CSV:
            return as_csv(rows)
        case Form.MARKDOWN:
            return as_markdown(rows)


def bound(row: Copied) -> list[str]:
    """The statement with its arguments in it: one, but for bulk executions. Raises NotBound."""
    ran = _executions(row)
    return [row.sql if given is None else bind(text, given).decode("utf-8", "replace") for text, given in ran]


def _executions(row: Copied) -> Iterator[tuple[bytes, tuple[Argument, ...] | None]]:
    # Each time that it ran: its text, and its arguments if it was prepared.
    if not row.sql:
        raise NotBound(f"a command such as {row.command!r} has no statement; copy the row as JSON")
    if _is_cut(row):
        raise NotBound(f"of a statement {KEPT} bytes are kept, and this one is longer; copy it as SQL, and complete it")
    if row.command not in _EXECUTIONS:
        yield row.sql.encode("utf-8", "replace"), None
    elif row.event is None:
        raise NotBound("only the process of the engine has the arguments; have it copy the statement")
    else:
        for arguments in arguments_of(row.event):
            yield row.event.statement, arguments


def _is_cut(row: Copied) -> bool:
    event = row.event
    if event is None:
        return len(row.sql.encode("utf-8", "replace")) >= KEPT - _BEFORE_TEXT
    return len(event.statement or event.sent) >= KEPT


def _joined(statements: Sequence[str]) -> str:
    if len(statements) == 1:
        return statements[0]
    return "".join(f"{sql}{_line_end(sql)};\n" for sql in statements)


def _line_end(sql: str) -> str:
    # What ends in a comment of one line would take the semicolon into it.
    last = sql.rpartition("\n")[2]
    return "\n" if "--" in last or "#" in last else ""


# A command line.


def _command(row: Copied, sql: str, target: Target) -> str:
    where = [f"--host={target.host}", f"--port={target.port}"]
    if target.host.startswith("/"):
        where = [f"--socket={target.host}"]
    elif target.host == "localhost":
        # The client takes this name for its socket.
        where.append("--protocol=tcp")
    # The text goes to the server as it is: else the client obeys commands in it, such as one for a shell, leaves out
    # comments, and ends a statement in the middle of a procedure.
    how = ["--default-character-set=utf8mb4", "--binary-mode", "--comments", "--table"]
    if ";" in sql:
        how.append(f"--delimiter={next(sign for size in count(2) if (sign := '$' * size) not in sql)}")
    whose = [f"--user={row.user}", "-p"]
    database = [f"--database={row.schema}"] if row.schema else []
    return " ".join(_shell(word) for word in ("mysql", *where, *whose, *database, *how, f"--execute={sql}"))


def _shell(word: str) -> str:
    if word.replace("\n", "").isprintable():
        return shlex.quote(word)
    if "\0" in word:
        raise NotBound("the statement has a zero byte, which no command line can have; copy it as Python")
    # As bash, zsh and ksh have it.
    return "$'" + "".join(map(_shell_character, word)) + "'"


def _shell_character(one: str) -> str:
    if one == "\n" or (one.isprintable() and one not in "'\\!"):
        return one
    return "".join(f"\\{byte:03o}" for byte in one.encode("utf-8", "replace"))


# Python, with PyMySQL.


def _python(rows: Sequence[Copied], target: Target) -> str:
    body: list[str] = []
    modules: set[str] = set()
    for (user, schema), several in groupby(rows, key=lambda row: (row.user, row.schema)):
        where = f"host={target.host!r}, port={target.port}"
        if target.host.startswith("/"):
            where = f"unix_socket={target.host!r}"
        database = f", database={schema!r}" if schema else ""
        body += [
            "",
            "connection = pymysql.connect(",
            f"    {where}, user={user!r}, password=getpass(){database}, charset='utf8mb4',",
            "    autocommit=True",
            ")",
            "with connection, connection.cursor() as cursor:",
        ]
        for row in several:
            for text, arguments in _executions(row):
                body += _call(row.sql, ()) if arguments is None else _call(*_prepared(text, arguments, modules))
                body += ["    for row in cursor:", "        print(row)"]
    imports = [*(f"import {name}" for name in sorted(modules)), "from getpass import getpass", "", "import pymysql"]
    return "\n".join((*imports, *body, ""))


def _prepared(text: bytes, arguments: Sequence[Argument], modules: set[str]) -> tuple[str, tuple[str, ...]]:
    # As PyMySQL has it, which doubles percent signs only where there are arguments.
    if not arguments:
        return text.decode("utf-8", "replace"), ()
    found = places(text, arguments)
    told, at = [], 0
    for place in found:
        told += [text[at : place.begin].replace(b"%", b"%%"), place.before, b"%s", place.behind]
        at = place.end
    told.append(text[at:].replace(b"%", b"%%"))
    return b"".join(told).decode("utf-8", "replace"), tuple(_value(place.argument, modules) for place in found)


def _call(sql: str, values: Sequence[str]) -> list[str]:
    lines = sql.splitlines(keepends=True)
    told = [repr(sql)] if len(lines) == 1 else ["(", *(f"    {line!r}" for line in lines), ")"]
    told[-1] += f", ({', '.join(values)},))" if values else ")"
    return ["    cursor.execute(" + told[0], *("    " + line for line in told[1:])]


def _value(argument: Argument, modules: set[str]) -> str:
    value, kind = argument
    written = literal(argument)
    match value:
        case Moment() if written.endswith(b"'") and not written.startswith(b"'"):
            modules.add("datetime")
            return f"datetime.date{value[:3]}" if kind in DATES else f"datetime.datetime{tuple(value)}"
        case Moment() | Span():
            return repr(written[written.index(b"'") + 1 : -1].decode())
        case bytes() if kind in DECIMALS and DECIMAL.fullmatch(value):
            modules.add("decimal")
            return f"decimal.Decimal({value.decode()!r})"
        case bytes():
            return repr(value if kind in BINARY else _text(value))
        case Indicator() if value is not Indicator.NULL:
            raise NotBound("one of the arguments is a DEFAULT, which PyMySQL cannot send; copy it as SQL")
        case Indicator():
            return "None"
        case _:
            return repr(value)


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
