"""The configuration as typed, frozen values."""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from dbmux.address import Address, TcpAddress


class LoginMode(StrEnum):
    """How clients log in when there are no `users`."""

    RELAY = "relay"
    LEARN = "learn"


class SendProxy(StrEnum):
    """Whether a backend is sent a PROXY header."""

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


class Section(BaseModel):
    """A part of the configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class User(Section):
    """A user of the configuration."""

    password: str | None = Field(default=None, repr=False)
    backend_user: str | None = None
    backend_password: str | None = Field(default=None, repr=False)


class Account(Section):
    """The service account."""

    user: str
    password: str = Field(default="", repr=False)


class BackendTls(Section):
    """TLS towards a backend."""

    mode: BackendTlsMode | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class BackendConfig(Section):
    """A server."""

    address: Address
    tls: BackendTls = BackendTls()
    max_connections: int | None = None
    weight: int = 1
    send_proxy: SendProxy = SendProxy.OFF


class GroupConfig(Section):
    """A primary and, later, its replicas."""

    primary: str


class ClientTls(Section):
    """TLS towards clients."""

    mode: ClientTlsMode = ClientTlsMode.OPTIONAL
    certificate: Path | None = None
    key: Path | None = None


class Timeouts(Section):
    """Time limits in seconds."""

    connect: float = 5.0
    login: float = 10.0
    drain: float = 30.0
    query: float | None = None
    idle: float | None = None


class Limits(Section):
    """Limits of size and number."""

    clients: int = 10_000
    inspect_max: int = 1024 * 1024


class ProxyProtocol(Section):
    """Who may send a PROXY header."""

    accept_from: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()


class Listen(Section):
    """An address and its group."""

    address: Address
    group: str | None = None


class Config(Section):
    """All of it."""

    listen: tuple[Listen, ...] = (Listen(address=TcpAddress("127.0.0.1", 3307)),)
    control: Address | None = None
    users: dict[str, User] = {}
    login: LoginMode = LoginMode.RELAY
    service: Account | None = None
    backends: dict[str, BackendConfig] = {}
    groups: dict[str, GroupConfig] = {}
    default: str | None = None
    tls: ClientTls = ClientTls()
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    proxy_protocol: ProxyProtocol = ProxyProtocol()

    def group_of(self, listen: Listen) -> str:
        """The group that a listener serves."""
        return listen.group or self.default or next(iter(self.groups or self.backends))
