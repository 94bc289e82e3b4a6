"""Files for their owner alone: written whole or not at all, and one that is there only replaced when that is meant.

A path, a text and what becomes of a file that is there come in; raises FileExistsError for one to be kept, and OSError.
"""

from __future__ import annotations

import os
from enum import Enum, auto
from pathlib import Path


class Existing(Enum):
    """What becomes of a file that is there."""

    KEEP = auto()
    REPLACE = auto()


def write(path: Path, text: str, existing: Existing) -> None:
    """Write the file."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    target = path if existing is Existing.KEEP else path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(target, flags, 0o600), "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    if target != path:
        target.replace(path)
