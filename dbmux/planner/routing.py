"""What role a query needs, by what it means: only what surely does nothing but read may go to a replica.

A query comes in, a route goes out. Never looks at a session, a rule or a server.
"""

from __future__ import annotations

from dbmux.query import Access, Kind, Query
from dbmux.routes import READ, ROUTES, Reason, Role, Route

_BY_ACCESS = {
    Access.LOCKING_READ: ROUTES[Role.PRIMARY, Reason.LOCKING_READ],
    Access.WRITE: ROUTES[Role.PRIMARY, Reason.WRITE],
    Access.UNSURE: ROUTES[Role.PRIMARY, Reason.UNSURE],
}
_READ_ONLY_TRANSACTION = ROUTES[Role.REPLICA, Reason.READ_ONLY_TRANSACTION]
_DIAGNOSTICS = ROUTES[Role.PRIMARY, Reason.DIAGNOSTICS]
_SESSION = ROUTES[Role.PRIMARY, Reason.SESSION]


def route_by_meaning(query: Query) -> Route:
    """Where a query goes that nothing else decides."""
    if query.kind in (Kind.SET, Kind.USE):
        return _SESSION
    if query.access is not Access.READ:
        return _BY_ACCESS[query.access]
    if query.needs:
        return _DIAGNOSTICS
    if query.kind is Kind.BEGIN:
        return _READ_ONLY_TRANSACTION
    return READ if query.is_self_contained else _SESSION
