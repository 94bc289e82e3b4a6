"""`dbmux routes`: the groups of a running DbMux, which server takes what, and how often rules matched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from dbmux.commands.asking import Wanted, asked, control_option, json_option, print_json
from dbmux.commands.table import table
from dbmux.feed.units import many
from dbmux.feed.words import takes
from dbmux.text import visible


@click.command()
@control_option
@json_option
def command(wanted: Wanted, as_json: bool) -> None:
    """Show which server takes what, and how often each rule matched."""
    found: dict[str, Any] = asked(wanted, "routes")
    if as_json:
        print_json(found)
        return
    for line in lines(found):
        click.echo(line)


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The tables as people read them."""
    rows = [
        (
            f"{group['name']}{' (observed)' if group['observe'] else ''}",
            server["name"],
            server["role"],
            server["state"],
            takes(group, server),
            "-" if server["lag_seconds"] is None else f"{server['lag_seconds']:.1f} s",
            str(server["busy"]),
            f"{server['connections']}/{server['limit'] if server['limit'] is not None else '-'}",
            str(server["waiting"]),
        )
        for group in found["groups"]
        for server in group["servers"]
    ]
    yield from table(("group", "server", "role", "state", "takes", "lag", "busy", "connections", "waiting"), rows)
    if unread := list(_unread(found)):
        yield from ("", *unread)
    for group in found["groups"]:
        if group["observe"]:
            yield ""
            yield f"{group['name']} is only observed: replicas would have taken {many(group['observed'], 'read')}"
    if found["rules"]:
        yield ""
        rules = [(rule["name"] + " (observed)" * rule["observe"], str(rule["matched"])) for rule in found["rules"]]
        yield from table(("rule", "matched"), rules)


def _unread(found: dict[str, Any]) -> Iterator[str]:
    for group in found["groups"]:
        for server in group["servers"]:
            # An engine that runs since before an update does not tell.
            if why := server.get("no_reads"):
                yield visible(f"{server['name']} takes no reads of {group['name']}: {why}")
