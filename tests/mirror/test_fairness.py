"""Whether two servers could answer alike."""

from __future__ import annotations

from dataclasses import replace

from dbmux.cache.cache import Source
from dbmux.cache.dictionary import Dictionary
from dbmux.cache.tables import Tables
from dbmux.footprint import Footprint, TableName
from dbmux.mirror.fairness import Epochs
from dbmux.mirror.read import Read
from dbmux.session import SessionState
from tests.mirror.test_shadow import a_read


def a_read_of(*tables: TableName) -> Read:
    footprint = Footprint(reads=tables, uncacheable="")
    return replace(a_read(), footprint=footprint, state=SessionState(schema=b"shop"))


def known() -> tuple[Epochs, Tables]:
    source, tables = Source("main", dictionary=Dictionary(has_all_routines=True)), Tables()
    assert source.dictionary is not None
    source.dictionary.add_table("shop", "items", "BASE TABLE", "InnoDB")
    return Epochs(source, tables, lambda: 7.0), tables


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
    fairness = Epochs(Source("main"), Tables(), lambda: 7.0)
    read = a_read_of(TableName("", "items"))

    assert fairness.is_fair(read, fairness.capture(read))
    assert fairness.applied_until() == 7.0
