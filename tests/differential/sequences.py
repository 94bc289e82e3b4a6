"""All scenarios that were written by hand, one module a subject."""

from __future__ import annotations

from tests.differential.steps import Scenario
from tests.differential.subjects import transactions

SUBJECTS = (transactions,)
SCENARIOS: tuple[Scenario, ...] = tuple(scenario for subject in SUBJECTS for scenario in subject.SCENARIOS)
