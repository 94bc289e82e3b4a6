"""`dbmux upgrade check`: what stands in the way of one server taking another's place.

Exit code 0 nothing blocks, 1 something does, 2 it could not be told.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dbmux.commands.asking import Wanted, asked, engine_options, print_json
from dbmux.commands.options import Refused

if TYPE_CHECKING:
    from dbmux.upgrade.finding import Finding, Report
    from dbmux.upgrade.statements import Statement

# Of the objects of a finding so many are named; --json has all.
_SHOWN = 5


@click.group()
def command() -> None:
    """See what stands in the way of an upgrade."""


@command.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@engine_options
@click.option("--schemas", "patterns", metavar="PATTERN", multiple=True, help="Only these, such as shop or shop_*.")
@click.option("--try", "tries", is_flag=True, help="Make A's definitions in scratch schemas on B, and drop them again.")
@click.option("--rows", "counts_rows", is_flag=True, help="Count rows with zero dates: reads A's tables.")
@click.option(
    "--statements",
    "file",
    type=click.File(errors="replace"),
    metavar="FILE",
    help="Statements to try, one a line, or a query log; - is standard input.",
)
@click.option("--digests", is_flag=True, help="Try the kinds of statements that a running DbMux has seen.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown.")
def check(first: str, second: str, as_json: bool, as_markdown: bool, **given: Any) -> None:
    """Look at two servers: can B take A's place?

    A and B are backends of the configuration, or addresses, reached as `dbmux verify` reaches them. A is only read,
    and so is B without --try. Statements are never run.
    """
    import uvloop

    from dbmux.upgrade.finding import Verdict

    if first == second:
        raise click.UsageError("A and B are the same")
    if as_json and as_markdown:
        raise click.UsageError("--json and --markdown do not go together")
    report = uvloop.run(_check((first, second), statements=_statements(**given), **_wished(given)))
    if as_json:
        print_json(report.as_json())
    elif as_markdown:
        from dbmux.upgrade.markdown import markdown

        click.echo("\n".join(markdown(report)))
    else:
        _tell(report)
    sys.exit({Verdict.CLEAR: 0, Verdict.BLOCKED: 1, Verdict.UNTOLD: 2}[report.verdict])


def _wished(given: dict[str, Any]) -> dict[str, Any]:
    wanted: Wanted = given["wanted"]
    return {"config": wanted.config, **{name: given[name] for name in ("patterns", "tries", "counts_rows")}}


def _statements(wanted: Wanted, file: Any, digests: bool, **_: Any) -> tuple[Statement, ...]:
    from dbmux.upgrade.statements import from_top, read_lines

    found: list[Statement] = []
    if file is not None:
        try:
            found += read_lines(file)
        except ValueError as error:
            raise Refused(f"{file.name} has a line that begins like JSON and is none: {error}") from None
    if digests:
        found += from_top(asked(wanted, "top", seconds=None))
    return tuple(found)


async def _check(
    wanted: tuple[str, str],
    *,
    config: Path | None,
    statements: tuple[Statement, ...],
    patterns: tuple[str, ...],
    tries: bool,
    counts_rows: bool,
) -> Report:
    from functools import partial
    from secrets import token_hex

    from dbmux.backend.service import Service
    from dbmux.commands.servers import configuration, server
    from dbmux.upgrade.check import Wish, check
    from dbmux.upgrade.scratch import Ground

    reached = [server(name, configuration(config)) for name in wanted]
    with ExitStack() as stack:
        services: list[Service] = []
        for backend, account in reached:
            try:
                service = await Service.connect(backend, account)
            except TimeoutError:
                raise Refused(f"{backend.name} did not answer to the login in time") from None
            stack.callback(service.close)
            services.append(service)
        wish = Wish(
            patterns=patterns,
            statements=statements,
            ground=Ground(lambda: token_hex(4), partial(Service.connect, *reached[1])) if tries else None,
            counts_rows=counts_rows,
        )
        return await check((services[0], services[1]), wish, _step)


def _step(name: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"looking at {name}…", err=True)


def _tell(report: Report) -> None:
    from dbmux.text import visible
    from dbmux.upgrade.finding import Subject

    for side in (report.first, report.second):
        click.echo(f"{visible(side.name)} is {visible(side.version)}")
    for subject in Subject:
        if found := report.of(subject):
            click.echo(f"\n{subject} ({len(found)})")
            for finding in found:
                for line in _lines(finding):
                    click.echo(f"  {visible(line)}")
    if report.untold:
        click.echo(f"\ncould not be told ({len(report.untold)})")
        for sentence in report.untold:
            click.echo(f"  {visible(sentence)}")
    counts = ", ".join(f"{number} {severity}" for severity, number in report.counts.items())
    click.echo(f"\n{report.verdict}: {counts}")


def _lines(finding: Finding) -> list[str]:
    more = len(finding.where) - _SHOWN
    return [
        f"{finding.severity}: {finding.what}",
        *(f"  {place}" for place in finding.where[:_SHOWN]),
        *((f"  and {more} more",) if more > 0 else ()),
        *((f"  why: {finding.why}",) if finding.why else ()),
        *((f"  do: {finding.do}",) if finding.do else ()),
    ]
