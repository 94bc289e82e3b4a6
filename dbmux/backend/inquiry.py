"""A question of DbMux's own to a server, on a connection that is logged in and idle.

SQL comes in, rows as text go out. The whole reply is read; only short ones are asked for.
"""

from __future__ import annotations

from dbmux.errors import BackendRefused
from dbmux.net.conversation import Conversation
from dbmux.wire.client import ClientProtocol, ColumnCount, Row, ServerMessage
from dbmux.wire.replies import Err
from dbmux.wire.rows import TextRow, parse_text_row


async def ask(conversation: Conversation[ServerMessage], sql: bytes) -> list[TextRow]:
    """Run one statement; raises BackendRefused with the server's error, ConnectionClosed, or ProtocolError."""
    protocol = conversation.protocol
    assert isinstance(protocol, ClientProtocol)
    conversation.send(protocol.query(sql))
    rows: list[TextRow] = []
    columns = 0
    while not protocol.is_reply_whole:
        match await conversation.next():
            case Err() as err:
                raise BackendRefused(err.number, err.sqlstate, err.message)
            case ColumnCount(columns):
                continue
            case Row(payload):
                rows.append(parse_text_row(payload, columns))
    return rows
