"""KILL is told from everything else, with the place of its number."""

from __future__ import annotations

import pytest

from dbmux.sql.kill import KillScope, KillTarget, parse_kill


@pytest.mark.parametrize(
    "statement, target",
    [
        ("KILL 5", 5),
        ("kill query 17;", 17),
        ("KILL CONNECTION 18446744073709551615", 18446744073709551615),
        ("KILL HARD QUERY 5", 5),
        ("KILL SOFT 5", 5),
        ("-- who\n /* why */ KILL/* how */QUERY # what\n 5", 5),
        ("/*!40101 KILL 5 */", 5),
    ],
)
def test_a_kill_names_a_connection(statement: str, target: int) -> None:
    text = b"\x03" + statement.encode()

    found = parse_kill(text, 1)

    start = text.rindex(b"%d" % target)
    scope = KillScope.QUERY if b"QUERY" in text.upper() else KillScope.CONNECTION
    assert found == KillTarget(target, start, start + len(str(target)), scope)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 'KILL 5'",
        "KILL",
        "KILL USER app",
        "KILL QUERY ID 5",
        "KILL 5 + 1",
        "KILL 1.5",
        "KILL 0x5",
        "KILL ?",
        "KILL @x",
        "KILL 123456789012345678901",
        "KILL 5; KILL 6",
        "KILL QUERY HARD 5",
        "/*!80000 KILL 5 */",
        "KILLER 5",
        "KILL " + " " * 5000 + "5",
    ],
)
def test_what_names_none_is_no_target(statement: str) -> None:
    assert parse_kill(statement.encode(), 0) is None
