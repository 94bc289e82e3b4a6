"""The interface, key by key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from dbmux.feed.feed import Lost, Refused
from dbmux.feed.outcome import outcome
from dbmux.tui.app import Interface, Leave
from dbmux.tui.lines import Lines
from dbmux.tui.pages.live import Live
from tests.tui.hostile import TEXTS
from tests.tui.lines import batch, row
from tests.tui.scripted import ANSWERS, Scripted, look_at, screen, settled, usual


def after(*keys: str, feed: Scripted | None = None, size: tuple[int, int] = (100, 30)) -> list[str]:
    """The screen after these keys."""
    told: list[str] = []

    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        for key in keys:
            await pilot.press(key)
            await settled(pilot)
        told.extend(screen(app))

    look_at(feed or Scripted(usual()), doing, size)
    return told


def text(lines: list[str]) -> str:
    return "\n".join(lines)


@pytest.mark.parametrize(
    "key, words",
    [
        ("1", ("FOLLOW", "SELECT * FROM products", "SLOW", "ERR", "N+1", "3 statements", "1 chatter")),
        ("2", ("2 kinds, 1,300 calls", "72%", "SELECT * FROM orders WHERE user_id = ?", "orders.py:12")),
        ("3", ("shop.products", "80%", "48MB of 64MB", "are seen in the binlog")),
        ("4", ("db2", "reports", "only observes", "GET_LOCK")),
        ("5", ("No mirrors configured.",)),
        ("6", ("● up", "120ms", "12/40", "1,204 times made ready")),
        ("7", ("app", "transaction 12.0s, GET_LOCK jobs", "2 connected, 1 holds a")),
        ("8", ("backends.db1.address", "appconfig.json:2", "(hidden)", "v7", "cache.tables changed")),
        ("9", ("ConfigApplied", "cache.tables changed")),
    ],
)
def test_each_page_shows_what_it_is_for(key: str, words: tuple[str, ...]) -> None:
    shown = text(after(key))

    assert [word for word in words if word not in shown] == []


@pytest.mark.parametrize(
    "configured, why, words",
    [
        ((), "", "does that."),
        (("cache.tables.shop.products.ttl",), "", "came by yet"),
        (("cache.tables.shop.products.ttl",), "the account lacks TRIGGER", "what is in the way stands below"),
    ],
)
def test_an_empty_cache_page_says_what_is_missing(configured: tuple[str, ...], why: str, words: str) -> None:
    (group,) = ANSWERS["cache"]["groups"]
    cache = ANSWERS["cache"] | {"statements": [], "groups": [group | {"dictionary": not why, "why": why}]}
    settings = [{"path": path, "value": "30s", "line": 3, "column": 1, "is_default": False} for path in configured]

    shown = text(after("3", feed=Scripted(usual(), answers={"cache": cache, "config": settings})))

    assert words in shown
    assert why in shown


def test_the_newest_version_comes_first_and_the_arrow_says_so() -> None:
    head, first, second = text(after("8")).partition("VERSION")[2].splitlines()[:3]

    assert head.startswith("▾")
    assert ("v7" in first, "v6" in second) == (True, True)


def test_an_only_server_takes_the_reads_too() -> None:
    (main,) = ANSWERS["routes"]["groups"]
    routes = ANSWERS["routes"] | {"groups": [main | {"servers": main["servers"][:1]}]}

    assert "takes reads and writes" in text(after("6", feed=Scripted(usual(), answers={"routes": routes})))


def test_where_no_server_answered_anything_no_time_is_told() -> None:
    idle = [one | {"commands": 0, "p50": 0.0, "p95": 0.0, "p99": 0.0, "servers": {}} for one in ANSWERS["pulse"]]

    shown = text(after(feed=Scripted(usual(), answers={"pulse": idle}), size=(120, 30)))

    assert "p50 - p95 - p99 -" in shown


@pytest.mark.parametrize(("size", "after_size"), [((59, 15), (60, 16)), ((60, 15), (60, 16)), ((59, 16), (60, 16))])
def test_a_terminal_that_grows_to_the_least_size_shows_the_page_again(
    size: tuple[int, int], after_size: tuple[int, int]
) -> None:
    told: list[str] = []

    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        told.append(text(screen(app)))
        await pilot.resize_terminal(*after_size)
        await settled(pilot)
        told.append(text(screen(app)))

    look_at(Scripted(usual()), doing, size)

    assert ["is too small" in one for one in told] == [True, False]
    assert "FOLLOW" in told[1]


def test_who_only_looks_is_refused_before_anything_is_asked() -> None:
    feed = Scripted(usual())
    feed.refusal = "this one only looks"
    told: list[str] = []

    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        for key in ("6", "d"):
            await pilot.press(key)
            await settled(pilot)
        told.extend((text(screen(app)), *(one.message for one in app._notifications)))

    look_at(feed, doing)

    assert "y  yes" not in told[0]
    assert told[1:] == ["this one only looks"]


def test_a_long_help_goes_on_below_its_words_and_not_below_the_keys() -> None:
    lines = after("3", "question_mark", size=(60, 24))

    (at,) = (at for at, line in enumerate(lines) if "use nothing any more" in line)
    begin = lines[at].index("use nothing")
    assert lines[at + 1][begin - 18 : begin].strip() == ""
    assert (
        lines[at + 1][begin:].split()[0] in "use nothing any more of the table under the cursor, or of all; asks first"
    )


def test_a_replica_that_is_left_out_says_why() -> None:
    why = "how far it is behind is not known, max_lag is 2 s"
    (main,) = ANSWERS["routes"]["groups"]
    primary, replica = main["servers"]
    servers = [primary, replica | {"takes_reads": False, "no_reads": why}]
    routes = ANSWERS["routes"] | {"groups": [main | {"servers": servers}]}

    shown = text(after("6", "j", feed=Scripted(usual(), answers={"routes": routes})))

    assert "◐ no reads" in shown
    assert f"takes no reads: {why}" in shown


def test_the_statement_under_the_cursor_is_explained() -> None:
    shown = text(after("k"))

    assert "to db2, the replica of main: read" in shown
    assert "appconfig.json:8:12" in shown


@pytest.mark.parametrize("size", [(100, 30), (200, 50)])
def test_the_error_of_a_statement_is_told_beside_its_text(size: tuple[int, int]) -> None:
    error = {"about": "error", "told": "1054 Unknown column 'nmae' in 'SELECT'", "place": "", "otherwise": ""}
    answers = {"why": [error, *ANSWERS["why"]]}
    sql = f"SELECT id, nmae FROM customers WHERE {' AND '.join(['id > 1'] * 20)}"
    failed = batch(row(0, sql=sql, code=1054, error="Unknown column 'nmae' in 'SELECT'"))

    shown = text(after(feed=Scripted(failed, answers=answers), size=size))

    assert "error      1054 Unknown column 'nmae' in 'SELECT'" in shown
    assert shown.count("SELECT id, nmae FROM customers") == 2


def test_moving_up_stops_following_and_going_down_follows_again() -> None:
    assert "below, G follows" in text(after("k"))
    assert "FOLLOW" in text(after("k", "k", "G"))


def test_a_transaction_is_opened() -> None:
    feed = Scripted(batch(*usual().rows[2:5]))

    assert "UPDATE stock" not in text(after(feed=feed))
    assert "│ UPDATE stock" in text(after("l", feed=Scripted(batch(*usual().rows[2:5]))))


def test_what_comes_while_paused_is_kept() -> None:
    feed = Scripted(batch(row(0, sql="first")))

    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        await pilot.press("p")
        (live,) = app.query(Live)
        live.view.stream.add(batch(row(1, sql="second")))
        await settled(pilot)
        assert "PAUSED, 1 waiting" in text(screen(app))
        assert "second" not in text(screen(app))

        await pilot.press("p")
        await settled(pilot)

        assert "second" in text(screen(app))

    look_at(feed, doing)


def test_what_came_while_another_page_was_seen_is_followed() -> None:
    feed = Scripted(batch(row(0, sql="first")))

    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        await pilot.press("2")
        feed.later.append(batch(row(1, sql="second")))
        await settled(pilot)
        await pilot.press("1")
        await settled(pilot)
        (live,) = app.query(Live)

        assert not feed.later
        assert live.row is not None
        assert live.row.sql == "second"

    look_at(feed, doing)


def test_a_filter_is_typed_and_shown() -> None:
    feed = Scripted(usual())

    shown = after("f", *"dur>5ms", "enter", feed=feed)

    assert feed.filters == ["", "dur>5ms"]
    assert "f: dur>5ms" in text(shown)


def test_a_filter_that_is_wrong_says_where_and_the_old_one_stays() -> None:
    feed = Scripted(usual())

    shown = after("f", *"duur>5ms", "enter", feed=feed)

    at = next(number for number, line in enumerate(shown) if "duur>5ms" in line)
    assert shown[at + 1].index("^") == shown[at].index("duur")
    assert "dur" in shown[at + 2]
    assert feed.filters == [""]


def test_what_could_be_typed_is_suggested_with_how_often_it_was_seen() -> None:
    feed = Scripted(usual())

    suggested = text(after("f", *"app:ch", feed=feed))
    after("f", *"app:ch", "tab", "enter", feed=feed)

    assert "tab  checkout 8" in suggested
    assert feed.filters[-1] == "app:checkout"


def test_saved_filters_are_known_by_their_names() -> None:
    saved = {"path": "live.filters.slow-ones", "value": "dur>1s", "line": 9, "column": 5, "is_default": False}
    feed = Scripted(usual(), answers={"config": [*ANSWERS["config"], saved]})

    suggested = text(after("f", "@", feed=feed))
    after("f", *"@slow-ones", "enter", feed=feed)

    assert "@slow-ones" in suggested
    assert feed.filters[-1] == "@slow-ones"


def test_the_filter_is_switched_off_and_on() -> None:
    feed = Scripted(usual())

    after("f", "x", "enter", "backslash", "backslash", feed=feed)

    assert feed.filters == ["", "x", "", "x"]


def test_only_statements_of_one_digest() -> None:
    feed = Scripted(usual())

    after("asterisk", feed=feed)

    assert feed.filters[-1] == "digest:0123456789abcdef"


def test_a_text_is_found() -> None:
    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        await pilot.press("slash", *"users", "enter")
        await settled(pilot)
        (live,) = app.query(Live)
        first = live.view.row
        await pilot.press("n")
        second = live.view.row

        assert first is not None and second is not None
        assert {first.seq, second.seq} == {5, 6}

    look_at(Scripted(usual()), doing)


def test_where_there_is_room_graphs_stand_above_the_stream() -> None:
    shown = text(after("2", "1", size=(160, 50)))

    assert [
        word
        for word in ("statements/s, p95 up to 8.2ms", "▲", "hit 64%", "memory", "db2        ro")
        if word not in shown
    ] == []


@pytest.mark.parametrize("size", [(119, 50), (160, 39)])
def test_graphs_for_which_there_is_no_room_ask_nothing(size: tuple[int, int]) -> None:
    feed = Scripted(usual())

    shown = text(after(feed=feed, size=size))

    assert "statements/s" not in shown
    assert feed.orders("cache", "routes") == []


def test_the_box_that_has_the_keys_is_enlarged_and_all_come_back() -> None:
    large = after("shift+tab", "z", size=(160, 50))
    back = text(after("shift+tab", "z", "underscore", size=(160, 50)))

    assert large[2].startswith("┌─ who answers") and large[2].endswith("1 min ─┐") and len(large[2]) == 160
    assert "SELECT" not in text(large)
    assert "statements/s" in back and "SELECT" in back


def test_an_enlarged_graph_gives_way_when_the_terminal_becomes_too_small_for_it() -> None:
    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        await pilot.press("shift+tab", "z")
        await pilot.resize_terminal(80, 24)
        await settled(pilot)

        assert "SELECT" in text(screen(app))
        assert isinstance(app.focused, Lines)

    look_at(Scripted(usual()), doing, (160, 50))


def test_typing_goes_on_while_statements_come() -> None:
    # Traffic must not take the focus away from who types.
    feed = Scripted(*(batch(*(row(seq, sql="x") for seq in range(at, at + 500))) for at in range(0, 5000, 500)))

    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        await pilot.press("f")
        for letter in "table":
            await pilot.press(letter)
            await pilot.pause(0.05)

        assert "table" in text(screen(app)[-3:])

    look_at(feed, doing)


@pytest.mark.parametrize(
    "page, key, order",
    [
        ("7", "K", ("kill", {"session": 1073741825, "what": "query"})),
        ("7", "ctrl+k", ("kill", {"session": 1073741825, "what": "connection"})),
        ("6", "d", ("drain", {"backend": "db1"})),
        ("3", "K", ("cache.flush", {"table": None})),
        ("8", "U", ("config.roll_back", {"version": 6})),
    ],
)
def test_what_cannot_be_undone_is_asked_before(page: str, key: str, order: tuple[str, dict[str, Any]]) -> None:
    refused, meant = Scripted(usual()), Scripted(usual())

    question = text(after(page, key, feed=refused))
    after(page, key, "n", feed=refused)
    after(page, key, "y", feed=meant)

    assert "y  yes" in question
    assert refused.orders(order[0]) == []
    assert meant.orders(order[0]) == [order]


def test_what_servers_of_a_group_have_otherwise_is_shown_with_each_value() -> None:
    differs = [{"name": "sql_mode", "values": {"db1": "STRICT_TRANS_TABLES", "db2": None}}]
    found = [{"group": "main", "servers": ["db1", "db2"], "differ": differs, "problems": {"db3": "it is [red]down"}}]

    shown = text(after("6", "v", feed=Scripted(usual(), answers={"variables": found})))

    assert "main: db1, db2" in shown
    assert "sql_mode" in shown
    assert "STRICT_TRANS_TABLES" in shown
    assert "(has none)" in shown
    assert "db3 could not be asked: it is [red]down" in shown


@pytest.mark.parametrize(
    ("what", "told", "sentence"),
    [
        ("config.roll_back", {"changes": ["cache changed", "user app added"]}, "cache changed; user app added"),
        ("config.roll_back", {"changes": []}, "nothing changes"),
        ("kill", {"session": 7, "killed": "query"}, "what runs for 7 is being stopped"),
        ("kill", {"session": 7, "killed": "connection"}, "the connection of 7 is ended"),
        ("cache.flush", {"table": None, "results": 2}, "2 results will not be used any more"),
        ("cache.flush", {"table": "shop.t", "results": 1}, "shop.t: 1 result will not be used any more"),
        ("drain", {"backend": "r1", "busy": 0}, "r1 takes no more reads; 0 connections to it in use now"),
        ("drain", {"backend": None}, "draining: no new clients, and DbMux ends with the last one"),
        ("resume", {"backends": []}, "no server was drained"),
        ("resume", {"backends": ["r1"]}, "r1 takes reads again"),
        ("resume", {"backends": ["r1", "r2"]}, "r1, r2 take reads again"),
        ("config.save", {"file": "/a.json", "written": True, "changes": []}, "followed from now on: /a.json"),
    ],
)
def test_what_became_of_an_order_is_said_in_a_sentence(what: str, told: dict[str, Any], sentence: str) -> None:
    assert outcome(what, told) == sentence


def test_what_is_in_force_is_written_to_a_file_of_ones_choice() -> None:
    file = str(Path("appconfig.json").absolute())
    feed = Scripted(usual(), answers={"config.save": {"file": file, "written": True, "changes": []}})

    told: list[str] = []

    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        for key in ("8", "S"):
            await pilot.press(key)
            await settled(pilot)
        told.append(text(screen(app)))
        await pilot.press("enter")
        await settled(pilot)
        told.extend(one.message for one in app._notifications)

    look_at(feed, doing)

    assert "S: ./appconfig.json" in told[0]
    assert told[1].startswith("followed from now on: /")
    assert feed.orders("config.save") == [("config.save", {"file": file})]


@pytest.mark.parametrize("answer", ["y", "n"])
def test_a_file_that_is_there_is_replaced_by_what_is_in_force_only_when_that_is_meant(answer: str) -> None:
    file = str(Path("appconfig.json").absolute())
    feed = Scripted(usual(), answers={"config.save": {"file": file, "written": False}})

    question = text(after("8", "S", "enter", feed=feed))
    feed.asked.clear()
    after("8", "S", "enter", answer, feed=feed)

    meant = [("config.save", {"file": file, "replace": True})] if answer == "y" else []
    assert "Replace the file that is there already?" in question
    assert feed.orders("config.save") == [("config.save", {"file": file}), *meant]


def test_a_file_that_cannot_be_written_is_told_where_it_was_typed() -> None:
    feed = Scripted(usual(), answers={"config.save": Refused("/x/y cannot be written: No such file or directory")})

    shown = text(after("8", "S", "enter", feed=feed))

    assert "S: ./appconfig.json" in shown
    assert "/x/y cannot be written: No such file or directory" in shown


def test_a_server_is_put_back_at_once() -> None:
    feed = Scripted(usual())

    after("6", "u", feed=feed)

    assert feed.orders("resume") == [("resume", {"backend": "db1"})]


def test_the_configuration_is_read_again() -> None:
    feed = Scripted(usual())

    after("ctrl+r", feed=feed)

    assert feed.orders("config.reload") == [("config.reload", {})]


@pytest.mark.parametrize(
    "page, wanted", [("2", "digest:0123456789abcdef"), ("6", "backend:db1"), ("7", "conn:1073741825")]
)
def test_enter_shows_the_statements_of_what_is_under_the_cursor(page: str, wanted: str) -> None:
    feed = Scripted(usual())

    shown = after(page, "enter", feed=feed)

    assert feed.filters[-1] == wanted
    assert f"f: {wanted}" in text(shown)


def test_a_table_is_sorted_by_the_next_column() -> None:
    assert "CALLS▾" in text(after("2", "s"))
    assert "TIME▲" in text(after("2", "S"))


def test_the_help_has_the_keys_of_the_page() -> None:
    shown = text(after("7", "question_mark"))

    assert "have the server stop the query" in shown
    assert "Everywhere" in shown


def test_a_broken_configuration_stands_there_until_it_is_mended() -> None:
    config = ANSWERS["status"]["config"] | {"problems": ["app.json:41:18: cache.ttl: '5sec' is no duration"]}
    broken = Scripted(usual(), answers={"status": ANSWERS["status"] | {"config": config}})

    shown = text(after(feed=broken))

    assert "app.json:41:18: cache.ttl: '5sec' is no duration" in shown
    assert "version 7 stays in force" in shown
    assert "cfg v7 ✗" in shown


def test_after_a_roll_back_it_is_said_which_version_the_lines_are_of() -> None:
    config = ANSWERS["status"]["config"] | {"source": "version 6 of appconfig.json", "again": 6}
    feed = Scripted(usual(), answers={"status": ANSWERS["status"] | {"config": config}})

    shown = text(after("8", feed=feed))

    assert "version 6 of appconfig.json" in shown
    assert "version 6:2" in shown


def test_settings_that_have_done_nothing_are_told_with_what_was_meant() -> None:
    one = {"path": "rules.x", "told": "has matched nothing; nearest seen: shop.orders", "place": "/etc/app.json:7:5"}
    unused = Scripted(usual(), answers={"config.unused": [one | {"path": f"rules.r{number}"} for number in range(6)]})

    shown = text(after("8", feed=unused))

    assert "rules.r3 has matched nothing; nearest seen: shop.orders (app.json:7:5)" in shown
    assert "rules.r4" not in shown
    assert "and 2 more; `dbmux status` tells all" in shown


def test_a_server_that_is_down_is_a_sentence() -> None:
    backends = [
        {"name": "db1", "state": "down", "error": "Connection refused"},
        {"name": "db2", "state": "up", "error": ""},
    ]
    feed = Scripted(usual(), answers={"status": ANSWERS["status"] | {"backends": backends}})

    assert after(feed=feed)[0] == " DbMux ✗ db1 is down: Connection refused"


def test_an_engine_that_is_gone_is_said_and_what_was_seen_stays() -> None:
    feed = Scripted(usual())

    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        feed.answers["status"] = Lost("the connection to DbMux is gone")
        await pilot.pause(1.1)
        await settled(pilot)

        assert screen(app)[0] == " the connection to DbMux is gone; q leaves"
        assert "SELECT * FROM products" in text(screen(app))

    look_at(feed, doing)


def test_without_traffic_it_says_what_to_do() -> None:
    shown = text(after(feed=Scripted()))

    assert "mysql -h 127.0.0.1 -P 3307 -u USER -p" in shown
    assert "DB_HOST=127.0.0.1 DB_PORT=3307" in shown
    assert "localhost" in shown


def test_a_terminal_that_is_too_small_is_told_so() -> None:
    assert "40x10 is too small: 60x16 is needed." in text(after(size=(40, 10)))


def test_without_clients_it_is_left_at_once() -> None:
    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        await pilot.press("q")

    assert look_at(Scripted(usual()), doing).return_value is Leave.STOP


@pytest.mark.parametrize("key, chosen", [("d", Leave.DETACH), ("s", Leave.STOP)])
def test_with_clients_it_asks_what_is_to_become_of_them(key: str, chosen: Leave) -> None:
    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        app._is_hosting = lambda: True
        await pilot.press("q")
        await settled(pilot)
        assert "detach: it goes on without the interface" in text(screen(app))
        await pilot.press(key)

    assert look_at(Scripted(usual()), doing).return_value is chosen


def test_a_click_on_a_page_s_name_goes_there() -> None:
    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        await pilot.click("Tabs", offset=(10, 0))
        await settled(pilot)

        assert "2 kinds" in text(screen(app))

    look_at(Scripted(usual()), doing, (100, 30))


@pytest.mark.parametrize("hostile", ["".join(TEXTS[:9]), "".join(reversed(TEXTS))])
def test_no_text_breaks_a_page(hostile: str) -> None:
    feed = Scripted(
        batch(row(0, sql=hostile, app=hostile, user=hostile, error=hostile, code=1)), answers=_spoilt(hostile)
    )

    async def doing(pilot: Pilot[Leave], app: Interface) -> None:
        for key in "123456789":
            await pilot.press(key)
            await settled(pilot)
            assert all(line.isprintable() for line in screen(app))
        app.say(hostile)
        await pilot.press("7", "K")
        await settled(pilot)
        assert all(line.isprintable() for line in screen(app))

    look_at(feed, doing, (120, 40))


def _spoilt(hostile: str) -> dict[str, Any]:
    kept = ("role", "state", "kind")

    def spoil(value: Any, name: str = "") -> Any:
        match value:
            case dict():
                return {key: spoil(item, key) for key, item in value.items()}
            case list():
                return [spoil(item, name) for item in value]
            case str() if name not in kept:
                return hostile
            case _:
                return value

    return {name: spoil(value) for name, value in ANSWERS.items()}
