"""Prepared statements of many sessions over shared connections, on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from dbmux.playground.node import Node
from dbmux.wire.replies import Err
from tests.differential.client import Connection, Login
from tests.differential.steps import Execute, Prepare, Sql, execute
from tests.real.conftest import ACCOUNT, PASSWORD, SERVERS, START_TIMEOUT_S, serve, wait_until_served
from tests.real.ports import free_port

pytestmark = pytest.mark.real

SESSIONS, STATEMENTS = 10, 15
# Less than all of them on each connection, more than the sessions themselves have.
AT_MOST, PLENTY = 200, 200_000


@pytest.fixture(params=SERVERS)
def node(nodes: dict[str, Node], request: pytest.FixtureRequest) -> Iterator[Node]:
    node = nodes[request.param]
    yield node
    node.run(f"SET GLOBAL max_prepared_stmt_count = {PLENTY}")


@pytest.fixture(params=[AT_MOST, PLENTY], ids=["known", "told too late"])
def port(node: Node, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    """DbMux before a server that keeps few statements, which it learns when it logs in there, or not at all."""
    port = free_port()
    node.run(f"SET GLOBAL max_prepared_stmt_count = {request.param}")
    process = serve(
        tmp_path,
        {
            "listen": {f"127.0.0.1:{port}": "db"},
            "backends": {"db": {"address": f"127.0.0.1:{node.port}"}},
            "users": {ACCOUNT: PASSWORD},
            "timeouts": {"drain": "5s"},
        },
    )
    try:
        wait_until_served(port)
        node.run(f"SET GLOBAL max_prepared_stmt_count = {AT_MOST}")
        yield port
    finally:
        process.terminate()
        assert process.wait(START_TIMEOUT_S) == 0


def test_the_statements_of_all_connections_are_no_more_than_the_server_keeps(port: int) -> None:
    with ExitStack() as stack:
        sessions = [stack.enter_context(closing(_Session(port, number))) for number in range(SESSIONS)]

        for turn in range(SESSIONS):
            # Each one on a connection for itself, and every turn on another one.
            for session in sessions[turn:] + sessions[:turn]:
                session.ask(Sql(b"BEGIN"))
                session.execute_all()
            for session in sessions:
                session.ask(Sql(b"COMMIT"))


class _Session:
    """A client with statements that no other one has."""

    def __init__(self, port: int, number: int) -> None:
        self._connection = Connection(port, Login(user=ACCOUNT, password=PASSWORD, schema=b"test"))
        for each in range(STATEMENTS):
            self.ask(Prepare(str(each), b"SELECT %d, %d, ?" % (number, each)))
        if number % 2:
            # From where a connection is brought into another schema to prepare them there, and back.
            self.ask(Sql(b"USE information_schema"))

    def ask(self, command: Prepare | Sql | Execute) -> None:
        reply = self._connection.ask(command, _nobody)
        assert not [message for message in reply if isinstance(message, Err)], reply

    def execute_all(self) -> None:
        for each in range(STATEMENTS):
            self.ask(execute(str(each), 5))

    def close(self) -> None:
        self._connection.close()


def _nobody(session: str) -> int:
    raise AssertionError(session)
