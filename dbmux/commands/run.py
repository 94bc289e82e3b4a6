"""`dbmux run`: run a program, with DbMux between it and its database, and tell what its statements were like."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click
import platformdirs
import uvloop

from dbmux import process
from dbmux.address import TcpAddress
from dbmux.commands import child
from dbmux.commands.engine import DEFAULT_BACKEND
from dbmux.commands.files import usable
from dbmux.commands.options import Refused, config_option
from dbmux.config import load
from dbmux.config.model import Config, StatementLog
from dbmux.errors import ConfigError
from dbmux.events import BackendDown, LoginFailed, Warned
from dbmux.feed.comments import origin
from dbmux.feed.notes import EngineNotes
from dbmux.feed.report import criteria, document
from dbmux.feed.report.tally import Ended, Report, Tally
from dbmux.feed.row import Row
from dbmux.observe.logfile import LogFormat, sentence
from dbmux.observe.observer import Observer
from dbmux.text import why

FREE_PORT = "127.0.0.1:0"
# How often it is looked for statements; all that there are are taken each time, and the program waits meanwhile. So the
# ring never has to forget one that was not looked at.
LOOK_S = 0.02
# How long what the program left behind may go on with what it does.
DRAIN_S = 2.0
MOST_NOTES = 20


@dataclass(frozen=True, slots=True)
class _Wanted:
    command: tuple[str, ...]
    criteria: criteria.Criteria
    options: process.Options


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@config_option
@click.option("--backend", metavar="HOST:PORT", help="The one server behind; needs no configuration file.")
@click.option("--fail-on", multiple=True, metavar="WHAT", help="Exit with 1 for: n+1, errors, slow, 'slow>200ms'.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this .md or .json file.")
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARGUMENTS]...")
def command(
    config: Path | None, backend: str | None, fail_on: tuple[str, ...], report: Path | None, program: tuple[str, ...]
) -> None:
    """Run a program with DbMux between it and its database, and report on its statements.

    The program gets DB_HOST and DB_PORT, and in DATABASE_URL another host and port. Its output and its exit code are
    passed through.
    """
    try:
        wanted = criteria.parse(fail_on)
    except ValueError as error:
        raise click.UsageError(f"--fail-on: {error}") from None
    if report is not None and report.suffix not in (".md", ".json"):
        raise click.UsageError(f"--report: {report} should end in .md or .json, which says what is written")
    if report is not None:
        _check(report)
    options = _options(_configuration(config, backend))
    process.raise_open_files_limit()
    try:
        told = uvloop.run(_run(_Wanted(program, wanted, options)))
    except child.CannotRun as error:
        click.echo(f"dbmux: {error}", err=True)
        sys.exit(error.code)
    except ConfigError as error:
        sys.exit(process.tell(error))
    _tell(told, report)
    sys.exit(told.exit_code or (process.FINDINGS if told.failures else process.FINE))


def _configuration(config: Path | None, backend: str | None) -> Config:
    if backend is not None and config is not None:
        raise click.UsageError("--backend and --config exclude each other: the file names the backends")
    if backend is None and (source := load.find(config, os.environ)) is not None:
        return usable(source)[1]
    if backend is None and (backend := child.server(os.environ)) is None:
        backend = DEFAULT_BACKEND
        click.echo(
            f"dbmux: no {load.FILE_NAME} here, no --backend, DATABASE_URL or DB_HOST: trying {DEFAULT_BACKEND}",
            err=True,
        )
    return load.for_backend(backend)


def _options(config: Config) -> process.Options:
    # What another DbMux of the same configuration has is left to that: its address, its files.
    timeouts = config.timeouts.model_copy(update={"drain": min(DRAIN_S, config.timeouts.drain)})
    own = config.model_copy(update={"control": None, "log": StatementLog(), "timeouts": timeouts})
    return process.Options(
        config=load.with_listen(own, FREE_PORT),
        adjust=lambda read: read,
        source=None,
        log_format=LogFormat.TEXT,
        state_folder=platformdirs.user_state_path("dbmux"),
        started=lambda started: None,
    )


async def _run(wanted: _Wanted) -> Report:
    config, wishes = wanted.options.config, process.Wishes()
    slow_s = wanted.criteria.slow_s
    tally = Tally(config.live.slow if slow_s is None else slow_s, config.live.n_plus_1)
    begun = asyncio.get_running_loop().create_future()
    options = replace(wanted.options, started=begun.set_result)
    serving = asyncio.create_task(process.serve(options, wishes, None), name="serve")
    await asyncio.wait((serving, begun), return_when=asyncio.FIRST_COMPLETED)
    if not begun.done():
        await serving
    started: process.Started = begun.result()
    reader = _Reader(started.observer, tally)
    since = time.monotonic()
    reading = asyncio.create_task(reader.follow(), name="read statements")
    try:
        code = await child.run(wanted.command, child.environment(os.environ, _address(started)))
    finally:
        seconds = time.monotonic() - since
        wishes.stopping.set()
        await serving
        reading.cancel()
    reader.read()
    ended = Ended(wanted.command, code, seconds, tuple(_notes(started.observer)))
    return tally.report(ended, started.observer.digests.over(None), wanted.criteria)


class _Reader:
    """A place in the ring."""

    def __init__(self, observer: Observer, tally: Tally) -> None:
        self._ring = observer.queries
        self._tally = tally
        self._place = 0
        # What the tally finds by itself is not asked of these.
        self._notes = EngineNotes(lambda: 0.0, origin, lambda row: 0)

    async def follow(self) -> None:
        """Read what comes, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.read()

    def read(self) -> None:
        """Read all that there is."""
        found = self._ring.since(self._place)
        first = found.place - len(found.events)
        self._tally.add((Row(first + at, event, self._notes) for at, event in enumerate(found.events)), found.missed)
        self._place = found.place


def _address(started: process.Started) -> TcpAddress:
    (listener,) = started.engine.listeners.values()
    assert isinstance(listener.address, TcpAddress)
    return listener.address


def _notes(observer: Observer) -> Iterator[str]:
    told = [one for one in observer.events.since(0).events if isinstance(one, BackendDown | LoginFailed | Warned)]
    yield from dict.fromkeys(map(sentence, told[:MOST_NOTES]))


def _check(file: Path) -> None:
    # Before the program runs; what was there stays until it has.
    if not file.parent.is_dir():
        raise Refused(f"--report: {file} cannot be written: there is no folder {file.parent}")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise Refused(f"--report: {file} cannot be written: you have no right to")


def _tell(report: Report, file: Path | None) -> None:
    if file is None:
        click.echo("\n" + document.as_markdown(report), err=True, nl=False)
        return
    text = document.as_json(report) if file.suffix == ".json" else document.as_markdown(report)
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        told = f"--report: {file} cannot be written: {why(error)}; {document.summary(report)}"
        if not report.exit_code:
            raise Refused(told) from None
        click.echo(f"dbmux: {told}", err=True)
        return
    failed = f"; failed: {', '.join(report.failures)}" if report.failures else ""
    click.echo(f"dbmux: {document.summary(report)}{failed}; {file} has the rest", err=True)
