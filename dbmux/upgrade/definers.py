"""Views, routines, triggers and events that run as accounts which the second server does not have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from dbmux.upgrade.finding import Finding, Severity, Subject
from dbmux.upgrade.server import Server


def find(a: Server, b: Server) -> Iterator[Finding]:
    """What has lost, or will lose, whoever it runs as; nothing where the accounts cannot be seen."""
    if a.accounts is None or b.accounts is None:
        return
    ours, theirs = ({(one.user, one.host.lower()) for one in server.accounts or ()} for server in (a, b))
    own = {("mariadb.sys", "localhost"), ("mysql.sys", "localhost")}
    by_definer: dict[str, list[str]] = defaultdict(list)
    for program in a.programs:
        user, _, host = program.definer.rpartition("@")
        if program.is_definers and (user, host.lower()) not in theirs | own:
            by_definer[program.definer].append(str(program))
    for definer, where in sorted(by_definer.items()):
        user, _, host = definer.rpartition("@")
        account = f"'{user}'@'{host}'"
        is_dead = (user, host.lower()) not in ours
        yield Finding(
            subject=Subject.DEFINERS,
            severity=Severity.KNOW if is_dead else Severity.BLOCKS,
            what=f"the definer {definer} is on neither server" if is_dead else f"the definer {definer} is not there",
            where=tuple(where),
            why="it fails on both with error 1449"
            if is_dead
            else "it can be made, and fails with error 1449 when it is used",
            do=f"CREATE USER {account} on {b.name} with the rights that it has on {a.name}, or make it again with "
            "another DEFINER or SQL SECURITY INVOKER",
        )
