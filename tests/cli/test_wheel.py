"""What the wheel is told to hold is all that there is; tests/wheel.sh builds one and tries it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_package_is_in_the_wheel() -> None:
    there = {".".join(path.parent.relative_to(ROOT).parts) for path in ROOT.glob("dbmux/**/*.py")}

    assert there | set(SETTINGS["package-dir"]) == set(SETTINGS["packages"])


@pytest.mark.parametrize("package", ["dbmux.docs", "dbmux.recipes"])
def test_every_page_and_recipe_is_in_the_wheel(package: str) -> None:
    folder = ROOT / SETTINGS["package-dir"][package]
    patterns = SETTINGS["package-data"][package]

    # Pictures are for readers of the repository; a terminal shows none.
    there = {path for path in folder.rglob("*") if path.is_file() and path.parent.name != "images"}

    assert there
    assert there == {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}


def test_types_beside_modules_are_in_the_wheel() -> None:
    typed = {".".join(path.parent.relative_to(ROOT).parts) for path in ROOT.glob("dbmux/**/*.pxd")}

    # Where the compiler looks for those of another package.
    assert typed <= set(SETTINGS["packages"])
    assert typed == {package for package, patterns in SETTINGS["package-data"].items() if "*.pxd" in patterns}
    assert (ROOT / "dbmux" / "py.typed").exists()
