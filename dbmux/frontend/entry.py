"""The backend's side of a relayed login: a new connection, or a change of user on one that is open.

A login policy (dbmux.frontend.login) decides what is asked; an entry knows how it is carried. Out goes the conversation
with the server, which the session keeps.
"""

from __future__ import annotations

from typing import Protocol

from dbmux.backend import login as backend_login
from dbmux.backend.connection import Connection
from dbmux.backend.login import Credentials
from dbmux.backend.server import Backend, Origin, Wish
from dbmux.net.conversation import Conversation
from dbmux.wire import auth
from dbmux.wire.client import ClientProtocol, ServerMessage
from dbmux.wire.handshake import ChangeUser


class Entry(Protocol):
    """A way into the backend."""

    backend: Backend
    conversation: Conversation[ServerMessage] | None

    async def ask(self, who: Credentials) -> ServerMessage:
        """Have the server ask for the account's own plugin with a fresh scramble; no password is needed.

        What it says first is returned: to be asked is the rule, but not the only possibility.
        """


class NewConnection:
    """The way in by a connection of its own, dialled when it is first needed."""

    def __init__(self, backend: Backend, wish: Wish, origin: Origin | None) -> None:
        self.backend = backend
        self.conversation: Conversation[ServerMessage] | None = None
        self._wish = wish
        self._origin = origin

    async def ask(self, who: Credentials) -> ServerMessage:
        """Dial, and log in with a plugin that no server knows."""
        conversation = self.conversation = await self.backend.reach(self._wish, self._origin)
        protocol = conversation.protocol
        assert isinstance(protocol, ClientProtocol)
        request = backend_login.login_request(self.backend, self._wish, who, b"", auth.UNKNOWN)
        conversation.send(protocol.log_in(request))
        return await backend_login.next_message(self.backend, conversation)


class UserChange:
    """The way in by COM_CHANGE_USER on a connection that is open, and from now on in the conversation's hands."""

    def __init__(self, backend: Backend, connection: Connection, charset: int) -> None:
        self.backend = backend
        self._protocol = ClientProtocol.logged_in(connection.greeting, connection.capabilities)
        self._open: Conversation[ServerMessage] = Conversation(connection.channel, self._protocol)
        self.conversation: Conversation[ServerMessage] | None = self._open
        self._charset = charset
        connection.channel.owner = self._open

    async def ask(self, who: Credentials) -> ServerMessage:
        """Change the user with a plugin that no server knows."""
        request = ChangeUser(
            user=who.user,
            answer=b"",
            schema=who.schema,
            charset=self._charset,
            plugin=auth.UNKNOWN,
            attributes=who.attributes,
        )
        self._open.send(self._protocol.change_user(request))
        return await backend_login.next_message(self.backend, self._open)
