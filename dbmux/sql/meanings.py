"""The meanings that many statements have."""

from __future__ import annotations

from dbmux.footprint import ANYWHERE
from dbmux.query import Access, Kind, Needs, Pin, PinReason, Query

NOTHING = Query(kind=Kind.OTHER, access=Access.READ)
DEFINITION = Query(kind=Kind.DDL, access=Access.WRITE, footprint=ANYWHERE)
ADMIN = Query(kind=Kind.ADMIN, access=Access.WRITE, footprint=ANYWHERE)


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
