"""The configuration as typed, frozen values: what may stand in appconfig.json, and what it means when left out.

Plain values, as dbmux.config.jsonc reads them, come in; a `Config` goes out, or pydantic's list of everything that is
wrong with single values (dbmux.config.consistency looks at how they fit together). Passwords never show in a repr.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dbmux.address import TcpAddress
from dbmux.config.values import (
    DEFAULT_PORT,
    BackendAddress,
    Bytes,
    ConfigNetwork,
    ControlAddress,
    ListenAddress,
    Name,
    NotNegative,
    Positive,
    ReadableFile,
    Seconds,
    Secret,
    SecretFile,
)


class Section(BaseModel):
    """A part of the configuration; `main` names the field that a bare string stands for.

    `secrets` names the fields that may be written as `<field>_file`, the path of a file that holds the value.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )
    main: ClassVar[str | None] = None
    secrets: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _written_forms(cls, value: object) -> object:
        if isinstance(value, str) and cls.main is not None:
            return {cls.main: value}
        if not isinstance(value, dict):
            return value
        plain = dict(value)
        for name in cls.secrets:
            if f"{name}_file" in plain:
                plain[name] = SecretFile(plain.pop(f"{name}_file"), plain.get(name))
        return plain


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

    main = "password"
    secrets = ("password", "backend_password")

    password: Secret = Field(repr=False)
    """What the client must prove to know."""
    backend_user: str | None = None
    """The account at the backend; the same name unless given."""
    backend_password: Secret | None = Field(default=None, repr=False)
    """That account's password; the client's own unless given."""


class Account(Section):
    """The account for DbMux's own questions to the backends."""

    secrets = ("password",)

    user: str
    """Its name; `dbmux grants` prints the statements that make it."""
    password: Secret = Field(default="", repr=False)
    """Its password."""


class BackendTls(Section):
    """TLS towards a backend; without a mode it is preferred, but off on this machine itself."""

    main = "mode"

    mode: BackendTlsMode | None = None
    """From off to a certificate whose name must be the backend's."""
    ca: ReadableFile | None = None
    """Who must have signed the backend's certificate; the system's list unless given."""
    certificate: ReadableFile | None = None
    """What DbMux shows when the backend asks for a certificate."""
    key: ReadableFile | None = None
    """The certificate's key, where it does not stand in the same file."""


class BackendConfig(Section):
    """One MySQL server."""

    main = "address"

    address: BackendAddress
    """host:port, [ipv6]:port or the path of a Unix socket; port 3306 unless given."""
    tls: BackendTls = BackendTls()
    """TLS on the way there."""
    max_connections: Positive | None = None
    """At most so many connections to this server, over all users."""
    min_idle: NotNegative = 0
    """So many are kept idle for each user who was there since the start."""
    weight: NotNegative = 1
    """Its share of what is divided among servers."""
    send_proxy: SendProxy = SendProxy.OFF
    """Whether the server is told the client's address by the PROXY protocol, and in which version."""


class GroupConfig(Section):
    """A primary, to which a group's statements go."""

    main = "primary"

    primary: str
    """The name of a backend."""


class ClientTls(Section):
    """TLS towards clients; without a certificate one is made and kept."""

    main = "mode"

    mode: ClientTlsMode = ClientTlsMode.OPTIONAL
    """Whether clients may or must use it."""
    certificate: ReadableFile | None = None
    """What clients are shown, in PEM form."""
    key: ReadableFile | None = None
    """The certificate's key, where it does not stand in the same file."""


class Timeouts(Section):
    """Time limits; `query` and `idle` are off unless set."""

    connect: Seconds = 5.0
    """To reach a backend."""
    login: Seconds = 10.0
    """For a client to log in, from its connection on."""
    pool_wait: Seconds = 10.0
    """For a client to get a connection of a backend whose `max_connections` are all in use."""
    pool_idle: Seconds = 300.0
    """After which a connection that no client uses is closed."""
    pool_lifetime: Seconds = 3600.0
    """After which a connection is replaced when it is next idle, give or take a tenth."""
    drain: Seconds = 30.0
    """For sessions to end by themselves when DbMux stops, or when their backend or user is removed."""
    query: Seconds | None = None
    """For a query to be answered whole."""
    idle: Seconds | None = None
    """For a session without a command and outside a transaction."""


class Limits(Section):
    """How many clients, and up to which length statements are looked at whole."""

    clients: Positive = 10_000
    """Clients connected at the same time."""
    inspect_max: Annotated[Bytes, Field(ge=4096)] = 1024 * 1024
    """Longer statements are passed on as they come."""


class ProxyProtocol(Section):
    """The addresses from which a PROXY header is expected, and only from those."""

    accept_from: tuple[ConfigNetwork, ...] = ()
    """Addresses and networks of load balancers in front of DbMux."""


class Listen(Section):
    """An address for clients, and the group that it serves."""

    address: ListenAddress
    group: str | None = None


def _listen_forms(value: object) -> object:
    match value:
        case str():
            return ({"address": value},)
        case dict():
            return tuple({"address": address, "group": group} for address, group in value.items())
        case tuple():
            return value
        case _:
            raise ValueError("an address, or an object from address to group, is expected")


class Config(Section):
    """All of appconfig.json."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    """Where editors find the schema of this file; `dbmux schema` prints it."""
    listen: Annotated[tuple[Listen, ...], BeforeValidator(_listen_forms), Field(min_length=1)] = (
        Listen(address=TcpAddress("127.0.0.1", DEFAULT_PORT)),
    )
    """Where clients connect: an address, or an object from address to the group or backend that it serves."""
    control: ControlAddress | None = None
    """The address of /healthz, /readyz and /metrics; off unless given, port 3380 unless given."""
    users: Mapping[str, User] = Field(default_factory=dict)
    """Who may log in; without users, logins are checked by the servers themselves."""
    login: LoginMode = LoginMode.RELAY
    """How clients log in when there are no users."""
    service: Account | None = None
    """The account for DbMux's own questions to the backends."""
    backends: Mapping[Name, BackendConfig] = Field(min_length=1)
    """The servers, by names of your choice; each is also a group of its own name."""
    groups: Mapping[Name, GroupConfig] = Field(default_factory=dict)
    """Servers that stand for one data set."""
    default: str | None = None
    """The group or backend for listen addresses that name none; needed only where several could serve."""
    tls: ClientTls = ClientTls()
    """TLS towards clients."""
    timeouts: Timeouts = Timeouts()
    """Time limits."""
    limits: Limits = Limits()
    """Bounds on what clients may take."""
    proxy_protocol: ProxyProtocol = ProxyProtocol()
    """The PROXY protocol, as load balancers in front of DbMux speak it."""

    def group_of(self, listen: Listen) -> str:
        """The group that a listener serves."""
        return listen.group or self.default or next(iter(self.groups or self.backends))
