"""python -m benchmarks LOAD: measure, print, and where asked, record."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from benchmarks import loads, report
from benchmarks.loads import LOADS, Options
from benchmarks.measure import figures
from benchmarks.report import Found
from benchmarks.targets import REFERENCE, Bench, running
from dbmux.playground.packages import Kind, Wish, parse_wish


@click.command()
@click.argument("load", type=click.Choice([*LOADS, "all"]))
@click.option("--seconds", default=5.0, show_default=True, help="How long each target is under load in each round.")
@click.option("--threads", default=8, show_default=True, help="Clients at the same time.")
@click.option("--rounds", default=3, show_default=True, help="How often everything is measured, in changing order.")
@click.option("--json", "json_path", type=click.Path(allow_dash=True), help="Write JSON there; - is standard output.")
@click.option("--pure/--no-pure", help="Also measure DbMux with the pure-Python kernel.")
@click.option("--server", default="mariadb", show_default=True, help="The server, as the playground names it.")
@click.option("--record/--no-record", help="Write benchmarks/RESULTS.md, or RESULTS-mysql.md.")
def main(
    load: str,
    seconds: float,
    threads: int,
    rounds: int,
    json_path: str | None,
    pure: bool,
    server: str,
    record: bool,
) -> None:
    """Measure DbMux beside its peers."""
    options = Options(seconds=seconds, threads=threads, rounds=rounds)
    wish = parse_wish(server)
    chosen = _possible(wish) if load == "all" else [load]
    results: dict[str, Found] = {}
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), wish, pure) as bench:
        loads.prepare(bench)
        for name in chosen:
            results[name] = _measure(bench, name, options)
            click.echo(f"\n{name}\n{report.table(results[name])}", err=True)
        machine = report.machine(bench.server.software)
    for line in report.verdicts(results):
        click.echo(line, err=True)
    if json_path is not None:
        with click.open_file(json_path, "w") as file:
            json.dump(report.as_json(machine, results), file, indent=1)
    if record:
        report.record(wish.kind, machine, results)


def _possible(wish: Wish) -> list[str]:
    return [name for name in LOADS if wish.kind is Kind.MARIADB or name not in loads.MARIADB_ALONE]


def _measure(bench: Bench, name: str, options: Options) -> Found:
    rounds = []
    # Memory does not get more exact by doing it again, and each time it takes the longest of all.
    for number in range(1 if name == "idle-clients" else options.rounds):
        turn = number % len(bench.targets)
        order = bench.targets[turn:] + bench.targets[:turn]
        found = {target.name: LOADS[name](target, options) for target in order}
        rounds.append({target.name: found[target.name] for target in bench.targets})
    return figures(rounds, REFERENCE)


if __name__ == "__main__":
    main()
