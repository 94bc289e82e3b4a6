"""Asking ProxySQL's admin interface for its tables, over MySQL's protocol.

An address and an account come in; the tables go out, or an error is raised. Only SELECTs are sent, of what is in
memory, whether it was loaded to runtime or not.
"""

from __future__ import annotations

import asyncio

from dbmux.address import Address
from dbmux.backend.login import Credentials, log_in
from dbmux.backend.server import Backend, Wish
from dbmux.config.model import BackendConfig
from dbmux.errors import BackendRefused, ConfigError, MySQLError
from dbmux.net.certificate import backend_context
from dbmux.net.conversation import ConnectionClosed, Conversation
from dbmux.net.dial import dial
from dbmux.proxysql.tables import NAMES, Row, Tables, rows
from dbmux.wire.capabilities import NEEDED, Capability
from dbmux.wire.client import ClientProtocol, ColumnCount, Definition, ServerMessage
from dbmux.wire.client import Row as RowMessage
from dbmux.wire.columns import parse_column
from dbmux.wire.replies import Err
from dbmux.wire.rows import parse_text_row

ADMIN_PORT = 6032
TIMEOUT_S = 10.0
UTF8 = 33
# What every other server answers: a table without a schema is nothing to it.
NO_DATABASE_SELECTED = 1046


async def from_admin(address: Address, user: str, password: str) -> Tables:
    """Every table that says something; raises ConfigError with what was refused, and by whom."""
    config = BackendConfig(address=address)
    context = backend_context(config.tls, is_local=address.is_local)
    admin = Backend("ProxySQL's admin interface", config, dial=dial, tls=context, connect_timeout_s=TIMEOUT_S)
    wish = Wish(capabilities=NEEDED | Capability.LONG_PASSWORD, charset=UTF8, max_packet=1 << 24)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            conversation = await admin.reach(wish)
            try:
                await log_in(admin, conversation, wish, Credentials(user=user.encode(), password=password.encode()))
                return {name: await _table(conversation, str(address), name) for name in NAMES}
            finally:
                conversation.channel.close()
    except (MySQLError, BackendRefused) as error:
        raise ConfigError((f"{address}: {admin.error or error}",)) from error
    except ConnectionClosed:
        raise ConfigError((f"{address}: the connection was closed; is this ProxySQL's admin interface?",)) from None
    except TimeoutError:
        raise ConfigError((f"{address}: no answer within {TIMEOUT_S:g} s",)) from None


async def _table(conversation: Conversation[ServerMessage], source: str, name: str) -> list[Row]:
    # Which columns there are depends on the version, so all are asked for.
    protocol = conversation.protocol
    assert isinstance(protocol, ClientProtocol)
    conversation.send(protocol.query(f"SELECT * FROM {name}".encode()))
    columns: list[str] = []
    found: list[list[str | None]] = []
    missing = False
    count = 0
    while not protocol.is_reply_whole:
        match await conversation.next():
            case Err() as err:
                if err.number == NO_DATABASE_SELECTED:
                    why = f"this is a MySQL server, not ProxySQL's admin interface, whose usual port is {ADMIN_PORT}"
                    raise ConfigError((f"{source}: {why}",))
                # A version without this table; anything else is an error.
                missing = b"no such table" in err.message
                if not missing:
                    raise BackendRefused(err.number, err.sqlstate, err.message)
            case ColumnCount(count):
                continue
            case Definition(payload):
                columns.append(parse_column(payload, protocol.capabilities).name.decode("utf-8", "replace"))
            case RowMessage(payload):
                found.append([_text(value) for value in parse_text_row(payload, count)])
    return [] if missing else rows(source, name, columns, found)


def _text(value: bytes | None) -> str | None:
    return value.decode("utf-8", "replace") if value is not None else None
