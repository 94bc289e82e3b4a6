"""Rows in a file, for their owner alone: in the form that its name ends in."""

from __future__ import annotations

import os
from enum import Enum, auto
from pathlib import Path

from dbmux.feed.copy import Form

FORMS = {
    ".json": Form.JSON,
    ".csv": Form.CSV,
    ".md": Form.MARKDOWN,
    ".sql": Form.BOUND,
    ".py": Form.PYTHON,
}


class Existing(Enum):
    """What becomes of a file that is there."""

    KEEP = auto()
    REPLACE = auto()


def named(name: str) -> Path:
    """The file that was named, perhaps from one's home folder on."""
    return Path(name).expanduser()


def form_of(path: Path) -> Form | None:
    """The form that a file's name asks for."""
    return FORMS.get(path.suffix.lower())


def write(path: Path, text: str, existing: Existing) -> None:
    """Write the file; raises FileExistsError for one to be kept, and OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    target = path if existing is Existing.KEEP else path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(target, flags, 0o600), "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    if target != path:
        target.replace(path)
