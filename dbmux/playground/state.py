"""What is kept of a node from one command to the next: its port, its software, and which process it is.

A file comes in and goes out, and a pid only together with the moment when its process started: the same number may
belong to something else by now. A file that cannot be read is as none.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dbmux.playground.packages import Kind, Software


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A node as it was left; `started` is what `started_at` said of `pid`, `primary` whose replica it is, if it is."""

    port: int = 0
    pid: int | None = None
    started: str | None = None
    software: Software | None = None
    primary: str = ""

    @property
    def running(self) -> int | None:
        """The pid, if that very process is still there."""
        if self.pid is None or self.started is None or started_at(self.pid) != self.started:
            return None
        return self.pid


def read(path: Path) -> State:
    """The state in a file."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return State(
            port=int(told["port"]),
            pid=_or_none(int, told["pid"]),
            started=_or_none(str, told["started"]),
            software=_or_none(_software, told["software"]),
            primary=str(told.get("primary", "")),
        )
    except (OSError, ValueError, TypeError, KeyError):
        return State()


def write(path: Path, state: State) -> None:
    """Replace the file whole."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(state), default=str, indent=1), encoding="utf-8")
    part.replace(path)


def started_at(pid: int) -> str | None:
    """When a process started, as the system tells it, over restarts of the machine too; None when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _started_at_by_ps(pid)
    return None if fields[0] == "Z" else f"{boot} {fields[19]}"


def _started_at_by_ps(pid: int) -> str | None:
    told = subprocess.run(("ps", "-o", "lstart=", "-p", str(pid)), capture_output=True, text=True, check=False).stdout
    return told.strip() or None


def _or_none(read_value: Any, value: Any) -> Any:
    return None if value is None else read_value(value)


def _software(told: dict[str, Any]) -> Software:
    return Software(
        kind=Kind(told["kind"]),
        version=str(told["version"]),
        server=tuple(told["server"]),
        client=tuple(told["client"]),
        root=_or_none(Path, told["root"]),
    )
