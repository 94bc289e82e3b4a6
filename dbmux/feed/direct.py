"""The feed within the process: rows straight from the engine's ring, questions asked in the engine's own loop.

Made by the engine's thread and used by any other. `take` walks the ring, which is written meanwhile; everything else
runs where the engine runs. Never waits for the engine while it holds anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from dbmux.events import Event, Warned
from dbmux.feed.feed import (
    FILTER_ENDED,
    MOST_LOOKED_AT,
    MOST_ROWS,
    RUSH,
    Answer,
    Batch,
    Happening,
    Hello,
    Lost,
    Passes,
    Refused,
    Subscription,
)
from dbmux.feed.notes import EngineNotes
from dbmux.feed.row import Row
from dbmux.observe.logfile import sentence
from dbmux.observe.observer import Observer


class DirectSubscription:
    """A place in the ring, and a filter; when that must not be used any more, no more rows come."""

    def __init__(self, observer: Observer, notes: EngineNotes, passes: Passes, since: int) -> None:
        self._observer = observer
        self._notes = notes
        self._passes = passes
        self._place = since
        self._happened = 0

    def take(self) -> Batch:
        """What came since the last time."""
        found = self._observer.queries.since(self._place, MOST_LOOKED_AT)
        notes, passes = self._notes, self._passes
        first = found.place - len(found.events)
        notes.look_at(first, found.events)
        ended: tuple[Happening, ...] = ()
        try:
            # One after the other: a row that is not wanted is gone before the next one is made.
            matching = [row for at, event in enumerate(found.events, first) if passes(row := Row(at, event, notes))]
        except Refused as error:
            # It took too long on one of them. Whoever looks is told, and has to say it otherwise.
            matching, self._passes = [], _nothing
            ended = (happening(self._happened, Warned(found.events[-1].at, f"{FILTER_ENDED}: {error}")),)
        every, place = 1, found.place
        if len(matching) > MOST_ROWS:
            if len(matching) > RUSH * (matching[-1].at - matching[0].at):
                every = -(-len(matching) // MOST_ROWS)
            else:
                # They came one by one, some time ago: the next batch goes on with the others.
                place = matching[MOST_ROWS].seq
                del matching[MOST_ROWS:]
        self._place = place
        return Batch(
            rows=tuple(matching[::every]),
            happenings=self._happenings() + ended,
            place=place,
            looked_at=place - first,
            matched=len(matching),
            missed=found.missed,
            every=every,
        )

    def close(self) -> None:
        """Nothing is held."""

    def _happenings(self) -> tuple[Happening, ...]:
        found = self._observer.events.since(self._happened)
        self._happened = found.place
        first = found.place - len(found.events)
        return tuple(happening(first + at, event) for at, event in enumerate(found.events))


def _nothing(row: Row) -> bool:
    return False


def happening(seq: int, event: Event) -> Happening:
    """An event as it is told."""
    return Happening(seq, event.at, type(event).__name__, sentence(event))


class DirectFeed:
    """The engine of this process. `loop` is the engine's; `answers` say what can be asked.

    `compiled` makes a filter of its text; raises Refused.
    """

    def __init__(
        self,
        hello: Hello,
        observer: Observer,
        notes: EngineNotes,
        compiled: Callable[[str], Passes],
        answers: Mapping[str, Answer],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.hello = hello
        self.refusal = ""
        self._observer = observer
        self._notes = notes
        self._compiled = compiled
        self._answers = answers
        self._loop = loop

    async def subscribe(self, wanted: str, since: int) -> Subscription:
        """Rows from the ring."""
        return DirectSubscription(self._observer, self._notes, self._compiled(wanted), since)

    async def ask(self, what: str, given: Mapping[str, Any] | None = None) -> Any:
        """Ask in the engine's loop, from this one."""
        answer = self._answers.get(what)
        if answer is None:
            raise Refused(f"{what!r} cannot be asked; there are {', '.join(sorted(self._answers))}")
        if asyncio.get_running_loop() is self._loop:
            return await answer(given or {})
        asked = answer(given or {})
        try:
            answered = asyncio.run_coroutine_threadsafe(asked, self._loop)
        except RuntimeError as error:
            asked.close()
            raise Lost("the engine has ended") from error
        return await asyncio.wrap_future(answered)
