"""Follows a configuration file and tells each new version of it.

A path comes in; configurations, or the errors of broken ones, go out, one per change of content. The parent folder is
watched, because editors replace files and Kubernetes swaps a symbolic link beside them; the content decides, at any
event and every two seconds. Never applies anything.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import watchfiles

from dbmux.config.load import load
from dbmux.config.model import Config
from dbmux.errors import ConfigError

DEBOUNCE_MS = 50
POLL_MS = 2000

Ticks = AsyncIterator[object]


def folder_ticks(path: Path, stop: asyncio.Event) -> Ticks:
    """One tick for every time that the file may have changed, until `stop`."""
    return watchfiles.awatch(
        path.parent,
        recursive=False,
        debounce=DEBOUNCE_MS,
        rust_timeout=POLL_MS,
        yield_on_timeout=True,
        watch_filter=None,
        stop_event=stop,
    )


class Watch:
    """Iterate over it for every new content; `touch` (on SIGHUP) has the present one told again."""

    def __init__(self, path: Path, environment: Mapping[str, str], ticks: Callable[[], Ticks]) -> None:
        self._path = path
        self._environment = environment
        self._ticks = ticks
        self._seen = self._digest()
        self._touched = False

    def touch(self) -> None:
        """Tell the file's content at the next tick even when it is not new."""
        self._touched = True

    async def __aiter__(self) -> AsyncIterator[Config | ConfigError]:
        async for _ in self._ticks():
            digest = self._digest()
            if digest == self._seen and not self._touched:
                continue
            self._seen, self._touched = digest, False
            try:
                yield load(self._path, self._environment)
            except ConfigError as error:
                yield error

    def _digest(self) -> bytes:
        try:
            return hashlib.sha256(self._path.read_bytes()).digest()
        except OSError:
            # In the middle of being replaced, or gone: gone is told as an error when it stays so.
            return b""
