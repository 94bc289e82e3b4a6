"""A client's session: its settings, what it asks, and the rows that come, as text or prepared.

Statements go out, the values of rows come back. A refusal is an exception, and so is a lost connection.
"""

from __future__ import annotations

from dataclasses import dataclass

from dbmux.wire.capabilities import Capability as C
from dbmux.wire.client import ColumnCount, Row
from dbmux.wire.columns import Column, FieldType
from dbmux.wire.replies import Err
from dbmux.wire.rows import parse_binary_row, parse_text_row
from tests.differential.client import PLAIN, Connection, Garbled, Gone, Login, Message, Silence
from tests.differential.steps import ChangeUser, Command, InitDb, Send, Sql, execute, prepare

LETTERS = {"utf8mb4": "é".encode(), "latin1": "é".encode("latin-1")}
MOMENTS = {"+00:00": "2020-01-01 00:00:00", "+05:00": "2020-01-01 05:00:00"}
FORMS = (PLAIN, PLAIN | int(C.DEPRECATE_EOF))

_TEXT = Column(name=b"", type=FieldType.VAR_STRING, charset=45, length=255, flags=0)
Values = tuple[bytes | None, ...]


class Lost(Exception):
    """The connection is gone, or what came made no sense."""


class Refused(Exception):
    """The server's error, by its number."""

    def __init__(self, error: Err) -> None:
        super().__init__(f"{error.number}: {error.message.decode('utf-8', 'replace')}")
        self.number = error.number


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who logs in."""

    name: str
    password: str
    is_trusted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """All on which a session's results depend."""

    user: User
    schema: str
    names: str = "utf8mb4"
    zone: str = "+00:00"
    form: int = PLAIN


class Session:
    """A logged-in session at one port."""

    def __init__(self, port: int, setting: Setting) -> None:
        self.setting = setting
        login = Login(
            user=setting.user.name,
            password=setting.user.password,
            schema=setting.schema.encode(),
            capabilities=setting.form,
        )
        self._connection = Connection(port, login)
        self._prepared: set[str] = set()
        _checked(self._connection.login_reply, "login")
        self._settle(setting)

    @property
    def number(self) -> int:
        """By which other sessions can kill it."""
        return self._connection.connection_id

    def ask(self, text: str) -> Values | None:
        """Run a statement; its first row, if it has one."""
        return _first(self._ask(Sql(text.encode())), is_binary=False)

    def execute(self, schema: str, text: str, *values: int | str) -> Values | None:
        """The same by a prepared statement, prepared once, in `schema`."""
        name = f"{schema}: {text}"
        if name not in self._prepared:
            self._ask(prepare(name, text))
            self._prepared.add(name)
        return _first(self._ask(execute(name, *values)), is_binary=True)

    def can_execute(self, schema: str, text: str) -> bool:
        """Whether it is prepared already, or would be prepared in the right schema."""
        return self.setting.schema == schema or f"{schema}: {text}" in self._prepared

    def send(self, text: str) -> None:
        """Send a statement and do not wait."""
        self._connection.ask(Send(text.encode()), _nobody)

    def change(self, setting: Setting) -> None:
        """Become another: by a change of user where that is needed."""
        before = self.setting
        assert setting.form == before.form
        if setting.user != before.user:
            user = setting.user
            self._ask(ChangeUser(user=user.name, password=user.password, schema=setting.schema.encode()))
            self._prepared.clear()
            self._settle(setting)
        else:
            if setting.schema != before.schema:
                self._ask(InitDb(setting.schema.encode()))
            self._settle(setting)
        self.setting = setting

    def close(self) -> None:
        """Hang up, whatever is under way."""
        self._connection.close()

    def _settle(self, setting: Setting) -> None:
        self.ask(f"SET NAMES {setting.names}")
        self.ask(f"SET time_zone = '{setting.zone}'")

    def _ask(self, command: Command) -> tuple[Message, ...]:
        return _checked(self._connection.ask(command, _nobody), str(command))


def _checked(reply: tuple[Message, ...], what: str) -> tuple[Message, ...]:
    for message in reply:
        match message:
            case Err():
                raise Refused(message)
            case Gone() | Silence() | Garbled():
                raise Lost(f"{what}: {message}")
    return reply


def _first(reply: tuple[Message, ...], *, is_binary: bool) -> Values | None:
    columns = next((message.count for message in reply if isinstance(message, ColumnCount)), 0)
    for message in reply:
        if isinstance(message, Row):
            if not is_binary:
                return parse_text_row(message.payload, columns)
            values = parse_binary_row(message.payload, (_TEXT,) * columns)
            return tuple(value if isinstance(value, bytes) else None for value in values)
    return None


def _nobody(session: str) -> int:
    raise AssertionError(f"there is no session {session} here")
