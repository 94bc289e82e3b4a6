"""One local server: its data, its start, its end.

Software and a folder come in; a server that listens on the loopback address and a Unix socket goes out. Never uses port
3306, never signals a process that it did not start: the pid file holds the process's start time as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path

from dbmux.errors import DbMuxError
from dbmux.playground.packages import Kind, Software

# Below the range that Linux gives to outgoing connections, which usually begins at 32768 and on some systems at 16000.
FIRST_PORT, LAST_PORT = 13306, 14305
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
LONGEST_SOCKET_PATH = 100
PORT_ATTEMPTS = 5

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


class Node:
    """A server in `folder`, stopped or running; `options` are further options of the server's own."""

    def __init__(self, name: str, software: Software, folder: Path, options: tuple[str, ...] = ()) -> None:
        self.name = name
        self.software = software
        self.folder = folder
        self.options = options
        self.data = folder / f"data-{software.kind}-{software.version}"
        self.log = folder / "error.log"
        self._state = folder / "state.json"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """The TCP port, chosen at the first start and kept; 0 before."""
        return int(self._load().get("port", 0))

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
        state = self._load()
        pid = state.get("pid")
        if pid is None or started_at(int(pid)) != state.get("started"):
            return None
        return int(pid)

    def start(self, free_port: Callable[[], int] | None = None) -> None:
        """Initialise the data where there is none, and start; raises NodeFailed."""
        if self.pid is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.data.is_dir():
            self._initialise()
        port = self.port
        for attempt in range(PORT_ATTEMPTS):
            if not port or not is_free(port):
                port = (free_port or next_free_port)()
            try:
                self._launch(port)
                return
            except PortTaken:
                # Somebody took it between our look and the server's start.
                if attempt == PORT_ATTEMPTS - 1:
                    raise
                port = 0

    def seed(self, sql: str) -> None:
        """Run SQL as root, once in the life of this data; after a failure the data is made anew by the next start."""
        marker = self.folder / f"{self.data.name}.seeded"
        if marker.exists():
            return
        try:
            self.run(sql, "--default-character-set=utf8mb4")
        except NodeFailed:
            self.stop()
            shutil.rmtree(self.data)
            raise
        marker.touch()

    def stop(self) -> None:
        """End the server that `start` started, and nothing else."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_TIMEOUT_S
            while self._is_alive(pid):
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.05)
        if self._state.exists():
            self._save({"port": self.port})

    def wipe(self) -> None:
        """Remove the data of a stopped server."""
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

    def load(self, dump: Path) -> list[str]:
        """Run a dump to its end as root; returns what the server said of each statement that failed."""
        with dump.open("rb") as file:
            done = subprocess.run(
                self.client("--force"), stdin=file, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
            )
        return [line for line in done.stderr.decode(errors="replace").splitlines() if line.startswith("ERROR")]

    def last_log_lines(self, count: int = 15) -> str:
        """The end of the server's log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def _launch(self, port: int) -> None:
        self.log.unlink(missing_ok=True)
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [*self._command(), f"--port={port}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._process = process
        self._save({"port": port, "pid": process.pid, "started": started_at(process.pid)})
        self._wait_until_ready(process)

    def _is_alive(self, pid: int) -> bool:
        # A child that has ended must be collected, or it would count as alive for ever.
        if self._process is not None and self._process.pid == pid:
            return self._process.poll() is None
        return started_at(pid) is not None

    def _base(self) -> list[str]:
        software = self.software
        command = [*software.server, "--no-defaults", f"--datadir={self.data}", f"--tmpdir={self.folder}"]
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
            *self._base(),
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
        command = [option.replace(str(self.data), str(fresh)) for option in self._base()]
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
            path = share / name
            if not path.exists():
                path = share / name.replace("mariadb_", "mysql_")
            if path.exists():
                parts.append(path.read_bytes())
        return b"".join(parts)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while process.poll() is None and time.monotonic() < deadline:
            if b"ready for connections" in self.log.read_bytes():
                return
            time.sleep(0.05)
        if process.poll() is None:
            process.kill()
        failure = PortTaken if b"ddress already in use" in self.log.read_bytes() else NodeFailed
        raise failure(f"{self.name} ({self.software.version}) did not start:\n{self.last_log_lines()}")

    def _load(self) -> dict[str, int]:
        try:
            loaded = json.loads(self._state.read_text())
        except (OSError, ValueError):
            return {}
        return loaded if isinstance(loaded, dict) else {}

    def _save(self, state: dict[str, int | None]) -> None:
        part = self._state.with_suffix(".part")
        part.write_text(json.dumps(state))
        part.replace(self._state)


_MYSQL_SMALL = ["--mysqlx=OFF", "--innodb-redo-log-capacity=32M", "--performance-schema=OFF", "--disable-log-bin"]


def next_free_port(taken: Collection[int] = ()) -> int:
    """A free port of the playground's own range, other than those already given away."""
    for port in range(FIRST_PORT, LAST_PORT + 1):
        if port not in taken and is_free(port):
            return port
    raise NodeFailed(f"no port from {FIRST_PORT} to {LAST_PORT} is free")


def is_free(port: int) -> bool:
    """Whether nobody listens on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def started_at(pid: int) -> int | None:
    """When a process started, in the system's own unit; None when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else int(fields[19])
    except (OSError, ValueError, IndexError):
        return _started_at_by_ps(pid)


def _started_at_by_ps(pid: int) -> int | None:
    if Path("/proc/self/stat").exists():
        return None
    told = subprocess.run(("ps", "-o", "lstart=", "-p", str(pid)), capture_output=True, text=True, check=False).stdout
    return int.from_bytes(hashlib.sha256(told.encode()).digest()[:6], "big") if told.strip() else None
