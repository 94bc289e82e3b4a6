"""The configuration as typed, frozen values: what may stand in appconfig.json, and what it means when left out.

Plain values, as dbmux.config.jsonc reads them, come in; a `Config` goes out, or pydantic's list of everything that is
wrong. A string stands for an object's main value. Passwords never show in a repr.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from dbmux.address import Address, TcpAddress, UnixAddress, parse_address
from dbmux.config.units import seconds, size

DEFAULT_PORT = 3307
CONTROL_PORT = 3380


def _address(value: object, default_port: int) -> Address:
    if isinstance(value, TcpAddress | UnixAddress):
        return value
    if not isinstance(value, str):
        raise ValueError('an address is a string like "127.0.0.1:3306" or "/run/mysqld/mysqld.sock"')
    return parse_address(value, default_port)


_ADDRESS_SCHEMA = WithJsonSchema({"type": "string", "examples": ["127.0.0.1:3306", "/run/mysqld/mysqld.sock"]})
BackendAddress = Annotated[Address, BeforeValidator(lambda value: _address(value, 3306)), _ADDRESS_SCHEMA]
ListenAddress = Annotated[Address, BeforeValidator(lambda value: _address(value, DEFAULT_PORT)), _ADDRESS_SCHEMA]
ControlAddress = Annotated[Address, BeforeValidator(lambda value: _address(value, CONTROL_PORT)), _ADDRESS_SCHEMA]
Seconds = Annotated[
    float,
    BeforeValidator(seconds),
    Field(gt=0),
    WithJsonSchema({"type": ["string", "number"], "examples": ["30s", "500ms", "5m"]}),
]
Bytes = Annotated[
    int,
    BeforeValidator(size),
    Field(gt=0),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["1MB", "512kB"]}),
]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Section(BaseModel):
    """A part of the configuration; `main` names the field that a bare string stands for."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def _read_secret(values: dict[str, Any], name: str) -> None:
    path = values.pop(f"{name}_file", None)
    if path is None:
        return
    if values.get(name) is not None:
        raise ValueError(f"{name} and {name}_file exclude each other; keep one")
    try:
        values[name] = Path(str(path)).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{name}_file {path} cannot be read: {error}") from None


class LoginMode(StrEnum):
    """How clients log in when there are no `users`: passed through, or their passwords learnt."""

    RELAY = "relay"
    LEARN = "learn"


class SendProxy(StrEnum):
    """Whether a backend is told the client's address by the PROXY protocol, and in which version."""

    OFF = "off"
    V1 = "v1"
    V2 = "v2"


class BackendTlsMode(StrEnum):
    """How much TLS a backend must have."""

    OFF = "off"
    PREFERRED = "preferred"
    REQUIRED = "required"
    VERIFY_CA = "verify_ca"
    VERIFY_IDENTITY = "verify_identity"


class ClientTlsMode(StrEnum):
    """Whether clients may or must use TLS."""

    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class User(Section):
    """Who may log in at DbMux; towards the backend under the same name and password unless told otherwise."""

    password: str = Field(repr=False)
    backend_user: str | None = None
    backend_password: str | None = Field(default=None, repr=False)

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: object) -> object:
        if isinstance(value, str):
            return {"password": value}
        if isinstance(value, dict):
            value = dict(value)
            _read_secret(value, "password")
            _read_secret(value, "backend_password")
        return value


class Account(Section):
    """The account for DbMux's own questions to the backends."""

    user: str
    password: str = Field(default="", repr=False)

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, value: object) -> object:
        if isinstance(value, dict):
            value = dict(value)
            _read_secret(value, "password")
        return value


class BackendTls(Section):
    """TLS towards a backend; without a mode it is preferred, but off on this machine itself."""

    mode: BackendTlsMode | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: object) -> object:
        return {"mode": value} if isinstance(value, str) else value


class BackendConfig(Section):
    """One MySQL server."""

    address: BackendAddress
    tls: BackendTls = BackendTls()
    max_connections: Annotated[int, Field(gt=0)] | None = None
    weight: Annotated[int, Field(ge=0)] = 1
    send_proxy: SendProxy = SendProxy.OFF

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: object) -> object:
        return {"address": value} if isinstance(value, str) else value


class GroupConfig(Section):
    """A primary, to which a group's statements go."""

    primary: str

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: object) -> object:
        return {"primary": value} if isinstance(value, str) else value


class ClientTls(Section):
    """TLS towards clients; without a certificate one is made and kept."""

    mode: ClientTlsMode = ClientTlsMode.OPTIONAL
    certificate: Path | None = None
    key: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: object) -> object:
        return {"mode": value} if isinstance(value, str) else value


class Timeouts(Section):
    """Time limits; `query` and `idle` are off unless set."""

    connect: Seconds = 5.0
    login: Seconds = 10.0
    drain: Seconds = 30.0
    query: Seconds | None = None
    idle: Seconds | None = None


class Limits(Section):
    """How many clients, and up to which length statements are looked at whole."""

    clients: Annotated[int, Field(gt=0)] = 10_000
    inspect_max: Bytes = 1024 * 1024


class ProxyProtocol(Section):
    """The addresses from which a PROXY header is expected, and only from those."""

    accept_from: tuple[Network, ...] = ()


class Listen(Section):
    """An address for clients, and the group that it serves."""

    address: ListenAddress
    group: str | None = None


class Config(Section):
    """All of appconfig.json."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    listen: tuple[Listen, ...] = (Listen(address=TcpAddress("127.0.0.1", DEFAULT_PORT)),)
    control: ControlAddress | None = None
    users: Mapping[str, User] = Field(default_factory=dict)
    login: LoginMode = LoginMode.RELAY
    service: Account | None = None
    backends: Mapping[str, BackendConfig] = Field(min_length=1)
    groups: Mapping[str, GroupConfig] = Field(default_factory=dict)
    default: str | None = None
    tls: ClientTls = ClientTls()
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    proxy_protocol: ProxyProtocol = ProxyProtocol()

    @model_validator(mode="before")
    @classmethod
    def _listen_forms(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        match value.get("listen"):
            case str() as address:
                return {**value, "listen": ({"address": address},)}
            case dict() as addresses:
                listen = tuple({"address": address, "group": group} for address, group in addresses.items())
                return {**value, "listen": listen}
            case _:
                return value

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        problems = list(self._name_problems())
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _name_problems(self) -> list[str]:
        names = [*self.backends, *self.groups]
        known = ", ".join(names)
        problems = [
            f"groups.{group} has the name of a backend; choose another"
            for group in self.groups
            if group in self.backends
        ]
        problems += [
            f"groups.{name}.primary: no backend is called {group.primary!r}; there are {', '.join(self.backends)}"
            for name, group in self.groups.items()
            if group.primary not in self.backends
        ]
        problems += [
            f"listen.{listen.address}: no group or backend is called {listen.group!r}; there are {known}"
            for listen in self.listen
            if listen.group is not None and listen.group not in names
        ]
        if self.default is not None and self.default not in names:
            problems.append(f"default: no group or backend is called {self.default!r}; there are {known}")
        is_undecided = self.default is None and any(listen.group is None for listen in self.listen)
        if is_undecided and len(self.groups or self.backends) > 1:
            problems.append(f'several could serve ({known}); say which with "default", or map each listen address')
        return problems

    def group_of(self, listen: Listen) -> str:
        """The group that a listener serves."""
        return listen.group or self.default or next(iter(self.groups or self.backends))
