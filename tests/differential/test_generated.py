"""Random sequences look the same through DbMux as they do directly.

A few fixed seeds run always. For a longer run, with seeds of its own: DBMUX_DIFFERENTIAL_SECONDS=600, for each server
and way; to repeat it: DBMUX_DIFFERENTIAL_SEED=<seed>, where it begins. What fails is shrunk, and the run goes on.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from random import SystemRandom

import pytest

from tests.differential.conftest import CACHED, CROWDED, FORCED, RELAYED, SECONDS, SPLIT, Setting, Stages
from tests.differential.generate import generate, generate_crowded, generate_types, shrink
from tests.differential.stage import Stage
from tests.differential.steps import ALL, Scenario

SEEDS = range(50)
# The last one: what was counted before a change of user, when the connection is the same after it.
CROWDED_SEEDS = (*range(15), 4148678976)
TYPES_SEEDS = range(20)
LONG = 80
# For how long what fails is made shorter.
SHRINKING_S = 20.0
FIRST_SEED = int(os.environ.get("DBMUX_DIFFERENTIAL_SEED") or SystemRandom().randrange(1 << 32))


def examine(stage: Stage, scenario: Scenario) -> str:
    """The shortest sequence that still shows a difference, as text; nothing if there is none."""
    verdict = stage.judge(scenario)
    if verdict.is_equal:
        return ""
    deadline = time.monotonic() + SHRINKING_S

    def differs(shorter: Scenario) -> bool:
        try:
            told = stage.judge(shorter)
        except AssertionError:
            # A direct session waits for itself: not the difference that is looked for.
            return False
        # Without the end of a pin, three sessions wait for two connections.
        return not told.is_equal and told.is_silent == verdict.is_silent

    shortest = shrink(verdict.shortened, lambda shorter: time.monotonic() < deadline and differs(shorter))
    shown = stage.judge(shortest)
    steady = "equal" if stage.is_steady(scenario) else "NOT equal"
    return f"{verdict if shown.is_equal else shown}\n(two direct runs: {steady})"


@pytest.mark.real
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("server", sorted(ALL))
def test_generated_sequences(server: str, seed: int, stages: Stages) -> None:
    assert not (difference := examine(stages(FORCED, server), generate(seed))), difference


@pytest.mark.real
@pytest.mark.parametrize("seed", CROWDED_SEEDS)
@pytest.mark.parametrize("server", sorted(ALL))
def test_three_sessions_over_two_connections(server: str, seed: int, stages: Stages) -> None:
    assert not (difference := examine(stages(CROWDED, server), generate_crowded(seed))), difference


@pytest.mark.real
@pytest.mark.parametrize("seed", TYPES_SEEDS)
@pytest.mark.parametrize("server", sorted(ALL))
def test_values_of_any_type(server: str, seed: int, stages: Stages) -> None:
    assert not (difference := examine(stages(FORCED, server), generate_types(seed))), difference


@pytest.mark.real
@pytest.mark.skipif(not SECONDS, reason="only when DBMUX_DIFFERENTIAL_SECONDS is set")
@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.parametrize(
    "setting, make",
    [
        (FORCED, generate),
        (CROWDED, generate_crowded),
        (SPLIT, generate),
        (CACHED, generate),
        (RELAYED, generate),
        (RELAYED, generate_crowded),
        (FORCED, generate_types),
    ],
    ids=["forced", "crowded", "split", "cached", "relayed", "relayed, three sessions", "types"],
)
@pytest.mark.parametrize("server", sorted(ALL))
def test_generated_sequences_for_a_long_time(
    server: str, setting: Setting, make: Callable[[int, int], Scenario], stages: Stages
) -> None:
    deadline = time.monotonic() + SECONDS
    differences: list[str] = []
    for played in itertools.count():
        if time.monotonic() > deadline:
            break
        if difference := examine(stages(setting, server), make(FIRST_SEED + played, LONG)):
            differences.append(difference)

    if differences:
        shown = "\n\n".join(differences)
        pytest.fail(f"{len(differences)} of {played} differ\n{shown}", pytrace=False)


def fails_with(*needed: int) -> Callable[[Scenario], bool]:
    """A failure that needs some of a scenario's steps."""
    wanted = {generate(1).steps[at] for at in needed}
    return lambda scenario: wanted <= set(scenario.steps)


@pytest.mark.parametrize("needed", [(0,), (3, 17), (0, 1, 2), (5, 20, 30)])
def test_a_failing_sequence_is_shrunk_to_the_steps_that_it_needs(needed: tuple[int, ...]) -> None:
    fails = fails_with(*needed)

    shortest = shrink(generate(1), fails)

    assert fails(shortest)
    assert len(shortest.steps) == len({generate(1).steps[at] for at in needed})


def test_a_seed_always_gives_the_same_sequence() -> None:
    assert generate(7) == generate(7)
    assert generate(7) != generate(8)
    assert generate_crowded(7) == generate_crowded(7)


def test_a_crowded_sequence_has_three_sessions() -> None:
    for seed in CROWDED_SEEDS:
        assert {step.session for step in generate_crowded(seed).steps} == {"a", "b", "c"}
