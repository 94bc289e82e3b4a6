"""Character sets and collations: those that the second server does not have, and defaults that differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from dbmux.upgrade.finding import Finding, Severity, Subject
from dbmux.upgrade.server import Server


def find(a: Server, b: Server) -> Iterator[Finding]:
    """What differs."""
    stored, connected = _used(a)
    for collation, where in sorted(stored.items()):
        if collation not in b.collations:
            charset = collation.partition("_")[0]
            is_there = charset in b.charsets
            yield Finding(
                subject=Subject.COLLATIONS,
                severity=Severity.BLOCKS,
                what=f"the collation {collation} is not there",
                where=tuple(where),
                why=f"{b.family} refuses what is defined with it"
                + ("" if is_there else f"; it does not have the character set {charset} either"),
                do=_instead(collation, b),
            )
    for collation, where in sorted(connected.items()):
        if collation not in b.collations:
            yield Finding(
                subject=Subject.COLLATIONS,
                severity=Severity.BLOCKS,
                what=f"definitions were made in connections with {collation}",
                where=tuple(where),
                why=f"dumps set it before such a definition, and {b.family} does not have it: the load stops there",
                do=f"make them again on {a.name} after SET NAMES {_charset_of(collation)} COLLATE "
                f"{_nearest(collation, b) or 'a collation that both have'}, or replace it in the dump",
            )
    yield from _defaults(a, b)


def _used(a: Server) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    # In what is kept, and in the connections that made it.
    stored: dict[str, list[str]] = defaultdict(list)
    connected: dict[str, list[str]] = defaultdict(list)
    for name, collation in a.schemas.items():
        stored[collation].append(f"schema {name}")
    for table in a.tables:
        if table.collation:
            stored[table.collation].append(f"table {table.name}")
        for column in table.columns:
            if column.collation and column.collation != table.collation:
                stored[column.collation].append(f"column {table.name}.{column.name}")
    for program in a.programs:
        if program.collation:
            connected[program.collation].append(str(program))
    return stored, connected


def _defaults(a: Server, b: Server) -> Iterator[Finding]:
    used = {column.charset for table in a.tables for column in table.columns if column.charset} | {"utf8mb4"}
    for charset in sorted(used):
        ours, theirs = a.defaults.get(charset, ""), b.defaults.get(charset, "")
        if ours and theirs and ours != theirs:
            padding = ""
            if "_0900_" in ours + theirs:
                padding = "; collations with 0900 do not ignore spaces at the end, most others do"
            yield Finding(
                subject=Subject.COLLATIONS,
                severity=Severity.CHANGES,
                what=f"{charset} has another default collation",
                why=f"{ours} on {a.name}, {theirs} on {b.name}: tables made without a collation, and literals, compare "
                f"and sort in another way, and mixed with columns of the other they are refused (error 1267){padding}",
                do=f"write COLLATE {ours if ours in b.collations else theirs} into CREATE TABLE and CREATE DATABASE, "
                "and have clients say SET NAMES … COLLATE …",
            )


def _instead(collation: str, b: Server) -> str:
    nearest = _nearest(collation, b)
    if not nearest:
        return "ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4 COLLATE a collation that both have"
    return f"ALTER TABLE … CONVERT TO CHARACTER SET {_charset_of(nearest)} COLLATE {nearest}"


def _charset_of(collation: str) -> str:
    return collation.partition("_")[0]


def _nearest(collation: str, b: Server) -> str:
    # Of the same character set, and as sensitive to case and accents.
    charset, _, rest = collation.partition("_")
    ending = "as_cs" if rest.endswith(("_as_cs", "_cs")) else "as_ci" if rest.endswith("_as_ci") else "ai_ci"
    if rest.endswith("_bin"):
        wanted = [f"{charset}_bin"]
    elif b.is_mariadb:
        wanted = [f"{charset}_uca1400_nopad_{ending}" if rest.startswith("0900") else f"{charset}_uca1400_{ending}"]
        wanted += [f"{charset}_unicode_520_ci", f"{charset}_unicode_ci"]
    else:
        wanted = [f"{charset}_0900_{ending}", f"{charset}_unicode_520_ci", f"{charset}_unicode_ci"]
    return next(
        (name for name in (*wanted, f"{charset}_general_ci", b.defaults.get(charset, "")) if name in b.collations), ""
    )
