"""The tour of the demo."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot

from dbmux.feed.feed import Refused
from dbmux.tui.app import Interface, Leave
from dbmux.tui.tour import Deed, Place, Tour
from tests.tui.scripted import ANSWERS, Scripted, look_at, screen, settled, usual

PLACE = Place("/tmp/demo/appconfig.json", "shop.customers")


def test_each_step_is_told_until_it_is_done() -> None:
    tour = Tour(PLACE)

    told = []
    for deed in Deed:
        told.append(tour.words())
        tour.did(deed)

    assert [words[:6] for words in told] == [f"{number} of 6" for number in range(1, 7)]
    assert "table:customers" in told[0]
    assert '"shop.customers": "1m"' in told[3] and "/tmp/demo/appconfig.json" in told[3]
    assert "dbmux tui --backend" in tour.words()


def test_a_step_that_is_longer_than_the_line_goes_on_in_the_next() -> None:
    tour = Tour(Place(f"/tmp/dbmux-demo-{'x' * 30}/appconfig.json", "shop.customers"))
    for deed in (Deed.FILTER, Deed.WHY, Deed.EXPLAIN):
        tour.did(deed)
    told: list[str] = []

    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        told.extend(line.strip() for line in screen(app))

    look_at(Scripted(usual()), doing, (80, 24), tour=tour)

    assert tour.words() in " ".join(told)


def test_what_was_done_before_is_passed_over() -> None:
    tour = Tour(PLACE)

    tour.did(Deed.WHY)
    tour.did(Deed.FILTER)

    assert tour.words().startswith("3 of 6")


def test_the_keys_themselves_are_what_counts() -> None:
    feed = Scripted(usual(), answers={"explain": Refused("it was no SELECT")})
    tour = Tour(PLACE)
    words: list[str] = []

    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        def step() -> str:
            return next(line for line in screen(app) if " of 6: " in line or "That was all" in line).strip()

        words.append(step())
        await pilot.press("f", *"table:orders", "enter")
        await settled(pilot)
        words.append(step())
        await pilot.press("k", "enter")
        await settled(pilot)
        words.append(step())
        await pilot.press("x")
        await settled(pilot)
        await pilot.press("escape")
        await settled(pilot)
        words.append(step())
        feed.answers["status"] = _version(8, "appconfig.json")
        app.renew()
        await settled(pilot)
        words.append(step())
        await pilot.press("escape", "3")
        await settled(pilot)
        words.append(step())
        feed.answers["status"] = _version(9, "version 7 of appconfig.json")
        app.renew()
        await settled(pilot)
        words.append(step())

    look_at(feed, doing, (120, 40), tour=tour)

    assert [told[:6] for told in words] == [*(f"{number} of 6" for number in range(1, 7)), "That w"]


def _version(number: int, source: str) -> dict[str, Any]:
    status: dict[str, Any] = ANSWERS["status"]
    return status | {"config": status["config"] | {"version": number, "source": source}}
