"""Whether two servers could answer alike."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from dbmux.cache.cache import Source
from dbmux.cache.dictionary import Dictionary
from dbmux.cache.tables import Tables
from dbmux.footprint import Footprint, TableName
from dbmux.mirror.fairness import Epochs
from dbmux.mirror.read import Read
from dbmux.session import SessionState
from dbmux.sync.table import TableName as Written
from tests.mirror.test_shadow import a_read


class Mirror:
    """One that has told of a write to every table at 5.0."""

    applied_until = 7.0

    def hurry(self) -> None:
        """Nothing is faster."""

    def written_at(self, table: Written) -> float:
        return 5.0


def a_read_of(*tables: TableName) -> Read:
    footprint = Footprint(reads=tables, uncacheable="")
    return replace(a_read(), footprint=footprint, state=SessionState(schema=b"shop"))


def known() -> tuple[Epochs, Tables]:
    source, tables = Source("main", dictionary=Dictionary(has_all_routines=True)), Tables()
    assert source.dictionary is not None
    source.dictionary.add_table("shop", "items", "BASE TABLE", "InnoDB")
    return Epochs(source, tables, Mirror), tables


def test_a_write_to_a_table_that_is_read_makes_it_unfair() -> None:
    fairness, tables = known()
    read = a_read_of(TableName("", "items"))
    since = fairness.capture(read)

    assert fairness.is_fair(read, since)
    tables.table("shop", "orders").move()
    assert fairness.is_fair(read, since)
    tables.table("shop", "items").move()
    assert not fairness.is_fair(read, since)


def test_where_tables_are_not_known_no_write_is_seen() -> None:
    fairness = Epochs(Source("main"), Tables(), Mirror)
    read = a_read_of(TableName("", "items"))

    assert fairness.is_fair(read, fairness.capture(read))
    assert fairness.applied_until() == 7.0


def test_without_a_mirror_nothing_is_taken_for_good() -> None:
    of_one, of_none = (Epochs(Source("main"), Tables(), mirror) for mirror in (Mirror, lambda: None))

    assert (of_one.applied_until(), of_one.written_at(Written("shop", "items"))) == (7.0, 5.0)
    assert (of_none.applied_until(), of_none.written_at(Written("shop", "items"))) == (0.0, inf)
