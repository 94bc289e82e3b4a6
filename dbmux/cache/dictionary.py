"""What names stand for at a server: tables, views, triggers, foreign keys and routines, as its dictionary has them.

Rows of information_schema come in (dbmux.backend.dictionary asks for them), and then names of statements; out go the
base tables that are read behind them, or all that may be written. What is not in the dictionary is not known, and says
so. Names are compared without regard to case; two that differ in nothing else are not told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from dbmux.footprint import Footprint
from dbmux.lexer import NO_BACKSLASH_ESCAPES, Token, tokens
from dbmux.sql.classify import classify

# A schema and a table or a routine in it, in lower case.
Key = tuple[str, str]

# The engines whose rows change only by statements about that very table.
_ENGINES = frozenset(("archive", "aria", "csv", "innodb", "memory", "myisam", "ndbcluster", "rocksdb", "tokudb"))
# With these words a body runs text that stands nowhere.
_DYNAMIC = frozenset((b"execute", b"immediate", b"prepare"))
_MISSING = "is not in the server's dictionary"
# Views upon views; servers allow more, and whoever has more goes without the cache.
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Sources:
    """The base tables behind what a statement reads; `why` says why they cannot be told, or is empty."""

    tables: frozenset[Key]
    why: str = ""

    @property
    def is_missing(self) -> bool:
        """Whether a name was not found."""
        return self.why.endswith(_MISSING)


@dataclass(slots=True)
class Dictionary:
    """A server's dictionary at one time. Filled row by row, and then only asked.

    `has_all_routines` tells whether there are surely no others; those that are not known end everything when called.
    """

    has_all_routines: bool = True

    # Of a table the reason why its rows may change unseen, mostly none.
    _tables: dict[Key, str] = field(default_factory=dict)
    _views: dict[Key, str | None] = field(default_factory=dict)
    # The bodies of triggers by their tables, and of procedures and functions; None where it may not be read.
    _triggers: dict[Key, list[bytes | None]] = field(default_factory=dict)
    _routines: dict[Key, list[bytes | None]] = field(default_factory=dict)
    # The tables whose rows change when those of the table do.
    _children: dict[Key, set[Key]] = field(default_factory=dict)
    # By their mere names, wherever they are.
    _by_name: dict[bytes, set[Key]] = field(default_factory=dict)
    _routines_by_name: dict[bytes, set[Key]] = field(default_factory=dict)

    @property
    def hidden(self) -> list[str]:
        """The views and routines that are there, and of which the account may not see how they are made."""
        views = [key for key, definition in self._views.items() if definition is None]
        routines = [key for key, bodies in self._routines.items() if None in bodies]
        return sorted(".".join(key) for key in views + routines)

    # What information_schema says.

    def add_table(self, schema: str, name: str, kind: str, engine: str) -> None:
        """A row of TABLES."""
        key = _key(schema, name)
        why = ""
        if key in self._tables:
            why = "two tables differ only in the case of their names"
        elif kind.upper() not in ("BASE TABLE", "SYSTEM VERSIONED", "VIEW"):
            why = f"{schema}.{name} is a {kind.lower()}"
        elif kind.upper() != "VIEW" and engine.lower() not in _ENGINES:
            why = f"{schema}.{name} is kept by {engine or 'an unknown engine'}"
        self._tables[key] = why
        self._by_name.setdefault(name.lower().encode(), set()).add(key)

    def add_view(self, schema: str, name: str, definition: str) -> None:
        """A row of VIEWS; an empty definition is one that the account may not see."""
        self._views[_key(schema, name)] = definition or None

    def add_trigger(self, schema: str, table: str, body: bytes | None) -> None:
        """A row of TRIGGERS."""
        self._triggers.setdefault(_key(schema, table), []).append(body)

    def add_routine(self, schema: str, name: str, body: bytes | None) -> None:
        """A row of ROUTINES."""
        key = _key(schema, name)
        self._routines.setdefault(key, []).append(body)
        self._routines_by_name.setdefault(name.lower().encode(), set()).add(key)

    def add_foreign_key(self, child: Key, parent: Key) -> None:
        """A row of REFERENTIAL_CONSTRAINTS by which the child's rows follow the parent's."""
        self._children.setdefault(_key(*parent), set()).add(_key(*child))

    def add_generated_column(self, schema: str, table: str, expression: bytes) -> None:
        """A row of COLUMNS with an expression, which on MariaDB may tell the time."""
        key = _key(schema, table)
        if not self._tables.get(key):
            found = classify(b"SELECT " + expression + b" FROM t", 0, 0).footprint
            if found.uncacheable:
                self._tables[key] = f"{schema}.{table} has a column that is computed when it is read"

    # What a statement touches.

    def sources(self, footprint: Footprint, schema: str) -> Sources:
        """The base tables behind the names that a statement of a session in `schema` reads."""
        found: set[Key] = set()
        why = self._follow_reads([_key(name.schema or schema, name.table) for name in footprint.reads], found, _DEEPEST)
        return Sources(frozenset(found), why)

    def _follow_reads(self, keys: Iterable[Key], found: set[Key], depth: int) -> str:
        for key in keys:
            if key in found:
                continue
            why = self._tables.get(key, f"{key[0]}.{key[1]} {_MISSING}")
            if why:
                return why
            # A view counts too: what it reads changes when it is defined anew.
            found.add(key)
            if key in self._views:
                why = self._follow_view(key, found, depth)
                if why:
                    return why
        return ""

    def _follow_view(self, view: Key, found: set[Key], depth: int) -> str:
        definition, name = self._views[view], f"{view[0]}.{view[1]}"
        if definition is None:
            return f"the service account may not see how the view {name} is defined"
        inner = _footprint(definition)
        if inner.uncacheable:
            return f"the view {name}: {inner.uncacheable}"
        if depth == 0:
            return f"the view {name} is built upon too many others"
        return self._follow_reads([_key(each.schema or view[0], each.table) for each in inner.reads], found, depth - 1)

    def written(self, footprint: Footprint, schema: str) -> frozenset[Key] | None:
        """All tables whose rows may change by a statement of a session in `schema`; None for any table at all."""
        if footprint.is_boundless:
            return None
        found: set[Key] = set()
        pending = [_key(name.schema or schema, name.table) for name in footprint.writes]
        bodies: list[bytes | None] = []
        for call in footprint.calls:
            bodies += self._routines.get(_key(call.schema or schema, call.routine), [None])
        seen: set[Key] = set()
        while pending or bodies:
            while bodies:
                body = bodies.pop()
                words = None if body is None else _words(body)
                if words is None or not _DYNAMIC.isdisjoint(words):
                    return None
                pending += self._tables_among(words)
                for routine in self._routines_among(words) - seen:
                    seen.add(routine)
                    bodies += self._routines[routine]
            while pending:
                key = pending.pop()
                if key not in found:
                    found.add(key)
                    pending += self._children.get(key, ())
                    bodies += self._triggers.get(key, ())
                    if key in self._views and not self._add_below(key, pending):
                        return None
        return frozenset(found)

    def _add_below(self, view: Key, pending: list[Key]) -> bool:
        # What is written through a view is one of the tables below it.
        definition = self._views[view]
        inner = None if definition is None else _footprint(definition)
        if inner is None or inner.uncacheable:
            return False
        pending += [_key(each.schema or view[0], each.table) for each in inner.reads]
        return True

    def _tables_among(self, words: frozenset[bytes]) -> Iterator[Key]:
        # A body that touches a table names it: every table with such a name counts, in whatever schema.
        for word in words & self._by_name.keys():
            yield from self._by_name[word]

    def _routines_among(self, words: frozenset[bytes]) -> set[Key]:
        return {key for word in words & self._routines_by_name.keys() for key in self._routines_by_name[word]}


def _key(schema: str, name: str) -> Key:
    return schema.lower(), name.lower()


@lru_cache(maxsize=1024)
def _footprint(definition: str) -> Footprint:
    return classify(definition.encode(), 0, 0).footprint


@lru_cache(maxsize=1024)
def _words(body: bytes) -> frozenset[bytes]:
    # Everything that may be a name, also between quotes of any kind; the code in comments counts as well. In which
    # sql_mode it was defined is not known: by some a backslash does not keep a string open.
    found: set[bytes] = set()
    for flags in (0, NO_BACKSLASH_ESCAPES) if b"\\" in body else (0,):
        for kind, begin, end in tokens(body, 0, flags):
            if kind in (Token.WORD, Token.QUOTED, Token.STRING):
                found.add(_folded(body[begin:end]))
            elif kind == Token.MAYBE:
                found.add(b"execute")
    return frozenset(found)


def _folded(name: bytes) -> bytes:
    return name.strip(b"`\"'").replace(b"``", b"`").decode("utf-8", "replace").lower().encode()
