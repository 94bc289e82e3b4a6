"""The folders that travel with the package: docs and recipes.

A name comes in, a folder goes out: inside the installed package, or beside it in a checkout.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """The folder `docs` or `recipes`."""
    installed = PACKAGE / name
    return installed if installed.is_dir() else PACKAGE.parent / name
