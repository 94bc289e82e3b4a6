"""All scenarios that were written by hand, one module a subject."""

from __future__ import annotations

from tests.differential.steps import Scenario
from tests.differential.subjects import (
    binary,
    charsets,
    commands,
    diagnostics,
    ids,
    named_locks,
    routines,
    sessions,
    several,
    sql_prepared,
    tables,
    tools,
    transactions,
    user_variables,
    variables,
)

SUBJECTS = (
    transactions,
    variables,
    user_variables,
    charsets,
    ids,
    diagnostics,
    tables,
    named_locks,
    routines,
    sql_prepared,
    binary,
    commands,
    several,
    tools,
    sessions,
)
SCENARIOS: tuple[Scenario, ...] = tuple(scenario for subject in SUBJECTS for scenario in subject.SCENARIOS)
