"""`dbmux why`: the decisions about one statement, each with the place of the setting behind it."""

from __future__ import annotations

from typing import Any

import click

from dbmux.commands.asking import Wanted, connected, engine_options, json_option, print_json
from dbmux.commands.lines import terminal_width
from dbmux.commands.statements import line
from dbmux.feed.remote import RemoteFeed
from dbmux.feed.row import Row
from dbmux.text import visible


@click.command()
@click.argument("number", type=click.IntRange(0), metavar="ID")
@engine_options
@json_option
def command(number: int, wanted: Wanted, as_json: bool) -> None:
    """Show why a statement went where it went; ID is the number that `dbmux tail` shows before it."""

    async def look(feed: RemoteFeed) -> dict[str, Any]:
        return {"row": await feed.ask("row", {"seq": number}), "steps": await feed.ask("why", {"seq": number})}

    found = connected(wanted, look)
    if as_json:
        print_json(found)
        return
    click.echo(line(Row.of(found["row"]), terminal_width()))
    for step in found["steps"]:
        place = f"  ({step['place']})" if step["place"] else ""
        click.echo(visible(f"{step['about']:<11} {step['told']}{place}"))
        if step["otherwise"]:
            click.echo(visible(f"{'':<11} {step['otherwise']}"))
