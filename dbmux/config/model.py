"""The configuration as typed, frozen values: what may stand in appconfig.json, and what it means when left out.

Plain values, as dbmux.config.jsonc reads them, come in; a `Config` goes out, or pydantic's list of everything that is
wrong with single values (dbmux.config.consistency looks at how they fit together). Passwords never show in a repr.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from dbmux.address import TcpAddress
from dbmux.config.values import (
    DEFAULT_PORT,
    AdminSecret,
    BackendAddress,
    Bytes,
    ConfigNetwork,
    ControlAddress,
    ListenAddress,
    Name,
    NotNegative,
    PasswordHash,
    Pattern,
    Positive,
    ReadableFile,
    Seconds,
    Secret,
    SecretFile,
)
from dbmux.differences import DifferenceKind
from dbmux.query import Kind


class Section(BaseModel):
    """A part of the configuration; `main` names the field that a bare string stands for.

    `secrets` names the fields that may be written as `<field>_file`, the path of a file that holds the value, `instead`
    those that may stand in place of a required one.
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
    instead: ClassVar[Mapping[str, tuple[str, ...]]] = {}

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


class PreparedTypes(StrEnum):
    """What becomes of a prepared write whose types only its connection has."""

    PIN = "pin"
    SHARE = "share"


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


class Balance(StrEnum):
    """The ways to choose among replicas."""

    LEAST_BUSY = "least_busy"
    ROUND_ROBIN = "round_robin"
    FASTEST = "fastest"


class Reads(StrEnum):
    """Which servers of a group take reads."""

    REPLICAS = "replicas"
    ALL = "all"


class Roles(StrEnum):
    """Whether the primary is the one that is configured, or the one that can be written to."""

    FIXED = "fixed"
    AUTO = "auto"


class ReadYourWrites(StrEnum):
    """How a session's reads follow its own writes."""

    OFF = "off"
    SESSION = "session"
    GTID = "gtid"


class ImplicitTransactions(StrEnum):
    """What becomes of reads without autocommit."""

    PRIMARY = "primary"
    UNTIL_WRITE = "until_write"


class User(Section):
    """Who may log in at DbMux; towards the backend under the same name and password unless told otherwise."""

    main = "password"
    secrets = ("password", "password_hash", "backend_password")
    instead: ClassVar[Mapping[str, tuple[str, ...]]] = {"password": ("password_hash",)}

    password: Secret | None = Field(repr=False)
    """What the client must prove to know."""
    password_hash: PasswordHash | None = Field(default=None, repr=False)
    """In place of it, what a server keeps of it; DbMux then learns from the client what it needs to log in."""
    backend_user: str | None = None
    """The account at the backend; the same name unless given."""
    backend_password: Secret | None = Field(default=None, repr=False)
    """That account's password; the client's own unless given."""
    max_connections: Positive | None = None
    """At most so many connections to each server for this user's account there."""
    max_clients: Positive | None = None
    """At most so many clients logged in as this user at the same time."""

    @property
    def proofs(self) -> tuple[object, ...]:
        """What a session was let in with."""
        return self.password, self.password_hash, self.backend_user, self.backend_password

    @model_validator(mode="before")
    @classmethod
    def _hash_for_password(cls, value: object) -> object:
        if isinstance(value, dict) and {"password_hash", "password_hash_file"} & value.keys():
            return {"password": None, **value}
        return value

    @model_validator(mode="after")
    def _one_of_two(self) -> User:
        if (self.password is None) == (self.password_hash is None):
            raise ValueError('either "password" or "password_hash" is expected')
        return self


class Admin(Section):
    """Who may read the tables of schema `dbmux`, and nothing else."""

    main = "password"
    secrets = ("password",)

    password: AdminSecret = Field(repr=False)
    """What the client must prove to know; not empty."""


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
    """A primary, to which a group's writes go, and replicas for its reads."""

    main = "primary"

    primary: str
    """The name of a backend."""
    replicas: tuple[str, ...] = ()
    """The names of backends that have the primary's data."""
    balance: Balance = Balance.LEAST_BUSY
    """How a replica is chosen for a read."""
    reads: Reads = Reads.REPLICAS
    """Whether the primary takes its share of reads, or only those that no replica can take."""
    max_lag: Seconds | None = None
    """A replica that is further behind, or of which that is not known, takes no reads."""
    slow_start: Seconds = 10.0
    """For so long a replica that is back again takes less than its share."""
    read_your_writes: ReadYourWrites = ReadYourWrites.SESSION
    """What a session may expect to see of its own writes when it reads from a replica."""
    read_your_writes_wait: Seconds = 1.0
    """How long a read may wait at a replica for the session's own writes before it goes to the primary."""
    implicit_transactions: ImplicitTransactions = ImplicitTransactions.PRIMARY
    """Where a session with autocommit off reads before it has written."""
    roles: Roles = Roles.FIXED
    """Whether the primary is the configured one, or whichever of the group's servers is not read-only."""
    failover_wait: Seconds = 10.0
    """How long statements wait for a primary when the group has none that can be written to."""
    failover_queue: NotNegative = 1000
    """How many may wait so."""
    observe: bool = False
    """Send all to the primary, and only tell where else it would have gone."""


class Consistency(StrEnum):
    """Whether a stored result ends with the next write to its tables, or only when its time is up."""

    INVALIDATE = "invalidate"
    TTL = "ttl"


class InvalidateFrom(StrEnum):
    """Whether writes that do not come through DbMux are looked for in the server's binlog."""

    AUTO = "auto"
    REQUIRED = "required"
    OFF = "off"


class CachePolicy(Section):
    """How long results are stored, and for whom."""

    main = "ttl"

    ttl: Seconds
    """After so long a result is not used any more, also when nothing was written."""
    soft_ttl: Seconds | None = None
    """After so long one client fetches it anew, while the others still get the stored one."""
    max_entry: Bytes | None = None
    """Larger results are not stored; that of `cache` unless given."""
    share: bool = False
    """Whether users get results that another user's statement fetched."""
    consistency: Consistency = Consistency.INVALIDATE
    """Whether a write to the table ends them."""
    memory: Bytes | None = None
    """At most so much of the cache is taken by results that are read from this table."""


def _stored(value: object) -> object:
    # Told here, and not as one of two things that it might be: each would have its own complaint.
    if value is False:
        return value
    if not isinstance(value, str | dict | CachePolicy):
        raise ValueError('a duration like "30s", an object with "ttl", or false is expected')
    return CachePolicy.model_validate(value)


Stored = Annotated[
    CachePolicy | Literal[False], PlainValidator(_stored, json_schema_input_type=CachePolicy | Literal[False])
]


class CacheConfig(Section):
    """Which tables' results are stored, and in how much memory."""

    tables: Mapping[str, Stored] = Field(default_factory=dict)
    """By `schema.table` or `schema.*`, the most specific holds: for how long, or false. Others are not stored."""
    memory: Bytes = 64 * 1024 * 1024
    """All that the stored results take, with what they are found by."""
    max_entry: Bytes = 1024 * 1024
    """Larger results are not stored."""
    invalidate_from: InvalidateFrom = InvalidateFrom.AUTO
    """Whether writes past DbMux are seen in the binlog: where that is possible, always, or never."""


class Rejection(Section):
    """The error with which a statement is refused."""

    main = "message"

    message: str
    """What the client is told."""
    code: Annotated[Positive, Field(le=65535)] = 1142
    """MySQL's number of the error."""


class Rule(Section):
    """What is done with statements for which all of its conditions hold; one that is left out always does."""

    user: str | None = None
    """The name with which the client logged in."""
    schema_: str | None = Field(default=None, alias="schema")
    """The session's schema."""
    client: ConfigNetwork | None = None
    """The client's address, or a network."""
    digest: str | None = None
    """A statement; it stands for all that differ from it in nothing but literals, comments and white space."""
    table: str | None = None
    """A table that the statement names: `schema.table`, or with `*` for a part of it."""
    kind: tuple[Kind, ...] | None = None
    """What the statement is, such as `select`."""
    route: str | None = None
    """A group, `group.primary`, `group.replica`, or a backend of the group."""
    reject: Rejection | None = None
    """The statement is refused."""
    timeout: Seconds | None = None
    """For the statement to be answered whole."""
    max_rows: Positive | None = None
    """A result with more rows ends with an error."""
    cache: Stored | None = None
    """Whether and for how long results are stored, whatever `cache.tables` says."""
    observe: bool = False
    """Change nothing, and only tell what would have been done."""


class Feed(StrEnum):
    """How a mirror's target gets what is written."""

    BINLOG = "binlog"
    NATIVE = "native"


class OnDefinition(StrEnum):
    """What becomes of CREATE, ALTER and DROP at a mirror's target."""

    STOP = "stop"
    APPLY = "apply"
    IGNORE = "ignore"


class ExpectedDifference(Section):
    """A difference between both answers that is known and harmless; what is left out may be anything."""

    kinds: Annotated[tuple[DifferenceKind, ...], Field(min_length=1)]
    """What differs, such as `float text`."""
    why: Annotated[str, Field(min_length=1)]
    """Why it is harmless."""
    digest: str | None = None
    """A statement; it stands for all that differ from it in nothing but literals, comments and white space."""
    statement: Pattern | None = None
    """A regular expression that the statement has a match for."""
    column: str | None = None
    """The column's name."""
    types: tuple[tuple[str, str], ...] = ()
    """Pairs of types that the source and the target tell of the column."""
    codes: tuple[tuple[NotNegative, NotNegative], ...] = ()
    """Pairs of numbers of errors or warnings at the source and the target; 0 for none."""
    source: Pattern | None = None
    """A regular expression that what the source says has a match for."""
    target: Pattern | None = None
    """The same for the target."""
    by: str | None = None
    """Who says so."""
    since: str | None = None
    """From when on."""


class MirrorConfig(Section):
    """A second server that gets all that is written to the first, and is compared with it."""

    source: str = Field(alias="from")
    """The backend or group whose writes are mirrored."""
    target: str = Field(alias="to")
    """The backend that gets them."""
    writes: bool = True
    """Apply what is written; without it the target stays where it is."""
    reads: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The share of reads that are also run on the target, to compare both answers."""
    shadow_writes: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The share of writes that are also tried out on the target, and taken back, to compare what clients were told."""
    tables: tuple[str, ...] = ()
    """`schema.table` or `schema.*`; all unless given."""
    feed: Feed = Feed.BINLOG
    """Whether DbMux applies the source's binlog, or the target is a replica already and is only compared."""
    expected: tuple[ExpectedDifference, ...] = ()
    """Differences that are harmless, besides those that are known of the two versions."""
    ddl: OnDefinition = OnDefinition.STOP
    """What becomes of CREATE, ALTER and DROP: stop there, apply them, or go on without; renames always stop."""
    account: Account | None = None
    """The account at the target, to write there, or to ask how far it is; `service` unless given."""


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
    clients_per_address: Positive | None = None
    """Clients connected at the same time from one address, or from one /64 network of IPv6."""
    failed_logins: Annotated[NotNegative, Field(le=100)] = 10
    """Failed logins within a minute after which an address is refused for a time; 0 refuses none."""
    inspect_max: Annotated[Bytes, Field(ge=4096)] = 1024 * 1024
    """Longer statements are passed on as they come."""
    prepared_max: Annotated[Bytes, Field(ge=4096)] = 64 * 1024 * 1024
    """Up to which length commands about prepared statements are held; longer ones are refused."""


class Live(Section):
    """What is pointed out while it happens, and the filters that have names."""

    slow: Seconds = 0.2
    """From how long on a statement is slow."""
    n_plus_1: Annotated[Positive, Field(ge=2)] = 5
    """How often the same SELECT runs within a second, for one request or session, before that is called an N+1."""
    filters: Mapping[Name, str] = Field(default_factory=dict)
    """Filters by name: `@name` stands for them."""


class LogFile(Section):
    """A file with one line of JSON for each statement."""

    main = "file"

    file: Path
    """Where it is written; when it is full it is called `file.1`, and the one before `file.2`."""
    filter: str = ""
    """Which statements are written; all unless given."""
    max_size: Annotated[Bytes, Field(ge=4096)] = 64 * 1024 * 1024
    """How large it may become."""
    keep: NotNegative = 5
    """How many full ones are kept."""
    literals: bool = False
    """Write statements and errors as they are; without it no literal of a statement is written."""


class StatementLog(Section):
    """The statements that were answered, in files."""

    main = "queries"

    queries: LogFile | None = None
    """All statements, or those that its filter lets through."""
    slow: LogFile | None = None
    """Of the same, those that took as long as `live.slow`."""


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
    admins: Mapping[str, Admin] = Field(default_factory=dict)
    """By name, who may log in to the schema `dbmux` and read there what DbMux knows of itself."""
    login: LoginMode = LoginMode.RELAY
    """How clients log in when there are no users."""
    service: Account | None = None
    """The account for DbMux's own questions to the backends."""
    backends: Mapping[Name, BackendConfig] = Field(min_length=1)
    """The servers, by names of your choice; each is also a group of its own name."""
    groups: Mapping[Name, GroupConfig] = Field(default_factory=dict)
    """Servers that stand for one data set."""
    rules: Mapping[Name, Rule] = Field(default_factory=dict)
    """What is done with certain statements; the first that matches holds."""
    cache: CacheConfig = CacheConfig()
    """Results that are answered from memory."""
    mirrors: Mapping[Name, MirrorConfig] = Field(default_factory=dict)
    """Servers that get all that is written to another one, by names of your choice."""
    default: str | None = None
    """The group or backend for listen addresses that name none; needed only where several could serve."""
    tls: ClientTls = ClientTls()
    """TLS towards clients."""
    timeouts: Timeouts = Timeouts()
    """Time limits."""
    limits: Limits = Limits()
    """Bounds on what clients may take."""
    prepared_types: PreparedTypes = PreparedTypes.PIN
    """Whether a prepared write that got values of another sort than its places are for keeps its connection."""
    live: Live = Live()
    """What is pointed out in the live interface and by `dbmux tail`."""
    log: StatementLog = StatementLog()
    """Which statements are written to files."""
    proxy_protocol: ProxyProtocol = ProxyProtocol()
    """The PROXY protocol, as load balancers in front of DbMux speak it."""

    @property
    def is_cached(self) -> bool:
        """Whether any result may be stored."""
        is_ruled = any(rule.cache for rule in self.rules.values())
        return is_ruled or any(policy is not False for policy in self.cache.tables.values())

    def group_of(self, listen: Listen) -> str:
        """The group that a listener serves."""
        return listen.group or self.default or next(iter(self.groups or self.backends))
