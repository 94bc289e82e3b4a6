"""The control socket: the feed for other processes of the same user, as JSON lines (docs/control.md).

Lines come in, lines go out. What was subscribed to is pushed ten times a second, to a reader that is slow not before it
has read: what it misses meanwhile, the ring tells it. Whoever may open the file may see and order everything, so the
file is its owner's alone. Never holds more than one line of a client.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from dbmux.address import UnixAddress
from dbmux.errors import DbMuxError
from dbmux.feed.feed import LOOKS_ONLY, QUESTIONS, Access, Batch, Feed, Refused, Subscription
from dbmux.net.channel import Channel, Owner
from dbmux.net.listener import Listener, listen

LONGEST_LINE = 1 << 20
PUSH_S = 0.1
MOST_CLIENTS = 64
MOST_SUBSCRIPTIONS = 8
# Only the owner may open it.
MODE = 0o600


class ControlSocket:
    """Serves a feed at a Unix socket, from entering to leaving; entering raises OSError when that is impossible."""

    def __init__(self, address: UnixAddress, feed: Feed) -> None:
        self.address = address
        self._feed = feed
        self._listener: Listener
        self._readers: set[_Reader] = set()
        self._tasks = asyncio.TaskGroup()

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._readers)

    async def __aenter__(self) -> ControlSocket:
        self._listener = await listen(self.address, self._accept, mode=MODE)
        await self._tasks.__aenter__()
        self._pushing = self._tasks.create_task(self._push(), name="push to control clients")
        return self

    async def __aexit__(self, *failure: object) -> None:
        self._listener.close()
        for reader in list(self._readers):
            reader.channel.abort()
        self._pushing.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def _push(self) -> None:
        while True:
            await asyncio.sleep(PUSH_S)
            for reader in list(self._readers):
                reader.push()

    def _accept(self, channel: Channel) -> Owner:
        reader = _Reader(channel, self)
        if len(self._readers) >= MOST_CLIENTS:
            channel.close()
        else:
            self._readers.add(reader)
        return reader

    def forget(self, reader: _Reader) -> None:
        """A client is gone."""
        self._readers.discard(reader)

    def begin(self, reader: _Reader, verb: str, body: Mapping[str, Any]) -> None:
        """Answer a request, in its own time."""
        self._tasks.create_task(self._answer(reader, verb, body), name=f"control {verb}")

    async def _answer(self, reader: _Reader, verb: str, body: Mapping[str, Any]) -> None:
        number = body.get("id", 0)
        try:
            match verb:
                case "hello":
                    reader.say({"hello": asdict(self._feed.hello) | {"read_only": reader.access is Access.LOOKING}})
                case "ask":
                    what = str(body["what"])
                    if reader.access is Access.LOOKING and what not in QUESTIONS:
                        raise Refused(LOOKS_ONLY)
                    given = body.get("given") or {}
                    if not isinstance(given, dict):
                        raise TypeError("what is given must be a JSON object")
                    value = await self._feed.ask(what, given)
                    reader.say({"answer": {"id": number, "value": value}})
                case "subscribe":
                    found = await self._feed.subscribe(str(body.get("filter", "")), int(body.get("since", 0)))
                    reader.subscribe(number, found)
                    reader.say({"answer": {"id": number, "value": None}})
                case "unsubscribe":
                    reader.unsubscribe(number)
                case _:
                    raise DbMuxError(f"{verb!r} is not known; there are hello, ask, subscribe, unsubscribe")
        except (DbMuxError, ValueError, TypeError, KeyError, OverflowError) as error:
            reader.say({"refusal": {"id": number, "message": str(error) or repr(error)}})
        except Exception as error:
            # One request fails by what nobody foresaw, not the proxy.
            told = {"message": f"a request to {verb} failed for an unforeseen reason", "exception": error}
            asyncio.get_running_loop().call_exception_handler(told)
            message = f"it failed for a reason that nobody foresaw ({error!r}); see DbMux's log, and please report it"
            reader.say({"refusal": {"id": number, "message": message}})


class _Reader:
    """A client of the socket."""

    def __init__(self, channel: Channel, server: ControlSocket) -> None:
        self.channel = channel
        # Once it is less than all, it stays so.
        self.access = Access.ALL
        self._server = server
        self._subscriptions: dict[int, Subscription] = {}
        self._line = bytearray()
        self._is_slow = False

    def say(self, message: Mapping[str, Any]) -> None:
        """Send a line."""
        self.channel.write(json.dumps(message).encode() + b"\n")

    def subscribe(self, number: int, subscription: Subscription) -> None:
        """Push this from now on; raises DbMuxError when it is too much."""
        if len(self._subscriptions) >= MOST_SUBSCRIPTIONS:
            raise DbMuxError(f"{MOST_SUBSCRIPTIONS} subscriptions are the most; end one first")
        self.unsubscribe(number)
        self._subscriptions[number] = subscription

    def unsubscribe(self, number: int) -> None:
        """Push it no more."""
        if (known := self._subscriptions.pop(number, None)) is not None:
            known.close()

    def push(self) -> None:
        """Send what came; nothing to one who still has to read."""
        for number, subscription in self._subscriptions.items():
            if self._is_slow:
                return
            batch = subscription.take()
            if batch.looked_at or batch.happenings or batch.missed:
                self.say({"batch": {"id": number} | _told(batch)})

    # What the channel tells.

    def received(self, data: bytes) -> None:
        """Some of a request."""
        self._line += data
        *lines, rest = self._line.split(b"\n")
        self._line = rest
        if len(rest) > LONGEST_LINE:
            self.channel.abort()
            return
        for line in lines:
            self._read(bytes(line))

    def _read(self, line: bytes) -> None:
        try:
            message = json.loads(line)
            ((verb, body),) = message.items()
            if not isinstance(body, dict):
                raise TypeError
        except (ValueError, TypeError, AttributeError):
            self.say({"refusal": {"id": 0, "message": 'write one JSON object a line: {"ask": {"id": 1, …}}'}})
            return
        if verb == "hello" and body.get("read_only") is True:
            self.access = Access.LOOKING
        self._server.begin(self, verb, body)

    def closed(self, error: Exception | None) -> None:
        """The client is gone."""
        for subscription in self._subscriptions.values():
            subscription.close()
        self._subscriptions.clear()
        self._server.forget(self)

    def congested(self) -> None:
        """It reads slowly: what it asks meanwhile waits with it."""
        self._is_slow = True
        self.channel.pause()

    def writable(self) -> None:
        """It has caught up."""
        self._is_slow = False
        self.channel.resume()


def _told(batch: Batch) -> dict[str, Any]:
    return {
        "place": batch.place,
        "looked_at": batch.looked_at,
        "matched": batch.matched,
        "missed": batch.missed,
        "every": batch.every,
        "rows": [row.told() for row in batch.rows],
        "happenings": [asdict(one) for one in batch.happenings],
    }
