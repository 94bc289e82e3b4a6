"""`dbmux routes`: the groups of a running DbMux, which server takes what, and how often rules matched."""

from __future__ import annotations

from typing import Any

import click

from dbmux.commands.asking import Wanted, asked, control_option, json_option, print_json
from dbmux.commands.table import table
from dbmux.feed.units import many


@click.command()
@control_option
@json_option
def command(wanted: Wanted, as_json: bool) -> None:
    """Show which server takes what, and how often each rule matched."""
    found: dict[str, Any] = asked(wanted, "routes")
    if as_json:
        print_json(found)
        return
    rows = [
        (
            f"{group['name']}{' (observed)' if group['observe'] else ''}",
            server["name"],
            server["role"],
            server["state"],
            _takes(group, server),
            "-" if server["lag_seconds"] is None else f"{server['lag_seconds']:.1f} s",
            str(server["busy"]),
            f"{server['connections']}/{server['limit'] if server['limit'] is not None else '-'}",
            str(server["waiting"]),
        )
        for group in found["groups"]
        for server in group["servers"]
    ]
    for line in table(("group", "server", "role", "state", "takes", "lag", "busy", "connections", "waiting"), rows):
        click.echo(line)
    for group in found["groups"]:
        if group["observe"]:
            click.echo(
                f"\n{group['name']} is only observed: replicas would have taken {many(group['observed'], 'read')}"
            )
    if found["rules"]:
        click.echo()
        rules = [(rule["name"] + " (observed)" * rule["observe"], str(rule["matched"])) for rule in found["rules"]]
        for line in table(("rule", "matched"), rules):
            click.echo(line)


def _takes(group: dict[str, Any], server: dict[str, Any]) -> str:
    if server["role"] == "primary":
        return "writes" if group["writable"] else "nothing"
    return "reads" if server["takes_reads"] else "nothing"
