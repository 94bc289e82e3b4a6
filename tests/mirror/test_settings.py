"""A session's state as the other family of servers can have it."""

from __future__ import annotations

import json

import pytest

from dbmux.mirror.settings import Family, carried, packed, unpacked
from dbmux.session import Names, SessionState, names_of

MARIADB, MYSQL = Family.MARIADB, Family.MYSQL


def modes(value: str) -> SessionState:
    return SessionState(variables=(("sql_mode", value.encode()),))


def collated(collation: str) -> SessionState:
    return SessionState(names=names_of((b"utf8mb4", b"utf8mb4", b"utf8mb4", collation.encode())))


@pytest.mark.parametrize(
    ("source", "target", "state", "wanted"),
    [
        (
            MARIADB,
            MYSQL,
            modes("'STRICT_TRANS_TABLES,NO_AUTO_CREATE_USER,ANSI_QUOTES'"),
            modes("'STRICT_TRANS_TABLES,ANSI_QUOTES'"),
        ),
        (MARIADB, MARIADB, modes("'NO_AUTO_CREATE_USER'"), modes("'NO_AUTO_CREATE_USER'")),
        (MYSQL, MARIADB, modes("'TIME_TRUNCATE_FRACTIONAL'"), modes("''")),
        (MYSQL, MARIADB, modes("DEFAULT"), modes("DEFAULT")),
        (MARIADB, MYSQL, collated("utf8mb4_uca1400_ai_ci"), collated("utf8mb4_0900_ai_ci")),
        (MYSQL, MARIADB, collated("utf8mb4_0900_as_cs"), collated("utf8mb4_uca1400_nopad_as_cs")),
        (MYSQL, MARIADB, collated("utf8mb4_0900_bin"), collated("utf8mb4_nopad_bin")),
        (MYSQL, MARIADB, collated("utf8mb4_general_ci"), collated("utf8mb4_general_ci")),
        (MYSQL, MYSQL, collated("utf8mb4_0900_ai_ci"), collated("utf8mb4_0900_ai_ci")),
    ],
)
def test_names_of_the_other_family(source: Family, target: Family, state: SessionState, wanted: SessionState) -> None:
    assert carried(state, source, target) == wanted


def test_only_what_changes_a_reads_answer_is_carried() -> None:
    state = SessionState(
        schema=b"shop",
        variables=(("autocommit", b"0"), ("time_zone", b"'+02:00'"), ("transaction_read_only", b"0")),
        user_variables=(("a", b"1"),),
    )

    assert carried(state, MYSQL, MYSQL) == SessionState(schema=b"shop", variables=(("time_zone", b"'+02:00'"),))


@pytest.mark.parametrize(
    "state",
    [
        SessionState(),
        collated("utf8mb4_bin"),
        SessionState(schema=b"caf\xe9", names=Names(None, (b"NAMES DEFAULT",)), variables=(("sql_mode", b"''"),)),
    ],
)
def test_a_state_is_kept_as_json_and_is_the_same_again(state: SessionState) -> None:
    assert unpacked(json.loads(json.dumps(packed(state)))) == state
