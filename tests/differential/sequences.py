"""All scenarios that were written by hand, one module a subject."""

from __future__ import annotations

from tests.differential.steps import Scenario
from tests.differential.subjects import (
    charsets,
    diagnostics,
    ids,
    named_locks,
    routines,
    sql_prepared,
    tables,
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
)
SCENARIOS: tuple[Scenario, ...] = tuple(scenario for subject in SUBJECTS for scenario in subject.SCENARIOS)
