"""What a server logs while something is written there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pymysql
import uvloop

from dbmux.address import TcpAddress
from dbmux.backend.binlog.listener import Pace
from dbmux.backend.binlog.source import Source
from dbmux.backend.login import Credentials
from dbmux.backend.server import Backend
from dbmux.config.model import BackendConfig, BackendTls, BackendTlsMode
from dbmux.net.dial import dial
from dbmux.playground.node import Node
from dbmux.wire.binlog.decoder import Decoder
from dbmux.wire.binlog.events import Event, RowsChanged

ACCOUNT, PASSWORD = "app", "app-pass"

WHO = Credentials(user=ACCOUNT.encode(), password=PASSWORD.encode())
MARK = ("test", "mark")


@contextmanager
def connected(node: Node, *settings: str) -> Iterator[Any]:
    """A cursor whose values are bytes as they stand in the columns."""
    connection = pymysql.connect(
        host="127.0.0.1", port=node.port, user=ACCOUNT, password=PASSWORD, charset="utf8mb4", autocommit=True,
        conv={}, use_unicode=False, max_allowed_packet=1 << 30,
    )  # fmt: skip
    try:
        with connection.cursor() as cursor:
            for setting in ("character_set_results = NULL", "time_zone = '+00:00'", *settings):
                cursor.execute(f"SET SESSION {setting}")
            yield cursor
    finally:
        connection.close()


def logged(node: Node, write: Callable[[], None]) -> list[Event]:
    """What is told of the log while something is written."""

    async def read() -> list[Event]:
        config = BackendConfig(address=TcpAddress("127.0.0.1", node.port), tls=BackendTls(mode=BackendTlsMode.OFF))
        backend = Backend(node.name, config, dial=dial, tls=None, connect_timeout_s=5.0)
        source = await Source.connect(backend, WHO, Pace())
        try:
            start = await source.place_to_begin()
            write()
            with connected(node, "binlog_format = ROW") as cursor:
                cursor.execute("CREATE TABLE IF NOT EXISTS test.mark (id INT PRIMARY KEY AUTO_INCREMENT)")
                cursor.execute("INSERT INTO test.mark VALUES (NULL)")
            conversation = await source.dump(start, Random())
            decoder, told = Decoder(), list[Event]()
            try:
                while True:
                    message = await conversation.next()
                    assert isinstance(message, bytes), message
                    for event in decoder.decode(message):
                        if isinstance(event, RowsChanged) and (event.table.schema, event.table.table) == MARK:
                            return told
                        told.append(event)
            finally:
                conversation.channel.abort()
        finally:
            source.close()

    return uvloop.run(read())
