"""What resets a connection whose server knows no COM_RESET_CONNECTION: a change of user, to the one that it has.

The account of a login comes in; the request and the answer to what the server then asks go out. Nothing is sent here.
MySQL has the command since 5.7.3, MariaDB since 10.2.4 (manual pages "mysql_reset_connection", "COM_RESET_CONNECTION").
Unlike that, a change of user leaves the session in no schema.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from dbmux.wire import auth
from dbmux.wire.handshake import AuthSwitch, ChangeUser, Greeting

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


def can_reset(greeting: Greeting) -> bool:
    """Whether the server knows COM_RESET_CONNECTION."""
    version = greeting.server_version.removeprefix(b"5.5.5-")
    numbers = tuple(int(number) for number in re.findall(rb"\d+", version)[:3])
    # By its name: those that have it not do not clear the flag that MySQL always sets.
    return numbers >= (_RESETS_SINCE_MARIADB if b"MariaDB" in version else _RESETS_SINCE_MYSQL)
