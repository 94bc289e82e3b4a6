"""Definitions of the first server, read by the second without being made: what can be said of them without writing.

A connection and A's dictionary come in, findings go out. A definition is prepared and given up: so the server says
whether it can read it, and no more; what it says of tables that are not there is of no interest.
"""

from __future__ import annotations

from dbmux.backend.service import Service
from dbmux.errors import BackendRefused
from dbmux.upgrade.definition import NotTried, nowhere, without_definer
from dbmux.upgrade.finding import Finding, Severity, Subject
from dbmux.upgrade.refusal import ADVICE, ELSE, OF_THE_TEXT, said
from dbmux.upgrade.server import Server


async def read_definitions(service: Service, a: Server, b: Server) -> list[Finding]:
    """What it cannot read."""
    # Texts without a schema are nowhere else; nothing can be made in this one.
    await service.do(b"USE information_schema")
    found = []
    for where, sql, mode in _texts(a):
        await _set_mode(service, mode)
        try:
            await service.prepare(sql.encode())
        except BackendRefused as error:
            if error.number in OF_THE_TEXT:
                found.append(
                    Finding(
                        subject=Subject.DEFINITIONS,
                        severity=Severity.BLOCKS,
                        what="a definition cannot be read",
                        where=(where,),
                        why=f"{b.name} says: {said(error, {})}",
                        do=ADVICE.get(error.number, ELSE),
                    )
                )
    await _set_mode(service, b.variables.get("sql_mode", ""))
    return found


def _texts(a: Server) -> list[tuple[str, str, str]]:
    # Of each where it is from, its text, and the sql_mode under which it is read.
    found = []
    for table in a.tables:
        if table.text:
            try:
                found.append((f"table {table.name}", nowhere(table), ""))
            except NotTried:
                continue
    for program in a.programs:
        if program.text:
            found.append((str(program), without_definer(program.text, program.flags), program.sql_mode))
    return found


async def _set_mode(service: Service, mode: str) -> None:
    # Modes that the server does not have do not change how a text is read.
    for wanted in (mode, ",".join(one for one in mode.split(",") if one in _READING)):
        try:
            await service.do(f"SET SESSION sql_mode='{wanted}'".encode())
            return
        except BackendRefused:
            continue


_READING = frozenset(
    ("ANSI", "ANSI_QUOTES", "PIPES_AS_CONCAT", "NO_BACKSLASH_ESCAPES", "IGNORE_SPACE", "HIGH_NOT_PRECEDENCE")
)
