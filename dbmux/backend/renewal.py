"""What resets a connection whose server knows no COM_RESET_CONNECTION: a change of user, to the one that it has.

The account of a login comes in; the request and the answer to what the server then asks go out, and whether a reset
leaves a connection as a login makes it. Nothing is sent here.
MySQL has the command since 5.7.3, MariaDB since 10.2.4 (manual pages "mysql_reset_connection", "COM_RESET_CONNECTION").
Unlike that, a change of user leaves the session in no schema.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dbmux.wire import auth
from dbmux.wire.capabilities import Capability
from dbmux.wire.handshake import AuthSwitch, ChangeUser, Greeting

# From these a server derives at a login what a reset takes away again: wait_timeout, and on MariaDB the sql_mode.
LOST_BY_RESET = int(Capability.INTERACTIVE)
LOST_BY_RESET_ON_MARIADB = Capability.INTERACTIVE | Capability.IGNORE_SPACE
_RESETS_SINCE_MYSQL, _RESETS_SINCE_MARIADB = (5, 7, 3), (10, 2, 4)


@dataclass(frozen=True, slots=True)
class Renewal:
    """As whom the connection is logged in; the password never shows in a repr."""

    user: bytes
    charset: int
    password: auth.Secret = field(repr=False)

    def request(self) -> ChangeUser:
        """Ask for the account's own plugin with a fresh scramble, by one that no server knows."""
        return ChangeUser(user=self.user, answer=b"", schema=b"", charset=self.charset, plugin=auth.UNKNOWN)

    def answer(self, asked: AuthSwitch) -> bytes | None:
        """The proof that the plugin wants, or None where it cannot be given at once."""
        return auth.answer_to(asked.plugin, self.password, asked.scramble)


def is_lost_by_reset(greeting: Greeting, capabilities: int, init_connect: bytes) -> bool:
    """Whether something of a login is lost by a reset, so that only a new connection is like a new one."""
    flags = LOST_BY_RESET_ON_MARIADB if greeting.is_mariadb else LOST_BY_RESET
    return bool(capabilities & flags or init_connect)


def can_reset(greeting: Greeting) -> bool:
    """Whether the server knows COM_RESET_CONNECTION."""
    # By its name: those that have it not do not clear the flag that MySQL always sets.
    since = _RESETS_SINCE_MARIADB if "MariaDB" in greeting.version else _RESETS_SINCE_MYSQL
    return greeting.numbers >= since
