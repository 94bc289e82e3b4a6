"""The scanner finds the end of every kind of reply, in any chunks, compiled and interpreted alike."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbmux import kernel
from dbmux.wire import packet
from dbmux.wire.capabilities import Capability
from dbmux.wire.columns import Column, FieldType
from dbmux.wire.commands import Shape
from dbmux.wire.replies import Eof, Err, Ok, Status
from dbmux.wire.rows import build_text_row
from dbmux.wire.statements import Prepared
from tests.wire.chunks import chunks

COLUMN = Column(name=b"a", type=FieldType.VAR_STRING).build(0)
CLASSIC, MODERN = 0, Capability.DEPRECATE_EOF | Capability.SESSION_TRACK


def _interpreted() -> ModuleType:
    path = Path(kernel.__file__).parent / "kernel.py"
    spec = importlib.util.spec_from_file_location("interpreted_kernel", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


KERNELS = [pytest.param(kernel, id="compiled" if kernel.COMPILED else "as installed")]
if kernel.COMPILED:
    KERNELS.append(pytest.param(_interpreted(), id="interpreted"))


def _packets(*payloads: bytes, first: int = 1) -> bytes:
    stream = b""
    for payload in payloads:
        stream += packet.encode(payload, first)
        first += 1 + len(payload) // packet.MAX_PAYLOAD
    return stream


def _end(capabilities: int, status: int = Status.AUTOCOMMIT) -> bytes:
    return Ok(header=0xFE, status=status).build(capabilities) if capabilities else Eof(status=status).build()


def _result(capabilities: int, rows: list[bytes], status: int = Status.AUTOCOMMIT) -> list[bytes]:
    definitions = [b"\x02", COLUMN, COLUMN]
    if not capabilities:
        definitions.append(Eof(status=status).build())
    return [*definitions, *rows, _end(capabilities, status)]


ROWS = [build_text_row([b"1", None]), build_text_row([None, b"x" * 300]), build_text_row([b"\xfe" * 20, b""])]


def _replies(capabilities: int) -> list[Any]:
    more = Status.AUTOCOMMIT | Status.MORE_RESULTS
    prepared = [Prepared(1, 1, 2).build(), COLUMN, COLUMN]
    if not capabilities:
        prepared.append(Eof().build())
    prepared.append(COLUMN)
    if not capabilities:
        prepared.append(Eof().build())
    whole = _result(capabilities, ROWS)
    tracked = Ok(status=Status.AUTOCOMMIT | Status.SESSION_STATE_CHANGED, state=b"\x01\x05\x04shop")
    huge = [b"\xfd" + (packet.MAX_PAYLOAD - 3).to_bytes(3, "little") + b"z" * (packet.MAX_PAYLOAD - 3)]
    cursor = Status.AUTOCOMMIT | Status.CURSOR_EXISTS
    opened = [b"\x01", COLUMN, _end(capabilities, cursor)]
    return [
        pytest.param(Shape.RESULT, _packets(Ok(affected_rows=70_000).build(capabilities)), 0, id="ok"),
        pytest.param(Shape.RESULT, _packets(tracked.build(capabilities)), 0, id="ok with state"),
        pytest.param(Shape.RESULT, _packets(Err(number=1064, message=b"no").build()), 1064, id="error"),
        pytest.param(Shape.RESULT, _packets(*whole), 0, id="rows"),
        pytest.param(Shape.RESULT, _packets(*_result(capabilities, [])), 0, id="no rows"),
        pytest.param(Shape.RESULT, _packets(*whole[:-1], Err(number=1317).build()), 1317, id="error amid rows"),
        pytest.param(
            Shape.RESULT,
            _packets(*_result(capabilities, ROWS, more), *whole),
            0,
            id="two results",
        ),
        pytest.param(
            Shape.RESULT, _packets(*_result(capabilities, ROWS, more), Ok().build(capabilities)), 0, id="result and ok"
        ),
        pytest.param(Shape.RESULT, _packets(*_result(capabilities, huge)), 0, id="row of 16 MiB"),
        pytest.param(Shape.RESULT, _packets(*_result(capabilities, [b"\x01x"] * 600)), 0, id="sequence wraps"),
        pytest.param(Shape.RESULT, _packets(*opened), 0, id="cursor opened"),
        pytest.param(Shape.ROWS, _packets(*ROWS, _end(capabilities)), 0, id="fetch"),
        pytest.param(Shape.ROWS, _packets(COLUMN, _end(capabilities)), 0, id="field list"),
        pytest.param(Shape.PREPARED, _packets(*prepared), 0, id="prepared"),
        pytest.param(Shape.PREPARED, _packets(Prepared(1, 0, 0).build()), 0, id="prepared without columns"),
        pytest.param(Shape.PREPARED, _packets(Err(number=1064).build()), 1064, id="not prepared"),
        pytest.param(Shape.SIMPLE, _packets(Ok().build(capabilities)), 0, id="simple"),
        pytest.param(Shape.SIMPLE, _packets(Eof().build()), 0, id="eof to set option"),
        pytest.param(Shape.TEXT, _packets(b"Uptime: 5"), 0, id="statistics"),
    ]


REPLIES = [
    pytest.param(capabilities, *reply.values, id=f"{reply.id}, {'modern' if capabilities else 'classic'}")
    for capabilities in (CLASSIC, MODERN)
    for reply in _replies(capabilities)
]

# Of those without a row of 16 MiB, which would take too long to cut in many ways.
SHORT_REPLIES: list[tuple[Any, ...]] = [tuple(one.values) for one in REPLIES if len(one.values[2]) < 100_000]  # type: ignore[arg-type]


def _scan(scanner: Any, pieces: list[bytes]) -> tuple[int, int, bytes]:
    """Feed as the relay does; the last verdict, how many bytes were passed on, and what is held at the end."""
    held, passed, verdict = b"", 0, scanner.MORE
    for piece in pieces:
        data = held + piece
        verdict = scanner.scan(data)
        passed += scanner.consumed
        held = data[scanner.consumed :]
        if verdict != scanner.MORE:
            break
    return verdict, passed, held


@pytest.mark.parametrize("module", KERNELS)
@pytest.mark.parametrize("capabilities, shape, reply, error", REPLIES)
def test_a_reply_ends_at_its_last_byte(module: Any, capabilities: int, shape: Shape, reply: bytes, error: int) -> None:
    scanner = module.ReplyScanner(int(bool(capabilities)), 0)
    scanner.begin(shape, 1)
    scanner.opens_cursor = 1

    assert _scan(scanner, [reply + b"next"]) == (scanner.DONE, len(reply), b"next")
    assert scanner.error == error
    assert not scanner.inside_packet()


@pytest.mark.parametrize("module", KERNELS)
@pytest.mark.parametrize("capabilities, shape, reply, error", REPLIES)
def test_a_reply_that_comes_byte_by_byte_ends_there_too(
    module: Any, capabilities: int, shape: Shape, reply: bytes, error: int
) -> None:
    scanner = module.ReplyScanner(int(bool(capabilities)), 0)
    scanner.begin(shape, 1)
    scanner.opens_cursor = 1
    # Of a row of 16 MiB, the first and last bytes one by one.
    edge = 400
    middle = [reply[edge:-edge]] if len(reply) > 100_000 else [bytes((byte,)) for byte in reply[edge:-edge]]
    pieces = [bytes((byte,)) for byte in reply[:edge]]
    if len(reply) > edge:
        tail = reply[max(edge, len(reply) - edge) :] if len(reply) > 2 * edge else reply[edge:]
        pieces += (middle if len(reply) > 2 * edge else []) + [bytes((byte,)) for byte in tail]

    verdict, passed, held = _scan(scanner, pieces)

    assert (verdict, passed, held) == (scanner.DONE, len(reply), b"")
    assert scanner.error == error


@pytest.mark.parametrize("module", KERNELS)
@settings(max_examples=100)
@given(data=st.data())
def test_any_chunking_gives_the_same_end(module: Any, data: st.DataObject) -> None:
    capabilities, shape, reply, error = data.draw(st.sampled_from(SHORT_REPLIES))
    scanner = module.ReplyScanner(int(bool(capabilities)), 0)
    scanner.begin(shape, 1)
    scanner.opens_cursor = 1

    verdict, passed, held = _scan(scanner, data.draw(chunks(reply)))

    assert (verdict, passed, held, scanner.error) == (scanner.DONE, len(reply), b"", error)


@pytest.mark.parametrize("module", KERNELS)
@pytest.mark.parametrize("cut", range(1, 50))
def test_a_wish_for_a_file_stops_the_scan_and_the_answer_ends_it(module: Any, cut: int) -> None:
    scanner = module.ReplyScanner(0, 0)
    scanner.begin(Shape.RESULT, 1)
    wish = packet.encode(b"\xfb" + b"n" * 45, 1)

    assert _scan(scanner, [wish[:cut], wish[cut:]]) == (scanner.INFILE, len(wish), b"")
    scanner.begin(Shape.SIMPLE, 4)
    assert scanner.scan(packet.encode(Ok().build(0), 4)) == scanner.DONE


def test_reported_state_that_was_not_asked_for_is_pointed_at() -> None:
    tracked = Ok(status=Status.AUTOCOMMIT | Status.SESSION_STATE_CHANGED, state=b"\x01\x05\x04shop")
    scanner = kernel.ReplyScanner(0, 1)
    scanner.begin(Shape.RESULT, 1)

    assert scanner.scan(packet.encode(tracked.build(Capability.SESSION_TRACK), 1)) == scanner.REWRITE
    assert scanner.consumed == 0


@pytest.mark.parametrize("module", KERNELS)
@pytest.mark.parametrize("capabilities, count", [(CLASSIC, 2), (MODERN, 1)])
@pytest.mark.parametrize("what", ["marks", "more_warnings"])
def test_every_end_that_may_have_to_tell_more_is_pointed_at(
    module: Any, capabilities: int, count: int, what: str
) -> None:
    rest, ends = _packets(*_result(capabilities, ROWS)), []
    scanner = module.ReplyScanner(int(bool(capabilities)), 1)
    scanner.begin(Shape.RESULT, 1)
    setattr(scanner, what, 0x400)

    while scanner.scan(rest) == scanner.REWRITE:
        rest = rest[scanner.consumed :]
        ends.append(rest[packet.HEADER])
        # As it is, it can be gone over by who has seen it.
        setattr(scanner, what, 0)
        end = packet.HEADER + rest[0]
        scanner.scan(rest[:end])
        setattr(scanner, what, 0x400)
        rest = rest[end:]

    assert ends == [0xFE] * count
    assert (scanner.phase, scanner.width) == (Shape.NONE, 2)


@pytest.mark.parametrize("module", KERNELS)
def test_an_ok_is_pointed_at_for_further_warnings_alone(module: Any) -> None:
    scanner, ok = module.ReplyScanner(0, 1), packet.encode(Ok().build(0), 1)
    told = []
    for marks, more_warnings in ((0x400, 0), (0, 1)):
        scanner.begin(Shape.RESULT, 1)
        scanner.marks, scanner.more_warnings = marks, more_warnings
        told.append(scanner.scan(ok))

    assert told == [scanner.DONE, scanner.REWRITE]


@pytest.mark.parametrize("module", KERNELS)
@pytest.mark.parametrize(
    ("words", "matched"),
    [
        (b"Rows matched: 0  Changed: 0  Warnings: 0", 0),
        (b"Rows matched: 1234567  Changed: 3  Warnings: 0", 1234567),
        (b"Rows matched: ", 0),
        (b"Records: 3  Duplicates: 0  Warnings: 0", -1),
        (b"Row", -1),
        (b"", -1),
    ],
)
def test_the_rows_that_an_update_matched_are_read_however_it_is_cut(module: Any, words: bytes, matched: int) -> None:
    scanner, ok = module.ReplyScanner(0, 0), packet.encode(Ok(affected_rows=300, info=words).build(0), 1)
    scanner.reads_matched = 1
    for cut in range(len(ok)):
        scanner.begin(Shape.RESULT, 1)

        assert _scan(scanner, [ok[:cut], ok[cut:]]) == (scanner.DONE, len(ok), b"")
        assert scanner.matched == matched


@pytest.mark.parametrize("module", KERNELS)
def test_rows_behind_an_update_count_instead_of_what_it_matched(module: Any) -> None:
    scanner = module.ReplyScanner(0, 0)
    scanner.reads_matched = 1
    updated = Ok(status=Status.MORE_RESULTS, info=b"Rows matched: 7  Changed: 0  Warnings: 0").build(0)
    scanner.begin(Shape.RESULT, 1)

    scanner.scan(_packets(updated, *_result(CLASSIC, ROWS)))

    assert (scanner.matched, scanner.rows) == (-1, len(ROWS))


@pytest.mark.skipif(not kernel.COMPILED, reason="there is one kernel only")
@settings(max_examples=500)
@given(st.binary(max_size=120), st.sampled_from(Shape), st.integers(0, 1), st.integers(0, 7), st.data())
def test_both_kernels_say_the_same_of_any_bytes(
    noise: bytes, shape: Shape, eof: int, rewrite: int, data: st.DataObject
) -> None:
    # Packets with right numbers and any contents, so that the scan goes deep.
    updated = st.builds(lambda words: Ok(info=b"Rows matched: " + words).build(0), st.binary(max_size=30))
    payloads, sequence = data.draw(st.lists(st.binary(max_size=30) | updated, max_size=6)), 1
    stream = b""
    for payload in payloads:
        stream += packet.encode(payload, sequence)
        sequence += 1
    pieces = data.draw(chunks(stream + noise))
    told = []
    for module in (kernel, _INTERPRETED):
        scanner = module.ReplyScanner(eof, rewrite & 1)
        scanner.reads_matched = 1
        scanner.begin(int(shape), 1)
        scanner.marks, scanner.more_warnings = rewrite & 2, rewrite & 4
        told.append(
            (_scan(scanner, pieces), scanner.status, scanner.warnings, scanner.error, scanner.sequence, scanner.matched)
        )

    assert told[0] == told[1]


_INTERPRETED = _interpreted()
