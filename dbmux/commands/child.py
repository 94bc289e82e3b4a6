"""A program that is run beside DbMux: where it finds the database, and how it is started, told signals and ended.

The environment and the command come in, the exit code goes out. The program has this process's own input and output.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress

from dbmux.address import TcpAddress
from dbmux.config.values import BACKEND_PORT

NOT_FOUND, NOT_EXECUTABLE, BY_SIGNAL = 127, 126, 128
_TOLD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
# A terminal sends these to everybody who is in front of it, so also to the program.
_OF_THE_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
_URLS = ("DATABASE_URL", "DB_URL")
# Laravel takes the socket that this names whatever else is said.
_PAST = ("DB_SOCKET",)
_URL = re.compile(r"((?:jdbc:)?(?:mysql2?|mariadb)(?:[+.]\w+)?://)([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?", re.DOTALL)
_SOCKETS = ("unix_socket", "socket", "unix_sock", "host", "port")


class CannotRun(Exception):
    """The program was not started; the exit code of a shell in such a case."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def environment(given: Mapping[str, str], address: TcpAddress) -> dict[str, str]:
    """The environment in which the database is at this address."""
    told = {name: value for name, value in given.items() if name not in _PAST}
    told |= {"DB_HOST": address.host, "DB_PORT": str(address.port)}
    for name in _URLS:
        if name in told:
            told[name] = moved(told[name], address)
    return told


def moved(url: str, address: TcpAddress) -> str:
    """The same URL with another host and port; one of no MySQL or MariaDB server stays as it is."""
    found = _URL.fullmatch(url)
    if found is None:
        return url
    scheme, authority, path, query, fragment = found.groups()
    account, at, _ = authority.rpartition("@")
    kept = [part for part in (query or "").split("&") if part and part.partition("=")[0] not in _SOCKETS]
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{scheme}{account}{at}{host}:{address.port}{path}{'?' + '&'.join(kept) if kept else ''}{fragment or ''}"


def server(given: Mapping[str, str]) -> str | None:
    """The server that the environment names, as host:port; None where it names none."""
    for name in _URLS:
        if found := _URL.fullmatch(given.get(name, "")):
            host = found[2].rpartition("@")[2]
            if host and "%" not in host:
                return host
    if host := given.get("DB_HOST"):
        return f"[{host}]" if host.count(":") > 1 else f"{host}:{given.get('DB_PORT') or BACKEND_PORT}"
    return None


async def run(command: Sequence[str], told: Mapping[str, str]) -> int:
    """Run it to its end and pass on to it the signals that come meanwhile; raises CannotRun."""
    loop = asyncio.get_running_loop()
    # One may come before there is a program to be told.
    came: asyncio.Queue[signal.Signals] = asyncio.Queue()
    for number in _TOLD:
        loop.add_signal_handler(number, came.put_nowait, number)
    try:
        process = await _started(command, told)
        async with asyncio.TaskGroup() as tasks:
            passing = tasks.create_task(_pass_on(process, came), name="pass signals on")
            code = await process.wait()
            passing.cancel()
    finally:
        for number in _TOLD:
            loop.remove_signal_handler(number)
    return code if code >= 0 else BY_SIGNAL - code


async def _started(command: Sequence[str], told: Mapping[str, str]) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(*command, env=told)
    except FileNotFoundError as error:
        raise CannotRun(f"{command[0]}: there is no such program", NOT_FOUND) from error
    except OSError as error:
        raise CannotRun(f"{command[0]}: {error.strerror}", NOT_EXECUTABLE) from error


async def _pass_on(process: asyncio.subprocess.Process, came: asyncio.Queue[signal.Signals]) -> None:
    while True:
        number = await came.get()
        if not (number in _OF_THE_TERMINAL and _is_in_front()):
            # It may end in this very moment.
            with suppress(ProcessLookupError):
                process.send_signal(number)


def _is_in_front() -> bool:
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
