"""Writing into the configuration file: one more item of a list, and everything else as people wrote it.

A file, a path in it and an item come in; the file is replaced as a whole, under the rights that it had, and only if
what it says then can be used. Raises CannotInsert, ConfigError or OSError, and then nothing has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path as File
from typing import Any

from dbmux.config import load
from dbmux.config.insert import inserted
from dbmux.config.jsonc import Path


def append(file: File, path: Path, item: Any, environment: Mapping[str, str]) -> None:
    """Put an item at the end of a list, which is made where it is missing."""
    changed = inserted(load.read(file), path, item)
    load.loads(changed, str(file), environment)
    # A symbolic link stays one; nobody reads half of a file.
    there = file.resolve()
    part = there.with_name(f".{there.name}.part")
    part.touch(mode=0o600)
    part.write_text(changed, "utf-8")
    part.chmod(there.stat().st_mode & 0o7777)
    part.replace(there)
