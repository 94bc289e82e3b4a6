"""Every page as text, at each size and in each theme, beside what it looked like when somebody last agreed to it.

`DBMUX_SCREENS=write pytest tests/tui/test_screens.py` writes them anew, to be read and committed. A theme with colours
shows the same text as the dark one.
"""

from __future__ import annotations

import asyncio
import os
import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from dbmux.tui.app import Interface
from dbmux.tui.look import Theme, look
from tests.tui.lines import NOON
from tests.tui.mirrors import MIRRORED
from tests.tui.scripted import ANSWERS, Scripted, screen, settled, unhurried, until_quiet, usual

SCREENS = Path(__file__).parent / "screens"
ROOT = Path(__file__).parents[2]
SIZES = ((80, 24), (120, 40), (160, 50))
IS_WRITING = os.environ.get("DBMUX_SCREENS") == "write"
# What is pressed, and what is looked at after that.
WALK = (*((number, f"page {number}") for number in "234567891"), ("question_mark", "help"))
_DOWN = [{"name": name, "state": "down", "error": "Connection refused"} for name in ("db1", "db2")]
_PROBLEM = "appconfig.json:41:18: cache.tables.shop.products: '5sec' is no duration; write 5s"
_EMPTY: dict[str, Any] = {"statements": [], "tables": [], "bypasses": [], "gone": {}, "cleared": [], "advice": []}
STATES: dict[str, dict[str, Any]] = {
    "idle": {
        "pulse": [
            {
                **{"at": NOON + second, "lag": 0.0002, "servers": {}},
                **dict.fromkeys(("commands", "errors", "hits", "p50", "p95", "p99"), 0),
            }
            for second in range(20)
        ],
        "top": [],
        "clients": [],
        "cache": ANSWERS["cache"] | _EMPTY | {"memory": {"bytes": 0, "limit": 64 << 20, "results": 0}},
    },
    "all servers down": {"status": ANSWERS["status"] | {"backends": _DOWN}},
    "broken configuration": {
        "status": ANSWERS["status"] | {"config": ANSWERS["status"]["config"] | {"problems": [_PROBLEM]}}
    },
}


def walked(size: tuple[int, int], theme: Theme) -> dict[str, list[str]]:
    """All pages, one after the other."""
    app = Interface(Scripted(usual()), look(theme, {}), pages=unhurried)
    shown: dict[str, list[str]] = {}

    async def scenario() -> None:
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            for key, name in WALK:
                await pilot.press(key)
                await settled(pilot)
                shown[name] = screen(app)

    asyncio.run(asyncio.wait_for(scenario(), 60))
    return shown


def opened(size: tuple[int, int], answers: dict[str, Any], keys: str) -> list[str]:
    """The screen after these keys, of an engine that answers so."""
    app = Interface(
        Scripted(*() if "pulse" in answers else (usual(),), answers=answers), look(Theme.DARK, {}), pages=unhurried
    )

    async def scenario() -> list[str]:
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            for key in keys:
                await pilot.press({"\n": "enter", "?": "question_mark"}.get(key, key))
                await until_quiet(pilot)
            return screen(app)

    return asyncio.run(asyncio.wait_for(scenario(), 60))


MIRROR_VIEWS = {
    "no mirrors": ({}, "5"),
    "mirrors": (MIRRORED, "5"),
    "a mirror": (MIRRORED, "5j"),
    "differences": (MIRRORED, "5j\n"),
    "a difference": (MIRRORED, "5j\nj\n"),
    "a question": (MIRRORED, "5jp"),
    "a reason": (MIRRORED, "5j\na"),
    "help": (MIRRORED, "5?"),
}


def agreed(name: str, shown: dict[str, list[str]]) -> None:
    """That it looks as agreed; or, when asked to, write what it looks like."""
    text = "".join(f"===== {title} =====\n" + "\n".join(lines) + "\n" for title, lines in shown.items())
    file = SCREENS / f"{name}.txt"
    if IS_WRITING:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_textual_is_the_one_that_the_screens_were_drawn_with() -> None:
    # Another one draws other things; screens must not be written with it.
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]

    assert f"textual=={version('textual')}" in needed


@pytest.fixture
def pinned() -> None:
    """Refuses to compare and to write with another Textual."""
    test_textual_is_the_one_that_the_screens_were_drawn_with()


@pytest.mark.usefixtures("pinned")
@pytest.mark.parametrize("width, height", SIZES)
@pytest.mark.parametrize("theme", [Theme.DARK, Theme.ASCII])
def test_every_page_looks_as_agreed(width: int, height: int, theme: Theme) -> None:
    shown = walked((width, height), theme)

    assert [line for lines in shown.values() for line in lines if len(line) > width] == []
    agreed(f"{width}x{height}-{theme}", shown)


def test_in_the_light_theme_the_text_is_the_same() -> None:
    assert walked((80, 24), Theme.LIGHT) == walked((80, 24), Theme.DARK)


@pytest.mark.usefixtures("pinned")
@pytest.mark.parametrize("width, height", [(80, 24), (160, 50)])
def test_a_state_that_is_not_usual_looks_as_agreed(width: int, height: int) -> None:
    shown = {
        f"{state}, page {page}": opened((width, height), answers, page)
        for state, answers in STATES.items()
        for page in {"idle": "231", "all servers down": "1", "broken configuration": "8"}[state]
    }

    agreed(f"{width}x{height}-states", shown)


@pytest.mark.usefixtures("pinned")
@pytest.mark.parametrize("width, height", SIZES)
def test_mirrors_look_as_agreed(width: int, height: int) -> None:
    shown = {name: opened((width, height), answers, keys) for name, (answers, keys) in MIRROR_VIEWS.items()}

    assert [line for lines in shown.values() for line in lines if cell_len(line) > width] == []
    agreed(f"{width}x{height}-mirrors", shown)


@pytest.mark.usefixtures("pinned")
def test_a_terminal_that_is_too_small_looks_as_agreed() -> None:
    agreed("too-small", {"40x10": opened((40, 10), {}, "1"), "59x16": opened((59, 16), {}, "1")})


def test_no_screen_is_kept_that_nobody_draws() -> None:
    views = {f"{width}x{height}-mirrors" for width, height in SIZES}
    expected = {f"{width}x{height}-{theme}" for width, height in SIZES for theme in (Theme.DARK, Theme.ASCII)}

    assert {file.stem for file in SCREENS.glob("*")} == expected | views | {
        "80x24-states",
        "160x50-states",
        "too-small",
    }
    assert [
        file.name for file in SCREENS.glob("*") if re.search(r"[\x00-\x09\x0b-\x1f]", file.read_text("utf-8"))
    ] == []
