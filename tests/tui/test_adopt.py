"""An interface that goes on with another connection: to the same engine, or to one that was started in its place."""

from __future__ import annotations

from dataclasses import replace

from textual.pilot import Pilot

from dbmux.feed.feed import Batch, Happening
from dbmux.tui.app import Interface, Leave
from tests.tui.lines import NOON, batch, row
from tests.tui.scripted import Scripted, look_at, screen, settled

OPENED = Happening(0, NOON, "ListenerOpened", "listening on 127.0.0.1:3307")
BEFORE = replace(batch(row(0, sql="SELECT 'before'"), happenings=(OPENED,)), place=1)


def after(second: Scripted) -> tuple[str, str]:
    """The live view and the events, after a first engine was adopted by a second connection."""
    seen: list[str] = []

    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        await app.adopt(second)
        await settled(pilot)
        seen.append("\n".join(screen(app)))
        await pilot.press("9")
        await settled(pilot)
        seen.append("\n".join(screen(app)))

    look_at(Scripted(BEFORE), doing)
    return seen[0], seen[1]


def another(*batches: Batch, pid: int) -> Scripted:
    """A connection to the engine with that number."""
    feed = Scripted(*batches)
    feed.hello = replace(feed.hello, pid=pid)
    return feed


def test_the_same_engine_goes_on_where_it_was_and_what_was_missed_is_counted() -> None:
    meanwhile = replace(batch(row(9, sql="SELECT 'after'"), happenings=(OPENED,)), place=10, missed=8)
    second = another(meanwhile, pid=42)

    live, events = after(second)

    assert second.places == [1]
    assert "'before'" in live
    assert "'after'" in live
    assert "8 missed" in live
    assert (live.count("listening on"), events.count("listening on")) == (1, 1)


def test_another_engine_is_seen_from_its_beginning() -> None:
    second = another(replace(batch(row(0, sql="SELECT 'anew'"), happenings=(OPENED,)), place=1), pid=43)

    live, events = after(second)

    assert second.places == [0]
    assert "'before'" in live
    assert "'anew'" in live
    assert live.count("listening on") == 2


def test_the_other_pages_ask_the_new_connection() -> None:
    second = another(pid=43)

    after(second)

    assert "status" in {what for what, _ in second.asked}
