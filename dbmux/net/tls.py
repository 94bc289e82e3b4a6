"""TLS without a socket: encrypted bytes in, plain bytes out, and back.

Memory buffers rather than the loop's own TLS: an idle connection then costs some 30 kB instead of 300, and the bytes
that arrive together with a client's TLS request are a start of TLS rather than lost (docs/adr/0001-tls-in-memory.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl

# A record holds no more (RFC 8446, 5.1), and one read gives at most one record.
RECORD = 16 * 1024


class TlsLayer:
    """One connection's TLS; `established` is done when the handshake is, or has its error."""

    __slots__ = ("_incoming", "_object", "_outgoing", "ended", "established")

    def __init__(self, context: ssl.SSLContext, hostname: str | None, established: asyncio.Future[None]) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        server_side = context.protocol is ssl.PROTOCOL_TLS_SERVER
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side, hostname)
        self.established = established
        self.ended = False

    def decrypt(self, data: bytes) -> bytes:
        """Take in encrypted bytes, give the plain ones; raises ssl.SSLError."""
        incoming, connection = self._incoming, self._object
        incoming.write(data)
        if not self.established.done():
            try:
                connection.do_handshake()
            except ssl.SSLWantReadError:
                return b""
            self.established.set_result(None)
        pieces = []
        # Asking first whether anything is left costs a third of the exception that a read of nothing raises.
        while incoming.pending or connection.pending():
            try:
                piece = connection.read(RECORD)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                piece = b""
            if not piece:
                self.ended = True
                break
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def encrypt(self, data: bytes | memoryview) -> bytes:
        """Plain bytes in, encrypted ones out; nothing while the handshake lasts and after the end."""
        try:
            self._object.write(data)
        except ssl.SSLError:
            # Who still writes has not heard yet that the connection is being closed: it is as if it were gone.
            return b""
        return self._outgoing.read()

    def outgoing(self) -> bytes:
        """What the handshake wants to say."""
        return self._outgoing.read()

    def goodbye(self) -> bytes:
        """The closing message, which tells the peer that nothing was cut off."""
        # The peer's own goodbye has not come, and is not waited for.
        with contextlib.suppress(ssl.SSLError):
            self._object.unwrap()
        return self._outgoing.read()

    def failed(self, error: Exception) -> None:
        """The handshake cannot succeed any more."""
        if not self.established.done():
            self.established.set_exception(error)

    @property
    def version(self) -> str:
        """Such as `TLSv1.3`."""
        return self._object.version() or ""
