"""`dbmux mirror diff | accept | rerun | report`: what differs between both servers of a mirror, and what becomes of it.

The ledger is read where it lies, so no DbMux has to run. What is accepted becomes a rule in the configuration file,
with everything else in it left as it was written; a DbMux that runs takes that up by itself.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dbmux.commands.asking import json_option, print_json
from dbmux.commands.options import Refused, config_option
from dbmux.commands.table import table
from dbmux.text import visible

if TYPE_CHECKING:
    from dbmux.config.model import Config
    from dbmux.mirror.compare import Difference
    from dbmux.mirror.ledger import Entry, Ledger
    from dbmux.mirror.side import Side

# A statement in a list; of the shortest one still sees which it is, whatever the terminal's width.
LONGEST, SHORTEST = 70, 30
LONGEST_PLACE = 20


@click.command()
@click.argument("number", type=click.IntRange(1), required=False, metavar="[N]")
@click.option("--mirror", metavar="NAME", help="Only of this mirror.")
@click.option(
    "--state",
    type=click.Choice(["new", "accepted", "repaired", "all"]),
    default="new",
    help="Only those of which that has become (default: new).",
)
@json_option
def diff(number: int | None, mirror: str | None, state: str, as_json: bool) -> None:
    """List what differs, or show one difference with both answers; exit 1 when some are new."""
    from dbmux.mirror.ledger import State
    from dbmux.mirror.orders import listed, shown

    with _ledger() as ledger:
        if number is not None:
            one = shown(ledger, number)
            if as_json:
                print_json(one)
            else:
                for line in _one_told(one):
                    click.echo(line)
            return
        names = ledger.mirrors()
        if mirror is not None and mirror not in names:
            raise Refused(f"nothing is known of a mirror {visible(mirror)!r}; there are {_known(names)}")
        found = listed(ledger, mirror, None if state == "all" else State(state))
    if as_json:
        print_json(found)
    elif found:
        for line in _list_told(found):
            click.echo(line)
    else:
        click.echo("no differences" if names else "no differences: no mirror has compared anything yet")
    sys.exit(1 if any(one["state"] == "new" for one in found) else 0)


@click.command()
@click.argument("number", type=click.IntRange(1), metavar="N")
@click.option("--why", required=True, metavar="TEXT", help="Why it is harmless.")
@click.option("--by", metavar="NAME", help="Who says so (default: you).")
@config_option
def accept(number: int, why: str, by: str | None, config: Path | None) -> None:
    """Take a difference for known and harmless: write the rule into the configuration."""
    from dbmux.mirror.orders import accepted

    path = _file(config)
    with _ledger() as ledger:
        accepted(ledger, number, by or getpass.getuser(), time.time(), why, partial(_write_rule, path))
    click.echo(f"difference {number} is accepted; its rule stands in {visible(str(path))}")


@click.command()
@click.argument("number", type=click.IntRange(1), metavar="N")
@config_option
@json_option
def rerun(number: int, config: Path | None, as_json: bool) -> None:
    """Run the samples of a difference again on both servers; exit 1 when they still differ."""
    import uvloop

    from dbmux.mirror.orders import rerun_told, settled_by_running

    with _ledger() as ledger:
        entry, samples = ledger.entry(number), ledger.samples(number)
        found = uvloop.run(_run_again(_loaded(config), entry, samples))
        entry = settled_by_running(ledger, entry, found, time.time())
    if as_json:
        told = rerun_told(entry, found)
        print_json(
            {"state": entry.state, "told": told, "samples": [_sample_told(text, many) for text, many in found.items()]}
        )
    else:
        for text, many in found.items():
            click.echo(f"{_short(text)}: {'the same' if not many else 'different'}")
            for one in many:
                click.echo(f"  {one.kind}{f' in {one.column}' if one.column else ''}")
                click.echo(f"    source: {one.source}")
                click.echo(f"    target: {one.target}")
        click.echo(rerun_told(entry, found))
    sys.exit(1 if any(found.values()) else 0)


@click.command()
@click.argument("mirror", required=False, metavar="[MIRROR]")
@json_option
def report(mirror: str | None, as_json: bool) -> None:
    """Say whether it is safe to switch, and what to change first; exit 1 when it is not."""
    from dbmux.mirror.orders import reported
    from dbmux.mirror.report import Verdict, as_json_told, markdown

    with _ledger() as ledger:
        names = ledger.mirrors()
        if mirror is None and len(names) != 1:
            raise Refused(f"say which mirror; there are {_known(names)}")
        if mirror is not None and mirror not in names:
            raise Refused(f"nothing is known of a mirror {visible(mirror)!r}; there are {_known(names)}")
        document = reported(ledger, mirror or names[0], time.time())
    click.echo(json.dumps(as_json_told(document), indent=1) if as_json else markdown(document), nl=as_json)
    sys.exit(0 if document.verdict is Verdict.SAFE else 1)


@contextmanager
def _ledger() -> Iterator[Ledger]:
    import platformdirs

    from dbmux.mirror.ledger import FILE, opened

    with opened(platformdirs.user_state_path("dbmux") / FILE) as ledger:
        yield ledger


def _known(names: list[str]) -> str:
    return ", ".join(map(visible, names)) or "none: no mirror has compared anything yet"


# What is shown.


def _list_told(found: list[dict[str, Any]]) -> Iterator[str]:
    # What is the same in all lines is left out of them, so that statements have room.
    columns: list[tuple[str, list[str]]] = [("n", [str(one["id"]) for one in found])]
    columns += [(head, told) for head in ("mirror", "state") if len(set(told := [one[head] for one in found])) > 1]
    columns += [
        (
            "kind",
            [one["kind"] + (f" ({_short(one['place'], LONGEST_PLACE)})" if one["place"] else "") for one in found],
        ),
        ("seen", [str(one["count"]) for one in found]),
        ("last", [_minute(one["last_seen"]) for one in found]),
    ]
    taken = sum(max(map(len, (head, *cells))) + 2 for head, cells in columns)
    room = min(LONGEST, max(SHORTEST, shutil.get_terminal_size((taken + LONGEST, 24)).columns - taken))
    columns.append(("statement", [_short(one["text"], room) for one in found]))
    return table([head for head, _ in columns], list(zip(*(cells for _, cells in columns), strict=True)))


def _one_told(one: dict[str, Any]) -> Iterator[str]:
    place = f" in {visible(one['place'])}" if one["place"] else ""
    first, last = _moment(one["first_seen"]), _moment(one["last_seen"])
    yield f"{one['kind']}{place}, seen {one['count']} times, {first} to {last}"
    if one["settled_by"]:
        yield visible(f"{one['state']} by {one['settled_by']}, {_moment(one['settled_at'])}: {one['why']}")
    yield visible(one["text"])
    yield visible(f"source: {one['source']}")
    yield visible(f"target: {one['target']}")
    for sample in one["samples"]:
        yield ""
        state = [f"as {sample['user'] or 'nobody'}", f"in {sample['state'].get('schema') or 'no schema'}"]
        yield visible(f"{_moment(sample['at'])}, {', '.join([*state, *sample.get('settings', ())])}")
        yield visible(sample["statement"])
        for side in ("source", "target"):
            yield f"{side}, {sample[f'{side}_s'] * 1000:.2f} ms:"
            yield from (f"  {line}" for line in _answer_told(sample[side]))


def _answer_told(text: str) -> Iterator[str]:
    try:
        told = json.loads(text)
    except ValueError:
        # A plan.
        yield from (visible(line) for line in text.splitlines())
        return
    if "error" in told:
        error = told["error"]
        yield visible(f"{error['number']} ({error['sqlstate']}): {error['message']}")
        return
    if "columns" not in told:
        yield from (visible(line) for line in text.splitlines())
        return
    heads = [f"{name} {kind}" for name, kind in told["columns"]]
    rows = [["NULL" if value is None else _short(str(value)) for value in row] for row in told["rows"]]
    yield from table([visible(head) for head in heads], rows) if heads else ()
    if told["count"] > len(told["rows"]):
        yield f"… {told['count']} rows"
    for level, code, message in told["warnings"]:
        yield visible(f"{level} {code}: {message}")


def _sample_told(text: str, many: tuple[Difference, ...]) -> dict[str, Any]:
    told = [{"kind": one.kind, "column": one.column, "source": one.source, "target": one.target} for one in many]
    return {"statement": text, "differences": told}


def _short(text: str, longest: int = LONGEST) -> str:
    shown = visible(" ".join(text.split()))
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def _minute(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")


# The configuration.


def _file(config: Path | None) -> Path:
    from dbmux.config import load

    return load.find(config, os.environ) or Path(load.FILE_NAME)


def _loaded(config: Path | None) -> Config:
    from dbmux.config import load

    return load.load(_file(config), os.environ)


def _write_rule(path: Path, mirror: str, rule: dict[str, Any]) -> None:
    from dbmux.config.insert import CannotInsert
    from dbmux.config.rewrite import append
    from dbmux.errors import ConfigError

    by_hand = f"write it there by hand, into mirrors.{mirror}.expected: {json.dumps(rule, ensure_ascii=False)}"
    try:
        append(path, ("mirrors", mirror, "expected"), rule, os.environ)
    except (ConfigError, CannotInsert, OSError) as error:
        raise Refused(f"it is not accepted: no rule was written into {path} ({error}); {by_hand}") from error


# The servers.


async def _run_again(config: Config, entry: Entry, samples: list[Any]) -> dict[str, tuple[Difference, ...]]:
    from dbmux.mirror.catalogue import configured, shipped
    from dbmux.mirror.orders import run_again

    wanted = config.mirrors.get(entry.mirror)
    if wanted is None:
        raise Refused(f"the configuration has no mirror {visible(entry.mirror)!r}; name its file with --config")
    group = config.groups.get(wanted.source)
    source = _side(config, group.primary if group is not None else wanted.source)
    target = _side(config, wanted.target)
    catalogue = shipped().extended(configured(entry.mirror, wanted.expected))
    try:
        await source.meet()
        await target.meet()
        expected = catalogue.between(source.version, target.version)
        return {one.statement: await run_again(entry, one, source, target, expected) for one in samples}
    finally:
        source.close()
        target.close()


def _side(config: Config, name: str) -> Side:
    from dbmux.backend.reading import Rights
    from dbmux.backend.server import Backend
    from dbmux.mirror.side import Side
    from dbmux.net.certificate import backend_context
    from dbmux.net.dial import dial

    account = config.service
    if account is None:
        raise Refused("name a `service` account in the configuration; samples are run again with its rights")
    rights = Rights(user=account.user.encode(), password=account.password.encode())
    wanted = config.backends[name]
    context = backend_context(wanted.tls, is_local=wanted.address.is_local)
    backend = Backend(name, wanted, dial=dial, tls=context, connect_timeout_s=config.timeouts.connect)
    return Side(backend, lambda user: rights)
