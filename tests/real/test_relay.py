"""Relayed logins over a connection that an earlier one left: as good as a new one, nothing of the former is there."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.constants import CLIENT

from tests.real.conftest import ACCOUNT, PASSWORD, START_TIMEOUT_S, Server, serve, wait_until_served
from tests.real.ports import free_port

pytestmark = pytest.mark.real

LOGINS = 8


@pytest.fixture
def relay(server: Server, tmp_path: Path) -> Iterator[int]:
    """The port of a DbMux of the test's own."""
    yield from _relay(tmp_path, {"address": f"127.0.0.1:{server.port}"})


@pytest.fixture
def relay_in_tls(server: Server, tmp_path: Path) -> Iterator[int]:
    """The same, with TLS towards the server."""
    yield from _relay(tmp_path, {"address": f"127.0.0.1:{server.port}", "tls": "required"})


@pytest.fixture
def relay_over_one(server: Server, tmp_path: Path) -> Iterator[int]:
    """The same, with one connection for all."""
    yield from _relay(tmp_path, {"address": f"127.0.0.1:{server.port}", "max_connections": 1})


def _relay(folder: Path, backend: dict[str, object]) -> Iterator[int]:
    port = free_port()
    process = serve(folder, {"listen": f"127.0.0.1:{port}", "backends": {"db": backend}})
    try:
        wait_until_served(port)
        yield port
    finally:
        process.terminate()
        assert process.wait(30) == 0


def _connect(port: int, user: str = ACCOUNT, password: str = PASSWORD, **options: Any) -> Connection:
    return pymysql.connect(host="127.0.0.1", port=port, user=user, password=password.encode(), **options)


def _ask(connection: Connection, sql: str) -> tuple[object, ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone() or ()


def _in_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _leave(connection: Connection, server: Server) -> object:
    """Close it, and wait until the server has nothing of it any more: its number at the server is returned."""
    (number,) = _ask(connection, "SELECT CONNECTION_ID()")
    _ask(connection, "SELECT GET_LOCK('held until the session is over', 10)")
    connection.close()
    with closing(_connect(server.port)) as direct:
        _until(lambda: _ask(direct, "SELECT IS_FREE_LOCK('held until the session is over')") == (1,))
    return number


def _count_logins(connection: Connection) -> int:
    # DbMux's own probes are logins that fail.
    connections, aborted = (
        int(str(_ask(connection, f"SHOW GLOBAL STATUS LIKE '{name}'")[1]))
        for name in ("Connections", "Aborted_connects")
    )
    return connections - aborted


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _error(port: int, user: str, password: str) -> tuple[int, str]:
    with pytest.raises(pymysql.err.OperationalError) as refused:
        _connect(port, user, password)
    number, message = refused.value.args
    return number, message


def _account(server: Server, name: str, password: str) -> None:
    server.node.run(
        f"DROP USER IF EXISTS {name}; CREATE USER {name} IDENTIFIED BY '{password}'; GRANT ALL ON test.* TO {name}"
    )


def test_logins_one_after_the_other_need_one_connection_of_the_server(server: Server, relay: int) -> None:
    with closing(_connect(server.port)) as direct:
        _leave(_connect(relay), server)
        before = _count_logins(direct)
        numbers = set()
        for _ in range(LOGINS):
            connection = _connect(relay)
            numbers.add(_ask(connection, "SELECT CONNECTION_ID()"))
            _leave(connection, server)
        after = _count_logins(direct)

    assert len(numbers) == 1
    # What `_leave` asks directly is counted as well.
    assert after - before == LOGINS


def test_nothing_is_left_of_the_former_client(server: Server, relay: int) -> None:
    former = _connect(relay, database="test", autocommit=True, init_command="SET NAMES latin1")
    for sql in (
        "SET @a = 1",
        "SET SESSION sql_mode = 'ANSI', SESSION wait_timeout = 77",
        "CREATE TEMPORARY TABLE left_behind (a INT)",
        "PREPARE left_behind FROM 'SELECT 1'",
        "SELECT LAST_INSERT_ID(5)",
        "CREATE TABLE IF NOT EXISTS locked (a INT)",
        "LOCK TABLES locked WRITE",
    ):
        _ask(former, sql)
    questions = (
        "SELECT DATABASE(), @a, @@sql_mode, @@wait_timeout, @@autocommit, LAST_INSERT_ID()",
        "SELECT @@character_set_client, @@character_set_results, @@collation_connection",
        "SELECT CURRENT_USER()",
    )
    with closing(_connect(server.port)) as direct:
        expected = [_ask(direct, sql) for sql in questions]

    number = _leave(former, server)
    latter = _connect(relay)

    assert _ask(latter, "SELECT CONNECTION_ID()") == (number,)
    assert [_ask(latter, sql) for sql in questions] == expected
    for sql in ("SELECT * FROM test.left_behind", "EXECUTE left_behind"):
        with pytest.raises(pymysql.err.MySQLError):
            _ask(latter, sql)
    with closing(_connect(server.port)) as direct:
        _ask(direct, "DROP TABLE test.locked")
    latter.close()


def test_the_next_user_has_its_own_rights_and_schema(server: Server, relay: int) -> None:
    _account(server, "lesser", "its own")
    number = _leave(_connect(relay), server)

    lesser = _connect(relay, "lesser", "its own", database="test")

    assert _ask(lesser, "SELECT CONNECTION_ID()") == (number,)
    assert _ask(lesser, "SELECT CURRENT_USER(), DATABASE()") == ("lesser@%", "test")
    with pytest.raises(pymysql.err.MySQLError) as refused:
        _ask(lesser, "SELECT * FROM mysql.user")
    assert refused.value.args[0] == 1142
    lesser.close()


def test_the_next_user_has_not_the_former_ones_role(server: Server, relay_over_one: int) -> None:
    _account(server, "lesser", "its own")
    _account(server, "greater", "its own")
    server.node.run(
        "CREATE DATABASE IF NOT EXISTS hidden; CREATE TABLE IF NOT EXISTS hidden.t (a INT); DROP ROLE IF EXISTS seer;"
        "CREATE ROLE seer; GRANT SELECT ON hidden.* TO seer; GRANT seer TO greater;"
        f"SET DEFAULT ROLE seer {'TO' if server.is_mysql else 'FOR'} greater"
    )
    for _ in range(2):
        with closing(_connect(relay_over_one, "greater", "its own", autocommit=True)) as greater:
            assert _ask(greater, "SELECT COUNT(*) FROM hidden.t") == (0,)
            number = _ask(greater, "SELECT CONNECTION_ID()")

        with closing(_connect(relay_over_one, "lesser", "its own", autocommit=True)) as lesser:
            assert _ask(lesser, "SELECT CONNECTION_ID()") == number
            assert _ask(lesser, "SELECT CURRENT_ROLE()") == ("NONE" if server.is_mysql else None,)
            with pytest.raises(pymysql.err.MySQLError) as refused:
                _ask(lesser, "SELECT * FROM hidden.t")
        assert refused.value.args[0] == 1142


def _refusal(port: int, user: str) -> str:
    # MariaDB asks for a name that is not there as for one of its accounts, which may have a plugin that PyMySQL lacks.
    with pytest.raises((pymysql.err.OperationalError, RuntimeError)) as refused:
        _connect(port, user, "wrong")
    return str(refused.value.args[0])


def test_a_wrong_password_after_a_right_one_is_refused_by_the_server(server: Server, relay: int) -> None:
    number = _leave(_connect(relay), server)

    refused = [_refusal(relay, user) for user in (ACCOUNT, "nobody_at_all")]
    fine = _connect(relay)

    assert refused == [_refusal(server.port, user) for user in (ACCOUNT, "nobody_at_all")]
    assert refused[0] == "1045"
    # A connection on which a change of user failed is closed.
    assert _ask(fine, "SELECT CONNECTION_ID()") != (number,)
    fine.close()


def test_a_changed_password_is_noticed_at_once(server: Server, relay: int) -> None:
    _account(server, "changing", "old")
    _leave(_connect(relay, "changing", "old"), server)

    server.node.run("SET PASSWORD FOR changing = " + ("'new'" if server.is_mysql else "PASSWORD('new')"))

    assert _error(relay, "changing", "old")[0] == 1045
    _connect(relay, "changing", "new").close()


def test_two_passwords_of_a_rotation_work_in_turn(mysql9: Server, tmp_path: Path) -> None:
    _account(mysql9, "rotating", "old")
    mysql9.node.run("ALTER USER rotating IDENTIFIED BY 'new' RETAIN CURRENT PASSWORD")
    for port in _relay(tmp_path, {"address": f"127.0.0.1:{mysql9.port}"}):
        numbers = {_leave(_connect(port, "rotating", password), mysql9) for password in ("old", "new", "old", "new")}
        mysql9.node.run("ALTER USER rotating DISCARD OLD PASSWORD")

        assert len(numbers) == 1
        assert _error(port, "rotating", "old")[0] == 1045
        _connect(port, "rotating", "new").close()


@pytest.mark.parametrize("way", ["relay", "relay_in_tls"])
@pytest.mark.parametrize("is_private", [False, True], ids=["client plain", "client in TLS"])
def test_an_exchange_works_over_it_cold_and_warm(
    way: str, is_private: bool, server: Server, request: pytest.FixtureRequest
) -> None:
    port = request.getfixturevalue(way)
    options: dict[str, Any] = {"ssl": _in_tls()} if is_private else {"ssl_disabled": True}
    number = _leave(_connect(port, **options), server)
    server.forget_logins()

    told = []
    for _ in ("cold", "warm"):
        connection = _connect(port, **options)
        told.append(_ask(connection, "SHOW STATUS LIKE 'Ssl_version'")[1] != "")
        assert _leave(connection, server) == number

    assert told == [way == "relay_in_tls"] * 2


@pytest.mark.parametrize("flag", [CLIENT.INTERACTIVE, CLIENT.IGNORE_SPACE], ids=["INTERACTIVE", "IGNORE_SPACE"])
def test_what_a_change_of_user_would_lose_gets_a_new_connection(flag: int, server: Server, relay: int) -> None:
    sql = "SELECT @@wait_timeout = @@interactive_timeout, @@sql_mode LIKE '%IGNORE_SPACE%'"
    with closing(_connect(server.port, client_flag=flag)) as direct:
        _ask(direct, "SET GLOBAL interactive_timeout = 1234")
    with closing(_connect(server.port, client_flag=flag)) as direct:
        expected = _ask(direct, sql)
    try:
        numbers = set()
        for _ in range(2):
            connection = _connect(relay, client_flag=flag)
            assert _ask(connection, sql) == expected
            numbers.add(_leave(connection, server))
    finally:
        server.node.run("SET GLOBAL interactive_timeout = 28800")

    assert len(numbers) == 2


def test_clients_of_another_kind_get_a_connection_of_their_kind(server: Server, relay: int) -> None:
    number = _leave(_connect(relay), server)

    counting = _connect(relay, client_flag=CLIENT.FOUND_ROWS, autocommit=True, database="test")
    _ask(counting, "CREATE TABLE IF NOT EXISTS counted (a INT) SELECT 1 AS a")
    with counting.cursor() as cursor:
        assert cursor.execute("UPDATE counted SET a = a") > 0
    _ask(counting, "DROP TABLE counted")
    own = _leave(counting, server)

    assert own != number
    assert _leave(_connect(relay, client_flag=CLIENT.FOUND_ROWS), server) == own
    assert _leave(_connect(relay), server) == number


@pytest.mark.parametrize("is_private", [False, True], ids=["plain", "TLS"])
def test_init_connect_runs_for_every_client(is_private: bool, server: Server, relay: int) -> None:
    _account(server, "greeted", "a")
    server.node.run("SET GLOBAL init_connect = 'SET @greeted = 5'")
    options: dict[str, Any] = {"ssl": _in_tls()} if is_private else {"ssl_disabled": True}
    try:
        for _ in range(2):
            connection = _connect(relay, "greeted", "a", **options)
            assert _ask(connection, "SELECT @greeted") == (5,)
            _leave(connection, server)
    finally:
        server.node.run("SET GLOBAL init_connect = ''")


def test_an_account_with_few_connections_finds_them_free(server: Server, relay: int) -> None:
    _account(server, "few", "a")
    server.node.run("ALTER USER few WITH MAX_USER_CONNECTIONS 1")
    _leave(_connect(relay, "few", "a"), server)

    def one_more() -> bool:
        try:
            _connect(server.port, "few", "a").close()
        except pymysql.err.OperationalError as error:
            assert error.args[0] == 1226
            return False
        return True

    _until(one_more)


def test_a_connection_that_was_killed_while_idle_is_replaced_unseen(server: Server, relay: int) -> None:
    number = _leave(_connect(relay), server)
    server.node.run(f"KILL {number}")

    connection = _connect(relay)

    assert _ask(connection, "SELECT CONNECTION_ID()") != (number,)
    connection.close()


def test_a_kill_hits_the_session_that_has_the_connection_now(server: Server, relay: int) -> None:
    _leave(_connect(relay), server)
    victim, other = _connect(relay), _connect(relay)

    _ask(other, f"KILL {victim.thread_id()}")

    with pytest.raises(pymysql.err.OperationalError):
        _ask(victim, "SELECT 1")
    assert _ask(other, "SELECT 1") == (1,)
    other.close()


@pytest.mark.parametrize("schema", ["test", "nowhere"])
@pytest.mark.parametrize("is_private", [False, True], ids=["client plain", "client in TLS"])
def test_a_login_may_choose_a_schema_where_the_way_to_the_server_is_in_tls(
    schema: str, is_private: bool, server: Server, relay_in_tls: int
) -> None:
    options: dict[str, Any] = {"ssl": _in_tls()} if is_private else {"ssl_disabled": True}

    def chosen(port: int) -> object:
        try:
            with closing(_connect(port, database=schema, **options)) as connection:
                return _ask(connection, "SELECT DATABASE()")
        except pymysql.MySQLError as error:
            return error.args

    assert [chosen(relay_in_tls) for _ in range(2)] == [chosen(server.port)] * 2


DIAGNOSED = (
    "SELECT missing", "SHOW WARNINGS", "SELECT CAST('x' AS SIGNED)", "SHOW COUNT(*) WARNINGS", "SELECT @@warning_count",
    "SELECT missing", "SELECT FOUND_ROWS()", "SHOW ERRORS", "SELECT missing", "GET DIAGNOSTICS @n = NUMBER",
    "SELECT @n", "SELECT 1 UNION SELECT 2", "SELECT FOUND_ROWS()", "SELECT ROW_COUNT()", "DO 1 / 0", "SHOW WARNINGS",
)  # fmt: skip


def test_who_has_a_connection_of_its_own_is_told_of_errors_and_warnings_as_directly(server: Server, relay: int) -> None:
    def told(port: int) -> list[object]:
        answers: list[object] = []
        with closing(_connect(port)) as connection, connection.cursor() as cursor:
            for sql in DIAGNOSED:
                try:
                    cursor.execute(sql)
                    answers.append((sql, cursor.fetchall(), cursor.warning_count))
                except pymysql.MySQLError as error:
                    answers.append((sql, error.args))
        return answers

    assert told(relay) == told(server.port)


KEEPERS = {
    "MariaDB": ("SET profiling = 1", "SHOW PROFILES"),
    "MySQL": ("SET optimizer_trace = 'enabled=on'", "SELECT QUERY FROM information_schema.OPTIMIZER_TRACE"),
}


@pytest.mark.parametrize("ends", [(), ("SET profiling = 0",)], ids=["kept on", "switched off again"])
def test_nobody_reads_what_a_server_kept_of_the_statements_of_who_had_the_connection_before(
    ends: tuple[str, ...], server: Server, relay_over_one: int
) -> None:
    begin, show = KEEPERS["MySQL" if server.is_mysql else "MariaDB"]
    first = _connect(relay_over_one, autocommit=True)
    for sql in (begin, "SELECT 'secret', COUNT(*) FROM mysql.db", *ends):
        _ask(first, sql)
    first.close()

    with closing(_connect(relay_over_one)) as second, second.cursor() as cursor:
        cursor.execute(show)
        assert "secret" not in str(cursor.fetchall())
