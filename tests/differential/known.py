"""Differences that are known: what they look like, where they show, and why they stay.

A mark that is no longer true fails, so that this page can only become shorter. docs/pinning.md tells users of them.
"""

from __future__ import annotations

from tests.differential.steps import MYSQL

Where = dict[tuple[str, frozenset[str]], str]

# What servers remember by accident; without it, what DbMux's clients get is what they asked for.
_FIRST_TYPES = (
    "MySQL takes any text for a number where it got one before; a write cannot be rehearsed to make it do so elsewhere"
)

# By the framing that each server's own client speaks.
KNOWN: Where = {
    ("a number and then text that is none, in a write", MYSQL): _FIRST_TYPES,
}

# By the other framing: without DEPRECATE_EOF where the server's own client has it, and with it where not. Only some
# scenarios are played in it, unless a long run is asked for.
KNOWN_OTHERWISE: Where = KNOWN


def defect_of(scenario: str, server: str, known: Where) -> str:
    """The known difference by which a scenario fails on a server, or nothing."""
    return next((why for (name, servers), why in known.items() if name == scenario and server in servers), "")
