"""Which of this user's running engines is meant, for the commands that look at one.

A process number, a configuration or nothing comes in, the address of a control socket goes out, or None where no engine
runs; where it is not clear which one is meant, the command is refused with what there is.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from dbmux.address import UnixAddress
from dbmux.commands.options import Command, NobodyAnswers, Refused
from dbmux.control import sockets
from dbmux.errors import DbMuxError
from dbmux.feed.feed import Hello, Lost, Silent
from dbmux.feed.remote import Patience, RemoteFeed

NONE = "no DbMux of yours runs here: `dbmux tui` starts one that can be seen, `dbmux serve` one without a screen"
_LOOKED_IN = f"; looked for in {{}}, {sockets.FOLDER_NAME} names another folder, such as that of a service"
CLIENT = "command"


@dataclass(frozen=True, slots=True)
class Engine:
    """One that runs; `clients` says where clients connect."""

    path: Path
    hello: Hello
    clients: str

    @property
    def line(self) -> str:
        """The engine, for people who have to choose."""
        return f"  {self.hello.pid:>7}  {self.hello.source}  {self.clients}"


def none() -> str:
    """That no engine was found, and where it was looked for."""
    return NONE + _LOOKED_IN.format(sockets.folder(os.environ))


def patient(path: str | Path) -> Patience:
    """Waits for the engine at that socket, and says so on stderr when it takes long."""
    return Patience(late=partial(say_late, _process(path)))


def say_late(who: str) -> None:
    """Say on stderr that somebody takes long to answer."""
    click.echo(f"{who} does not answer yet: it is stopped, or very busy", err=True)


def _process(path: str | Path) -> str:
    stem = Path(path).stem
    return f"process {stem}" if stem.isdigit() else f"what listens at {path}"


def which_argument(command: Command) -> Command:
    """`[PID|PATH]`."""
    return click.argument("which", required=False, metavar="[PID|PATH]")(command)


def named(which: str | None) -> UnixAddress:
    """The control socket that is meant by a process number, a path or nothing; raises Refused and NobodyAnswers."""
    if which is not None and not which.isdigit():
        return UnixAddress(which)
    address = found(None if which is None else int(which), None)
    if address is None:
        raise NobodyAnswers(none())
    return address


def found(pid: int | None, config: Path | None) -> UnixAddress | None:
    """The control socket of the process with this number, or of the engine that runs this configuration.

    With neither, of the only one that runs, or among several of the one whose configuration would be found here. None
    when none runs, or none this configuration; raises Refused and NobodyAnswers.
    """
    paths = sockets.running(os.environ)
    if pid is not None:
        paths = [path for path in paths if path.stem == str(pid)]
    engines, silent = asyncio.run(_running(paths))
    if not engines and silent:
        told = ", ".join(map(_process, silent))
        raise NobodyAnswers(f"{told} does not answer: if it is stopped, `kill -CONT` has it go on")
    if pid is not None:
        if not engines:
            raise NobodyAnswers(f"no DbMux of yours runs as process {pid}; `dbmux status` finds those that do")
    elif config is not None or len(engines) > 1:
        engines = _with(config, engines)
    match engines:
        case []:
            return None
        case [engine]:
            return UnixAddress(str(engine.path))
        case _:
            told = "\n".join(engine.line for engine in engines)
            one = engines[0].hello.pid
            raise Refused(f"several run; say which one, as in `--pid {one}` or `dbmux attach {one}`:\n{told}")


def _with(config: Path | None, engines: list[Engine]) -> list[Engine]:
    # An engine of another configuration than the one that was named is never the one that is meant.
    from dbmux.config.load import find

    wanted = find(config, os.environ)
    same = [engine for engine in engines if wanted is not None and _is_same(engine.hello.source, wanted)]
    return same if config is not None or len(same) == 1 else engines


def _is_same(source: str, wanted: Path) -> bool:
    try:
        return wanted.samefile(source)
    except OSError:
        return False


async def _running(paths: Sequence[Path]) -> tuple[list[Engine], list[Path]]:
    # Those that answer, and those that say nothing.
    asked = await asyncio.gather(*(_look(path) for path in paths))
    silent = [path for path, engine in zip(paths, asked, strict=True) if isinstance(engine, Silent)]
    return [engine for engine in asked if isinstance(engine, Engine)], silent


async def _look(path: Path) -> Engine | Silent | None:
    try:
        feed = await RemoteFeed.connect(UnixAddress(str(path)), CLIENT, patience=patient(path))
    except Silent as error:
        return error
    except Lost:
        # What a process that was killed has left, and another one has its number now.
        return None
    try:
        listeners = (await feed.ask("status"))["listeners"]
    except DbMuxError:
        listeners = []
    finally:
        feed.close()
    return Engine(path, feed.hello, ", ".join(one["address"] for one in listeners))
