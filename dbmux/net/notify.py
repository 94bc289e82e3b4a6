"""Telling the service manager how this process is (manual page sd_notify).

States come in, datagrams go out, or nothing where nobody asked for them. Never waits and never fails.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Speaks to the socket that the environment names."""

    __slots__ = ("_path",)

    def __init__(self, environment: Mapping[str, str]) -> None:
        # A leading @ stands for the zero byte of an abstract name.
        path = environment.get("NOTIFY_SOCKET", "")
        self._path = "\0" + path[1:] if path.startswith("@") else path

    def ready(self) -> None:
        """Clients are accepted, or a reload is over."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """The configuration is being read again; `ready` follows."""
        # Microseconds of the monotonic clock: which reload it is (Type=notify-reload).
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The process is about to end."""
        self._tell("STOPPING=1")

    def _tell(self, state: str) -> None:
        if not self._path:
            return
        # A service manager that does not listen is no reason not to serve.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.setblocking(False)
            sending.sendto(state.encode(), self._path)
