"""What servers said of themselves, remembered over restarts.

A client must be greeted with the real server's version before any server is dialled for it, and after a restart with
the server down as well. Greetings go into a small file and come out by address. A file that cannot be read or written
costs nothing but the memory.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from dbmux.wire.handshake import Greeting


class GreetingMemory:
    """Greetings by address, in `path`; None keeps them for this life only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, dict[str, int | str]] = {}
        if path is not None:
            with contextlib.suppress(OSError, ValueError):
                loaded = json.loads(path.read_text())
                self._known = loaded if isinstance(loaded, dict) else {}

    def recall(self, address: str) -> Greeting | None:
        """What the server at this address last said, or None."""
        entry = self._known.get(address)
        if entry is None:
            return None
        try:
            return Greeting(
                server_version=str(entry["version"]).encode("latin-1"),
                connection_id=0,
                scramble=b"",
                capabilities=int(entry["capabilities"]),
                charset=int(entry["charset"]),
                status=int(entry["status"]),
                plugin=str(entry["plugin"]).encode("latin-1"),
            )
        except (KeyError, TypeError, ValueError):
            return None

    def remember(self, address: str, greeting: Greeting) -> None:
        """Keep what a server said; writes the file only when it is news."""
        entry: dict[str, int | str] = {
            "version": greeting.server_version.decode("latin-1"),
            "capabilities": greeting.capabilities,
            "charset": greeting.charset,
            "status": greeting.status,
            "plugin": greeting.plugin.decode("latin-1"),
        }
        if self._known.get(address) == entry:
            return
        self._known[address] = entry
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part = self._path.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps(self._known, indent=1))
            part.replace(self._path)
