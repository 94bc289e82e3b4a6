"""The live view while more comes than can be read: what is drawn, what is told of it, and that keys get through."""

from __future__ import annotations

import asyncio
import itertools
import weakref
from collections.abc import Iterator

import pytest
from rich.segment import Segment
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.pilot import Pilot

from dbmux.feed.feed import RUSH, Batch, Subscription
from dbmux.tui.app import Interface, Leave
from dbmux.tui.drawn import Line
from dbmux.tui.lines import Lines
from dbmux.tui.look import Look, Theme, look
from dbmux.tui.pace import FASTEST_S
from dbmux.tui.pages.live import CATCHABLE, Live
from tests.tui.lines import NOON, batch, row
from tests.tui.scripted import Scripted, look_at, screen

# Of what rushes by, so much is shown of one batch.
CAUGHT = round(CATCHABLE * FASTEST_S)


class Rushing(Scripted):
    """Each time it is asked, so many statements have come, within these seconds; `taken` is how often that was."""

    def __init__(self, rows: int, within_s: float = FASTEST_S) -> None:
        super().__init__()
        self.rows = rows
        self.within_s = within_s
        self.taken = 0

    async def subscribe(self, wanted: str, since: int) -> Subscription:
        """The same for every filter."""
        return _Rushing(self)


class _Rushing:
    def __init__(self, feed: Rushing) -> None:
        self._feed = feed
        self._numbers = itertools.count()

    def take(self) -> Batch:
        self._feed.taken += 1
        each_s = self._feed.within_s / self._feed.rows
        numbers = itertools.islice(self._numbers, self._feed.rows)
        rows = (row(number, at=NOON + number * each_s, sql=f"SELECT {number}") for number in numbers)
        return batch(*rows, looked_at=self._feed.rows * 2)

    def close(self) -> None:
        """Nothing is held."""


def live(app: Interface) -> Live:
    page = app.page
    assert isinstance(page, Live)
    return page


def test_what_rushes_by_is_thinned_and_the_title_says_so() -> None:
    shown: list[int] = []

    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        assert f"1:{1000 // CAUGHT}" in "\n".join(screen(app))
        stream = live(app).view.stream
        shown.extend((len(stream), stream.matched))

    look_at(Rushing(1000), doing, (160, 50))

    lines, matched = shown
    assert lines * 1000 == matched * CAUGHT


def test_what_an_eye_can_follow_is_shown_whole() -> None:
    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        stream = live(app).view.stream
        assert len(stream) == stream.matched > 0

    look_at(Rushing(round(RUSH * FASTEST_S)), doing, (160, 50))


def test_what_ran_slowly_in_the_past_is_shown_whole_though_it_comes_at_once() -> None:
    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        stream = live(app).view.stream
        assert "1:1 " in "\n".join(screen(app))
        assert len(stream) == stream.matched > 0

    look_at(Rushing(500, within_s=60.0), doing, (160, 50))


def test_a_key_is_answered_before_more_than_one_other_batch_is() -> None:
    taken: list[int] = []
    feed = Rushing(1000)

    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        before = feed.taken
        app.post_message(events.Key("p", "p"))
        for _ in iter(lambda: live(app).view.stream.is_paused, True):
            await asyncio.sleep(0)
        taken.append(feed.taken - before)

    look_at(feed, doing, (160, 50))

    assert taken[0] <= 1


class Numbers(Lines):
    """Lines of their own numbers; `made` are those that were made."""

    heads = 1

    def __init__(self, look: Look) -> None:
        super().__init__(look)
        self.many = 100
        self.made: list[int] = []

    def count(self) -> int:
        return self.many

    def key(self, at: int) -> int | None:
        return at if 0 <= at < self.many else None

    def head(self, width: int) -> list[Segment]:
        return [Segment("head".ljust(width))]

    def segments(self, at: int, width: int) -> list[Segment]:
        self.made.append(at)
        return [Segment(f"{at:<{width}}")]


class Showing(App[None]):
    """Nothing but the numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = Numbers(look(Theme.DARK, {}))

    def compose(self) -> ComposeResult:
        yield self.numbers


def told(numbers: Numbers) -> list[str]:
    return [strip.text.strip() for strip in numbers.render_lines(Region(0, 0, *numbers.size))]


@pytest.fixture
def showing() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_lines_that_only_moved_are_not_made_again(showing: asyncio.Runner) -> None:
    app = Showing()

    async def scenario() -> None:
        async with app.run_test(size=(20, 11)) as pilot:
            await pilot.pause()
            app.numbers.made.clear()
            app.numbers.show_from(3)
            await pilot.pause()

    showing.run(scenario())

    assert app.numbers.made == [10, 11, 12]


def test_the_wheel_moves_the_lines_and_not_the_cursor(showing: asyncio.Runner) -> None:
    app = Showing()
    seen: list[str] = []

    async def scenario() -> None:
        async with app.run_test(size=(20, 11)) as pilot:
            await pilot.pause()
            app.numbers.post_message(events.MouseScrollDown(app.numbers, 3, 3, 0, 1, 0, False, False, False))
            await pilot.pause()
            seen.extend(told(app.numbers))

    showing.run(scenario())

    assert (seen[:2], app.numbers.cursor) == (["head", "2"], 0)


@pytest.mark.parametrize("y, first", [(0, "0"), (5, "45"), (10, "90")])
def test_the_scroll_bar_goes_where_it_is_clicked(showing: asyncio.Runner, y: int, first: str) -> None:
    app = Showing()
    seen: list[str] = []

    async def scenario() -> None:
        async with app.run_test(size=(20, 11)) as pilot:
            await pilot.pause()
            await pilot.click(Numbers, offset=(19, y))
            seen.extend(told(app.numbers))

    showing.run(scenario())

    assert (seen[1], app.numbers.cursor) == (first, 0)


class Watched(Line):
    """A line of which can be told whether it is gone."""

    __slots__ = ("__weakref__",)


def test_a_line_that_was_drawn_whole_goes_without_the_collector() -> None:
    line = Watched([Segment("one line")], 8)
    seen = weakref.ref(line)

    line.divide([8])
    del line

    assert seen() is None
