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


def test_compiled_modules_have_their_declarations_in_the_wheel() -> None:
    compiled = {ROOT / source for module in SETTINGS["ext-modules"] for source in module["sources"]}

    declared = {path.with_suffix(".py") for path in ROOT.glob("dbmux/**/*.pxd")}

    assert declared <= compiled
    assert all((path.parent / "__init__.py").exists() for path in declared)
    assert "*.pxd" in SETTINGS["package-data"]["dbmux"]
    assert (ROOT / "dbmux" / "py.typed").exists()
