"""One local server: its data, its start, its end.

Software and a folder come in; a server that listens on the loopback address and a Unix socket goes out. Never uses port
3306, never signals a process that it did not start: the pid file holds the process's start time as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from dbmux.errors import DbMuxError
from dbmux.playground import state
from dbmux.playground.dump import Failure, failures, schema_for
from dbmux.playground.packages import Kind, Software
from dbmux.playground.state import State
from dbmux.sync.dumped import lines, without_replication

# Below the range that Linux gives to outgoing connections, which usually begins at 32768 and on some systems at 16000.
PORTS = range(13306, 14306)
STATE_FILE = "state.json"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
LONGEST_SOCKET_PATH = 100
PORT_ATTEMPTS = 5
PAUSE_S = 0.05

# The system tables; before MariaDB 11 these files were called mysql_*.
_BOOTSTRAP = (
    "mariadb_system_tables.sql",
    "mariadb_performance_tables.sql",
    "mariadb_system_tables_data.sql",
    "fill_help_tables.sql",
    "maria_add_gis_sp_bootstrap.sql",
    "mariadb_sys_schema.sql",
)


class NodeFailed(DbMuxError):
    """A server did not do what it was told; the message ends with its last log lines."""


class PortTaken(NodeFailed):
    """Another process has the port."""


class _Server(subprocess.Popen[bytes]):
    """A server outlives whoever started it: nobody is to be warned of one that still runs."""

    def __del__(self) -> None:
        """Leave it alone."""


class Node:
    """A server in `folder`, stopped or running; `options` are further options of the server's own.

    `primary` is the name of the node whose replica it is, or nothing.
    """

    def __init__(
        self,
        name: str,
        software: Software,
        folder: Path,
        options: tuple[str, ...] = (),
        primary: str = "",
        stop_timeout_s: float = STOP_TIMEOUT_S,
    ) -> None:
        self.name = name
        self.software = software
        self.folder = folder
        self.options = options
        self.primary = primary
        self.data = folder / f"data-{software.kind}-{software.series}"
        self.log = folder / "error.log"
        self._stop_timeout_s = stop_timeout_s
        self._seeded = folder / f"{self.data.name}.seeded"
        self._file = folder / STATE_FILE
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def found_in(cls, folder: Path) -> Node | None:
        """The node that was started last in this folder; None where none was."""
        left = state.read(folder / STATE_FILE)
        return cls(folder.name, left.software, folder, primary=left.primary) if left.software is not None else None

    @property
    def port(self) -> int:
        """The TCP port, chosen at the first start and kept; 0 before."""
        return state.read(self._file).port

    @property
    def socket(self) -> Path:
        """The Unix socket; a long folder gets a short stand-in, as the system takes only some 100 characters."""
        path = self.folder / "server.sock"
        if len(str(path)) < LONGEST_SOCKET_PATH:
            return path
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"dbmux-{digest}.sock"

    @property
    def pid(self) -> int | None:
        """The running server's pid; None when it is not running, or when the number belongs to something else now."""
        return state.read(self._file).running

    @property
    def is_seeded(self) -> bool:
        """Whether `seed` has come to its end with this data."""
        return self._seeded.exists()

    def start(self, free_port: Callable[[], int] | None = None) -> None:
        """Initialise the data where there is none, and start; raises NodeFailed."""
        if self.pid is not None:
            running = state.read(self._file).software
            if running is not None and running != self.software:
                raise NodeFailed(f"{self.name} is running as {running}; stop it first: dbmux playground down")
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.data.is_dir():
            self._initialise()
        port, taken = self.port, set[int]()
        for attempt in range(PORT_ATTEMPTS):
            if not port or port in taken or not is_free(port):
                port = (free_port or next_free_port)()
            if port in taken:
                # The caller knows no other.
                port = next_free_port(taken)
            try:
                self._launch(port)
                return
            except PortTaken:
                # Somebody took it between our look and the server's start.
                if attempt == PORT_ATTEMPTS - 1:
                    raise
                taken.add(port)

    def seed(self, sql: str) -> None:
        """Run SQL as root, once in the life of this data; after a failure the data is good for `discard` only."""
        if not self.is_seeded:
            self.run(sql, "--default-character-set=utf8mb4")
            self._seeded.touch()

    def discard(self) -> None:
        """Remove the data of a stopped server, of this version alone."""
        shutil.rmtree(self.data, ignore_errors=True)
        self._seeded.unlink(missing_ok=True)

    def stop(self) -> None:
        """End the server that `start` started, and nothing else: politely, and by force when it does not end."""
        self._signal(signal.SIGTERM)
        if not self._ends():
            self._signal(signal.SIGKILL)
            self._ends()
        left = state.read(self._file)
        if left.pid is not None:
            state.write(self._file, replace(left, pid=None, started=None))

    def wipe(self) -> None:
        """Remove all that a stopped server has, the data of every version that ran here."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self, *arguments: str, user: str = "root") -> list[str]:
        """The command of the server's own client, over the Unix socket."""
        return [*self.software.client, "--no-defaults", f"--socket={self.socket}", f"--user={user}", *arguments]

    def run(self, sql: str, *arguments: str) -> str:
        """Run SQL as root; raises NodeFailed with the server's error."""
        done = subprocess.run(self.client(*arguments), input=sql, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NodeFailed(f"{self.name}: {done.stderr.strip()}")
        return done.stdout

    def load(self, dump: Path) -> list[Failure]:
        """Run a dump to its end as root; returns what failed. Raises BadDump, or NodeFailed when the server is gone.

        A dump that names no schema goes into one of its own, called like the file. What it says of replication is left
        out: that is about the server where it was made.
        """
        # In binary mode the client obeys no commands in the file: not `\\!`, nor the sandbox line of MariaDB's dumps.
        arguments = ["--force", "--binary-mode", "--default-character-set=utf8mb4"]
        if (schema := schema_for(dump)) is not None:
            self.run(f"CREATE DATABASE IF NOT EXISTS `{schema.replace('`', '``')}`")
            arguments.append(f"--database={schema}")
        with tempfile.TemporaryFile() as errors:
            client = subprocess.Popen(
                self.client(*arguments), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors
            )
            with contextlib.suppress(BrokenPipeError), client:
                assert client.stdin is not None
                for line in without_replication(lines(dump)):
                    client.stdin.write(line)
            errors.seek(0)
            told = errors.read().decode(errors="replace")
        failed = failures(dump, told)
        if client.returncode and not failed:
            raise NodeFailed(f"{self.name}: {told.strip()}")
        return failed

    def last_log_lines(self, count: int = 15) -> str:
        """The end of the server's log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def _launch(self, port: int) -> None:
        self.log.unlink(missing_ok=True)
        # Of a server that was killed: MySQL takes the number in it for a process that has the socket.
        self.socket.with_name(f"{self.socket.name}.lock").unlink(missing_ok=True)
        with self.log.open("wb") as log:
            process = _Server(
                [*self._command(), f"--port={port}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._process = process
        started = state.started_at(process.pid)
        begun = State(port=port, pid=process.pid, started=started, software=self.software, primary=self.primary)
        state.write(self._file, begun)
        self._wait_until_ready(process)

    def _signal(self, number: signal.Signals) -> None:
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _ends(self) -> bool:
        deadline = time.monotonic() + self._stop_timeout_s
        while self.pid is not None and time.monotonic() < deadline:
            time.sleep(PAUSE_S)
        if self._process is not None:
            # A child that has ended stays until it is collected.
            self._process.poll()
        return self.pid is None

    def _base(self, data: Path) -> list[str]:
        software = self.software
        command = [*software.server, "--no-defaults", f"--datadir={data}", f"--tmpdir={self.folder}"]
        if software.root is not None:
            command += [
                f"--basedir={software.root / 'usr'}",
                f"--lc-messages-dir={software.share}",
                f"--character-sets-dir={software.share / 'charsets'}",
                f"--plugin-dir={software.root / 'usr/lib/mysql/plugin'}",
            ]
        if os.getuid() == 0:
            command.append("--user=root")
        return command

    def _command(self) -> list[str]:
        own = ["--innodb-log-file-size=16M"] if self.software.kind is Kind.MARIADB else _MYSQL_SMALL
        return [
            *self._base(self.data),
            *own,
            "--bind-address=127.0.0.1",
            f"--socket={self.socket}",
            f"--pid-file={self.folder / 'server.pid'}",
            "--innodb-flush-log-at-trx-commit=2",
            "--secure-file-priv=",
            *self.options,
        ]

    def _initialise(self) -> None:
        fresh = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        command = self._base(fresh)
        script = None
        if self.software.kind is Kind.MARIADB:
            fresh.mkdir(parents=True)
            script = self._bootstrap_script()
            command += [
                "--bootstrap",
                "--max-allowed-packet=8M",
                "--net-buffer-length=16K",
                "--innodb-log-file-size=16M",
            ]
        else:
            command += ["--initialize-insecure"]
        done = subprocess.run(command, input=script, capture_output=True, check=False)
        self.log.write_bytes(done.stdout + done.stderr)
        if done.returncode:
            raise NodeFailed(f"{self.name} cannot make its data:\n{self.last_log_lines()}")
        fresh.rename(self.data)

    def _bootstrap_script(self) -> bytes:
        share = self.software.share
        parts = [b"CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n"]
        for name in _BOOTSTRAP:
            try:
                parts.append(_first(share / name, share / name.replace("mariadb_", "mysql_")).read_bytes())
            except OSError as error:
                raise NodeFailed(f"{self.name}: {error}; is all of {self.software}'s package installed?") from error
        return b"".join(parts)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while process.poll() is None and time.monotonic() < deadline:
            if b"ready for connections" in self.log.read_bytes():
                return
            time.sleep(PAUSE_S)
        if process.poll() is None:
            process.kill()
            process.wait()
        failure = PortTaken if b"ddress already in use" in self.log.read_bytes() else NodeFailed
        raise failure(f"{self.name} ({self.software}) did not start:\n{self.last_log_lines()}")


_MYSQL_SMALL = ["--mysqlx=OFF", "--innodb-redo-log-capacity=32M", "--performance-schema=OFF", "--disable-log-bin"]


def _first(path: Path, other: Path) -> Path:
    return path if path.exists() else other


def next_free_port(taken: Collection[int] = (), ports: Sequence[int] = PORTS) -> int:
    """A free one of `ports`, usually the playground's own, other than those already given away."""
    for port in ports:
        if port not in taken and is_free(port):
            return port
    raise NodeFailed(f"no port from {ports[0]} to {ports[-1]} is free")


def is_free(port: int) -> bool:
    """Whether nobody listens on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
