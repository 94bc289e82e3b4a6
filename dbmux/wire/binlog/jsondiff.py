"""Changes of parts of a JSON document, as MySQL logs them with `binlog_row_value_options = PARTIAL_JSON`.

A document as it was and the logged changes come in, the document as it is goes out; a change that does not fit raises
ProtocolError: then the document is not the one that was changed. (WL#2955; the bytes as seen on MySQL 9.)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from dbmux.errors import ErrorCode
from dbmux.wire.binlog.jsonb import Tree, printed, tree_of
from dbmux.wire.binlog.readers import broken
from dbmux.wire.buffer import Reader

# A member, by a name that needs quotes or by one that does not; or a place in an array.
_STEP = re.compile(rb'\.("(?:[^"\\]|\\.)*")|\.([^."\[\]]+)|\[(\d{1,10})\]', re.DOTALL)


class _Operation(IntEnum):
    REPLACE = 0
    INSERT = 1
    REMOVE = 2


@dataclass(frozen=True, slots=True)
class _Diff:
    """One change; a value that is removed leaves none."""

    operation: _Operation
    steps: tuple[bytes | int, ...]
    value: Tree


def apply(before: bytes, diffs: bytes) -> bytes:
    """The text of a document after the changes; `before` is its binary form; raises ProtocolError."""
    tree = tree_of(before)
    for diff in _parse(diffs):
        if not diff.steps:
            raise broken("a whole JSON document is changed as if it were a part of one")
        _change(_parent(tree, diff.steps[:-1]), diff.steps[-1], diff)
    return printed(tree)


def _parse(diffs: bytes) -> Iterator[_Diff]:
    reader = Reader(diffs, ErrorCode.MALFORMED_REPLY)
    while reader.remaining:
        number = reader.integer(1)
        if number > _Operation.REMOVE:
            raise broken(f"{number} is no change of JSON")
        operation = _Operation(number)
        steps = tuple(_steps(reader.lenenc_bytes()))
        yield _Diff(operation, steps, b"" if operation is _Operation.REMOVE else tree_of(reader.lenenc_bytes()))


def _steps(path: bytes) -> Iterator[bytes | int]:
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise broken("a path in JSON cannot be read")
        quoted, name, place = found.groups()
        if place is not None:
            yield int(place)
        else:
            yield name if quoted is None else _unquoted(quoted)
        at = found.end()


def _unquoted(name: bytes) -> bytes:
    try:
        text = json.loads(name)
    except ValueError as error:
        raise broken("a name in a path of JSON cannot be read") from error
    return str(text).encode(errors="surrogatepass")


def _parent(tree: Tree, steps: tuple[bytes | int, ...]) -> Tree:
    for step in steps:
        match tree, step:
            case dict(), bytes() if step in tree:
                tree = tree[step]
            case list(), int() if step < len(tree):
                tree = tree[step]
            case _:
                raise _does_not_fit()
    return tree


def _change(parent: Tree, step: bytes | int, diff: _Diff) -> None:
    match parent, step, diff.operation:
        case dict(), bytes(), _Operation.REPLACE if step in parent:
            parent[step] = diff.value
        case dict(), bytes(), _Operation.REMOVE if step in parent:
            del parent[step]
        case dict(), bytes(), _Operation.INSERT if step not in parent:
            parent[step] = diff.value
            # Servers keep shorter keys before longer ones.
            members = sorted(parent.items(), key=lambda member: (len(member[0]), member[0]))
            parent.clear()
            parent.update(members)
        case list(), int(), _Operation.REPLACE if step < len(parent):
            parent[step] = diff.value
        case list(), int(), _Operation.REMOVE if step < len(parent):
            del parent[step]
        case list(), int(), _Operation.INSERT if step <= len(parent):
            parent.insert(step, diff.value)
        case _:
            raise _does_not_fit()


def _does_not_fit() -> Exception:
    return broken("a change of JSON does not fit the document before it")
