"""Differences that are known defects of DbMux, and not yet mended: what they look like, and where they show.

A mark that is no longer true fails, so that this page can only become shorter.
"""

from __future__ import annotations

Where = dict[tuple[str, frozenset[str]], str]

# By the framing that each server's own client speaks.
KNOWN: Where = {}

# By the other framing: without DEPRECATE_EOF where the server's own client has it, and with it where not.
KNOWN_OTHERWISE: Where = {}


def defect_of(scenario: str, server: str, known: Where) -> str:
    """The known defect by which a scenario fails on a server, or nothing."""
    return next((why for (name, servers), why in known.items() if name == scenario and server in servers), "")
