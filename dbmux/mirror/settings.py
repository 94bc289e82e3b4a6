"""The state of a session as a second server can have it, as far as it changes what a read answers.

A state comes in, as it is carried between the source's connections; the same state goes out, with the names that the
other family of servers has for its collations and modes. What the other family has no name for keeps its own, and is
refused there: that is found out and told, not guessed away.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from dbmux.session import Names, SessionState


class Family(StrEnum):
    """The two families of servers."""

    MARIADB = "mariadb"
    MYSQL = "mysql"


# What else is set has to do with locks, memory and time, or with writes.
_TELLING = frozenset(
    (
        "default_week_format",
        "div_precision_increment",
        "group_concat_max_len",
        "lc_messages",
        "lc_time_names",
        "sql_mode",
        "sql_select_limit",
        "time_zone",
    )
)
# Modes that only one family has.
_MODES_OF: dict[Family, frozenset[str]] = {
    Family.MARIADB: frozenset(
        (
            "EMPTY_STRING_IS_NULL", "IGNORE_BAD_TABLE_OPTIONS", "NO_AUTO_CREATE_USER", "NO_FIELD_OPTIONS",
            "NO_KEY_OPTIONS", "NO_TABLE_OPTIONS", "SIMULTANEOUS_ASSIGNMENT", "TIME_ROUND_FRACTIONAL",
        )
    ),
    Family.MYSQL: frozenset(("TIME_TRUNCATE_FRACTIONAL",)),
}  # fmt: skip
_UCA_1400 = re.compile(rb"(?:utf8mb[34]|uca1400|ucs2|utf16|utf32)(?:_uca1400)?_(?:nopad_)?(a[is]_c[is])")
_UCA_900 = re.compile(rb"utf8mb4_0900_(a[is]_c[is])")


def carried(state: SessionState, source: Family, target: Family) -> SessionState:
    """What of a session's state at the source is set for a read at the target; names None are left as they are."""
    variables = tuple((name, value) for name, value in state.variables if name in _TELLING)
    if source is not target:
        variables = tuple((name, _modes(value, target) if name == "sql_mode" else value) for name, value in variables)
    names = state.names
    if names is not None and source is not target:
        recipe = tuple(_collations(part, target) for part in names.recipe)
        names = Names(names.client, recipe)
    return replace(SessionState(schema=state.schema), names=names, variables=variables)


def packed(state: SessionState) -> dict[str, Any]:
    """What `carried` leaves of a state, as JSON has it."""
    names = state.names
    return {
        "schema": _text(state.schema),
        "client": None if names is None or names.client is None else _text(names.client),
        "names": None if names is None else [_text(part) for part in names.recipe],
        "variables": {name: _text(value) for name, value in state.variables},
    }


def unpacked(told: Mapping[str, Any]) -> SessionState:
    """The same state again."""
    names = None
    if told["names"] is not None:
        client = None if told["client"] is None else _bytes(told["client"])
        names = Names(client, tuple(map(_bytes, told["names"])))
    variables = tuple(sorted((name, _bytes(value)) for name, value in told["variables"].items()))
    return SessionState(schema=_bytes(told["schema"]), names=names, variables=variables)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")


def _modes(value: bytes, target: Family) -> bytes:
    if value[:1] != b"'":
        return value
    unknown = _MODES_OF[Family.MYSQL if target is Family.MARIADB else Family.MARIADB]
    modes = value.strip(b"'").decode("latin-1").split(",")
    return b"'%b'" % ",".join(mode for mode in modes if mode.upper() not in unknown).encode("latin-1")


def _collations(told: bytes, target: Family) -> bytes:
    # The same rules of Unicode in another version; those of 9.0.0 do not pad.
    if target is Family.MYSQL:
        return _UCA_1400.sub(rb"utf8mb4_0900_\1", told) if b"uca1400" in told else told
    return _UCA_900.sub(rb"utf8mb4_uca1400_nopad_\1", told).replace(b"utf8mb4_0900_bin", b"utf8mb4_nopad_bin")
