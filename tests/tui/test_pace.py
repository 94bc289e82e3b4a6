"""How often the live view is drawn."""

from __future__ import annotations

from dbmux.tui.pace import FASTEST_S, SLOWEST_S, Pace


class Machine:
    """Time passes, and each frame costs some of the processor."""

    def __init__(self) -> None:
        self.now = 0.0
        self.used = 0.0
        self.pace = Pace(lambda: self.used, lambda: self.now)

    def frames(self, count: int, cost: float) -> float:
        while count:
            self.now += FASTEST_S
            if self.pace.is_due():
                self.used += cost
                count -= 1
        return self.pace.interval_s


def test_cheap_frames_come_as_fast_as_they_may() -> None:
    assert Machine().frames(10, 0.001) == FASTEST_S


def test_what_costs_too_much_is_drawn_less_often() -> None:
    machine = Machine()

    interval = machine.frames(20, 0.03)

    assert FASTEST_S < interval <= SLOWEST_S
    assert 0.03 / interval <= 0.08


def test_when_it_costs_less_again_it_is_drawn_more_often() -> None:
    machine = Machine()
    machine.frames(20, 0.2)

    assert machine.frames(20, 0.001) == FASTEST_S


def test_a_clock_that_stands_still_breaks_nothing() -> None:
    machine = Machine()

    assert machine.pace.is_due()
    assert machine.pace.interval_s == FASTEST_S
