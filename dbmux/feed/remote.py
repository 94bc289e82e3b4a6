"""The feed of another process, over its control socket: JSON lines, as docs/control.md describes them.

An address comes in, a feed goes out, which belongs to the loop that made it. What is pushed is kept until it is taken,
the oldest rows are dropped and counted when nobody does. Never reconnects: whoever wants that makes another feed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from dbmux.address import UnixAddress
from dbmux.feed.feed import (
    LOOKS_ONLY,
    PROTOCOL,
    QUESTIONS,
    Access,
    Batch,
    Happening,
    Hello,
    Lost,
    Refused,
    Silent,
    Subscription,
)
from dbmux.feed.row import Row
from dbmux.net.channel import Channel, Owner
from dbmux.net.dial import dial
from dbmux.text import why

PATIENCE_S = 10.0
LATE_S = 1.0
# Questions for which servers are asked, each as long as a client may allow.
LONGEST_S = {"explain": 75.0, "run": 75.0, "compare": 150.0, "mirror.rerun": 210.0}
# Rows that wait to be taken.
MOST_WAITING = 20_000


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer to the first word is waited for, and what is done when that takes long; in seconds."""

    most_s: float = PATIENCE_S
    late_s: float = LATE_S
    late: Callable[[], None] | None = None


USUAL = Patience()


class RemoteSubscription:
    """Rows that were pushed and not yet taken."""

    def __init__(self, feed: RemoteFeed, number: int) -> None:
        self._feed = feed
        self._number = number
        self._waiting: list[Batch] = []
        self._rows = 0
        self._dropped = 0

    def push(self, batch: Batch) -> None:
        """More came."""
        self._waiting.append(batch)
        self._rows += len(batch.rows)
        while self._rows > MOST_WAITING:
            dropped = self._waiting.pop(0)
            self._rows -= len(dropped.rows)
            self._dropped += dropped.looked_at + dropped.missed

    def take(self) -> Batch:
        """All that was pushed."""
        waiting, self._waiting = self._waiting, []
        dropped, self._rows, self._dropped = self._dropped, 0, 0
        return Batch(
            rows=tuple(row for batch in waiting for row in batch.rows),
            happenings=tuple(one for batch in waiting for one in batch.happenings),
            place=waiting[-1].place if waiting else 0,
            looked_at=sum(batch.looked_at for batch in waiting),
            matched=sum(batch.matched for batch in waiting),
            missed=sum(batch.missed for batch in waiting) + dropped,
            every=max((batch.every for batch in waiting), default=1),
        )

    def close(self) -> None:
        """Have no more pushed."""
        self._feed.leave(self._number)


class RemoteFeed:
    """An engine behind a control socket."""

    def __init__(self) -> None:
        self.hello: Hello
        self.refusal = ""
        # Done when the engine has gone.
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._channel: Channel
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._subscriptions: dict[int, RemoteSubscription] = {}
        self._line = bytearray()

    @classmethod
    async def connect(
        cls, address: UnixAddress, client: str, access: Access = Access.ALL, patience: Patience = USUAL
    ) -> RemoteFeed:
        """Connect and say hello; raises Lost, and Silent where somebody listens and says nothing.

        An engine that speaks another version of the contract is looked at, and given no orders.
        """
        feed = cls()
        wanted = {"protocol": PROTOCOL, "client": client, "read_only": access is Access.LOOKING}
        late = patience.late and asyncio.get_running_loop().call_later(patience.late_s, patience.late)
        try:
            async with asyncio.timeout(patience.most_s):
                feed._channel = await dial(address, feed._opened)
                told = await feed._request(0, "hello", wanted)
        except TimeoutError as error:
            feed.close()
            raise Silent(f"what listens at {address} does not answer: is its process stopped?") from error
        except OSError as error:
            raise Lost(f"no DbMux answers at {address} ({why(error)})") from error
        finally:
            if late is not None:
                late.cancel()
        try:
            feed.hello = Hello(**{name: told[name] for name in Hello.__dataclass_fields__})
        except (KeyError, TypeError) as error:
            feed.close()
            raise Lost(
                f"what answers at {address} is no DbMux of this version; use the dbmux that started it"
            ) from error
        if access is Access.LOOKING:
            feed.refusal = LOOKS_ONLY
        elif feed.hello.protocol != PROTOCOL:
            feed.refusal = f"process {feed.hello.pid} is DbMux {feed.hello.version}: give it orders with that version"
        return feed

    async def subscribe(self, wanted: str, since: int) -> Subscription:
        """Rows, pushed by the engine; raises Refused and Lost."""
        number = next(self._numbers)
        subscription = self._subscriptions[number] = RemoteSubscription(self, number)
        try:
            await self._request(number, "subscribe", {"id": number, "filter": wanted, "since": since})
        except (Refused, Lost):
            del self._subscriptions[number]
            raise
        return subscription

    async def ask(self, what: str, given: Mapping[str, Any] | None = None) -> Any:
        """Ask, and wait for the answer; raises Refused and Lost."""
        if self.refusal and what not in QUESTIONS:
            raise Refused(self.refusal)
        number = next(self._numbers)
        try:
            async with asyncio.timeout(LONGEST_S.get(what, PATIENCE_S)):
                return await self._request(number, "ask", {"id": number, "what": what, "given": dict(given or {})})
        except TimeoutError as error:
            raise Lost("DbMux did not answer in time") from error

    def leave(self, number: int) -> None:
        """End a subscription."""
        if self._subscriptions.pop(number, None) is not None and not self.lost.done():
            self._say({"unsubscribe": {"id": number}})

    def close(self) -> None:
        """Say no more."""
        self._channel.close()

    async def _request(self, number: int, verb: str, body: Mapping[str, Any]) -> Any:
        if self.lost.done():
            raise Lost("the connection to DbMux is gone")
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._say({verb: body})
            return await answer
        finally:
            self._asked.pop(number, None)

    def _say(self, message: Mapping[str, Any]) -> None:
        self._channel.write(json.dumps(message).encode() + b"\n")

    def _hear(self, message: Mapping[str, Any]) -> None:
        for verb, body in message.items():
            match verb:
                case "batch":
                    if (subscription := self._subscriptions.get(body["id"])) is not None:
                        subscription.push(_batch(body))
                case "hello":
                    self._answer(0, body)
                case "answer":
                    self._answer(body["id"], body["value"])
                case "refusal":
                    self._fail(body["id"], Refused(body["message"]))

    def _answer(self, number: int, value: Any) -> None:
        waiting = self._asked.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(value)

    def _fail(self, number: int, error: Exception) -> None:
        waiting = self._asked.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)

    # What the channel tells.

    def _opened(self, channel: Channel) -> Owner:
        return self

    def received(self, data: bytes) -> None:
        """Some of what the engine says."""
        self._line += data
        *lines, rest = self._line.split(b"\n")
        self._line = rest
        try:
            for line in lines:
                self._hear(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            # It is no DbMux, or one that speaks otherwise.
            self._channel.abort()

    def closed(self, error: Exception | None) -> None:
        """The engine is gone."""
        if not self.lost.done():
            self.lost.set_result(None)
        for number in list(self._asked):
            self._fail(number, Lost("the connection to DbMux is gone"))

    def congested(self) -> None:
        """Requests are short."""

    def writable(self) -> None:
        """Nothing was stopped."""


def _batch(body: Mapping[str, Any]) -> Batch:
    return Batch(
        rows=tuple(Row.of(told) for told in body["rows"]),
        happenings=tuple(Happening(**told) for told in body["happenings"]),
        place=body["place"],
        looked_at=body["looked_at"],
        matched=body["matched"],
        missed=body["missed"],
        every=body["every"],
    )
