"""The statements that give DbMux the rights which a configuration needs.

A configuration comes in, SQL for each server goes out, with what is switched off without it. Passwords are left out:
`CREATE USER` has a place to put one.
"""

from __future__ import annotations

from dbmux.config.model import Config


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
                "-- only where servers have no GTIDs: to ask how many seconds it is behind; without it that is not",
                "-- known, and a group with max_lag sends it no reads",
                f"GRANT REPLICATION CLIENT ON *.* TO {user}@'%';  -- MySQL",
                f"GRANT REPLICA MONITOR ON *.* TO {user}@'%';  -- MariaDB",
            ]
        lines.append("")
    return "\n".join(lines)


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")
    return f"'{escaped}'"
