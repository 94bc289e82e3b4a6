"""Whether the account of the check sees all that is there: a dictionary leaves out what one has no rights on, and says
nothing of it.

What was read of the server comes in, a sentence goes out, or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from dbmux.backend.service import Service
from dbmux.upgrade.server import Grant, Server

# To see all definitions.
_NEEDED = frozenset(("SELECT", "SHOW VIEW", "TRIGGER", "EVENT"))
# Servers know roles from these versions on.
_ROLES = ((8, 0), (10, 0, 5))


async def who(service: Service, server: Server) -> tuple[str, tuple[str, ...]]:
    """The account of a connection, as grants have it, and the roles in force."""
    role = b"CURRENT_ROLE()" if server.reaches(*_ROLES) else b"NULL"
    (row,) = await service.ask(b"SELECT CURRENT_USER(),%b" % role)
    user, roles = ((value or b"").decode("utf-8", "replace") for value in row)
    name, _, host = user.rpartition("@")
    named = [one.partition("@")[0].strip("`") for one in roles.split(",")]
    return f"'{name}'@'{host}'", tuple(one for one in named if one not in ("", "NONE"))


def unseen(server: Server, account: str, roles: Iterable[str], patterns: tuple[str, ...]) -> tuple[str, ...]:
    """What the account needs to see all, or to see the schemas that `patterns` choose."""
    if patterns and not server.schemas:
        return (f"{server.name} has no schema called {', '.join(patterns)} that its account may see",)
    held = [
        grant
        for grant in server.grants
        if not grant.table and (grant.account == account or any(_is_role(grant.account, role) for role in roles))
    ]
    lacking = _NEEDED - {grant.privilege for grant in held if not grant.schema}
    if patterns:
        # Rights on each of the schemas are as good.
        lacking = frozenset(one for one in lacking if not all(_holds(held, one, schema) for schema in server.schemas))
    if not lacking:
        return ()
    return (
        f"what is on {server.name} without the account of this check seeing it: GRANT {', '.join(sorted(lacking))} "
        f"ON *.* TO {account}",
    )


def _is_role(account: str, role: str) -> bool:
    return account.partition("@")[0].strip("'") == role


def _holds(held: list[Grant], privilege: str, schema: str) -> bool:
    return any(grant.privilege == privilege and _is_about(grant.schema, schema) for grant in held)


def _is_about(pattern: str, schema: str) -> bool:
    # In a grant % and _ stand for others, unless there is a backslash before them.
    parts = re.split(r"(\\.|%|_)", pattern)
    shapes = {"%": ".*", "_": "."}
    shape = "".join(shapes.get(part) or re.escape(part.removeprefix("\\")) for part in parts)
    return bool(pattern) and re.fullmatch(shape, schema, re.DOTALL) is not None
