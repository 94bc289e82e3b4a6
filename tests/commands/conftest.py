"""The folder of one's own that commands run in, and fake servers."""

from __future__ import annotations

from tests.cli.conftest import here, serve

__all__ = ["here", "serve"]
