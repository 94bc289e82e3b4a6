"""The figures in Prometheus' text format, made when somebody asks.

`Metrics` and what is so now come in, bytes go out; names, labels and
meanings stand in docs/metrics.md. Counts of a backend that was removed stay, its state and its pool's do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from dbmux.backend.pool import WAIT_BOUNDS_S, PoolFigures
from dbmux.cache.cache import Cache
from dbmux.observe.digests import KindFigures
from dbmux.observe.histogram import Histogram
from dbmux.observe.metrics import Metrics
from dbmux.observe.ring import Ring
from dbmux.routes import KINDS
from dbmux.wire.commands import Command

LATENCY_BOUNDS_S = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class LogFigures:
    """A log of statements: how many it has, how many could not be written, and how many were gone before."""

    name: str
    written: int
    unwritten: int
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorNow:
    """How a mirror stands; what is None is not known, as of a target that replicates by itself what it has applied."""

    name: str
    state: str
    delay_s: float | None
    transactions: int | None
    rows: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What is not counted from events: the backends that there are, how their pools stand, how far they are behind in
    seconds, how often rules matched, the query cache, and mirrors; then what those who watch have: statements by kind,
    how late the loop was, the rings, the logs, and how many look on."""

    backends: Iterable[str]
    pools: Iterable[PoolFigures] = ()
    lags: Mapping[str, float] = field(default_factory=dict)
    rules: Mapping[str, int] = field(default_factory=dict)
    cache: Cache | None = None
    mirrors: Iterable[MirrorNow] = ()
    kinds: Mapping[str, KindFigures] = field(default_factory=dict)
    lateness: Histogram | None = None
    rings: Mapping[str, Ring[Any]] = field(default_factory=dict)
    logs: Iterable[LogFigures] = ()
    watchers: int = 0


def render(metrics: Metrics, now: Now) -> bytes:
    """All figures as they stand."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(metrics, now))
    return generate_latest(registry)


def _command(number: int) -> str:
    # Clients may send any.
    try:
        return Command(number).name.lower()
    except ValueError:
        return f"0x{number:02x}"


def _buckets(durations: Histogram) -> list[tuple[str, float]]:
    counts = [(str(bound), float(durations.below(bound))) for bound in LATENCY_BOUNDS_S]
    return [*counts, ("+Inf", float(durations.count))]


class _Figures(Collector):
    def __init__(self, metrics: Metrics, now: Now) -> None:
        self._metrics = metrics
        self._now = now
        self._present = frozenset(now.backends)
        self._pools = tuple(now.pools)

    def collect(self) -> Iterable[Metric]:
        yield from self._sessions()
        yield from self._backends()
        yield from self._connections()
        yield from self._pins()
        yield from self._routing()
        yield from self._answers()
        yield from self._memory()
        yield from self._mirrors()
        yield from self._users()
        yield from self._kinds()
        yield from self._watching()

    def _sessions(self) -> Iterable[Metric]:
        metrics = self._metrics
        yield GaugeMetricFamily("dbmux_sessions_open", "Clients connected now.", metrics.sessions_open)
        yield CounterMetricFamily("dbmux_sessions_opened", "Clients that connected.", metrics.sessions_opened)
        closed = CounterMetricFamily("dbmux_sessions_closed", "Sessions that ended, by reason.", labels=["reason"])
        for reason, count in metrics.sessions_closed.items():
            closed.add_metric([reason.value], count)
        yield closed
        yield CounterMetricFamily("dbmux_logins", "Logins that succeeded.", metrics.logins)
        failed = CounterMetricFamily("dbmux_logins_failed", "Logins refused, by MySQL error number.", labels=["code"])
        for code, count in metrics.logins_failed.items():
            failed.add_metric([str(code)], count)
        yield failed
        yield CounterMetricFamily(
            "dbmux_addresses_blocked", "Times that an address was refused.", metrics.addresses_blocked
        )
        yield CounterMetricFamily("dbmux_configs_applied", "Configurations put in force.", metrics.configs_applied)
        yield CounterMetricFamily("dbmux_configs_rejected", "Configurations with errors.", metrics.configs_rejected)

    def _backends(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("dbmux_backend_up", "1 when the backend answered last.", labels=["backend"])
        commands = CounterMetricFamily("dbmux_commands", "Commands answered.", labels=["backend", "command"])
        errors = CounterMetricFamily("dbmux_errors", "Commands answered with an error.", labels=["backend", "code"])
        reply_bytes = CounterMetricFamily("dbmux_reply_bytes", "Bytes of replies relayed.", labels=["backend"])
        routes = CounterMetricFamily(
            "dbmux_routes", "Commands by why they went where they went.", labels=["backend", "role", "reason"]
        )
        latency = HistogramMetricFamily("dbmux_command_seconds", "From command to end of reply.", labels=["backend"])
        for name, figures in self._metrics.backends.items():
            if name in self._present:
                up.add_metric([name], int(figures.is_up))
            for number, count in enumerate(figures.commands):
                if count:
                    commands.add_metric([name, _command(number)], count)
            for code, count in figures.errors.items():
                errors.add_metric([name, str(code)], count)
            reply_bytes.add_metric([name], figures.bytes)
            latency.add_metric([name], _buckets(figures.latency), figures.latency.sum_s)
            for (role, reason), count in zip(KINDS, figures.routes, strict=True):
                if count:
                    routes.add_metric([name, role.value, reason.value], count)
        yield from (up, commands, errors, reply_bytes, latency, routes)

    def _connections(self) -> Iterable[Metric]:
        state = GaugeMetricFamily("dbmux_connections", "Connections to the backend.", labels=["backend", "state"])
        limit = GaugeMetricFamily("dbmux_connections_limit", "How many there may be.", labels=["backend"])
        waiters = GaugeMetricFamily("dbmux_waiters", "Who waits for a connection now.", labels=["backend"])
        waits = CounterMetricFamily("dbmux_waits", "Waits for a connection that ended.", labels=["backend"])
        seconds = HistogramMetricFamily("dbmux_wait_seconds", "How long they took.", labels=["backend"])
        carried = CounterMetricFamily(
            "dbmux_state_carried", "Connections made ready for another session.", labels=["backend"]
        )
        for pool in self._pools:
            name = pool.backend
            state.add_metric([name, "idle"], pool.idle)
            state.add_metric([name, "busy"], pool.busy)
            state.add_metric([name, "connecting"], pool.connecting)
            state.add_metric([name, "unshared"], pool.unshared)
            if pool.limit is not None:
                limit.add_metric([name], pool.limit)
            waiters.add_metric([name], pool.waiters)
            waits.add_metric([name], sum(pool.waits))
            bounds = [*map(str, WAIT_BOUNDS_S), "+Inf"]
            seconds.add_metric(
                [name], list(zip(bounds, map(float, accumulate(pool.waits)), strict=True)), pool.waited_s
            )
            carried.add_metric([name], pool.carried)
        yield from (state, limit, waiters, waits, seconds, carried)

    def _pins(self) -> Iterable[Metric]:
        now = GaugeMetricFamily("dbmux_pins", "What ties sessions to their connections now.", labels=["reason"])
        ever = CounterMetricFamily("dbmux_pins", "What tied sessions to their connections.", labels=["reason"])
        for reason, count in self._metrics.pins.items():
            now.add_metric([reason], self._metrics.pins_now[reason])
            ever.add_metric([reason], count)
        yield from (now, ever)

    def _routing(self) -> Iterable[Metric]:
        lag = GaugeMetricFamily("dbmux_lag_seconds", "How far behind its primary.", labels=["backend"])
        for name, seconds in self._now.lags.items():
            lag.add_metric([name], seconds)
        rules = CounterMetricFamily("dbmux_rule_matches", "Statements that the rule matched first.", labels=["rule"])
        for name, count in self._now.rules.items():
            rules.add_metric([name], count)
        yield from (lag, rules)

    def _answers(self) -> Iterable[Metric]:
        labels = ("tables", "by")
        hits = CounterMetricFamily("dbmux_cache_hits", "Answered from memory.", labels=labels)
        stale = CounterMetricFamily("dbmux_cache_stale", "Of these, while somebody fetched it anew.", labels=labels)
        coalesced = CounterMetricFamily("dbmux_cache_coalesced", "Answered by another's reading.", labels=labels)
        misses = CounterMetricFamily("dbmux_cache_misses", "Asked of the server, to be stored.", labels=labels)
        stored = CounterMetricFamily("dbmux_cache_stored", "Results stored.", labels=labels)
        saved = CounterMetricFamily("dbmux_cache_saved_seconds", "Time that servers did not spend.", labels=labels)
        refused = CounterMetricFamily("dbmux_cache_refused", "Results that were not stored.", labels=["reason"])
        bypasses = CounterMetricFamily("dbmux_cache_bypasses", "SELECTs not looked up.", labels=["reason"])
        cache = self._now.cache
        if cache is not None:
            refusals = Counter[str]()
            for tally in cache.all_tallies():
                named = [tally.name, tally.by]
                hits.add_metric(named, tally.hits)
                stale.add_metric(named, tally.stale)
                coalesced.add_metric(named, tally.coalesced)
                misses.add_metric(named, tally.misses)
                stored.add_metric(named, tally.stored)
                saved.add_metric(named, tally.saved_s)
                refusals.update(tally.refusals)
            for reason, count in refusals.items():
                refused.add_metric([str(reason)], count)
            for reason, count in cache.bypasses.items():
                bypasses.add_metric([reason], count)
        yield from (hits, stale, coalesced, misses, stored, saved, refused, bypasses)

    def _memory(self) -> Iterable[Metric]:
        size = GaugeMetricFamily("dbmux_cache_bytes", "Memory that stored results take.")
        limit = GaugeMetricFamily("dbmux_cache_limit_bytes", "How much it may be.")
        entries = GaugeMetricFamily("dbmux_cache_entries", "Results in memory.")
        gone = CounterMetricFamily("dbmux_cache_evictions", "Results that left the memory.", labels=["reason"])
        clears = CounterMetricFamily("dbmux_cache_clears", "Times that everything ended at once.", labels=["cause"])
        sees = GaugeMetricFamily("dbmux_cache_sees_writes", "1 when writes past DbMux are seen.", labels=["group"])
        delay = GaugeMetricFamily("dbmux_cache_delay_seconds", "How much later they are seen.", labels=["group"])
        cache = self._now.cache
        if cache is not None:
            size.add_metric([], cache.store.bytes)
            limit.add_metric([], cache.store.capacity)
            entries.add_metric([], len(cache.store))
            for why, count in cache.store.gone.items():
                gone.add_metric([why.value], count)
            for cause, count in cache.cleared.items():
                clears.add_metric([cause], count)
            for source in cache.sources:
                sees.add_metric([source.name], int(source.is_followed))
                if (seconds := source.delay_s()) is not None:
                    delay.add_metric([source.name], seconds)
        yield from (size, limit, entries, gone, clears, sees, delay)

    def _users(self) -> Iterable[Metric]:
        labels = ("group", "user")
        commands = CounterMetricFamily("dbmux_user_commands", "Commands answered.", labels=labels)
        errors = CounterMetricFamily("dbmux_user_errors", "Of these, with an error.", labels=labels)
        seconds = CounterMetricFamily("dbmux_user_seconds", "Time that they took.", labels=labels)
        reply_bytes = CounterMetricFamily("dbmux_user_reply_bytes", "Bytes of their replies.", labels=labels)
        for (user, group), figures in self._metrics.users.items():
            named = [group, user]
            commands.add_metric(named, figures.commands)
            errors.add_metric(named, figures.errors)
            seconds.add_metric(named, figures.seconds)
            reply_bytes.add_metric(named, figures.bytes)
        yield from (commands, errors, seconds, reply_bytes)

    def _kinds(self) -> Iterable[Metric]:
        durations = HistogramMetricFamily("dbmux_statement_seconds", "How long statements took.", labels=["kind"])
        errors = CounterMetricFamily("dbmux_statement_errors", "Statements that failed.", labels=["kind"])
        rows = CounterMetricFamily("dbmux_statement_rows", "Rows sent or changed.", labels=["kind"])
        for kind, figures in self._now.kinds.items():
            durations.add_metric([kind], _buckets(figures.durations), figures.durations.sum_s)
            errors.add_metric([kind], figures.errors)
            rows.add_metric([kind], figures.rows)
        yield from (durations, errors, rows)

    def _mirrors(self) -> Iterable[Metric]:
        state = GaugeMetricFamily("dbmux_mirror_state", "1 for the state that it is in.", labels=["mirror", "state"])
        delay = GaugeMetricFamily("dbmux_mirror_delay_seconds", "How far the target is behind.", labels=["mirror"])
        transactions = CounterMetricFamily(
            "dbmux_mirror_transactions", "Transactions applied to the target.", labels=["mirror"]
        )
        rows = CounterMetricFamily("dbmux_mirror_rows", "Rows applied to the target.", labels=["mirror"])
        for mirror in self._now.mirrors:
            state.add_metric([mirror.name, mirror.state], 1)
            if mirror.delay_s is not None:
                delay.add_metric([mirror.name], mirror.delay_s)
            if mirror.transactions is not None:
                transactions.add_metric([mirror.name], mirror.transactions)
            if mirror.rows is not None:
                rows.add_metric([mirror.name], mirror.rows)
        yield from (state, delay, transactions, rows)

    def _watching(self) -> Iterable[Metric]:
        late = HistogramMetricFamily("dbmux_loop_lag_seconds", "How late the event loop was, at most in each second.")
        if self._now.lateness is not None:
            late.add_metric([], _buckets(self._now.lateness), self._now.lateness.sum_s)
        kept = GaugeMetricFamily("dbmux_ring_events", "What is remembered for those who look.", labels=["ring"])
        size = GaugeMetricFamily("dbmux_ring_bytes", "Memory that it takes.", labels=["ring"])
        limit = GaugeMetricFamily("dbmux_ring_limit_bytes", "How much it may be.", labels=["ring"])
        dropped = CounterMetricFamily("dbmux_ring_dropped", "What was forgotten to make room.", labels=["ring"])
        for name, ring in self._now.rings.items():
            kept.add_metric([name], ring.count - ring.oldest)
            size.add_metric([name], ring.bytes)
            limit.add_metric([name], ring.limit)
            dropped.add_metric([name], ring.oldest)
        written = CounterMetricFamily("dbmux_log_written", "Statements in the log.", labels=["log"])
        lost = CounterMetricFamily("dbmux_log_lost", "Statements missing in it.", labels=["log", "reason"])
        for log in self._now.logs:
            written.add_metric([log.name], log.written)
            lost.add_metric([log.name, "not written"], log.unwritten)
            lost.add_metric([log.name, "forgotten"], log.missed)
        watchers = GaugeMetricFamily("dbmux_control_clients", "Clients of the control socket.", self._now.watchers)
        yield from (late, kept, size, limit, dropped, written, lost, watchers)
