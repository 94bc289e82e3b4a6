"""Reading a server's dictionary for the check of an upgrade: all that dbmux.upgrade.server describes.

A connection and the wanted schemas come in, a `Server` goes out. What the account may not see is left out and said in
`unseen`. Never reads rows of users' tables, and changes nothing but its own session.
"""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import fnmatchcase

from dbmux.backend.service import Service
from dbmux.errors import BackendRefused
from dbmux.sync.places import OWN_SCHEMAS
from dbmux.sync.table import TableName, quoted, same_name
from dbmux.upgrade.server import (
    Account,
    Column,
    ForeignKey,
    Grant,
    Index,
    Part,
    Program,
    ProgramKind,
    Server,
    Table,
    TableKind,
)
from dbmux.wire.rows import TextRow

# Schemas in which definitions are tried begin like this.
SCRATCH = "dbmux_upgrade_"
_NUMBER = re.compile(r"(\d+)\.(\d+)\.(\d+)")
# MariaDB's older servers say this before their version.
_BEFORE_MARIADB = "5.5.5-"
# What comes with a server.
_OWN_ACCOUNTS = frozenset(("mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema", "PUBLIC"))
# The same under another name.
_RENAMED = {"tx_isolation": "transaction_isolation", "tx_read_only": "transaction_read_only"}
# Of these SHOW CREATE has the mode first and the text third.
_WITH_MODE = frozenset((ProgramKind.PROCEDURE, ProgramKind.FUNCTION, ProgramKind.TRIGGER))
# So that SHOW CREATE quotes with backticks, and names are not left without.
_OWN_SESSION = b"SET SESSION sql_mode='', sql_quote_show_create=1"


async def read(service: Service, patterns: tuple[str, ...] = ()) -> Server:
    """Read it; raises MySQLError when the connection breaks, and BackendRefused when not even the schemas are told."""
    reader = _Reader(service, patterns)
    await reader.begin()
    return await reader.read()


class _Reader:
    """One server's reading."""

    def __init__(self, service: Service, patterns: tuple[str, ...]) -> None:
        self._service = service
        self._patterns = patterns
        self._unseen: list[str] = []
        self._leftovers: list[str] = []
        self._mode = b"''"
        self._schemas: dict[str, str] = {}

    async def begin(self) -> None:
        ((mode,),) = await self._service.ask(b"SELECT @@SESSION.sql_mode")
        self._mode = b"'" + (mode or b"") + b"'"
        rows = await self._service.ask(
            b"SELECT SCHEMA_NAME,DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME"
        )
        for name, collation in _texts(rows):
            if name.startswith(SCRATCH):
                self._leftovers.append(name)
            if name.lower() in OWN_SCHEMAS or name.startswith(SCRATCH):
                continue
            if not self._patterns or any(fnmatchcase(name, pattern) for pattern in self._patterns):
                self._schemas[name] = same_name(collation)

    async def read(self) -> Server:
        service = self._service
        try:
            await service.do(_OWN_SESSION)
            return await self._read()
        finally:
            if service.is_open:
                await service.do(b"SET SESSION sql_mode=" + self._mode)

    async def _read(self) -> Server:
        version = self._service.version.removeprefix(_BEFORE_MARIADB)
        number = _NUMBER.match(version)
        assert number is not None, version
        defaults = await self._pairs(
            "SELECT CHARACTER_SET_NAME,DEFAULT_COLLATE_NAME FROM information_schema.CHARACTER_SETS"
        )
        variables = await self._pairs("SHOW GLOBAL VARIABLES")
        return Server(
            name=self._service.name,
            version=version,
            is_mariadb=self._service.is_mariadb,
            number=tuple(int(part) for part in number.groups()),
            variables={_RENAMED.get(name.lower(), name.lower()): value for name, value in variables},
            schemas=self._schemas,
            tables=await self._tables() if self._schemas else (),
            programs=await self._programs() if self._schemas else (),
            accounts=await self._accounts(),
            grants=await self._grants(),
            privileges=await self._privileges(),
            engines=await self._names(
                "SELECT ENGINE FROM information_schema.ENGINES WHERE SUPPORT IN ('YES','DEFAULT')"
            ),
            plugins=await self._names(
                "SELECT PLUGIN_NAME FROM information_schema.PLUGINS WHERE PLUGIN_STATUS='ACTIVE'"
            ),
            loaded=await self._names(
                "SELECT PLUGIN_NAME FROM information_schema.PLUGINS "
                "WHERE PLUGIN_STATUS='ACTIVE' AND PLUGIN_LIBRARY IS NOT NULL"
            ),
            charsets=frozenset(same_name(name) for name, _ in defaults),
            collations=await self._collations(),
            defaults={same_name(name): same_name(collation) for name, collation in defaults},
            leftovers=tuple(self._leftovers),
            unseen=tuple(self._unseen),
        )

    # What is in the schemas.

    async def _tables(self) -> tuple[Table, ...]:
        where = self._in("TABLE_SCHEMA")
        heads = await self._ask(
            "SELECT TABLE_SCHEMA,TABLE_NAME,TABLE_TYPE,ENGINE,TABLE_COLLATION,ROW_FORMAT "
            f"FROM information_schema.TABLES WHERE {where} "
            "AND TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED','SEQUENCE') ORDER BY 1,2"
        )
        columns = await self._columns(where)
        indexes = await self._indexes(where)
        keys = await self._foreign_keys(where)
        found = []
        for row in _texts(heads):
            name, kind = TableName(row[0], row[1]), TableKind(row[2])
            found.append(
                Table(
                    name=name,
                    kind=kind,
                    engine=row[3],
                    collation=same_name(row[4]),
                    row_format=row[5],
                    columns=tuple(columns[name]),
                    indexes=tuple(indexes[name]),
                    foreign_keys=tuple(keys[name]),
                    text=await self._text("SEQUENCE" if kind is TableKind.SEQUENCE else "TABLE", name, 1),
                )
            )
        return tuple(found)

    async def _columns(self, where: str) -> dict[TableName, list[Column]]:
        rows = await self._ask(
            "SELECT TABLE_SCHEMA,TABLE_NAME,COLUMN_NAME,COLUMN_TYPE,CHARACTER_SET_NAME,COLLATION_NAME,"
            "CHARACTER_OCTET_LENGTH,CHARACTER_MAXIMUM_LENGTH,COLUMN_DEFAULT FROM information_schema.COLUMNS "
            f"WHERE {where} ORDER BY TABLE_SCHEMA,TABLE_NAME,ORDINAL_POSITION"
        )
        found: dict[TableName, list[Column]] = defaultdict(list)
        for row in rows:
            *first, default = row
            schema, table, name, kind, charset, collation, octets, letters = _text_row(first)
            found[TableName(schema, table)].append(
                Column(
                    name=name,
                    type=kind,
                    charset=same_name(charset),
                    collation=same_name(collation),
                    default=None if default is None else default.decode("utf-8", "replace"),
                    octets=int(octets or 0),
                    letters=int(letters or 0),
                )
            )
        return found

    async def _indexes(self, where: str) -> dict[TableName, list[Index]]:
        rows = await self._ask(
            "SELECT TABLE_SCHEMA,TABLE_NAME,INDEX_NAME,NON_UNIQUE,INDEX_TYPE,COLUMN_NAME,SUB_PART "
            f"FROM information_schema.STATISTICS WHERE {where} ORDER BY TABLE_SCHEMA,TABLE_NAME,INDEX_NAME,SEQ_IN_INDEX"
        )
        parts: dict[tuple[str, ...], list[Part]] = defaultdict(list)
        for *head, column, length in _texts(rows):
            parts[tuple(head)].append(Part(column=column, length=int(length) if length else None))
        found: dict[TableName, list[Index]] = defaultdict(list)
        for (schema, table, name, is_not_unique, kind), of_it in parts.items():
            index = Index(name=name, parts=tuple(of_it), is_unique=is_not_unique == "0", type=kind)
            found[TableName(schema, table)].append(index)
        return found

    async def _foreign_keys(self, where: str) -> dict[TableName, list[ForeignKey]]:
        rows = await self._ask(
            "SELECT TABLE_SCHEMA,TABLE_NAME,CONSTRAINT_NAME,REFERENCED_TABLE_SCHEMA,REFERENCED_TABLE_NAME,"
            f"REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE WHERE {where} "
            "AND REFERENCED_TABLE_NAME IS NOT NULL ORDER BY TABLE_SCHEMA,TABLE_NAME,CONSTRAINT_NAME,ORDINAL_POSITION"
        )
        columns: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for *head, column in _texts(rows):
            columns[tuple(head)].append(column)
        found: dict[TableName, list[ForeignKey]] = defaultdict(list)
        for (schema, table, name, parent_schema, parent), names in columns.items():
            key = ForeignKey(name=name, parent=TableName(parent_schema, parent), parent_columns=tuple(names))
            found[TableName(schema, table)].append(key)
        return found

    async def _programs(self) -> tuple[Program, ...]:
        views = await self._ask(
            "SELECT 'view',TABLE_SCHEMA,TABLE_NAME,DEFINER,SECURITY_TYPE,'',COLLATION_CONNECTION "
            f"FROM information_schema.VIEWS WHERE {self._in('TABLE_SCHEMA')}"
        )
        routines = await self._ask(
            "SELECT LOWER(ROUTINE_TYPE),ROUTINE_SCHEMA,ROUTINE_NAME,DEFINER,SECURITY_TYPE,SQL_MODE,"
            "COLLATION_CONNECTION FROM information_schema.ROUTINES "
            f"WHERE {self._in('ROUTINE_SCHEMA')} AND ROUTINE_TYPE IN ('PROCEDURE','FUNCTION')"
        )
        triggers = await self._ask(
            "SELECT 'trigger',TRIGGER_SCHEMA,TRIGGER_NAME,DEFINER,'DEFINER',SQL_MODE,"
            f"COLLATION_CONNECTION FROM information_schema.TRIGGERS WHERE {self._in('TRIGGER_SCHEMA')}"
        )
        events = await self._ask(
            "SELECT 'event',EVENT_SCHEMA,EVENT_NAME,DEFINER,'DEFINER',SQL_MODE,"
            f"COLLATION_CONNECTION FROM information_schema.EVENTS WHERE {self._in('EVENT_SCHEMA')}"
        )
        found = []
        for word, schema, title, definer, security, mode, collation in _texts([*views, *routines, *triggers, *events]):
            kind, name = ProgramKind(word), TableName(schema, title)
            at = 2 if kind in _WITH_MODE else 3 if kind is ProgramKind.EVENT else 1
            found.append(
                Program(
                    kind=kind,
                    name=name,
                    definer=definer,
                    is_definers=security == "DEFINER",
                    sql_mode=mode,
                    collation=same_name(collation),
                    text=await self._text(kind.upper(), name, at),
                )
            )
        return tuple(sorted(found, key=lambda one: (one.kind, one.name)))

    async def _text(self, kind: str, name: TableName, at: int) -> str:
        # In the schema itself, for then names of its own tables are told without it.
        try:
            await self._service.do(b"USE " + quoted(name.schema).encode())
            row = (await self._service.ask(f"SHOW CREATE {kind} {name.sql}".encode()))[0]
        except BackendRefused as error:
            self._unseen.append(f"the definition of {kind.lower()} {name} on {self._service.name}: {error}")
            return ""
        if row[at] is None:
            self._unseen.append(
                f"the definition of {kind.lower()} {name} on {self._service.name}: the account may not see it; "
                "GRANT SELECT ON mysql.*, and SHOW_ROUTINE (MySQL) or SHOW CREATE ROUTINE (MariaDB)"
            )
        return (row[at] or b"").decode("utf-8", "replace")

    # What the server is.

    async def _accounts(self) -> tuple[Account, ...] | None:
        if not self._service.is_mariadb:
            ways = ["SELECT User,Host,plugin,'','N' FROM mysql.user"]
        else:
            ways = [
                "SELECT User,Host,JSON_VALUE(Priv,'$.plugin'),JSON_EXTRACT(Priv,'$.auth_or[*].plugin'),"
                "IF(JSON_VALUE(Priv,'$.is_role')=1,'Y','N') FROM mysql.global_priv",
                "SELECT User,Host,plugin,'',is_role FROM mysql.user",
            ]
        for sql in ways:
            try:
                rows = await self._service.ask(sql.encode())
            except BackendRefused as error:
                refused = error
                continue
            return tuple(_account(row) for row in _texts(rows) if row[0] not in _OWN_ACCOUNTS)
        self._unseen.append(
            f"the accounts of {self._service.name}: {refused}; GRANT SELECT ON mysql.* to the account of this check"
        )
        return None

    async def _grants(self) -> frozenset[Grant]:
        found: set[Grant] = set()
        for table, columns in (
            ("USER_PRIVILEGES", ("''", "''", "''")),
            ("SCHEMA_PRIVILEGES", ("TABLE_SCHEMA", "''", "''")),
            ("TABLE_PRIVILEGES", ("TABLE_SCHEMA", "TABLE_NAME", "''")),
            ("COLUMN_PRIVILEGES", ("TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME")),
        ):
            rows = await self._ask(f"SELECT GRANTEE,PRIVILEGE_TYPE,{','.join(columns)} FROM information_schema.{table}")
            for grantee, privilege, schema, name, column in _texts(rows):
                user = grantee[1:].partition("'")[0]
                if user not in _OWN_ACCOUNTS and privilege != "USAGE":
                    found.add(Grant(grantee, privilege.upper(), schema, name, column))
        return frozenset(found)

    async def _privileges(self) -> frozenset[str]:
        shown = [row[0].upper() for row in _texts(await self._ask("SHOW PRIVILEGES"))]
        held = await self._ask("SELECT DISTINCT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES")
        return frozenset((*shown, *(row[0].upper() for row in _texts(held))))

    async def _collations(self) -> frozenset[str]:
        rows = await self._ask("SELECT COLLATION_NAME FROM information_schema.COLLATIONS")
        if self._service.is_mariadb:
            # Those of several character sets have their full names here, in versions that have them.
            full = "SELECT FULL_COLLATION_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY"
            with contextlib.suppress(BackendRefused):
                rows = [*rows, *await self._service.ask(full.encode())]
        return frozenset(same_name(row[0]) for row in _texts(rows))

    # How it is asked.

    async def _ask(self, sql: str) -> list[TextRow]:
        return await self._service.ask(sql.encode())

    async def _pairs(self, sql: str) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in _texts(await self._ask(sql))]

    async def _names(self, sql: str) -> frozenset[str]:
        return frozenset(row[0].lower() for row in _texts(await self._ask(sql)))

    def _in(self, column: str) -> str:
        # In hexadecimal nothing has to be escaped.
        names = ",".join(f"CONVERT(x'{name.encode().hex()}' USING utf8mb4)" for name in self._schemas)
        return f"{column} IN ({names})"


def _account(row: tuple[str, ...]) -> Account:
    user, host, plugin, others, is_role = row
    named = re.findall(r'"([\w.]+)"', others)
    # Without a name it is the oldest of all.
    plugins = dict.fromkeys(name.lower() for name in (plugin or "mysql_native_password", *named))
    return Account(user=user, host=host, plugins=tuple(plugins), is_role=is_role == "Y")


def _texts(rows: Iterable[TextRow]) -> list[tuple[str, ...]]:
    return [_text_row(row) for row in rows]


def _text_row(row: Iterable[bytes | None]) -> tuple[str, ...]:
    return tuple("" if value is None else value.decode("utf-8", "replace") for value in row)
