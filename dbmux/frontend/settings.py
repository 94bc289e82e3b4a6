"""What holds for clients that come now: the configuration, as far as the frontend has to know it.

A value, made anew at each reload. Never says when it was loaded, nor from where.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from dbmux.backend.group import Group
from dbmux.backend.server import Backend
from dbmux.backend.topology import Topology
from dbmux.cache.cache import Cache
from dbmux.config.model import Admin, ClientTlsMode, LoginMode, PreparedTypes, User
from dbmux.frontend.rules import Rules
from dbmux.net.certificate import ServerTls
from dbmux.net.channel import Channel

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for clients that come now."""

    topology: Topology
    rules: Rules
    users: Mapping[str, User]
    admins: Mapping[str, Admin] = field(default_factory=dict)
    login: LoginMode
    tls_mode: ClientTlsMode
    tls: ServerTls | None
    max_clients: int
    max_clients_per_address: int | None = None
    failed_logins: int = 0
    # Statements up to this length, in bytes, are looked at whole.
    inspect_max: int
    # Commands about prepared statements up to this length, in bytes, are held; so are their texts together.
    prepared_max: int
    # Whether a prepared write whose types only its connection has keeps that.
    prepared_types: PreparedTypes
    # Where results are stored, if they are.
    cache: Cache | None = None
    login_timeout_s: float
    # How long a command may wait for a connection.
    pool_wait_s: float = 10.0
    query_timeout_s: float | None = None
    idle_timeout_s: float | None = None
    proxies: tuple[Network, ...] = ()

    def entrance(self, group: Group) -> Backend:
        """Where a login is proved. A relayed one keeps that server for life, so that it must be the primary."""
        return group.primary if self.is_relayed else group.entrance

    @property
    def is_relayed(self) -> bool:
        """Whether the server itself does the login, over a connection that its session keeps."""
        return not self.users and self.login is LoginMode.RELAY

    def is_balancer(self, channel: Channel) -> bool:
        """Whether it is one of `proxies` that has connected, and will say for whom."""
        if not self.proxies:
            return False
        name = channel.transport.get_extra_info("peername")
        if not isinstance(name, tuple):
            return False
        address = ipaddress.ip_address(name[0].partition("%")[0])
        return any(address in network for network in self.proxies)
