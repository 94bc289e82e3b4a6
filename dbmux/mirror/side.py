"""One of the two servers, asked for what it answers to a read: on connections of its own, which are kept.

A read and the state of its session come in, an answer goes out: what the server says against the statement is an answer
too. What keeps it from being asked is raised as `NotAsked`. The connections are in no pool, can only read (but for a
write that is tried out and taken back), end a statement that takes too long, and are at most so many as reads go on at
once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from dbmux.backend.connection import Connection
from dbmux.backend.opening import end, open_connection
from dbmux.backend.pool import Account, ShelfKey
from dbmux.backend.reading import GRACE_S, Bounds, Reading, Result, Rights, Statement
from dbmux.backend.server import Backend
from dbmux.errors import BackendRefused, DbMuxError, MySQLError
from dbmux.mirror.answer import Answer, Failure, Told
from dbmux.mirror.settings import Family
from dbmux.net.conversation import ConnectionClosed, Conversation
from dbmux.session import SessionState, assignments
from dbmux.sync.places import text as literal
from dbmux.sync.table import TableName
from dbmux.wire.client import ClientProtocol, ServerMessage
from dbmux.wire.commands import Command
from dbmux.wire.handshake import UTF8MB4

KEEPS = "a table of the target's is no InnoDB table, or would keep something of what is taken back"
TRIGGERS = "a table of the target's has triggers, or the account may not see whether it has"
# It waits for nobody, as far as a server can, holds up nobody for long, and locks no row but those that it changes.
_AT_ONCE = (b"SET TRANSACTION ISOLATION LEVEL READ COMMITTED", b"START TRANSACTION READ WRITE")
_CAREFUL: dict[Family, tuple[bytes, ...]] = {
    Family.MARIADB: (b"SET SESSION innodb_lock_wait_timeout=0, lock_wait_timeout=1", *_AT_ONCE),
    Family.MYSQL: (b"SET SESSION innodb_lock_wait_timeout=1, lock_wait_timeout=1", *_AT_ONCE),
}
# Idle connections that are kept, of all accounts.
MOST_IDLE = 8


class NotAsked(DbMuxError):
    """The server could not be asked; the message says why, in words that many share."""


class Denied(DbMuxError):
    """No account is known with whose rights a user's statement can be run there."""


@dataclass(slots=True, eq=False)
class _Kept:
    """A connection, and the state that it was brought into; None for a new one."""

    connection: Connection
    reader: Reading
    state: SessionState | None
    key: ShelfKey
    account: Account

    @property
    def is_good(self) -> bool:
        return self.reader.is_whole and not self.reader.is_gone


@dataclass(slots=True, eq=False)
class Side:
    """A server; `rights` gives the account for a user's statements, or raises Denied."""

    backend: Backend
    rights: Callable[[str], Rights]
    bounds: Bounds = Bounds()
    _idle: list[_Kept] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The server's name in the configuration."""
        return self.backend.name

    @property
    def family(self) -> Family:
        """Which family it is of; MySQL's while that is not known."""
        return Family.MARIADB if self.backend.is_mariadb else Family.MYSQL

    @property
    def version(self) -> str:
        """Family and version as they were last told, such as `mariadb 10.11.6`."""
        return f"{self.family} {self.backend.version.partition('-')[0]}"

    async def meet(self) -> None:
        """Find out which server it is, if that is not known yet; raises NotAsked."""
        if self.backend.greeting is None:
            try:
                await self.backend.meet()
            except (MySQLError, BackendRefused) as error:
                raise NotAsked(f"{self.name} cannot be reached") from error

    async def ask(self, statement: Statement, user: str, state: SessionState) -> Answer:
        """What it answers, warnings included; raises NotAsked."""
        return await self._with(user, state, lambda reader: _answer(reader, statement))

    async def try_out(
        self, statement: Statement, user: str, state: SessionState, tables: Sequence[TableName], capabilities: int = 0
    ) -> Answer:
        """What it answers to a write to these tables, and to no others, which is taken back; raises NotAsked, also
        where a table could keep anything of it. `capabilities` are the client's that change how rows are counted."""
        return await self._with(user, state, lambda reader: self._tried(reader, statement, tables), capabilities)

    async def _tried(self, reader: Reading, statement: Statement, tables: Sequence[TableName]) -> Answer:
        # Whatever is raised here but a refusal ends the connection, and with it the transaction.
        try:
            for sql in _CAREFUL[self.family]:
                await reader.do(Command.QUERY, sql)
            for table in tables:
                # From here on its definition is what it is.
                await reader.do(Command.QUERY, f"SELECT 1 FROM {table.sql} LIMIT 0".encode())
            found = await reader.run(Statement(_fit(tables)))
            if found.rows[0][0] != b"%d" % len(set(tables)):
                raise NotAsked(KEEPS)
            if found.rows[0][1] != b"0" or found.rows[0][2] == b"0":
                raise NotAsked(TRIGGERS)
        except (BackendRefused, NotAsked) as error:
            await reader.do(Command.QUERY, b"ROLLBACK")
            if isinstance(error, BackendRefused):
                raise NotAsked(f"{self.name} refuses to have it tried, with error {error.number}") from error
            raise
        try:
            result = await reader.run(statement)
        except BackendRefused as error:
            answer = Answer(failure=_failure(error))
        else:
            answer = _whole(result, ())
        await reader.do(Command.QUERY, b"ROLLBACK")
        return answer

    async def explain(self, statement: Statement, user: str, state: SessionState) -> str:
        """Its plan for the statement, or why it gives none; raises NotAsked."""
        answer = await self._explained(statement, user, state, b"JSON" if self.backend.is_mariadb else b"TREE")
        if answer.failure is not None:
            # MySQL knows trees since 8.0.16.
            answer = await self._explained(statement, user, state, b"JSON")
        if answer.failure is not None:
            return f"no plan: {answer.failure.message}"
        return "\n".join(cell.decode("utf-8", "replace") for row in answer.rows for cell in row if type(cell) is bytes)

    async def _explained(self, statement: Statement, user: str, state: SessionState, form: bytes) -> Answer:
        explained = statement.explained(b"EXPLAIN FORMAT=" + form)
        return await self._with(user, state, lambda reader: _answer(reader, explained))

    def close(self) -> None:
        """Let go of all connections that are not in use."""
        while self._idle:
            self._idle.pop().connection.quit()

    async def _with(
        self, user: str, state: SessionState, use: Callable[[Reading], Awaitable[Answer]], capabilities: int = 0
    ) -> Answer:
        kept = await self._taken(user, capabilities)
        try:
            async with asyncio.timeout(self.bounds.seconds + GRACE_S):
                await self._bring(kept, state)
                answer = await use(kept.reader)
        except TimeoutError as error:
            kept.connection.abort()
            await end(self.backend, kept.key, kept.account, kept.connection.id)
            raise NotAsked(f"{self.name} did not answer in {self.bounds.seconds:g} s") from error
        except (ConnectionClosed, MySQLError) as error:
            kept.connection.abort()
            raise NotAsked(f"the connection to {self.name} broke") from error
        except BaseException:
            kept.connection.abort()
            raise
        self._give_back(kept)
        return answer

    async def _taken(self, user: str, capabilities: int) -> _Kept:
        try:
            rights = self.rights(user)
        except Denied as error:
            raise NotAsked(str(error)) from error
        for kept in [kept for kept in self._idle if not kept.is_good]:
            self._idle.remove(kept)
            kept.connection.abort()
        for kept in self._idle:
            is_alike = (kept.key.user, kept.key.capabilities) == (rights.user, capabilities)
            if is_alike and kept.account.password == rights.password:
                self._idle.remove(kept)
                return kept
        return await self._opened(rights, capabilities)

    async def _opened(self, rights: Rights, capabilities: int) -> _Kept:
        key, account = ShelfKey(rights.user, capabilities, has_schema=False), Account(rights.password, UTF8MB4)
        try:
            connection = await open_connection(self.backend, key, account)
        except (MySQLError, BackendRefused) as error:
            raise NotAsked(f"{self.name} cannot be reached, or does not let DbMux in") from error
        protocol = ClientProtocol.logged_in(connection.greeting, connection.capabilities)
        conversation: Conversation[ServerMessage] = Conversation(connection.channel, protocol)
        connection.channel.owner = conversation
        return _Kept(connection, Reading(conversation, protocol, self.bounds), None, key, account)

    async def _bring(self, kept: _Kept, state: SessionState) -> None:
        fresh = kept.connection.state
        names = state.names or fresh.names
        if names is not None:
            # Both sides tell what they say in the same character set.
            names = names.renamed("character_set_results", b"'utf8mb4'")
        wanted = replace(state, names=names)
        if kept.state == wanted:
            return
        have = kept.state or fresh
        try:
            if wanted.schema and wanted.schema != have.schema:
                await kept.reader.do(Command.INIT_DB, wanted.schema)
            for sql in assignments(have, wanted, self.backend.spelling):
                await kept.reader.do(Command.QUERY, sql)
            if kept.state is None:
                for sql in _limits(kept.connection, self.bounds.seconds):
                    await kept.reader.do(Command.QUERY, sql)
        except BackendRefused as error:
            raise NotAsked(f"{self.name} refuses the session's state with error {error.number}") from error
        kept.state = wanted

    def _give_back(self, kept: _Kept) -> None:
        if not kept.is_good or len(self._idle) >= MOST_IDLE:
            kept.connection.abort()
        else:
            self._idle.append(kept)


def _limits(connection: Connection, seconds: float) -> Iterator[bytes]:
    # Manual pages "Server System Variables" of both: MySQL counts milliseconds, MariaDB seconds.
    if connection.greeting.is_mariadb:
        yield b"SET SESSION max_statement_time=%.3f" % seconds
    else:
        yield b"SET SESSION max_execution_time=%d" % int(seconds * 1000)
    yield b"SET SESSION TRANSACTION READ ONLY"


async def _answer(reader: Reading, statement: Statement) -> Answer:
    try:
        result = await reader.run(statement)
    except BackendRefused as error:
        return Answer(failure=_failure(error))
    warnings: tuple[Told, ...] = ()
    if result.warnings and not result.is_cut:
        try:
            warnings = tuple(map(_told, await reader.warnings()))
        except BackendRefused as error:
            raise NotAsked(f"warnings are not told: {error.number}") from error
    return _whole(result, warnings)


def _failure(error: BackendRefused) -> Failure:
    text = error.message.decode("utf-8", "replace")
    return Failure(error.number, error.sqlstate.decode("ascii", "replace"), text)


def _fit(tables: Sequence[TableName]) -> bytes:
    # How many of them keep nothing of what is taken back, and compute nothing that would; how many triggers they have;
    # and whether the account may see those.
    named, triggers = (
        b" OR ".join(
            b"(c.%b=%b AND c.%b=%b)" % (schema, literal(table.schema), name, literal(table.name)) for table in tables
        )
        for schema, name in ((b"TABLE_SCHEMA", b"TABLE_NAME"), (b"EVENT_OBJECT_SCHEMA", b"EVENT_OBJECT_TABLE"))
    )
    me = b"CONCAT(CHAR(39), REPLACE(CURRENT_USER(), '@', CONCAT(CHAR(39), '@', CHAR(39))), CHAR(39))"
    schemas = b",".join({literal(table.schema) for table in tables})
    return (
        b"SELECT (SELECT COUNT(*) FROM information_schema.TABLES c WHERE c.ENGINE='InnoDB'"
        b" AND c.TABLE_TYPE='BASE TABLE' AND (%b)) - (SELECT COUNT(*) FROM information_schema.COLUMNS c"
        b" WHERE LOWER(c.COLUMN_DEFAULT) LIKE '%%nextval%%' AND (%b)),"
        b" (SELECT COUNT(*) FROM information_schema.TRIGGERS c WHERE %b),"
        b" (SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES c WHERE c.PRIVILEGE_TYPE='TRIGGER'"
        b" AND c.GRANTEE=%b) + (SELECT COUNT(*) FROM information_schema.SCHEMA_PRIVILEGES c"
        b" WHERE c.PRIVILEGE_TYPE='TRIGGER' AND c.GRANTEE=%b AND c.TABLE_SCHEMA IN (%b))"
    ) % (named, named, triggers, me, me, schemas)


def _whole(result: Result, warnings: tuple[Told, ...]) -> Answer:
    return Answer(
        columns=result.columns,
        rows=result.rows,
        warnings=warnings,
        affected_rows=None if result.columns else result.affected_rows,
        is_cut=result.is_cut,
        seconds=result.seconds,
    )


def _told(row: tuple[object, ...]) -> Told:
    level, code, message = (cell.decode("utf-8", "replace") if isinstance(cell, bytes) else "" for cell in row)
    return Told(level, int(code or 0), message)
