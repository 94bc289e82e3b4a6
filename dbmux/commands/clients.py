"""`dbmux clients`: who is connected to a running DbMux, and what it holds."""

from __future__ import annotations

from typing import Any

import click

from dbmux.backend.occupation import span
from dbmux.commands.asking import Wanted, asked, control_option, json_option, print_json
from dbmux.commands.table import table


@click.command()
@control_option
@click.option("--holding", is_flag=True, help="Only those that hold a server connection.")
@json_option
def command(wanted: Wanted, holding: bool, as_json: bool) -> None:
    """Show who is connected, and why it holds a server connection, if it does."""
    found: list[dict[str, Any]] = asked(wanted, "clients")
    if holding:
        found = [one for one in found if one.get("connection") is not None]
    found = oldest_first(found)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            str(one["id"]),
            one["user"] or "-",
            one["client"],
            one.get("schema") or "-",
            f"{one['state']} {span(one['seconds'])}" if "seconds" in one else one["state"],
            one.get("backend") or "-",
            _why(one),
        )
        for one in found
    ]
    for line in table(("id", "user", "client", "schema", "state", "holds", "why"), rows):
        click.echo(line)


def oldest_first(clients: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By how long each has had its oldest reason to hold a connection; those without one come last."""

    def age(one: dict[str, Any]) -> float:
        return float(max([one.get("transaction_seconds", 0.0), *(pin["seconds"] for pin in one.get("pins", ()))]))

    return sorted(clients, key=age, reverse=True)


def _why(one: dict[str, Any]) -> str:
    told = []
    if (seconds := one.get("transaction_seconds")) is not None:
        told.append(f"transaction {span(seconds)}")
    told += [f"{pin['reason']} {pin['what']} {span(pin['seconds'])}".replace("  ", " ") for pin in one.get("pins", ())]
    return ", ".join(told)
