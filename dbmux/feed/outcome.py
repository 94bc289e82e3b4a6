"""What became of an order, in one sentence: the same for the commands and the live interface.

The order's name and what the engine answered come in, a sentence goes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbmux.feed.units import many


def outcome(what: str, told: Mapping[str, Any]) -> str:
    """What became of it."""
    match what:
        case "cache.flush":
            of = f"{told['table']}: " if told["table"] else ""
            return f"{of}{many(told['results'], 'result')} will not be used any more"
        case "config.save":
            return f"followed from now on: {told['file']}"
        case "drain" if told["backend"] is None:
            return "draining: no new clients, and DbMux ends with the last one"
        case "drain":
            return f"{told['backend']} takes no more reads; {many(told['busy'], 'connection')} to it in use now"
        case "kill" if told["killed"] == "connection":
            return f"the connection of {told['session']} is ended"
        case "kill":
            return f"what runs for {told['session']} is being stopped"
        case "resume":
            names = told["backends"]
            return f"{', '.join(names)} take{'s'[: len(names) == 1]} reads again" if names else "no server was drained"
        case _:
            return "; ".join(told["changes"]) or "nothing changes"
