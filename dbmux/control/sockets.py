"""Where the control sockets of this user's engines are, so that commands find a running engine without being told.

An environment comes in, paths go out: one for each process, named by its number, in a folder that is its owner's
alone. Sockets of processes that are gone are no engines.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from dbmux.errors import DbMuxError

FOLDER_NAME = "DBMUX_RUNTIME_DIR"
SUFFIX = ".sock"
# What the system allows for the path of a Unix socket, with the byte that ends it.
LONGEST_PATH = 107


class NoRuntimeFolder(DbMuxError):
    """There is no place for the socket."""


def folder(environment: Mapping[str, str]) -> Path:
    """The folder of all control sockets: $DBMUX_RUNTIME_DIR, or `dbmux` where the system keeps such files."""
    if named := environment.get(FOLDER_NAME):
        return Path(named)
    if named := environment.get("XDG_RUNTIME_DIR"):
        return Path(named) / "dbmux"
    # Where there is none, as in containers and over su, the user's own folder will do.
    return platformdirs.user_state_path("dbmux") / "run"


def own(environment: Mapping[str, str], pid: int) -> Path:
    """Where the process with that number may put its socket; raises NoRuntimeFolder."""
    place = folder(environment)
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = place.stat()
    except OSError as error:
        raise NoRuntimeFolder(f"{place} cannot be made: {error.strerror}; set {FOLDER_NAME}") from error
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o022:
        raise NoRuntimeFolder(f"{place} can be written by others; set {FOLDER_NAME} to a folder of your own")
    path = place / f"{pid}{SUFFIX}"
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise NoRuntimeFolder(f"{path} is too long for a socket; set {FOLDER_NAME} to a shorter one")
    return path


def running(environment: Mapping[str, str]) -> list[Path]:
    """The sockets of processes that there are, the newest first."""
    found = [path for path in folder(environment).glob(f"*{SUFFIX}") if _is_alive(path.stem)]
    return sorted(found, key=lambda path: path.lstat().st_mtime, reverse=True)


def _is_alive(number: str) -> bool:
    if not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
