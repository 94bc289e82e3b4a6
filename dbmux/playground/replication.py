"""Replication among local servers: the options of a primary and its replicas, who follows whom, and whether it does.

Nodes that run come in; replicas that have all that their primary has go out. By GTIDs, so that primaries may change.
Raises `NodeFailed` with the replica's own error and what to do about it.
"""

from __future__ import annotations

import time
from enum import Enum

from dbmux.playground.node import PAUSE_S, Node, NodeFailed
from dbmux.playground.packages import Kind

FOLLOW_TIMEOUT_S = 30.0
ANEW = "start again from nothing: dbmux playground down --wipe"
# It protects nothing: the servers listen on the loopback address alone.
ACCOUNT, PASSWORD = "replication", "replication-password"

_GTIDS = {
    Kind.MARIADB: ("--gtid-strict-mode=ON", "--log-slave-updates=ON", "--binlog-format=ROW"),
    Kind.MYSQL: ("--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--log-replica-updates=ON"),
}
# Mirrors need the names of columns; older servers have nothing of the kind.
_NAMES = "--loose-binlog-row-metadata=FULL"
_READ_ONLY = {Kind.MARIADB: ("--read-only=ON",), Kind.MYSQL: ("--read-only=ON", "--super-read-only=ON")}
_FOLLOW = {
    # TLS is not wanted, and the default in MariaDB 11. Who was a primary counts what it wrote itself as replicated.
    Kind.MARIADB: (
        "STOP SLAVE; SET GLOBAL gtid_slave_pos = @@gtid_current_pos;"
        " CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, MASTER_USER='{user}',"
        " MASTER_PASSWORD='{password}', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1, MASTER_SSL=0; START SLAVE;"
    ),
    Kind.MYSQL: (
        "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, SOURCE_USER='{user}',"
        " SOURCE_PASSWORD='{password}', SOURCE_AUTO_POSITION=1, SOURCE_CONNECT_RETRY=1, SOURCE_HEARTBEAT_PERIOD=1,"
        " GET_SOURCE_PUBLIC_KEY=1;"
        " START REPLICA;"
    ),
}
_STATUS = {Kind.MARIADB: "SHOW SLAVE STATUS", Kind.MYSQL: "SHOW REPLICA STATUS"}
_NEW_WORDS_SINCE = (8, 2)
_THREADS = {
    Kind.MARIADB: ("Slave_IO_Running", "Slave_SQL_Running"),
    Kind.MYSQL: ("Replica_IO_Running", "Replica_SQL_Running"),
}
_POSITION = {Kind.MARIADB: "SELECT @@gtid_binlog_pos", Kind.MYSQL: "SELECT @@gtid_executed"}
# Both give 0 when the position was reached within a second.
_REACHED = {
    Kind.MARIADB: "SELECT MASTER_GTID_WAIT('{position}', 1)",
    Kind.MYSQL: "SELECT WAIT_FOR_EXECUTED_GTID_SET('{position}', 1)",
}


class Part(Enum):
    """What a node is in replication."""

    PRIMARY = "primary"
    REPLICA = "replica"


def options(part: Part, kind: Kind, number: int) -> tuple[str, ...]:
    """The server's options; `number` is its own among those that replicate."""
    own = (f"--server-id={number}", "--log-bin=binlog", "--relay-log=relay", "--sync-binlog=0", *_GTIDS[kind], _NAMES)
    return own + _READ_ONLY[kind] if part is Part.REPLICA else own


def account() -> str:
    """The SQL that lets replicas log in at their primary; they get it by replication, to be primaries one day."""
    return f"CREATE USER '{ACCOUNT}'@'%' IDENTIFIED BY '{PASSWORD}'; GRANT REPLICATION SLAVE ON *.* TO '{ACCOUNT}'@'%';"


def follow(replica: Node, primary: Node, timeout_s: float = FOLLOW_TIMEOUT_S) -> None:
    """Have a replica follow a primary, and return when it has all that the primary has by now."""
    position = _position(primary)
    replica.run(_FOLLOW[replica.software.kind].format(port=primary.port, user=ACCOUNT, password=PASSWORD))
    _wait(replica, primary, position, timeout_s)


def catch_up(replica: Node, primary: Node, timeout_s: float) -> None:
    """Return when a replica has all that its primary has by now."""
    _wait(replica, primary, _position(primary), timeout_s)


def log_end(node: Node) -> str:
    """Where the node's binary log ends, as `binlog.000012:4711`."""
    is_new = node.software.kind is Kind.MYSQL and _numbers(node.software.version) >= _NEW_WORDS_SINCE
    told = node.run("SHOW BINARY LOG STATUS" if is_new else "SHOW MASTER STATUS", "--skip-column-names", "--raw")
    file, offset, *_ = told.split("\t")
    return f"{file}:{offset}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".")[:2])


def _position(primary: Node) -> str:
    # Together in one line: sets of several servers come with line breaks.
    return "".join(primary.run(_POSITION[primary.software.kind], "--skip-column-names", "--raw").split())


def _wait(replica: Node, primary: Node, position: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not _follows(replica) or not _has(replica, position):
        if time.monotonic() > deadline:
            raise NodeFailed(f"{replica.name} does not catch up with {primary.name} in {timeout_s:g} s; {ANEW}")
        time.sleep(PAUSE_S)


def _follows(replica: Node) -> bool:
    kind = replica.software.kind
    told = {}
    for line in replica.run(_STATUS[kind], "--vertical").splitlines():
        name, _, value = line.partition(":")
        told[name.strip()] = value.strip()
    error = told.get("Last_SQL_Error") or told.get("Last_IO_Error")
    if error:
        raise NodeFailed(f"{replica.name} does not follow: {error}; {ANEW}")
    return all(told.get(thread) == "Yes" for thread in _THREADS[kind])


def _has(replica: Node, position: str) -> bool:
    reached = replica.run(_REACHED[replica.software.kind].format(position=position), "--skip-column-names")
    return reached.strip() == "0"
