"""What commands that ask a running DbMux have in common: which one is meant, how it is asked, what becomes of failures.

A question comes in, what the engine says goes out. It is asked at its control socket, which is found without being
told; at its HTTP address where that was given, or where there is no socket. Raises NobodyAnswers (exit code 3), and
DbMuxError when the engine refuses (2).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import click

from dbmux.address import Address, UnixAddress
from dbmux.commands.found import CLIENT, found, none, patient, say_late
from dbmux.commands.options import NobodyAnswers, config_option
from dbmux.feed.feed import PROTOCOL, Lost, Refused
from dbmux.feed.remote import LATE_S, RemoteFeed

T = TypeVar("T")

# The questions that the HTTP address answers, too: the method, the page, and what the question is about.
_PAGES = {
    "clients": ("GET", "/clients", ""),
    "routes": ("GET", "/routes", ""),
    "cache": ("GET", "/cache", ""),
    "cache.entries": ("GET", "/cache/entries", ""),
    "cache.flush": ("POST", "/cache/flush", "table"),
    "drain": ("POST", "/drain", "backend"),
    "resume": ("POST", "/resume", "backend"),
}

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which engine is meant, as the options say."""

    config: Path | None
    pid: int | None
    control: str | None = None


def engine_options(command: Callable[..., None]) -> Callable[..., None]:
    """`--config` and `--pid`, which the command gets as `wanted`."""

    @wraps(command)
    def called(config: Path | None, pid: int | None, control: str | None = None, **more: Any) -> None:
        command(wanted=Wanted(config, pid, control), **more)

    number = click.option("--pid", type=int, metavar="N", help="The DbMux that runs as this process.")
    return config_option(number(called))


def control_option(command: Callable[..., None]) -> Callable[..., None]:
    """`--control`, with those of engine_options."""
    told = "Ask at this HTTP control address."
    return click.option("--control", metavar="HOST:PORT", help=told)(engine_options(command))


def asked(wanted: Wanted, what: str, /, **given: Any) -> Any:
    """What the DbMux that is meant says to this question, or order."""
    if wanted.control is not None:
        return _asked_over_http(_read(wanted.control), what, given)
    address = found(wanted.pid, wanted.config)
    if address is None:
        return _asked_over_http(_configured(wanted, what), what, given)

    async def ask(feed: RemoteFeed) -> Any:
        return await feed.ask(what, given)

    return _connected(address, ask)


def connected(wanted: Wanted, use: Callable[[RemoteFeed], Coroutine[Any, Any, T]]) -> T:
    """What becomes of the feed of the DbMux that is meant, in a loop of its own."""
    address = found(wanted.pid, wanted.config)
    if address is None:
        raise NobodyAnswers(none())
    return _connected(address, use)


def _connected(address: UnixAddress, use: Callable[[RemoteFeed], Coroutine[Any, Any, T]]) -> T:
    async def ask() -> T:
        feed = await RemoteFeed.connect(address, CLIENT, patience=patient(address.path))
        try:
            if feed.hello.protocol != PROTOCOL:
                raise Refused(f"process {feed.hello.pid} is DbMux {feed.hello.version}: ask it with that version")
            return await use(feed)
        finally:
            feed.close()

    try:
        return asyncio.run(ask())
    except Lost as error:
        raise NobodyAnswers(str(error)) from error


def _asked_over_http(address: Address, what: str, given: dict[str, Any]) -> Any:
    from dbmux.control.ask import NotAnswering, ask

    method, path, about = _PAGES[what]
    if about and given[about] is not None:
        path += f"?{about}={quote(given[about])}"

    async def asking() -> Any:
        late = asyncio.get_running_loop().call_later(LATE_S, say_late, f"what listens at {address}")
        try:
            return await ask(address, path, method)
        finally:
            late.cancel()

    try:
        return asyncio.run(asking())
    except NotAnswering as error:
        raise NobodyAnswers(str(error)) from error


def _read(control: str) -> Address:
    from dbmux.config.values import CONTROL_PORT, read_address

    try:
        return read_address(control, CONTROL_PORT)
    except ValueError as error:
        raise click.UsageError(f"--control: {error}") from None


def _configured(wanted: Wanted, what: str) -> Address:
    from dbmux.config.load import find, load

    file = find(wanted.config, os.environ) if what in _PAGES else None
    control = load(file, os.environ).control if file is not None else None
    if control is None:
        raise NobodyAnswers(none() if wanted.config is None else f"no DbMux of yours runs {wanted.config}")
    return control


def print_json(told: Any) -> None:
    """One value, for programs."""
    click.echo(json.dumps(told, indent=1))


def until_told(work: Callable[[], None]) -> None:
    """Do what goes on until Ctrl-C, or until nobody reads any more: both are ordinary ends."""
    try:
        work()
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # What is still buffered must not be tried again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
