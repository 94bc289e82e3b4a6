"""Whatever a client sends looks the same through DbMux as it does directly, on every server."""

from __future__ import annotations

import pytest

from tests.differential.conftest import FORCED, Stages
from tests.differential.sequences import SCENARIOS
from tests.differential.steps import ALL, MARIADB, MARIADB_10, Scenario

pytestmark = pytest.mark.real

# Defects that are known: what differs, and where. A mark that is no longer true fails.
LOST_FLAG = "dbmux.wire.replies.Ok.build loses MariaDB's flag 0x8000, ANSI_QUOTES"
CURSOR_FLAG = "dbmux.kernel takes a text result for a cursor's: inside of routines MariaDB sets CURSOR_EXISTS on them"
KNOWN = {
    ("a transaction with changes of everything else", MARIADB): LOST_FLAG,
    ("the modes and sets of the preparation hold or not", MARIADB): LOST_FLAG,
    ("USE in its forms", MARIADB): LOST_FLAG,
    ("COM_RESET_CONNECTION sheds everything", MARIADB): LOST_FLAG,
    ("three sessions with variables of their own", MARIADB): LOST_FLAG,
    ("cursors and dynamic SQL inside of a procedure", frozenset((MARIADB_10,))): CURSOR_FLAG,
}


def _case(scenario: Scenario, server: str) -> object:
    why = next((why for (name, servers), why in KNOWN.items() if name == scenario.name and server in servers), None)
    marks = [pytest.mark.xfail(reason=why, strict=True)] if why else []
    return pytest.param(scenario, server, id=f"{server}-{scenario.name}", marks=marks)


CASES = [_case(scenario, server) for server in sorted(ALL) for scenario in SCENARIOS if server in scenario.servers]


@pytest.mark.parametrize("scenario, server", CASES)
def test_the_same_through_dbmux_as_direct(scenario: Scenario, server: str, stages: Stages) -> None:
    stage = stages(FORCED, server)

    verdict = stage.judge(scenario)

    assert verdict.is_equal, f"{verdict}\n(two direct runs: {'equal' if stage.is_steady(scenario) else 'NOT equal'})"
