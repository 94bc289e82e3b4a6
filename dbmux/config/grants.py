"""The statements that give DbMux the rights which a configuration needs.

A configuration comes in, SQL for each server goes out, with what is switched off without it. Passwords are left out:
`CREATE USER` has a place to put one.
"""

from __future__ import annotations

from dbmux.config.model import Config, Feed, InvalidateFrom, OnDefinition, Roles

# One statement for both: MariaDB passes over what is for MySQL 5.7 to 9, and MySQL over what is for MariaDB (manual
# pages "Comments" of both). MariaDB has its own right since 10.5.9.
_STATUS = "/*!50700 REPLICATION CLIENT *//*M!100509 REPLICA MONITOR */"

_MIRRORED = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, LOCK TABLES, REFERENCES, TRIGGER"
_TRIED = "SELECT, INSERT, UPDATE, DELETE, TRIGGER"
_DEFINED = "ALTER, INDEX, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE"


def grants(config: Config) -> str:
    """SQL to be read, completed and run by an administrator."""
    if config.service is None:
        return (
            "-- No service account is configured, and nothing that needs one is switched on.\n"
            "-- DbMux then only checks that its backends answer.\n"
        )
    user = _quoted(config.service.user)
    lines = []
    for name, backend in config.backends.items():
        lines += [
            f"-- backend {' '.join(name.split())} at {backend.address}",
            "-- to log in with, to ask whether it is read-only, and for its position in GTIDs",
            f"CREATE USER IF NOT EXISTS {user}@'%' IDENTIFIED BY '<the password of service>';",
            f"GRANT USAGE ON *.* TO {user}@'%';",
        ]
        if any(name in group.replicas for group in config.groups.values()):
            lines += [
                "-- to ask how many seconds it is behind, in the words of MySQL and of MariaDB; where servers have no",
                "-- GTIDs that is not known without it, and a group with max_lag sends this one no reads",
                f"GRANT {_STATUS} ON *.* TO {user}@'%';",
            ]
        if feeds_cache(config, name):
            lines += [
                "-- for the cache, to see which tables, triggers and foreign keys there are",
                f"GRANT REFERENCES, TRIGGER ON *.* TO {user}@'%';",
                "-- and how views and routines are made: without it no view is cached, and each CALL ends all results",
                f"GRANT SELECT, SHOW VIEW ON *.* TO {user}@'%';",
            ]
        if feeds_cache(config, name) and config.cache.invalidate_from is not InvalidateFrom.OFF:
            lines += [
                "-- to be told in its binary log of writes that do not come through DbMux, for the cache",
                f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {user}@'%';",
            ]
        lines += _compared(config, user, name)
        mirrors = [(label, mirror) for label, mirror in config.mirrors.items() if mirror.feed is Feed.BINLOG]
        if any(name in _servers(config, mirror.source) for _, mirror in mirrors):
            lines += [
                "-- for mirrors, to read its binary log, and how its tables are made",
                f"GRANT SELECT, TRIGGER, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {user}@'%';",
            ]
        for label, mirror in mirrors:
            if mirror.target == name:
                who = user if mirror.account is None else _quoted(mirror.account.user)
                rights = _MIRRORED if mirror.ddl is not OnDefinition.APPLY else f"{_MIRRORED}, {_DEFINED}"
                if mirror.account is not None:
                    lines.append(f"CREATE USER IF NOT EXISTS {who}@'%' IDENTIFIED BY '<its password>';")
                lines += [
                    f"-- for mirror {label}, to write what was written at {mirror.source}",
                    f"GRANT {rights} ON *.* TO {who}@'%';",
                ]
        lines.append("")
    return "\n".join(lines)


def _compared(config: Config, user: str, name: str) -> list[str]:
    lines = []
    for label, mirror in config.mirrors.items():
        if mirror.feed is not Feed.NATIVE or name not in (mirror.target, *_servers(config, mirror.source)):
            continue
        lines += [
            f"-- for mirror {label}, to ask how far it is, and to read where no other account is known",
            f"GRANT SELECT ON *.* TO {user}@'%';",
        ]
        who = user
        if name == mirror.target and mirror.account is not None:
            who = _quoted(mirror.account.user)
            lines.append(f"CREATE USER IF NOT EXISTS {who}@'%' IDENTIFIED BY '<its password>';")
        if name == mirror.target and mirror.shadow_writes:
            lines += ["-- and to try out writes, which are taken back", f"GRANT {_TRIED} ON *.* TO {who}@'%';"]
        right = _STATUS if name == mirror.target else "REPLICATION CLIENT"
        lines.append(f"GRANT {right} ON *.* TO {who}@'%';")
    return lines


def feeds_cache(config: Config, name: str) -> bool:
    """Whether the cache reads dictionary and log of this backend: not of one that is nothing but a replica."""
    if not config.is_cached:
        return False
    groups = [group for group in config.groups.values() if name in (group.primary, *group.replicas)]
    return not groups or any(name == group.primary or group.roles is Roles.AUTO for group in groups)


def _servers(config: Config, name: str) -> tuple[str, ...]:
    group = config.groups.get(name)
    return (name,) if group is None else (group.primary, *group.replicas)


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")
    return f"'{escaped}'"
