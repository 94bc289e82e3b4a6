"""The interface: pages, a header, and the keys that hold everywhere.

A feed comes in, from this process or another one, and what is to be done at the end goes out. Holds no traffic: if it
stops, hangs or breaks, the engine goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual import events, on, work
from textual.actions import ActionParseResult
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.driver import Driver
from textual.filter import LineFilter
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Input

from dbmux.errors import DbMuxError
from dbmux.feed.feed import Feed, Lost, Refused
from dbmux.feed.filter.completion import Completion, complete, counted
from dbmux.feed.filter.language import parse
from dbmux.feed.filter.tree import FilterError
from dbmux.feed.outcome import outcome
from dbmux.tui import parts
from dbmux.tui.cells import one_line
from dbmux.tui.drawn import Holder
from dbmux.tui.editor import not_here, opened
from dbmux.tui.header import Header, Tabs, Told, Words
from dbmux.tui.look import Look, Theme
from dbmux.tui.page import Page
from dbmux.tui.pages import make
from dbmux.tui.pages.happenings import Happenings
from dbmux.tui.pages.live import Live
from dbmux.tui.prompt import Prompt
from dbmux.tui.question import Question
from dbmux.tui.terminal import Terminal
from dbmux.tui.tour import Deed, Tour

RENEW_S = 1.0
LONGEST_WORDS = 100
# Statements among which values are counted, to suggest them.
COUNTED = 2000
SMALLEST = (60, 16)


# What the tour teaches by keys; the rest is seen by what came of it.
_DEEDS = {"choose": Deed.WHY, "explain": Deed.EXPLAIN, "go(2)": Deed.WATCH}


class Leave(Enum):
    """What happens to the engine when the interface ends."""

    DETACH = auto()
    """It goes on, headless."""
    STOP = auto()
    """It drains and stops."""


class Ground(Screen[None]):
    """What is below everything."""

    BLANK = True


class Pages(ContentSwitcher, Holder):
    """The pages, of which one is seen."""


class Interface(App[Leave]):
    """All of it."""

    CSS = (
        """
    Screen { background: $background; layout: vertical; }
    Pages { height: 1fr; }
    #alarm { display: none; }
    #alarm.shown { display: block; }
    """
        + parts.CSS
    )
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(number), f"go({number - 1})", f"page {number}", show=False) for number in range(1, 10)),
        Binding("f", "ask_filter", "filter", show=False),
        Binding("slash", "ask_find", "find", show=False),
        Binding("ctrl+r", "reload", "reload the configuration", show=False),
        Binding("T", "theme", "another theme", show=False),
        Binding("question_mark,f1", "help", "help", show=False),
        Binding("q,ctrl+c", "leave", "leave", show=False),
        Binding("ctrl+z", "detach", "detach", show=False, priority=True),
    ]

    def __init__(
        self,
        feed: Feed,
        look: Look,
        *,
        pages: Callable[[Feed, Look], list[Page]] = make,
        is_hosting: Callable[[], bool] = lambda: False,
        tour: Tour | None = None,
        driver: type[Driver] = Terminal,
    ) -> None:
        super().__init__(driver_class=driver)
        self.feed = feed
        self.look_ = look
        # What is done about it while the engine does not answer.
        self.hope = ""
        self._is_over = False
        self._room = Size(*SMALLEST)
        self._is_hosting = is_hosting
        self.pages = pages(feed, look)
        self._pulse: list[dict[str, Any]] = []
        self._header = Header(look)
        self._tabs = Tabs(look, [page.name_ for page in self.pages])
        self._alarm = Words(look, lambda look: look.alarm, id="alarm")
        self._hints = Words(look, id="hints")
        self._prompt = Prompt(look)
        self._tour = tour
        self._step = Told(look, lambda look: look.accent, id="step")
        self._version = 0
        # Filters of the configuration by name.
        self._saved: dict[str, str] = {}
        self._backed, self._colourless, self._ascii = parts.Backed(), parts.Colourless(), parts.Ascii()
        for theme in parts.THEMES:
            self.register_theme(theme)
        self._dress()

    @property
    def page(self) -> Page:
        """The one that is seen."""
        return self.pages[self._tabs.current]

    def get_default_screen(self) -> Screen[Any]:
        """Textual asks for it."""
        return Ground(id="_default")

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield self._header
        yield self._tabs
        yield self._alarm
        with Pages(initial=self.pages[0].id):
            yield from self.pages
        yield self._prompt
        yield self._step
        yield self._hints

    def on_mount(self) -> None:
        """Begin to look."""
        if self._is_over:
            self.exit()
        self._hints.say(self.page.hints)
        self._step.display = self._tour is not None
        self._tell_step()
        # There are none where the end came with the beginning.
        self._give_keys()
        self.set_interval(RENEW_S, self.renew)
        self.renew()

    def on_resize(self, event: events.Resize) -> None:
        """A terminal that is too small is told so, instead of showing half of everything."""
        # Textual takes its own size from the same event only afterwards.
        self._room = event.size
        self.query_one(Pages).display = not self._is_small
        self._hint()

    @property
    def _is_small(self) -> bool:
        return self._room.width < SMALLEST[0] or self._room.height < SMALLEST[1]

    def _hint(self) -> None:
        if self._is_small:
            size, least = f"{self._room.width}x{self._room.height}", f"{SMALLEST[0]}x{SMALLEST[1]}"
            self._hints.say(f"{size} is too small: {least} is needed. Traffic flows on.")
        else:
            self._hints.say(self.page.hints, self.page.foot)

    @on(Page.Footed)
    def _footed(self) -> None:
        self._hint()

    @work(exclusive=True, group="renew")
    async def renew(self) -> None:
        """Ask how it goes, and show it."""
        since = self._pulse[-1]["at"] if self._pulse else 0.0
        try:
            status = await self.feed.ask("status")
            self._pulse = [*self._pulse, *await self.feed.ask("pulse", {"since": since})][-600:]
            self.page.pulse = self._pulse
            await self.page.renew()
        except Refused as error:
            self.say(str(error))
            return
        except Lost as error:
            self._header.trouble = f"{error}; {self.hope}q leaves"
            self._header.refresh()
            return
        self._header.trouble = ""
        self._header.is_read_only = bool(self.feed.refusal)
        self._header.show(status, self._pulse)
        self._show_problems(status["config"])
        self._follow_version(status["config"])

    # The tour.

    def _did(self, deed: Deed) -> None:
        if self._tour is not None:
            self._tour.did(deed)
            self._tell_step()

    def _tell_step(self) -> None:
        if self._tour is not None:
            self._step.say(self._tour.words())

    def _follow_version(self, config: Mapping[str, Any]) -> None:
        before, self._version = self._version, config["version"]
        if config["version"] != before:
            self._read_filters()
        if before and config["version"] != before:
            self._did(Deed.ROLL_BACK if config["source"].startswith("version ") else Deed.EDIT)

    @work(group="filters")
    async def _read_filters(self) -> None:
        with suppress(Refused, Lost):
            begin = "live.filters."
            found = await self.feed.ask("config")
            self._saved = {one["path"][len(begin) :]: one["value"] for one in found if one["path"].startswith(begin)}

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Do what a key stands for; the tour counts it."""
        is_done = await super().run_action(action, default_namespace, namespaces)
        if (deed := _DEEDS.get(str(action))) is not None:
            self._did(deed)
        return is_done

    async def adopt(self, feed: Feed) -> None:
        """Show what this feed tells from now on, besides what is shown already; raises Lost and Refused."""
        self.feed, self.hope = feed, ""
        for page in self.pages:
            await page.adopt(feed)
        self.renew()

    def _show_problems(self, config: dict[str, Any]) -> None:
        problems = config["problems"]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        if problems:
            told = f"{self.look_.signs.wrong} {problems[0]}{more}"
            self._alarm.say(told, f"version {config['version']} stays in force")
        self._alarm.set_class(bool(problems), "shown")

    def say(self, words: str) -> None:
        """Say something for a few seconds; never reads it as markup."""
        self.notify(one_line(words, LONGEST_WORDS), markup=False, timeout=4)

    @on(Page.Said)
    def _said(self, message: Page.Said) -> None:
        self.say(message.words)

    @on(Live.Happened)
    def _happened(self, message: Live.Happened) -> None:
        for page in self.query(Happenings):
            page.hear(message.happenings)

    @on(Page.Ask)
    def _asked(self, message: Page.Ask) -> None:
        self._prompt.ask(message.what, message.begin, message.typed)

    @on(Page.Edit)
    def _edit(self, message: Page.Edit) -> None:
        file = Path(message.file)
        if not file.is_file():
            self.say(f"{message.file} is no file that could be edited; S writes one")
            return
        if refusal := self.feed.refusal or not_here(self):
            self.say(refusal)
            return
        opened(self, file, message.line)

    @on(Page.Wanted)
    async def _wanted(self, message: Page.Wanted) -> None:
        self.action_go(0)
        if error := await self._filter(message.wanted):
            self.say(error)

    @on(Page.Order)
    def _ordered(self, message: Page.Order) -> None:
        if self.feed.refusal:
            self.say(self.feed.refusal)
            return
        if not message.question:
            self._order(message.what, message.given)
            return

        def confirmed(is_meant: bool | None) -> None:
            if is_meant:
                self._order(message.what, message.given)

        self.push_screen(Question(self.look_, message.question), confirmed)

    @work(group="order")
    async def _order(self, what: str, given: Mapping[str, Any]) -> None:
        try:
            told = await self.feed.ask(what, given)
        except (Refused, Lost) as error:
            self.say(str(error))
            return
        self.say(outcome(what, told))
        self.renew()

    def on_click(self, event: events.Click) -> None:
        """The names of the pages can be clicked."""
        if event.widget is self._tabs and (number := self._tabs.at(event.x)) is not None:
            self.action_go(number)

    def action_go(self, number: int) -> None:
        """To another page."""
        if number >= len(self.pages):
            return
        self._tabs.go(number)
        self.query_one(Pages).current = self.page.id
        self._hint()
        self._give_keys()
        self.renew()

    def _give_keys(self) -> None:
        # To the first box of the page that is there to be seen.
        shown = (one for one in self.page.query("Lines") if one.display)
        if (first := next(shown, None)) is not None:
            first.focus()

    # Asking.

    def action_ask_filter(self) -> None:
        """A filter for the live view."""
        self.action_go(0)
        live = self.pages[0]
        assert isinstance(live, Live)
        self._prompt.ask("f:", live.wanted, self._filter, self._complete_filter)

    def action_ask_find(self) -> None:
        """A text to be found."""
        self.action_go(0)
        self._prompt.ask("/", "", self._find)

    async def _filter(self, wanted: str) -> str:
        live = self.pages[0]
        assert isinstance(live, Live)
        try:
            # Here too, since only here it can be shown where it is wrong.
            parse(wanted, self._saved)
            await live.filter(wanted)
        except FilterError as error:
            return f"{error.pointed.splitlines()[-1]}\n{error}"
        except (Refused, Lost) as error:
            return str(error)
        if wanted:
            self._did(Deed.FILTER)
        return ""

    def _complete_filter(self, text: str, cursor: int) -> Completion:
        live = self.pages[0]
        assert isinstance(live, Live)
        # The newest lines are enough to say what is usual, and quickly counted.
        rows = live.view.stream.latest(COUNTED)
        return complete(text, cursor, counted(rows), self._saved)

    async def _find(self, sought: str) -> str:
        live = self.pages[0]
        assert isinstance(live, Live)
        live.find(sought)
        return ""

    @on(Prompt.Closed)
    def _prompt_closed(self) -> None:
        self._give_keys()

    @on(Input.Submitted)
    async def _submitted(self) -> None:
        await self._prompt.submit()

    async def action_reload(self) -> None:
        """Read the configuration again."""
        try:
            told = await self.feed.ask("config.reload")
        except DbMuxError as error:
            self.say(str(error).partition("\n")[0])
        else:
            self.say(f"the configuration was read again: {'; '.join(told['changes']) or 'nothing changes'}")

    def action_theme(self) -> None:
        """The next theme."""
        themes = list(Theme)
        self.look_.turn(themes[(themes.index(self.look_.theme) + 1) % len(themes)])
        self._dress()
        # Whatever was drawn is drawn again, and as it looks now.
        for widget in self.screen.walk_children():
            widget.refresh(layout=True)
        self.say(f"theme: {self.look_.theme.value}")

    def _dress(self) -> None:
        self.theme = parts.colours(self.look_).name
        self.set_class(not self.look_.has_colours, "plain")
        self.set_class(self.look_.theme is Theme.ASCII, "ascii")

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual calls it; what a look does without is taken away, wherever it came from.

        Textual's own would do nothing more: no part has colours of the terminal's palette.
        """
        colours = self._backed if self.look_.has_colours else self._colourless
        return [colours, self._ascii] if self.look_.theme is Theme.ASCII else [colours]

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What the palette offers: all that keys do here, by name."""
        offered = set()
        for node, binding, is_enabled, _ in screen.active_bindings.values():
            name = binding.description
            if is_enabled and name and binding.action not in offered and not binding.system:
                offered.add(binding.action)
                yield SystemCommand(
                    name[:1].upper() + name[1:],
                    f"key {self.get_key_display(binding)}",
                    partial(self.run_action, binding.action, node),
                )

    def action_help(self) -> None:
        """The keys of this page, and those of all."""
        from dbmux.tui.help import Help

        self.push_screen(Help(self.look_, self.page))

    # The end.

    def action_leave(self) -> None:
        """Ask what is to become of the engine; where another process has it, just leave."""
        from dbmux.tui.leaving import Leaving

        if not self._is_hosting():
            self.exit(Leave.STOP)
        elif not isinstance(self.screen, Leaving):
            self.push_screen(Leaving(self.look_), self._left)

    async def action_quit(self) -> None:
        """Textual's own way to leave is the same."""
        self.action_leave()

    def action_detach(self) -> None:
        """Leave, and let the engine go on."""
        self.exit(Leave.DETACH)

    def _left(self, chosen: Leave | None) -> None:
        if chosen is not None:
            self.exit(chosen)

    def end(self) -> None:
        """End, without saying what is to become of the engine; from any thread, and before the beginning, too."""
        self._is_over = True
        # It may have ended in this very moment.
        with suppress(RuntimeError):
            if (loop := self._loop) is not None:
                loop.call_soon_threadsafe(self.exit)

    def abandon(self) -> None:
        """Do not wait for the terminal any more; from any thread."""
        if isinstance(self._driver, Terminal):
            self._driver.abandon()

    @property
    def failure(self) -> Exception | None:
        """What broke the interface."""
        return self._exception

    def _fatal_error(self) -> None:
        # Textual would print it with the values of local variables, such as statements, for whoever looks on.
        self._close_messages_no_wait()
