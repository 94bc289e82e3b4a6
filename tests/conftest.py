"""What holds for all tests: machines are shared and noisy, so none of them fails by the time that it took."""

from __future__ import annotations

import faulthandler
import os

import pytest
from hypothesis import settings
from pytest_timeout import Settings

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

_STDERR = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep the real one, which is not captured now."""
    config.stash[_STDERR] = os.dup(2)


def pytest_timeout_set_timer(item: pytest.Item, settings: Settings) -> bool:
    """A test that hangs ends the run and shows its stacks, also where several processes run tests.

    Not a moment earlier: to look at the stacks of threads that run can end the process by itself.
    """
    faulthandler.dump_traceback_later(settings.timeout, exit=True, file=item.config.stash[_STDERR])
    return True


def pytest_timeout_cancel_timer(item: pytest.Item) -> bool:
    """It has ended in time."""
    faulthandler.cancel_dump_traceback_later()
    return True
