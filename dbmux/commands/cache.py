"""`dbmux cache`: what the query cache of a running DbMux does and holds, and how to have it forget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from dbmux.backend.occupation import span
from dbmux.commands.asking import Wanted, asked, control_option, json_option, print_json
from dbmux.commands.table import table
from dbmux.feed.outcome import outcome
from dbmux.feed.units import many
from dbmux.text import visible


@click.group()
def command() -> None:
    """Show what the query cache does, or empty it."""


@command.command()
@control_option
@json_option
def stats(wanted: Wanted, as_json: bool) -> None:
    """Show hits, misses, reasons, memory and advice."""
    found: dict[str, Any] = asked(wanted, "cache")
    if as_json:
        print_json(found)
        return
    for line in told(found):
        click.echo(line)


@command.command("list")
@control_option
@json_option
def list_entries(wanted: Wanted, as_json: bool) -> None:
    """Show the stored results that are used most."""
    found: list[dict[str, Any]] = asked(wanted, "cache.entries")
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one["tables"],
            size(one["bytes"]),
            str(one["rows"]),
            str(one["uses"]),
            span(one["age"]),
            span(one["left"]),
            one["statement"] or "(not shown)",
        )
        for one in found
    ]
    for line in table(("tables", "size", "rows", "uses", "age", "left", "statement"), rows):
        click.echo(line)


@command.command()
@click.argument("name", required=False, metavar="[TABLE]")
@control_option
@json_option
def flush(name: str | None, wanted: Wanted, as_json: bool) -> None:
    """Forget all results, or those of a table (schema.table) or a schema (schema.*)."""
    if name is not None and not all(name.partition(".")):
        raise click.UsageError(f"{name!r} is no table; write it as schema.table")
    found = asked(wanted, "cache.flush", table=name)
    if as_json:
        print_json(found)
    else:
        click.echo(outcome("cache.flush", found))


def told(found: dict[str, Any]) -> Iterator[str]:
    """The figures as people read them."""
    memory = found["memory"]
    yield f"{_count(memory['results'])} in {size(memory['bytes'])} of {size(memory['limit'])}"
    for group in found["groups"]:
        yield f"{group['group']}: {_standing(group)}"
    yield from _section(("tables", "by", "ttl", "hits", "stale", "waited", "misses", "hit rate", "saved"), _rows(found))
    refused = [(why, one["tables"], str(count)) for one in found["statements"] for why, count in one["refused"].items()]
    yield from _section(("not stored, because", "tables", "times"), refused)
    passed = [(one["reason"], str(one["count"])) for one in found["bypasses"]]
    yield from _section(("not looked up, because", "times"), passed)
    held = [(one["table"], str(one["results"]), size(one["bytes"])) for one in found["tables"]]
    yield from _section(("table", "results", "size"), held)
    yield from _section(
        ("gone, because", "results"), [(why, str(count)) for why, count in found["gone"].items() if count]
    )
    cleared = [(one["cause"], str(one["count"]), f"{span(one['seconds'])} ago") for one in found["cleared"]]
    yield from _section(("everything ended, because", "times", "last"), cleared)
    if found["advice"]:
        yield ""
        yield from (_advice(one) for one in found["advice"])


def _rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
    rows = []
    for one in found["statements"]:
        answered = one["hits"] + one["coalesced"]
        rate = answered / max(answered + one["misses"], 1)
        figures = (str(one[key]) for key in ("hits", "stale", "coalesced", "misses"))
        saved = f"{one['saved_seconds']:.3g} s"
        rows.append((one["tables"], one["by"] or "-", f"{one['ttl']:g} s", *figures, f"{rate:.1%}", saved))
    return rows


def _advice(one: dict[str, Any]) -> str:
    what = f"{one['share']:.0%} {'of its misses ' * one['cached']}would hit with ttl {one['ttl']:g}s"
    saved = f"which saves {one['saved_seconds_per_minute']:.2g} s of server time a minute"
    written = f"written {one['written_per_minute']:.2g} times a minute"
    return visible(f"{one['tables']}: {what}, {saved}; {written}: {one['statement'] or '(not shown)'}")


def _section(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        yield ""
        yield from table(head, rows)


def _standing(group: dict[str, Any]) -> str:
    if group["broken"]:
        return f"nothing is cached: {group['broken']}"
    if not group["dictionary"]:
        return f"nothing is cached: {group['why']}"
    return (
        "writes past DbMux are seen"
        if group["binlog"]
        else "writes past DbMux are not seen: results last up to their ttl"
    )


def _count(results: int) -> str:
    return many(results, "result")


def size(number: float) -> str:
    """Bytes as people read them."""
    unit = "B"
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1024 or unit == "GB":
            break
        number /= 1024
    return f"{number:.3g} {unit}" if number < 1000 else f"{number:.0f} {unit}"
