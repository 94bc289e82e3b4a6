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
# What MariaDB calls otherwise in its lists, and takes in a GRANT all the same.
_TAKEN = frozenset(("REPLICATION CLIENT",))
# Each installation makes these for itself.
_OWN = frozenset(("root", ""))
# So many are named in what to do.
_NAMED = 5


def find(a: Server, b: Server) -> Iterator[Finding]:
    """What differs; nothing where the accounts of A cannot be seen."""
    if a.accounts is None:
        return
    there = None if b.accounts is None else {str(account) for account in b.accounts}
    yield from _plugins(b, a.accounts, there or set())
    if there is not None:
        yield from _missing(a, b, a.accounts, there)
        yield from _fewer(a, b, there)
    yield from _unknown(a, b)


def _plugins(b: Server, accounts: tuple[Account, ...], there: set[str]) -> Iterator[Finding]:
    lacking: dict[tuple[Severity, str], list[str]] = defaultdict(list)
    for account in accounts:
        if not account.is_role and account.plugins and not set(account.plugins) & b.plugins:
            is_safe = str(account) in there or account.user in _OWN
            severity = Severity.KNOW if is_safe else Severity.BLOCKS
            lacking[severity, " or ".join(account.plugins)].append(f"account {account}")
    for (severity, plugin), where in sorted(lacking.items()):
        is_safe = severity is Severity.KNOW
        yield Finding(
            subject=Subject.ACCOUNTS,
            severity=severity,
            what=f"accounts log in with {plugin} no more" if is_safe else f"nobody can log in with {plugin}",
            where=tuple(where),
            why=f"{b.name} has no such plugin"
            + (": there they log in in another way" if is_safe else ", and a hash made for it is of no use to another"),
            do=f"see that their clients can do what {b.name} wants" if is_safe else f"on {b.name}: {_way(plugin, b)}",
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


def _missing(a: Server, b: Server, accounts: tuple[Account, ...], there: set[str]) -> Iterator[Finding]:
    lacking = [account for account in accounts if str(account) not in there]
    for what, found, do in (
        ("accounts are not there", [one for one in lacking if not one.is_role], "CREATE USER {} IDENTIFIED BY …"),
        ("roles are not there", [one for one in lacking if one.is_role], "CREATE ROLE {}"),
    ):
        for severity, those in (
            (Severity.BLOCKS, [str(one) for one in found if one.user not in _OWN]),
            (Severity.KNOW, [str(one) for one in found if one.user in _OWN]),
        ):
            if those:
                creations = "; ".join(do.format(one) for one in those[:_NAMED])
                yield Finding(
                    subject=Subject.ACCOUNTS,
                    severity=severity,
                    what=what,
                    where=tuple(f"account {one}" for one in those),
                    why=f"nobody can log in as them to {b.name}, nor get their rights",
                    do=f"on {b.name}: {creations}{'; and so on' if len(those) > _NAMED else ''}; what each may, SHOW "
                    f"GRANTS on {a.name} says",
                )


def _unknown(a: Server, b: Server) -> Iterator[Finding]:
    # Privileges by names that B does not know; accounts that hold the same ones are told together.
    names = _TO_MARIADB if b.is_mariadb else _TO_MYSQL
    held: dict[str, set[str]] = defaultdict(set)
    for grant in a.grants:
        if grant.privilege not in b.privileges and not (b.is_mariadb and grant.privilege in _TAKEN):
            held[grant.account].add(grant.privilege)
    together: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for account, privileges in sorted(held.items()):
        together[tuple(sorted(privileges))].append(f"account {account}")
    for unknown, where in together.items():
        others = sorted({names[one] for one in unknown if names.get(one)} & b.privileges)
        lost = [one for one in unknown if one not in names]
        yield Finding(
            subject=Subject.ACCOUNTS,
            severity=Severity.KNOW,
            what="privileges have other names, or are not there",
            where=tuple(where),
            why=f"{b.family} refuses a GRANT of {', '.join(unknown)}",
            do="; ".join(
                (
                    *((f"GRANT {', '.join(others)} ON *.* TO …",) if others else ()),
                    *((f"find out whether anybody needs {', '.join(lost)}",) if lost else ()),
                )
            )
            or "leave them out: nothing needs them there",
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
