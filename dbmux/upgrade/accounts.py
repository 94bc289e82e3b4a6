"""Accounts and what they may do: those that the second server lacks, or cannot have as they are.

Passwords are no part of it: neither they nor their hashes are ever read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from dbmux.upgrade.finding import Finding, Severity, Subject
from dbmux.upgrade.server import Account, Grant, Server

# The same right under the other family's name; an empty one stands for no need.
_TO_MYSQL = {
    "BINLOG MONITOR": "REPLICATION CLIENT",
    "SLAVE MONITOR": "REPLICATION CLIENT",
    "REPLICA MONITOR": "REPLICATION CLIENT",
    "REPLICATION SLAVE ADMIN": "REPLICATION_SLAVE_ADMIN",
    "REPLICATION MASTER ADMIN": "REPLICATION_SLAVE_ADMIN",
    "BINLOG ADMIN": "BINLOG_ADMIN",
    "BINLOG REPLAY": "REPLICATION_APPLIER",
    "CONNECTION ADMIN": "CONNECTION_ADMIN",
    "READ_ONLY ADMIN": "SYSTEM_VARIABLES_ADMIN",
    "READ ONLY ADMIN": "SYSTEM_VARIABLES_ADMIN",
    "SET USER": "SET_ANY_DEFINER",
    "SHOW CREATE ROUTINE": "SHOW_ROUTINE",
    "DELETE HISTORY": "",
    "DELETE VERSIONING ROWS": "",
    "FEDERATED ADMIN": "",
}
_TO_MARIADB = {
    "REPLICATION_SLAVE_ADMIN": "REPLICATION SLAVE ADMIN",
    "REPLICATION_APPLIER": "BINLOG REPLAY",
    "BINLOG_ADMIN": "BINLOG ADMIN",
    "CONNECTION_ADMIN": "CONNECTION ADMIN",
    "SET_ANY_DEFINER": "SET USER",
    "SET_USER_ID": "SET USER",
    "SHOW_ROUTINE": "SHOW CREATE ROUTINE",
    "CREATE ROLE": "CREATE USER",
    "DROP ROLE": "CREATE USER",
    "SYSTEM_VARIABLES_ADMIN": "SUPER",
    "SESSION_VARIABLES_ADMIN": "SUPER",
    "ROLE_ADMIN": "CREATE USER",
}


def find(a: Server, b: Server) -> Iterator[Finding]:
    """What differs; nothing where the accounts of A cannot be seen."""
    if a.accounts is None:
        return
    yield from _plugins(a, b, a.accounts)
    if b.accounts is not None:
        yield from _missing(a, b, a.accounts, b.accounts)
    yield from _unknown(a, b)
    if b.accounts is not None:
        yield from _fewer(a, b, {str(account) for account in b.accounts})


def _plugins(a: Server, b: Server, accounts: tuple[Account, ...]) -> Iterator[Finding]:
    by_plugin: dict[str, list[str]] = defaultdict(list)
    for account in accounts:
        if not account.is_role and account.plugins and not set(account.plugins) & b.plugins:
            by_plugin[" or ".join(account.plugins)].append(f"account {account}")
    for plugin, where in sorted(by_plugin.items()):
        yield Finding(
            subject=Subject.ACCOUNTS,
            severity=Severity.BLOCKS,
            what=f"nobody can log in with {plugin}",
            where=tuple(where),
            why=f"{b.name} has no such plugin, and a hash made for it is of no use to another one",
            do=f"{_way(plugin, b)} on {b.name}",
        )


def _way(plugin: str, b: Server) -> str:
    if plugin in ("unix_socket", "auth_socket"):
        other = "unix_socket" if b.is_mariadb else "auth_socket"
        verb = "VIA" if b.is_mariadb else "WITH"
        return f"INSTALL PLUGIN {other} and CREATE USER … IDENTIFIED {verb} {other}, or IDENTIFIED BY a new password"
    if b.is_mariadb:
        return (
            "CREATE USER … IDENTIFIED BY the password (mysql_native_password), or VIA ed25519 where that is installed"
        )
    return "CREATE USER … IDENTIFIED WITH caching_sha2_password BY the password; see that the clients can do that"


def _missing(a: Server, b: Server, ours: tuple[Account, ...], theirs: tuple[Account, ...]) -> Iterator[Finding]:
    there = {str(account) for account in theirs}
    # Those of root and without a name are made by each installation for itself.
    lacking = [account for account in ours if str(account) not in there]
    for account in lacking:
        is_own = account.user in ("root", "")
        kind = "role" if account.is_role else "account"
        yield Finding(
            subject=Subject.ACCOUNTS,
            severity=Severity.KNOW if is_own else Severity.BLOCKS,
            what=f"the {kind} is not there",
            where=(f"{kind} {account}",),
            why=f"{b.name} refuses it" if not account.is_role else f"{b.name} cannot grant it",
            do=f"CREATE ROLE `{account.user}`"
            if account.is_role
            else f"CREATE USER {account} IDENTIFIED BY …; SHOW GRANTS FOR {account} on {a.name} says what it may",
        )


def _unknown(a: Server, b: Server) -> Iterator[Finding]:
    # Privileges by a name that B does not know.
    names = _TO_MARIADB if b.is_mariadb else _TO_MYSQL
    holders: dict[str, dict[str, None]] = defaultdict(dict)
    for grant in sorted(a.grants):
        if grant.privilege not in b.privileges:
            holders[grant.privilege][f"account {grant.account}"] = None
    for privilege, where in sorted(holders.items()):
        other = names.get(privilege)
        if other is None:
            do = "find out what needs it, and leave it out otherwise"
        else:
            do = f"GRANT {other} ON *.* TO …" if other else "leave it out: nothing needs it there"
        yield Finding(
            subject=Subject.ACCOUNTS,
            severity=Severity.KNOW,
            what=f"the privilege {privilege} is not there",
            where=tuple(where),
            why=f"{b.family} has none of this name: GRANT fails with it",
            do=do,
        )


def _fewer(a: Server, b: Server, there: set[str]) -> Iterator[Finding]:
    # What accounts that both have may do on A only.
    lacking: dict[tuple[str, str], list[str]] = defaultdict(list)
    for grant in sorted(a.grants - b.grants):
        if grant.account in there and grant.privilege in b.privileges and not _is_covered(grant, b.grants):
            privilege = f"{grant.privilege} (`{grant.column}`)" if grant.column else grant.privilege
            lacking[grant.account, grant.on].append(privilege)
    for (account, on), privileges in sorted(lacking.items()):
        yield Finding(
            subject=Subject.ACCOUNTS,
            severity=Severity.BLOCKS,
            what="an account may do less",
            where=(f"account {account}",),
            why=f"on {b.name} it lacks {', '.join(privileges)} on {on}",
            do=f"GRANT {', '.join(privileges)} ON {_quoted(on)} TO {account}",
        )


def _is_covered(grant: Grant, others: frozenset[Grant]) -> bool:
    wider = (
        Grant(grant.account, grant.privilege),
        Grant(grant.account, grant.privilege, grant.schema),
        Grant(grant.account, grant.privilege, grant.schema, grant.table),
    )
    return any(one in others for one in wider)


def _quoted(on: str) -> str:
    schema, _, table = on.partition(".")
    return ".".join(part if part == "*" else f"`{part}`" for part in (schema, table))
