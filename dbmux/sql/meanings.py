"""The meanings that many statements have."""

from __future__ import annotations

from dataclasses import replace

from dbmux.footprint import ANYWHERE
from dbmux.query import Access, FoundRows, Kind, Needs, Pin, PinReason, Query
from dbmux.sql.names import read_names
from dbmux.sql.statement import Statement

NOTHING = Query(kind=Kind.OTHER, access=Access.READ)
DEFINITION = Query(kind=Kind.DDL, access=Access.WRITE, footprint=ANYWHERE)
ADMIN = Query(kind=Kind.ADMIN, access=Access.WRITE, found_rows=FoundRows.AS_BEFORE, footprint=ANYWHERE)


def maintenance(statement: Statement) -> Query:
    """CHECK TABLE and the like."""
    at = next((at for at in (1, 2) if statement.word(at) in ("TABLE", "TABLES")), 0)
    return replace(ADMIN, tables=tuple(read_names(statement, at + 1))) if at else ADMIN


def unknown(what: str, kind: Kind = Kind.OTHER) -> Query:
    """It may do anything."""
    return _anything(kind, Pin(PinReason.UNKNOWN, what))


def routine(kind: Kind, what: str) -> Query:
    """It runs code that is not seen."""
    return _anything(kind, Pin(PinReason.ROUTINE, what))


def _anything(kind: Kind, pin: Pin) -> Query:
    return Query(
        kind=kind,
        access=Access.UNSURE,
        effects=(pin,),
        needs=Needs.LAST_INSERT_ID,
        moves_insert_id=True,
        footprint=ANYWHERE,
    )
