"""The clients that people use, behind one call: log in, run a script, give back what came."""

from __future__ import annotations

import asyncio
import gc
import ssl
import subprocess
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Rows = list[list[str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Where and as whom."""

    host: str = "127.0.0.1"
    port: int
    user: str
    password: str
    schema: str = "test"
    tls: bool = False


Run = Callable[[Login, list[str]], list[Any]]


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes | bytearray) else None if value is None else str(value)


def _run_cursor(connection: Any, script: list[str]) -> list[Any]:
    told: list[Any] = []
    cursor = connection.cursor()
    for statement in script:
        try:
            cursor.execute(statement)
        except Exception as error:
            told.append(("error", getattr(error, "args", ("",))[0]))
            continue
        if cursor.description:
            names = [column[0] for column in cursor.description]
            told.append((names, [[_plain(value) for value in row] for row in cursor.fetchall()]))
        else:
            told.append(cursor.rowcount)
    cursor.close()
    return told


def _no_checks() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def pymysql_client(login: Login, script: list[str]) -> list[Any]:
    import pymysql

    connection = pymysql.connect(
        host=login.host,
        port=login.port,
        user=login.user,
        password=login.password.encode(),
        database=login.schema,
        ssl=_no_checks() if login.tls else None,
        ssl_disabled=not login.tls,
        autocommit=True,
    )
    try:
        return _run_cursor(connection, script)
    finally:
        connection.close()


def asyncmy_client(login: Login, script: list[str]) -> list[Any]:
    told: list[Any] = []
    refused: Exception | None = None
    try:
        told = asyncio.run(_asyncmy(login, script))
    except Exception as error:
        refused = type(error)(*error.args)
    # The last of a TLS connection, and the socket of a login that was refused, it leaves to the garbage collector.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    if refused is not None:
        raise refused
    return told


async def _asyncmy(login: Login, script: list[str]) -> list[Any]:
    import asyncmy

    connection = await asyncmy.connect(
        host=login.host,
        port=login.port,
        user=login.user,
        password=login.password,
        db=login.schema,
        ssl=_no_checks() if login.tls else None,
        autocommit=True,
    )
    told: list[Any] = []
    try:
        async with connection.cursor() as cursor:
            for statement in script:
                try:
                    await cursor.execute(statement)
                except Exception as error:
                    told.append(("error", getattr(error, "args", ("",))[0]))
                    continue
                if cursor.description:
                    names = [column[0] for column in cursor.description]
                    told.append((names, [[_plain(value) for value in row] for row in await cursor.fetchall()]))
                else:
                    told.append(cursor.rowcount)
    finally:
        connection.close()
    return told


def connector_client(login: Login, script: list[str]) -> list[Any]:
    import mysql.connector

    connection = mysql.connector.connect(
        host=login.host,
        port=login.port,
        user=login.user,
        password=login.password,
        database=login.schema,
        ssl_disabled=not login.tls,
        use_pure=True,
        autocommit=True,
        charset="utf8mb4",
        collation="utf8mb4_general_ci",
    )
    try:
        return _run_cursor(connection, script)
    finally:
        connection.close()


def mysqlclient_client(login: Login, script: list[str]) -> list[Any]:
    import MySQLdb

    connection = MySQLdb.connect(
        host=login.host,
        port=login.port,
        user=login.user,
        password=login.password,
        database=login.schema,
        charset="utf8mb4",
        autocommit=True,
        **({"ssl_mode": "REQUIRED"} if login.tls else {"ssl_mode": "DISABLED"}),
    )
    try:
        return _run_cursor(connection, script)
    finally:
        connection.close()


def sqlalchemy_client(login: Login, script: list[str]) -> list[Any]:
    import sqlalchemy

    url = sqlalchemy.URL.create(
        "mysql+pymysql",
        username=login.user,
        password=login.password,
        host=login.host,
        port=login.port,
        database=login.schema,
    )
    arguments = {"ssl": _no_checks()} if login.tls else {"ssl_disabled": True}
    engine = sqlalchemy.create_engine(url, connect_args=arguments, isolation_level="AUTOCOMMIT")
    told: list[Any] = []
    with engine.connect() as connection:
        for statement in script:
            try:
                result = connection.exec_driver_sql(statement)
            except sqlalchemy.exc.DBAPIError as error:
                told.append(("error", getattr(error.orig, "args", ("",))[0]))
                continue
            if result.returns_rows:
                told.append((list(result.keys()), [[_plain(value) for value in row] for row in result]))
            else:
                told.append(result.rowcount)
    engine.dispose()
    return told


def command_line_client(client: tuple[str, ...], kind: str) -> Run:
    """A `mariadb` or `mysql` program; `client` is how it is started."""

    def run(login: Login, script: list[str]) -> list[Any]:
        if kind == "mysql":
            tls = ["--ssl-mode=REQUIRED"] if login.tls else ["--ssl-mode=DISABLED", "--get-server-public-key"]
        else:
            tls = ["--ssl", "--skip-ssl-verify-server-cert"] if login.tls else ["--skip-ssl"]
        line = [*client, "--no-defaults", f"--host={login.host}", f"--port={login.port}", f"--user={login.user}"]
        line += ["--default-character-set=utf8mb4", "--force", "--batch", "--comments", *tls, login.schema]
        done = subprocess.run(
            line,
            input=";\n".join(script) + ";\n",
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
            env={"MYSQL_PWD": login.password, "PATH": "/usr/bin:/bin"},
            timeout=60,
        )
        return [done.returncode, done.stdout, done.stderr]

    return run


LIBRARIES: dict[str, Run] = {
    "pymysql": pymysql_client,
    "asyncmy": asyncmy_client,
    "connector": connector_client,
    "mysqlclient": mysqlclient_client,
    "sqlalchemy": sqlalchemy_client,
}
