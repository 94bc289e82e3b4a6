"""`dbmux verify`: whether two servers have the same rows; exit code 0 equal, 1 different, 2 it could not be told."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dbmux.commands.options import Refused, config_option

if TYPE_CHECKING:
    from dbmux.sync.verify.result import TableResult, Verdict
    from dbmux.sync.verify.settle import Difference

# Of each table so many rows are shown; --json has more.
_SHOWN = 10
_LONGEST = 60
USER, PASSWORD = "DBMUX_VERIFY_USER", "DBMUX_VERIFY_PASSWORD"


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
def command(first: str, second: str, dry_run: bool, repair: bool, **given: Any) -> None:
    """Compare the rows of two servers: backends of the configuration, or addresses.

    An address is logged in at as DBMUX_VERIFY_USER with DBMUX_VERIFY_PASSWORD, or as the service account of the
    configuration.
    """
    import uvloop

    from dbmux.sync.verify.result import Verdict, overall

    if dry_run and not repair:
        raise click.UsageError("--dry-run is for --repair")
    if first == second:
        raise click.UsageError("A and B are the same")
    mend = ("told" if dry_run else "done") if repair else "no"
    results = uvloop.run(_verify((first, second), mend=mend, **given))
    verdict = overall(results)
    if given["as_json"]:
        from dbmux.commands.asking import print_json

        print_json({"verdict": verdict, "tables": [result.as_json() for result in results]})
    else:
        _tell(results, verdict)
    sys.exit({Verdict.EQUAL: 0, Verdict.DIFFERENT: 1, Verdict.UNDECIDED: 2}[verdict])


async def _verify(
    wanted: tuple[str, str],
    *,
    config: Path | None,
    patterns: tuple[str, ...],
    settle: float,
    mend: str,
    resume: bool,
    as_json: bool,
) -> list[TableResult]:
    from platformdirs import user_state_path

    from dbmux.backend.service import Service
    from dbmux.sync.table import Table
    from dbmux.sync.verify.passage import mirror_passage
    from dbmux.sync.verify.repair import DryRun, Repair, Statements
    from dbmux.sync.verify.run import Mender, Wish, verify
    from dbmux.sync.verify.settle import Delay
    from dbmux.sync.verify.side import ServerSide
    from dbmux.sync.verify.state import State

    reached = [_server(name, config) for name in wanted]
    state = State(user_state_path("dbmux") / "verify", *(backend.config.address.__str__() for backend, _ in reached))
    with ExitStack() as stack:
        services: list[Service] = []
        for backend, account in reached:
            try:
                service = await Service.connect(backend, account)
            except TimeoutError:
                raise Refused(f"{backend.name} did not answer to the login in time") from None
            stack.callback(service.close)
            services.append(service)
        pair = services[0], services[1]
        mirror = await mirror_passage(*reached[0], pair[1])
        if mirror is not None:
            stack.callback(mirror.close)
        passage = mirror or Delay(settle)

        def mender(sides: tuple[ServerSide, ServerSide], described: tuple[Table, Table]) -> Mender:
            statements = Statements(pair, sides, described[1])
            if mend == "told":
                return DryRun(statements, lambda sql: click.echo(sql, err=as_json))
            return Repair(pair, statements, passage)

        wish = Wish(
            patterns=patterns,
            passage=passage,
            known=state.read() if resume else {},
            save=state.write,
            mender=mender if mend != "no" else None,
        )
        with _Bars(sys.stderr.isatty()) as bars:
            results = await verify(pair, wish, bars)
    if all(result.is_done or result.is_alone for result in results):
        state.forget()
    return results


def _server(name: str, config: Path | None) -> tuple[Any, Any]:
    # A backend of the configuration, or an address; with the account to log in with.
    import os

    from dbmux.backend.server import Backend
    from dbmux.commands.options import configured
    from dbmux.config import load
    from dbmux.config.model import Account, BackendConfig
    from dbmux.net.certificate import backend_context
    from dbmux.net.dial import dial

    loaded = configured(config)[1] if load.find(config, os.environ) is not None else None
    account = loaded.service if loaded is not None else None
    if user := os.environ.get(USER):
        account = Account(user=user, password=os.environ.get(PASSWORD, ""))
    if loaded is not None and name in loaded.backends:
        wanted, account = loaded.backends[name], loaded.service or account
    else:
        try:
            wanted = BackendConfig.model_validate(name)
        except ValueError:
            raise Refused(f"{name} is neither a backend of the configuration nor an address") from None
    if account is None:
        raise Refused(f"no account for {name}: write `service` into the configuration, or set {USER} and {PASSWORD}")
    context = backend_context(wanted.tls, is_local=wanted.address.is_local)
    connect_s = loaded.timeouts.connect if loaded is not None else 5.0
    return Backend(name, wanted, dial=dial, tls=context, connect_timeout_s=connect_s), account


class _Bars:
    """A bar for each table on a terminal, and nothing elsewhere."""

    def __init__(self, is_terminal: bool) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, TimeRemainingColumn(), disable=not is_terminal, transient=True)
        self._progress.console.stderr = True
        self._task: Any = None

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._progress.stop()

    def begun(self, table: str, rows: int) -> None:
        """See `Watcher`."""
        from dbmux.text import visible

        self._task = self._progress.add_task(visible(table), total=rows)

    def advanced(self, rows: int) -> None:
        """See `Watcher`."""
        self._progress.advance(self._task, rows)

    def ended(self, result: TableResult) -> None:
        """See `Watcher`."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


def _tell(results: list[TableResult], verdict: Verdict) -> None:
    from dbmux.text import visible

    for result in results:
        one, other = result.rows
        count = f"{one} rows" if one == other else f"{one} and {other} rows"
        click.echo(f"{visible(result.name)}: {result.verdict}{'' if result.is_alone else f', {count}'}")
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
    click.echo(f"{verdict}: {len(results)} tables")


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
    from dbmux.text import visible

    if value is None:
        return "NULL"
    text = visible(value.decode("utf-8", "backslashreplace"))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
