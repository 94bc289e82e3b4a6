"""What servers said of themselves, remembered over restarts.

A client must be greeted with the real server's version before any server is dialled for it, and after a restart with
the server down as well. Greetings go into a small file and come out by address. A file that cannot be read or written
costs nothing but the memory.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from dbmux.wire.handshake import Greeting

Entry = Mapping[str, int | str]


class GreetingMemory:
    """Greetings by address, in `path`; None keeps them for this life only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known = _read(path)

    def recall(self, address: str) -> Greeting | None:
        """What the server at this address last said, or None."""
        entry = self._known.get(address)
        if entry is None:
            return None
        return Greeting(
            server_version=str(entry["version"]).encode("latin-1"),
            connection_id=0,
            scramble=b"",
            capabilities=int(entry["capabilities"]),
            charset=int(entry["charset"]),
            status=int(entry["status"]),
            plugin=str(entry["plugin"]).encode("latin-1"),
        )

    def remember(self, address: str, greeting: Greeting) -> None:
        """Keep what a server said; writes the file only when it is news."""
        entry: Entry = {
            "version": greeting.server_version.decode("latin-1"),
            "capabilities": greeting.capabilities,
            "charset": greeting.charset,
            "status": greeting.status,
            "plugin": greeting.plugin.decode("latin-1"),
        }
        if self._known.get(address) == entry:
            return
        # Other processes remember other servers in the same file.
        self._known = _read(self._path) | self._known | {address: entry}
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part = self._path.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps(self._known, indent=1), encoding="utf-8")
            part.replace(self._path)


def _read(path: Path | None) -> dict[str, Entry]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8")) if path is not None else {}
    except (OSError, ValueError, RecursionError):
        return {}
    found = loaded.items() if isinstance(loaded, dict) else ()
    return {address: entry for address, entry in found if _is_usable(entry)}


def _is_usable(entry: object) -> bool:
    # Someone may have had a hand in the file, and a greeting must be built of what stands there.
    if not isinstance(entry, dict):
        return False
    return all(_is_text(entry.get(name)) for name in ("version", "plugin")) and all(
        _is_number(entry.get(name), bits) for name, bits in (("capabilities", 64), ("charset", 8), ("status", 16))
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and all(0 < ord(letter) < 256 for letter in value)


def _is_number(value: object, bits: int) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << bits
