"""Mirrors: how each stands, in what its servers' answers differ, and both answers beside each other.

Three views, one inside the other: all mirrors, the differences of one, one difference. The ledger is asked less often
than the rest, for it may be long.
"""

from __future__ import annotations

import getpass
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import IntEnum
from time import perf_counter
from typing import Any, ClassVar

from rich.style import Style
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from dbmux.feed.feed import Feed, Lost, Refused
from dbmux.feed.units import count, duration, many, rate, share
from dbmux.feed.words import moment
from dbmux.tui.cells import Side, one_line, wrapped
from dbmux.tui.facts import NAMED, Facts
from dbmux.tui.header import Words
from dbmux.tui.lines import Lines
from dbmux.tui.look import Look
from dbmux.tui.pages.giving import TOOLS, Copying, Tools
from dbmux.tui.pairs import items
from dbmux.tui.question import Question
from dbmux.tui.sides import Sides
from dbmux.tui.table import Column, Record, Table

# The ledger is asked each so many seconds; rates are those of the last seconds, from so many answers.
LOOKS, ANSWERS_KEPT = 5, 10
# Rates of a shorter time say nothing.
SHORTEST_S = 0.5
MOST_FACTS = 24
HOW_TO = '"mirrors": { "upgrade": { "from": "old", "to": "new" } }'


class View(IntEnum):
    """What is seen."""

    MIRRORS = 0
    DIFFERENCES = 1
    ONE = 2


def _state_style(one: Record, look: Look) -> Style:
    match one["state"]:
        case "running" | "native":
            return look.good
        case "halted":
            return look.bad
        case _:
            return look.warn


def _state(look: Look, one: Record) -> str:
    signs = look.signs
    sign = {"running": signs.up, "native": signs.up, "halted": signs.wrong, "not begun": signs.down}.get(
        one["state"], signs.half
    )
    return f"{sign} {one['state']}"


def _server(one: Record, side: str) -> str:
    return f"{one[side]} {one[f'{side}_version']}".rstrip()


def _short(one: Record, side: str) -> str:
    # Whose version it is stands below the list.
    return f"{one[side]} {one[f'{side}_version'].partition('-')[0]}".rstrip()


def _delay(one: Record) -> str:
    return "-" if one["delay_seconds"] is None else duration(one["delay_seconds"])


def _rate(one: Record, what: str) -> str:
    return "-" if one["rates"] is None else rate(one["rates"][what])


def _alike(one: Record) -> str:
    # All but one of many is not all.
    compared, different = one["reads"].get("compared", 0), one["reads"].get("different", 0)
    told = share(compared - different, compared)
    return "<100%" if different and told == "100%" else told


def _alike_share(one: Record) -> float:
    return 1 - float(one["reads"].get("different", 0)) / (one["reads"].get("compared", 0) or 1)


def _skipped(one: Record) -> int:
    return int(sum(one["reads"].get("not_compared", {}).values()))


def _not_compared(one: Record) -> str:
    skipped = _skipped(one)
    return share(skipped, skipped + one["reads"].get("compared", 0))


def rates(answers: Sequence[tuple[float, Record]]) -> Record | None:
    """What a mirror applied per second, by what was told of it and when; None while that is not known."""
    (begin, first), (end, last) = answers[0], answers[-1]
    if end - begin < SHORTEST_S or None in (first["transactions"], last["transactions"]):
        return None
    return {what: max(last[what] - first[what], 0) / (end - begin) for what in ("transactions", "rows")}


def columns(look: Look) -> tuple[Column, ...]:
    """What is shown of a mirror."""
    return (
        Column("MIRROR", 8, lambda one: one["name"], lambda one: one["name"]),
        Column("STATE", 11, lambda one: _state(look, one), lambda one: one["state"], style=_state_style),
        Column("FROM", 0, lambda one: _short(one, "source"), lambda one: one["source"]),
        Column("TO", 0, lambda one: _short(one, "target"), lambda one: one["target"]),
        Column("DELAY", 7, _delay, lambda one: one["delay_seconds"] or 0.0, Side.RIGHT),
        Column("TX/s", 6, lambda one: _rate(one, "transactions"), lambda one: one["transactions"] or 0, Side.RIGHT),
        Column("ROWS/s", 7, lambda one: _rate(one, "rows"), lambda one: one["rows"] or 0, Side.RIGHT, least=90),
        Column("SAME", 5, _alike, _alike_share, Side.RIGHT),
        Column("UNCOMP", 6, _not_compared, _skipped, Side.RIGHT, least=100),
        Column(
            "NEW",
            4,
            lambda one: count(one["new"]),
            lambda one: one["new"],
            Side.RIGHT,
            style=lambda one, look: look.warn if one["new"] else look.dim,
        ),
    )


DIFFERENCES = (
    Column("N", 5, lambda one: str(one["id"]), lambda one: one["id"], Side.RIGHT),
    Column("KIND", 16, lambda one: one["kind"], lambda one: one["kind"]),
    Column("STATE", 8, lambda one: one["state"], lambda one: one["state"]),
    Column("SEEN", 6, lambda one: count(one["count"]), lambda one: one["count"], Side.RIGHT),
    Column("LAST", 19, lambda one: moment(one["last_seen"]), lambda one: one["last_seen"], least=100),
    Column("COLUMN", 14, lambda one: one["place"] or "-", lambda one: one["place"], least=100),
    Column("STATEMENT", 0, lambda one: one["text"], lambda one: one["text"]),
)


class Mirror(Copying):
    """The page: one view at a time. `clock` counts seconds, `who` says who accepts."""

    DEFAULT_CSS = """
    Mirror Facts { max-height: 70%; }
    """
    name_: ClassVar[str] = "Mirror"
    hints: ClassVar[str] = "Enter open  Esc back  p pause  a accept  R run again  c copy  . settled  ? help"
    help_: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Enter", "its differences; both answers of one of them"),
        ("Esc", "back"),
        ("p", "pause the mirror, or let it go on; asks first"),
        ("a", "call it harmless: asks why, and writes the rule"),
        ("R", "run its samples again on both servers"),
        ("c", "copy the statement"),
        (".", "with or without what was accepted or repaired"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", show=False),
        Binding("p", "pause", "pause the mirror, or let it go on", show=False),
        Binding("a", "accept", "accept the difference", show=False),
        Binding("R", "rerun", "run the difference's samples again", show=False),
        Binding("c", "copy", "copy the statement", show=False),
        Binding("full_stop", "settled", "accepted and repaired ones too", show=False),
    ]

    def __init__(
        self,
        feed: Feed,
        look: Look,
        tools: Tools = TOOLS,
        clock: Callable[[], float] = perf_counter,
        who: Callable[[], str] = getpass.getuser,
    ) -> None:
        super().__init__(feed, look, tools)
        self._clock = clock
        self._who = who
        self._view = View.MIRRORS
        self._title = Words(look)
        self._mirrors = Table(look, columns(look), lambda one: one["name"], id="mirrors")
        self._mirrors.nothing = "No mirrors configured."
        self._differences = Table(look, DIFFERENCES, lambda one: one["id"], sort=3, id="differences")
        self._sides = Sides(look, id="sides")
        self._facts = Facts(look, MOST_FACTS)
        self._answers: deque[tuple[float, dict[str, Record]]] = deque(maxlen=ANSWERS_KEPT)
        self._reports: dict[str, Record] = {}
        self._renewals = 0
        self._one: Record | None = None
        self._shows_settled = False

    def compose(self) -> ComposeResult:
        """One of the views, and what is known of what is under the cursor."""
        yield self._title
        yield self._mirrors
        yield self._differences
        yield self._sides
        yield self._facts

    def on_mount(self) -> None:
        """All mirrors first."""
        self._show_view()

    # Asking.

    async def renew(self) -> None:
        """Look again."""
        found = await self.feed.ask("mirrors")
        self._answers.append((self._clock(), {one["name"]: one for one in found}))
        looks, self._renewals = self._renewals % LOOKS == 0, self._renewals + 1
        if looks:
            self._reports = {one["name"]: await self._report(one["name"]) for one in found}
        self._mirrors.take([self._record(one) for one in found])
        if looks:
            await self._look_at_differences()
        self._show()

    async def _report(self, name: str) -> Record:
        try:
            told: Record = await self.feed.ask("mirror.report", {"mirror": name})
        except Refused as error:
            # The rest is to be seen all the same.
            return {"trouble": str(error)}
        return told

    async def _look_at_differences(self) -> None:
        mirror = self._mirrors.record
        if self._view is View.MIRRORS or mirror is None:
            return
        state = "all" if self._shows_settled else "new"
        self._differences.take(await self.feed.ask("mirror.diff", {"mirror": mirror["name"], "state": state}))
        if self._one is not None:
            await self._look_at_one(self._one["id"])

    async def _look_at_one(self, number: int) -> None:
        mirror = self._mirrors.record
        if mirror is not None:
            self._one = one = await self.feed.ask("mirror.diff", {"id": number})
            self._sides.take(list(items(one)), _server(mirror, "source"), _server(mirror, "target"))

    async def _look_anew(self) -> None:
        self._renewals = 0
        try:
            await self.renew()
        except (Refused, Lost) as error:
            self.post_message(self.Said(str(error)))

    def _record(self, one: Record) -> Record:
        report = self._reports.get(one["name"], {})
        return {
            **one,
            "rates": rates([(at, told[one["name"]]) for at, told in self._answers if one["name"] in told]),
            "reads": report.get("figures", {}),
            "new": sum(len(change["entries"]) for change in report.get("changes", ())),
            "report": report,
        }

    # Showing.

    def _show_view(self) -> None:
        shown = (self._mirrors, self._differences, self._sides)
        for view, widget in zip(View, shown, strict=True):
            widget.display = view is self._view
        if any(one.has_focus for one in shown):
            shown[self._view].focus()

    @on(Lines.Moved)
    def _show(self) -> None:
        mirror = self._mirrors.record
        match self._view:
            case View.MIRRORS:
                running = sum(one["state"] in ("running", "native") for one in self._mirrors.records)
                self._title.say("mirrors", f"{running} of {len(self._mirrors.records)} running" if mirror else "")
                self._facts.show("", self._told(mirror))
            case View.DIFFERENCES:
                name = "" if mirror is None else mirror["name"]
                shown = "with those that were settled" if self._shows_settled else "new"
                self._differences.nothing = "No differences." if self._shows_settled else "No new differences."
                self._title.say(f"differences of {name}", f"{count(len(self._differences.records))}, {shown}")
                one = self._differences.record
                self._facts.show("" if one is None else one["text"], () if one is None else _sides_told(one))
            case View.ONE:
                one = self._one
                told = "" if one is None else f"difference {one['id']} of {one['mirror']}"
                self._title.say(told, "" if one is None else one["state"])
                self._facts.show("", ())

    def _told(self, mirror: Record | None) -> Sequence[tuple[str, str]]:
        if mirror is None:
            return (("to have one", HOW_TO), ("", "in the configuration; more with: dbmux help mirroring"))
        return tuple(_facts(mirror, max(self.app.size.width - NAMED - 1, 1)))

    # Keys.

    @on(Lines.Chosen)
    async def _chosen(self) -> None:
        match self._view:
            case View.MIRRORS if self._mirrors.record is not None:
                self._view = View.DIFFERENCES
                self._differences.take(())
            case View.DIFFERENCES if (one := self._differences.record) is not None:
                self._view, self._one = View.ONE, one
                self._sides.take((), "", "")
                self._sides.move_to(0)
            case _:
                return
        self._show_view()
        await self._look_anew()

    def action_back(self) -> None:
        """To the view before."""
        self._view = View(max(self._view - 1, 0))
        self._one = None
        self._show_view()
        self._show()

    async def action_settled(self) -> None:
        """With or without differences that were accepted or repaired."""
        self._shows_settled = not self._shows_settled
        await self._look_anew()

    @work(exclusive=True, group="deed")
    async def action_pause(self) -> None:
        """Pause the mirror under the cursor, or let it go on."""
        mirror = self._mirrors.record
        if mirror is None:
            return
        name, source, target = (one_line(mirror[key], 24) for key in ("name", "source", "target"))
        if mirror["feed"] == "native":
            self.post_message(self.Said(f"it is fed by the servers themselves: STOP REPLICA at {target} stops that"))
            return
        match mirror["state"]:
            case "not begun":
                self.post_message(self.Said(f"it has not begun: dbmux mirror start {name}"))
            case "paused" | "halted":
                await self._order(f"Let mirror {name} go on from where {target} is?", "mirror.resume", mirror["name"])
            case _:
                question = f"Pause mirror {name}? {source} must keep its log meanwhile."
                await self._order(question, "mirror.pause", mirror["name"])

    async def _order(self, question: str, what: str, name: str) -> None:
        if not await self.app.push_screen_wait(Question(self.look, question)):
            return
        try:
            told = await self.feed.ask(what, {"mirror": name})
        except (Refused, Lost) as error:
            self.post_message(self.Said(str(error)))
            return
        self.post_message(self.Said(f"mirror {name} is {told['state']}"))
        await self._look_anew()

    @property
    def _difference(self) -> Record | None:
        match self._view:
            case View.MIRRORS:
                return None
            case View.DIFFERENCES:
                return self._differences.record
            case View.ONE:
                return self._one

    def _wanted_difference(self) -> Record | None:
        one = self._difference
        if one is None:
            self.post_message(self.Said("that is for one of the differences: Enter opens them"))
        elif self.feed.refusal:
            self.post_message(self.Said(self.feed.refusal))
            return None
        return one

    def action_accept(self) -> None:
        """Ask why the difference is harmless."""
        one = self._wanted_difference()
        if one is None:
            return
        if one["state"] == "accepted":
            self.post_message(self.Said(f"difference {one['id']} is accepted already"))
            return

        async def typed(why: str) -> str:
            if not why:
                return "say why; Esc leaves it as it is"
            try:
                await self.feed.ask("mirror.accept", {"id": one["id"], "why": why, "by": self._who()})
            except (Refused, Lost) as error:
                return " ".join(str(error).split())
            self.post_message(self.Said(f"difference {one['id']} is accepted; its rule is in the configuration"))
            await self._look_anew()
            return ""

        self.post_message(self.Ask(f"why is {one['id']} harmless?", "", typed))

    @work(exclusive=True, group="deed")
    async def action_rerun(self) -> None:
        """Run the difference's samples again."""
        if (one := self._wanted_difference()) is None:
            return
        self.post_message(self.Said(f"both servers are asked again for difference {one['id']}"))
        try:
            told = await self.feed.ask("mirror.rerun", {"id": one["id"]})
        except (Refused, Lost) as error:
            self.post_message(self.Said(str(error)))
            return
        self.post_message(self.Said(told["told"]))
        await self._look_anew()

    @work(exclusive=True, group="deed")
    async def action_copy(self) -> None:
        """Copy the statement: the newest sample's, or what all of them have in common."""
        if (one := self._difference) is not None:
            samples = one.get("samples", ())
            await self.copy_text(samples[0]["statement"] if samples else one["text"])


def _facts(mirror: Record, width: int) -> Iterator[tuple[str, str]]:
    yield from _lined("why", mirror["why"], width)
    yield "from", f"{_server(mirror, 'source')}  to  {_server(mirror, 'target')}"
    committed = "" if not mirror["committed_at"] else f", committed {moment(mirror['committed_at'])}"
    yield "position", (mirror["position"] or "none yet") + committed
    if mirror["gtid"]:
        yield "GTID", mirror["gtid"]
    if mirror["feed"] == "native":
        yield "applied", "by the servers themselves: the target is a replica"
    else:
        yield "applied", f"{many(mirror['transactions'], 'transaction')}, {many(mirror['rows'], 'row')}"
    yield from _lined("reads", _reads(mirror), width)
    yield from _lined("writes", _writes(mirror["reads"].get("writes", {})), width)
    report = mirror["report"]
    if changes := report.get("changes"):
        told = (f"{one['kind']} {count(len(one['entries']))} (seen {count(one['seen'])})" for one in changes)
        yield from _lined("new", ", ".join(told), width)
    if trouble := report.get("trouble"):
        yield from _lined("ledger", trouble, width)
    elif mirror["reads"]:
        yield from _lined("verdict", f"{report['verdict']}: {'; '.join(report['reasons'])}", width)


def _lined(name: str, text: str, width: int) -> Iterator[tuple[str, str]]:
    # All of it, however long.
    for number, line in enumerate(wrapped(text, width) if text else ()):
        yield "" if number else name, line


def _reads(mirror: Record) -> str:
    reads = mirror["reads"]
    if not reads:
        return 'none were compared yet; "reads": 0.1 has a tenth of them compared'
    compared = reads.get("compared", 0)
    same = reads.get("same", 0) + reads.get("transient", 0)
    told = [
        f"{count(compared)} compared: {share(same, compared)} the same",
        f"{share(reads.get('expected', 0), compared)} as expected",
        f"{count(reads.get('different', 0))} different",
    ]
    skipped: Mapping[str, Any] = reads.get("not_compared", {})
    if not skipped:
        return ", ".join(told)
    most = max(skipped, key=lambda why: skipped[why])
    return f"{', '.join(told)}; {_not_compared(mirror)} could not be compared, mostly: {most}"


def _writes(writes: Mapping[str, Any]) -> str:
    if not writes.get("chosen"):
        return ""
    skipped = sum(writes["not_compared"].values())
    told = f"{count(writes['compared'])} tried out and compared, {count(writes['different'])} different"
    return f"{told}; of {count(skipped)} the answer says nothing"


def _sides_told(one: Record) -> Sequence[tuple[str, str]]:
    settled = f" by {one['settled_by'] or 'nobody'}: {one['why']}" if one["why"] else ""
    return (("source", one["source"]), ("target", one["target"]), ("state", one["state"] + settled))
