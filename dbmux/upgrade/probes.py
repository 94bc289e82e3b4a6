"""Questions to both servers that need no list of facts: is this word reserved, is there such a function, type, mode?

Words come in, those that only the first server takes go out. A statement is prepared, never run; a sql_mode is set in
the session of this check, and put back. So a server of any version tells about itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dbmux.backend.service import Service
from dbmux.errors import BackendRefused
from dbmux.upgrade.definition import NOWHERE
from dbmux.upgrade.refusal import said
from dbmux.upgrade.texts import is_plain

_SYNTAX, _NO_SCHEMA, _NO_FUNCTION, _NO_TYPE = 1064, 1046, 1305, 4161
# What is no function of the server's own is taken for a stored one, and of these an account may be told nothing.
_MAY_NOT_EXECUTE = 1370
_UNKNOWN = frozenset((_SYNTAX, _NO_SCHEMA, _NO_FUNCTION, _MAY_NOT_EXECUTE))
# A function may want so many arguments for being read at all; the last is a window function's.
_ARGUMENTS = ("()", "(1)", "(1,2)", "(1,2,3)", "() OVER ()", "(1) OVER ()")


async def reserved(services: tuple[Service, Service], names: Iterable[str]) -> frozenset[str]:
    """The names, in upper case, that are reserved on the second server only."""
    first, second = services
    found = set()
    for name in names:
        sql = f"SELECT 1 AS {name}"
        if await _refusal(second, sql) == _SYNTAX and await _refusal(first, sql) != _SYNTAX:
            found.add(name)
    return frozenset(found)


async def missing_functions(services: tuple[Service, Service], names: Iterable[str]) -> frozenset[str]:
    """The functions, in upper case, that only the first server has."""
    first, second = services
    return frozenset([name for name in names if await _has(first, name) and not await _has(second, name)])


async def refused_types(second: Service, types: Mapping[str, str]) -> dict[str, str]:
    """Types that the second server does not have, with what it says; each comes with a whole type to try."""
    found = {}
    for base, kind in types.items():
        try:
            await second.prepare(f"CREATE TABLE {NOWHERE}.`t` (c {kind})".encode())
        except BackendRefused as error:
            if error.number in (_SYNTAX, _NO_TYPE):
                found[base] = said(error, {})
    return found


async def unknown_modes(second: Service, modes: Iterable[str]) -> frozenset[str]:
    """SQL modes that the second server refuses."""
    ((before,),) = await second.ask(b"SELECT @@SESSION.sql_mode")
    found = set()
    for mode in modes:
        if is_plain(mode) and await _refuses_mode(second, mode):
            found.add(mode)
    await second.do(b"SET SESSION sql_mode='%b'" % (before or b""))
    return frozenset(found)


async def _has(service: Service, name: str) -> bool:
    for arguments in _ARGUMENTS:
        if await _refusal(service, f"SELECT {name}{arguments}") not in _UNKNOWN:
            return True
    return False


async def _refuses_mode(service: Service, mode: str) -> bool:
    try:
        await service.do(f"SET SESSION sql_mode='{mode}'".encode())
    except BackendRefused:
        return True
    return False


async def _refusal(service: Service, sql: str) -> int:
    try:
        await service.prepare(sql.encode())
    except BackendRefused as error:
        return error.number
    return 0
