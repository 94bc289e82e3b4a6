"""Whatever a client sends looks the same through DbMux as it does directly, on every server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from dbmux.query import PinReason
from tests.differential.conftest import CACHED, FORCED, FREE, RELAYED, SECONDS, SPLIT, Stages
from tests.differential.sequences import COVERS, SCENARIOS
from tests.differential.stage import Stage
from tests.differential.steps import ALL, DEPRECATE_EOF, MARIADB_10, MYSQL, TRACK, Scenario, scenario
from tests.differential.subjects import binary, routines

NAMES = [scenario.name for scenario in SCENARIOS]
# Framing matters most where replies have many parts; all scenarios have their turn in a long run.
FRAMED = SCENARIOS if SECONDS else (*binary.SCENARIOS, *routines.SCENARIOS)


def cases(scenarios: Sequence[Scenario]) -> list[object]:
    """Each scenario on each of its servers."""
    return [
        pytest.param(each, server, id=f"{server}-{each.name}")
        for server in sorted(ALL)
        for each in scenarios
        if server in each.servers
    ]


def examine(stage: Stage, scenario: Scenario) -> None:
    """Fail with the steps up to the first difference."""
    verdict = stage.judge(scenario)
    if not verdict.is_equal:
        steady = "equal" if stage.is_steady(scenario) else "NOT equal"
        pytest.fail(f"{verdict}\n(two direct runs: {steady})", pytrace=False)


@pytest.mark.real
@pytest.mark.parametrize("scenario, server", cases(SCENARIOS))
def test_the_same_through_dbmux_as_direct(scenario: Scenario, server: str, stages: Stages) -> None:
    examine(stages(FORCED, server), scenario)


@pytest.mark.real
@pytest.mark.parametrize("scenario, server", cases(SCENARIOS))
def test_the_same_through_a_group_with_replicas(scenario: Scenario, server: str, stages: Stages) -> None:
    examine(stages(SPLIT, server), scenario)


@pytest.mark.real
@pytest.mark.parametrize("scenario, server", cases(SCENARIOS))
def test_the_same_when_connections_are_given_away_only_if_needed(
    scenario: Scenario, server: str, stages: Stages
) -> None:
    examine(stages(FREE, server), scenario)


# MySQL tells of a read-only transaction that ended on the connection before it was asked to tell, whoever's it was:
# here also that of the scenario before.
_TELLS_OF_OTHERS = "the state of transactions as reported to clients that track it"
FROM_MEMORY = [
    replace(each, servers=each.servers - MYSQL) if each.name == _TELLS_OF_OTHERS else each for each in SCENARIOS
]


@pytest.mark.real
@pytest.mark.parametrize("scenario, server", cases(FROM_MEMORY))
def test_the_same_from_memory(scenario: Scenario, server: str, stages: Stages) -> None:
    examine(stages(CACHED, server), scenario)


@pytest.mark.real
@pytest.mark.parametrize("scenario, server", cases(SCENARIOS))
def test_the_same_over_a_relayed_login(scenario: Scenario, server: str, stages: Stages) -> None:
    examine(stages(RELAYED, server), scenario)


@pytest.mark.real
@pytest.mark.parametrize("server", sorted(ALL))
def test_relayed_sessions_have_connections_that_others_left(server: str, stages: Stages) -> None:
    stage = stages(RELAYED, server)
    asks = scenario("a session's connection", "SELECT CONNECTION_ID()")

    numbers = [stage.judge(asks).through[1].reply for _ in range(5)]

    assert len(set(numbers)) < len(numbers)


@pytest.mark.real
@pytest.mark.parametrize("scenario, server", cases(FRAMED))
def test_the_same_in_the_framing_of_other_clients(scenario: Scenario, server: str, stages: Stages) -> None:
    if server == MARIADB_10:
        other = replace(scenario, capabilities=scenario.capabilities | DEPRECATE_EOF)
    else:
        other = replace(scenario, is_classic=True)

    examine(stages(FORCED, server), other)


@pytest.mark.real
@pytest.mark.parametrize("server", sorted(ALL))
def test_a_client_that_tracks_is_told_the_state_by_its_login(server: str, stages: Stages) -> None:
    direct, through = stages(FORCED, server).log_in(scenario("a login", capabilities=TRACK))

    assert through == direct


def test_every_reason_to_pin_has_scenarios() -> None:
    assert COVERS.keys() == set(PinReason)
    assert {name for names in COVERS.values() for name in names} <= set(NAMES)


def test_scenarios_are_told_apart_by_their_names() -> None:
    assert len(set(NAMES)) == len(NAMES)
