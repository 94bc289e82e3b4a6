"""`dbmux status`: how a running DbMux is, at a glance."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click

from dbmux.commands.asking import Wanted, connected, engine_options, json_option, print_json
from dbmux.feed.remote import RemoteFeed
from dbmux.feed.units import count, duration, rate, share, size, taken
from dbmux.text import visible

# Over so many seconds figures are told.
LATELY_S = 10


@click.command()
@engine_options
@json_option
def command(wanted: Wanted, as_json: bool) -> None:
    """Show how a running DbMux is: addresses, servers, clients, figures of the last ten seconds, configuration."""

    async def look(feed: RemoteFeed) -> dict[str, Any]:
        status = await feed.ask("status")
        # By the engine's own clock.
        pulse = (await feed.ask("pulse", {"since": 0}))[-LATELY_S:]
        return {"pid": feed.hello.pid, **status, "pulse": pulse, "unused": await feed.ask("config.unused")}

    found = connected(wanted, look)
    if as_json:
        print_json(found)
        return
    for line in lines(found):
        click.echo(visible(line))


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The figures as people read them."""
    draining = ", is being drained" if found["draining"] else ""
    yield f"DbMux {found['version']}, process {found['pid']}, up {duration(found['seconds'])}{draining}"
    for one in found["listeners"]:
        yield f"listens     {one['address']} for {one['group']}"
    for one in found["backends"]:
        yield f"server      {one['name']} {one['state']}{': ' * bool(one['error'])}{one['error']}{_unread(one)}"
    pins = ", ".join(f"{many} {reason}" for reason, many in found["pins"].items())
    yield f"clients     {count(found['clients'])}{'; pins: ' * bool(pins)}{pins}"
    yield from _lately(found["pulse"])
    yield f"statements  {count(found['statements'])}, {count(found['kept'])} kept in {size(found['kept_bytes'])}"
    config = found["config"]
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(config["at"]))
    yield f"config      version {config['version']} of {config['source']}, since {since}"
    yield from (f"rejected    {problem}" for problem in config["problems"])
    for one in found["unused"]:
        place = f" ({one['place']})" if one["place"] else ""
        yield f"unused      {one['path']} {one['told']}{place}"


def _unread(one: dict[str, Any]) -> str:
    # A server that is down has said why it takes nothing; an engine that runs since before an update does not tell.
    unread = {} if one["state"] == "down" else one.get("no_reads", {})
    return "".join(f"; takes no reads of {group}: {why}" for group, why in unread.items())


def _lately(pulse: list[dict[str, Any]]) -> Iterator[str]:
    if not pulse:
        return
    commands, errors, hits = (sum(one[name] for one in pulse) for name in ("commands", "errors", "hits"))
    # The slowest second of each: percentiles cannot be added.
    p50, p95, p99 = (taken(max(one[name] for one in pulse)) for name in ("p50", "p95", "p99"))
    lag = duration(max(one["lag"] for one in pulse))
    yield (
        f"last {len(pulse):>2} s   {rate(commands / len(pulse))} a second, errors {share(errors, commands)}, "
        f"from memory {share(hits, commands)}, at most p50 {p50}, p95 {p95}, p99 {p99}, loop late by {lag}"
    )
