"""The folder of one's own that commands run in."""

from __future__ import annotations

from tests.cli.conftest import here

__all__ = ["here"]
