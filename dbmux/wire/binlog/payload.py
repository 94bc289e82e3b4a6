"""MySQL's compressed transactions: one event that holds all others of a transaction.

Its body comes in; the events in it go out, one after the other and without checksums, so that no more than one of them
is in memory at a time. (Manual page "Binary Log Transaction Compression".)
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from io import BytesIO
from typing import IO

import zstandard

from dbmux.errors import ErrorCode
from dbmux.wire.binlog.events import HEADER_LENGTH, parse_header
from dbmux.wire.buffer import Reader

ZSTD, PLAIN = 0, 255
# What max_allowed_packet of a replica can be at most: no event is longer.
EVENT_LIMIT = 1 << 30


class _Field(IntEnum):
    """What is told of the payload, each with its length before it; the rest is of no interest."""

    END = 0
    LENGTH = 1
    COMPRESSION = 2
    UNCOMPRESSED_LENGTH = 3


def events_of(body: bytes) -> Iterator[bytes]:
    """The events of a compressed transaction; raises ProtocolError."""
    reader = Reader(body, ErrorCode.MALFORMED_REPLY)
    compression = _compression(reader)
    stream: IO[bytes] = BytesIO(reader.rest())
    if compression == ZSTD:
        stream = zstandard.ZstdDecompressor().stream_reader(stream)
    elif compression != PLAIN:
        raise reader.error(f"compression {compression} is not known")
    try:
        yield from _cut(stream, reader)
    except zstandard.ZstdError as error:
        raise reader.error(f"a compressed transaction is broken: {error}") from error


def _compression(reader: Reader) -> int:
    compression = PLAIN
    while (field := reader.lenenc()) != _Field.END:
        value = Reader(reader.lenenc_bytes(), reader.blame)
        if field == _Field.COMPRESSION:
            compression = value.lenenc()
    return compression


def _cut(stream: IO[bytes], reader: Reader) -> Iterator[bytes]:
    while head := _read(stream, HEADER_LENGTH):
        length = parse_header(head).length if len(head) == HEADER_LENGTH else 0
        if not HEADER_LENGTH <= length <= EVENT_LIMIT:
            raise reader.error("an event in a compressed transaction has an impossible length")
        event = head + _read(stream, length - HEADER_LENGTH)
        if len(event) != length:
            raise reader.error("a compressed transaction ends in the middle of an event")
        yield event


def _read(stream: IO[bytes], length: int) -> bytes:
    # A decompressor may give less than it was asked for.
    pieces = []
    while length and (piece := stream.read(min(length, 1 << 20))):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)
