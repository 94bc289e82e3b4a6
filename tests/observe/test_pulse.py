"""How it went, second by second."""

from __future__ import annotations

from dbmux.events import MEMORY, QueryFinished
from dbmux.observe.observer import Observer
from dbmux.observe.pulse import SECONDS_KEPT, Pulse, Sample
from dbmux.routes import ONLY


def ran(seconds: float, backend: str = "db", code: int = 0) -> QueryFinished:
    return QueryFinished(0.0, 1, backend, 3, seconds, 10, code, ONLY)


def test_a_sample_has_what_happened_since_the_one_before() -> None:
    observer, pulse = Observer(None), Pulse()
    observer.emit(ran(1.0))
    pulse.tick(observer.metrics, 1.0, 0.0)
    for _ in range(8):
        observer.emit(ran(0.001))
    observer.emit(ran(0.5, code=1064))
    observer.emit(ran(0.000001, backend=MEMORY))

    pulse.tick(observer.metrics, 2.0, 0.004)

    sample = pulse.samples[-1]
    assert (sample.at, sample.commands, sample.errors, sample.hits, sample.lag) == (2.0, 10, 1, 1, 0.004)
    assert (round(sample.p50, 3), round(sample.p99, 2)) == (0.001, 0.5)


def test_each_server_that_answered_is_told_apart() -> None:
    observer, pulse = Observer(None), Pulse()
    observer.emit(ran(0.001, backend="idle"))
    pulse.tick(observer.metrics, 1.0, 0.0)
    for backend, seconds in (("quick", 0.001), ("quick", 0.001), ("slow", 0.5), (MEMORY, 0.00001)):
        observer.emit(ran(seconds, backend=backend))

    pulse.tick(observer.metrics, 2.0, 0.0)

    servers = pulse.samples[-1].servers
    assert {name: served.commands for name, served in servers.items()} == {"quick": 2, "slow": 1, MEMORY: 1}
    assert round(servers["quick"].p95, 4) < round(servers["slow"].p95, 1) == 0.5


def test_a_second_without_statements_is_one_too() -> None:
    pulse = Pulse()

    pulse.tick(Observer(None).metrics, 1.0, 0.0)

    assert list(pulse.samples) == [Sample(1.0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, {})]


def test_only_the_last_minutes_are_kept() -> None:
    pulse, metrics = Pulse(), Observer(None).metrics

    for second in range(SECONDS_KEPT + 5):
        pulse.tick(metrics, float(second), 0.0)

    assert (len(pulse.samples), pulse.samples[0].at) == (SECONDS_KEPT, 5.0)
