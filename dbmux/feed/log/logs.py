"""The chore that writes statements to files: from the engine's ring, beside the traffic.

Rows come from the ring in small portions, lines go to a file by way of a thread. The ring is the only buffer: while a
disk is slow, it forgets its oldest, and what was not written is counted, and told once. Never makes a statement wait
for longer than one portion takes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from dbmux.config.jsonc import Problem
from dbmux.config.model import Config, LogFile
from dbmux.events import Emit, Warned
from dbmux.feed.feed import Passes, Refused
from dbmux.feed.filter import language
from dbmux.feed.log.entry import with_literals, without_literals
from dbmux.feed.log.pen import Pen
from dbmux.feed.log.rotating import RotatingFile
from dbmux.feed.notes import EngineNotes
from dbmux.feed.row import Row
from dbmux.observe.observer import Observer
from dbmux.observe.prometheus import LogFigures
from dbmux.text import why

QUERIES, SLOW = "queries", "slow"
# How often it is looked for statements; how many make a portion, which takes about a millisecond; and how many times as
# long the loop is left to others before the next.
PAUSE_S = 0.1
PORTION = 32
REST = 3
# How much is written at once.
MOST_BYTES = 256 * 1024
# How long the end of the process waits for what is still to be written.
LAST_S = 2.0


# Makes a filter of its text; raises Refused.
Compiles = Callable[[str], Passes]


def problems(config: Config) -> Iterator[Problem]:
    """What is wrong with the filters of the logs."""
    for name, section in _sections(config).items():
        if section is not None:
            try:
                language.parse(section.filter, config.live.filters)
            except Refused as error:
                yield ("log", name, "filter"), str(error)


def _sections(config: Config) -> dict[str, LogFile | None]:
    return {QUERIES: config.log.queries, SLOW: config.log.slow}


class Logs:
    """Both logs, as the configuration in force has them; from entering to leaving they are written."""

    def __init__(
        self,
        config: Callable[[], Config],
        observer: Observer,
        notes: EngineNotes,
        compiled: Compiles,
        emit: Emit,
    ) -> None:
        self._logs = [_Log(name, config, observer, notes, compiled, emit) for name in (QUERIES, SLOW)]
        self._stopping = asyncio.Event()
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Logs:
        await self._tasks.__aenter__()
        self._writing = [
            self._tasks.create_task(log.write_until(self._stopping), name=f"log {log.name}") for log in self._logs
        ]
        return self

    async def __aexit__(self, *failure: object) -> None:
        self._stopping.set()
        await asyncio.wait(self._writing, timeout=LAST_S)
        for writing in self._writing:
            writing.cancel()
        await self._tasks.__aexit__(None, None, None)

    def figures(self) -> list[LogFigures]:
        """What was written, and what was not."""
        return [log.figures() for log in self._logs]


class _Log:
    """One of them, and its place in the ring."""

    def __init__(
        self,
        name: str,
        config: Callable[[], Config],
        observer: Observer,
        notes: EngineNotes,
        compiled: Compiles,
        emit: Emit,
    ) -> None:
        self.name = name
        self._config = config
        self._observer = observer
        self._notes = notes
        self._compiled = compiled
        self._emit = emit
        self._place = observer.queries.count
        self._known: Config | None = None
        self._section: LogFile | None = None
        self._passes: Passes | None = None
        self._file: RotatingFile | None = None
        self._written = 0
        self._unwritten = 0
        self._missed = 0
        # What is missing since the file could be written last.
        self._lately = 0
        self._has_told_missed = False

    def figures(self) -> LogFigures:
        return LogFigures(self.name, self._written, self._unwritten, self._missed)

    async def write_until(self, stopping: asyncio.Event) -> None:
        """Write what comes until told to stop, and then what there is."""
        pen = Pen(f"log {self.name}")
        pen.start()
        try:
            while not stopping.is_set():
                await self._catch_up(pen, stopping)
                with suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE_S):
                        await stopping.wait()
            await self._catch_up(pen, stopping)
            await self._close(pen)
        finally:
            pen.stop()

    async def _catch_up(self, pen: Pen, stopping: asyncio.Event) -> None:
        await self._take_settings(pen)
        ring = self._observer.queries
        if self._section is None:
            self._place = ring.count
            return
        lines: list[bytes] = []
        size = 0
        while self._place < ring.count:
            begun = time.perf_counter()
            made = self._portion()
            lines += made
            size += sum(map(len, made))
            if size >= MOST_BYTES:
                await self._write(pen, lines)
                lines, size = [], 0
            if self._place < ring.count and not stopping.is_set():
                await asyncio.sleep(REST * (time.perf_counter() - begun))
        if lines:
            await self._write(pen, lines)

    async def _take_settings(self, pen: Pen) -> None:
        config = self._config()
        if config is self._known:
            return
        before, filters = self._known, config.live.filters
        self._known = config
        section = _sections(config)[self.name]
        if before is not None and section == self._section and filters == before.live.filters:
            return
        await self._close(pen)
        self._section, self._has_told_missed = section, False
        if section is None:
            return
        self._file = RotatingFile(section.file, section.max_size, section.keep)
        try:
            self._passes = self._compiled(section.filter)
        except Refused as error:
            # Only what came past the check of the configuration.
            self._end_filter(str(error))

    def _portion(self) -> list[bytes]:
        # The lines of the next statements.
        section, passes = self._section, self._passes
        assert section is not None
        found = self._observer.queries.since(self._place, PORTION)
        first = found.place - len(found.events)
        self._place = found.place
        if found.missed:
            self._miss(found.missed)
        rows = [Row(first + at, event, self._notes) for at, event in enumerate(found.events)]
        if passes is None:
            return []
        self._notes.look_at(first, found.events)
        if self.name == SLOW:
            rows = [row for row in rows if row.is_slow]
        line = with_literals if section.literals else without_literals
        try:
            return [line(row) for row in rows if passes(row)]
        except Refused as error:
            self._end_filter(str(error))
            return []

    async def _write(self, pen: Pen, lines: list[bytes]) -> None:
        file = self._file
        assert file is not None
        written = await pen.do(lambda: file.write(lines))
        self._written += written.lines
        missing = len(lines) - written.lines
        self._unwritten += missing
        if written.error is not None:
            if not self._lately:
                self._warn(f"cannot be written: {why(written.error)}; what is missing there is counted")
            self._lately += missing
        elif self._lately:
            self._warn(f"is written again; {self._lately} statements are missing in it")
            self._lately = 0

    async def _close(self, pen: Pen) -> None:
        file, self._file = self._file, None
        self._lately = 0
        if file is not None:
            await pen.do(file.close)

    def _miss(self, count: int) -> None:
        self._missed += count
        if not self._has_told_missed:
            self._has_told_missed = True
            self._warn("cannot keep up: statements were forgotten before they were written, and are counted")

    def _end_filter(self, message: str) -> None:
        self._passes = None
        self._warn(f"is not written any more, for its filter was ended: {message}")

    def _warn(self, what: str) -> None:
        section = self._section
        file = section.file if section is not None else ""
        self._emit(Warned(time.time(), f"log.{self.name}: {file} {what}"))
