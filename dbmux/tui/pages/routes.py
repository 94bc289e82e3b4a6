"""Who serves what: the groups, the rules with how often each matched, and the pins."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from textual import on
from textual.app import ComposeResult

from dbmux.feed.feed import Feed
from dbmux.feed.units import count, many
from dbmux.tui.cells import Side
from dbmux.tui.header import Words
from dbmux.tui.lines import Lines
from dbmux.tui.look import Look
from dbmux.tui.page import Page
from dbmux.tui.table import Column, Table

GROUPS = (
    Column("GROUP", 14, lambda one: one["name"], lambda one: one["name"]),
    Column("WRITES GO TO", 16, lambda one: one["primary"], lambda one: one["primary"]),
    Column("READS GO TO", 0, lambda one: one["readers"], lambda one: one["readers"]),
    Column(
        "WRITABLE",
        8,
        lambda one: "yes" if one["writable"] else "no",
        lambda one: one["writable"],
        style=lambda one, look: look.good if one["writable"] else look.bad,
    ),
    Column("WAITING", 7, lambda one: count(one["waiting"]), lambda one: one["waiting"], Side.RIGHT),
)
RULES = (
    Column("RULE", 20, lambda one: one["name"], lambda one: one["at"]),
    Column("MATCHED", 10, lambda one: count(one["matched"]), lambda one: one["matched"], Side.RIGHT),
    Column("", 0, lambda one: "only observes" if one["observe"] else "", lambda one: one["observe"]),
)
PINS = (
    Column("PINNED BECAUSE OF", 24, lambda one: one["reason"], lambda one: one["reason"]),
    Column("NOW", 8, lambda one: count(one["count"]), lambda one: one["count"], Side.RIGHT),
    Column("WHO", 0, lambda one: one["who"], lambda one: one["who"]),
)


class Routes(Page):
    """The page: three tables."""

    DEFAULT_CSS = """
    Routes Table { height: 1fr; min-height: 3; }
    """
    name_: ClassVar[str] = "Routes"
    hints: ClassVar[str] = "tab next table  Enter its statements  s S sort  ? help"
    help_: ClassVar[tuple[tuple[str, str], ...]] = (("Enter", "the statements of the group or rule, in the live view"),)

    def __init__(self, feed: Feed, look: Look) -> None:
        super().__init__(feed, look)
        self._title = Words(look)
        self._groups = Table(look, GROUPS, lambda one: one["name"], id="groups")
        self._rules = Table(look, RULES, lambda one: one["name"], id="rules-matched")
        self._rules.nothing = "No rules: statements are routed by what they mean."
        self._pins = Table(look, PINS, lambda one: one["reason"], sort=1, id="pins")
        self._pins.nothing = "Nobody is pinned: every connection can be shared."

    def compose(self) -> ComposeResult:
        """One below the other."""
        yield self._title
        yield self._groups
        yield self._rules
        yield self._pins

    async def renew(self) -> None:
        """Look again."""
        told = await self.feed.ask("routes")
        groups = []
        for group in told["groups"]:
            servers = group["servers"]
            readers = [one["name"] for one in servers if one["takes_reads"]]
            primary = next((one["name"] for one in servers if one["role"] == "primary"), "-")
            groups.append(group | {"primary": primary, "readers": ", ".join(readers) or f"{primary} (no replica)"})
        self._groups.take(groups)
        self._rules.take([one | {"at": at} for at, one in enumerate(told["rules"])])
        pins: Counter[str] = Counter()
        who: dict[str, list[str]] = {}
        for client in await self.feed.ask("clients"):
            for pin in client.get("pins", ()):
                pins[pin["reason"]] += 1
                who.setdefault(pin["reason"], []).append(f"{client['user']} {pin['what']}".strip())
        self._pins.take(
            [
                {"reason": reason, "count": number, "who": ", ".join(sorted(set(who[reason]))[:8])}
                for reason, number in pins.items()
            ]
        )
        self._title.say(
            "routes", f"{many(len(groups), 'group')}, {many(len(told['rules']), 'rule')}, {many(pins.total(), 'pin')}"
        )

    @on(Lines.Chosen)
    def _chosen(self, event: Lines.Chosen) -> None:
        if self._rules.has_focus and self._rules.record is not None:
            self.post_message(self.Wanted(f"rule:{self._rules.record['name']}"))
        elif self._groups.has_focus and self._groups.record is not None:
            self.post_message(self.Wanted(f"route:{self._groups.record['name']}"))
