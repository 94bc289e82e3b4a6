"""With whose rights a user's statement is run once more: the user's own, where DbMux knows the password.

A running engine, a user's name and a server come in; an account goes out, with what is said of it. Without one it is
the service account. Nobody's password is told.
"""

from __future__ import annotations

from collections.abc import Iterator

from dbmux.backend.reading import Rights
from dbmux.backend.server import Backend
from dbmux.config.model import Account
from dbmux.frontend.frontend import Frontend


def rights_of(name: str, backend: Backend, frontend: Frontend, service: Account | None) -> tuple[Rights, str] | None:
    """The account at a server for what a user ran, and whose rights these are; None where there is none."""
    known = next(_known(name, backend, frontend), None) if name else None
    if known is not None:
        return known, f"the rights of {name}"
    if service is None:
        return None
    return Rights(user=service.user.encode(), password=service.password.encode()), "the rights of the service account"


def _known(name: str, backend: Backend, frontend: Frontend) -> Iterator[Rights]:
    learnt, users = frontend.learnt.credentials, frontend.settings.users
    user = users.get(name)
    if user is not None:
        account = (user.backend_user or name).encode()
        if (password := user.backend_password or user.password) is not None:
            yield Rights(user=account, password=password.encode())
        elif user.password_hash is not None and (shown := learnt.get((user.password_hash, name.encode()))):
            yield Rights(user=account, password=shown.password)
    if users:
        return
    # A password that one server of a group took is good for the others.
    groups = [group for group in frontend.topology.groups.values() if backend in group.members]
    for member in (backend, *(member for group in groups for member in group.members)):
        if (shown := learnt.get((member.name, name.encode()))) is not None:
            yield Rights(user=shown.user, password=shown.password)
