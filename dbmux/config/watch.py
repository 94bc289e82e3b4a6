"""Notices when a configuration file says something new.

A path comes in; configurations, or the errors of broken ones, go out, one per change of content. The parent folder is
watched, because editors replace files and Kubernetes swaps a symbolic link beside them; the content decides, at any
event and every two seconds. Never applies anything.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import watchfiles

from dbmux.config.load import load
from dbmux.config.model import Config
from dbmux.errors import ConfigError

DEBOUNCE_MS = 50
POLL_MS = 2000


async def folder_ticks(path: Path, poll_ms: int = POLL_MS) -> AsyncIterator[None]:
    """A tick whenever the file may have changed, and at least one every `poll_ms`."""
    try:
        async for _ in watchfiles.awatch(
            path.parent,
            recursive=False,
            debounce=DEBOUNCE_MS,
            rust_timeout=poll_ms,
            yield_on_timeout=True,
            watch_filter=None,
        ):
            yield
    except (OSError, RuntimeError):
        # The system has no watch left, or the folder is gone: looking now and then is enough.
        while True:
            await asyncio.sleep(poll_ms / 1000)
            yield


class Watch:
    """What a file says, compared with what it said when it was last read; `known` is what was read at the start."""

    def __init__(self, path: Path, environment: Mapping[str, str], known: Config) -> None:
        self._path = path
        self._environment = environment
        self._known: Config | None = known
        self._seen: bytes | None = None
        self._is_unsettled = False

    def news(self) -> Config | ConfigError | None:
        """What the file says if that is new; to be asked at every tick."""
        digest = self._digest()
        if digest == self._seen:
            self._is_unsettled = False
            return None
        if not digest and not self._is_unsettled:
            # Gone or empty, as in the middle of being replaced or written: only what stays so counts.
            self._is_unsettled = True
            return None
        known = self._known
        found = self.now()
        # The file may have changed after it was read at the start and before anybody watched it.
        return None if found == known else found

    def now(self) -> Config | ConfigError:
        """What the file says, new or not."""
        self._seen, self._is_unsettled, self._known = self._digest(), False, None
        try:
            return load(self._path, self._environment)
        except ConfigError as error:
            return error

    def _digest(self) -> bytes:
        try:
            content = self._path.read_bytes()
        except OSError:
            return b""
        return hashlib.sha256(content).digest() if content.strip() else b""
