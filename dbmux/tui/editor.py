"""The user's own editor, on a file or on a text."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from textual.app import App


def not_here(app: App[Any]) -> str:
    """Why no editor can be opened where this interface is seen; empty where it can."""
    return "a browser has no editor of yours: edit in a terminal, with `dbmux attach`" if app.is_web else ""


def opened(app: App[Any], file: Path, line: int) -> None:
    """Have a file edited; the interface stands still meanwhile, and nothing else does."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    # Without a repaint in between: a suspended terminal is written to by nobody.
    with app.suspend(), app.batch_update():
        subprocess.run([*shlex.split(editor), f"+{line}", str(file)], check=False)
    app.refresh()


def edited(app: App[Any], text: str) -> str:
    """What became of a text, which nobody else can read meanwhile; raises OSError."""
    with tempfile.TemporaryDirectory(prefix="dbmux-") as folder:
        file = Path(folder) / "statement.sql"
        file.write_text(text, encoding="utf-8", errors="replace")
        opened(app, file, 1)
        return file.read_text(encoding="utf-8", errors="replace").strip()
