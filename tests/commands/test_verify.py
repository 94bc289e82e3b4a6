"""What `dbmux verify` says before any server is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dbmux.cli import group


def run(*arguments: str, folder: Path, **environment: str) -> Result:
    there = {"XDG_CONFIG_HOME": str(folder), "XDG_STATE_HOME": str(folder), **environment}
    return CliRunner().invoke(group, ["verify", *arguments], env=there)


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "appconfig.json"
    path.write_text(json.dumps({"backends": {"old": "127.0.0.1:1", "new": "127.0.0.1:2"}, "default": "old"}))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("old", "old"), "A and B are the same"),
        (("old", "new", "--dry-run"), "--dry-run is for --repair"),
        (("old", "new"), "no account for old"),
        (("old", "127.0.0.1:1"), "old and 127.0.0.1:1 are one server"),
        (("old", "user@host"), "user@host is neither a backend of the configuration nor an address"),
    ],
)
def test_what_cannot_be_compared_is_said(arguments: tuple[str, ...], told: str, config: str, tmp_path: Path) -> None:
    account = {"DBMUX_VERIFY_USER": "ann"} if arguments[1] not in ("old", "new") else {}

    result = run(*arguments, "--config", config, folder=tmp_path, **account)

    assert result.exit_code == 2
    assert told in result.output


def test_a_server_that_cannot_be_reached_is_no_difference(config: str, tmp_path: Path) -> None:
    result = run("old", "new", "--config", config, folder=tmp_path, DBMUX_VERIFY_USER="ann")

    assert result.exit_code == 2
    assert "backend old at 127.0.0.1:1 cannot be reached" in result.output
