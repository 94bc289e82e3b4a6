"""A query that runs for too long is stopped at the server as well, where that is possible."""

from __future__ import annotations

import time
from pathlib import Path

import pymysql
import pytest

from tests.real.conftest import ACCOUNT, PASSWORD, Server, serve, wait_until_served
from tests.real.ports import free_port

pytestmark = pytest.mark.real

RUNNING = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'INSERT INTO overdue%'"


def test_an_overdue_write_is_not_committed_behind_the_clients_back(server: Server, tmp_path: Path) -> None:
    port = free_port()
    config = {
        "listen": f"127.0.0.1:{port}",
        "backends": {"db": f"127.0.0.1:{server.port}"},
        "users": {ACCOUNT: PASSWORD},
        "timeouts": {"query": "500ms"},
    }
    process = serve(tmp_path, config)
    try:
        wait_until_served(port)
        server.node.run("DROP TABLE IF EXISTS test.overdue; CREATE TABLE test.overdue (id INT)")
        connection = pymysql.connect(
            host="127.0.0.1", port=port, user=ACCOUNT, password=PASSWORD.encode(), database="test", autocommit=True
        )

        with pytest.raises(pymysql.err.MySQLError) as overdue, connection.cursor() as cursor:
            cursor.execute("INSERT INTO overdue SELECT 7 FROM (SELECT SLEEP(4)) slow")

        assert overdue.value.args[0] == (3024 if server.is_mysql else 1969)
        while server.node.run(RUNNING).split()[-1] != "0":
            time.sleep(0.05)
        assert server.node.run("SELECT COUNT(*) FROM test.overdue").split()[-1] == "0"
    finally:
        process.terminate()
        assert process.wait(30) == 0
