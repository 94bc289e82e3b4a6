"""Hints are read where they may stand, and nothing else is taken for one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.sql.hint import MALFORMED, read_hint


@pytest.mark.parametrize(
    "statement, hints",
    [
        ("/* dbmux: route=main.primary */ SELECT 1", {"route": "main.primary"}),
        ("SELECT /* dbmux: route=main.primary */ 1", {"route": "main.primary"}),
        ("/*dbmux:route=main*/SELECT 1", {"route": "main"}),
        ("-- who\n/* where */ /* dbmux: timeout = 5s, max_rows=10 */ SELECT 1", {"timeout": "5s", "max_rows": "10"}),
        ("/* dbmux: a=1 */ ( /* dbmux: b=2 */ SELECT /* dbmux: c=3 */ 1)", {"a": "1", "b": "2", "c": "3"}),
        ("/* dbmux: gtid='a:1-5,b:2' */ SELECT 1", {"gtid": "a:1-5,b:2"}),
        ('/* dbmux: gtid="a:1" x=y */ SELECT 1', {"gtid": "a:1", "x": "y"}),
        ("/* dbmux: a=1, a=2 */ SELECT 1", {"a": "2"}),
        ("/* dbmux: */ SELECT 1", {}),
        ("/* dbmux: a=1, b */ SELECT 1", {"a": "1", MALFORMED: "b"}),
        ("/* dbmux: cache ttl=60s */ SELECT 1", {"cache": "", "ttl": "60s"}),
        ("SELECT /* dbmux: ttl=60s, cache, route=main */ 1", {"ttl": "60s", "cache": "", "route": "main"}),
        ("/* dbmux: nocache */ SELECT 1", {"nocache": ""}),
        ("/* dbmux:nocache*/ SELECT 1", {"nocache": ""}),
        ("/* dbmux: cache=on */ SELECT 1", {"cache": "on"}),
        ("/* dbmux: caches */ SELECT 1", {MALFORMED: "caches"}),
        ("/* dbmux: a=nocache */ SELECT 1", {"a": "nocache"}),
        ("/* dbmux: =1 */ SELECT 1", {MALFORMED: "=1"}),
        ("/* dbmux: a='1 */ SELECT 1", {MALFORMED: "a='1"}),
        ("/* dbmux: größe=1 */ SELECT 1", {"größe": "1"}),
    ],
)
def test_hints_stand_before_a_statement_or_behind_its_verb(statement: str, hints: Mapping[str, str]) -> None:
    assert read_hint(statement.encode(), 0, 0) == hints


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "SELECT 1 /* dbmux: route=main */",
        "SELECT a /* dbmux: route=main */ FROM t",
        "-- /* dbmux: route=main */\nSELECT 1",
        "# /* dbmux: route=main */\nSELECT 1",
        "/* -- dbmux: route=main */ SELECT 1",
        "SELECT '/* dbmux: route=main */'",
        "'/* dbmux: route=main */'",
        "SELECT 1; /* dbmux: route=main */ SELECT 2",
        "/* dbmux route=main */ SELECT 1",
        "/* dbmux: route=main",
        "SELECT 'dbmux:'",
    ],
)
def test_elsewhere_there_is_no_hint(statement: str) -> None:
    assert read_hint(statement.encode(), 0, 0) is None


def test_a_hint_is_read_from_where_the_statement_starts() -> None:
    command = b"/* dbmux: a=1 */\x03/* dbmux: b=2 */ SELECT 1"

    assert read_hint(command, 17, 0) == {"b": "2"}


@given(st.binary(max_size=40), st.integers(0, 3))
def test_any_bytes_in_a_hint_are_read(noise: bytes, flags: int) -> None:
    hints = read_hint(b"/* dbmux:" + noise + b"*/ SELECT 1", 0, flags)

    assert hints is None or all(isinstance(value, str) for value in hints.values())
