"""A session that reads everything twice, so that what is compared is what came from memory.

Commands come in; one whose result may be stored is asked again until the cache has answered, and that reply goes out.
What a SELECT leaves behind is the same however often it runs.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from re import search

from dbmux.sql.classify import classify
from dbmux.wire.replies import Eof, Ok, Status
from tests.differential.client import Login, Reply, Talker
from tests.differential.steps import Command, Execute, Prepare, Sql

Open = Callable[[Login], Talker]
# How often it is asked: until the dictionary was read once, and from then on.
AT_FIRST, LATER = 12, 3


class Hits:
    """How often the cache of a DbMux has answered, as its metrics tell."""

    def __init__(self, control: int) -> None:
        self._url = f"http://127.0.0.1:{control}/metrics"

    def count(self) -> int:
        """Since it was started."""
        with urllib.request.urlopen(self._url, timeout=10) as page:
            told = page.read().decode()
        return sum(
            int(float(found[1]))
            for line in told.splitlines()
            if (found := search(r'^dbmux_commands_total\{backend="cache".* ([\d.e+]+)$', line)) is not None
        )


class Twice:
    """A talker that goes through a DbMux whose `hits` can be counted."""

    def __init__(self, talker: Talker, hits: Hits) -> None:
        self._talker = talker
        self._hits = hits
        self._texts: dict[str, bytes] = {}
        self._tries = AT_FIRST
        self.login_reply = talker.login_reply
        self.connection_id = talker.connection_id

    def ask(self, command: Command, others: Callable[[str], int]) -> Reply:
        """Send a command, and once more where that makes no difference but to the cache."""
        reply = self._talker.ask(command, others)
        if isinstance(command, Sql) and b"sql_auto_is_null" in command.text:
            # From here on a SELECT finds something once.
            self._tries = 0
        if isinstance(command, Prepare):
            self._texts[command.name] = command.text
        if not self._tries or not self._is_read(command) or not _is_alone(reply):
            return reply
        for _ in range(self._tries):
            before = self._hits.count()
            reply = self._talker.ask(command, others)
            if self._hits.count() > before:
                self._tries = LATER
                break
        return reply

    def close(self) -> None:
        """Hang up."""
        self._talker.close()

    def _is_read(self, command: Command) -> bool:
        match command:
            case Sql(text):
                return not classify(text, 0, 0).footprint.uncacheable
            case Execute(name, flags=0):
                return not classify(self._texts.get(name, b""), 0, 0).footprint.uncacheable
            case _:
                return False


def _is_alone(reply: Reply) -> bool:
    # Without an error, outside a transaction, and without what is told once or, as warnings, never from memory.
    last = reply[-1] if reply else None
    status = getattr(last, "status", 0)
    warns = isinstance(last, Ok | Eof) and last.warnings
    is_passing = status & (Status.IN_TRANSACTION | Status.METADATA_CHANGED)
    return bool(status & Status.AUTOCOMMIT) and not warns and not is_passing


def twice(way: Open, hits: Hits) -> Open:
    """The same way, on which everything is read twice."""
    return lambda login: Twice(way(login), hits)
