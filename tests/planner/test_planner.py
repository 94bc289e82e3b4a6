"""What statements mean is found once per digest, and never more is remembered than there is room for."""

from __future__ import annotations

import pytest

from dbmux.errors import ErrorCode
from dbmux.plan import ChangeUser, Kill, KillByNumber, Quit, Refuse, Relay
from dbmux.planner.planner import COMMAND_PLANS, LONGEST_REMEMBERED, REMEMBERED, Planner, plan_query
from dbmux.query import ChangeSchema, Kind
from dbmux.sql.kill import KillScope
from dbmux.sql.modes import lexer_flags
from dbmux.wire.commands import Command, Shape


def test_statements_of_one_digest_share_their_meaning() -> None:
    planner = Planner()

    one = planner.query(b"SELECT a FROM t WHERE id = 1", 0, 0)
    two = planner.query(b"SELECT a FROM t WHERE id = 2", 0, 0)

    assert one is two
    assert one.is_plain
    assert list(planner.plain[0].values()) == [one]


def test_what_a_digest_hides_is_read_each_time() -> None:
    planner = Planner()

    one = planner.query(b"SET time_zone = '+00:00'", 0, 0)
    two = planner.query(b"SET time_zone = '+01:00'", 0, 0)

    assert one.effects != two.effects
    assert not planner.plain[0]


def test_a_statement_is_read_as_its_sql_mode_has_it() -> None:
    planner = Planner()
    text = b'SELECT "a;b" FROM t'

    assert planner.query(text, 0, lexer_flags(b"")).kind is Kind.SELECT
    assert planner.query(text, 0, lexer_flags(b"ANSI,STRICT_TRANS_TABLES")).kind is Kind.SELECT
    assert len(planner.plain[0]) == len(planner.plain[1]) == 1


def test_no_more_is_remembered_than_there_is_room_for() -> None:
    planner = Planner()

    for number in range(REMEMBERED + 10):
        planner.query(b"SELECT a%d FROM t" % number, 0, 0)
    planner.query(b"SELECT " + b"a, " * LONGEST_REMEMBERED + b"a FROM t", 0, 0)

    assert len(planner.plain[0]) == 10
    assert all(len(digest) <= LONGEST_REMEMBERED for digest in planner.plain[0])


def test_use_changes_the_schema() -> None:
    assert Planner().query(b"USE `my shop`", 0, 0).effects == (ChangeSchema(b"my shop"),)


@pytest.mark.parametrize(
    "text, plan",
    [
        (b"KILL 12", Kill(12, 5, 7, KillScope.CONNECTION)),
        (b"/* stop */ KILL QUERY 7", Kill(7, 22, 23, KillScope.QUERY)),
        (b"SELECT 1", Relay(Shape.RESULT)),
        (b"KILL @a", Relay(Shape.RESULT)),
    ],
)
def test_kill_is_planned_with_the_place_of_its_number(text: bytes, plan: object) -> None:
    assert plan_query(Planner().query(text, 0, 0), text, 0) == plan


@pytest.mark.parametrize(
    "command, plan",
    [
        (Command.QUIT, Quit()),
        (Command.CHANGE_USER, ChangeUser()),
        (Command.PROCESS_KILL, KillByNumber()),
        (Command.PING, Relay(Shape.SIMPLE)),
        (Command.STMT_CLOSE, Relay(Shape.NONE)),
    ],
)
def test_every_command_has_a_plan(command: Command, plan: object) -> None:
    assert COMMAND_PLANS[command] == plan


def test_what_is_no_command_is_refused_with_1047() -> None:
    for number in (Command.CLONE, Command.SLEEP, 0x77):
        plan = COMMAND_PLANS[number]

        assert isinstance(plan, Refuse)
        assert plan.error.code is ErrorCode.UNKNOWN_COMMAND
