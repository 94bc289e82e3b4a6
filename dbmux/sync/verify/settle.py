"""Which of the rows that were not the same are different, while writes go on.

Keys come in, differences go out. A row is looked at again once the second server has had the time to get what the first
one had: it counts as different when it was so several times in succession, each time with the same values. Twice would
not do: a row that is written all the time may be found on its way there and back (a flag, a counter that is reset).
What keeps moving is undecided, and said to be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from dbmux.sync.verify.compare import Sides, both
from dbmux.sync.verify.documents import is_same
from dbmux.sync.verify.region import Key, Seen
from dbmux.sync.verify.side import LOOKED_AT, Side

# Bytes of JSON at once on either side.
DOCUMENT_BYTES = 4_000_000
# How often in succession a row is found to differ, and how often what moves is looked at.
SIGHTINGS = 4
ROUNDS = 12
# Of so many rows that differ is told in which columns, and of so many the values are kept.
DETAILED = 5000
SHOWN_ROWS = 100
# The digest's hexadecimal digits, which stand before a long value's length.
_DIGEST = 64


# What a row is on either side: its digest, or None where it is not.
Marks = tuple[bytes | None, bytes | None]


class Kind(StrEnum):
    """How a row differs."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A row: missing on the second server, there alone, or with other values in some columns."""

    key: Key
    kind: Kind
    columns: tuple[str, ...] = ()
    values: tuple[tuple[bytes | None, bytes | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of the keys."""

    differences: tuple[Difference, ...]
    undecided: tuple[Key, ...]


class Passage(Protocol):
    """What is known of how far the second server is behind the first."""

    async def passed(self) -> None:
        """Returns when the second server has what the first one had at the call."""


class Delay:
    """Nothing is known: it is taken to be behind by no more than this."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def passed(self) -> None:
        """See `Passage`."""
        await asyncio.sleep(self._seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The names of the columns in the order of what is looked at; those of them of which it is a digest and a
    beginning, and those that are JSON."""

    names: tuple[str, ...]
    digested: frozenset[str] = frozenset()
    documents: frozenset[str] = frozenset()


async def settle(sides: Sides, columns: Columns, keys: Sequence[Key], passage: Passage) -> Settled:
    """Look until each row is the same, different or given up."""
    pending: Sequence[Key] = keys
    if columns.documents:
        # Some of these differ as text alone, and need not be waited for.
        pending = [one.key for one in await _looked_at(sides, columns, keys)]
    first = await _marks(sides[0], pending)
    # What was found the last time, and how often in succession.
    found: dict[Key, tuple[Marks, int]] = {}
    different: list[tuple[Key, Marks]] = []
    for _ in range(ROUNDS):
        if not pending:
            break
        await passage.passed()
        second = await _marks(sides[1], pending)
        again = await _marks(sides[0], pending)
        now: dict[Key, tuple[Marks, int]] = {}
        for key in pending:
            marks = first.get(key), second.get(key)
            if marks[1] in (marks[0], again.get(key)):
                # It has what the other one has, or had a while ago.
                continue
            before, times = found.get(key, (marks, 0))
            times = times + 1 if before == marks and marks[0] == again.get(key) else 0
            if times == SIGHTINGS:
                different.append((key, marks))
            else:
                now[key] = (again.get(key), marks[1]), times
        pending, found, first = list(now), now, again
    return Settled(differences=await _told(sides, columns, different), undecided=tuple(pending))


async def _told(sides: Sides, columns: Columns, different: Sequence[tuple[Key, Marks]]) -> tuple[Difference, ...]:
    told: list[Difference] = []
    changed: list[Key] = []
    for key, (one, other) in different:
        if one is None or other is None:
            told.append(Difference(key=key, kind=Kind.EXTRA if one is None else Kind.MISSING))
        elif len(changed) < DETAILED or columns.documents:
            changed.append(key)
        else:
            told.append(Difference(key=key, kind=Kind.CHANGED))
    return (*await _looked_at(sides, columns, changed), *told)


async def _looked_at(sides: Sides, columns: Columns, keys: Sequence[Key]) -> list[Difference]:
    # Of those rows that differ now, how.
    found: list[Difference] = []
    for batch in _batches(keys, sides[0].most):
        looked = await both(sides, lambda side, batch=batch: side.look(batch))  # type: ignore[misc]
        for one in (await _compared(sides, columns, batch, looked)).values():
            values = _shown(columns, one) if len(found) < SHOWN_ROWS else ()
            found.append(replace(one, values=values))
    return found


async def _marks(side: Side, keys: Sequence[Key]) -> dict[Key, bytes]:
    return {key: mark for batch in _batches(keys, side.most) for key, mark in (await side.marks(batch)).items()}


async def _compared(
    sides: Sides, columns: Columns, keys: Sequence[Key], looked: tuple[dict[Key, Seen], dict[Key, Seen]]
) -> dict[Key, Difference]:
    # Those that differ, with how.
    found: dict[Key, Difference] = {}
    first, second = looked
    for key in keys:
        difference = _difference(columns, key, first.get(key), second.get(key))
        if difference is not None:
            found[key] = difference
    for name in sorted(columns.documents):
        told = {key: _length(one.values[one.columns.index(name)]) for key, one in found.items() if name in one.columns}
        for batch in _light(told):
            texts = await both(sides, lambda side, batch=batch, name=name: side.documents(batch, name))  # type: ignore[misc]
            for key in batch:
                one, other = (side.get(key) for side in texts)
                if one is not None and other is not None and is_same(one, other):
                    _drop(found, key, name)
    return found


def _difference(columns: Columns, key: Key, first: Seen | None, second: Seen | None) -> Difference | None:
    if first is None or second is None:
        if first is second:
            return None
        return Difference(key=key, kind=Kind.MISSING if second is None else Kind.EXTRA)
    pairs = tuple(zip(columns.names, first, second, strict=True))
    names = tuple(name for name, one, other in pairs if one != other)
    if not names:
        return None
    values = tuple((one, other) for _, one, other in pairs if one != other)
    return Difference(key=key, kind=Kind.CHANGED, columns=names, values=values)


def _drop(found: dict[Key, Difference], key: Key, name: str) -> None:
    # The column is the same after all, and perhaps the row.
    one = found[key]
    at = one.columns.index(name)
    columns = one.columns[:at] + one.columns[at + 1 :]
    if not columns:
        del found[key]
        return
    found[key] = Difference(key=key, kind=Kind.CHANGED, columns=columns, values=one.values[:at] + one.values[at + 1 :])


def _shown(columns: Columns, difference: Difference) -> tuple[tuple[bytes | None, bytes | None], ...]:
    pairs = zip(difference.columns, difference.values, strict=True)
    return tuple(
        (_beginning(one), _beginning(other)) if name in columns.digested else (one, other)
        for name, (one, other) in pairs
    )


def _beginning(value: bytes | None) -> bytes | None:
    # As people can read it: what is no text in hexadecimal, and how long it is where that is not all.
    if value is None:
        return None
    length, _, text = value[_DIGEST:].partition(b":")
    is_whole = len(text) == int(length)
    try:
        text.decode()
    except UnicodeDecodeError as error:
        is_cut = not is_whole and error.reason == "unexpected end of data"
        text = text[: error.start] if is_cut else f"x'{text.hex()}'".encode()
    return text if is_whole else text + f"… ({int(length)} bytes)".encode()


def _length(values: tuple[bytes | None, bytes | None]) -> int:
    told = [int(value[_DIGEST:].partition(b":")[0]) for value in values if value is not None]
    return max(told, default=0)


def _light(lengths: dict[Key, int]) -> list[list[Key]]:
    batches: list[list[Key]] = []
    held = 0
    for key, length in lengths.items():
        if not batches or held + length > DOCUMENT_BYTES or len(batches[-1]) >= LOOKED_AT:
            batches.append([])
            held = 0
        batches[-1].append(key)
        held += length
    return batches


def _batches(keys: Sequence[Key], most: int) -> list[Sequence[Key]]:
    return [keys[at : at + most] for at in range(0, len(keys), most)]
