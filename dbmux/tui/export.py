"""Rows in a file: in the form that its name ends in."""

from __future__ import annotations

from pathlib import Path

from dbmux.feed.copy import Form

FORMS = {
    ".json": Form.JSON,
    ".csv": Form.CSV,
    ".md": Form.MARKDOWN,
    ".sql": Form.BOUND,
    ".py": Form.PYTHON,
}


def named(name: str) -> Path:
    """The file that was named, perhaps from one's home folder on."""
    return Path(name).expanduser()


def form_of(path: Path) -> Form | None:
    """The form that a file's name asks for."""
    return FORMS.get(path.suffix.lower())
