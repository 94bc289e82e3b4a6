"""The clipboard: by a program of the system where there is one, else by the terminal itself.

A text comes in; the name of what took it goes out, so that people know where it is. Over SSH only the terminal is at
the right end. Waits for no program longer than a moment.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping

PATIENCE_S = 2.0
# Terminals take no more by their escape sequence; many take less.
MOST_BY_TERMINAL = 74_994
Which = Callable[[str], str | None]
Run = Callable[[tuple[str, ...], bytes], bool]


def copy(text: str, environment: Mapping[str, str], which: Which, run: Run) -> str:
    """The program that took the text; nothing when there is none that did."""
    for command in _commands(environment):
        if which(command[0]) is not None and run(command, text.encode("utf-8", "replace")):
            return command[0]
    return ""


def found(name: str) -> str | None:
    """Where a program is."""
    return shutil.which(name)


def ran(command: tuple[str, ...], given: bytes) -> bool:
    """Whether a program took what it was given."""
    try:
        # Those of X11 go on in the background, and would keep our output open.
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        done = subprocess.run(command, input=given, timeout=PATIENCE_S, check=False, **quiet)  # type: ignore[call-overload]  # a mapping of them
    except (OSError, subprocess.TimeoutExpired):
        return False
    return bool(done.returncode == 0)


def _commands(environment: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    if "SSH_CONNECTION" in environment or "SSH_TTY" in environment:
        return
    yield ("pbcopy",)
    if "WAYLAND_DISPLAY" in environment:
        yield ("wl-copy",)
    if "DISPLAY" in environment:
        yield ("xclip", "-selection", "clipboard")
        yield ("xsel", "--clipboard", "--input")
    yield ("clip.exe",)
