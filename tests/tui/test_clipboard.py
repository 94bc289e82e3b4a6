"""Which program takes a text for the clipboard."""

from __future__ import annotations

import pytest

from dbmux.tui.clipboard import copy


@pytest.mark.parametrize(
    ("environment", "there", "taker"),
    [
        ({}, {"pbcopy", "xclip"}, "pbcopy"),
        ({"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"}, {"wl-copy", "xclip"}, "wl-copy"),
        ({"DISPLAY": ":0"}, {"wl-copy", "xclip", "xsel"}, "xclip"),
        ({"DISPLAY": ":0"}, {"xsel"}, "xsel"),
        ({}, {"xclip"}, ""),
        ({}, {"clip.exe"}, "clip.exe"),
        ({"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, {"pbcopy"}, ""),
        ({}, set(), ""),
    ],
)
def test_the_first_program_that_is_there_takes_the_text(
    environment: dict[str, str], there: set[str], taker: str
) -> None:
    given: list[tuple[str, bytes]] = []

    def run(command: tuple[str, ...], text: bytes) -> bool:
        given.append((command[0], text))
        return True

    told = copy("señal", environment, lambda name: name if name in there else None, run)

    assert told == taker
    assert given == ([(taker, "señal".encode())] if taker else [])


def test_one_that_fails_leaves_it_to_the_next() -> None:
    told = copy("x", {"DISPLAY": ":0"}, lambda name: name, lambda command, text: command[0] == "xsel")

    assert told == "xsel"
