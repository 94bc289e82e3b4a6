"""Whatever a client sends looks the same through DbMux as it does directly, on every server."""

from __future__ import annotations

import pytest

from dbmux.query import PinReason
from tests.differential.conftest import FORCED, Stages
from tests.differential.known import KNOWN, LOST_STATE, defect_of
from tests.differential.sequences import COVERS, SCENARIOS
from tests.differential.steps import ALL, TRACK, Scenario, scenario

NAMES = [scenario.name for scenario in SCENARIOS]


def _case(scenario: Scenario, server: str) -> object:
    why = defect_of(scenario.name, server)
    marks = [pytest.mark.xfail(reason=why, strict=True)] if why else []
    return pytest.param(scenario, server, id=f"{server}-{scenario.name}", marks=marks)


CASES = [_case(scenario, server) for server in sorted(ALL) for scenario in SCENARIOS if server in scenario.servers]


@pytest.mark.real
@pytest.mark.parametrize("scenario, server", CASES)
def test_the_same_through_dbmux_as_direct(scenario: Scenario, server: str, stages: Stages) -> None:
    stage = stages(FORCED, server)

    verdict = stage.judge(scenario)

    assert verdict.is_equal, f"{verdict}\n(two direct runs: {'equal' if stage.is_steady(scenario) else 'NOT equal'})"


@pytest.mark.real
@pytest.mark.xfail(reason=LOST_STATE, strict=True)
@pytest.mark.parametrize("server", sorted(ALL))
def test_a_client_that_tracks_is_told_the_state_by_its_login(server: str, stages: Stages) -> None:
    direct, through = stages(FORCED, server).log_in(scenario("a login", capabilities=TRACK))

    assert through == direct


def test_every_reason_to_pin_has_scenarios() -> None:
    assert COVERS.keys() == set(PinReason)
    assert {name for names in COVERS.values() for name in names} <= set(NAMES)


def test_scenarios_are_told_apart_by_their_names() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert {name for name, _ in KNOWN} <= set(NAMES)
