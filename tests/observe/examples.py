"""One event of each kind."""

from __future__ import annotations

from typing import get_args

from dbmux import events
from dbmux.events import CloseReason, Event
from dbmux.routes import ONLY

KINDS: tuple[type[Event], ...] = get_args(Event)
EVENTS: tuple[Event, ...] = (
    events.ProxyStarted(1700000000.25, "1.2.3", 0.2),
    events.ListenerOpened(1700000000.25, "127.0.0.1:3307", "main"),
    events.ListenerClosed(1700000000.25, "127.0.0.1:3307"),
    events.SessionOpened(1700000000.25, 7, "10.0.0.9:5000", "127.0.0.1:3307"),
    events.LoggedIn(1700000000.25, 7, "app", "shop", "db", "TLSv1.3", 0.01),
    events.LoginFailed(1700000000.25, 7, "app", 1045, "DbMux: no"),
    events.AddressBlocked(1700000000.25, "10.0.0.9", 4.0),
    events.QueryFinished(1700000000.25, 7, "db", 3, 0.0015, 100, 0, ONLY),
    events.Pinned(1700000000.25, 7, "GET_LOCK", "jobs"),
    events.Unpinned(1700000000.25, 7, "GET_LOCK", "jobs", 1.5),
    events.SessionClosed(1700000000.25, 7, CloseReason.QUIT, ""),
    events.BackendUp(1700000000.25, "db", "10.0.0.1:3306", "10.11.6-MariaDB"),
    events.BackendDown(1700000000.25, "db", "10.0.0.1:3306", "Connection refused"),
    events.PrimaryChanged(1700000000.25, "main", "db1", "db2"),
    events.ReplicaFellBehind(1700000000.25, "main", "db2", 7.25),
    events.ReplicaCaughtUp(1700000000.25, "main", "db2"),
    events.ConfigApplied(1700000000.25, "app.json", ("backend db changed", "user app added")),
    events.ConfigRejected(1700000000.25, "app.json", ("app.json:1:2: x: wrong", "app.json:3:4: y: wrong")),
    events.MirrorChanged(1700000000.25, "upgrade", "halted", "a row was not found"),
    events.DrainStarted(1700000000.25, 3, 30.0),
    events.Warned(1700000000.25, "nothing to reload"),
)
