"""What an exchange of DbMux's own leaves on the connection for the session that goes on there."""

from __future__ import annotations

from dbmux.backend.connection import Exchange
from dbmux.errors import BackendRefused, MySQLError
from dbmux.wire import packet
from dbmux.wire.commands import Command
from dbmux.wire.replies import Err, Ok, Status
from tests.backend.pools import Stage


def test_an_exchange_that_fails_leaves_the_status_of_what_was_done_before() -> None:
    connection = Stage().new_connection()
    connection.scanner.status = 0
    refused: list[BackendRefused | MySQLError] = []
    commands = [(Command.QUERY, b"SET autocommit=1"), (Command.STMT_PREPARE, b"SELECT * FROM missing")]
    Exchange(commands, lambda answers: None, refused.append).begin(connection)

    connection.received(packet.encode(Ok(status=Status.AUTOCOMMIT).build(0), 1))
    connection.received(packet.encode(Err(number=1146, message=b"no such table").build(), 1))

    assert [error.number for error in refused if isinstance(error, BackendRefused)] == [1146]
    # Otherwise whoever gets an error there next would be taken for one without autocommit, and in a transaction.
    assert connection.scanner.status == Status.AUTOCOMMIT
