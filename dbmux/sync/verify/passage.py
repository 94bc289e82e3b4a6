"""How it is known that the second server has what the first one had: by the place that a mirror keeps there.

The servers come in; a `Passage` goes out that waits for the mirror, or None where no mirror brings the first one's
changes to the second. A mirror that stands still is an error: what it did not bring is no difference. Only reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic

from dbmux.backend.binlog.listener import Pace
from dbmux.backend.binlog.settling import is_up_to
from dbmux.backend.binlog.source import Source
from dbmux.backend.login import Credentials
from dbmux.backend.server import Backend
from dbmux.backend.service import Service
from dbmux.config.model import Account
from dbmux.sync.places import SCHEMA
from dbmux.sync.verify.side import Undecided
from dbmux.wire.binlog.events import Position

POLL_S = 0.05
# So long a mirror may take over one transaction.
STILL_S = 60.0
_IS_THERE = f"SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA='{SCHEMA}' AND TABLE_NAME='places'".encode()


class MirrorPassage:
    """Waits until the mirrors that are fed from the first server are as far as its log was."""

    def __init__(self, source: Source, second: Service, which: str, still_s: float) -> None:
        self._source = source
        self._second = second
        self._places = f"SELECT file,position FROM {SCHEMA}.places WHERE {which}".encode()
        self._still_s = still_s

    async def passed(self) -> None:
        """See `Passage`; raises Undecided when a mirror stands still."""
        end = (await self._source.seen()).end
        before: list[Position] = []
        moved_at = monotonic()
        while True:
            places = await self.places()
            if all(is_up_to(end, place) for place in places):
                return
            if places != before:
                before, moved_at = places, monotonic()
            elif monotonic() - moved_at > self._still_s:
                raise Undecided(
                    f"the mirror on {self._second.name} stands still at {places[0].file}:{places[0].offset}, and "
                    f"{end.file}:{end.offset} was written: have it run, and try again"
                )
            await asyncio.sleep(POLL_S)

    async def places(self) -> list[Position]:
        """How far the mirrors are."""
        rows = await self._second.ask(self._places)
        return [Position((file or b"").decode(errors="surrogateescape"), int(offset or b"0")) for file, offset in rows]

    def close(self) -> None:
        """End the connection to the first server."""
        self._source.close()


async def mirror_passage(
    first: Backend, account: Account, second: Service, names: Sequence[str] = (), still_s: float = STILL_S
) -> MirrorPassage | None:
    """Of the mirrors of these names, or of all; None where none of them is fed from the first server.

    Raises DbMuxError, as when the server's log may not be asked about.
    """
    if not await second.ask(_IS_THERE):
        return None
    who = Credentials(user=account.user.encode(), password=account.password.encode())
    source = await Source.connect(first, who, Pace())
    try:
        which = f"CAST(source AS BINARY)={_hex(await source.identity())}"
        if names:
            which += f" AND CAST(name AS BINARY) IN ({','.join(map(_hex, names))})"
        passage = MirrorPassage(source, second, which, still_s)
        if await passage.places():
            return passage
    except BaseException:
        source.close()
        raise
    source.close()
    return None


def _hex(value: str) -> str:
    return f"x'{value.encode().hex()}'"
