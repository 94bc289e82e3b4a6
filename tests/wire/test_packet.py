"""Framing: any chunking gives the same payloads, over 16 MiB as well, and order is checked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.errors import ErrorCode, ProtocolError
from dbmux.wire import packet
from tests.wire.chunks import chunks


def _all(reader: packet.PacketReader) -> list[bytes]:
    payloads = []
    while (payload := reader.next()) is not None:
        payloads.append(payload)
    return payloads


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6), st.data())
def test_any_chunking_gives_the_same_payloads(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(packet.encode(payload, number) for number, payload in enumerate(payloads))
    reader = packet.PacketReader(1000)
    told = []

    for chunk in data.draw(chunks(stream)):
        reader.feed(chunk)
        told += _all(reader)

    assert told == payloads
    assert reader.unread() == b""


@pytest.mark.parametrize("size", [0, 1, 0xFFFFFE, 0xFFFFFF, 0x1000000, 2 * 0xFFFFFF, 2 * 0xFFFFFF + 1])
def test_payloads_around_16_mib_are_cut_and_joined(size: int) -> None:
    payload = b"x" * size
    stream = packet.encode(payload, 7)
    reader = packet.PacketReader(1 << 26)
    reader.sequence = 7

    reader.feed(stream)

    assert len(stream) == size + packet.HEADER * (size // packet.MAX_PAYLOAD + 1)
    assert reader.next() == payload
    assert reader.sequence == 7 + size // packet.MAX_PAYLOAD + 1


def test_sequence_numbers_wrap_at_256() -> None:
    reader = packet.PacketReader(10)
    reader.sequence = 255
    reader.feed(packet.encode(b"a", 255) + packet.encode(b"b", 256))

    assert _all(reader) == [b"a", b"b"]
    assert reader.sequence == 1


def test_a_packet_out_of_sequence_is_1156() -> None:
    reader = packet.PacketReader(10)
    reader.feed(packet.encode(b"a", 3))

    with pytest.raises(ProtocolError, match="packet 0 expected, 3 came") as caught:
        reader.next()
    assert caught.value.code is ErrorCode.PACKET_ORDER


def test_a_packet_over_the_limit_is_refused_by_its_header_alone() -> None:
    reader = packet.PacketReader(10)
    reader.feed(b"\x0b\x00\x00\x00")

    with pytest.raises(ProtocolError) as caught:
        reader.next()
    assert caught.value.code is ErrorCode.TOO_BIG
