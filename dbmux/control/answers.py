"""Everything that can be asked of a running engine, and ordered: one table, for the feed, the sockets and the commands.

A running engine and what watches it come in; for each question a coroutine goes out that gives plain values, as JSON
has them, or raises Refused. Runs in the engine's loop and never blocks it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict
from heapq import nlargest
from pathlib import Path
from time import monotonic, time
from typing import Any, Protocol

from dbmux.backend.pool import PoolFigures
from dbmux.cache.cache import Cache
from dbmux.config.effective import places, settings
from dbmux.config.history import History
from dbmux.config.model import Config
from dbmux.control.caching import entries, flush, statistics
from dbmux.control.draining import drain, resume
from dbmux.control.investigate import Investigations
from dbmux.control.listings import clients, routes, unread
from dbmux.control.mirroring import Mirroring
from dbmux.control.unused import ENOUGH, Unused, seen, unused
from dbmux.control.variables import variables
from dbmux.errors import DbMuxError
from dbmux.events import CloseReason
from dbmux.feed.feed import Answer, Refused
from dbmux.feed.notes import EngineNotes
from dbmux.feed.row import Row
from dbmux.feed.why import Placed, why
from dbmux.frontend.frontend import Frontend
from dbmux.mirror.mirrors import Mirrors
from dbmux.observe.digests import Told
from dbmux.observe.observer import Observer
from dbmux.owned import Existing
from dbmux.text import why as reason
from dbmux.version import VERSION

# So many of a kind are told, those that matter most.
MOST_TOLD = 200
# Asked more often, it is told as it was.
UNUSED_ANEW_S = 10.0


class Running(Protocol):
    """An engine that runs."""

    cache: Cache
    mirrors: Mirrors
    is_draining: bool

    @property
    def config(self) -> Config:
        """What is in force."""

    @property
    def frontend(self) -> Frontend:
        """The clients."""

    @property
    def addresses(self) -> Mapping[str, str]:
        """Where clients connect, and the group that each address serves."""

    def pools(self) -> Iterable[PoolFigures]:
        """How the connections to each backend stand."""


class Wishes(Protocol):
    """What is done by the process that runs the engine."""

    def stop(self) -> None:
        """End as a signal would have it."""

    async def reload(self) -> tuple[str, ...]:
        """Read the file again; raises DbMuxError. What that changes, in sentences."""

    async def roll_back(self, number: int) -> tuple[str, ...]:
        """Put an earlier version in force again; raises DbMuxError. What that changes, in sentences."""

    async def save(self, file: Path, existing: Existing) -> tuple[str, ...]:
        """Write what is in force to a file, and follow it; raises FileExistsError, OSError and DbMuxError."""


class Answers:
    """Answers for one engine."""

    def __init__(
        self, engine: Running, observer: Observer, notes: EngineNotes, history: History, wishes: Wishes
    ) -> None:
        self._engine = engine
        self._observer = observer
        self._notes = notes
        self._history = history
        self._wishes = wishes
        self._begun = time()
        self._unused: list[Unused] = []
        # Of which version, and when.
        self._unused_of = (0, 0.0)

    def table(self) -> Mapping[str, Answer]:
        """By name."""
        return {
            **Investigations(self._engine, self._row, self._places).table(),
            **Mirroring(self._engine.mirrors).table(),
            "status": _at_once(lambda given: self.status()),
            "pulse": _at_once(lambda given: self.pulse(float(given.get("since", 0.0)))),
            "clients": _at_once(lambda given: clients(self._engine.frontend.sessions.values())),
            "routes": _at_once(lambda given: routes(self._engine.frontend, self._engine.config)),
            "variables": lambda given: variables(self._engine),
            "pools": _at_once(lambda given: [asdict(pool) for pool in self._engine.pools()]),
            "cache": _at_once(lambda given: statistics(self._engine.cache)),
            "cache.entries": _at_once(lambda given: entries(self._engine.cache)),
            "cache.flush": _at_once(lambda given: flush(self._engine.cache, given.get("table"))),
            "top": _at_once(lambda given: self.top(given.get("seconds"))),
            "row": _at_once(lambda given: self._row(given).told()),
            "why": _at_once(lambda given: self.why(self._row(given))),
            "config": _at_once(lambda given: self.config()),
            "config.unused": lambda given: self.unused(),
            "config.versions": _at_once(lambda given: self.versions()),
            "config.reload": lambda given: self._changed(self._wishes.reload()),
            "config.roll_back": self._roll_back,
            "config.save": self._save,
            "drain": _at_once(
                lambda given: drain(self._engine.frontend.topology, given.get("backend"), self._wishes.stop)
            ),
            "resume": _at_once(lambda given: resume(self._engine.frontend.topology, given.get("backend"))),
            "kill": _at_once(lambda given: self.kill(int(given["session"]), str(given.get("what", "query")))),
        }

    def status(self) -> dict[str, Any]:
        """What is shown always."""
        engine, observer = self._engine, self._observer
        now = self._history.now
        topology = engine.frontend.topology
        return {
            "version": VERSION,
            "seconds": round(time() - self._begun, 3),
            "listeners": [{"address": address, "group": group} for address, group in engine.addresses.items()],
            "draining": engine.is_draining,
            "clients": len(engine.frontend.sessions),
            "backends": [
                {
                    "name": one.name,
                    "state": str(one.state),
                    "error": one.error,
                    "no_reads": unread(topology.groups.values(), one),
                }
                for one in topology.backends.values()
            ],
            "config": {
                "version": now.number,
                "source": now.source,
                "file": now.file,
                "again": now.again,
                "at": now.at,
                "changes": now.changes,
                "problems": self._history.problems,
            },
            "statements": observer.queries.count,
            "kept": observer.queries.count - observer.queries.oldest,
            "kept_bytes": observer.queries.bytes,
            "pins": {reason: count for reason, count in observer.metrics.pins_now.items() if count},
        }

    def pulse(self, since: float) -> list[dict[str, Any]]:
        """The seconds that ended after that moment."""
        return [asdict(sample) for sample in self._observer.pulse.samples if sample.at > since]

    def top(self, seconds: float | None) -> list[dict[str, Any]]:
        """The kinds of statements that took the most time, over the last seconds or since the start."""
        found = list(self._observer.digests.over(None if seconds is None else float(seconds)))
        whole = sum(told.counted.seconds for told in found)
        return [self._told(told, whole) for told in nlargest(MOST_TOLD, found, key=lambda told: told.counted.seconds)]

    def _told(self, told: Told, whole: float) -> dict[str, Any]:
        counted, row = told.counted, Row(0, told.example, self._notes)
        return {
            "digest": told.id,
            "text": told.text,
            "kind": row.kind,
            "tables": row.tables,
            "app": row.app,
            "site": row.site,
            "schema": row.schema,
            "calls": counted.count,
            "seconds": round(counted.seconds, 6),
            "share": round(counted.seconds / whole, 4) if whole else 0.0,
            "p50": counted.percentile(50),
            "p95": counted.percentile(95),
            "p99": counted.percentile(99),
            "rows": counted.rows,
            "bytes": counted.bytes,
            "errors": counted.errors,
            "hits": counted.hits,
        }

    def why(self, row: Row) -> list[dict[str, Any]]:
        """The decisions about a statement."""
        return [asdict(step) for step in why(row, self._places())]

    def _places(self) -> Placed:
        now = self._history.now
        document = places(now.text)

        def placed(path: tuple[str, ...]) -> str:
            place = document.places.get(path)
            return "" if place is None else now.place(place.line, place.column)

        return placed

    def _row(self, given: Mapping[str, Any]) -> Row:
        number = int(given["seq"])
        event = self._observer.queries.get(number)
        if event is None:
            oldest, count = self._observer.queries.oldest, self._observer.queries.count
            raise Refused(f"statement {number} is not kept any more; there are {oldest} to {count - 1}")
        return Row(number, event, self._notes)

    def config(self) -> list[dict[str, Any]]:
        """What is in force, and where it comes from."""
        now = self._history.now
        return [asdict(setting) for setting in settings(now.config, now.text)]

    async def unused(self) -> list[dict[str, Any]]:
        """Settings in force that have done nothing in many statements, with what was probably meant."""
        if self._statements() < ENOUGH:
            return []
        version, at = self._unused_of
        if version != self._history.now.number or monotonic() - at > UNUSED_ANEW_S:
            traffic = seen(self._observer, self._engine.frontend, self._engine.cache)
            # Names are compared with names, which takes its time where there are many.
            now = self._history.now
            self._unused = await asyncio.to_thread(lambda: list(unused(now.config, traffic)))
            self._unused_of = (now.number, monotonic())
        placed = self._places()
        return [{"path": ".".join(one.path), "told": one.told, "place": placed(one.path)} for one in self._unused]

    def _statements(self) -> int:
        # Since this configuration is in force; of a later one as far back as seconds are kept.
        now = self._history.now
        if now.number == 1:
            return sum(figures.latency.count for figures in self._observer.metrics.backends.values())
        return sum(sample.commands for sample in self._observer.pulse.samples if sample.at > now.at)

    def versions(self) -> list[dict[str, Any]]:
        """Which configurations were in force, the newest first."""
        return [
            {"version": one.number, "at": one.at, "source": one.source, "changes": one.changes}
            for one in reversed(list(self._history))
        ]

    async def _roll_back(self, given: Mapping[str, Any]) -> dict[str, Any]:
        try:
            number = int(given["version"])
        except KeyError as error:
            raise Refused(f"{error} is missing") from error
        return await self._changed(self._wishes.roll_back(number))

    async def _save(self, given: Mapping[str, Any]) -> dict[str, Any]:
        file = Path(str(given.get("file", "")))
        if not file.is_absolute() or not file.name:
            raise Refused("write the file with its whole path")
        existing = Existing.REPLACE if given.get("replace") is True else Existing.KEEP
        try:
            told = await self._changed(self._wishes.save(file, existing))
        except FileExistsError:
            return {"file": str(file), "written": False}
        except OSError as error:
            raise Refused(f"{file} cannot be written: {reason(error)}") from error
        return {"file": str(file), "written": True, **told}

    async def _changed(self, order: Awaitable[tuple[str, ...]]) -> dict[str, Any]:
        try:
            return {"changes": await order}
        except DbMuxError as error:
            raise Refused(str(error)) from error

    def kill(self, number: int, what: str) -> dict[str, Any]:
        """End a session, or have its server stop what runs for it."""
        session = self._engine.frontend.sessions.get(number)
        if session is None:
            raise Refused(f"no session has the number {number}; see `dbmux clients`")
        match what:
            case "connection":
                if session.busy_since is not None:
                    self._engine.frontend.end_statement(session)
                session.end(CloseReason.KILLED, "by order")
            case "query":
                if session.busy_since is None and session.wait_no_longer():
                    return {"session": number, "killed": what}
                if session.busy_since is None:
                    raise Refused(f"nothing runs for {number}; end its connection if it must go")
                if not self._engine.frontend.stop_query(session):
                    raise Refused(f"what runs for {number} cannot be stopped without its password; end its connection")
            case _:
                raise Refused(f"{what!r} cannot be killed; there are query and connection")
        return {"session": number, "killed": what}


def _at_once(answer: Callable[[Mapping[str, Any]], Any]) -> Answer:
    async def answered(given: Mapping[str, Any]) -> Any:
        try:
            return answer(given)
        except KeyError as error:
            raise Refused(f"{error} is missing") from error
        except (ValueError, TypeError, DbMuxError) as error:
            raise Refused(str(error)) from error

    return answered
