"""What a server sends of its log is cut into events, however it arrives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmux.errors import ProtocolError
from dbmux.wire import packet
from dbmux.wire.binlog.dump import LAST_OFFSET, Dump, registration, request
from dbmux.wire.binlog.events import Position
from dbmux.wire.replies import Eof, Err
from tests.wire.chunks import chunks


def stream(*payloads: bytes, sequence: int = 1) -> bytes:
    sent = b""
    for payload in payloads:
        sent += packet.encode(payload, sequence)
        sequence += 1 + len(payload) // packet.MAX_PAYLOAD
    return sent


def drain(dump: Dump) -> list[bytes | Err | Eof]:
    told = []
    while (message := dump.next()) is not None:
        told.append(message)
    return told


@given(st.lists(st.binary(max_size=40), max_size=8), st.data())
def test_events_come_out_as_they_went_in_however_they_are_cut(events: list[bytes], data: st.DataObject) -> None:
    pieces = data.draw(chunks(stream(*(b"\0" + event for event in events))))
    dump = Dump(pieces[0] if pieces else b"")

    told = drain(dump)
    for piece in pieces[1:]:
        dump.receive(piece)
        told += drain(dump)

    assert told == events
    assert not dump.has_unread()


def test_an_event_of_more_than_a_packet_is_joined() -> None:
    event = bytes(packet.MAX_PAYLOAD + 5)

    assert drain(Dump(stream(b"\0" + event, b"\0next"))) == [event, b"next"]


def test_a_refusal_and_an_end_are_told() -> None:
    refused = Err(number=1236, sqlstate=b"HY000", message=b"Could not find first log file name")

    assert drain(Dump(stream(refused.build()))) == [refused]
    assert drain(Dump(stream(b"\0event", Eof().build()))) == [b"event", Eof()]
    assert drain(Dump(stream(b"\xfe\0\0\2\0\0\0"))) == [Eof()]


@pytest.mark.parametrize("payload", [b"", b"\1event"], ids=["empty", "no event"])
def test_what_is_no_event_is_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        Dump(stream(payload)).next()


def test_bytes_that_belong_to_no_event_are_handed_over() -> None:
    dump = Dump(stream(b"\0event") + b"\5\0\0")
    dump.next()

    assert dump.unread() == b"\5\0\0"


def test_the_commands_are_those_of_the_manual() -> None:
    assert registration(0x81020304, b"dbmux") == bytes.fromhex("04030281 05 64626d7578 00 00 0000 00000000 00000000")
    assert request(7, Position("binlog.000009", LAST_OFFSET)) == b"\xff\xff\xff\xff\0\0\7\0\0\0binlog.000009"
