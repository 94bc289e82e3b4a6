"""Storage engines that tables are kept by and that the second server does not have, and plugins that only the first one
has loaded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from dbmux.upgrade.finding import Finding, Severity, Subject
from dbmux.upgrade.server import Server, TableKind

_LOSSY = frozenset(("myisam", "aria", "csv", "archive", "memory", "mrg_myisam", "blackhole"))


def find(a: Server, b: Server) -> Iterator[Finding]:
    """What differs."""
    by_engine: dict[str, list[str]] = defaultdict(list)
    for table in a.tables:
        # How a sequence is kept is of no interest where there are none, and does not matter where there are.
        if table.engine and table.kind is not TableKind.SEQUENCE:
            by_engine[table.engine].append(table.name.sql)
    for engine, tables in sorted(by_engine.items()):
        where = tuple(f"table {name.replace('`', '')}" for name in tables)
        if engine.lower() not in b.engines:
            yield Finding(
                subject=Subject.ENGINES,
                severity=Severity.BLOCKS,
                what=f"the engine {engine} is not there",
                where=where,
                why=f"{b.family} refuses the table, or keeps it by another engine without NO_ENGINE_SUBSTITUTION",
                do="; ".join(f"ALTER TABLE {name} ENGINE=InnoDB" for name in tables[:5])
                + ("; and so on" if len(tables) > 5 else ""),
            )
        elif engine.lower() in _LOSSY:
            yield Finding(
                subject=Subject.ENGINES,
                severity=Severity.KNOW,
                what=f"tables are kept by {engine}",
                where=where,
                why="it knows no transactions: such a table is neither mirrored exactly nor copied while it is written",
                do="; ".join(f"ALTER TABLE {name} ENGINE=InnoDB" for name in tables[:5])
                + ("; and so on" if len(tables) > 5 else ""),
            )
    # Those that log in are told with the accounts that use them.
    for plugin in sorted(a.loaded - b.plugins - {engine.lower() for engine in by_engine}):
        yield Finding(
            subject=Subject.ENGINES,
            severity=Severity.KNOW,
            what=f"the plugin {plugin} is not there",
            why=f"it was loaded into {a.name}, and {b.name} has none of this name",
            do=f"see whether {b.family} has something like it, and whether anybody needs it",
        )
