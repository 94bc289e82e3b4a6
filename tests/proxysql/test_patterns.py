"""Of regular expressions only those are carried over whose meaning is certain."""

from __future__ import annotations

from typing import Any

import pytest

from dbmux.proxysql.patterns import meaning

SELECT = {"kind": ["select"]}


@pytest.mark.parametrize(
    ("pattern", "conditions"),
    [
        ("", {}),
        (".*", {}),
        ("^.*$", {}),
        ("^SELECT", SELECT),
        ("^select ", SELECT),
        ("^SELECT.*", SELECT),
        (r"^\s*SELECT\s+.*$", SELECT),
        ("^(SELECT)", SELECT),
        ("^(INSERT|UPDATE|DELETE|UPDATE) .*", {"kind": ["insert", "update", "delete"]}),
        ("^SHOW", {"kind": ["show"]}),
        (r"^SELECT .* FROM orders\b", {**SELECT, "table": "*.orders"}),
        (r"^SELECT .* FROM `shop\.orders` .*", {**SELECT, "table": "shop.orders"}),
        (r"^SELECT c FROM sbtest1 WHERE id=\?$", {"digest": "SELECT c FROM sbtest1 WHERE id=0"}),
        (r"^SELECT COUNT\(\*\) FROM t$", {"digest": "SELECT COUNT(*) FROM t"}),
    ],
)
def test_what_is_certain_has_conditions(pattern: str, conditions: dict[str, Any]) -> None:
    found = meaning(pattern)

    assert found is not None
    assert found.conditions == conditions
    assert not found.is_locking_read


@pytest.mark.parametrize(
    "pattern",
    [
        "^SELECT.*FOR UPDATE$",
        "^SELECT .* FOR UPDATE",
        "^SELECT.*FOR SHARE",
        "^select.*for update$",
        "^SELECT .* LOCK IN SHARE MODE$",
        r"^SELECT\s.*\sFOR\sUPDATE",
        "^SELECT.*(FOR UPDATE|LOCK IN SHARE MODE)$",
    ],
)
def test_locking_reads_are_known(pattern: str) -> None:
    found = meaning(pattern)

    assert found is not None
    assert found.is_locking_read


@pytest.mark.parametrize(
    "pattern",
    [
        "SELECT",  # anywhere
        "JOIN",
        "^SELEC",
        "^SELECT$x",
        "^BEGIN",  # also begins blocks of routines
        "^ALTER TABLE",
        "^(SELECT|WITH)",
        "^SELECT .* FROM orders",  # also orders_old
        r"^SELECT c FROM sbtest1 WHERE id=\?",  # and more
        r"^SELECT c FROM sbtest\d+ WHERE id=\?$",
        "^SELECT.*JOIN.*$",
        "^(?!SELECT)",
        "^SELECT [a-z] FROM t$",
        "FOR UPDATE$",
        "^COMMIT$",
        "\\",
        "^a\\$",
    ],
)
def test_what_is_not_certain_has_none(pattern: str) -> None:
    assert meaning(pattern) is None
