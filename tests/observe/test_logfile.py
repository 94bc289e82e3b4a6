"""Events become log lines: for people, for machines, and never more lines than one."""

from __future__ import annotations

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux import events
from dbmux.events import (
    CloseReason,
    Event,
    LoggedIn,
    LoginFailed,
    Pinned,
    QueryFinished,
    SessionClosed,
    SessionOpened,
    Unpinned,
    Warned,
)
from dbmux.observe.logfile import NOT_LOGGED, Log, LogFormat, sentence
from dbmux.routes import ONLY
from tests.observe.examples import EVENTS, KINDS

AT = 1700000000.25
NASTY = "é\n12:00:00.000 backend db is down\r\x1b[2J\x00\x9b1m\u2028\u202e\x85'\""


def lines(form: LogFormat, *told: Event) -> list[str]:
    stream = io.StringIO()
    log = Log(stream, form)
    for event in told:
        log.write(event)
    text = stream.getvalue()
    assert text == "" or text.endswith("\n")
    return text.split("\n")[:-1]


def test_the_examples_have_every_kind_of_event() -> None:
    assert tuple(type(event) for event in EVENTS) == KINDS


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (events.ProxyStarted(AT, "1.2.3", 0.2), "DbMux 1.2.3 started in 200 ms"),
        (events.ListenerOpened(AT, "127.0.0.1:3307", "main"), "listening on 127.0.0.1:3307 for main"),
        (events.ListenerClosed(AT, "127.0.0.1:3307"), "no longer listening on 127.0.0.1:3307"),
        (SessionOpened(AT, 7, "10.0.0.9:5000", "x"), "7 connected from 10.0.0.9:5000"),
        (LoggedIn(AT, 7, "app", "shop", "db", "TLSv1.3", 0.01), "7 logged in as app at db, schema shop, TLSv1.3"),
        (LoggedIn(AT, 7, "app", "", "db", "", 0.01), "7 logged in as app at db"),
        (LoginFailed(AT, 7, "app", 1045, "DbMux: no"), "7 login as app refused: DbMux: no"),
        (LoginFailed(AT, 7, "", 1043, "DbMux: no"), "7 login without a user's name refused: DbMux: no"),
        (events.AddressBlocked(AT, "10.0.0.9", 4.0),
         "too many logins from 10.0.0.9 failed: others are refused for 4 s"),
        (QueryFinished(AT, 7, "db", 3, 0.0015, 100, 0, ONLY), "7 command 3 took 1.50 ms"),
        (Pinned(AT, 7, "GET_LOCK", "jobs"), "7 pinned: GET_LOCK jobs"),
        (Unpinned(AT, 7, "GET_LOCK", "", 1.5), "7 no longer pinned after 1.500 s: GET_LOCK"),
        (SessionClosed(AT, 7, CloseReason.QUIT, ""), "7 closed: quit"),
        (SessionClosed(AT, 7, CloseReason.TIMEOUT, "too slow"), "7 closed: timeout (too slow)"),
        (events.BackendUp(AT, "db", "10.0.0.1:3306", "10.11.6"), "backend db at 10.0.0.1:3306 is up: 10.11.6"),
        (events.BackendDown(AT, "db", "10.0.0.1:3306", "Connection refused"),
         "backend db at 10.0.0.1:3306 is down: Connection refused; trying again, ever less often"),
        (events.PrimaryChanged(AT, "main", "a", "b"), "main: writes go to b now, no longer to a"),
        (events.ReplicaFellBehind(AT, "main", "b", 7.25), "main: b takes no reads, it is 7.2 s behind"),
        (events.ReplicaFellBehind(AT, "main", "b", None),
         "main: b takes no reads, how far it is behind is not known"),
        (events.ReplicaCaughtUp(AT, "main", "b"), "main: b has caught up and takes reads again"),
        (events.ConfigApplied(AT, "app.json", ("backend db changed", "user app added")),
         "configuration app.json applied: backend db changed, user app added"),
        (events.ConfigApplied(AT, "app.json", ()), "configuration app.json applied: nothing changed"),
        (events.ConfigRejected(AT, "app.json", ("app.json:1:2: x: wrong", "app.json:3:4: y: wrong")),
         "configuration rejected, the last good one stays in force:\n"
         "  app.json:1:2: x: wrong\n  app.json:3:4: y: wrong"),
        (events.MirrorChanged(AT, "upgrade", "running", ""), "mirror upgrade is running"),
        (events.MirrorChanged(AT, "upgrade", "halted", "a row is missing"),
         "mirror upgrade is halted: a row is missing"),
        (events.DrainStarted(AT, 3, 30.0), "draining: no new clients, 3 sessions may end within 30 s"),
        (Warned(AT, "nothing to reload"), "nothing to reload"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)  # fmt: skip
def test_events_in_words(event: Event, words: str) -> None:
    assert sentence(event) == words


def test_a_text_line_has_the_time_and_the_words() -> None:
    (line,) = lines(LogFormat.TEXT, SessionOpened(AT, 7, "10.0.0.9:5000", "x"))

    assert re.fullmatch(r"\d\d:\d\d:\d\d\.250 7 connected from 10\.0\.0\.9:5000", line)


def test_a_json_line_has_every_field() -> None:
    (line,) = lines(LogFormat.JSON, LoggedIn(AT, 7, "app", "shop", "db", "TLSv1.3", 0.01))

    assert json.loads(line) == {
        "event": "LoggedIn",
        "at": "2023-11-14T22:13:20.250000+00:00",
        "session": 7,
        "user": "app",
        "schema": "shop",
        "backend": "db",
        "tls": "TLSv1.3",
        "seconds": 0.01,
    }


@pytest.mark.parametrize("form", LogFormat)
def test_every_event_that_no_query_brings_about_has_a_line(form: LogFormat) -> None:
    for event in EVENTS:
        expected = 0 if isinstance(event, NOT_LOGGED) else 1
        told = [line for line in lines(form, event) if not line.startswith("  ")]

        assert len(told) == expected


@pytest.mark.parametrize("form", LogFormat)
@pytest.mark.parametrize(
    "event",
    [
        SessionOpened(AT, 7, NASTY, "x"),
        LoggedIn(AT, 7, NASTY, NASTY, "db", "", 0.01),
        LoginFailed(AT, 7, NASTY, 1045, NASTY),
        SessionClosed(AT, 7, CloseReason.PROTOCOL_ERROR, NASTY),
        Warned(AT, NASTY),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_a_client_calls_itself_cannot_forge_a_line(form: LogFormat, event: Event) -> None:
    (line,) = lines(form, event)

    assert len(line.splitlines()) == 1
    assert line.isprintable()


def test_what_can_be_seen_stays_as_it_is() -> None:
    assert sentence(LoginFailed(AT, 7, "Jürgen 😀 O'Neill \\", 1045, "no")) == (
        "7 login as Jürgen 😀 O'Neill \\ refused: no"
    )


@given(st.text())
def test_no_name_ends_a_line(name: str) -> None:
    for form in LogFormat:
        (line,) = lines(form, LoginFailed(AT, 7, name, 1045, name))
        assert line.isprintable()


class _Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    Log(_Full(), LogFormat.TEXT).write(Warned(AT, "lost"))
    Log(_Full(), LogFormat.JSON).write(Warned(AT, "lost"))
