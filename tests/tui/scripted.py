"""An engine that says what a test wants it to say, and a terminal to look at it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any

from textual.pilot import Pilot

from dbmux.feed.feed import PROTOCOL, Batch, Feed, Happening, Hello, Refused, Subscription
from dbmux.tui.app import Interface, Leave
from dbmux.tui.choice import Choice
from dbmux.tui.look import Look, Theme, look
from dbmux.tui.pace import Pace
from dbmux.tui.page import Page
from dbmux.tui.pages import make
from dbmux.tui.pages.giving import Tools
from dbmux.tui.pages.live import Live
from dbmux.tui.pages.mirror import Mirror
from dbmux.tui.pages.top import Top
from dbmux.tui.question import Question
from dbmux.tui.tour import Tour
from tests.tui.lines import NOON, batch, row

BACKEND: dict[str, Any] = {
    "name": "db1",
    "address": "10.0.0.1:3306",
    "role": "primary",
    "state": "up",
    "error": "",
    "version": "8.4.6",
    "weight": 1.0,
    "lag_seconds": None,
    "takes_reads": False,
    "no_reads": "",
    "connections": 12,
    "limit": 40,
    "busy": 3,
    "waiting": 0,
}
ANSWERS: dict[str, Any] = {
    "status": {
        "version": "0.1.0",
        "seconds": 8040.0,
        "listeners": [{"address": "127.0.0.1:3307", "group": "main"}],
        "draining": False,
        "clients": 2,
        "backends": [{"name": "db1", "state": "up", "error": ""}, {"name": "db2", "state": "up", "error": ""}],
        "config": {
            "version": 7,
            "source": "appconfig.json",
            "file": "appconfig.json",
            "again": 0,
            "at": NOON,
            "changes": [],
            "problems": [],
        },
        "statements": 48102,
        "kept": 16384,
        "kept_bytes": 9_000_000,
        "pins": {"GET_LOCK": 1},
    },
    "pulse": [
        {
            "at": NOON + second,
            "commands": 1000 + 40 * (second % 7),
            "errors": second == 3,
            "hits": 710,
            "p50": 0.0009,
            "p95": 0.0082,
            "p99": 0.041,
            "lag": 0.0004,
            "servers": {
                "cache": {"commands": 710, "p95": 0.00002},
                "db1": {"commands": 40, "p95": 0.012},
                "db2": {"commands": 250 + 40 * (second % 7), "p95": 0.0082},
            },
        }
        for second in range(20)
    ],
    "why": [
        {
            "about": "cache",
            "told": "not in memory; the result was to be stored",
            "place": "appconfig.json:8:12",
            "otherwise": "The next one like it may be a hit.",
        },
        {"about": "route", "told": "to db2, the replica of main: read", "place": "appconfig.json:3:5", "otherwise": ""},
        {"about": "connection", "told": "given back to the pool afterwards", "place": "", "otherwise": ""},
        {"about": "time", "told": "12ms in all, 12ms until the reply began", "place": "", "otherwise": ""},
    ],
    "top": [
        {
            "digest": "0123456789abcdef",
            "text": "SELECT * FROM orders WHERE user_id = ?",
            "kind": "select",
            "tables": ["orders"],
            "app": "checkout",
            "site": "orders.py:12",
            "schema": "shop",
            "calls": 1200,
            "seconds": 14.4,
            "share": 0.72,
            "p50": 0.0009,
            "p95": 0.0121,
            "p99": 0.512,
            "rows": 24000,
            "bytes": 1_440_000,
            "errors": 2,
            "hits": 300,
        },
        {
            "digest": "fedcba9876543210",
            "text": "UPDATE stock SET qty = qty - ? WHERE sku = ?",
            "kind": "update",
            "tables": ["stock"],
            "app": "",
            "site": "",
            "schema": "shop",
            "calls": 100,
            "seconds": 5.6,
            "share": 0.28,
            "p50": 0.05,
            "p95": 0.09,
            "p99": 0.1,
            "rows": 100,
            "bytes": 1100,
            "errors": 0,
            "hits": 0,
        },
    ],
    "cache": {
        "memory": {"bytes": 48 << 20, "limit": 64 << 20, "results": 9120},
        "groups": [
            {"group": "main", "dictionary": True, "why": "", "binlog": True, "delay_seconds": 0.0003, "broken": ""}
        ],
        "statements": [
            {
                "tables": "shop.products",
                "by": "",
                "ttl": 30.0,
                "hits": 710,
                "stale": 2,
                "coalesced": 31,
                "misses": 180,
                "stored": 178,
                "refused": {},
                "saved_seconds": 38.0,
                "spent_seconds": 2.0,
            }
        ],
        "tables": [{"table": "shop.products", "results": 9120, "bytes": 47 << 20}],
        "bypasses": [{"reason": "in a transaction", "count": 42}],
        "gone": {"expired": 12},
        "cleared": [{"cause": "db1 was away", "count": 1, "seconds": 90.0}],
        "advice": [],
    },
    "cache.entries": [
        {
            "tables": "shop.products",
            "by": "",
            "statement": "SELECT * FROM products WHERE cat = ?",
            "bytes": 2048,
            "rows": 20,
            "uses": 3,
            "age": 4.0,
            "left": 26.0,
            "cost_seconds": 0.004,
        }
    ],
    "routes": {
        "groups": [
            {
                "name": "main",
                "writable": True,
                "waiting": 0,
                "observe": False,
                "servers": [
                    BACKEND,
                    BACKEND | {"name": "db2", "role": "replica", "lag_seconds": 0.12, "takes_reads": True, "busy": 1},
                ],
            }
        ],
        "rules": [{"name": "reports", "matched": 17, "observe": True}],
    },
    "pools": [
        {
            "backend": "db1",
            "limit": 40,
            "idle": 9,
            "busy": 3,
            "connecting": 0,
            "unshared": 0,
            "waiters": 0,
            "waits": [10, 2, 0],
            "waited_s": 0.03,
            "carried": 1204,
        }
    ],
    "clients": [
        {
            "id": 1073741825,
            "user": "app",
            "client": "10.0.0.9:5000",
            "listener": "127.0.0.1:3307",
            "state": "query",
            "group": "main",
            "schema": "shop",
            "seconds": 0.4,
            "backend": "db1",
            "connection": 17,
            "pins": [{"reason": "GET_LOCK", "what": "jobs", "seconds": 252.0}],
            "transaction_seconds": 12.0,
        },
        {"id": 1073741826, "user": "", "client": "10.0.0.9:5001", "listener": "127.0.0.1:3307", "state": "login"},
    ],
    "explain": {
        "backend": "db1",
        "server": "MySQL 9.4.0",
        "rights": "the rights of app",
        "analyze": False,
        "form": "tree",
        "text": "-> Table scan on orders  (rows=1200)",
        "estimated_rows": 1200.0,
    },
    "config": [
        {"path": "listen", "value": "127.0.0.1:3307", "line": 0, "column": 0, "is_default": True},
        {"path": "backends.db1.address", "value": "10.0.0.1:3306", "line": 2, "column": 5, "is_default": False},
        {"path": "users.app.password", "value": "(hidden)", "line": 4, "column": 5, "is_default": False},
    ],
    "mirrors": [],
    "kill": {"session": 7, "killed": "query"},
    "drain": {"backend": "db1", "busy": 3},
    "resume": {"backends": ["db1"]},
    "cache.flush": {"table": None, "results": 9120},
    "config.roll_back": {"changes": []},
    "config.reload": {"changes": []},
    "config.unused": [],
    "config.versions": [
        {"version": 7, "at": NOON, "source": "appconfig.json", "changes": ["cache.tables changed"]},
        {"version": 6, "at": NOON - 60, "source": "appconfig.json", "changes": []},
    ],
}


NOTHING = Batch((), (), 0, 0, 0, 0, 1)
# The clipboard and the editor of whoever runs the tests are left alone.
NO_TOOLS = Tools(edit=lambda app, text: text, copy=lambda text: "")


class Scripted:
    """A feed: gives `batches` one after the other, and once what is put into `later`.

    `asked`, `filters` and `places` are what was wanted of it.

    `tools` are what is around the interface that looks at it.
    """

    def __init__(self, *batches: Batch, answers: Mapping[str, Any] | None = None, tools: Tools = NO_TOOLS) -> None:
        self.tools = tools
        self.refusal = ""
        self.hello = Hello("0.1.0", PROTOCOL, "appconfig.json", 0, 42)
        self.answers = {**ANSWERS, **(answers or {})}
        self.batches = list(batches)
        self.later: list[Batch] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.filters: list[str] = []
        self.places: list[int] = []

    async def subscribe(self, wanted: str, since: int) -> Subscription:
        """All batches again, of the rows that have the words."""
        if wanted.startswith("("):
            raise Refused("1: the parenthesis is not closed")
        self.filters.append(wanted)
        self.places.append(since)
        return _Scripted(list(self.batches), self.later)

    async def ask(self, what: str, given: Mapping[str, Any] | None = None) -> Any:
        """The answer of the script."""
        self.asked.append((what, dict(given or {})))
        answer = self.answers.get(what, {})
        if callable(answer):
            answer = answer(given or {})
        if isinstance(answer, Exception):
            raise answer
        return answer

    def orders(self, *names: str) -> list[tuple[str, dict[str, Any]]]:
        """What was asked with these names."""
        return [one for one in self.asked if one[0] in names]


class _Scripted:
    def __init__(self, batches: list[Batch], later: list[Batch]) -> None:
        self._batches = batches
        self._later = later

    def take(self) -> Batch:
        batches = self._batches or self._later
        return batches.pop(0) if batches else NOTHING

    def close(self) -> None:
        """Nothing is held."""


def usual() -> Batch:
    """Some statements of each kind, and an event."""
    transaction = {"transaction": 0x4F2A, "role": "primary", "backend": "db1", "tables": ["stock"], "rows": 1}
    return batch(
        row(
            0,
            sql="SELECT * FROM products WHERE cat=4 LIMIT 20",
            tables=["products"],
            cache="hit",
            backend="cache",
            seconds=0.00002,
        ),
        row(1, sql="SELECT * FROM orders WHERE user_id=8817 ORDER BY created_at DESC", cache="miss"),
        row(2, sql="BEGIN", kind="begin", is_in_transaction=True, **transaction),
        row(3, sql="UPDATE stock SET qty=qty-1 WHERE sku='a'", kind="update", is_in_transaction=True, **transaction),
        row(4, sql="COMMIT", kind="commit", **transaction),
        row(5, sql="SELECT * FROM users WHERE id=91", tables=["users"], nplus1=31, cache="miss"),
        row(
            6,
            sql="SELECT o.*, u.name FROM orders o JOIN users u ON u.id=o.user_id",
            seconds=0.512,
            is_slow=True,
            rows=3110,
        ),
        row(
            7,
            sql="INSERT INTO coupons (code) VALUES ('x')",
            kind="insert",
            role="primary",
            backend="db1",
            code=1062,
            error="Duplicate entry 'x' for key 'code'",
        ),
        row(8, sql="SET NAMES utf8mb4", kind="set", tables=[]),
        happenings=(
            Happening(0, NOON + 0.055, "ConfigApplied", "configuration appconfig.json applied: cache.tables changed"),
        ),
    )


Doing = Callable[[Pilot[Leave], Interface], Awaitable[None]]


def look_at(
    feed: Scripted,
    doing: Doing,
    size: tuple[int, int] = (80, 24),
    theme: Theme = Theme.DARK,
    tour: Tour | None = None,
) -> Interface:
    """Open the interface, do something, and close it."""
    app = Interface(feed, look(theme, {}), pages=_pages, tour=tour)

    async def scenario() -> None:
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await doing(pilot, app)

    asyncio.run(asyncio.wait_for(scenario(), 20))
    return app


def _pages(feed: Feed, how: Look) -> list[Page]:
    # However long a test takes, its frames come as fast as they may.
    tools = feed.tools if isinstance(feed, Scripted) else NO_TOOLS
    live = Live(feed, how, pace=Pace(lambda: 0.0, perf_counter), tools=tools)
    mirror = Mirror(feed, how, tools, clock=lambda: 0.0, who=lambda: "me")
    others = (mirror if isinstance(page, Mirror) else page for page in make(feed, how)[2:])
    return [live, Top(feed, how, tools), *others]


async def settled(pilot: Pilot[Leave]) -> None:
    """Until everything that was asked is shown."""
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause(0.12)
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def until_quiet(pilot: Pilot[Leave]) -> None:
    """Until nothing goes on but what waits for an answer; the test's time limit bounds it."""
    app = pilot.app
    await pilot.pause()
    while not isinstance(app.screen, Question | Choice) and any(not one.is_finished for one in app.workers):
        await pilot.pause(0.001)
    await pilot.pause()


def screen(app: Interface) -> list[str]:
    """What is on the screen, line by line."""
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


def unhurried(feed: Feed, look: Look) -> list[Page]:
    """The pages, with a live view that is drawn as often as it can be, however busy the machine is, and no rates."""
    _, *others = make(feed, look)
    mirror = Mirror(feed, look, clock=lambda: 0.0)
    return [
        Live(feed, look, pace=Pace(lambda: 0.0, lambda: 0.0)),
        *(mirror if isinstance(page, Mirror) else page for page in others),
    ]
