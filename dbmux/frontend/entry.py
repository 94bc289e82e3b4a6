"""The backend's side of a login: a new connection, or a change of user on one that is open.

A login policy (dbmux.frontend.login) decides what is asked; an entry knows how it is carried. Out goes the conversation
with the server, which the session keeps.
"""

from __future__ import annotations

from typing import Protocol

from dbmux.backend import login as backend_login
from dbmux.backend.login import Credentials
from dbmux.backend.server import Backend, Origin, Wish
from dbmux.net.conversation import Conversation
from dbmux.wire import auth
from dbmux.wire.client import ClientProtocol, ServerMessage
from dbmux.wire.handshake import AuthSwitch, ChangeUser
from dbmux.wire.replies import Ok


class Entry(Protocol):
    """A way into the backend."""

    backend: Backend
    conversation: Conversation[ServerMessage] | None

    async def ask(self, who: Credentials) -> Conversation[ServerMessage]:
        """Have the server ask for the account's own plugin with a fresh scramble; no password is needed."""

    async def log_in(self, who: Credentials) -> Ok:
        """Log in with a known password; raises BackendRefused or MySQLError."""


class NewConnection:
    """The way in by a connection of its own, dialled when it is first needed."""

    def __init__(self, backend: Backend, wish: Wish, origin: Origin | None) -> None:
        self.backend = backend
        self.conversation: Conversation[ServerMessage] | None = None
        self._wish = wish
        self._origin = origin

    async def ask(self, who: Credentials) -> Conversation[ServerMessage]:
        """Dial, and log in with a plugin that no server knows."""
        conversation = await self._reach()
        protocol = conversation.protocol
        assert isinstance(protocol, ClientProtocol)
        request = backend_login.login_request(self.backend, self._wish, who, b"", auth.UNKNOWN)
        conversation.send(protocol.log_in(request))
        return conversation

    async def log_in(self, who: Credentials) -> Ok:
        """Dial, and log in."""
        return await backend_login.log_in(self.backend, await self._reach(), self._wish, who)

    async def _reach(self) -> Conversation[ServerMessage]:
        self.conversation = await self.backend.reach(self._wish, self._origin)
        return self.conversation


class UserChange:
    """The way in by COM_CHANGE_USER on the session's own connection."""

    def __init__(self, backend: Backend, conversation: Conversation[ServerMessage], charset: int) -> None:
        self.backend = backend
        self.conversation: Conversation[ServerMessage] | None = conversation
        self._open = conversation
        self._charset = charset

    async def ask(self, who: Credentials) -> Conversation[ServerMessage]:
        """Change the user with a plugin that no server knows."""
        protocol = self._open.protocol
        assert isinstance(protocol, ClientProtocol)
        request = ChangeUser(
            user=who.user,
            answer=b"",
            schema=who.schema,
            charset=self._charset,
            plugin=auth.UNKNOWN,
            attributes=who.attributes,
        )
        self._open.send(protocol.change_user(request))
        return self._open

    async def log_in(self, who: Credentials) -> Ok:
        """Change the user, proving the password as the server asks."""
        conversation = await self.ask(who)
        return await backend_login.prove(
            self.backend, conversation, who.password, AuthSwitch(plugin=auth.UNKNOWN, scramble=b"")
        )
