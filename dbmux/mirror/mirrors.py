"""All mirrors of one engine, as the configuration in force wants them.

Configurations come in with the servers that they name; a mirror whose own part is the same goes on as it is. Each runs
in a task whose owner ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random

from dbmux.backend.server import Backend
from dbmux.backend.topology import Topology
from dbmux.config.model import Account, Feed, MirrorConfig
from dbmux.events import Emit
from dbmux.mirror.mirror import Mirror
from dbmux.mirror.native import NativeMirror
from dbmux.sync.replay import Task
from dbmux.sync.table import TableName

# Fed by DbMux, or by the servers themselves.
AnyMirror = Mirror | NativeMirror
Start = Callable[[Coroutine[None, None, None], str], asyncio.Task[None]]


@dataclass(frozen=True, slots=True)
class _Fed:
    """What a mirror was made of, and the task that runs it."""

    made_of: tuple[MirrorConfig, Backend, Backend, Account]
    mirror: AnyMirror
    task: asyncio.Task[None]


class Mirrors:
    """By name; `attend` makes them what they should be."""

    def __init__(self, emit: Emit, start: Start, randomness: Random) -> None:
        self._emit = emit
        self._start = start
        self._random = randomness
        self._fed: dict[str, _Fed] = {}

    def __iter__(self) -> Iterator[AnyMirror]:
        return iter([fed.mirror for fed in self._fed.values()])

    def find(self, name: str) -> AnyMirror | None:
        """The mirror of this name."""
        fed = self._fed.get(name)
        return None if fed is None else fed.mirror

    def attend(self, mirrors: Mapping[str, MirrorConfig], topology: Topology, service: Account | None) -> None:
        """Run these from now on, and no others."""
        wanted = {
            name: (_of_writes(config), topology.primary(config.source), topology.backends[config.target], service)
            for name, config in mirrors.items()
            if service is not None
        }
        for name, fed in list(self._fed.items()):
            if wanted.get(name) != fed.made_of:
                fed.task.cancel()
                del self._fed[name]
        for name, made_of in wanted.items():
            if name not in self._fed:
                mirror = self._made(name, *made_of)
                self._fed[name] = _Fed(made_of, mirror, self._start(mirror.attend(), f"mirror {name}"))

    def _made(self, name: str, config: MirrorConfig, source: Backend, target: Backend, account: Account) -> AnyMirror:
        if config.feed is Feed.NATIVE:
            return NativeMirror(name, source, target, account, config.account or account, emit=self._emit)
        mirror = Mirror(_task(name, config, source, target, account), emit=self._emit, randomness=self._random)
        if not config.writes:
            mirror.pause()
        return mirror


def _of_writes(config: MirrorConfig) -> MirrorConfig:
    # What is compared, and what is expected to differ, does not concern the stream.
    return config.model_copy(update={"reads": 0.0, "shadow_writes": 0.0, "expected": ()})


def is_mirrored(config: MirrorConfig) -> Callable[[TableName], bool]:
    """Which tables a mirror is of."""

    def is_wanted(table: TableName) -> bool:
        shown = f"{table.schema}.{table.name}"
        return not config.tables or any(fnmatchcase(shown, pattern) for pattern in config.tables)

    return is_wanted


def _task(name: str, config: MirrorConfig, source: Backend, target: Backend, account: Account) -> Task:
    return Task(
        name=name,
        source=source,
        target=target,
        account=account,
        target_account=config.account or account,
        is_wanted=is_mirrored(config),
        on_definition=config.ddl,
    )
