"""Each test runs on the code as it was built, and interpreted."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.cache.forms import AS_BUILT, INTERPRETED


@pytest.fixture(params=[AS_BUILT, INTERPRETED], ids=["as built", "interpreted"])
def form(request: pytest.FixtureRequest) -> SimpleNamespace:
    assert isinstance(request.param, SimpleNamespace)
    return request.param
