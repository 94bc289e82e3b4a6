"""What a session is at its server, as a value: schema, character sets, variables. It is carried between connections.

Effects of statements that succeeded come in, the state afterwards goes out; two states come in, the SQL that turns one
into the other goes out. Never talks to a server. What cannot be said in such a state pins the session instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dbmux.query import AlterSchema, ChangeSchema, Effect, SetNames, SetOption, SetUserVariable, SetVariable
from dbmux.sql.variables import CHANGE_TRACKING, reset

# The variables that SET NAMES sets; they belong together and are not among the other variables.
NAMES = ("character_set_client", "character_set_connection", "character_set_results", "collation_connection")
# Each of them sets the other.
_OF_THE_CONNECTION = ("character_set_connection", "collation_connection")
Pairs = tuple[tuple[str, bytes], ...]
NOT_CHOSEN = -1


@dataclass(frozen=True, slots=True)
class Names:
    """The character sets and the collation, by what sets them: the assignments of one SET, in their order.

    The server keeps a hidden collation for each of the character sets, as the login or SET NAMES chose it, and tells
    only that of the connection: so they are set again the way they were set before. `client` is the literal of
    character_set_client; None while only the server knows it.
    """

    client: bytes | None
    recipe: tuple[bytes, ...]

    def renamed(self, name: str, value: bytes | None) -> Names:
        """The names after one of them was set by itself; None is DEFAULT."""
        over = _OF_THE_CONNECTION if name in _OF_THE_CONNECTION else (name,)
        kept = (told for told in self.recipe if told.partition(b"=")[0].decode("latin-1") not in over)
        recipe = (*kept, name.encode() + b"=" + (value or b"DEFAULT"))
        return Names(value if name == "character_set_client" else self.client, recipe)


DEFAULT_NAMES = Names(None, (b"NAMES DEFAULT",))


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """Everything that is carried. A variable that is not named has the server's default.

    `names` None means that they are not known: whoever uses such a connection sets them. Literals mean the same in
    every sql_mode and consist of ASCII. `option` is the body of the last COM_SET_OPTION; None leaves it to the login.
    `altered` counts how often the session altered its schema: a connection that chose it before has its old defaults;
    NOT_CHOSEN that a connection has lost them.
    """

    schema: bytes = b""
    altered: int = 0
    names: Names | None = None
    variables: Pairs = ()
    user_variables: Pairs = ()
    option: bytes | None = None

    def after(self, effect: Effect) -> SessionState:
        """The state when an effect has come true; effects that are not about it change nothing."""
        match effect:
            case ChangeSchema(name):
                return replace(self, schema=name)
            case AlterSchema(name) if name.lower() in (b"", self.schema.lower()):
                return replace(self, altered=self.altered + 1)
            case SetNames(charset=str() as charset, collation=collation, only_client=False):
                literal = b"'%b'" % charset.encode()
                told = b"" if collation is None else b" COLLATE '%b'" % collation.encode()
                return replace(self, names=Names(literal, (b"NAMES " + literal + told,)))
            case SetNames(charset=None, collation=None, only_client=False):
                return replace(self, names=DEFAULT_NAMES)
            case SetNames():
                return replace(self, names=None)
            case SetVariable(name, value) if name in NAMES:
                return replace(self, names=None if self.names is None else self.names.renamed(name, value))
            case SetVariable(name, None) if name == CHANGE_TRACKING:
                # Without a value of the session's own it has DbMux's.
                return self.after(SetVariable(name, b"@@GLOBAL." + name.encode()))
            case SetVariable(name, value):
                return replace(self, variables=_with(self.variables, name, value))
            case SetOption(value):
                return replace(self, option=value)
            case SetUserVariable(name, value):
                told = value if value != b"NULL" else _null(name, dict(self.user_variables).get(name))
                return replace(self, user_variables=_with(self.user_variables, name, told))
            case _:
                return self

    def when_reset(self) -> SessionState:
        """What COM_RESET_CONNECTION leaves; the names are not known."""
        return SessionState(schema=self.schema, altered=self.altered, option=self.option)

    def without_texts(self) -> SessionState:
        """This without the user variables that have the collation of its names."""
        kept = tuple((name, value) for name, value in self.user_variables if not has_collation(value))
        return replace(self, user_variables=kept)

    def variable(self, name: str) -> bytes | None:
        """The literal of a variable, or None for the server's default."""
        return dict(self.variables).get(name)


def assignments(have: SessionState, want: SessionState, spelling: Mapping[str, str]) -> list[bytes]:
    """The SET statements, without a schema, that turn a connection in state `have` into `want`; none for equals.

    `spelling` has the server's own name for variables that are called otherwise elsewhere.
    """
    told = []
    if want.names is not None and have.names != want.names:
        # Apart and first: the literals of the others take the collation that holds when they are read.
        told.append(b"SET " + b",".join(want.names.recipe))
    rest = [
        spelling.get(name, name).encode() + b"=" + (value or reset(name))
        for name, value in _changes(have.variables, want.variables)
    ]
    rest += [
        _assigned(name, value)
        for name, value in _changes(have.user_variables, want.user_variables)
        if value is not None
    ]
    if rest:
        told.append(b"SET " + b",".join(rest))
    return told


def schemas(have: SessionState, want: SessionState) -> list[bytes]:
    """The schemas to choose, one after the other, until a connection is in that of `want` and has its defaults."""
    if not want.schema or (want.schema, want.altered) == (have.schema, have.altered):
        return []
    # MariaDB does nothing for one that is chosen already.
    return [b"information_schema", want.schema] if want.schema == have.schema else [want.schema]


def needs_reset(have: SessionState, want: SessionState) -> bool:
    """Whether user variables have what only a reset takes away: that they were ever set, or the type of a value."""
    if not have.user_variables:
        return False
    told = dict(want.user_variables)
    return any(name not in told or told[name] == b"NULL" != value for name, value in have.user_variables)


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


def _null(name: str, before: bytes | None) -> bytes:
    # NULL keeps the type that the variable has: so that is given to it first.
    null = _assigned(name, b"NULL")
    if before is None or before == b"NULL" or before.endswith(b"," + null):
        return before or b"NULL"
    return (b"''" if before[:1] == b"'" else before) + b"," + null


def _assigned(name: str, value: bytes) -> bytes:
    return b"@`%b`=%b" % (name.replace("`", "``").encode(), value)


def literal(value: bytes | None) -> bytes:
    """A value that the server told, as SQL that means the same in every sql_mode."""
    if value is None:
        return b"NULL"
    if re.fullmatch(rb"-?\d+(?:\.\d+)?", value):
        return value
    if b"'" in value or b"\\" in value or not value.isascii():
        return b"x'%b'" % value.hex().encode()
    return b"'%b'" % value


def has_collation(value: bytes) -> bool:
    """Whether this literal means something else under other names: whatever is no number may."""
    return not value[:1].isdigit() and value[:1] not in b"-+"


def names_of(values: tuple[bytes | None, ...]) -> Names:
    """The names of a login from the values of the four variables NAMES, in that order."""
    client, connection, results, collation = (b"NULL" if value is None else b"'%b'" % value for value in values)
    recipe: tuple[bytes, ...]
    if client == connection:
        recipe = (b"NAMES " + client + b" COLLATE " + collation,)
    else:
        recipe = (b"NAMES " + client, b"character_set_connection=" + connection, b"collation_connection=" + collation)
    if results != client:
        recipe += (b"character_set_results=" + results,)
    return Names(client, recipe)


def names_set_one_by_one(values: tuple[bytes | None, ...]) -> Names:
    """The names from their values, where each was set by itself and has the hidden collation of that."""
    names = names_of(values)
    client, _, results, _ = (b"NULL" if value is None else b"'%b'" % value for value in values)
    return names.renamed("character_set_results", results).renamed("character_set_client", client)
