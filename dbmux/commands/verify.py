"""`dbmux verify`: whether two servers have the same rows; exit code 0 equal, 1 different, 2 it could not be told."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import uvloop
from platformdirs import user_state_path

from dbmux.backend.service import Service
from dbmux.commands.asking import print_json
from dbmux.commands.options import Refused, config_option
from dbmux.commands.servers import configuration, server
from dbmux.config.model import Config
from dbmux.errors import BackendRefused, DbMuxError
from dbmux.sync.table import Table
from dbmux.sync.verify.passage import mirror_passage
from dbmux.sync.verify.repair import DryRun, Repair, Statements
from dbmux.sync.verify.result import TableResult, Verdict, overall
from dbmux.sync.verify.run import Mender, Watcher, Wish, verify
from dbmux.sync.verify.settle import Delay, Difference, Passage
from dbmux.sync.verify.side import ServerSide
from dbmux.sync.verify.state import State
from dbmux.text import visible

EXIT_CODES = {Verdict.EQUAL: 0, Verdict.DIFFERENT: 1, Verdict.UNDECIDED: 2}
# Of each table so many rows are shown; --json has more.
_SHOWN = 10
_LONGEST = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """What was asked for."""

    config: Config | None
    patterns: tuple[str, ...]
    settle_s: float
    mends: bool
    is_dry: bool
    resumes: bool
    as_json: bool


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@config_option
@click.option("--tables", "patterns", metavar="PATTERN", multiple=True, help="Only these: schema.table, or with *.")
@click.option(
    "--settle",
    metavar="SECONDS",
    type=click.FloatRange(0),
    default=1.0,
    help="How far B may be behind, where no mirror tells.",
)
@click.option("--repair", is_flag=True, help="Make the rows of B what they are on A.")
@click.option("--dry-run", is_flag=True, help="With --repair: only print the statements.")
@click.option("--resume", is_flag=True, help="Go on where the last comparison of the two was broken off.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(first: str, second: str, config: Path | None, settle: float, **given: Any) -> None:
    """Compare the rows of two servers, and repair them.

    A and B are backends of the configuration, or addresses. At an address DBMUX_VERIFY_USER logs in with
    DBMUX_VERIFY_PASSWORD, or the service account of the configuration.
    """
    if given["dry_run"] and not given["repair"]:
        raise click.UsageError("--dry-run is for --repair")
    if first == second:
        raise click.UsageError("A and B are the same")
    options = _Options(
        config=configuration(config),
        patterns=given["patterns"],
        settle_s=settle,
        mends=given["repair"],
        is_dry=given["dry_run"],
        resumes=given["resume"],
        as_json=given["as_json"],
    )
    try:
        results = uvloop.run(_verify((first, second), options))
    except (DbMuxError, click.ClickException):
        raise
    except KeyboardInterrupt:
        click.echo("broken off: the same with --resume goes on from here", err=True)
        sys.exit(EXIT_CODES[Verdict.UNDECIDED])
    except Exception:
        # Python's own exit code for this would say that they are different.
        traceback.print_exc()
        sys.exit(EXIT_CODES[Verdict.UNDECIDED])
    verdict = overall(results)
    if options.as_json:
        print_json({"verdict": verdict, "tables": [result.as_json() for result in results]})
    else:
        _tell(results, verdict)
    sys.exit(EXIT_CODES[verdict])


async def _verify(wanted: tuple[str, str], options: _Options) -> list[TableResult]:
    reached = [server(name, options.config) for name in wanted]
    if reached[0][0].config.address == reached[1][0].config.address:
        raise Refused(f"{wanted[0]} and {wanted[1]} are one server: name another one")
    state = State(user_state_path("dbmux") / "verify", *(str(backend.config.address) for backend, _ in reached))
    with ExitStack() as stack:
        services: list[Service] = []
        for backend, account in reached:
            try:
                service = await Service.connect(backend, account)
            except TimeoutError:
                raise Refused(f"{backend.name} did not answer to the login in time") from None
            except BackendRefused as error:
                raise Refused(f"{backend.name} refused {account.user}: {error}") from None
            stack.callback(service.close)
            services.append(service)
        pair = services[0], services[1]
        mirror = await mirror_passage(*reached[0], pair[1], _mirrors(*wanted, options.config))
        if mirror is not None:
            stack.callback(mirror.close)
        passage: Passage = mirror or Delay(options.settle_s)

        def mender(sides: tuple[ServerSide, ServerSide], described: tuple[Table, Table]) -> Mender:
            statements = Statements(pair, sides, described[1])
            if options.is_dry:
                return DryRun(statements, lambda sql: click.echo(sql, err=options.as_json))
            return Repair(pair, statements, passage)

        wish = Wish(
            patterns=options.patterns,
            passage=passage,
            known=state.read() if options.resumes else {},
            save=state.write,
            mender=mender if options.mends else None,
        )
        with _watched() as watcher:
            results = await verify(pair, wish, watcher)
        lost = [service.name for service in pair if not service.is_open]
    if all(result.is_done or result.is_alone for result in results):
        state.forget()
    elif lost:
        click.echo(f"{' and '.join(lost)} is gone: when it is back, the same with --resume goes on from here", err=True)
    return results


def _mirrors(first: str, second: str, config: Config | None) -> list[str]:
    # Those of the configuration that bring the writes of one to the other.
    if config is None:
        return []
    sources = {first, *(name for name, group in config.groups.items() if group.primary == first)}
    return [name for name, one in config.mirrors.items() if one.source in sources and one.target == second]


class _Silent:
    """Watches, and shows nothing: nobody sees a bar in a file."""

    def begun(self, table: str, rows: int) -> None:
        """See `Watcher`."""

    def advanced(self, rows: int) -> None:
        """See `Watcher`."""

    def ended(self, result: TableResult) -> None:
        """See `Watcher`."""


@contextmanager
def _watched() -> Iterator[Watcher]:
    if not sys.stderr.isatty():
        yield _Silent()
        return
    # Only now, because it takes long to import.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    class Bar:
        """One for the table that is compared."""

        task: TaskID | None = None

        def begun(self, table: str, rows: int) -> None:
            self.task = progress.add_task(visible(table), total=max(rows, 1))

        def advanced(self, rows: int) -> None:
            if self.task is not None:
                progress.advance(self.task, rows)

        def ended(self, result: TableResult) -> None:
            if self.task is not None:
                progress.remove_task(self.task)
                self.task = None

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
        yield Bar()


def _tell(results: list[TableResult], verdict: Verdict) -> None:
    for result in results:
        one, other = result.rows
        count = _count(one, "row") if one == other else f"{one} and {other} rows"
        was_read = one or other or not result.problem
        click.echo(
            f"{visible(result.name)}: {result.verdict}{f', {count}' if was_read and not result.is_alone else ''}"
        )
        if result.problem:
            click.echo(f"  {visible(result.problem)}")
        if result.different:
            kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(result.kinds.items()))
            columns = ", ".join(visible(name) for name, _ in result.columns.most_common(10))
            click.echo(f"  {kinds}{f'; in {columns}' if columns else ''}")
        for difference in result.examples[:_SHOWN]:
            for line in _lines(difference):
                click.echo(f"  {line}")
        if result.repaired:
            click.echo(f"  {result.repaired} repaired")
        if result.undecided:
            click.echo(f"  {result.undecided} rows kept changing: try again with a longer --settle")
    concerned = sum(result.verdict is verdict for result in results)
    all_tables = _count(len(results), "table")
    tables = all_tables if concerned == len(results) else f"{concerned} of {all_tables}"
    click.echo(f"{verdict}: {tables if results else 'no such table, or the account sees none'}")


def _count(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number} {what}s"


def _lines(difference: Difference) -> list[str]:
    key = ", ".join(_shown(part) for part in difference.key)
    if not difference.columns:
        return [f"{difference.kind}: {key}"]
    values = [
        f"{name}: {_shown(one)} | {_shown(other)}"
        for name, (one, other) in zip(difference.columns, difference.values, strict=False)
    ]
    return [f"{difference.kind}: {key}", *(f"  {line}" for line in values)]


def _shown(value: bytes | None) -> str:
    if value is None:
        return "NULL"
    text = visible(value.decode("utf-8", "backslashreplace"))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
