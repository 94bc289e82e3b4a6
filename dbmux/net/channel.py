"""One connection, as its owner sees it: bytes come, bytes go, and the peer may be slow.

An event loop's callbacks come in and are handed to the owner, of whom there is one at a time. TLS, where it was
started, is taken off and put on here. Never knows what the bytes mean.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Protocol, cast

from dbmux.net.tls import TlsLayer

# Above this many unsent bytes the peer is slow and its sender is stopped; below a quarter the sender goes on.
HIGH_WATER = 256 * 1024
LOW_WATER = HIGH_WATER // 4
# How long a closed connection may take to send what is waiting: a peer that reads nothing would hold it for ever.
LINGER_S = 10.0


class Owner(Protocol):
    """Who is told what happens on a channel."""

    def received(self, data: bytes) -> None:
        """Bytes came."""

    def closed(self, error: Exception | None) -> None:
        """The connection is gone; told once, last."""

    def congested(self) -> None:
        """The peer reads slower than it is written to: write no more until `writable`."""

    def writable(self) -> None:
        """The peer has caught up."""


class Channel(asyncio.Protocol):
    """A connection of either side. `opened` is called with it once it stands and must name the owner."""

    __slots__ = ("_broken", "_linger", "_linger_s", "_opened", "_owner", "_tls", "transport", "write")

    def __init__(self, opened: Callable[[Channel], Owner], linger_s: float = LINGER_S) -> None:
        self._opened = opened
        self._linger_s = linger_s
        self._tls: TlsLayer | None = None
        self._broken: ssl.SSLError | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._owner: Owner
        self.transport: asyncio.Transport
        # Sends bytes; an owner that was told `congested` should stop calling it. The transport's own method, until
        # TLS stands between: a call saved for every query.
        self.write: Callable[[bytes | memoryview], None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop says: it stands."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)
        self.write = self.transport.write
        self.owner = self._opened(self)

    @property
    def owner(self) -> Owner:
        """Who is told what comes."""
        return self._owner

    @owner.setter
    def owner(self, owner: Owner) -> None:
        self._owner = owner
        # A loop asks once for what it calls with each piece.
        self.transport.set_protocol(self)

    @property
    def data_received(self) -> Callable[[bytes], None]:
        """What the loop calls when bytes came: the owner's own method, until TLS stands between."""
        if self._tls is not None:
            return self._encrypted_received
        return self._owner.received

    def pause_writing(self) -> None:
        """The loop says: too much waits to be sent."""
        self._owner.congested()

    def resume_writing(self) -> None:
        """The loop says: it was sent."""
        self._owner.writable()

    def eof_received(self) -> None:
        """The loop says: the peer will send no more. A peer that is dead says the same: it is taken as gone."""
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The loop says: it is gone."""
        if self._linger is not None:
            self._linger.cancel()
        # An owner may have something to say before it is told; uvloop would raise at that.
        self.write = _say_nothing
        self._owner.closed(self._broken or exc)

    def pause(self) -> None:
        """Read nothing until `resume`."""
        self.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def close(self) -> None:
        """Send what is waiting, for at most `linger_s`, then close."""
        transport = self.transport
        if self._linger is not None:
            return
        if self._tls is not None and not transport.is_closing():
            transport.write(self._tls.goodbye())
        transport.close()
        if transport.get_write_buffer_size():
            self._linger = asyncio.get_running_loop().call_later(self._linger_s, transport.abort)

    def abort(self) -> None:
        """Close at once; what was not sent is lost."""
        # Python's own loop cannot abort what is gone.
        if self.write is not _say_nothing:
            self.transport.abort()

    def start_tls(self, layer: TlsLayer, first: bytes = b"") -> None:
        """Put TLS on; `first` are bytes of it that arrived already. `layer.established` tells when it stands."""
        self._tls = layer
        self.write = self._write_encrypted
        self.transport.set_protocol(self)
        self._decrypt(layer, first)

    @property
    def tls(self) -> TlsLayer | None:
        """The TLS of this connection, or None."""
        return self._tls

    @property
    def peer(self) -> str:
        """The other side's address, for people."""
        name = self.transport.get_extra_info("peername")
        return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "unix socket"

    def _encrypted_received(self, data: bytes) -> None:
        assert self._tls is not None
        self._decrypt(self._tls, data)

    def _write_encrypted(self, data: bytes | memoryview) -> None:
        assert self._tls is not None
        self.transport.write(self._tls.encrypt(data))

    def _decrypt(self, layer: TlsLayer, data: bytes) -> None:
        try:
            plain = layer.decrypt(data)
        except ssl.SSLError as error:
            self._broken = error
            layer.failed(error)
            # TLS has said why already, where it could.
            self.transport.write(layer.outgoing())
            self.close()
            return
        if handshake := layer.outgoing():
            self.transport.write(handshake)
        if plain:
            self._owner.received(plain)
        if layer.ended:
            self.close()


def _say_nothing(data: bytes | memoryview) -> None:
    """What `write` is once the connection is gone."""
