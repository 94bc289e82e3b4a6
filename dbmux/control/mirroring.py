"""What can be asked and ordered of mirrors.

A running engine's mirrors come in; plain values go out, as JSON has them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from dbmux.config.model import Feed
from dbmux.errors import DbMuxError
from dbmux.feed.feed import Answer, Refused
from dbmux.mirror.mirror import Mirror, NothingAwaited
from dbmux.mirror.mirrors import AnyMirror, Mirrors
from dbmux.wire.binlog.events import Position

_POSITION = re.compile(r"(?P<file>[^:]+):(?P<offset>\d+)")


class Mirroring:
    """Answers for one engine."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    def table(self) -> Mapping[str, Answer]:
        """By name."""
        return {
            "mirrors": self._listed,
            "mirror.pause": self._pause,
            "mirror.resume": self._resume,
            "mirror.start": self._start,
        }

    async def _listed(self, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [told(mirror) for mirror in self._mirrors]

    async def _pause(self, given: Mapping[str, Any]) -> dict[str, Any]:
        mirror = self._fed(given)
        mirror.pause()
        return told(mirror)

    async def _resume(self, given: Mapping[str, Any]) -> dict[str, Any]:
        mirror = self._fed(given)
        if given.get("past_definition"):
            try:
                mirror.pass_over_definition()
            except NothingAwaited as error:
                raise Refused(str(error)) from error
        else:
            mirror.resume()
        return await _settled(mirror)

    async def _start(self, given: Mapping[str, Any]) -> dict[str, Any]:
        mirror, position = self._fed(given), _position(given.get("at"))
        if given.get("anew") and position is not None:
            raise Refused("give a position, or `anew`, which means the end of the log; not both")
        try:
            await (mirror.begin_anew() if given.get("anew") else mirror.begin(position))
        except (DbMuxError, TimeoutError) as error:
            raise Refused(str(error) or f"{mirror.task.target.name} did not answer in time") from error
        return await _settled(mirror)

    def _fed(self, given: Mapping[str, Any]) -> Mirror:
        match self._named(given):
            case Mirror() as mirror:
                return mirror
            case native:
                raise Refused(
                    f"mirror {native.name} is fed by the servers themselves; begin, stop and mend that at "
                    f"{native.target.name} (START REPLICA, STOP REPLICA)"
                )

    def _named(self, given: Mapping[str, Any]) -> AnyMirror:
        name = given.get("mirror")
        mirrors = list(self._mirrors)
        if name is None and len(mirrors) == 1:
            return mirrors[0]
        mirror = self._mirrors.find(str(name))
        if mirror is None:
            known = ", ".join(one.name for one in mirrors) or "none: see `mirrors` in docs/mirroring.md"
            raise Refused(f"no mirror is called {name!r}; there are {known}" if name else f"which mirror? {known}")
        return mirror


async def _settled(mirror: Mirror) -> dict[str, Any]:
    with suppress(TimeoutError):
        await mirror.settle()
    return told(mirror)


def _position(written: object) -> Position | None:
    if written is None:
        return None
    found = _POSITION.fullmatch(str(written))
    if found is None:
        raise Refused(f"{written!r} is no dump that is there, and no position such as binlog.000012:4711")
    return Position(found["file"], int(found["offset"]))


def told(mirror: AnyMirror) -> dict[str, Any]:
    """How one stands; what a replica of the servers' own has applied is not counted."""
    figures = mirror.figures
    place, is_counted = figures.place, mirror.feed is Feed.BINLOG
    return {
        "name": mirror.name,
        "feed": str(mirror.feed),
        "source": mirror.source.name,
        "source_version": mirror.source.version,
        "target": mirror.target.name,
        "target_version": mirror.target.version,
        "state": str(figures.state),
        "why": figures.why,
        "delay_seconds": figures.delay_s,
        "position": None if place is None else f"{place.position.file}:{place.position.offset}",
        "gtid": "" if place is None else place.gtid,
        "committed_at": None if place is None or not is_counted else place.committed_at,
        "transactions": (0 if place is None else place.transactions) if is_counted else None,
        "rows": (0 if place is None else place.rows) if is_counted else None,
    }
