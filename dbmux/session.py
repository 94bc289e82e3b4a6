"""What a session is at its server, as a value: schema, character sets, variables. It is carried between connections.

Effects of statements that succeeded come in, the state afterwards goes out; two states come in, the SQL that turns one
into the other goes out. Never talks to a server. What cannot be said in such a state pins the session instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dbmux.query import ChangeSchema, Effect, SetNames, SetUserVariable, SetVariable
from dbmux.sql.variables import reset

# The variables that SET NAMES sets; they belong together and are not among the other variables.
NAMES = ("character_set_client", "character_set_connection", "character_set_results", "collation_connection")
Pairs = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Names:
    """The values of NAMES as SQL literals; without a collation it is the default one of `connection`.

    `by_one` are those that were set by their own name, which leaves them with another hidden collation.
    """

    client: bytes
    connection: bytes
    results: bytes
    collation: bytes | None
    by_one: frozenset[str] = frozenset()

    def assignments(self) -> list[bytes]:
        """As they are written in a SET.

        The server keeps a collation for each of them, as the login or SET NAMES chose it, and tells only one: so SET
        NAMES goes first, and only what differs from it is set by its own name.
        """
        told = [b"NAMES " + self.client]
        if self.client == self.connection:
            told[0] += b"" if self.collation is None else b" COLLATE " + self.collation
        else:
            told.append(b"character_set_connection=" + self.connection)
            if self.collation is not None:
                told.append(b"collation_connection=" + self.collation)
        if self.results != self.client or "character_set_results" in self.by_one:
            told.append(b"character_set_results=" + self.results)
        if "character_set_client" in self.by_one:
            told.append(b"character_set_client=" + self.client)
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """Everything that is carried. A variable that is not named has the server's default.

    `names` None means that they are not known: whoever uses such a connection sets them. Literals mean the same in
    every sql_mode and consist of ASCII.
    """

    schema: bytes = b""
    names: Names | None = None
    variables: Pairs = ()
    user_variables: Pairs = ()

    def after(self, effect: Effect) -> SessionState:
        """The state when an effect has come true; effects that are not about it change nothing."""
        match effect:
            case ChangeSchema(name):
                return replace(self, schema=name)
            case SetNames(charset=str() as charset, collation=collation, only_client=False):
                literal = b"'%b'" % charset.encode()
                told = None if collation is None else b"'%b'" % collation.encode()
                return replace(self, names=Names(literal, literal, literal, told))
            case SetNames():
                return replace(self, names=None)
            case SetVariable(name, value) if name in NAMES:
                return replace(self, names=self._renamed(name, value))
            case SetVariable(name, value):
                return replace(self, variables=_with(self.variables, name, value))
            case SetUserVariable(name, value):
                return replace(self, user_variables=_with(self.user_variables, name, value))
            case _:
                return self

    def variable(self, name: str) -> bytes | None:
        """The literal of a variable, or None for the server's default."""
        return dict(self.variables).get(name)

    def _renamed(self, name: str, value: bytes | None) -> Names | None:
        if self.names is None or value is None:
            return None
        names = replace(self.names, by_one=self.names.by_one | {name})
        match name:
            case "character_set_client":
                return replace(names, client=value)
            case "character_set_connection":
                return replace(names, connection=value, collation=None)
            case "character_set_results":
                return replace(names, results=value)
            case _:
                # The server sets the character set that belongs to the collation, and only it knows which.
                return None


def assignments(have: SessionState, want: SessionState, spelling: Mapping[str, str]) -> list[bytes]:
    """The SET statements, without a schema, that turn a connection in state `have` into `want`; none for equals.

    `spelling` has the server's own name for variables that are called otherwise elsewhere.
    """
    told = []
    if want.names is not None and have.names != want.names:
        # Apart and first: the literals of the others take the collation that holds when they are read.
        told.append(b"SET " + b",".join(want.names.assignments()))
    rest = [
        spelling.get(name, name).encode() + b"=" + (value or reset(name))
        for name, value in _changes(have.variables, want.variables)
    ]
    rest += [
        b"@`%b`=%b" % (name.replace("`", "``").encode(), value)
        for name, value in _changes(have.user_variables, want.user_variables)
        if value is not None
    ]
    if rest:
        told.append(b"SET " + b",".join(rest))
    return told


def needs_reset(have: SessionState, want: SessionState) -> bool:
    """Whether there are user variables that `want` never had: a variable that was once set can only be reset away."""
    return bool(have.user_variables) and not dict(have.user_variables).keys() <= dict(want.user_variables).keys()


def _changes(have: Pairs, want: Pairs) -> list[tuple[str, bytes | None]]:
    if have == want:
        return []
    old, new = dict(have), dict(want)
    gone: list[tuple[str, bytes | None]] = [(name, None) for name in old if name not in new]
    return gone + [(name, value) for name, value in want if old.get(name) != value]


def _with(pairs: Pairs, name: str, value: bytes | None) -> Pairs:
    told = dict(pairs)
    if value is None:
        told.pop(name, None)
    else:
        told[name] = value
    return tuple(sorted(told.items()))


def literal(value: bytes | None) -> bytes:
    """A value that the server told, as SQL that means the same in every sql_mode."""
    if value is None:
        return b"NULL"
    if re.fullmatch(rb"-?\d+(?:\.\d+)?", value):
        return value
    if b"'" in value or b"\\" in value or not value.isascii():
        return b"x'%b'" % value.hex().encode()
    return b"'%b'" % value


def names_of(values: tuple[bytes | None, ...]) -> Names:
    """The names from the values of the four variables NAMES, in that order."""
    client, connection, results, collation = (b"NULL" if value is None else b"'%b'" % value for value in values)
    return Names(client, connection, results, collation)
