"""Variables that the servers of a group have otherwise: what makes the same statement behave differently.

A running engine comes in; for each group with several servers, what differs goes out, as JSON has it. The servers are
asked through the service account. What must differ, such as names, numbers and places of files, is left out.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from dbmux.backend.server import Backend
from dbmux.backend.service import Service
from dbmux.config.model import Account, Config
from dbmux.errors import DbMuxError
from dbmux.feed.feed import Refused
from dbmux.frontend.frontend import Frontend

ANSWER_S = 10.0
# Of each server its own: who it is, where it keeps things, how far it is, and what it was started with to be a replica.
_OWN = re.compile(
    r"hostname|server_(id|uuid)|port|bind_address|socket|pid_file|timestamp|pseudo_\w+|rand_seed\d|last_insert_id|identity"
    r"|(gtid|wsrep|report)_\w+|\w*(_file|_dir|dir|_basename|_index)|(super_)?read_only|relay_log\w*|aria_\w+|version_comment"
    r"|in_transaction|error_count|warning_count|insert_id|last_gtid"
)


class Running(Protocol):
    """An engine that runs."""

    @property
    def config(self) -> Config:
        """What is in force."""

    @property
    def frontend(self) -> Frontend:
        """The clients."""


async def variables(engine: Running) -> list[dict[str, Any]]:
    """By group: its servers, what differs with each server's value (None where it has no such variable), and why a
    server could not be asked; raises Refused without a service account."""
    account = engine.config.service
    if account is None:
        raise Refused("needs the `service` account, which asks the servers")
    groups = [group for group in engine.frontend.topology.groups.values() if len(group.members) > 1]
    members = list({member.name: member for group in groups for member in group.members}.values())
    answers = await asyncio.gather(*(_asked(member, account) for member in members))
    known = dict(zip((member.name for member in members), answers, strict=True))
    return [
        {
            "group": group.name,
            "servers": [member.name for member in group.members],
            "differ": differing(
                {one.name: found for one in group.members if isinstance(found := known[one.name], dict)}
            ),
            "problems": {one.name: found for one in group.members if isinstance(found := known[one.name], str)},
        }
        for group in groups
    ]


async def _asked(backend: Backend, account: Account) -> dict[str, str] | str:
    # Its variables, or why it cannot be asked.
    try:
        async with asyncio.timeout(ANSWER_S):
            service = await Service.connect(backend, account)
            try:
                rows = await service.ask(b"SHOW GLOBAL VARIABLES")
            finally:
                service.close()
    except TimeoutError:
        return "it did not answer in time"
    except DbMuxError as error:
        return str(error)
    return {_text(row[0]).lower(): _text(row[1]) for row in rows}


def differing(found: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """The variables that not all servers have alike, by name, with each server's value."""
    names: Iterable[str] = sorted({name for values in found.values() for name in values})
    return [
        {"name": name, "values": {server: values.get(name) for server, values in found.items()}}
        for name in names
        if not _OWN.fullmatch(name) and len({values.get(name) for values in found.values()}) > 1
    ]


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
