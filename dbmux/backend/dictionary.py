"""Reads a server's dictionary for the cache, through the service account, and again whenever it may have changed.

A server and an account come in; its dictionary goes out (dbmux.cache.dictionary), or the reason why there is none. Each
reading has a connection of its own, outside the pool. Never reads rows of the user's tables.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dbmux.backend.connection import Answer
from dbmux.backend.opening import open_own
from dbmux.backend.server import Backend
from dbmux.backend.turn import run
from dbmux.cache.dictionary import Dictionary
from dbmux.config.model import Account
from dbmux.errors import DbMuxError, ErrorCode, MySQLError
from dbmux.wire.commands import Command

ANSWER_S = 30.0
# What is defined behind DbMux's back is noticed after so long, where the binlog does not tell it.
REREAD_S = 60.0
RETRY_S = 5.0

_OWN = b"TABLE_SCHEMA NOT IN ('information_schema','mysql','performance_schema','sys')"
# Without these rights the server shows an empty table in place of a full one.
NEEDED_RIGHTS = frozenset((b"REFERENCES", b"TRIGGER"))
RIGHTS = (
    b"SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES "
    b"WHERE GRANTEE=CONCAT('''',REPLACE(CURRENT_USER(),'@','''@'''),'''')"
)
TABLES = b"SELECT TABLE_SCHEMA,TABLE_NAME,TABLE_TYPE,ENGINE FROM information_schema.TABLES WHERE " + _OWN
VIEWS = b"SELECT TABLE_SCHEMA,TABLE_NAME,VIEW_DEFINITION FROM information_schema.VIEWS WHERE " + _OWN
TRIGGERS = b"SELECT EVENT_OBJECT_SCHEMA,EVENT_OBJECT_TABLE,ACTION_STATEMENT FROM information_schema.TRIGGERS"
ROUTINES = (
    b"SELECT ROUTINE_SCHEMA,ROUTINE_NAME,ROUTINE_DEFINITION FROM information_schema.ROUTINES "
    b"WHERE ROUTINE_SCHEMA NOT IN ('mysql','sys')"
)
FOREIGN_KEYS = (
    b"SELECT CONSTRAINT_SCHEMA,TABLE_NAME,UNIQUE_CONSTRAINT_SCHEMA,REFERENCED_TABLE_NAME "
    b"FROM information_schema.REFERENTIAL_CONSTRAINTS "
    b"WHERE NOT (UPDATE_RULE IN ('NO ACTION','RESTRICT') AND DELETE_RULE IN ('NO ACTION','RESTRICT'))"
)
GENERATED = (
    b"SELECT TABLE_SCHEMA,TABLE_NAME,GENERATION_EXPRESSION FROM information_schema.COLUMNS "
    b"WHERE GENERATION_EXPRESSION<>'' AND " + _OWN
)
_QUESTIONS = (RIGHTS, TABLES, VIEWS, TRIGGERS, ROUTINES, FOREIGN_KEYS, GENERATED)


def build(answers: list[Answer]) -> Dictionary:
    """The dictionary that the answers to the questions give; raises MySQLError when they cannot be complete."""
    rights, tables, views, triggers, routines, foreign_keys, generated = (answer.rows for answer in answers)
    missing = NEEDED_RIGHTS - {row[0] for row in rights}
    if missing:
        names = ", ".join(sorted(right.decode() for right in missing))
        raise MySQLError(
            ErrorCode.ACCESS_DENIED, f"the service account lacks the right {names}; `dbmux grants` prints what it needs"
        )
    # Routines that the account may not see are not even named.
    dictionary = Dictionary(has_all_routines=(b"SELECT",) in rights)
    for schema, name, kind, engine in tables:
        dictionary.add_table(_text(schema), _text(name), _text(kind), _text(engine))
    for schema, name, definition in views:
        dictionary.add_view(_text(schema), _text(name), _text(definition))
    for schema, table, body in triggers:
        dictionary.add_trigger(_text(schema), _text(table), body)
    for schema, name, body in routines:
        dictionary.add_routine(_text(schema), _text(name), body)
    for schema, name, parent_schema, parent in foreign_keys:
        dictionary.add_foreign_key((_text(schema), _text(name)), (_text(parent_schema), _text(parent)))
    for schema, table, expression in generated:
        dictionary.add_generated_column(_text(schema), _text(table), expression or b"")
    return dictionary


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "replace")


async def read_dictionary(backend: Backend, account: Account) -> Dictionary:
    """Ask a server for its dictionary; raises MySQLError, BackendRefused or TimeoutError."""
    async with asyncio.timeout(ANSWER_S):
        connection = await open_own(backend, account)
        try:
            return build(await run(connection, [(Command.QUERY, question) for question in _QUESTIONS]))
        finally:
            connection.quit()


async def come(event: asyncio.Event, seconds: float) -> bool:
    """Whether it happens before so long."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


class Reader:
    """Keeps the dictionary of a server up to date: `take` is told each new one, and None when it is not known.

    `doubt` says that names may stand for other things by now: until it was read again, there is none.
    """

    def __init__(
        self,
        backend: Backend,
        account: Account,
        take: Callable[[Dictionary | None, str], None],
        warn: Callable[[str], None],
        read: Callable[[Backend, Account], Awaitable[Dictionary]] = read_dictionary,
        come: Callable[[asyncio.Event, float], Awaitable[bool]] = come,
    ) -> None:
        self._backend = backend
        self._account = account
        self._take = take
        self._warn = warn
        self._ask = read
        self._come = come
        self._doubted = asyncio.Event()
        self._wanted = asyncio.Event()
        self._told = ""

    def doubt(self) -> None:
        """A definition may have changed."""
        self._take(None, "what its names stand for is being read anew")
        self._doubted.set()
        self._wanted.set()

    def renew(self) -> None:
        """A name came up that the dictionary does not have: what was defined past DbMux is looked for before long."""
        self._wanted.set()

    async def follow(self) -> None:
        """Read again whenever there is a doubt, and from time to time, until cancelled."""
        while True:
            self._doubted.clear()
            self._wanted.clear()
            pause_s = await self._read()
            # Clients can make up any number of names.
            if not await self._come(self._doubted, RETRY_S):
                await self._come(self._wanted, pause_s - RETRY_S)

    async def _read(self) -> float:
        backend = self._backend
        try:
            dictionary = await self._ask(backend, self._account)
        except (DbMuxError, TimeoutError) as error:
            why = str(error) or "no answer in time"
            self._take(None, why)
            if why != self._told:
                self._warn(f"nothing of {backend.name} is cached: {why}")
            self._told = why
            return RETRY_S
        if not self._doubted.is_set():
            # What was read while something was defined may be of before.
            self._told = ""
            self._take(dictionary, "")
        return REREAD_S
