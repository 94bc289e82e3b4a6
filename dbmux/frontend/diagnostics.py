"""The answer to SHOW WARNINGS as it came, turned into that to SHOW ERRORS, with a LIMIT, more, or of another moment, or
in another character set.

Both have the same columns, so the packets stay as they are, but for those of rows that are no errors; the others get
new numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dbmux.backend.connection import Answer
from dbmux.wire import packet
from dbmux.wire.binlog.charsets import charset_of
from dbmux.wire.columns import parse_column
from dbmux.wire.replies import EOF_PAYLOAD, Status
from dbmux.wire.rows import TextRow, build_text_row

# Level, number and text.
_COLUMNS = 3
_END = b"\xfe"
# Results may come in these, though no client speaks them.
_WIDE = {"ucs2": "utf-16-be", "utf16": "utf-16-be", "utf16le": "utf-16-le", "utf32": "utf-32-be"}
# What is so until a statement changes it. Clients escape strings by one of these, so none may be lost.
LASTING = (
    Status.IN_TRANSACTION
    | Status.AUTOCOMMIT
    | Status.NO_BACKSLASH_ESCAPES
    | Status.READ_ONLY_TRANSACTION
    | Status.ANSI_QUOTES
)


class _Parts(NamedTuple):
    """A reply of rows, in either framing, by its payloads."""

    head: list[bytes]
    rows: list[bytes]
    end: bytes

    @classmethod
    def of(cls, reply: bytes) -> _Parts:
        """Those of these packets."""
        *payloads, end = _payloads(reply)
        # Without DEPRECATE_EOF the columns have an end of their own.
        begin = 1 + _COLUMNS + sum(payload.startswith(_END) for payload in payloads[1 + _COLUMNS :][:1])
        return cls(payloads[:begin], payloads[begin:], end)

    def packets(self, rows: Iterable[bytes]) -> bytes:
        """The reply with these rows in place of its own."""
        return b"".join(packet.encode(payload, 1 + at) for at, payload in enumerate((*self.head, *rows, self.end)))


def legible(told: Answer) -> Answer:
    """The answer with levels and numbers in ASCII, though a session may have its results in UTF-16 or UTF-32."""
    rows = tuple((*(value and value.replace(b"\0", b"") for value in row[:-1]), row[-1]) for row in told.rows)
    return Answer(rows, told.raw)


def count_errors(stored: Answer) -> int:
    """How many of its rows are errors."""
    return sum(row[0] == b"Error" for row in stored.rows)


def only_errors(stored: Answer) -> bytes:
    """The reply without the rows of warnings and notes."""
    parts = _Parts.of(stored.raw)
    return parts.packets(raw for raw, row in zip(parts.rows, stored.rows, strict=True) if row[0] == b"Error")


def limited(reply: bytes, offset: int, count: int) -> bytes:
    """The reply with so many of its rows, from one of them on."""
    parts = _Parts.of(reply)
    return parts.packets(parts.rows[offset : offset + count])


def added(stored: Answer, more: Answer, most: int) -> Answer:
    """The answer with the rows of another one behind its own, as long as there are no more than `most`."""
    parts, room = _Parts.of(stored.raw), max(most - len(stored.rows), 0)
    return Answer(stored.rows + more.rows[:room], parts.packets((*parts.rows, *_Parts.of(more.raw).rows[:room])))


def noted(stored: Answer, number: int, text: bytes, capabilities: int, *, is_mysql: bool) -> Answer:
    """The answer with a note behind its rows, whose text is told in UTF-8."""
    parts, target = _Parts.of(stored.raw), codec(stored.raw, capabilities) or "utf-8"
    note = (b"Note", b"%d" % number, _recoded(text, "utf-8", target))
    # MySQL tells numbers in ASCII, whatever the texts are in.
    row = _row(note, target, "ascii" if is_mysql else target)
    return Answer((*stored.rows, note), parts.packets((*parts.rows, row)))


def translated(stored: Answer, empty: bytes, capabilities: int) -> Answer:
    """The rows of an answer in the columns of one without rows, and the texts in the character set of those."""
    source, target = (codec(reply, capabilities) for reply in (stored.raw, empty))
    into = _Parts.of(empty)
    if source is None or target is None or source == target:
        return Answer(stored.rows, into.packets(_Parts.of(stored.raw).rows))
    rows = tuple((level, number, _recoded(text, source, target)) for level, number, text in stored.rows)
    return Answer(rows, into.packets(_row(row, target, target) for row in rows))


def _row(told: TextRow, target: str, target_of_numbers: str) -> bytes:
    # The text is in that character set already.
    level, number, text = told
    return build_text_row((_recoded(level, "ascii", target), _recoded(number, "ascii", target_of_numbers), text))


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


def codec(reply: bytes, capabilities: int) -> str | None:
    """Python's name for the character set of the texts; None where it has none."""
    message = list(_payloads(reply))[_COLUMNS]
    charset = charset_of(parse_column(message, capabilities).charset)
    if charset is None:
        return None
    return "ascii" if charset.name == "ascii" else charset.codec or _WIDE.get(charset.name)


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
