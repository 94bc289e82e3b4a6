"""The answer to SHOW WARNINGS as it came, turned into that to SHOW ERRORS, with a LIMIT, more, or of another moment, or
in another character set.

Both have the same columns, so the packets stay as they are, but for those of rows that are no errors; the others get
new numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dbmux.backend.connection import Answer
from dbmux.wire import packet
from dbmux.wire.binlog.charsets import charset_of
from dbmux.wire.columns import parse_column
from dbmux.wire.replies import EOF_PAYLOAD, Status
from dbmux.wire.rows import build_text_row

# The column with the text, counted from 1.
_MESSAGE = 3
_END = b"\xfe"
# What is so until a statement changes it. Clients escape strings by one of these, so none may be lost.
LASTING = (
    Status.IN_TRANSACTION
    | Status.AUTOCOMMIT
    | Status.NO_BACKSLASH_ESCAPES
    | Status.READ_ONLY_TRANSACTION
    | Status.ANSI_QUOTES
)
_LEVELS, _ERROR = (b"\x07Warning", b"\x04Note"), b"\x05Error"


def only_errors(reply: bytes) -> bytes:
    """The reply without the rows of warnings and notes."""
    return _numbered(payload for payload in _payloads(reply) if not payload.startswith(_LEVELS))


def limited(reply: bytes, offset: int, count: int) -> bytes:
    """The reply with so many of its rows, from one of them on."""
    payloads = list(_payloads(reply))
    rows = [payload for payload in payloads if payload.startswith((*_LEVELS, _ERROR))]
    begin, end = (payloads[: -1 - len(rows)], payloads[-1:])
    return _numbered([*begin, *rows[offset : offset + count], *end])


def added(reply: bytes, other: bytes) -> bytes:
    """The reply with the rows of another one behind its own."""
    more = [payload for payload in _payloads(other) if payload.startswith((*_LEVELS, _ERROR))]
    *begin, end = _payloads(reply)
    return _numbered([*begin, *more, end])


def noted(stored: Answer, number: int, text: bytes) -> Answer:
    """The answer with a note behind its rows."""
    note = (b"Note", b"%d" % number, text)
    return Answer((*stored.rows, note), added(stored.raw, packet.encode(build_text_row(note), 1)))


def translated(stored: Answer, empty: bytes, capabilities: int) -> Answer:
    """The rows of an answer in the columns of one without rows, and the texts in the character set of those."""
    source, target = (_codec(reply, capabilities) for reply in (stored.raw, empty))
    rows = stored.rows
    if source is not None and target is not None and source != target:
        rows = tuple((*row[:-1], _recoded(row[-1], source, target)) for row in rows)
    *begin, end = _payloads(empty)
    return Answer(rows, _numbered([*begin, *map(build_text_row, rows), end]))


def _codec(reply: bytes, capabilities: int) -> str | None:
    charset = charset_of(parse_column(message_column(reply), capabilities).charset)
    if charset is None:
        return None
    return "ascii" if charset.name == "ascii" else charset.codec


def _recoded(text: bytes | None, source: str, target: str) -> bytes | None:
    if text is None:
        return None
    characters = text.decode(source, "replace")
    try:
        return characters.encode(target)
    except UnicodeEncodeError:
        return b"".join(_spelt(character, target) for character in characters)


def _spelt(character: str, target: str) -> bytes:
    # As MariaDB tells a character that the client's set does not have.
    try:
        return character.encode(target)
    except UnicodeEncodeError:
        return b"\\%04X" % ord(character)


def message_column(reply: bytes) -> bytes:
    """The definition of the column with the text."""
    return list(_payloads(reply))[_MESSAGE]


def with_status(reply: bytes, status: int) -> bytes:
    """The reply, at its ends the flags of this status that last; its own others stay. Either framing will do."""
    return _numbered(
        _with_lasting(payload, status) if payload.startswith(_END) else payload for payload in _payloads(reply)
    )


def with_warnings(reply: bytes, count: int) -> bytes:
    """The one packet of an OK that changed nothing, or of an EOF, with another number of warnings."""
    payload = reply[packet.HEADER :]
    at = 1 if len(payload) == EOF_PAYLOAD else 5
    return packet.encode(payload[:at] + min(count, 0xFFFF).to_bytes(2, "little") + payload[at + 2 :], 1)


def _numbered(payloads: Iterable[bytes]) -> bytes:
    return b"".join(packet.encode(payload, 1 + number) for number, payload in enumerate(payloads))


def _with_lasting(end: bytes, status: int) -> bytes:
    # In an EOF and in an OK that counts nothing the flags have the same place; no other packet begins so.
    flags = int.from_bytes(end[3:5], "little") & ~LASTING | status & LASTING
    return end[:3] + flags.to_bytes(2, "little") + end[5:]


def _payloads(reply: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(reply):
        end = at + packet.HEADER + int.from_bytes(reply[at : at + 3], "little")
        yield reply[at + packet.HEADER : end]
        at = end
